//! What is in flight, for those who use guest memory: P2, T1 and T2 of `notify/mod.rs`. How a range gets there is left to `flight.rs`.

use std::ops::Range;
use std::sync::Arc;

use super::calls::Calls;
use super::region::{Region, State, overlap};
use super::turns::{Me, Place};
use crate::patience::{Abandoned, Patience};
use crate::sync::{AtomicU64, Ordering};

/// A moment in the life of a [`Notifier`], before which a translator began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence(u64);

/// The ranges in flight of one guest, and those who are told of them.
pub struct Notifier {
    /// In ascending order.
    pub(super) regions: Box<[Region]>,
    pub(super) calls: Calls,
    /// How many ranges are in flight, and places in the lists of those that wait.
    pub(super) in_flight: AtomicU64,
    /// Counts the ends of ranges, one for each region.
    pub(super) clock: AtomicU64,
}

impl Notifier {
    /// Nothing in flight, for a guest with RAM at `regions`, real addresses in bytes.
    ///
    /// # Panics
    /// A region is empty, or two overlap.
    pub fn new(mut regions: Vec<Range<u64>>) -> Arc<Self> {
        regions.sort_by_key(|region| region.start);
        assert!(regions.iter().all(|region| !region.is_empty()), "an empty region");
        assert!(
            regions.windows(2).all(|pair| pair[0].end <= pair[1].start),
            "regions overlap"
        );
        Arc::new(Self {
            regions: regions.into_iter().map(Region::new).collect(),
            calls: Calls::new(),
            in_flight: AtomicU64::new(0),
            clock: AtomicU64::new(0),
        })
    }

    /// The regions that have bytes of `range`.
    pub(super) fn overlapping(&self, range: &Range<u64>) -> &[Region] {
        if range.is_empty() {
            return &[];
        }
        let first = self.regions.partition_point(|region| region.range.end <= range.start);
        let end = self.regions.partition_point(|region| region.range.start < range.end);
        &self.regions[first..end]
    }

    /// Whether a range with the byte at `real` is in flight. For a processor inside its seat that is about to keep a translation, and has
    /// noted the page in its footprint: if not, the next range over the page finds it. Ranges of which translations are kept by
    /// frames are to be of whole frames. Whoever had a turn there has had it (Q3).
    #[inline]
    pub fn is_in_flight(&self, real: u64) -> bool {
        // P2. Acquire: who finds a range over sees what was changed.
        self.in_flight.load(Ordering::Acquire) != 0 && self.is_listed(real)
    }

    #[cold]
    fn is_listed(&self, real: u64) -> bool {
        let byte = real..real.saturating_add(1);
        let me = Me::this();
        self.overlapping(&byte).iter().any(|region| {
            let mut is_listed = false;
            self.drop_places(
                region,
                |state| {
                    is_listed = state.has_in_flight(&byte);
                    // Q3
                    is_listed || state.places.is_empty()
                },
                |place| place.is_kept_by_look(me, &byte),
            );
            is_listed
        })
    }

    /// The same for somebody who only looks, and keeps his turn.
    pub(crate) fn is_taken(&self, real: u64) -> bool {
        let byte = real..real.saturating_add(1);
        let mut regions = self.overlapping(&byte).iter();
        // Acquire: as P2.
        self.in_flight.load(Ordering::Acquire) != 0 && regions.any(|region| region.lock().has_in_flight(&byte))
    }

    /// Gives this thread a place in the list of `region`, unless it is full (Q1).
    pub(super) fn queue(&self, region: &Region, range: &Range<u64>) {
        let place = Place::new(range.clone(), Me::this());
        let mut state = region.lock();
        if state.places.try_push(place).is_ok() {
            // Relaxed: it is for this thread's own look at the list.
            self.in_flight.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// This thread gives back its places over `range` (Q3): it has had its turn, or wants none.
    pub(crate) fn end_turn(&self, range: &Range<u64>) {
        let me = Me::this();
        for region in self.overlapping(range) {
            self.drop_places(
                region,
                |_| false,
                |place| place.who != me || !overlap(&place.range, range),
            );
        }
    }

    /// Drops the places of a region that are not to be kept, unless `is_not_now`, and wakes those that gave way to them.
    fn drop_places(
        &self,
        region: &Region,
        is_not_now: impl FnOnce(&State) -> bool,
        mut is_kept: impl FnMut(&mut Place) -> bool,
    ) {
        let mut left = 0;
        region.change_if(|state| {
            if is_not_now(state) {
                return false;
            }
            let before = state.places.len();
            state.places.retain(|place| is_kept(place));
            left = before - state.places.len();
            left != 0
        });
        if left != 0 {
            self.in_flight.fetch_sub(left as u64, Ordering::Relaxed);
        }
    }

    /// The moment before a translation that nobody waits for (T1).
    pub fn sequence(&self) -> Sequence {
        Sequence(self.clock.load(Ordering::Acquire))
    }

    /// Whether a range that overlaps `range` is in flight, or has been since `since`: then what was translated since must not be kept
    /// (T2). Asked under a lock that the `start` of the translator's [`Listener`](crate::Listener) takes as well, and held until the
    /// translation is where `start` finds it. May be true because of another range of the same region that has ended.
    pub fn is_stale(&self, since: Sequence, range: &Range<u64>) -> bool {
        self.overlapping(range).iter().any(|region| {
            let state = region.lock();
            state.has_in_flight(range) || state.ended > since.0
        })
    }

    /// Returns when no range is in flight that overlaps `range`: each region of it has been without one. No other one begins there for a while, until this
    /// thread has found a page of it free with [`Self::is_in_flight`] (Q1 to Q4); so whoever waits comes back for it soon. Called outside
    /// any seat, and not by whoever holds such a range.
    ///
    /// # Errors
    /// `patience` was over before.
    pub fn wait(&self, range: &Range<u64>, patience: &dyn Patience) -> Result<(), Abandoned> {
        // Of an earlier wait, for which it did not come.
        self.end_turn(range);
        let me = Me::this();
        for region in self.overlapping(range) {
            self.queue(region, range);
            let Ok(mut state) = region.wait_until(patience, |state| !state.has_in_flight(range)) else {
                self.end_turn(range);
                return Err(Abandoned);
            };
            // Q2
            let own = |place: &&mut Place| place.who == me && place.range == *range;
            state
                .places
                .iter_mut()
                .filter(own)
                .for_each(|place| place.has_turn = true);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier")
            .field("regions", &self.regions.len())
            .field("in_flight", &self.in_flight.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}
