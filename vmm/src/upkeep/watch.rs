//! Who touches which frame first: for whoever looks for the one that writes where it should not.
//!
//! The right to store, or every right, is taken from the frames ([`hpt::Protection`]). The first access to each is a fault: it is
//! noted, the frame is given back, and the access made. So each frame costs the guest one fault at most, and what is done there afterwards is not seen.
//! At the end all is given back, whatever ended it.
//!
//! A kernel that walks the table can be kept from memory (all rights), but not from storing there alone. It is kept from whole pages of the host: who touches
//! one touches every watched frame in it.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | F1 | handler of a fault, under the mutex | gives its frame; if nobody had, the access is noted | F2, E2 |
//! | F2 | handler that finds the frame given | nothing: somebody else was first | F1 |
//! | E1 | who watches | all is given back; a handler that comes later has nothing to give | F1 |
//! | E2 | the same, under the mutex | takes the notes: those of all frames that were given before E1 | F1 |

use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hpt::{Abandoned, Access, Fault, FaultHandler, Giver, Patience, Right};

pub(crate) use hpt::Accessor as Toucher;

use super::{FRAME, Upkeep, UpkeepError, not_announced};
use crate::terminal;

/// Watches at one time: each holds a thread of the control socket.
pub(crate) const MOST_WATCHES: usize = 2;

/// How long one may last.
pub(crate) const LONGEST_WATCH: Duration = Duration::from_secs(3600);

/// Accesses that are told of one: an answer of some MiB.
pub(crate) const MOST_SEEN: usize = 1 << 16;

/// Which accesses are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// Stores.
    Stores,
    /// Loads and fetches too.
    Everything,
}

/// What is to be watched.
#[derive(Clone, Debug)]
pub(crate) struct WatchOrder<'a> {
    /// Whole frames of RAM.
    pub(crate) ranges: &'a [Range<u64>],
    /// What is done there.
    pub(crate) watched: Watched,
    /// How long.
    pub(crate) lasts: Duration,
    /// So many accesses are told; [`MOST_SEEN`] at most.
    pub(crate) most: usize,
}

/// The first access to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Real address of its first byte there.
    pub(crate) real: u64,
    /// What was done.
    pub(crate) access: Access,
    /// By whom.
    pub(crate) by: Toucher,
    /// Since the watch began.
    pub(crate) after: Duration,
}

/// What was touched.
#[derive(Debug)]
pub(crate) struct Touches {
    /// Frames that were watched.
    pub(crate) frames: u64,
    /// How many of them were touched.
    pub(crate) touched: u64,
    /// The first access to each, in their order, as many as were wanted.
    pub(crate) seen: Vec<Seen>,
    /// How long it was watched.
    pub(crate) took: Duration,
}

