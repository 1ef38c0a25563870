//! How often each hypercall is made and how long it takes (`--stats`). Each processor counts for itself, so
//! that counting costs it two looks at the clock and takes no lock.
//!
//! A processor's counters are written by the thread that runs it alone (a plain load and store, no step in one), and read by
//! anybody: a sum that is read while guests run is a moment old.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use power::hcall::Hcall;

/// The counters of all processors.
pub(crate) struct Tally {
    /// When the clock of the counters began.
    epoch: Instant,
    processors: Box<[OfProcessor]>,
}

/// The counters of one processor, on cache lines of their own.
#[repr(align(128))]
struct OfProcessor {
    calls: [OfCall; Hcall::ALL.len()],
    /// When the first call began and when the last ended, in nanoseconds after the epoch; 0: none yet.
    first_ns: AtomicU64,
    last_ns: AtomicU64,
    /// When it was carried last, in nanoseconds after the epoch; 0: it is carried now, or never was.
    left_ns: AtomicU64,
    /// How long nobody has carried it, since it was carried first.
    waited_ns: AtomicU64,
}

#[derive(Default)]
struct OfCall {
    count: AtomicU64,
    ns: AtomicU64,
}

/// A call that is being answered; it is noted when this is dropped.
pub(super) struct Timed<'a> {
    tally: &'a Tally,
    server: usize,
    call: Hcall,
    began_ns: u64,
}

/// What was counted for one hypercall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Which.
    pub(crate) call: Hcall,
    /// How often it was made.
    pub(crate) count: u64,
    /// How long it took in all.
    pub(crate) time: Duration,
}

impl Tally {
    /// For so many processors, from now on.
    pub(crate) fn new(processors: usize) -> Self {
        let processor = |_| OfProcessor {
            calls: std::array::from_fn(|_| OfCall::default()),
            first_ns: AtomicU64::new(0),
            last_ns: AtomicU64::new(0),
            left_ns: AtomicU64::new(0),
            waited_ns: AtomicU64::new(0),
        };
        Self {
            epoch: Instant::now(),
            processors: (0..processors).map(processor).collect(),
        }
    }

    /// Processor `server` begins to be answered `call`.
    pub(super) fn begin(&self, server: usize, call: Hcall) -> Timed<'_> {
        Timed {
            tally: self,
            server,
            call,
            began_ns: self.now_ns(),
        }
    }

    /// Never 0.
    fn now_ns(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    /// What was counted of each hypercall that was made.
    pub(crate) fn counted(&self) -> Vec<Counted> {
        let sum = |call: Hcall, which: fn(&OfCall) -> &AtomicU64| {
            let of_call = self.processors.iter().map(|processor| &processor.calls[call as usize]);
            of_call.map(|counters| which(counters).load(Ordering::Relaxed)).sum()
        };
        let counted = Hcall::ALL.iter().map(|&call| Counted {
            call,
            count: sum(call, |counters| &counters.count),
            time: Duration::from_nanos(sum(call, |counters| &counters.ns)),
        });
        counted.filter(|counted| counted.count > 0).collect()
    }

    /// Processor `server` is carried from here on.
    pub(crate) fn carried(&self, server: usize) {
        let processor = &self.processors[server];
        let left = get(&processor.left_ns);
        if left != 0 {
            add(&processor.waited_ns, self.now_ns() - left);
            processor.left_ns.store(0, Ordering::Relaxed);
        }
    }

    /// Nobody carries processor `server` from here on: it sleeps, or waits for its turn.
    pub(crate) fn left(&self, server: usize) {
        self.processors[server].left_ns.store(self.now_ns(), Ordering::Relaxed);
    }

    /// How long the processors have run, in the guest or in hypercalls: from the first call of each to its last, without
    /// what they waited.
    pub(crate) fn awake(&self) -> Duration {
        let ns = self.processors.iter().map(|processor| {
            let (first, last) = (get(&processor.first_ns), get(&processor.last_ns));
            last.saturating_sub(first).saturating_sub(get(&processor.waited_ns))
        });
        Duration::from_nanos(ns.sum())
    }
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// By the one thread that writes this counter.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(get(counter) + more, Ordering::Relaxed);
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        let ended_ns = self.tally.now_ns();
        let processor = &self.tally.processors[self.server];
        if get(&processor.first_ns) == 0 {
            processor.first_ns.store(self.began_ns, Ordering::Relaxed);
        }
        processor.last_ns.store(ended_ns, Ordering::Relaxed);
        let counters = &processor.calls[self.call as usize];
        add(&counters.count, 1);
        add(&counters.ns, ended_ns - self.began_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_for_all_processors_together() {
        let tally = Tally::new(2);
        assert_eq!((tally.counted(), tally.awake()), (vec![], Duration::ZERO));
        for (server, call) in [(0, Hcall::Enter), (1, Hcall::Enter), (1, Hcall::Rtas)] {
            drop(tally.begin(server, call));
        }
        let counts: Vec<_> = tally
            .counted()
            .iter()
            .map(|counted| (counted.call, counted.count))
            .collect();
        assert_eq!(counts, [(Hcall::Enter, 2), (Hcall::Rtas, 1)]);
    }

    #[test]
    fn a_processor_that_waits_is_not_awake() {
        const WAIT: Duration = Duration::from_millis(20);
        let (waits, runs) = (Tally::new(1), Tally::new(1));
        for tally in [&waits, &runs] {
            tally.carried(0);
            drop(tally.begin(0, Hcall::Enter));
        }
        waits.left(0);
        std::thread::sleep(WAIT);
        waits.carried(0);
        for tally in [&waits, &runs] {
            drop(tally.begin(0, Hcall::Enter));
        }
        assert!(runs.awake() >= WAIT);
        assert!(waits.awake() + WAIT <= runs.awake());
    }
}
