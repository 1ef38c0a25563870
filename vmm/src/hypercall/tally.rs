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
    /// How long it ran, until it last ceased to.
    ran_ns: AtomicU64,
    /// Since when it has run, in nanoseconds after the epoch; 0: it does not run.
    runs_since_ns: AtomicU64,
}

#[derive(Default)]
struct OfCall {
    count: AtomicU64,
    ns: AtomicU64,
    longest_ns: AtomicU64,
}

/// A call that is being answered; it is noted when this is dropped.
pub(super) struct Timed<'a> {
    tally: &'a Tally,
    server: usize,
    call: Hcall,
    began_ns: u64,
}

/// A processor that runs.
pub(crate) struct Running<'a> {
    tally: &'a Tally,
    server: usize,
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
    /// How long one took at most.
    pub(crate) longest: Duration,
}

impl Tally {
    /// For so many processors, from now on.
    pub(crate) fn new(processors: usize) -> Self {
        let processor = |_| OfProcessor {
            calls: std::array::from_fn(|_| OfCall::default()),
            ran_ns: AtomicU64::new(0),
            runs_since_ns: AtomicU64::new(0),
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
        let counted = Hcall::ALL.iter().map(|&call| {
            let of_call = self.processors.iter().map(|processor| &processor.calls[call as usize]);
            Counted {
                call,
                count: of_call.clone().map(|counters| get(&counters.count)).sum(),
                time: Duration::from_nanos(of_call.clone().map(|counters| get(&counters.ns)).sum()),
                longest: Duration::from_nanos(of_call.map(|counters| get(&counters.longest_ns)).max().unwrap_or(0)),
            }
        });
        counted.filter(|counted| counted.count > 0).collect()
    }

    /// Processor `server` runs, in the guest and in hypercalls, until the returned value is dropped.
    pub(crate) fn run(&self, server: usize) -> Running<'_> {
        let processor = &self.processors[server];
        processor.runs_since_ns.store(self.now_ns(), Ordering::Relaxed);
        Running { tally: self, server }
    }

    /// How long the processors have run.
    pub(crate) fn ran(&self) -> Duration {
        let now_ns = self.now_ns();
        let ns = self.processors.iter().map(|processor| {
            let running = match get(&processor.runs_since_ns) {
                0 => 0,
                since => now_ns.saturating_sub(since),
            };
            get(&processor.ran_ns) + running
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

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let processor = &self.tally.processors[self.server];
        let since_ns = get(&processor.runs_since_ns);
        processor.runs_since_ns.store(0, Ordering::Relaxed);
        add(&processor.ran_ns, self.tally.now_ns() - since_ns);
    }
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        let ended_ns = self.tally.now_ns();
        let processor = &self.tally.processors[self.server];
        let counters = &processor.calls[self.call as usize];
        add(&counters.count, 1);
        let took_ns = ended_ns - self.began_ns;
        add(&counters.ns, took_ns);
        let longest_ns = get(&counters.longest_ns).max(took_ns);
        counters.longest_ns.store(longest_ns, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_for_all_processors_together() {
        let tally = Tally::new(2);
        assert_eq!((tally.counted(), tally.ran()), (vec![], Duration::ZERO));
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
    fn the_longest_call_is_that_of_any_processor() {
        let tally = Tally::new(2);
        for (server, ms) in [(0, 0), (1, 2), (1, 0)] {
            let _timed = tally.begin(server, Hcall::Enter);
            std::thread::sleep(Duration::from_millis(ms));
        }
        let counted = tally.counted()[0];
        assert!(Duration::from_millis(2) <= counted.longest && counted.longest <= counted.time);
    }

    #[test]
    fn a_processor_runs_from_when_it_says_so() {
        let tally = Tally::new(2);
        let running = tally.run(1);
        std::thread::sleep(Duration::from_millis(1));
        let so_far = tally.ran();
        assert!(so_far >= Duration::from_millis(1));
        drop(running);
        let all = tally.ran();
        assert!(all >= so_far);
        assert_eq!(tally.ran(), all);
    }
}
