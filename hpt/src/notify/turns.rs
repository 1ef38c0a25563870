//! Whoever waits for a range to end gets a turn before the next range over the same memory begins. Without that, ranges that follow closely
//! or overlap without end would keep a processor from a page for ever.
//!
//! A thread that waits stands in a list of each region (Q1 to Q4 of `notify/mod.rs`). When nothing is in flight over what it waits for, it *has its turn*: until it
//! has looked at its page, which it finds free. Who begins a range over what is in the list gives way.
//!
//! - **Only for a while** ([`Place::patience`]): the one that waits may need, by ways unknown here, the one that gives way; and one that has its turn
//!   may never come for it, as when its processor goes elsewhere by an interrupt. Whoever was passed over is given more time by the next one, up to
//!   1.6 s; so where ranges are shorter than that, nobody waits for more than a few of them.
//! - **A turn that nobody comes for does not stay**, also when no range begins: it ends after [`MOST_LOOKS`] of others.
//! - **Not by a thread that has a range in flight there itself**: the one that waits may wait for that very range.
//! - The list has room for [`PLACES`]; one more waits as if there were none.

use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::region::overlap;
use crate::sync::{Ordering, thread_local};

/// Threads that wait in a region, each with a place. They need memory in place, as waiting cannot fail.
pub(super) const PLACES: usize = 32;

/// How long somebody gives way to one that nobody has passed over.
const FIRST: Duration = Duration::from_millis(100);

/// How often that doubles.
const DOUBLINGS: u32 = 4;

/// Looks of others that a turn outlasts: they take the region's lock for it, so one that nobody comes for must not stay.
const MOST_LOOKS: u32 = 4096;

/// A thread. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Me(u64);

mod own {
    use super::{AtomicU64, Me, Ordering, thread_local};

    /// A number that nothing depends on but being another one: loom need not look at it.
    static NEXT: AtomicU64 = AtomicU64::new(0);

    thread_local! {
        pub(super) static ME: Me = Me(NEXT.fetch_add(1, Ordering::Relaxed));
    }
}

impl Me {
    /// The thread that asks.
    pub(super) fn this() -> Self {
        own::ME.with(|me| *me)
    }
}

/// A place in the list.
#[derive(Debug)]
pub(super) struct Place {
    /// What it waits for.
    pub(super) range: Range<u64>,
    /// Who.
    pub(super) who: Me,
    /// Nothing was in flight there when it looked, and it has not come for its page yet.
    pub(super) has_turn: bool,
    /// Ranges that have begun nevertheless.
    passed: u32,
    /// Looks at other pages, or of other threads, since it has its turn.
    looks: u32,
}

impl Place {
    /// Of a thread that begins to wait.
    pub(super) fn new(range: Range<u64>, who: Me) -> Self {
        Self {
            range,
            who,
            has_turn: false,
            passed: 0,
            looks: 0,
        }
    }

    /// How long others give way to it.
    fn patience(&self) -> Duration {
        FIRST * (1 << self.passed.min(DOUBLINGS))
    }

    /// Whether `who`, that would begin `range` and has given way for so long, gives way to it.
    pub(super) fn holds_off(&self, who: Me, range: &Range<u64>, given_way: Duration) -> bool {
        self.who != who && overlap(&self.range, range) && given_way < self.patience()
    }

    /// `who` looks at `page` and finds it free: whether this one keeps its place.
    pub(super) fn is_kept_by_look(&mut self, who: Me, page: &Range<u64>) -> bool {
        if self.who == who && overlap(&self.range, page) {
            return false;
        }
        self.looks += u32::from(self.has_turn);
        self.looks < MOST_LOOKS
    }

    /// Somebody begins `range` although this one waits: whether it keeps its place. A turn that it did not come for is lost.
    pub(super) fn is_kept(&mut self, who: Me, range: &Range<u64>) -> bool {
        if self.who == who || !overlap(&self.range, range) {
            return true;
        }
        self.passed += 1;
        !self.has_turn
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const PAGE: Range<u64> = 0x1000..0x2000;

    #[test]
    fn whoever_is_passed_over_again_and_again_is_given_more_time_up_to_a_bound() {
        let mut place = Place::new(PAGE, Me(0));
        let mut given = Vec::new();
        for _ in 0..8 {
            let holds = |ms: &u64| place.holds_off(Me(1), &PAGE, Duration::from_millis(*ms));
            given.push((0..4000).find(|ms| !holds(ms)).unwrap());
            assert!(place.is_kept(Me(1), &PAGE), "it waits still");
        }
        assert_eq!(given, [100, 200, 400, 800, 1600, 1600, 1600, 1600]);
        assert!(!place.holds_off(Me(0), &PAGE, Duration::ZERO), "not itself");
        assert!(
            !place.holds_off(Me(1), &(0x2000..0x3000), Duration::ZERO),
            "not elsewhere"
        );
    }

    #[test]
    fn a_turn_ends_with_the_look_of_its_own_thread_or_with_many_of_others() {
        let turn = || Place {
            has_turn: true,
            ..Place::new(PAGE, Me(0))
        };
        let byte = 0x1234..0x1235;
        assert!(!turn().is_kept_by_look(Me(0), &byte));
        let mut lost = turn();
        let looks = (1..).find(|_| !lost.is_kept_by_look(Me(1), &byte)).unwrap();
        assert_eq!(looks, MOST_LOOKS);
        let mut waits = Place::new(PAGE, Me(0));
        assert!((0..2 * MOST_LOOKS).all(|_| waits.is_kept_by_look(Me(1), &byte)));
    }

    #[test]
    fn a_turn_that_nobody_came_for_is_lost_to_the_range_that_waited_for_it() {
        let mut turn = Place {
            has_turn: true,
            ..Place::new(PAGE, Me(0))
        };
        assert!(turn.is_kept(Me(1), &(0x2000..0x3000)) && turn.is_kept(Me(0), &PAGE));
        assert!(!turn.is_kept(Me(1), &PAGE));
    }
}
