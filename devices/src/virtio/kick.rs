//! An event descriptor: somebody rings, the thread of a device wakes.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

/// Rings of one kind. Rings that come before anybody has looked are one.
pub struct Kick(Arc<EventFd>);

impl Kick {
    /// One that has not been rung.
    ///
    /// # Errors
    /// The host has no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC)?)))
    }

    /// Rings; it never waits.
    pub fn ring(&self) {
        // It fails for a count that is full, which nobody reaches, and which would be a ring as well.
        _ = self.0.write(1);
    }

    /// Takes all rings back; whether there was one.
    pub fn take(&self) -> bool {
        self.0.read().is_ok()
    }

    /// The descriptor, for somebody else who rings.
    pub fn event(&self) -> &Arc<EventFd> {
        &self.0
    }
}

/// To be watched for reading.
impl AsRawFd for Kick {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
