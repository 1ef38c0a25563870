//! How a run ends: the first reason wins, whoever has it tells the main thread, and the main thread
//! brings the processors home.

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
    /// The guest asked to be started anew.
    Reboot,
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

#[derive(Default)]
struct State {
    ending: Option<Ending>,
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

    /// Whether the run is ending.
    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }

    /// Waits for the end.
    pub(crate) fn wait(&self) {
        let state = self.lock();
        drop(
            self.changed
                .wait_while(state, |state| state.ending.is_none())
                .expect(UNPOISONED),
        );
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
        stop.wait();
        assert!(matches!(stop.take(), Some(Ending::PowerOff)));
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
            stop.wait();
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
