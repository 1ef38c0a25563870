//! Signals that ask the program to end: the first ends the guest, the second ends the program.

use std::io;
use std::sync::Arc;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::raw;
use crate::ignored::is_ignored;
use crate::stop::{Ending, Stop};

/// From here on those signals are `stop`'s. A SIGHUP that this program was started to ignore stays ignored.
pub(super) fn watch(stop: Arc<Stop>) -> io::Result<()> {
    let mut wanted = vec![SIGINT, SIGQUIT, SIGTERM];
    if !is_ignored(SIGHUP) {
        wanted.push(SIGHUP);
    }
    let mut signals = Signals::new(wanted)?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if stop.is_requested() {
                raw::restore();
                std::process::exit(128 + signal);
            }
            stop.request(Ending::Signal(signal));
        }
    })?;
    Ok(())
}
