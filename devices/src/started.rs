//! Programs that tests start, beside tests that see what is closed.
//!
//! A process that is being started has every file of this one open until it has become its program: what another test has closed meanwhile
//! keeps its lock, or its other end, for so long. Linux lets the starter go on a moment before that, so who starts a program waits for its end.

use std::io;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

/// Held while a program runs.
static STARTING: Mutex<()> = Mutex::new(());

/// Runs `command` to its end.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    command.output()
}

/// What was closed before this is closed for all.
pub(crate) fn wait() {
    drop(STARTING.lock().unwrap_or_else(PoisonError::into_inner));
}
