//! A region of RAM: its lock, what is in flight and leased in it, and who is told. Nothing but memory for its lists is asked for
//! under the lock, and nobody waited for but the next region's lock, so whoever waits for it waits shortly.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;

use super::calls::Id;
use super::register::Listener;
use super::turns::{Me, PLACES, Place};
use crate::patience::{Abandoned, Patience};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError, lock};

/// Leases of a region at one time; one more waits for another to end. They need memory in place, as a lease cannot fail.
pub(super) const LEASES: usize = 32;

/// How often a sleeper asks whether its patience is over.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// A region of RAM.
pub(super) struct Region {
    /// Real addresses.
    pub(super) range: Range<u64>,
    state: Mutex<State>,
    /// A range ended, or a lease did.
    changed: Condvar,
}

/// What the lock of a region guards.
pub(super) struct State {
    /// The ranges in flight that overlap the region, and who began each; the same one twice if two are.
    pub(super) in_flight: Vec<(Range<u64>, Me)>,
    /// Who waits for ranges to end, and who has a turn.
    pub(super) places: ArrayVec<Place, PLACES>,
    /// Likewise those that are leased.
    pub(super) leases: ArrayVec<Range<u64>, LEASES>,
    /// Who is told of ranges. The same in all regions, for whoever holds all their locks.
    pub(super) listeners: Vec<(Id, Arc<dyn Listener>)>,
    /// What the clock was set to when a range ended here last.
    pub(super) ended: u64,
    /// How many sleep until something changes.
    sleepers: u32,
}

/// Whether `one` and `other`, neither empty, have a byte in common.
pub(super) fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

impl State {
    pub(super) fn has_in_flight(&self, range: &Range<u64>) -> bool {
        self.in_flight.iter().any(|(other, _)| overlap(range, other))
    }

    pub(super) fn has_leased(&self, range: &Range<u64>) -> bool {
        self.leases.iter().any(|other| overlap(range, other))
    }

    /// Whether `who` gives way to somebody before it begins `range`, having done so for `given_way`.
    pub(super) fn is_held_off(&self, who: Me, range: &Range<u64>, given_way: Duration) -> bool {
        let mut places = self.places.iter();
        places.any(|place| place.holds_off(who, range, given_way)) && !self.in_flight.iter().any(|(_, by)| *by == who)
    }

    /// Whether a lease of `range` may begin.
    pub(super) fn has_room_for_lease(&self, range: &Range<u64>) -> bool {
        !self.has_in_flight(range) && !self.leases.is_full()
    }
}

impl Region {
    pub(super) fn new(range: Range<u64>) -> Self {
        Self {
            range,
            state: Mutex::new(State {
                in_flight: Vec::new(),
                places: ArrayVec::new(),
                leases: ArrayVec::new(),
                listeners: Vec::new(),
                ended: 0,
                sleepers: 0,
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Lets `change` change the state, and wakes those who wait for that.
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        self.change_if(|state| {
            change(state);
            true
        });
    }

    /// The same for a change that tells whether it has changed anything.
    pub(super) fn change_if(&self, change: impl FnOnce(&mut State) -> bool) {
        let mut state = self.lock();
        if change(&mut state) && state.sleepers > 0 {
            self.changed.notify_all();
        }
    }

    /// Returns with the lock held, when `is_so`.
    pub(super) fn wait_until(
        &self,
        patience: &dyn Patience,
        is_so: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'_, State>, Abandoned> {
        let mut state = self.lock();
        while !is_so(&state) {
            if patience.is_over() {
                return Err(Abandoned);
            }
            state.sleepers += 1;
            let woken = self.changed.wait_timeout(state, ASK_AGAIN);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            state.sleepers -= 1;
        }
        Ok(state)
    }
}
