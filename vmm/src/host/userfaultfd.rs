//! Whether a process on this machine may have a userfaultfd, to be told what it does to its address space: asked by making one.
#![expect(unsafe_code, reason = "there is no safe form of it")]

use std::io;

use rustix::mm::UserfaultfdFlags;

/// What a process may ask of userfaultfd(2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Userfaultfd {
    /// Any.
    All,
    /// One for faults of its own (`UFFD_USER_MODE_ONLY`), which is enough to be told.
    OwnFaults,
    /// None; the host's error.
    Refused(String),
}

/// `UFFD_USER_MODE_ONLY` of the kernel's header.
const USER_MODE_ONLY: UserfaultfdFlags = UserfaultfdFlags::from_bits_retain(1);

impl Userfaultfd {
    /// What this process may have.
    pub(super) fn look() -> Self {
        if make(UserfaultfdFlags::CLOEXEC).is_ok() {
            return Self::All;
        }
        match make(UserfaultfdFlags::CLOEXEC | USER_MODE_ONLY) {
            Ok(()) => Self::OwnFaults,
            Err(error) => Self::Refused(error.to_string()),
        }
    }
}

/// Makes one and closes it.
fn make(flags: UserfaultfdFlags) -> io::Result<()> {
    // SAFETY: it watches nothing until it is asked to, and nobody asks it.
    let made = unsafe { rustix::mm::userfaultfd(flags) }?;
    drop(made);
    Ok(())
}
