//! The pause of a run: every processor is outside the guest and its hypercalls, and stays there until the run is
//! resumed, or ends. Where it can, the time base stands still meanwhile. Nor does a device touch guest memory.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | P1 | pauser | `wanted` set; fence SeqCst; rings every processor that it sees at work, Acquire; again until it sees none | C1, C2 |
//! | C1 | carrier, before it works on a processor | `at_work` of the processor set; fence SeqCst; `wanted` loaded, Acquire: if it is set, C2 and sleep | P1: one of the two sees the other |
//! | C2 | carrier, when it does so no longer | `at_work` cleared, Release; fence SeqCst; `wanted` loaded: if it is set, the pauser is told, under the mutex | P1; what the processor did is seen by the pauser |
//! | C3 | carrier, between two visits to the guest | `wanted` loaded: if it is set, C2 and sleep, C1 | : a late look is made good by P1's next ring |
//! | V1 | device, before it copies guest memory | `copies` of its lane + 1; fence SeqCst; `wanted` loaded, Acquire: if it is set, V2 and sleep | P1: one of the two sees the other |
//! | V2 | device, after the copy | `copies` - 1, Release; fence SeqCst; `wanted` loaded: if it is set, the pauser is told, under the mutex | P1, which looks at the lanes as it looks at the processors; what was copied is there |
//! | P2 | whoever resumes | the time base goes on; `wanted` cleared, Release, under the mutex that the carriers and devices sleep with | C1, V1: what was done meanwhile is seen |
//!
//! A processor that sleeps, waits for its turn or is stopped is not at work: nobody waits for it, and it is not disturbed. A device that waits for
//! memory is not copying. So a copy ends by itself, and needs no ring.

use std::time::{Duration, Instant};

use crate::sync::{AtomicBool, AtomicU64, Condvar, Mutex, MutexGuard, Ordering, fence};

/// How long a pauser waits before it rings again: a ring may have been used up by somebody else's.
const RING_AGAIN: Duration = Duration::from_millis(10);

/// Whether somebody works on a processor; on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Place {
    at_work: AtomicBool,
}

/// How many copies of devices are under way; on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Lane {
    copies: AtomicU64,
}

