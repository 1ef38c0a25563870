//! The gate in front of the guest: closed while somebody needs every processor outside, as when the table itself is
//! exchanged.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | G1 | closer | `closed` set, Relaxed; fence SeqCst; then I2 to I5 of `seat.rs` for every seat | E1, by the fence |
//! | G2 | processor | between E1 and E2: `closed` load Acquire; if it is set, E4, and from the start when it is open | G1; G3 |
//! | G3 | closer | all is done; `closed` cleared, Release, under the mutex that the processors sleep with | G2: all that was done is seen |
//!
//! Of the fences in E1 and G1 one comes first. If it is the processor's, the closer finds it inside and makes it leave;
//! if it is the closer's, the processor finds the gate closed, or open again. A processor that sleeps here is
//! outside: nobody waits for it.

use crate::points::{hand_on, point};
use crate::sync::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering, PoisonError, fence, lock, lock_standing};

/// A gate, open at first.
pub(crate) struct Gate {
    closed: AtomicBool,
    /// Held while the gate is closed: one closer at a time.
    closer: Mutex<()>,
    /// Guards nothing but sleep.
    sleep: Mutex<()>,
    opened: Condvar,
}

/// A closed gate. It opens when this is dropped.
pub(crate) struct Closed<'g> {
    gate: &'g Gate,
    _closer: MutexGuard<'g, ()>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            closed: AtomicBool::new(false),
            closer: Mutex::new(()),
            sleep: Mutex::new(()),
            opened: Condvar::new(),
        }
    }

    /// Closes the gate (G1); waits while somebody else has it closed. Processors that are inside stay there: each is
    /// found by a look at its seat from here on.
    pub(crate) fn close(&self) -> Closed<'_> {
        // Held at points, of those that are in the way of the processors that it waits for.
        let closer = lock_standing(&self.closer);
        self.closed.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        point();
        Closed {
            gate: self,
            _closer: closer,
        }
    }

    /// Whether the processor, which can be seen inside and has executed E1's fence since, must leave again (G2).
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Sleeps until the gate, which was found closed, is open.
    #[cold]
    pub(crate) fn wait(&self) {
        while hand_on() {
            if !self.is_closed() {
                return;
            }
        }
        let mut sleep = lock(&self.sleep);
        // Set before we were sent here, cleared under `sleep`.
        while self.closed.load(Ordering::Relaxed) {
            sleep = self.opened.wait(sleep).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        let sleep = lock(&self.gate.sleep);
        // G3.
        self.gate.closed.store(false, Ordering::Release);
        drop(sleep);
        self.gate.opened.notify_all();
    }
}
