//! What is done to a guest's memory while it runs: taken back, watched, copied.
//!
//! - `discard` gives memory back to the host; `hints` knows what the guest has no use for.
//! - `dirty` says which frames were stored to.
//! - `dump` writes an image of all memory as it is at one moment, `image` is its file; `claims` sees to it that each frame is copied once.
//! - `watch` says who touches which frame first.
//! - `unmap` takes translations away and nothing else.
//! - `error` is what a user is told.
//!
//! Which translations must go, and how, is `hpt`'s ([`hpt::Frames`], [`hpt::Unmapper`]); who asks for all this is
//! `control`'s. These calls wait, so none may be made by a processor's thread but [`Upkeep::note_usage`]; all give up when the
//! run ends.

mod claims;
mod dirty;
mod discard;
mod dump;
mod error;
mod hints;
mod image;
#[cfg(test)]
mod tests;
mod unmap;
mod watch;

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use hpt::{BeginError, Hpt};

pub(crate) use dirty::Harvest;
pub(crate) use discard::{Discarded, Which};
pub(crate) use dump::Dumped;
pub(crate) use error::{Kind, UpkeepError};
pub(crate) use hints::Usage;
pub(crate) use unmap::Unmapping;
pub(crate) use watch::{LONGEST_WATCH, MOST_SEEN, MOST_WATCHES, Seen, Toucher, Touches, WatchOrder, Watched};

use crate::accel::KernelMemory;
use crate::memory::GuestRam;
use crate::pause::Pause;
use crate::stop::Stop;
use hints::Hints;

/// Bytes of a frame: what the guest's smallest pages map.
const FRAME: u64 = 4096;

/// Whoever works on the memory of one guest.
pub(crate) struct Upkeep {
    ram: Arc<GuestRam>,
    stop: Arc<Stop>,
    pause: Arc<Pause>,
    hpt: Arc<Hpt>,
    /// The kernel, if that walks the table.
    kernel: Option<Arc<dyn KernelMemory>>,
    hints: Hints,
    busy: Mutex<Busy>,
}

/// What is going on that does not go together with something else.
#[derive(Default)]
struct Busy {
    /// Discards under way.
    discards: usize,
    /// A dump is being written.
    dump: bool,
    /// Watches under way.
    watches: usize,
    tracking: Tracking,
}

/// Whether stores are noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tracking {
    #[default]
    Off,
    On,
    /// Somebody starts, harvests or stops.
    InHand,
}

impl Upkeep {
    /// That of `ram`, whose translations are those of `hpt`, until `stop`; `pause` is the run's. `kernel` if it walks the table.
    pub(crate) fn new(
        ram: &Arc<GuestRam>,
        hpt: &Arc<Hpt>,
        pause: &Arc<Pause>,
        stop: &Arc<Stop>,
        kernel: Option<Arc<dyn KernelMemory>>,
    ) -> Self {
        Self {
            ram: Arc::clone(ram),
            stop: Arc::clone(stop),
            pause: Arc::clone(pause),
            hpt: Arc::clone(hpt),
            kernel,
            hints: Hints::new(ram.size().bytes()),
            busy: Mutex::default(),
        }
    }

    /// The guest says what it needs of the `range` of RAM. When it says that it needs it, nobody discards that any more once
    /// this returns. For a processor in its hypercall.
    pub(crate) fn note_usage(&self, usage: Usage, range: &Range<u64>) {
        // The wait for a discard in hand may be one for a processor that stands at a point.
        hpt::settle();
        self.hints.note(usage, range, &*self.stop);
    }

    /// The `ranges`, in order and none twice, if `what` can be done to each: whole frames of RAM, and some.
    fn check(&self, what: &str, ranges: &[Range<u64>]) -> Result<Vec<Range<u64>>, UpkeepError> {
        let end = self.ram.size().bytes();
        for Range { start, end: behind } in ranges {
            let wrong = |why: String| UpkeepError::bad_request(format!("{what}: {start:#x}-{behind:#x}: {why}"));
            if start >= behind {
                return Err(wrong("a range begins before it ends".to_owned()));
            }
            if start % FRAME != 0 || behind % FRAME != 0 {
                return Err(wrong(format!("a range is whole pages of {FRAME} bytes")));
            }
            if *behind > end {
                return Err(wrong(format!("the guest's memory ends at {end:#x}")));
            }
        }
        Ok(merged(ranges.to_vec()))
    }

    fn busy(&self) -> MutexGuard<'_, Busy> {
        self.busy.lock().expect("nothing panics with it locked")
    }
}

/// The same bytes as `ranges` have, in order: what overlaps or touches is one. So a request is as much work as memory at most.
fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
    ranges
}

/// What a user is told of a range that could not be announced.
fn not_announced(what: &str, error: BeginError) -> UpkeepError {
    match error {
        BeginError::Abandoned => UpkeepError::gone(what),
        BeginError::OutOfMemory => {
            UpkeepError::not_possible(format!("{what}: {error}; try again when the host has some"))
        }
        BeginError::Outside => UpkeepError::bad_request(format!("{what}: {error}")),
    }
}
