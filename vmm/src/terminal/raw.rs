//! Raw mode of the terminal on stdin, and the way back.
//!
//! The settings to return to are in one place of the process, so that whoever ends it finds them: the guard's
//! drop, the panic hook, a second signal.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::getpgrp;
use rustix::stdio::stdin;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcsetattr};

/// The settings before raw mode, while it lasts.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

fn before() -> MutexGuard<'static, Option<Termios>> {
    // A panic with the settings locked must not keep them from being restored.
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What stdin is.
pub(super) enum Stdin {
    /// A terminal, raw until this is dropped.
    Raw(RawMode),
    /// A terminal that has another job in front.
    Foreign,
    /// A file or a pipe.
    Stream,
}

/// Raw mode, until dropped.
pub(super) struct RawMode(());

impl Stdin {
    /// Looks at stdin, and makes a terminal raw.
    pub(super) fn take() -> io::Result<Self> {
        if !isatty(stdin()) {
            return Ok(Self::Stream);
        }
        // A background job that touches its terminal is stopped by the kernel; one that is not its own is free to use.
        if tcgetpgrp(stdin()).is_ok_and(|front| front != getpgrp()) {
            return Ok(Self::Foreign);
        }
        let settings = tcgetattr(stdin())?;
        let mut raw = settings.clone();
        raw.make_raw();
        *before() = Some(settings);
        let guard = RawMode(());
        tcsetattr(stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self::Raw(guard))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Whether the terminal is raw.
pub(super) fn is_raw() -> bool {
    before().is_some()
}

/// Gives the terminal back as it was.
pub(super) fn restore() {
    if let Some(settings) = before().take() {
        // Nothing more can be done for a terminal that is gone.
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &settings);
    }
}

/// A panic of any thread gives the terminal back before it is reported.
pub(crate) fn restore_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        report(panic);
    }));
}
