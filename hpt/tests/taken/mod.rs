//! Who takes ranges of memory away and gives them back, one at a time; and whether a processor may use a byte of it. What is
//! promised comes from the crate, and from the fence between announcing a range and unmapping it.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use hpt::{Endless, Unmapped, Unmapper};

/// One thread that takes memory.
#[derive(Default)]
pub(crate) struct Taker {
    /// The range that is about to go: what is found there now must not be remembered.
    in_flight: Place,
    /// The range that is gone: nobody may use it.
    away: Place,
}

/// A range of real addresses below 4 GiB in one word.
#[derive(Default)]
struct Place(AtomicU64);

impl Place {
    fn set(&self, range: &Range<u64>, ordering: Ordering) {
        self.0.store(range.start | range.end << 32, ordering);
    }

    /// Whether it has a byte of `range`.
    fn meets(&self, range: &Range<u64>, ordering: Ordering) -> bool {
        let both = self.0.load(ordering);
        let (start, end) = (both & u64::from(u32::MAX), both >> 32);
        start.max(range.start) < end.min(range.end)
    }
}

impl Taker {
    /// Takes `range` away, and gives it back.
    pub(crate) fn take(&self, unmapper: &mut Unmapper, range: &Range<u64>) -> Unmapped {
        self.in_flight.set(range, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let unmapped = unmapper.unmap([range.clone()], &Endless).expect("endless patience");
        self.away.set(range, Ordering::Relaxed);
        std::thread::yield_now();
        self.away.set(&(0..0), Ordering::Relaxed);
        self.in_flight.set(&(0..0), Ordering::Release);
        unmapped
    }

    /// Whether a processor may remember what it has found at `range`: asked inside its seat, after the walk.
    pub(crate) fn admits(&self, range: &Range<u64>) -> bool {
        !self.in_flight.meets(range, Ordering::Acquire)
    }

    /// Whether a processor that uses `range` is wrong.
    pub(crate) fn has_taken(&self, range: &Range<u64>) -> bool {
        self.away.meets(range, Ordering::Relaxed)
    }
}
