//! An event descriptor: somebody rings, the thread of a device wakes.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd, OwnedFd, RawFd};

use rustix::event::{EventfdFlags, eventfd};

/// Rings of one kind. Rings that come before anybody has looked are one.
pub struct Kick(OwnedFd);

impl Kick {
    /// One that has not been rung.
    ///
    /// # Errors
    /// The host has no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?))
    }

    /// Rings; it never waits.
    pub fn ring(&self) {
        // It fails for a count that is full, which nobody reaches, and which would be a ring as well.
        _ = rustix::io::write(self.0.as_fd(), &1_u64.to_ne_bytes());
    }

    /// Takes all rings back; whether there was one.
    pub fn take(&self) -> bool {
        rustix::io::read(self.0.as_fd(), &mut [0; 8]).is_ok()
    }
}

/// To be watched for reading.
impl AsRawFd for Kick {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
