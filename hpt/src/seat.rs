//! One processor's place in a [`Shootdown`](crate::Shootdown): whether it is in the guest, and what
//! it must forget before it goes there again. Only that processor's thread enters and leaves.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | E1 | processor | word: INSIDE set, count + 1, Release; fence SeqCst | I2: one of the two sees the other; I3, which may find this instead of E4 |
//! | E2 | processor | `posted`: load Relaxed; if set, what is pending is taken under its mutex and applied | I1, by the mutex |
//! | E3 | processor | walks the table, uses what it holds | |
//! | E4 | processor | word: INSIDE clear by swap, Release; wakes those whose WAITED it finds | I3, I4 |
//! | I1 | writer | the table is changed; the batch is added under the mutex, `posted` set, Relaxed | E2 |
//! | I2 | writer | fence SeqCst; word: load Acquire | E1; E4: R and C set by a walk are there |
//! | I3 | writer, if INSIDE | kick; word: until it is another one, load Acquire | E4, or E1 of a later visit |
//! | I4 | writer, tired | word: WAITED set by compare-exchange against the word of I2, Relaxed; sleeps while it is that | E4 |
//!
//! If the writer finds the processor outside, E1 of its next entry comes after the fence of I2, so that E2
//! finds the batch and E3 the changed table. If it finds it inside, it waits for that one visit to end:
//! the count tells a new visit, which has applied the batch, from the old one. Processor state and
//! wish to be woken are one word, so no wake-up is lost between them.

use std::sync::Arc;

use crate::Footprint;
use crate::shadow::{Batch, Invalidation};
use crate::sync::{
    AtomicBool, AtomicU64, Condvar, Mutex, Ordering, PoisonError, SPINS, YIELDS, fence, lock, spin_loop, yield_now,
};

/// A processor's place.
#[repr(align(128))]
pub struct Seat {
    word: AtomicU64,
    posted: AtomicBool,
    pending: Mutex<Pending>,
    /// What the processor may hold, where it keeps account.
    footprint: Option<Arc<Footprint>>,
    /// Guards nothing but sleep; see I4.
    sleep: Mutex<()>,
    left: Condvar,
}

/// The visit that a writer found a processor in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visit(u64);

/// The processor is in the guest.
const INSIDE: u64 = 1;
/// Somebody sleeps until it leaves.
const WAITED: u64 = 2;
/// One visit more.
const VISIT: u64 = 4;

impl Seat {
    /// A processor outside the guest that holds nothing.
    pub(crate) fn new(footprint: Option<Arc<Footprint>>) -> Self {
        Self {
            footprint,
            word: AtomicU64::new(0),
            posted: AtomicBool::new(false),
            pending: Mutex::new(Pending::new()),
            sleep: Mutex::new(()),
            left: Condvar::new(),
        }
    }

    /// Whether the processor may hold something that `batch` names. A fence must lie between the
    /// table's change and this (W1 in `footprint.rs`).
    pub(crate) fn may_hold(&self, batch: &Batch) -> bool {
        let Some(footprint) = &self.footprint else { return true };
        batch.items().any(|invalidation| footprint.may_hold(invalidation))
    }

    /// The processor goes into the guest: from here on it may walk the table. Calls `apply` for
    /// everything that it must forget first.
    pub fn enter(&self, mut apply: impl FnMut(&Invalidation)) {
        let word = self.word.load(Ordering::Relaxed);
        debug_assert!(word & INSIDE == 0, "enters twice");
        // E1. Release: a writer that waits for the last visit may find this one, and knows that it is over.
        self.word.store((word + VISIT) | INSIDE, Ordering::Release);
        // No look at `posted` or at the table may be made before writers can see us inside.
        fence(Ordering::SeqCst);
        if self.posted.load(Ordering::Relaxed) {
            let mut pending = lock(&self.pending);
            self.posted.store(false, Ordering::Relaxed);
            pending.drain(&mut apply);
        }
    }

    /// The processor has left the guest: it walks no more, and uses nothing that it holds until it enters
    /// again.
    pub fn leave(&self) {
        let word = self.word.load(Ordering::Relaxed);
        debug_assert!(word & INSIDE != 0, "leaves twice");
        // E4. Release: all walks are over. WAITED needs no order of its own: its sleeper sleeps, or is
        // about to and holds `sleep`. No one but us changes the word beside setting WAITED.
        let old = self.word.swap(word & !(INSIDE | WAITED), Ordering::Release);
        if old & WAITED != 0 {
            drop(lock(&self.sleep));
            self.left.notify_all();
        }
    }

    /// Leaves a batch for the next entry (I1).
    pub(crate) fn post(&self, batch: &Batch) {
        let mut pending = lock(&self.pending);
        pending.add(batch);
        self.posted.store(true, Ordering::Relaxed);
    }

