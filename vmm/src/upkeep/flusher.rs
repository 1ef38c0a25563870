//! Takes translations from the processors: of ranges that somebody announces, and of ranges that a user names.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hpt::{Abandoned, Announced, Hpt, Listener, Patience, Unmapped, Unmapper};

use super::{Upkeep, UpkeepError};

/// What was unmapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unmapping {
    /// Entries of the table whose translations were taken away; 0 if the kernel did it, which does not say.
    pub(crate) entries: u64,
    /// Flushes of processors.
    pub(crate) flushes: u64,
    /// Processors that had to leave the guest.
    pub(crate) kicks: u64,
    /// Steps that it was done in.
    pub(crate) steps: u64,
    /// The longest of them, without the wait for processors.
    pub(crate) longest_step: Duration,
    /// How long it took.
    pub(crate) took: Duration,
}

/// As many unmappers as there are threads at a time.
pub(super) struct Flusher {
    hpt: Arc<Hpt>,
    idle: Mutex<Vec<Unmapper>>,
}

impl Flusher {
    pub(super) fn new(hpt: Arc<Hpt>) -> Self {
        Self {
            hpt,
            idle: Mutex::default(),
        }
    }

    /// Lends an unmapper.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Unmapper) -> T) -> T {
        const UNPOISONED: &str = "nothing panics with it locked";
        let idle = self.idle.lock().expect(UNPOISONED).pop();
        let mut unmapper = idle.unwrap_or_else(|| self.hpt.unmapper());
        let result = work(&mut unmapper);
        self.idle.lock().expect(UNPOISONED).push(unmapper);
        result
    }
}

impl Listener for Flusher {
    fn start(&self, announced: &Announced, patience: &dyn Patience) -> Result<(), Abandoned> {
        self.with(|unmapper| unmapper.unmap([announced.range.clone()], patience))
            .map(|Unmapped { .. }| ())
    }

    fn end(&self, _: &Announced) {}
}

impl Upkeep {
    /// Takes every translation of the `ranges` from the processors, and leaves the memory and the guest's entries as they
    /// are: the processors find them again when they need them.
    ///
    /// # Errors
    /// `BadRequest` for a range that is not whole pages of RAM. `Gone` if the run has ended.
    pub(crate) fn unmap(&self, ranges: &[Range<u64>]) -> Result<Unmapping, UpkeepError> {
        const WHAT: &str = "unmap";
        self.check(WHAT, ranges)?;
        let began = Instant::now();
        if let Some(kernel) = &self.kernel {
            for range in ranges {
                kernel.unmap(range);
            }
            return Ok(Unmapping {
                took: began.elapsed(),
                ..Unmapping::default()
            });
        }
        let unmapped = self
            .flusher
            .with(|unmapper| unmapper.unmap(ranges.iter().cloned(), &*self.stop))
            .map_err(|Abandoned| UpkeepError::gone(WHAT))?;
        Ok(Unmapping {
            entries: unmapped.entries,
            flushes: unmapped.flushes,
            kicks: unmapped.kicks,
            steps: unmapped.steps,
            longest_step: unmapped.longest_step,
            took: began.elapsed(),
        })
    }
}
