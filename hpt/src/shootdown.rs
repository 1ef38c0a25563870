//! The grace period and the flush, for processors that are threads with a [`Seat`] each and walk as
//! [`Table::walk`](crate::Table::walk) does.
//!
//! A batch is posted to every seat whose processor may hold what it names ([`Footprint`]). Processors outside the guest are
//! left alone: they apply it when they enter. Those inside are kicked, by one writer for all that find them there,
//! and each writer waits until each has left once. The protocol is the table at the top of `seat.rs`.
//!
//! Where there is a way to take translations from processors while they run, grace period and flush are two things, and
//! most flushes post nothing: `discard.rs`.

use std::sync::Arc;
use std::time::Instant;

use arrayvec::ArrayVec;

use crate::discard::{Discard, Discarding};
use crate::gate::Gate;
use crate::points::point;
use crate::seat::Found;
use crate::shadow::{Batch, Grace, Shadow};
use crate::sync::{Ordering, fence};
use crate::{Footprint, Seat};

/// Makes a processor leave the guest.
pub trait Kick: Send + Sync {
    /// Makes the processor leave the guest soon, also if it is only just about to run. Must not wait for another writer:
    /// those wait for this.
    fn kick(&self);
}

/// Processors that hold translations of one table.
pub struct Shootdown {
    seats: Box<[Seat]>,
    kicks: Vec<Box<dyn Kick>>,
    /// In front of every seat.
    gate: Arc<Gate>,
    /// How translations go without the processors' help, if they can.
    discarding: Option<Discarding>,
    /// Made once, as a batch is large.
    everything: Batch,
}

impl Shootdown {
    /// A seat for each of `kicks`, all outside the guest.
    pub fn new(kicks: Vec<Box<dyn Kick>>) -> Self {
        Self::assemble(kicks.into_iter().map(|kick| (kick, None)))
    }

    /// The same for processors that keep account of what they hold, each in its own [`Footprint`]:
    /// those whose footprint does not name a page are not disturbed when it goes.
    pub fn with_footprints(processors: Vec<(Box<dyn Kick>, Arc<Footprint>)>) -> Self {
        let processors = processors.into_iter();
        Self::assemble(processors.map(|(kick, footprint)| (kick, Some(footprint))))
    }

    /// The same for processors whose translations `discard` can drop by their real addresses while they run: each flush does so
    /// for up to `most` ranges, and makes all processors drop everything if it needs more, or the host refuses.
    #[must_use]
    pub fn with_discard(self, discard: Box<dyn Discard>, most: usize) -> Self {
        Self {
            discarding: Some(Discarding::new(discard, most)),
            ..self
        }
    }

    fn assemble(processors: impl Iterator<Item = (Box<dyn Kick>, Option<Arc<Footprint>>)>) -> Self {
        let gate = Arc::new(Gate::new());
        let (kicks, seats): (Vec<_>, Vec<_>) = processors
            .map(|(kick, footprint)| (kick, Seat::new(footprint, Arc::clone(&gate))))
            .unzip();
        Self {
            seats: seats.into(),
            kicks,
            gate,
            discarding: None,
            everything: Batch::everything(),
        }
    }

    /// The seat of processor `cpu`, counted from 0 in the order of the kicks.
    ///
    /// # Panics
    /// There is no such processor.
    pub fn seat(&self, cpu: usize) -> &Seat {
        &self.seats[cpu]
    }

    /// The processors, as many at a time as are looked at together.
    fn rounds(&self) -> impl Iterator<Item = Round<'_>> {
        let rounds = self.seats.chunks(AT_ONCE).zip(self.kicks.chunks(AT_ONCE));
        rounds.map(|(seats, kicks)| seats.iter().zip(kicks).collect())
    }
}

/// Processors that are looked at together; more take another round.
const AT_ONCE: usize = 64;

type Round<'s> = ArrayVec<(&'s Seat, &'s Box<dyn Kick>), AT_ONCE>;

