//! Takes translations from the processors and nothing else: for tests, and to see what it costs.

use std::ops::Range;
use std::time::{Duration, Instant};

use hpt::{Abandoned, Patience as _};

use super::discard::pieces;
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

impl Upkeep {
    /// Takes every translation of the `ranges` from the processors, and leaves the memory and the guest's entries as they
    /// are: the processors find them again when they need them.
    ///
    /// # Errors
    /// `BadRequest` for a range that is not whole pages of RAM. `Gone` if the run has ended.
    pub(crate) fn unmap(&self, ranges: &[Range<u64>]) -> Result<Unmapping, UpkeepError> {
        const WHAT: &str = "unmap";
        let ranges = self.check(WHAT, ranges)?;
        let began = Instant::now();
        if let Some(kernel) = &self.kernel {
            // Each with all processors outside: in pieces, so that they run in between.
            for piece in ranges.iter().flat_map(pieces) {
                if self.stop.is_over() {
                    return Err(UpkeepError::gone(WHAT));
                }
                kernel.unmap(&piece);
            }
            return Ok(Unmapping {
                took: began.elapsed(),
                ..Unmapping::default()
            });
        }
        let unmapped = self
            .hpt
            .unmapper()
            .unmap(ranges, &*self.stop)
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
