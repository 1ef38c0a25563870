//! A signal to one thread of this process: what gets a vCPU out of the guest.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::getpid;
use rustix::thread::gettid;

/// A thread of this process, by the kernel's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread(i32);

impl Thread {
    /// The one that calls.
    pub fn current() -> Self {
        Self(gettid().as_raw_nonzero().get())
    }

    /// Its number, which is never 0.
    pub fn number(self) -> i32 {
        self.0
    }

    /// The thread with the number that [`Self::number`] gave.
    pub fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Sends it the signal. Its vCPU's `run` returns `EINTR`, and a [`Bed`](crate::Bed) lets go of it; most other system
    /// calls go on.
    ///
    /// A thread that has ended gets none; should another one of this process have its number by now, that one gets a signal that
    /// does nothing. [`catch_signal`] comes first: the signal's own effect is to end the process.
    pub fn interrupt(self) {
        // SAFETY: names a process, a thread in it and a signal; touches no memory. Only this process can get the signal, as the
        // thread must belong to it.
        unsafe { libc::tgkill(getpid().as_raw_nonzero().get(), self.0, signal()) };
    }
}

/// The signal: the first one that the C library does not use itself.
fn signal() -> i32 {
    libc::SIGRTMIN()
}

/// Makes the signal of [`Thread::interrupt`] do nothing but interrupt. It does so from the first call on, until the process ends.
///
/// # Errors
/// The kernel refuses a handler.
pub fn catch_signal() -> io::Result<()> {
    static IS_CAUGHT: Mutex<bool> = Mutex::new(false);
    let mut is_caught = IS_CAUGHT.lock().unwrap_or_else(PoisonError::into_inner);
    if !*is_caught {
        // Nobody looks at the flag: setting one is the least that the library's handler can do.
        signal_hook::flag::register(signal(), Arc::<AtomicBool>::default())?;
        *is_caught = true;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caught_signal_ends_neither_its_thread_nor_a_later_one() -> io::Result<()> {
        catch_signal()?;
        catch_signal()?;
        Thread::current().interrupt();
        let gone = std::thread::spawn(Thread::current).join().expect("it does not panic");
        gone.interrupt();
        assert_ne!(gone, Thread::current());
        assert_eq!(Thread::from_number(Thread::current().number()), Thread::current());
        Ok(())
    }

    #[test]
    fn a_signal_gets_a_thread_out_of_a_wait_that_may_be_interrupted() -> io::Result<()> {
        catch_signal()?;
        let sleeper = std::sync::OnceLock::new();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                sleeper.set(Thread::current()).expect("it is set once");
                // Nothing to wait for, and no end.
                rustix::event::poll(&mut [], None)
            });
            while !waiting.is_finished() {
                if let Some(thread) = sleeper.get() {
                    thread.interrupt();
                }
                // Not one after the other: a thread that gets nothing but signals gets nowhere.
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            assert_eq!(waiting.join().expect("it does not panic"), Err(rustix::io::Errno::INTR));
        });
        Ok(())
    }
}
