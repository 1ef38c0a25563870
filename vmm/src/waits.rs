//! How long processors waited for guest memory that somebody had taken away or was copying: what a discard, a protection or a dump costs
//! the guest.
//!
//! A wait ends when the access may be tried again; another range may have begun by then. The *longest delay* is therefore summed over the
//! waits of a processor that has executed nothing between them. Time in which the run is paused does not count, nor what
//! a processor needs to find its translations again.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use hpt::Histogram;

/// What was waited by all processors.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waited {
    /// The waits, in nanoseconds.
    pub(crate) ns: Histogram,
    /// The sum of them.
    pub(crate) all: Duration,
    /// The longest time that a processor got no further.
    pub(crate) longest_delay: Duration,
}

/// The waits of one guest's processors, in their accesses and in their hypercalls. Who comes here has slept: a lock costs nothing beside that.
#[derive(Default)]
pub(crate) struct Waits(Mutex<Waited>);

/// What one processor has waited since it last executed an instruction.
#[derive(Clone, Copy, Default)]
pub(crate) struct Delay {
    /// How many it had executed then.
    instructions: Option<u64>,
    waited: Duration,
}

impl Waits {
    /// One processor has waited, for an access that can be made now.
    pub(crate) fn note(&self, waited: Duration) {
        self.add(waited, waited);
    }

    /// One processor has waited, with so many instructions executed, if anybody counts them; `delay` is its own.
    pub(crate) fn note_at(&self, delay: &mut Delay, instructions: Option<u64>, waited: Duration) {
        let is_stuck = instructions.is_some() && instructions == delay.instructions;
        let before = if is_stuck { delay.waited } else { Duration::ZERO };
        *delay = Delay {
            instructions,
            waited: before + waited,
        };
        self.add(waited, delay.waited);
    }

    fn add(&self, waited: Duration, delay: Duration) {
        let mut all = self.lock();
        all.ns.add(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX));
        all.all += waited;
        all.longest_delay = all.longest_delay.max(delay);
    }

    /// What was waited so far.
    pub(crate) fn read(&self) -> Waited {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Waited> {
        self.0.lock().expect("nothing panics with it locked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn waits_at_one_instruction_are_one_delay_and_others_are_not() {
        let (waits, mut delay) = (Waits::default(), Delay::default());
        for (instructions, waited, longest) in [(7, 3, 3), (7, 2, 5), (8, 4, 5), (9, 1, 5), (9, 9, 10)] {
            waits.note_at(&mut delay, Some(instructions), waited * MS);
            assert_eq!(waits.read().longest_delay, longest * MS);
        }
        let all = waits.read();
        assert_eq!((all.ns.count(), all.all), (5, 19 * MS));
    }

    #[test]
    fn where_nobody_counts_instructions_each_wait_is_a_delay() {
        let (waits, mut delay) = (Waits::default(), Delay::default());
        waits.note_at(&mut delay, None, MS);
        waits.note_at(&mut delay, None, MS);
        waits.note(MS);
        assert_eq!((waits.read().longest_delay, waits.read().ns.count()), (MS, 3));
    }
}
