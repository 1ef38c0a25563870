//! One processor's place in a [`Shootdown`](crate::Shootdown): whether it is in the guest, and what
//! it must forget before it goes there again. Only that processor's thread enters and leaves.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | E1 | processor | word: INSIDE set, count + 1, Release; fence SeqCst; if the gate is closed, E4, and again when it opens (`gate.rs`) | I2: one of the two sees the other; I4, which may find this instead of E4 |
//! | E2 | processor | `posted`: load Relaxed; if set, what is pending is taken under its mutex and applied | I1, by the mutex |
//! | E3 | processor | walks the table, uses what it holds | |
//! | E4 | processor | word: INSIDE, KICKED and WAITED clear by swap, Release; wakes those whose WAITED it finds | I4, I5 |
//! | I1 | writer | the table is changed; the batch is added under the mutex, `posted` set, Relaxed | E2 |
//! | I2 | writer | fence SeqCst; word: load Acquire | E1; E4: R and C set by a walk are there |
//! | I3 | writer, if INSIDE without KICKED | word: KICKED set by compare-exchange against the word of I2, Relaxed, or I2 again, Acquire; kick | I3 of others, who find KICKED and leave the kick to this one |
//! | I4 | writer, if INSIDE | word: until it is of another visit, load Acquire | E4, or E1 of a later visit |
//! | I5 | writer, tired | word: WAITED set by compare-exchange, Relaxed; sleeps while the visit lasts | E4 |
//!
//! If the writer finds the processor outside, E1 of its next entry comes after the fence of I2, so that E2
//! finds the batch and E3 the changed table. If it finds it inside, it waits for that one visit to end:
//! the count tells a new visit, which has applied the batch, from the old one. Processor state, wish to be woken and
//! the kick are one word, so no wake-up is lost between them, and a kick counts for its own visit only.
//!
//! *Combining.* A writer that finds KICKED relies on another one to kick. That one has not necessarily
//! done it yet, but nothing lies between its I3 and its kick that waits for anybody; where processors take turns its own may end there
//! (`points.rs`), and who waits hands on until it has another. The visit that ends for it is
//! the one that both saw, and the batches of both were posted before. Compare-exchanges keep the release sequence of the
//! store below them: who finds KICKED or WAITED on a later visit still finds E1 of it.

use std::sync::Arc;

use crate::Footprint;
use crate::gate::Gate;
use crate::points::{hand_on, point};
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
    /// The one in front of every seat.
    gate: Arc<Gate>,
    /// Guards nothing but sleep; see I5.
    sleep: Mutex<()>,
    left: Condvar,
}

/// The visit that a writer found a processor in: the word without what writers note in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visit(u64);

impl Visit {
    fn of(word: u64) -> Self {
        Self(word & !NOTES)
    }
}

/// What a writer found a processor doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing that the writer must wait for.
    Outside,
    /// The finder must kick it: others rely on that now.
    Inside(Visit),
    /// The same, but another writer kicks.
    Leaving(Visit),
}

/// The processor is in the guest.
const INSIDE: u64 = 1;
/// Somebody sleeps until it leaves.
const WAITED: u64 = 2;
/// Somebody has kicked it, or is about to.
const KICKED: u64 = 4;
/// What writers note about the visit, until it ends.
const NOTES: u64 = WAITED | KICKED;
/// One visit more.
const VISIT: u64 = 8;

