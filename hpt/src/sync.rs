//! The one place that names `std::sync` or, under `--cfg loom`, its model.

#[cfg(not(loom))]
mod real {
    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, fence};
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use std::thread::yield_now;
    pub(crate) use std::thread_local;

    /// How often a waiter looks before it gives its processor away.
    pub(crate) const SPINS: u32 = 100;
    /// How often it looks with its processor given away in between before it sleeps, if it can.
    pub(crate) const YIELDS: u32 = 20;

    /// A moment.
    #[derive(Clone, Copy)]
    pub(crate) struct Moment(std::time::Instant);

    impl Moment {
        pub(crate) fn now() -> Self {
            Self(std::time::Instant::now())
        }

        /// The time since then.
        pub(crate) fn elapsed(self) -> std::time::Duration {
            self.0.elapsed()
        }
    }
}

#[cfg(loom)]
mod real {
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, fence};
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use loom::thread::yield_now;
    pub(crate) use loom::thread_local;

    /// The model has no time: one look of each kind is as good as many.
    pub(crate) const SPINS: u32 = 1;
    /// As above.
    pub(crate) const YIELDS: u32 = 0;

    /// As above: none ever passes.
    #[derive(Clone, Copy)]
    pub(crate) struct Moment;

    impl Moment {
        pub(crate) fn now() -> Self {
            Self
        }

        pub(crate) fn elapsed(self) -> std::time::Duration {
            std::time::Duration::ZERO
        }
    }
}

use crate::points::hand_on;
pub(crate) use real::*;
use std::sync::atomic::AtomicU64 as UnmodelledU64;

pub(crate) use std::sync::atomic::Ordering;
pub(crate) use std::sync::{PoisonError, TryLockError};

/// Words that are zero.
pub(crate) fn zeroed(words: u64) -> Box<[AtomicU64]> {
    std::iter::repeat_with(|| AtomicU64::new(0))
        .take(words as usize)
        .collect()
}

/// Locks `mutex`. What it guards is left whole at every step, so a panic of another holder does not
/// make it unusable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same for a mutex that is held at points, and by those who wait for other processors.
pub(crate) fn lock_standing<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    loop {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(error)) => return error.into_inner(),
            Err(TryLockError::WouldBlock) if hand_on() => {}
            Err(TryLockError::WouldBlock) => return lock(mutex),
        }
    }
}

#[cfg(not(loom))]
mod background {
    use std::io;
    use std::panic::resume_unwind;
    use std::thread::{Builder, JoinHandle};

    /// Work on a thread of its own.
    pub(crate) struct Background<T>(JoinHandle<T>);

    impl<T: Send + 'static> Background<T> {
        /// Starts `work` on a thread called `name`.
        pub(crate) fn spawn(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
            Builder::new().name(name.to_owned()).spawn(work).map(Self)
        }

        pub(crate) fn is_finished(&self) -> bool {
            self.0.is_finished()
        }

        /// Waits for the end of it.
        pub(crate) fn join(self) -> T {
            self.0.join().unwrap_or_else(|panic| resume_unwind(panic))
        }
    }
}

#[cfg(loom)]
mod background {
    use std::io;

    /// Work that no model races with anything: it is done at once.
    pub(crate) struct Background<T>(T);

    impl<T> Background<T> {
        pub(crate) fn spawn(_name: &str, work: impl FnOnce() -> T) -> io::Result<Self> {
            Ok(Self(work()))
        }

        pub(crate) fn is_finished(&self) -> bool {
            true
        }

        pub(crate) fn join(self) -> T {
            self.0
        }
    }
}

pub(crate) use background::Background;

/// A number that only tells people something: loom need not look at it.
#[derive(Debug, Default)]
pub(crate) struct Statistic(UnmodelledU64);

impl Statistic {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}
