//! The grace period and the flush, for processors that are threads with a [`Seat`] each: emulated
//! ones and those in KVM_RUN alike.
//!
//! A batch is posted to every seat whose processor may hold what it names ([`Footprint`]). Processors outside the guest are left alone: they apply it when
//! they enter. Those inside are kicked, and the writer waits until each has left once. The protocol
//! is the table at the top of `seat.rs`.

use std::sync::Arc;

use arrayvec::ArrayVec;

use crate::shadow::{Batch, Grace, Shadow};
use crate::sync::{Ordering, fence};
use crate::{Footprint, Seat};

/// Makes a processor leave the guest.
pub trait Kick: Send + Sync {
    /// Makes the processor leave the guest soon, also if it is only just about to run.
    fn kick(&self);
}

/// Processors that hold translations of one table.
pub struct Shootdown {
    seats: Box<[Seat]>,
    kicks: Vec<Box<dyn Kick>>,
}

impl Shootdown {
    /// A seat for each of `kicks`, all outside the guest.
    pub fn new(kicks: Vec<Box<dyn Kick>>) -> Self {
        Self {
            seats: kicks.iter().map(|_| Seat::new(None)).collect(),
            kicks,
        }
    }

    /// The same for processors that keep account of what they hold, each in its own [`Footprint`]:
    /// those whose footprint does not name a page are not disturbed when it goes.
    pub fn with_footprints(processors: Vec<(Box<dyn Kick>, Arc<Footprint>)>) -> Self {
        let (kicks, seats): (Vec<_>, Vec<_>) = processors
            .into_iter()
            .map(|(kick, footprint)| (kick, Seat::new(Some(footprint))))
            .unzip();
        Self {
            seats: seats.into(),
            kicks,
        }
    }

    /// The seat of processor `cpu`, counted from 0 in the order of the kicks.
    ///
    /// # Panics
    /// There is no such processor.
    pub fn seat(&self, cpu: usize) -> &Seat {
        &self.seats[cpu]
    }
}

/// Processors that are looked at together; more take another round.
const AT_ONCE: usize = 64;

impl Shadow for Shootdown {
    fn invalidate(&self, batch: &Batch) -> Grace {
        let mut grace = Grace::default();
        // W1: the table's change comes before every look at a footprint.
        fence(Ordering::SeqCst);
        for (seats, kicks) in self.seats.chunks(AT_ONCE).zip(self.kicks.chunks(AT_ONCE)) {
            let mut concerned = ArrayVec::<_, AT_ONCE>::new();
            for (seat, kick) in seats.iter().zip(kicks).filter(|(seat, _)| seat.may_hold(batch)) {
                seat.post(batch);
                grace.posted += 1;
                concerned.push((seat, kick));
            }
            if concerned.is_empty() {
                continue;
            }
            // I2: the table's change and the posts come before every look at whether a processor is inside.
            fence(Ordering::SeqCst);
            let mut inside = ArrayVec::<_, AT_ONCE>::new();
            for (seat, kick) in concerned {
                if let Some(visit) = seat.visit() {
                    kick.kick();
                    grace.kicked += 1;
                    inside.push((seat, visit));
                }
            }
            for (seat, visit) in inside {
                seat.wait(visit);
            }
        }
        grace.left_alone = self.seats.len() as u32 - grace.posted;
        grace
    }

    fn exclusively(&self, _work: &mut dyn FnMut()) {
        unimplemented!("the gate")
    }

    fn marks_in_one_step(&self) -> bool {
        true
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use super::*;
    use crate::Invalidation;

    #[derive(Clone, Default)]
    struct Count(Arc<AtomicU32>);

    impl Kick for Count {
        fn kick(&self) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn everything() -> Batch {
        let mut batch = Batch::new();
        batch.push(Invalidation::All);
        batch
    }

    #[test]
    fn a_processor_outside_the_guest_is_left_alone() {
        let count = Count::default();
        let shootdown = Shootdown::new(vec![Box::new(count.clone())]);
        shootdown.invalidate(&everything());
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
            shootdown.invalidate(&everything());
            assert!((0..70).all(|cpu| shootdown.seat(cpu).visit().is_none()));
        });
        for (cpu, count) in counts.iter().enumerate() {
            assert_eq!(
                count.0.load(SeqCst),
                u32::from(inside.contains(&cpu)),
                "processor {cpu}"
            );
        }
    }
}