    /// The visit that must end before the batch is done with; `None` if the processor is outside. A
    /// fence must lie between [`Self::post`] and this (I2).
    pub(crate) fn visit(&self) -> Option<Visit> {
        let word = self.word.load(Ordering::Acquire);
        (word & INSIDE != 0).then_some(Visit(word & !WAITED))
    }

    fn is_in(&self, visit: Visit) -> bool {
        self.word.load(Ordering::Acquire) & !WAITED == visit.0
    }

    /// Returns when `visit` is over.
    pub(crate) fn wait(&self, visit: Visit) {
        for look in 0..SPINS + YIELDS {
            if !self.is_in(visit) {
                return;
            }
            if look < SPINS { spin_loop() } else { yield_now() }
        }
        let mut sleep = lock(&self.sleep);
        while self.is_in(visit) {
            let Visit(plain) = visit;
            // I4. Fails if the visit is over, and if another writer has set WAITED already. `sleep` orders
            // it: a leave that finds WAITED wakes us, one that came before is seen by the next look.
            let set = plain | WAITED;
            let _ = self
                .word
                .compare_exchange(plain, set, Ordering::Relaxed, Ordering::Relaxed);
            if !self.is_in(visit) {
                break;
            }
            sleep = self.left.wait(sleep).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = self.word.load(Ordering::Relaxed);
        f.debug_struct("Seat")
            .field("inside", &(word & INSIDE != 0))
            .field("visits", &(word / VISIT))
            .finish_non_exhaustive()
    }
}

/// What a processor must forget: a list, or everything when the list is full.
struct Pending {
    items: Vec<Invalidation>,
    all: bool,
}

impl Pending {
    /// A full batch and some single ones; forgetting more one by one costs more than to start afresh.
    const CAPACITY: usize = 256;

    fn new() -> Self {
        Self {
            items: Vec::with_capacity(Self::CAPACITY),
            all: false,
        }
    }

    fn add(&mut self, batch: &Batch) {
        if self.all {
            return;
        }
        if batch.is_everything() || self.items.len() + batch.len() > Self::CAPACITY {
            self.items.clear();
            self.all = true;
        } else {
            self.items.extend(batch.items());
        }
    }

    fn drain(&mut self, apply: &mut impl FnMut(&Invalidation)) {
        if std::mem::take(&mut self.all) {
            apply(&Invalidation::All);
        }
        for item in self.items.drain(..) {
            apply(&item);
        }
    }
}

#[cfg(test)]
mod tests {
    use power::page::{PageSize, SegmentSize, Vpn};

    use super::*;

    fn batch(pages: u64) -> Batch {
        let mut batch = Batch::new();
        for number in 0..pages {
            let page = Vpn::new(1, SegmentSize::Size1T, PageSize::Size4K, number << 12);
            batch.push(Invalidation::Page {
                page,
                actual: PageSize::Size4K,
            });
        }
        batch
    }

    fn applied(seat: &Seat) -> Vec<Invalidation> {
        let mut items = Vec::new();
        seat.enter(|item| items.push(*item));
        seat.leave();
        items
    }

    #[test]
    fn what_was_posted_is_applied_once() {
        let seat = Seat::new(None);
        seat.post(&batch(3));
        seat.post(&batch(1));
        let expected: Vec<_> = batch(3).items().chain(batch(1).items()).copied().collect();
        assert_eq!(applied(&seat), expected);
        assert_eq!(applied(&seat), []);
    }

    #[test]
    fn more_than_a_seat_holds_is_everything() {
        let seat = Seat::new(None);
        seat.post(&batch(192));
        seat.post(&batch(65));
        seat.post(&batch(1));
        assert_eq!(applied(&seat), [Invalidation::All]);
        assert_eq!(applied(&seat), []);
        seat.post(&batch(192));
        seat.post(&batch(64));
        assert_eq!(applied(&seat).len(), 256);
    }

    #[test]
    fn each_visit_is_another() {
        let seat = Seat::new(None);
        assert_eq!(seat.visit(), None);
        seat.enter(|_| ());
        let first = seat.visit().unwrap();
        assert!(seat.is_in(first));
        seat.leave();
        seat.enter(|_| ());
        assert!(!seat.is_in(first));
        seat.wait(first);
        assert_ne!(seat.visit(), Some(first));
    }

    #[test]
    fn a_writer_that_sleeps_is_woken() {
        let seat = Seat::new(None);
        seat.enter(|_| ());
        let visit = seat.visit().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| seat.wait(visit));
            scope.spawn(|| seat.wait(visit));
            while seat.word.load(Ordering::Relaxed) & WAITED == 0 {
                yield_now();
            }
            seat.leave();
        });
        assert_eq!(seat.visit(), None);
    }
}
