//! Where threads that have nothing to do wait until somebody has made work for them.
//!
//! No call is lost. Whoever makes work makes it visible first and rings after it; whoever waits takes the
//! [`Epoch`] first, looks for work after it, and waits only if nobody has rung since.
//!
//! A ring wakes one of those who wait: whoever is woken looks at all there is to do, and rings itself if it leaves
//! something to others.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

/// How often a bell had rung when somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

#[derive(Debug, Default)]
struct State {
    rings: u64,
    /// Threads in [`Bell::wait`].
    listeners: usize,
    /// Somebody waits in [`Bell::wait_unheard`].
    is_watched: bool,
    /// It rings no more: nobody waits here again.
    is_over: bool,
}

/// A bell.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
    rung: Condvar,
    /// Nobody listens any more.
    unheard: Condvar,
}

impl Bell {
    /// The epoch now; to be taken before one looks for work.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.lock().rings)
    }

    /// There is work: wakes one of those who wait.
    pub(crate) fn ring(&self) {
        let mut state = self.lock();
        state.rings += 1;
        let is_heard = state.listeners > 0;
        // Whoever wakes takes the mutex. One that has come to wait meanwhile may wake instead of the one that we saw: it has
        // looked for work after this ring.
        drop(state);
        if is_heard {
            self.rung.notify_one();
        }
    }

    /// The run is over: wakes all, and lets nobody wait again.
    pub(crate) fn ring_out(&self) {
        self.lock().is_over = true;
        self.rung.notify_all();
        self.unheard.notify_all();
    }

    /// Waits until the bell has rung after `epoch`, or until `deadline`.
    pub(crate) fn wait(&self, epoch: Epoch, deadline: Option<Instant>) {
        let mut state = self.lock();
        state.listeners += 1;
        while state.rings == epoch.0 && !state.is_over {
            state = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => self.rung.wait(state).expect(UNPOISONED),
                Some(left) if left.is_zero() => break,
                Some(left) => self.rung.wait_timeout(state, left).expect(UNPOISONED).0,
            };
        }
        state.listeners -= 1;
        if state.listeners == 0 && state.is_watched {
            self.unheard.notify_all();
        }
    }

    /// Waits until `time`, and from there on until nobody listens: a ring then wakes nobody. For one thread at a time.
    pub(crate) fn wait_unheard(&self, time: Instant) {
        let mut state = self.lock();
        while !state.is_over {
            let left = time.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                state = self.unheard.wait_timeout(state, left).expect(UNPOISONED).0;
            } else if state.listeners > 0 {
                state.is_watched = true;
                state = self.unheard.wait(state).expect(UNPOISONED);
                state.is_watched = false;
            } else {
                break;
            }
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn listeners(&self) -> usize {
        self.lock().listeners
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }
}

const UNPOISONED: &str = "nothing panics with a bell locked";

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_ring_after_the_epoch_is_not_waited_for() {
        let bell = Bell::default();
        let epoch = bell.epoch();
        bell.ring();
        bell.wait(epoch, None);
        assert_ne!(bell.epoch(), epoch);
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let bell = Bell::default();
        bell.wait(bell.epoch(), Some(Instant::now() + Duration::from_millis(1)));
    }

    /// Each ring is work for one; workers that find some wait for more. A lost ring would hang the test.
    #[test]
    fn no_ring_is_lost_however_the_threads_meet() {
        const JOBS: u32 = 10_000;
        let (bell, made, done) = (Bell::default(), AtomicU32::new(0), AtomicU32::new(0));
        let work = || {
            loop {
                let epoch = bell.epoch();
                if done.load(Ordering::Relaxed) >= JOBS {
                    return;
                }
                let seen = done.load(Ordering::Relaxed);
                let takes = seen < made.load(Ordering::Relaxed)
                    && done
                        .compare_exchange(seen, seen + 1, Ordering::Relaxed, Ordering::Relaxed)
                        .is_ok();
                if !takes && seen == made.load(Ordering::Relaxed) {
                    bell.wait(epoch, None);
                }
            }
        };
        thread::scope(|scope| {
            scope.spawn(work);
            scope.spawn(work);
            for _ in 0..JOBS {
                // One job at a time, so that the workers are mostly just about to wait.
                while done.load(Ordering::Relaxed) != made.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
                made.fetch_add(1, Ordering::Relaxed);
                bell.ring();
            }
            while done.load(Ordering::Relaxed) != JOBS {
                thread::yield_now();
            }
            bell.ring_out();
        });
    }

    #[test]
    fn ringing_out_wakes_all_and_lets_nobody_wait_again() {
        let bell = Bell::default();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| bell.wait(bell.epoch(), None));
            }
            while bell.listeners() < 3 {
                thread::yield_now();
            }
            scope.spawn(|| bell.wait_unheard(Instant::now()));
            bell.ring_out();
        });
        bell.wait(bell.epoch(), None);
        bell.wait_unheard(Instant::now() + Duration::from_secs(3600));
    }

    #[test]
    fn whoever_waits_for_silence_waits_while_somebody_listens() {
        let bell = Bell::default();
        bell.wait_unheard(Instant::now());
        let over = AtomicU32::new(0);
        thread::scope(|scope| {
            scope.spawn(|| bell.wait(bell.epoch(), None));
            while bell.listeners() == 0 {
                thread::yield_now();
            }
            scope.spawn(|| {
                bell.wait_unheard(Instant::now());
                over.store(1, Ordering::Relaxed);
            });
            while !bell.lock().is_watched {
                thread::yield_now();
            }
            assert_eq!(over.load(Ordering::Relaxed), 0);
            bell.ring();
        });
        assert_eq!(over.load(Ordering::Relaxed), 1);
    }
}
