//! Programs that tests start.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One program is started at a time: a file that another thread's new process has open for writing, or a socket that it inherits,
/// would be in the way.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
