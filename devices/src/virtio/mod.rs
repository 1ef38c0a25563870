//! virtio 1.x devices over PCI.
//!
//! | file | |
//! |---|---|
//! | `queue.rs` | a queue as a device has it: chains out, used buffers back, when to signal |
//! | `chain.rs` | buffers that the driver has made available together |
//! | `scratch.rs` | guest memory as `virtio-queue` wants it |
//! | `transport/` | the PCI function: capabilities, common configuration, notification, status |
//! | `runner.rs` | the thread of a device, with `event-manager` |
//! | `kick.rs` | what wakes it |
//! | `block/` | disks |
//! | `console.rs` | a console beside the one that the guest boots on |
//! | `balloon/` | memory that the guest gives back |
//! | `rng.rs` | randomness |
//! | `fs/` | directories of the host |
//! | `net/` | a network card |
//! | `vsock/` | sockets between guest and host |

use std::io;
use std::os::fd::RawFd;

pub use chain::Chain;
pub use kick::Kick;
pub use queue::{Broken, Layout, Queue};
pub use runner::Turns;
pub use transport::{Configuration, Fittings, Transport};

pub mod balloon;
pub mod block;
mod chain;
pub mod console;
pub mod fs;
mod kick;
pub mod net;
mod queue;
pub mod rng;
mod runner;
mod scratch;
mod sync;
#[cfg(test)]
pub(crate) mod testing;
mod transport;
pub mod vsock;

/// A virtio device, shared by those who look at it. Called by processors' threads, but for [`Self::start`]: it returns soon.
pub trait Device: Send + Sync + 'static {
    /// Virtio device ID (virtio 1.2, section 5).
    fn id(&self) -> u16;

    /// Class of the PCI function: 24 bits.
    fn class(&self) -> u32;

    /// Feature bits of this kind of device; those of any device (23 to 63) are the transport's to add.
    fn features(&self) -> u64;

    /// The largest size of each queue: powers of two.
    fn queue_sizes(&self) -> Vec<u16>;

    /// Whoever changes the device-specific configuration does so through `configuration`. Called once, at the start.
    fn attach(&self, _configuration: Configuration) {}

    /// Loads from the device-specific configuration; beyond its end there are zeros, which `into` holds already. Not to be changed meanwhile, nor
    /// through [`Configuration::change`] from here.
    fn load_config(&self, offset: u64, into: &mut [u8]);

    /// Stores to it.
    fn store_config(&self, _offset: u64, _from: &[u8]) {}

    /// The driver is ready (DRIVER_OK) with `features`: a worker for the device's life until it is reset. `queues` has those that the
    /// driver has enabled, by number. Called by the device's own thread, when the last life's worker is gone.
    ///
    /// # Errors
    /// The host refuses something; the device then says that it needs a reset.
    fn start(&self, features: u64, queues: Vec<(usize, Queue)>) -> io::Result<Box<dyn Worker>>;
}

/// One life of a device, on the device's own thread.
pub trait Worker: Send {
    /// File descriptors to be watched for reading for as long as it lives, with the token that [`Self::ready`] gets: again and again while there
    /// is something to read, so a worker that does not read, or whose descriptors change, gives the descriptor of an epoll set of
    /// its own.
    fn watched(&self) -> Vec<(RawFd, u32)> {
        Vec::new()
    }

    /// The driver has put buffers into queue `queue`, or may have. Called once at the start for each queue.
    ///
    /// # Errors
    /// The driver has broken the queue, or the device cannot go on: it needs a reset.
    fn kicked(&mut self, queue: usize) -> io::Result<()>;

    /// A watched descriptor can be read.
    ///
    /// # Errors
    /// As for [`Self::kicked`].
    fn ready(&mut self, _token: u32) -> io::Result<()> {
        Ok(())
    }

    /// The device is being reset or the run ends. When it returns, nothing of this life touches guest memory any more, and
    /// what was reported as done is done.
    fn stop(&mut self) {}
}
