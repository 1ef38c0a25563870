//! Which frames of a dump are done, and whose the others are: each is copied once, by whoever claims it first, and stores there happen
//! after that. Left to `dump.rs`: what a copy is.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | C1 | whoever copies | claims the frames: bits set, Relaxed; those that were clear are its own | C1: one of the two has the frame |
//! | C2 | the same | reads its frames and writes them to the file | rights: nobody stores there |
//! | C3 | the same | the right to store, Release; whoever sleeps is woken | A3 of `hpt::Frames`: it stores after the copy; somebody who watches the frame may keep the right longer |
//! | C4 | the same | the count of frames that are not done, under its mutex | C5 |
//! | H1 | a handler that finds the frame claimed | sleeps until C3 of whoever has it | C3 |
//! | C5 | the one thread, when it has gone through memory | waits until no frame is left: a processor may be copying still | C4 |

use std::ops::Range;
use std::sync::OnceLock;
use std::time::Instant;

use hpt::{Giver, Right};

use super::FRAME;
use super::hints::runs;
use crate::sync::{AtomicU64, Condvar, Mutex, Ordering};

/// Frames that are claimed in one step, aligned.
pub(super) const TOGETHER: u64 = 64;

/// The frames of one dump.
pub(super) struct Claims {
    /// A bit for each frame.
    claimed: Box<[AtomicU64]>,
    /// Frames that stores may not happen to yet.
    left: Mutex<u64>,
    done: Condvar,
    /// When stores could happen again anywhere.
    released: OnceLock<Instant>,
}

impl Claims {
    /// Nobody has claimed any of so many `frames`.
    pub(super) fn new(frames: u64) -> Self {
        Self {
            claimed: (0..frames.div_ceil(TOGETHER)).map(|_| AtomicU64::new(0)).collect(),
            left: Mutex::new(frames),
            done: Condvar::new(),
            released: OnceLock::new(),
        }
    }

    /// Claims the frames of `range`, whole ones, and does `work` with those that nobody had, neighbours together (C1). It ends with
    /// [`Self::release`] of the same frames.
    pub(super) fn claim(&self, range: &Range<u64>, mut work: impl FnMut(Range<u64>)) {
        let mut at = range.start / FRAME;
        let end = range.end / FRAME;
        while at < end {
            let (word, first) = (at / TOGETHER, at % TOGETHER);
            let count = (TOGETHER - first).min(end - at);
            let bits = (u64::MAX >> (TOGETHER - count)) << first;
            let old = self.claimed[word as usize].fetch_or(bits, Ordering::Relaxed);
            for run in runs(bits & !old) {
                let start = word * TOGETHER;
                work((start + run.start) * FRAME..(start + run.end) * FRAME);
            }
            at += count;
        }
    }

    /// `own` frames are done: stores may happen (C3, C4).
    pub(super) fn release(&self, giver: Giver<'_>, own: Range<u64>) {
        let count = (own.end - own.start) / FRAME;
        giver.give(own, Right::Store);
        self.released.get_or_init(Instant::now);
        *self.left.lock().expect(UNPOISONED) -= count;
        self.done.notify_all();
    }

    /// Returns when all frames are done (C5).
    pub(super) fn wait(&self) {
        let mut left = self.left.lock().expect(UNPOISONED);
        while *left > 0 {
            left = self.done.wait(left).expect(UNPOISONED);
        }
    }

    /// When the first frames were done.
    pub(super) fn released(&self) -> Option<Instant> {
        self.released.get().copied()
    }
}

const UNPOISONED: &str = "nothing panics with it locked";
