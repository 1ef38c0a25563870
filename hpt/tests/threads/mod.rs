//! What the stress tests with real threads are made of: memory, a bell for each processor, its seat.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hpt::{Kick, RealKind, RealMap, Seat};

/// So many bytes of memory, whose content is nobody's business.
pub(crate) struct Memory(pub(crate) u64);

impl RealMap for Memory {
    fn kind(&self, real: u64, bytes: u64) -> Option<RealKind> {
        let end = real.checked_add(bytes)?;
        (end <= self.0).then_some(RealKind::Ram)
    }

    fn zero(&self, _real: u64, _bytes: u64) {}

    fn synchronize_instructions(&self, _real: u64, _bytes: u64) {}
}

/// Rung by those who want a processor out of the guest.
#[derive(Clone, Default)]
pub(crate) struct Doorbell(pub(crate) Arc<AtomicBool>);

impl Kick for Doorbell {
    fn kick(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Leaves the seat on every way out: a failure must not make the other threads wait for ever.
pub(crate) struct Inside<'s>(pub(crate) &'s Seat);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
