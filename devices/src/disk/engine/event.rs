//! A descriptor by which one thread calls another one that waits for descriptors.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, eventfd};

/// A descriptor that can be read after [`ring_event`], until [`clear_event`].
pub(crate) fn event() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// Makes it readable.
pub(crate) fn ring_event(event: &OwnedFd) {
    // It refuses only when it is readable already.
    let _ = rustix::io::write(event, &1_u64.to_ne_bytes());
}

/// Makes it unreadable.
pub(crate) fn clear_event(event: &OwnedFd) {
    // It refuses only when it is unreadable already.
    let _ = rustix::io::read(event, &mut [0_u8; 8]);
}
