//! Programs that tests start, beside tests that see what is closed.
//!
//! A process that is being started has every file of this one open until it has become its program: what another test has closed meanwhile
//! keeps its lock, or its other end, for so long.

use std::io;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

/// Held while a process becomes its program.
static STARTING: Mutex<()> = Mutex::new(());

/// Runs `command` to its end.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn();
    drop(starting);
    child?.wait_with_output()
}

/// What was closed before this is closed for all.
pub(crate) fn wait() {
    drop(STARTING.lock().unwrap_or_else(PoisonError::into_inner));
}
