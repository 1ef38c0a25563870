//! A processor's descriptor, which its own thread uses in two places: to run it, and to send it on an errand while a hypercall
//! is being answered.

use std::sync::{Mutex, MutexGuard, PoisonError};

use kvm_ioctls::{Error, VcpuFd};
use rustix::io::Errno;

/// A processor as KVM has it.
pub(super) struct Engine {
    pub(super) vcpu: VcpuFd,
    /// What the kernel has refused: the processor cannot go on.
    broken: Option<String>,
}

impl Engine {
    pub(super) fn new(vcpu: VcpuFd) -> Self {
        Self { vcpu, broken: None }
    }

    /// Passes on what came of `what`, and notes what the kernel has refused. It refuses nothing to a processor that is well; if it
    /// does, this one does not go on.
    pub(super) fn note<T>(&mut self, what: &str, done: Result<T, Error>) -> Option<T> {
        match done {
            Ok(value) => Some(value),
            Err(error) => {
                self.broken.get_or_insert_with(|| format!("KVM: {what}: {error}"));
                None
            }
        }
    }

    /// Why it cannot go on, if it cannot.
    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }
}

/// Nobody waits here: one thread has the processor at a time.
pub(super) fn lock(engine: &Mutex<Engine>) -> MutexGuard<'_, Engine> {
    engine.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the guest can go on as if nothing had been.
pub(super) fn is_interruption(error: Error) -> bool {
    let interruptions = [Errno::INTR, Errno::AGAIN];
    interruptions.map(Errno::raw_os_error).contains(&error.errno())
}
