//! How a run ends: the first reason wins, whoever has it tells the main thread, and the main thread
//! brings the processors home. The main thread is also told here to start the machine anew.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hpt::Patience;

/// Why the guest runs no more.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The guest powered off.
    PowerOff,
    /// The guest asked to be started anew, and the user does not want that.
    Reboot,
    /// The machine could not be started anew.
    NotReset(String),
    /// The guest's last processor stopped itself: nobody is left to start it again.
    AllStopped,
    /// The guest's operating system gave up, with these last words.
    Died(String),
    /// A processor can neither go on nor take an interrupt.
    Checkstop {
        /// Server number of the processor.
        server: usize,
        /// What happened.
        why: String,
        /// The processor's registers.
        registers: String,
    },
    /// The user pressed Ctrl-A X.
    Quit,
    /// A client of the control socket asked for it.
    Asked,
    /// A signal.
    Signal(i32),
    /// Nobody takes the guest's output any more.
    Output(io::Error),
    /// A thread of this program failed an assertion.
    Panicked,
}

/// What the main thread is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// End the run.
    End,
    /// Start the machine anew.
    Reset,
}

/// An end that is set for a time.
struct Later {
    at: Instant,
    /// However often it is put off.
    latest: Instant,
    ending: Ending,
}

#[derive(Default)]
struct State {
    ending: Option<Ending>,
    later: Option<Later>,
    /// The machine is to be started anew.
    reset: bool,
    /// Threads of processors that have not returned.
    running: usize,
}

/// Where everybody asks for the end, and the main thread waits for it.
///
/// | step | who | access | pairs with |
/// |---|---|---|---|
/// | request | any thread | store requested, Release, with the lock held | look |
/// | look | carriers, between hypercalls and between processors | load requested, Acquire | : a late look only delays |
/// | wake | main thread, after `request` | rings every line and every bell, the latter for good | a carrier that is about to sleep has looked after it took its bell's epoch |
#[derive(Default)]
pub(crate) struct Stop {
    requested: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

impl Stop {
    /// Ends the run for this reason, unless it is ending already.
    pub(crate) fn request(&self, ending: Ending) {
        let mut state = self.lock();
        if state.ending.is_none() {
            state.ending = Some(ending);
            self.requested.store(true, Ordering::Release);
            self.changed.notify_all();
        }
    }

    /// Asks for a new start of the machine. What was to happen later does not, as whoever asked for it is gone then.
    pub(crate) fn request_reset(&self) {
        let mut state = self.lock();
        state.reset = true;
        state.later = None;
        self.changed.notify_all();
    }

    /// The guest that there was is gone: what it has asked for, or a client for it, since its machine's new start was told to [`Self::wait`], is
    /// done by that start.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        state.reset = false;
        state.later = None;
    }

    /// Ends the run for this reason after `delay`, or when that has been put off for `longest`; unless it ends before. Who comes first decides.
    pub(crate) fn request_later(&self, ending: Ending, delay: Duration, longest: Duration) {
        let now = Instant::now();
        let (at, latest) = (now + delay, now + longest);
        self.lock().later.get_or_insert(Later { at, latest, ending });
        self.changed.notify_all();
    }

    /// If the run is to end later, not before `delay` is over.
    pub(crate) fn put_off(&self, delay: Duration) {
        if let Some(later) = &mut self.lock().later {
            later.at = (Instant::now() + delay).min(later.latest);
        }
    }

    /// When the run is to end, if it is to end later.
    #[cfg(test)]
    pub(crate) fn due(&self) -> Option<Instant> {
        self.lock().later.as_ref().map(|later| later.at)
    }

    /// If the run is to end later, it ends now; whether it was to.
    pub(crate) fn hasten(&self) -> bool {
        let later = self.lock().later.take();
        later.map(|later| self.request(later.ending)).is_some()
    }

    /// Whether the run is ending.
    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }

    /// Waits for the end, or for a wish to start the machine anew, which is told once.
    pub(crate) fn wait(&self) -> Call {
        let mut state = self.lock();
        loop {
            if state.ending.is_some() {
                return Call::End;
            }
            if std::mem::take(&mut state.reset) {
                return Call::Reset;
            }
            let left = state
                .later
                .as_ref()
                .map(|later| later.at.saturating_duration_since(Instant::now()));
            state = match left {
                None => self.changed.wait(state).expect(UNPOISONED),
                Some(Duration::ZERO) => {
                    drop(state);
                    self.hasten();
                    self.lock()
                }
                Some(left) => self.changed.wait_timeout(state, left).expect(UNPOISONED).0,
            };
        }
    }

    /// Why the run ended; the default is for callers that ask too early.
    pub(crate) fn take(&self) -> Option<Ending> {
        self.lock().ending.take()
    }

    /// A thread for processors is about to begin, which takes the returned value: it ends when that is dropped, and a panic
    /// of it ends the run. Who enlists threads before they begin never misses one that is slow to.
    pub(crate) fn enlist(self: &Arc<Self>) -> Enlisted {
        self.lock().running += 1;
        Enlisted(Arc::clone(self))
    }

    /// Waits for the processors' threads to return; how many did not within `patience`.
    pub(crate) fn wait_for_processors(&self, patience: Duration) -> usize {
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        while state.running > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return state.running;
            }
            state = self.changed.wait_timeout(state, left).expect(UNPOISONED).0;
        }
        0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }
}

