//! Ranges of real addresses that somebody is about to take away: who uses their memory is told before and after, and
//! whoever translates meanwhile finds out.
//!
//! - [`Notifier::begin`] puts a range *in flight* and tells the listeners; the memory may be changed until [`InFlight`] is dropped
//!   (`flight.rs`).
//! - [`Notifier::register`] adds a [`Listener`], which speaks for users that keep translations (`register.rs`, `calls.rs`).
//! - [`Notifier::is_in_flight`] is for processors in their seats, [`Notifier::sequence`] and [`Notifier::is_stale`] for
//!   translators that nobody waits for, [`Notifier::lease`] for short accesses of this program itself (`lease.rs`).
//!
//! What is done to the memory is left to whoever begins the range, and flushing translations to the listeners.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | N1 | beginner | under the locks of all regions that it overlaps, taken in ascending order: the range put in flight, the listeners copied, `in_flight` + 1, Relaxed | P2, T2, L1, by the locks; G1 |
//! | N2 | the same | fence SeqCst | P1 |
//! | N3 | the same | under each region's lock: waits until no lease overlaps | L2 |
//! | N4 | the same | each listener's `start`: translations flushed, by I1 to I5 of `seat.rs` for processors | P1, T3 |
//! | N5 | holder | the memory, or what may be done to it, is changed | |
//! | N6 | the same | `end` of each listener that N4 told | |
//! | N7 | the same | under each region's lock: the range taken out, `ended` of the region set to `clock` + 1, Release; then `in_flight` - 1, Release | P2, T1, T2 |
//! | P1 | processor in its seat | footprint noted (F1), fence SeqCst, if it has not noted the page before | N2: one of the two sees the other |
//! | P2 | the same | `in_flight`: load Acquire; if it is not 0, the range looked for under the region's lock. Only if it is not in flight the translation is kept | N1; N7: what was changed is seen |
//! | T1 | translator that nobody waits for | `clock`: load Acquire, before it translates | N7: what was changed is seen |
//! | T2 | the same, under a lock that its listener's `start` takes | under the region's lock: in flight, or `ended` above the `clock` of T1, means again from T1 | N1, N7 |
//! | T3 | the same | the translation is kept; the lock is released | N4, which drops it |
//! | L1 | lease | under each region's lock: taken if nothing in flight overlaps; else all is given back and it waits | N1, N7 |
//! | L2 | the same | under each region's lock: given back | N3 |
//! | G1 | registration | under the locks of all regions, taken in ascending order: the listener added to each | N1: told of all ranges that are put in flight later, of none before |
//! | G2 | unregistering | the listener taken out of each region; then no call of it begins, and those that run are waited for | N4, N6 |
//!
//! - **A processor that keeps a translation is found.** Of the fences N2 and P1 one comes first. If it is the processor's, N4 finds its
//!   footprint, and waits for its visit if it is inside. If it is the beginner's, P2 finds the range, or that it is over. A page that was noted
//!   before had its fence then, and N4 finds it whatever P2 says; E1 is the fence of processors that keep no account.
//! - **`in_flight` and the lists agree.** It changes under a lock that guards a list with the range in it. Who sees N1's count and
//!   then takes the lock comes after N1.
//! - **Ranges that overlap do not wait for each other.** A page is in flight until the last range over it has ended.

mod calls;
mod flight;
mod lease;
mod region;
mod register;

use std::ops::Range;
use std::sync::Arc;

pub use flight::{BeginError, InFlight};
pub use lease::Lease;
pub use register::{Listener, RegisterError, Registration};

use crate::patience::{Abandoned, Patience};
use crate::sync::{AtomicU64, Ordering};
use calls::Calls;
use region::Region;

/// What happens to the memory of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its content goes, and with it the host's memory.
    Discard,
    /// Less may be done to it than before.
    Protect,
    /// Other memory comes in its place.
    Remap,
}

/// What listeners are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Real addresses, in bytes.
    pub range: Range<u64>,
    /// What happens to them.
    pub why: Why,
}

/// A moment in the life of a [`Notifier`], before which a translator began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence(u64);

/// The ranges in flight of one guest, and those who are told of them.
pub struct Notifier {
    /// In ascending order.
    regions: Box<[Region]>,
    calls: Calls,
    /// How many ranges are in flight.
    in_flight: AtomicU64,
    /// Counts the ends of ranges, one for each region.
    clock: AtomicU64,
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
    fn overlapping(&self, range: &Range<u64>) -> &[Region] {
        if range.is_empty() {
            return &[];
        }
        let first = self.regions.partition_point(|region| region.range.end <= range.start);
        let end = self.regions.partition_point(|region| region.range.start < range.end);
        &self.regions[first..end]
    }

    /// Whether a range with the byte at `real` is in flight. For a processor inside its seat that is about to keep a translation, and has
    /// noted the page in its footprint: if not, the next range over the page finds it. Ranges of which translations are kept by
    /// frames are to be of whole frames.
    #[inline]
    pub fn is_in_flight(&self, real: u64) -> bool {
        // P2. Acquire: who finds a range over sees what was changed.
        self.in_flight.load(Ordering::Acquire) != 0 && self.is_listed(real)
    }

    #[cold]
    fn is_listed(&self, real: u64) -> bool {
        let byte = real..real.saturating_add(1);
        self.overlapping(&byte)
            .iter()
            .any(|region| region.lock().has_in_flight(&byte))
    }

    /// The moment before a translation that nobody waits for (T1).
    pub fn sequence(&self) -> Sequence {
        Sequence(self.clock.load(Ordering::Acquire))
    }

    /// Whether a range that overlaps `range` is in flight, or has been since `since`: then what was translated since must not be kept
    /// (T2). Asked under a lock that the `start` of the translator's [`Listener`] takes as well, and held until the
    /// translation is where `start` finds it. May be true because of another range of the same region that has ended.
    pub fn is_stale(&self, since: Sequence, range: &Range<u64>) -> bool {
        self.overlapping(range).iter().any(|region| {
            let state = region.lock();
            state.has_in_flight(range) || state.ended > since.0
        })
    }

    /// Returns when no range is in flight that overlaps `range`: each region of it has been without one. Others may begin
    /// at once. Called outside any seat, and not by whoever holds such a range.
    ///
    /// # Errors
    /// `patience` was over before.
    pub fn wait(&self, range: &Range<u64>, patience: &dyn Patience) -> Result<(), Abandoned> {
        for region in self.overlapping(range) {
            drop(region.wait_until(patience, |state| !state.has_in_flight(range))?);
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