impl Seat {
    /// A processor outside the guest that holds nothing.
    pub(crate) fn new(footprint: Option<Arc<Footprint>>, gate: Arc<Gate>) -> Self {
        Self {
            footprint,
            gate,
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
    /// everything that it must forget first. Waits while somebody has every processor outside.
    pub fn enter(&self, apply: impl FnMut(&Invalidation)) {
        while !self.try_enter() {
            self.gate.wait();
        }
        self.apply_posted(apply);
    }

    /// E1. Whether the gate is open; if not, the processor is outside.
    fn try_enter(&self) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        debug_assert!(word & INSIDE == 0, "enters twice");
        // Release: a writer that waits for the last visit may find this one, and knows that it is over.
        self.word.store((word + VISIT) | INSIDE, Ordering::Release);
        // No look at the gate, `posted` or the table may be made before writers can see us inside.
        fence(Ordering::SeqCst);
        point();
        let open = !self.gate.is_closed();
        if !open {
            self.leave();
        }
        open
    }

    /// E2.
    fn apply_posted(&self, mut apply: impl FnMut(&Invalidation)) {
        if self.posted.load(Ordering::Relaxed) {
            let mut pending = lock(&self.pending);
            self.posted.store(false, Ordering::Relaxed);
            pending.drain(&mut apply);
        }
    }

    /// Calls `apply` for everything that the processor, which is outside the guest, must forget: before its
    /// state is read, and before its thread runs another processor. What a writer posts from now on is left for later.
    pub fn settle(&self, apply: impl FnMut(&Invalidation)) {
        debug_assert!(self.word.load(Ordering::Relaxed) & INSIDE == 0, "settles inside");
        self.apply_posted(apply);
    }

    /// The processor has left the guest: it walks no more, and uses nothing that it holds until it enters
    /// again.
    #[inline]
    pub fn leave(&self) {
        let word = self.word.load(Ordering::Relaxed);
        debug_assert!(word & INSIDE != 0, "leaves twice");
        // E4. Release: all walks are over. WAITED needs no order of its own: its sleeper sleeps, or is
        // about to and holds `sleep`. No one but us changes the word beside setting notes.
        let old = self.word.swap(word & !(INSIDE | NOTES), Ordering::Release);
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

    /// The visit that must end before the batch is done with, and who kicks. A fence must lie between
    /// [`Self::post`] and this (I2, I3).
    pub(crate) fn find(&self) -> Found {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word & INSIDE == 0 {
                return Found::Outside;
            }
            if word & KICKED != 0 {
                return Found::Leaving(Visit::of(word));
            }
            point();
            // Acquire: as the load above.
            match self
                .word
                .compare_exchange(word, word | KICKED, Ordering::Relaxed, Ordering::Acquire)
            {
                Ok(_) => return Found::Inside(Visit::of(word)),
                Err(now) => word = now,
            }
        }
    }

    fn is_in(&self, visit: Visit) -> bool {
        Visit::of(self.word.load(Ordering::Acquire)) == visit
    }

    /// Returns when `visit` is over.
    pub(crate) fn wait(&self, visit: Visit) {
        let mut looks = 0;
        while looks < SPINS + YIELDS {
            if !self.is_in(visit) {
                return;
            }
            if hand_on() {
                continue;
            }
            if looks < SPINS {
                spin_loop();
            } else {
                yield_now();
            }
            looks += 1;
        }
        let mut sleep = lock(&self.sleep);
        while self.note_sleeper(visit) {
            sleep = self.left.wait(sleep).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// I5, with `sleep` held: a leave that finds WAITED wakes us, one that came before is seen here. Whether the
    /// visit goes on, with WAITED set.
    fn note_sleeper(&self, visit: Visit) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        while Visit::of(word) == visit {
            if word & WAITED != 0 {
                return true;
            }
            match self
                .word
                .compare_exchange(word, word | WAITED, Ordering::Relaxed, Ordering::Acquire)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
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
                real: number << 12,
            });
        }
        batch
    }

    fn seat() -> Seat {
        Seat::new(None, Arc::new(Gate::new()))
    }

    fn visit(seat: &Seat) -> Option<Visit> {
        match seat.find() {
            Found::Outside => None,
            Found::Inside(visit) | Found::Leaving(visit) => Some(visit),
        }
    }

    fn applied(seat: &Seat) -> Vec<Invalidation> {
        let mut items = Vec::new();
        seat.enter(|item| items.push(*item));
        seat.leave();
        items
    }

    #[test]
    fn what_was_posted_is_applied_once() {
        let seat = seat();
        seat.post(&batch(3));
        seat.post(&batch(1));
        let expected: Vec<_> = batch(3).items().chain(batch(1).items()).copied().collect();
        assert_eq!(applied(&seat), expected);
        assert_eq!(applied(&seat), []);
    }

    #[test]
    fn more_than_a_seat_holds_is_everything() {
        let seat = seat();
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
        let seat = seat();
        assert_eq!(visit(&seat), None);
        seat.enter(|_| ());
        let first = visit(&seat).unwrap();
        assert!(seat.is_in(first));
        seat.leave();
        seat.enter(|_| ());
        assert!(!seat.is_in(first));
        seat.wait(first);
        assert_ne!(visit(&seat), Some(first));
    }

    #[test]
    fn the_first_writer_kicks_and_others_join_until_the_visit_ends() {
        let seat = seat();
        assert_eq!(seat.find(), Found::Outside);
        seat.enter(|_| ());
        let Found::Inside(first) = seat.find() else {
            panic!("to be kicked")
        };
        assert_eq!(seat.find(), Found::Leaving(first));
        assert!(seat.note_sleeper(first) && seat.note_sleeper(first) && seat.is_in(first));
        assert_eq!(seat.find(), Found::Leaving(first));
        seat.leave();
        assert!(!seat.note_sleeper(first));
        assert_eq!(seat.find(), Found::Outside);
        seat.enter(|_| ());
        assert!(matches!(seat.find(), Found::Inside(second) if second != first));
    }

    #[test]
    fn what_was_settled_is_not_applied_again() {
        let seat = seat();
        seat.post(&batch(3));
        let mut settled = 0;
        seat.settle(|_| settled += 1);
        assert_eq!(settled, 3);
        assert_eq!(applied(&seat), []);
    }

    #[test]
    fn a_writer_that_sleeps_is_woken() {
        let seat = seat();
        seat.enter(|_| ());
        let first = visit(&seat).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| seat.wait(first));
            scope.spawn(|| seat.wait(first));
            while seat.word.load(Ordering::Relaxed) & WAITED == 0 {
                yield_now();
            }
            seat.leave();
        });
        assert_eq!(visit(&seat), None);
    }
}