/// Makes those of the `round` that are inside leave, and returns when each has left once. A fence must lie between
/// what they are to see when they enter again and this (I2 to I5).
fn drive_out(round: &Round<'_>, grace: &mut Grace) {
    let mut inside = ArrayVec::<_, AT_ONCE>::new();
    let mut since = None;
    for &(seat, kick) in round {
        let visit = match seat.find() {
            Found::Outside => continue,
            Found::Inside(visit) => {
                since.get_or_insert_with(Instant::now);
                point();
                kick.kick();
                grace.kicked += 1;
                visit
            }
            Found::Leaving(visit) => {
                since.get_or_insert_with(Instant::now);
                grace.joined += 1;
                visit
            }
        };
        inside.push((seat, visit));
    }
    for (seat, visit) in inside {
        seat.wait(visit);
    }
    if let Some(since) = since {
        grace.waited = Some(grace.waited.unwrap_or_default() + since.elapsed());
    }
}

impl Shootdown {
    /// Posts `batch` to those who may hold what it names, and returns when each of them that was inside has left once.
    fn post(&self, batch: &Batch) -> Grace {
        let mut grace = Grace::default();
        // W1: the table's change comes before every look at a footprint.
        fence(Ordering::SeqCst);
        for mut round in self.rounds() {
            round.retain(|(seat, _)| seat.may_hold(batch));
            if round.is_empty() {
                continue;
            }
            point();
            for (seat, _) in &round {
                seat.post(batch);
            }
            point();
            grace.posted += round.len() as u32;
            // I2: the table's change and the posts come before every look at whether a processor is inside.
            fence(Ordering::SeqCst);
            drive_out(&round, &mut grace);
        }
        grace.left_alone = self.seats.len() as u32 - grace.posted;
        grace
    }
}

impl Shadow for Shootdown {
    fn invalidate(&self, batch: &Batch) -> Grace {
        if self.discarding.is_none() {
            return self.post(batch);
        }
        let mut grace = self.quiesce();
        grace.add_flush(&self.flush(batch));
        grace
    }

    fn quiesce(&self) -> Grace {
        let mut grace = Grace::default();
        // I2: the table's change comes before every look at whether a processor is inside.
        fence(Ordering::SeqCst);
        for round in self.rounds() {
            drive_out(&round, &mut grace);
        }
        grace.left_alone = self.seats.len() as u32 - grace.kicked - grace.joined;
        grace
    }

    fn flush(&self, batch: &Batch) -> Grace {
        let Some(discarding) = &self.discarding else {
            return self.post(batch);
        };
        if let Some(discarded) = discarding.try_discard(batch) {
            return Grace {
                discarded,
                ..Grace::default()
            };
        }
        Grace {
            flushed_all: true,
            ..self.post(&self.everything)
        }
    }

    fn exclusively(&self, work: &mut dyn FnMut()) {
        let closed = self.gate.close();
        for round in self.rounds() {
            drive_out(&round, &mut Grace::default());
        }
        // Nobody gets anything new before the gate opens, so it may as well be posted now: also if `work` panics.
        for seat in &self.seats {
            seat.post(&self.everything);
        }
        work();
        drop(closed);
    }
}

