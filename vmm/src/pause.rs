//! The pause of a run: every processor is outside the guest and its hypercalls, and stays there until the run is
//! resumed, or ends. Where it can, the time base stands still meanwhile.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | P1 | pauser | `wanted` set, SeqCst; rings every processor that it sees at work, SeqCst; again until it sees none | C1, C2 |
//! | C1 | carrier, before it works on a processor | `at_work` of the processor set, SeqCst; then `wanted` loaded, SeqCst: if it is set, C2 and sleep | P1: one of the two sees the other |
//! | C2 | carrier, when it does so no longer | `at_work` cleared, SeqCst; then `wanted` loaded, SeqCst: if it is set, the pauser is told, under the mutex | P1; what the processor did is seen by the pauser |
//! | C3 | carrier, between two visits to the guest | `wanted` loaded, Acquire: if it is set, C2 and sleep, C1 | : a late look is made good by P1's next ring |
//! | P2 | whoever resumes | the time base goes on; `wanted` cleared, under the mutex that the carriers sleep with | C1 |
//!
//! A processor that sleeps, waits for its turn or is stopped is not at work: nobody waits for it, and it is not disturbed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long a pauser waits before it rings again: a ring may have been used up by somebody else's.
const RING_AGAIN: Duration = Duration::from_millis(10);

/// Whether somebody works on a processor; on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Place {
    at_work: AtomicBool,
}

#[derive(Default)]
struct State {
    is_paused: bool,
    /// The run is over: nobody waits here again.
    is_over: bool,
    /// How many need it paused until they are done: nobody resumes it meanwhile.
    holders: usize,
}

/// The pause of one run.
pub(crate) struct Pause {
    wanted: AtomicBool,
    places: Box<[Place]>,
    state: Mutex<State>,
    changed: Condvar,
    /// Held by whoever pauses or resumes.
    turn: Mutex<()>,
}

/// Why a run is not paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotPaused {
    /// Processors that did not come out in time; the run goes on.
    #[error(
        "{0} of the processors did not come out of a hypercall in time, so the guest runs on: mostly nobody reads its output"
    )]
    Busy(usize),
    /// Nothing is left to be paused.
    #[error("the run is over")]
    Over,
}

/// Why a run is not resumed: somebody needs it paused ([`Pause::while_paused`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a dump is being written, and needs the run paused until then: resume it when that is done")]
pub(crate) struct Held;

impl Pause {
    /// For so many processors, which run.
    pub(crate) fn new(processors: usize) -> Self {
        Self {
            wanted: AtomicBool::new(false),
            places: (0..processors).map(|_| Place::default()).collect(),
            state: Mutex::default(),
            changed: Condvar::new(),
            turn: Mutex::default(),
        }
    }

    /// The calling carrier works on processor `server` from here on, until [`Self::leave`] (C1). Sleeps before that while the run
    /// is paused.
    pub(crate) fn enter(&self, server: usize) {
        let at_work = &self.places[server].at_work;
        loop {
            at_work.store(true, Ordering::SeqCst);
            if !self.wanted.load(Ordering::SeqCst) {
                return;
            }
            self.leave(server);
            if self.wait() {
                // Whoever carries it looks for the end of the run before it does anything.
                at_work.store(true, Ordering::SeqCst);
                return;
            }
        }
    }

    /// Nobody works on processor `server` from here on (C2).
    pub(crate) fn leave(&self, server: usize) {
        self.places[server].at_work.store(false, Ordering::SeqCst);
        if self.wanted.load(Ordering::SeqCst) {
            drop(self.lock());
            self.changed.notify_all();
        }
    }

