//! What the user sees while guests run: on a terminal a line that changes, in a pipe one every ten seconds.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use guest_images::stress::Round;

use super::said::Reached;
use crate::terminal::say;

/// How often something is said.
const AT_TERMINAL: Duration = Duration::from_secs(1);
const IN_PIPE: Duration = Duration::from_secs(10);

/// Goes back to the beginning of a terminal's line, and clears it.
const CLEAR: &str = "\r\x1b[K";

/// Says on stderr how it goes.
pub(super) struct Ticker {
    is_terminal: bool,
    last: Instant,
    seconds: u64,
    done_ms: u64,
    round: String,
    reached: Reached,
    /// A line stands there that the next one replaces.
    is_shown: bool,
}

impl Ticker {
    /// For rounds of `seconds` together.
    pub(super) fn new(seconds: u64) -> Self {
        Self {
            is_terminal: io::stderr().is_terminal(),
            last: Instant::now(),
            seconds,
            done_ms: 0,
            round: String::new(),
            reached: Reached::default(),
            is_shown: false,
        }
    }

    /// A round begins.
    pub(super) fn begin(&mut self, round: &Round) {
        // Short: a line that does not fit into the terminal's is not replaced by the next one.
        self.round = format!("seed {}", round.seed);
        self.reached = Reached::default();
        self.tick();
    }

    /// What was found in it is made short: so many operations are left after so many runs.
    pub(super) fn shrink(&mut self, round: &Round, operations: usize, runs: u32) {
        self.round = format!("seed {}: run {runs} to shrink it, to {operations} now", round.seed);
        self.reached = Reached::default();
        self.tick();
    }

    /// Its guest says how far it is.
    pub(super) fn reach(&mut self, reached: Reached) {
        self.reached = reached;
    }

    /// Some time has gone by.
    pub(super) fn tick(&mut self) {
        let often = if self.is_terminal { AT_TERMINAL } else { IN_PIPE };
        if self.last.elapsed() < often {
            return;
        }
        self.last = Instant::now();
        let line = format!(
            "stress: {} of {} s, {}; {} operations, {} hypercalls",
            self.done_ms / 1000,
            self.seconds,
            self.round,
            self.reached.operations,
            self.reached.calls
        );
        if self.is_terminal {
            self.is_shown = true;
            let _ = write!(io::stderr(), "{CLEAR}{line}");
        } else {
            say(&line);
        }
    }

    /// The round is over, which had so many milliseconds.
    pub(super) fn end(&mut self, milliseconds: u64) {
        self.done_ms += milliseconds;
        self.clear();
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let _ = write!(io::stderr(), "{CLEAR}");
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.clear();
    }
}