impl std::fmt::Debug for Shootdown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shootdown")
            .field("seats", &self.seats)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
    use std::sync::{Arc, Mutex};

    use power::page::{PageSize, SegmentSize, Vpn};

    use super::*;
    use crate::Invalidation;
    use crate::discard::Refused;

    #[derive(Clone, Default)]
    struct Count(Arc<AtomicU32>);

    impl Kick for Count {
        fn kick(&self) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn a_processor_outside_the_guest_is_left_alone() {
        let count = Count::default();
        let shootdown = Shootdown::new(vec![Box::new(count.clone())]);
        shootdown.invalidate(&Batch::everything());
        assert_eq!(count.0.load(SeqCst), 0);
        let mut applied = 0;
        shootdown.seat(0).enter(|_| applied += 1);
        assert_eq!(applied, 1);
    }

    #[test]
    fn a_processor_inside_is_kicked_and_waited_for() {
        let counts: Vec<_> = (0..70).map(|_| Count::default()).collect();
        let kicks = counts
            .iter()
            .map(|count| Box::new(count.clone()) as Box<dyn Kick>)
            .collect();
        let shootdown = Shootdown::new(kicks);
        let inside = [0, 3, 63, 64, 69];
        std::thread::scope(|scope| {
            for cpu in inside {
                let (seat, count) = (shootdown.seat(cpu), &counts[cpu]);
                seat.enter(|_| ());
                scope.spawn(move || {
                    while count.0.load(SeqCst) == 0 {
                        std::thread::yield_now();
                    }
                    seat.leave();
                });
            }
            shootdown.invalidate(&Batch::everything());
            assert!((0..70).all(|cpu| shootdown.seat(cpu).find() == Found::Outside));
        });
        for (cpu, count) in counts.iter().enumerate() {
            assert_eq!(
                count.0.load(SeqCst),
                u32::from(inside.contains(&cpu)),
                "processor {cpu}"
            );
        }
    }

    /// Notes the ranges, and may refuse all but the first.
    #[derive(Clone)]
    struct Ranges(Arc<Mutex<Vec<std::ops::Range<u64>>>>, bool);

    impl Discard for Ranges {
        fn discard(&self, range: std::ops::Range<u64>) -> Result<(), Refused> {
            let mut ranges = self.0.lock().unwrap();
            ranges.push(range);
            if self.1 && ranges.len() > 1 {
                Err(Refused)
            } else {
                Ok(())
            }
        }
    }

    fn pages(count: u64) -> Batch {
        let mut batch = Batch::new();
        for number in 0..count {
            batch.push(Invalidation::Page {
                page: Vpn::new(1, SegmentSize::Size1T, PageSize::Size4K, number << 12),
                actual: PageSize::Size4K,
                real: number << 13,
            });
        }
        batch
    }

    /// What `ask` of a processor inside comes to, which leaves when it is kicked; and what is applied when it enters again.
    fn asked(ask: impl FnOnce(&Shootdown) -> Grace) -> (Grace, Vec<Invalidation>, usize) {
        asked_of(false, ask)
    }

    /// The same of a host that may refuse.
    fn asked_of(refuses: bool, ask: impl FnOnce(&Shootdown) -> Grace) -> (Grace, Vec<Invalidation>, usize) {
        let (count, ranges) = (Count::default(), Ranges(Arc::default(), refuses));
        let shootdown = Shootdown::new(vec![Box::new(count.clone())]).with_discard(Box::new(ranges.clone()), 2);
        let over = AtomicBool::new(false);
        shootdown.seat(0).enter(|_| ());
        let mut grace = std::thread::scope(|scope| {
            let (seat, over) = (shootdown.seat(0), &over);
            scope.spawn(move || {
                while count.0.load(SeqCst) == 0 && !over.load(SeqCst) {
                    std::thread::yield_now();
                }
                seat.leave();
            });
            let grace = ask(&shootdown);
            over.store(true, SeqCst);
            grace
        });
        grace.waited = None;
        let mut applied = Vec::new();
        shootdown.seat(0).enter(|invalidation| applied.push(*invalidation));
        let ranges = ranges.0.lock().unwrap().len();
        (grace, applied, ranges)
    }

    const KICKED: Grace = Grace {
        left_alone: 0,
        posted: 0,
        kicked: 1,
        joined: 0,
        discarded: 0,
        by_errand: false,
        flushed_all: false,
        waited: None,
    };

    #[test]
    fn a_grace_period_drives_out_and_posts_nothing() {
        assert_eq!(asked(Shadow::quiesce), (KICKED, vec![], 0));
    }

    #[test]
    fn a_flush_of_few_ranges_disturbs_nobody() {
        let expected = Grace {
            discarded: 2,
            ..Grace::default()
        };
        assert_eq!(asked(|shootdown| shootdown.flush(&pages(2))), (expected, vec![], 2));
    }

    #[test]
    fn a_flush_of_too_many_drives_out_and_posts_everything() {
        let expected = Grace {
            posted: 1,
            flushed_all: true,
            ..KICKED
        };
        let found = asked(|shootdown| shootdown.flush(&pages(3)));
        assert_eq!(found, (expected, vec![Invalidation::All], 0));
    }

    #[test]
    fn a_flush_that_the_host_refuses_drives_out_and_posts_everything() {
        let expected = Grace {
            posted: 1,
            flushed_all: true,
            ..KICKED
        };
        let found = asked_of(true, |shootdown| shootdown.flush(&pages(2)));
        assert_eq!(found, (expected, vec![Invalidation::All], 2));
    }

    #[test]
    fn an_invalidation_is_a_grace_period_and_then_a_flush() {
        let expected = Grace { discarded: 2, ..KICKED };
        assert_eq!(
            asked(|shootdown| shootdown.invalidate(&pages(2))),
            (expected, vec![], 2)
        );
    }
}