    /// Whether processors are to come out (C3): then [`Self::leave`] and [`Self::enter`].
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }

    /// Sleeps while the run is paused or about to be; whether it is over.
    pub(crate) fn wait(&self) -> bool {
        let mut state = self.lock();
        // Cleared under the mutex.
        while self.wanted.load(Ordering::Relaxed) && !state.is_over {
            state = self.changed.wait(state).expect(UNPOISONED);
        }
        state.is_over
    }

    /// Whether the run is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.lock().is_paused
    }

    /// Does `work` if the run is paused; whoever wants to resume it meanwhile is told so at once.
    pub(crate) fn while_paused<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let _holding = self.hold()?;
        Some(work())
    }

    fn hold(&self) -> Option<Holding<'_>> {
        // Nobody is about to resume it.
        let _turn = self.turn.lock().expect(UNPOISONED);
        let mut state = self.lock();
        state.is_paused.then(|| {
            state.holders += 1;
            Holding(self)
        })
    }

    /// Pauses the run, if it is not paused (P1). `ring` makes a processor leave the guest; when all are out, `hold_time` is called.
    ///
    /// # Errors
    /// Processors are not out within `patience`: then the run goes on. Or it is over.
    pub(crate) fn pause(
        &self,
        patience: Duration,
        ring: impl Fn(usize),
        hold_time: impl FnOnce(),
    ) -> Result<(), NotPaused> {
        let _turn = self.turn.lock().expect(UNPOISONED);
        if self.is_paused() {
            return Ok(());
        }
        let deadline = Instant::now() + patience;
        self.wanted.store(true, Ordering::SeqCst);
        let reached = loop {
            self.at_work().for_each(&ring);
            let state = self.lock();
            if state.is_over {
                break Err(NotPaused::Over);
            }
            let busy = self.at_work().count();
            let left = deadline.saturating_duration_since(Instant::now());
            match busy {
                0 => break Ok(()),
                _ if left.is_zero() => break Err(NotPaused::Busy(busy)),
                _ => drop(
                    self.changed
                        .wait_timeout(state, left.min(RING_AGAIN))
                        .expect(UNPOISONED),
                ),
            }
        };
        match reached {
            Ok(()) => {
                hold_time();
                self.lock().is_paused = true;
            }
            Err(_) => self.open(),
        }
        reached
    }

    /// Resumes the run, if it is paused (P2); `release_time` is called before processors run.
    ///
    /// # Errors
    /// Somebody needs it paused: it stays so.
    pub(crate) fn resume(&self, release_time: impl FnOnce()) -> Result<(), Held> {
        let _turn = self.turn.lock().expect(UNPOISONED);
        let (is_paused, holders) = {
            let state = self.lock();
            (state.is_paused, state.holders)
        };
        if holders > 0 {
            return Err(Held);
        }
        if is_paused {
            release_time();
            self.open();
        }
        Ok(())
    }

    /// The run is over: wakes all, and lets nobody wait again.
    pub(crate) fn end(&self) {
        self.lock().is_over = true;
        self.changed.notify_all();
    }

    /// The processors that somebody works on.
    fn at_work(&self) -> impl Iterator<Item = usize> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(server, place)| place.at_work.load(Ordering::SeqCst).then_some(server))
    }

    fn open(&self) {
        let mut state = self.lock();
        state.is_paused = false;
        self.wanted.store(false, Ordering::Release);
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }
}

/// Somebody who needs the run paused.
struct Holding<'p>(&'p Pause);

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.lock().holders -= 1;
    }
}

const UNPOISONED: &str = "nothing panics with a pause locked";

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_processor_that_does_not_come_out_leaves_the_run_as_it_was() {
        let pause = Pause::new(3);
        pause.enter(1);
        let error = pause.pause(Duration::ZERO, |_| (), || panic!("time went on"));
        assert_eq!(error, Err(NotPaused::Busy(1)));
        assert!(!pause.is_paused() && !pause.is_wanted());
        pause.enter(0);
    }

    #[test]
    fn what_has_happened_already_is_fine() {
        let pause = Pause::new(2);
        pause.resume(|| panic!("time never stood still")).unwrap();
        pause.pause(PATIENCE, |_| (), || ()).unwrap();
        pause.pause(PATIENCE, |_| (), || panic!("it stands already")).unwrap();
        assert!(pause.is_paused());
        pause.resume(|| ()).unwrap();
        pause.resume(|| panic!("it goes on already")).unwrap();
        assert!(!pause.is_paused());
    }

    #[test]
    fn who_needs_a_paused_run_holds_up_nobody() {
        let pause = Pause::new(2);
        assert_eq!(pause.while_paused(|| panic!("it runs")), None::<()>);
        pause.pause(PATIENCE, |_| (), || ()).unwrap();
        let done = pause.while_paused(|| {
            assert_eq!(pause.resume(|| panic!("time goes on")), Err(Held));
            assert_eq!(pause.pause(PATIENCE, |_| (), || panic!("it stands")), Ok(()));
            pause.while_paused(|| ()).unwrap();
            assert_eq!(pause.resume(|| panic!("time goes on")), Err(Held));
            assert!(pause.is_paused());
            5
        });
        assert_eq!(done, Some(5));
        pause.resume(|| ()).unwrap();
        assert!(!pause.is_paused());
    }

    /// Processors that are rung out of the guest, and pausers that look whether any is inside while they have it paused.
    #[test]
    fn nobody_is_at_work_while_a_run_is_paused() {
        const PAUSES: u32 = 500;
        let pause = Pause::new(4);
        let rung: [AtomicBool; 4] = Default::default();
        let inside: [AtomicBool; 4] = Default::default();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (pause, rung, inside, done) = (&pause, &rung, &inside, &done);
            for server in 0..4 {
                scope.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        pause.enter(server);
                        inside[server].store(true, Ordering::Relaxed);
                        while !done.load(Ordering::Relaxed) && !rung[server].swap(false, Ordering::AcqRel) {
                            std::thread::yield_now();
                        }
                        inside[server].store(false, Ordering::Relaxed);
                        pause.leave(server);
                    }
                });
            }
            for _ in 0..PAUSES {
                let ring = |server: usize| rung[server].store(true, Ordering::Release);
                pause.pause(PATIENCE, ring, || ()).unwrap();
                for _ in 0..10 {
                    assert!(!inside.iter().any(|inside| inside.load(Ordering::Relaxed)));
                    std::thread::yield_now();
                }
                pause.resume(|| ()).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn the_end_of_the_run_wakes_whoever_waits() {
        let pause = Pause::new(1);
        pause.pause(PATIENCE, |_| (), || ()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| pause.enter(0));
            scope.spawn(|| assert!(pause.wait()));
            pause.end();
        });
        pause.resume(|| ()).unwrap();
        assert_eq!(pause.pause(PATIENCE, |_| (), || ()), Err(NotPaused::Over));
    }
}
