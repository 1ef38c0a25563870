//! The interrupt controller: H_XIRR and its siblings (LoPAR, Logical Partitioning Option, 5.4.7) and the
//! `ibm,*-xive` and `ibm,int-*` calls (LoPAR, RTAS Call Definition, 10), as one [`Xics`].
//!
//! - `presenter`: one per server (processor), what it is offered and at what priority;
//! - `source`: one per interrupt source, where it goes and how far its interrupt has come;
//! - `controller`: the two together, with the locks (of `sync`) and their order;
//! - `sources`: what a device sees of it.

mod controller;
mod presenter;
mod source;
mod sources;
mod sync;

pub use controller::{CpuLine, Poll, Xics, Xive};
pub use source::Trigger;

/// The interrupt number of inter-processor interrupts.
pub const IPI: u32 = 2;

/// The number of the first interrupt source; the others follow. Guests keep numbers below 16 for
/// themselves.
pub const FIRST_SOURCE: u32 = 0x1000;

/// The least favoured priority: of a CPPR, all interrupts are welcome; of a source or a MFRR, none
/// is signalled.
pub const LEAST_FAVORED: u8 = 0xff;
