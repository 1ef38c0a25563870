//! How often each hypercall is made and how long it takes (`--stats`), why processors leave the guest, and how long they run. Each
//! processor counts for itself, so that counting costs it two looks at the clock and takes no lock.
//!
//! A hypercall's time is that of the clock on the wall, which costs some tens of nanoseconds to look at: what the host gives to others
//! meanwhile is in it. To ask what the host has given to a thread is a system call. So it is asked when a
//! processor begins to run and when it ceases to, which tells how much of all is not ours ([`Times`]).
//!
//! A processor's counters are written by the thread that runs it alone (a plain load and store, no step in one), and read by
//! anybody: a sum that is read while guests run is a moment old.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hpt::Histogram;
use power::hcall::Hcall;
use rustix::time::{ClockId, clock_gettime};

use crate::accel::Exit;
use crate::run::Exits;

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
    /// Exits from the guest, by [`reason`].
    exits: [AtomicU64; REASONS],
    /// How long it ran, until it last ceased to.
    ran_ns: AtomicU64,
    /// What the host gave it of that.
    cpu_ns: AtomicU64,
    /// Since when it has run, in nanoseconds after the epoch; 0: it does not run.
    runs_since_ns: AtomicU64,
}

struct OfCall {
    /// How many calls took how long, as [`Histogram`] has it: their number is the sum. A call is noted here last, and readers look here first: the times that
    /// they see then have every call that they have counted.
    took_ns: [AtomicU64; Histogram::BUCKETS],
    ns: AtomicU64,
    longest_ns: AtomicU64,
}

impl OfCall {
    fn new() -> Self {
        Self {
            took_ns: std::array::from_fn(|_| AtomicU64::new(0)),
            ns: AtomicU64::new(0),
            longest_ns: AtomicU64::new(0),
        }
    }
}

/// A call that is being answered; it is noted when this is dropped.
pub(super) struct Timed<'a> {
    tally: &'a Tally,
    server: usize,
    call: Hcall,
    began_ns: u64,
}

/// A processor that runs, on the thread that runs it.
pub(crate) struct Running<'a> {
    tally: &'a Tally,
    server: usize,
    /// The thread's time when it began.
    cpu_ns: u64,
    /// A thread's clock is for that thread.
    _stays: PhantomData<*const ()>,
}

/// How long a processor has run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// By the clock on the wall.
    pub(crate) ran: Duration,
    /// Of it, what the host gave to the thread that ran it, until it last ceased to run.
    pub(crate) cpu: Duration,
    /// It runs now.
    pub(crate) is_running: bool,
}

const REASONS: usize = 6;

/// Why a processor left the guest, as a number.
fn reason(exit: &Exit) -> usize {
    match exit {
        Exit::Hypercall => 0,
        Exit::Attention => 1,
        Exit::Withheld { .. } => 2,
        Exit::Load { .. } => 3,
        Exit::Store { .. } => 4,
        Exit::Checkstop(_) => 5,
    }
}

/// What was counted for one hypercall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Which.
    pub(crate) call: Hcall,
    /// How long its calls took, each, in nanoseconds; as often as it was made.
    pub(crate) took_ns: Histogram,
    /// How long it took in all.
    pub(crate) time: Duration,
    /// How long one took at most.
    pub(crate) longest: Duration,
}

