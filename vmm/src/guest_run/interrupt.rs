//! Signals that ask for the end of a series of guests: the first ends the guest that runs, and what was done is told; the second ends this program at
//! once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{io, process, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

use crate::ignored::is_ignored;

/// How long one may go without a look at whether there was a signal.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// A signal that comes so soon after the first is the same one: `timeout` sends it to its child, and to the group that this is in.
const TWICE: Duration = Duration::from_secs(1);

/// Whether somebody has asked for the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicUsize>);

/// The signal that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped by {}", low_level::signal_name(*.0).unwrap_or("a signal"))]
pub(crate) struct Interrupted(i32);

impl Interrupt {
    /// From here on SIGINT, SIGTERM and SIGHUP end nothing themselves. A SIGHUP that this program was started to ignore stays ignored: that is what `nohup` is for.
    ///
    /// # Errors
    /// The system does not let them be taken.
    pub(crate) fn take() -> io::Result<Self> {
        let interrupt = Self::default();
        let mut wanted = vec![SIGINT, SIGTERM];
        if !is_ignored(SIGHUP) {
            wanted.push(SIGHUP);
        }
        for &signal in &wanted {
            // In the handler itself: known before anything else that the signal does to others.
            flag::register_usize(signal, Arc::clone(&interrupt.0), signal.unsigned_abs() as usize)?;
        }
        let mut signals = Signals::new(wanted)?;
        thread::Builder::new().name("signals".into()).spawn(move || {
            let mut first: Option<Instant> = None;
            for signal in signals.forever() {
                if first.get_or_insert_with(Instant::now).elapsed() > TWICE {
                    process::exit(128 + signal);
                }
            }
        })?;
        Ok(interrupt)
    }

    /// The signal, if there was one.
    pub(crate) fn signal(&self) -> Option<Interrupted> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            signal => i32::try_from(signal).ok().map(Interrupted),
        }
    }
}

impl Interrupted {
    /// The exit status that shells give to a program that a signal ends.
    pub(crate) fn status(self) -> u8 {
        u8::try_from(128 + self.0).unwrap_or(u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_its_name_and_the_status_of_a_shell() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.signal(), None);
        interrupt.0.store(15, Ordering::Relaxed);
        let signal = interrupt.signal().unwrap();
        assert_eq!(
            (signal.to_string().as_str(), signal.status()),
            ("stopped by SIGTERM", 143)
        );
    }
}