impl Upkeep {
    /// Sees the first access to each frame until the time is over, all were touched, or `is_unwanted`, which is asked again and again. What the
    /// host does there (a discard, another process with the memory, a dump that reads) is no access.
    ///
    /// # Errors
    /// `BadRequest` for a range that is not whole pages of RAM. `Conflict` while [`MOST_WATCHES`] others watch. `NotPossible` where accesses cannot be
    /// held up, or the host has no memory; `Gone` if the run has ended.
    pub(crate) fn watch(&self, order: &WatchOrder<'_>, is_unwanted: &dyn Fn() -> bool) -> Result<Touches, UpkeepError> {
        let ranges = self.check(WHAT, order.ranges)?;
        if self.kernel.is_some() && order.watched == Watched::Stores {
            return Err(UpkeepError::not_possible(format!(
                "{WHAT}: the host's kernel runs this guest, and KVM-PR gives nobody a say before a store alone; watch loads as well \
                 (--loads), or start it with --accel emulated"
            )));
        }
        let _under_way = self.begin_watch()?;
        let not_protected = |error| not_announced(WHAT, error);
        let frames = ranges.iter().map(|range| (range.end - range.start) / FRAME).sum();
        let watcher = Arc::new(Watcher::new(order.most, frames));
        let handler = Arc::clone(&watcher) as Arc<dyn FaultHandler>;
        let protection = self.ram.frames().protect(Some(handler)).map_err(not_protected)?;
        let left = match order.watched {
            Watched::Stores => Right::Load,
            Watched::Everything => Right::Nothing,
        };
        for range in &ranges {
            protection
                .take(range.clone(), left, &*self.stop)
                .map_err(not_protected)?;
        }
        let withheld = match &self.kernel {
            Some(kernel) => kernel
                .withhold(&ranges)
                .map_err(|error| UpkeepError::not_possible(format!("{WHAT}: {error}"))),
            None => Ok(()),
        };
        if withheld.is_ok() {
            watcher.watch(order.lasts, &|| self.stop.is_over() || is_unwanted());
        }
        drop(protection);
        if let Some(kernel) = &self.kernel
            && let Err(error) = kernel.settle(&ranges)
        {
            terminal::say(&format!(
                "pteg: {WHAT}: the host keeps its processors from some memory still: {error}"
            ));
        }
        withheld?;
        if self.stop.is_over() {
            return Err(UpkeepError::gone(WHAT));
        }
        Ok(watcher.finish())
    }

    fn begin_watch(&self) -> Result<UnderWay<'_>, UpkeepError> {
        let mut busy = self.busy();
        if busy.watches == MOST_WATCHES {
            return Err(UpkeepError::conflict(format!(
                "{WHAT}: {MOST_WATCHES} others watch already; wait until one has ended"
            )));
        }
        busy.watches += 1;
        Ok(UnderWay(self))
    }
}

const WHAT: &str = "watch";

/// A watch that has not ended.
struct UnderWay<'u>(&'u Upkeep);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.busy().watches -= 1;
    }
}

/// Notes the first access to each frame.
struct Watcher {
    began: Instant,
    most: usize,
    frames: u64,
    notes: Mutex<Notes>,
    /// All frames were touched.
    done: Condvar,
}

#[derive(Default)]
struct Notes {
    touched: u64,
    seen: Vec<Seen>,
}

impl Watcher {
    fn new(most: usize, frames: u64) -> Self {
        Self {
            began: Instant::now(),
            most,
            frames,
            notes: Mutex::default(),
            done: Condvar::new(),
        }
    }

    /// Returns when that time is over, all frames were touched, or `is_over`.
    fn watch(&self, lasts: Duration, is_over: &dyn Fn() -> bool) {
        /// How often it asks.
        const LOOK: Duration = Duration::from_millis(20);
        let end = Instant::now() + lasts;
        let mut notes = self.notes();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if notes.touched == self.frames || left.is_zero() || is_over() {
                return;
            }
            notes = self.done.wait_timeout(notes, left.min(LOOK)).expect(UNPOISONED).0;
        }
    }

    /// All is given back (E1).
    fn finish(&self) -> Touches {
        let took = self.began.elapsed();
        let Notes { touched, seen } = std::mem::take(&mut *self.notes());
        Touches {
            frames: self.frames,
            touched,
            seen,
            took,
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().expect(UNPOISONED)
    }
}

const UNPOISONED: &str = "nothing panics with it locked";

impl FaultHandler for Watcher {
    fn fault(&self, fault: &Fault, giver: Giver<'_>, _patience: &dyn Patience) -> Result<(), Abandoned> {
        let Fault { real, access, by } = *fault;
        let mut notes = self.notes();
        // With the notes locked: they are in their order.
        let after = self.began.elapsed();
        if giver.give(real..real + 1, Right::Store) == 0 {
            return Ok(());
        }
        notes.touched += 1;
        if notes.seen.len() < self.most {
            notes.seen.push(Seen {
                real,
                access,
                by,
                after,
            });
        }
        if notes.touched == self.frames {
            self.done.notify_all();
        }
        Ok(())
    }
}
