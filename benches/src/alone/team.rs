//! Threads that work at the same time, and the time that they take.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Case;
use super::machine::{Holders, Machine};
use super::work::Worker;
use crate::pinning::stay_on;

/// Nanoseconds for an operation of `case`, by all its threads together, each of which stays on one of `processors`.
pub(super) fn sample(machine: &Machine, case: &Case, processors: &[usize]) -> f64 {
    let mut workers: Vec<Worker> = (0..case.threads)
        .map(|thread| Worker::new(machine, case.place, case.work, thread))
        .collect();
    let each = workers[0].operations();
    // One more, which does not count.
    let passes = case.operations().div_ceil(each) + 1;
    let gate = Gate::new(case.threads);
    let done = AtomicBool::new(false);
    let times: Vec<Vec<Duration>> = thread::scope(|scope| {
        if case.holders == Holders::Inside {
            scope.spawn(|| {
                stay_on(processors[1]);
                machine.visit(&done);
            });
        }
        let working: Vec<_> = workers
            .iter_mut()
            .zip(processors)
            .map(|(worker, &cpu)| {
                let gate = &gate;
                scope.spawn(move || {
                    stay_on(cpu);
                    let mut entrance = gate.entrance();
                    (0..passes)
                        .map(|_| pass(machine, case, worker, &mut entrance))
                        .collect()
                })
            })
            .collect();
        let times = working
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect::<Vec<_>>();
        done.store(true, Ordering::Relaxed);
        times
            .into_iter()
            .map(|times| times.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    // A pass of all takes as long as that of the slowest.
    let slowest = |pass: usize| times.iter().map(|times| times[pass]).max().unwrap_or_default();
    let all: Duration = (1..passes).map(slowest).sum();
    all.as_secs_f64() * 1e9 / ((passes - 1) * each * case.threads) as f64
}

/// All of a worker's operations once: how long they took.
fn pass(machine: &Machine, case: &Case, worker: &mut Worker, entrance: &mut Entrance<'_>) -> Duration {
    worker.prepare(case.work);
    if case.threads == 1 {
        machine.catch_up();
    }
    entrance.pass();
    let began = Instant::now();
    worker.work(case.work);
    let took = began.elapsed();
    // Nobody cleans up while another still works.
    entrance.pass();
    worker.clean(case.work);
    took
}

/// Lets threads through when all have come, without putting any to sleep: waking one takes longer than some of what is
/// measured.
struct Gate {
    threads: u32,
    /// How often one has come.
    came: AtomicU32,
    /// One will not come any more.
    is_broken: AtomicBool,
}

impl Gate {
    fn new(threads: usize) -> Self {
        Self {
            threads: threads as u32,
            came: AtomicU32::new(0),
            is_broken: AtomicBool::new(false),
        }
    }

    fn entrance(&self) -> Entrance<'_> {
        Entrance { gate: self, next: 0 }
    }
}

/// One thread's way through a [`Gate`]. A thread that panics lets the others through, into a panic of their own.
struct Entrance<'g> {
    gate: &'g Gate,
    /// How often all will have come when this thread has passed.
    next: u32,
}

impl Entrance<'_> {
    fn pass(&mut self) {
        self.next += self.gate.threads;
        self.gate.came.fetch_add(1, Ordering::AcqRel);
        while self.gate.came.load(Ordering::Acquire) < self.next {
            assert!(
                !self.gate.is_broken.load(Ordering::Relaxed),
                "another thread has failed"
            );
            std::hint::spin_loop();
        }
    }
}

impl Drop for Entrance<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.gate.is_broken.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alone::machine::{Map, Place};
    use crate::alone::work::{Used, Work};
    use crate::pinning::allowed;

    #[test]
    fn nobody_passes_before_all_have_come() {
        let gate = Gate::new(3);
        let inside = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut entrance = gate.entrance();
                    for round in 1..=100 {
                        inside.fetch_add(1, Ordering::SeqCst);
                        entrance.pass();
                        assert_eq!(inside.load(Ordering::SeqCst), 3 * round);
                        entrance.pass();
                    }
                });
            }
        });
    }

    #[test]
    fn a_thread_that_fails_does_not_leave_the_others_waiting() {
        let gate = Gate::new(2);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.entrance().pass());
            let failing = scope.spawn(|| {
                let _entrance = gate.entrance();
                panic!("as the test wants");
            });
            assert!(failing.join().is_err());
            assert!(waiting.join().is_err());
        });
    }

    #[test]
    fn a_change_is_timed_alone_in_company_and_with_a_processor_inside() {
        let processors = allowed().unwrap();
        let mut case = Case::plain(Work::Remove(Used::Yes), Place::Few);
        assert!(sample(&Machine::new(Holders::Nobody, Map::Absent), &case, &processors) > 0.0);
        if processors.len() > 1 {
            case.threads = 2;
            assert!(sample(&Machine::new(Holders::Nobody, Map::Absent), &case, &processors) > 0.0);
            case.threads = 1;
            case.holders = Holders::Inside;
            assert!(sample(&Machine::new(Holders::Inside, Map::Absent), &case, &processors) > 0.0);
        }
    }
}