/// Threads of devices beyond this number share lanes: a pause looks at each. A model has no time for so many.
pub(crate) const LANES: usize = if cfg!(loom) { 1 } else { 8 };

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
    lanes: [Lane; LANES],
    state: Mutex<State>,
    changed: Condvar,
    /// How often memory was made new meanwhile.
    resets: AtomicU64,
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
    /// Copies of devices that are not done in time; the run goes on.
    #[error("a device did not finish a copy in time, so the guest runs on: the host's memory is slow")]
    Copying,
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
            lanes: Default::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
            resets: AtomicU64::new(0),
            turn: Mutex::default(),
        }
    }

    /// The calling carrier works on processor `server` from here on, until [`Self::leave`] (C1). Sleeps before that while the run
    /// is paused.
    pub(crate) fn enter(&self, server: usize) {
        while !self.try_enter(server) {
            if self.wait() {
                // Whoever carries it looks for the end of the run before it does anything.
                self.places[server].at_work.store(true, Ordering::Relaxed);
                return;
            }
        }
    }

    /// The same without sleep: `false`, and nobody works on it, while the run is paused or about to be.
    pub(crate) fn try_enter(&self, server: usize) -> bool {
        self.places[server].at_work.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // Acquire: what was done while the run was paused.
        let is_wanted = self.wanted.load(Ordering::Acquire);
        if is_wanted {
            self.leave(server);
        }
        !is_wanted
    }

    /// Nobody works on processor `server` from here on (C2).
    pub(crate) fn leave(&self, server: usize) {
        // Release: the pauser sees what was done.
        self.places[server].at_work.store(false, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.wanted.load(Ordering::Relaxed) {
            drop(self.lock());
            self.changed.notify_all();
        }
    }

    /// A device copies in this lane until the returned value is dropped (V1). `None` while the run is paused: then [`Self::wait`].
    pub(crate) fn copy(&self, lane: usize) -> Option<Copying<'_>> {
        let copying = Copying {
            pause: self,
            lane: &self.lanes[lane],
        };
        copying.lane.copies.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // Acquire: what was done while the run was paused.
        (!self.wanted.load(Ordering::Acquire)).then_some(copying)
    }

    /// Whether processors are to come out (C3): then [`Self::leave`] and [`Self::enter`].
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
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
        self.bring_out(patience, ring, hold_time)
    }

    /// Does `work`, which makes memory new, while all processors are out, no device copies, and nobody resumes or pauses the run; afterwards it goes
    /// on, if it did. A copy that has waited meanwhile is not made. `None` while somebody needs it paused and as it is ([`Self::while_paused`]).
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub(crate) fn interlude<T>(
        &self,
        patience: Duration,
        ring: impl Fn(usize),
        hold_time: impl FnOnce(),
        release_time: impl FnOnce(),
        work: impl FnOnce() -> T,
    ) -> Result<Option<T>, NotPaused> {
        let _turn = self.turn.lock().expect(UNPOISONED);
        let (was_paused, holders) = {
            let state = self.lock();
            (state.is_paused, state.holders)
        };
        if holders != 0 {
            return Ok(None);
        }
        if !was_paused {
            self.bring_out(patience, ring, hold_time)?;
        }
        let done = work();
        // Read by who finds `wanted` clear, or has waited under the mutex: both come after it.
        self.resets.fetch_add(1, Ordering::Relaxed);
        if !was_paused {
            self.go_on(release_time);
        }
        Ok(Some(done))
    }

    /// How often [`Self::interlude`] has made memory new.
    pub(crate) fn resets(&self) -> u64 {
        self.resets.load(Ordering::Relaxed)
    }

    /// Brings all processors out (P1), by one who has the turn.
    fn bring_out(&self, patience: Duration, ring: impl Fn(usize), hold_time: impl FnOnce()) -> Result<(), NotPaused> {
        let deadline = Instant::now() + patience;
        self.wanted.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let reached = loop {
            self.at_work().for_each(&ring);
            let state = self.lock();
            if state.is_over {
                break Err(NotPaused::Over);
            }
            let busy = match (self.at_work().count(), self.is_copying()) {
                (0, false) => break Ok(()),
                (0, true) => NotPaused::Copying,
                (busy, _) => NotPaused::Busy(busy),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break Err(busy);
            }
            let waited = self.changed.wait_timeout(state, left.min(RING_AGAIN));
            drop(waited.expect(UNPOISONED));
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
            self.go_on(release_time);
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
        places.filter_map(|(server, place)| place.at_work.load(Ordering::Acquire).then_some(server))
    }

    /// Whether a device copies (P1).
    fn is_copying(&self) -> bool {
        let mut lanes = self.lanes.iter();
        // Acquire: what was copied is there.
        lanes.any(|lane| lane.copies.load(Ordering::Acquire) > 0)
    }

    fn go_on(&self, release_time: impl FnOnce()) {
        release_time();
        self.open();
    }

    fn open(&self) {
        let mut state = self.lock();
        state.is_paused = false;
        // Release: who finds it clear without the mutex sees what was done meanwhile.
        self.wanted.store(false, Ordering::Release);
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }
}

/// A copy of a device.
pub(crate) struct Copying<'p> {
    pause: &'p Pause,
    lane: &'p Lane,
}

impl Drop for Copying<'_> {
    /// V2.
    fn drop(&mut self) {
        // Release: the pauser sees what was copied.
        self.lane.copies.fetch_sub(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.pause.wanted.load(Ordering::Relaxed) {
            drop(self.pause.lock());
            self.pause.changed.notify_all();
        }
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

#[cfg(all(test, not(loom)))]
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
    fn a_copy_that_is_not_done_leaves_the_run_as_it_was() {
        let pause = Pause::new(1);
        let copy = pause.copy(LANES - 1).unwrap();
        let error = pause.pause(Duration::ZERO, |_| (), || panic!("time went on"));
        assert_eq!(error, Err(NotPaused::Copying));
        drop((pause.copy(0).unwrap(), copy));
        pause.pause(PATIENCE, |_| (), || ()).unwrap();
        assert!(pause.copy(0).is_none());
        pause.resume(|| ()).unwrap();
        assert!(pause.copy(0).is_some());
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
