//! The terminal in front of the guest: raw while the guest runs if stdin is one, restored on every way out;
//! keys, signals, and what pteg itself has to say.

mod input;
mod keys;
mod raw;
mod signals;

use std::io::{self, Write as _};
use std::sync::Arc;

pub(crate) use raw::restore_on_panic;

use crate::machine::Machine;
use crate::stop::Stop;

/// The terminal, for as long as a guest runs.
pub(crate) struct Terminal(raw::Stdin);

impl Terminal {
    /// From here on signals end the run; a terminal on stdin sends each key as it is pressed.
    pub(crate) fn take(stop: &Arc<Stop>) -> io::Result<Self> {
        signals::watch(Arc::clone(stop))?;
        Ok(Self(raw::Stdin::take()?))
    }

    /// What comes from stdin goes to the guest's console.
    pub(crate) fn connect(&self, machine: Arc<Machine>) -> io::Result<()> {
        match self.0 {
            raw::Stdin::Raw(_) => input::forward(machine, input::Source::Keyboard(keys::Keys::default())),
            raw::Stdin::Stream => input::forward(machine, input::Source::Stream),
            // The kernel would stop the whole program.
            raw::Stdin::Foreign => Ok(()),
        }
    }
}

/// Says a line (or several) on stderr. On a raw terminal too, lines begin at the left.
pub(crate) fn say(text: &str) {
    let mut lines = format!("{text}\n");
    if raw::is_raw() {
        lines = lines.replace('\n', "\r\n");
    }
    // Nobody is left to be told that stderr is closed.
    let _ = io::stderr().write_all(lines.as_bytes());
}
