//! Short accesses to guest memory by this program itself, which no listener speaks for: L1 and L2 of `notify/mod.rs`.

use std::cell::Cell;
use std::ops::Range;

use super::Notifier;
use super::region::Region;
use crate::patience::Endless;
use crate::points::settle;

/// Guest memory that stays as it is while this is held: no range over it is anything but about to begin.
///
/// Held shortly: a range that begins waits for it. Its holder waits for nobody, so it takes no second lease and no lock of an entry.
#[must_use = "the memory may go when this is dropped"]
pub struct Lease<'n> {
    regions: &'n [Region],
    range: Range<u64>,
    has_waited: bool,
}

/// A region that is not to be had now.
struct Unleased<'n> {
    region: &'n Region,
    /// For a range in flight; else for want of room.
    is_in_flight: bool,
}

impl Lease<'_> {
    /// Whether a range was in flight over it while it was waited for: the memory was withheld. That other leases had taken all room is no
    /// such thing.
    pub fn has_waited(&self) -> bool {
        self.has_waited
    }
}

impl Notifier {
    /// Leases `range`, real addresses in bytes; waits while a range over it is in flight. One short lock for each region, if none is.
    /// What is not RAM is nobody's business here: it goes along unasked.
    ///
    /// The caller is inside no seat and holds no lock of an entry, no other lease and no range in flight: whoever ends the
    /// range that it waits for may be waiting for that. Who has a range in flight itself needs no lease of it.
    pub fn lease(&self, range: &Range<u64>) -> Lease<'_> {
        let mut is_first = true;
        let was_in_flight = Cell::new(false);
        loop {
            match self.try_lease(range) {
                Ok(mut lease) => {
                    lease.has_waited = was_in_flight.get();
                    if !is_first {
                        self.end_turn(range);
                    }
                    return lease;
                }
                Err(Unleased { region, is_in_flight }) => {
                    was_in_flight.set(was_in_flight.get() || is_in_flight);
                    self.end_turn(range);
                    // Whoever has the range may wait for another processor.
                    settle();
                    self.queue(region, range);
                    drop(region.wait_until(&Endless, |state| {
                        was_in_flight.set(was_in_flight.get() || state.has_in_flight(range));
                        state.has_room_for_lease(range)
                    }));
                }
            }
            is_first = false;
        }
    }

    /// L1. Nothing is leased if a region is not to be had: who waits there must not keep others from ranges elsewhere, which the one that
    /// it waits for may need.
    fn try_lease(&self, range: &Range<u64>) -> Result<Lease<'_>, Unleased<'_>> {
        let regions = self.overlapping(range);
        let mut lease = Lease {
            regions: &[],
            range: range.clone(),
            has_waited: false,
        };
        for (at, region) in regions.iter().enumerate() {
            let mut state = region.lock();
            if !state.has_room_for_lease(range) {
                let is_in_flight = state.has_in_flight(range);
                return Err(Unleased { region, is_in_flight });
            }
            state.leases.push(range.clone());
            lease.regions = &regions[..=at];
        }
        Ok(lease)
    }
}

/// L2.
impl Drop for Lease<'_> {
    fn drop(&mut self) {
        for region in self.regions {
            region.change(|state| {
                // Of equal leases one is as good as another.
                if let Some(at) = state.leases.iter().position(|other| *other == self.range) {
                    state.leases.swap_remove(at);
                }
            });
        }
    }
}
