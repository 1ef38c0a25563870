//! How a device reaches the guest's memory: by bus address, in copies.
//!
//! A device never sees a pointer into guest memory: what it reads cannot change under it, and whoever takes memory away, forbids
//! stores to it, or notes them, has one place to do so, which is above this crate.

use std::sync::Arc;

/// A device was told to use what is no memory of the guest, or what it has no translation for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory for {bytes} bytes at bus address {at:#x}")]
pub struct BadAddress {
    /// Bus address of the first byte.
    pub at: u64,
    /// How many were wanted.
    pub bytes: u64,
}

/// Why a copy was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DmaError {
    /// What the driver has named is not there.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// The guest whose memory this was is gone: the run is over, or the machine was started anew.
    #[error("the guest whose memory this was is gone")]
    Over,
}

/// Which start of the machine something belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epoch(pub u64);

/// The guest's memory, as one device has it.
pub trait Dma: Send + Sync {
    /// Copies the bytes at bus address `at` into `into`. Naturally aligned pieces of 2, 4 and 8 bytes are read whole. It waits while they are
    /// withheld, or the run is paused.
    ///
    /// # Errors
    /// Not all of it is memory that this device may read, or the guest is gone, for which nobody waits; `into` is whatever it has become, and nothing
    /// is to be made of it.
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), DmaError>;

    /// Copies `from` to bus address `at`. Naturally aligned pieces of 2, 4 and 8 bytes arrive whole. It waits as [`Self::read`] does.
    ///
    /// # Errors
    /// Not all of it is memory that this device may write; nothing has been written then, unless the range has several translations. Or the guest
    /// is gone; then the next one's memory is untouched.
    fn write(&self, at: u64, from: &[u8]) -> Result<(), DmaError>;

    /// The same memory, for a life of the device that begins now: once the machine is started anew, it answers [`DmaError::Over`] for ever. `None`:
    /// there is one start only, and this memory is that life's.
    fn for_life(&self) -> Option<Arc<dyn Dma>> {
        None
    }

    /// Which start of the machine this memory belongs to.
    fn epoch(&self) -> Epoch {
        Epoch::default()
    }
}
