//! A range from its beginning to its end: N1 to N7 of `notify/mod.rs`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::calls::Id;
use super::region::Region;
use super::turns::Me;
use super::{Announced, Listener, Notifier, Why};
use crate::patience::{Abandoned, Patience};
use crate::sync::{Moment, Ordering, fence};

/// No range was begun: none is in flight, and whoever was told of its start was told of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeginError {
    /// The patience was over: a lease or a listener took longer.
    #[error("given up while others still used the guest memory")]
    Abandoned,
    /// The host has no memory.
    #[error("no memory to announce a change of guest memory")]
    OutOfMemory,
    /// The range is empty, or has bytes that are not RAM.
    #[error("the range is empty, or not all of it is guest memory")]
    Outside,
}

impl From<Abandoned> for BeginError {
    fn from(_: Abandoned) -> Self {
        Self::Abandoned
    }
}

/// A range in flight: its memory may be changed. It ends when this is dropped, on whatever thread.
///
/// The holder takes no lease and is inside no seat: it is alone with the memory, but for others that have ranges over it in flight.
#[must_use = "the range ends when this is dropped"]
pub struct InFlight {
    // In this order: the range is in flight until the last `end` has returned, or panicked.
    told: Vec<Told>,
    place: Place,
}

/// A listener that is to be told of a range.
struct Told {
    notifier: Arc<Notifier>,
    id: Id,
    listener: Arc<dyn Listener>,
    announced: Announced,
    started: bool,
}

/// The place of a range in the lists of its regions.
struct Place {
    notifier: Arc<Notifier>,
    announced: Announced,
    who: Me,
}

impl Notifier {
    /// Puts `range`, real addresses in bytes, in flight and tells the listeners. When this returns nobody uses a translation of the range or a
    /// lease of it, and none will until the range ends. Those that wait for ranges over the same memory come first, for a while (Q4).
    ///
    /// The caller is inside no seat, holds no lock of an entry and no lease. It may hold other ranges, that overlap as well.
    ///
    /// # Errors
    /// Then nothing was begun: [`BeginError`].
    pub fn begin(
        self: &Arc<Self>,
        range: Range<u64>,
        why: Why,
        patience: &dyn Patience,
    ) -> Result<InFlight, BeginError> {
        let regions = self.overlapping(&range);
        if !cover(regions, &range) {
            return Err(BeginError::Outside);
        }
        if patience.is_over() {
            return Err(BeginError::Abandoned);
        }
        let mut flight = self.put_in_flight(regions, Announced { range, why }, patience)?;
        // N2: the range comes before every look of a listener at who uses what.
        fence(Ordering::SeqCst);
        let range = &flight.place.announced.range;
        for region in regions {
            // N3
            drop(region.wait_until(patience, |state| !state.has_leased(range))?);
        }
        for told in &mut flight.told {
            told.start(patience)?;
        }
        Ok(flight)
    }

    /// N1.
    fn put_in_flight(
        self: &Arc<Self>,
        regions: &[Region],
        announced: Announced,
        patience: &dyn Patience,
    ) -> Result<InFlight, BeginError> {
        let no_memory = |_| BeginError::OutOfMemory;
        let who = Me::this();
        let range = &announced.range;
        let mut told = Vec::new();
        let mut locked = Vec::new();
        let mut since = None;
        locked.try_reserve_exact(regions.len()).map_err(no_memory)?;
        // Q4: somebody may queue up in one region while another one is waited for.
        loop {
            for region in regions {
                let mut state = region.lock();
                state.in_flight.try_reserve(1).map_err(no_memory)?;
                locked.push(state);
            }
            let given_way = || since.map_or(Duration::ZERO, Moment::elapsed);
            let Some(at) = locked
                .iter()
                .position(|state| state.is_held_off(who, range, given_way()))
            else {
                break;
            };
            locked.clear();
            let since = *since.get_or_insert_with(Moment::now);
            drop(regions[at].wait_until(patience, |state| !state.is_held_off(who, range, since.elapsed()))?);
        }
        // All have the same.
        let listeners = &locked[0].listeners;
        told.try_reserve_exact(listeners.len()).map_err(no_memory)?;
        told.extend(listeners.iter().map(|(id, listener)| Told {
            notifier: Arc::clone(self),
            id: *id,
            listener: Arc::clone(listener),
            announced: announced.clone(),
            started: false,
        }));
        // From here on nothing fails: only a range that begins takes a turn.
        let mut lost = 0;
        for state in &mut locked {
            let before = state.places.len();
            state.places.retain(|place| place.is_kept(who, range));
            lost += before - state.places.len();
            state.in_flight.push((announced.range.clone(), who));
        }
        // Relaxed: N2 orders it for those that do not take the lock.
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        drop(locked);
        self.in_flight.fetch_sub(lost as u64, Ordering::Relaxed);
        let notifier = Arc::clone(self);
        let place = Place {
            notifier,
            announced,
            who,
        };
        Ok(InFlight { told, place })
    }
}

/// Whether `regions`, those that overlap `range`, have all of it, and it is not empty.
fn cover(regions: &[Region], range: &Range<u64>) -> bool {
    let mut covered = range.start;
    for region in regions {
        if region.range.start > covered {
            return false;
        }
        covered = region.range.end;
    }
    !range.is_empty() && covered >= range.end
}

impl InFlight {
    /// What is in flight, and why.
    pub fn announced(&self) -> &Announced {
        &self.place.announced
    }
}

impl Told {
    /// N4; of a listener that is gone by now nothing.
    fn start(&mut self, patience: &dyn Patience) -> Result<(), Abandoned> {
        if let Some(_call) = self.notifier.calls.begin(self.id) {
            self.listener.start(&self.announced, patience)?;
            self.started = true;
        }
        Ok(())
    }
}

/// N6.
impl Drop for Told {
    fn drop(&mut self) {
        if !self.started {
            return;
        }
        if let Some(_call) = self.notifier.calls.begin(self.id) {
            self.listener.end(&self.announced);
        }
    }
}

/// N7.
impl Drop for Place {
    fn drop(&mut self) {
        let (notifier, range, who) = (&self.notifier, &self.announced.range, self.who);
        for region in notifier.overlapping(range) {
            region.change(|state| {
                // Of equal ranges of one thread one is as good as another.
                if let Some(at) = state
                    .in_flight
                    .iter()
                    .position(|(other, by)| other == range && *by == who)
                {
                    state.in_flight.swap_remove(at);
                }
                // Release: who translates from here on sees what was changed.
                state.ended = notifier.clock.fetch_add(1, Ordering::Release) + 1;
            });
        }
        // Release: who finds nothing in flight sees what was changed.
        notifier.in_flight.fetch_sub(1, Ordering::Release);
    }
}

impl std::fmt::Debug for InFlight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("InFlight").field(self.announced()).finish()
    }
}