/// Whoever waits for something gives up when the run ends.
impl Patience for Stop {
    fn is_over(&self) -> bool {
        self.is_requested()
    }
}

const UNPOISONED: &str = "nothing panics with the ending locked";

/// A processor's thread that has not returned.
pub(crate) struct Enlisted(Arc<Stop>);

impl Drop for Enlisted {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.request(Ending::Panicked);
        }
        self.0.lock().running -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_wins() {
        let stop = Stop::default();
        assert!(!stop.is_requested());
        stop.request(Ending::PowerOff);
        stop.request(Ending::Quit);
        assert!(stop.is_requested());
        assert_eq!(stop.wait(), Call::End);
        assert!(matches!(stop.take(), Some(Ending::PowerOff)));
    }

    #[test]
    fn what_a_guest_that_is_gone_has_asked_for_is_not_done() {
        const LONG: Duration = Duration::from_secs(1000);
        let stop = Stop::default();
        stop.request_reset();
        assert_eq!(stop.wait(), Call::Reset);
        stop.request_reset();
        stop.request_later(Ending::Quit, LONG, LONG);
        stop.forget();
        assert!(!stop.hasten());
        stop.request(Ending::PowerOff);
        assert_eq!(stop.wait(), Call::End);
        assert!(matches!(stop.take(), Some(Ending::PowerOff)));
    }

    #[test]
    fn a_new_start_is_told_once_and_the_end_comes_before_it() {
        let stop = Stop::default();
        stop.request_reset();
        stop.request_reset();
        assert_eq!(stop.wait(), Call::Reset);
        assert!(!stop.is_requested());
        stop.request_reset();
        stop.request(Ending::Quit);
        assert_eq!(stop.wait(), Call::End);
    }

    #[test]
    fn what_is_to_end_later_ends_then_unless_the_machine_is_started_anew() {
        let stop = Stop::default();
        stop.request_later(
            Ending::Died("first".into()),
            Duration::from_millis(5),
            Duration::from_secs(1000),
        );
        stop.request_later(Ending::Died("second".into()), Duration::ZERO, Duration::ZERO);
        assert_eq!(stop.wait(), Call::End);
        assert!(matches!(stop.take(), Some(Ending::Died(words)) if words == "first"));
        let stop = Stop::default();
        stop.request_later(Ending::Died("gone".into()), Duration::ZERO, Duration::ZERO);
        stop.request_reset();
        assert_eq!(stop.wait(), Call::Reset);
        stop.put_off(Duration::ZERO);
        assert!(!stop.hasten());
        stop.request(Ending::Quit);
        assert!(matches!(stop.take(), Some(Ending::Quit)));
    }

    #[test]
    fn an_end_that_is_put_off_for_ever_comes_all_the_same() {
        let stop = Stop::default();
        stop.request_later(Ending::Died("late".into()), Duration::ZERO, Duration::from_millis(5));
        stop.put_off(Duration::from_secs(1000));
        assert_eq!(stop.wait(), Call::End);
    }

    #[test]
    fn a_panic_of_a_processor_ends_the_run() {
        let stop = Arc::<Stop>::default();
        std::thread::scope(|scope| {
            let enlisted = stop.enlist();
            let thread = scope.spawn(|| {
                let _enlisted = enlisted;
                panic!("as the test wants");
            });
            assert_eq!(stop.wait(), Call::End);
            assert!(thread.join().is_err());
        });
        assert_eq!(stop.wait_for_processors(Duration::ZERO), 0);
        assert!(matches!(stop.take(), Some(Ending::Panicked)));
    }

    #[test]
    fn a_processor_that_does_not_return_is_not_waited_for_forever() {
        let stop = Arc::<Stop>::default();
        let _enlisted = stop.enlist();
        assert_eq!(stop.wait_for_processors(Duration::ZERO), 1);
    }
}