impl Tally {
    /// For so many processors, from now on.
    pub(crate) fn new(processors: usize) -> Self {
        let processor = |_| OfProcessor {
            calls: std::array::from_fn(|_| OfCall::new()),
            exits: std::array::from_fn(|_| AtomicU64::new(0)),
            ran_ns: AtomicU64::new(0),
            cpu_ns: AtomicU64::new(0),
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
                took_ns: Histogram {
                    buckets: std::array::from_fn(|bucket| {
                        // Pairs with the release when a call is noted: the loads of its times must not come before this.
                        let calls = of_call
                            .clone()
                            .map(|counters| counters.took_ns[bucket].load(Ordering::Acquire));
                        calls.sum()
                    }),
                },
                time: Duration::from_nanos(of_call.clone().map(|counters| get(&counters.ns)).sum()),
                longest: Duration::from_nanos(of_call.map(|counters| get(&counters.longest_ns)).max().unwrap_or(0)),
            }
        });
        counted.filter(|counted| counted.took_ns.count() > 0).collect()
    }

    /// Processor `server` runs, in the guest and in hypercalls, until the returned value is dropped.
    pub(crate) fn run(&self, server: usize) -> Running<'_> {
        let processor = &self.processors[server];
        processor.runs_since_ns.store(self.now_ns(), Ordering::Relaxed);
        Running {
            tally: self,
            server,
            cpu_ns: thread_ns(),
            _stays: PhantomData,
        }
    }

    /// How long the processors have run.
    pub(crate) fn ran(&self) -> Duration {
        (0..self.processors.len()).map(|server| self.times(server).ran).sum()
    }

    /// How long processor `server` has run.
    pub(crate) fn times(&self, server: usize) -> Times {
        let processor = &self.processors[server];
        let since_ns = get(&processor.runs_since_ns);
        let is_running = since_ns != 0;
        let running_ns = if is_running {
            self.now_ns().saturating_sub(since_ns)
        } else {
            0
        };
        Times {
            ran: Duration::from_nanos(get(&processor.ran_ns) + running_ns),
            cpu: Duration::from_nanos(get(&processor.cpu_ns)),
            is_running,
        }
    }

    /// Processor `server` has left the guest.
    pub(crate) fn note_exit(&self, server: usize, exit: &Exit) {
        add(&self.processors[server].exits[reason(exit)], 1);
    }

    /// Why processors left the guest, and how often.
    pub(crate) fn exits(&self) -> Exits {
        let [hypercalls, attention, withheld, device_loads, device_stores, checkstops] =
            std::array::from_fn(|reason| {
                let of_reason = self.processors.iter().map(|processor| get(&processor.exits[reason]));
                of_reason.sum()
            });
        Exits {
            hypercalls,
            attention,
            withheld,
            device_loads,
            device_stores,
            checkstops,
        }
    }
}

/// What the host has given to this thread.
fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
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
        add(&processor.cpu_ns, thread_ns().saturating_sub(self.cpu_ns));
    }
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        let ended_ns = self.tally.now_ns();
        let processor = &self.tally.processors[self.server];
        let counters = &processor.calls[self.call as usize];
        let took_ns = ended_ns - self.began_ns;
        add(&counters.ns, took_ns);
        let longest_ns = get(&counters.longest_ns).max(took_ns);
        counters.longest_ns.store(longest_ns, Ordering::Relaxed);
        let calls = &counters.took_ns[Histogram::bucket_of(took_ns)];
        // Pairs with the acquire of who reads: the stores of its times must not come behind this.
        calls.store(get(calls) + 1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use emulator::Operand;

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
            .map(|counted| (counted.call, counted.took_ns.count()))
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
        let counted = tally.counted().remove(0);
        assert!(Duration::from_millis(2) <= counted.longest && counted.longest <= counted.time);
        let took_ns = counted.took_ns;
        let longest_ns = counted.longest.as_nanos() as u64;
        assert_eq!(took_ns.count(), 3);
        assert_eq!(took_ns.quantile(1.0), Some((2 << longest_ns.ilog2()) - 1));
    }

    #[test]
    fn exits_are_counted_by_reason_for_all_processors_together() {
        let tally = Tally::new(2);
        let withheld = Exit::Withheld {
            real: 0,
            access: hpt::Access::Load,
            pc: 0,
        };
        for (server, exit) in [
            (0, Exit::Hypercall),
            (1, Exit::Hypercall),
            (1, Exit::Attention),
            (0, withheld),
            (1, Exit::Load { real: 0, bytes: 4 }),
            (
                0,
                Exit::Store {
                    real: 0,
                    operand: Operand::new(&[1]),
                },
            ),
            (1, Exit::Load { real: 0, bytes: 4 }),
        ] {
            tally.note_exit(server, &exit);
        }
        tally.note_exit(1, &Exit::Checkstop("why".to_owned()));
        let expected = Exits {
            hypercalls: 2,
            attention: 1,
            withheld: 1,
            device_loads: 2,
            device_stores: 1,
            checkstops: 1,
        };
        assert_eq!(tally.exits(), expected);
    }

    #[test]
    fn what_the_host_gives_to_others_is_not_the_processors() {
        let tally = Tally::new(1);
        let running = tally.run(0);
        std::thread::sleep(Duration::from_millis(20));
        let mut sum = 0_u64;
        while thread_ns() < running.cpu_ns + 2_000_000 {
            sum = std::hint::black_box(sum + 1);
        }
        drop(running);
        let Times { ran, cpu, .. } = tally.times(0);
        assert!(
            cpu >= Duration::from_millis(2) && ran >= cpu + Duration::from_millis(18),
            "{ran:?} {cpu:?}"
        );
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
