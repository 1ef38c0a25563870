//! PCI as PAPR has it: a host bridge whose configuration space is reached by RTAS, functions behind it. One bus, one function for
//! each device.
//!
//! | file | |
//! |---|---|
//! | `registers.rs` | the numbers of configuration space |
//! | `config.rs` | one function's configuration space: header, capabilities, what a store changes |
//! | `bar.rs` | base address registers: their bits, and where they decode |
//! | `msix.rs` | the MSI-X table, the pending bits, when a message goes out |
//! | `messages.rs` | the pool of interrupt sources for messages |
//! | `lines.rs` | four interrupt lines that all devices share |
//! | `windows.rs` | where the bridge lies: real addresses, bus addresses, and the first place of each BAR |
//! | `routes.rs` | which BAR is at a bus address |
//! | `doorbells.rs` | stores that a kernel takes for the function |
//! | `port.rs` | one function in its place: the state above under one lock |
//! | `bridge.rs` | all of them: configuration accesses, interrupts by RTAS, the windows as [`Registers`](crate::bus::Registers) |
//! | `tce.rs` | the table of translation control entries, and its hypercalls |
//! | `window.rs` | [`Dma`] through that table |

use std::sync::Arc;

use vmm_sys_util::eventfd::EventFd;

use crate::dma::Dma;

pub use bridge::{Bridge, BridgeWindow, Fittings, MakeMemory, PlugError, Plugged};
pub use lines::{LINES, line_of};
pub use messages::{Assigned, Change, MessageKind, SourceNumber};
pub use tce::{Tce, TceTable};
pub use window::Translated;
pub use windows::{Place, SPACES, Space, Window};

mod bar;
mod bridge;
mod config;
mod doorbells;
mod lines;
mod messages;
mod msix;
mod port;
mod registers;
mod routes;
mod sync;
mod tce;
mod window;
mod windows;

/// Who a function is (PCI Local Bus 3.0, 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Subsystem vendor ID.
    pub subsystem_vendor: u16,
    /// Subsystem ID.
    pub subsystem: u16,
    /// Revision ID.
    pub revision: u8,
    /// Base class, sub-class, programming interface: 24 bits.
    pub class: u32,
}

/// One of a function's windows for its registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its size: a power of two, 4 KiB at least in memory, and 4 to 256 bytes in I/O space.
    pub bytes: u64,
    /// Where it lies. One in [`Space::Memory64`] takes two registers.
    pub space: Space,
}

/// A place in a function's window at which a store, of whatever value and size, rings an event descriptor and does nothing else.
pub struct Doorbell {
    /// Number of the (first) BAR.
    pub bar: usize,
    /// Offset in its window.
    pub offset: u64,
    /// What is rung.
    pub event: Arc<EventFd>,
}

/// Who can ring for a processor that is in the guest, so that it need not leave it: a kernel.
pub trait Porter: Send + Sync {
    /// From here on a store that begins at real address `real` rings `event`, and is seen by nobody else. Whether it will: if not, it is a store like any
    /// other, which the function takes in its window.
    fn hang(&self, real: u64, event: &EventFd) -> bool;

    /// No more. When it returns, no such store is under way. Whether it is done: if not, all is as before.
    fn take_down(&self, real: u64, event: &EventFd) -> bool;
}

/// What a device is to the bus. The bridge has its configuration space, its BARs, its MSI-X capability, table and pending bits, and
/// its INTA line. All of it is called by processors' threads, with no lock of the bridge held: it returns soon.
pub trait Function: Send + Sync {
    /// Who it is.
    fn identity(&self) -> Identity;

    /// Its windows, by the number of the (first) BAR: 0 to 5.
    fn bars(&self) -> Vec<(usize, Bar)>;

    /// Vendor-specific capabilities: what comes after ID and next pointer.
    fn capabilities(&self) -> Vec<Vec<u8>>;

    /// How many interrupts it has by MSI-X, 2048 at most; the bridge adds a window of its own for them, in the first BAR that is free.
    fn vectors(&self) -> u16;

    /// Loads 1, 2, 4 or 8 bytes at `offset` of the window of BAR `bar`, in the order of their addresses.
    fn load(&self, bar: usize, offset: u64, into: &mut [u8]);

    /// Stores as many.
    fn store(&self, bar: usize, offset: u64, from: &[u8]);

    /// Loads up to 4 bytes at `offset` of capability `number`, counted as [`Self::capabilities`] lists them, which `into` holds
    /// already: for capabilities that are more than constants.
    fn load_capability(&self, _number: usize, _offset: usize, _into: &mut [u8]) {}

    /// Stores as many.
    fn store_capability(&self, _number: usize, _offset: usize, _from: &[u8]) {}

    /// Where a store does no more than [`Self::store`] would by ringing: such a store may ring without a call. Asked once, when it is plugged in.
    fn doorbells(&self) -> Vec<Doorbell> {
        Vec::new()
    }

    /// The bus is reset: it is as after power-on.
    fn reset(&self);
}

/// What a function has of the bridge: given to it when it is plugged in.
pub trait Slot: Send + Sync {
    /// Signals MSI-X interrupt `vector`, if MSI-X is on; one that is masked is pending until it is unmasked.
    fn signal(&self, vector: u16);

    /// Puts its INTA line up or down. It reaches the guest while MSI-X is off.
    fn set_line(&self, up: bool);

    /// Whether the guest has turned MSI-X on.
    fn has_msix(&self) -> bool;
}

/// Where a function is plugged in: what it may use of bridge and machine.
#[derive(Clone)]
pub struct Socket {
    /// Its interrupts.
    pub slot: Arc<dyn Slot>,
    /// Memory by bus address, through the guest's table of translations. As PCI has it, there is none for a function that the
    /// guest has not made a master of the bus.
    pub translated: Arc<dyn Dma>,
    /// Memory by the guest's real address, for a driver that translates nothing (virtio without `VIRTIO_F_ACCESS_PLATFORM`). For a
    /// master of the bus as well.
    pub direct: Arc<dyn Dma>,
}
