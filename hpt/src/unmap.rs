//! Unmapping: making the processors drop every translation of a range of the guest's memory.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::Hpt;
use crate::patience::{Abandoned, Patience};
use crate::shadow::Batch;

/// What an unmapping found and asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unmapped {
    /// Entries that map a byte of the ranges.
    pub entries: u64,
    /// Of them, those that no processor had used.
    pub untouched: u64,
    /// Flushes, each with its grace period.
    pub flushes: u64,
    /// Processors that were made to leave the guest.
    pub kicks: u64,
    /// Bounded steps that the work was done in.
    pub steps: u64,
    /// The longest of them, without the wait for processors.
    pub longest_step: Duration,
    /// The processors dropped everything that they held, as that costs less than to name it.
    pub everything: bool,
}

/// One host thread's way to unmap.
pub struct Unmapper {
    hpt: Arc<Hpt>,
}

impl Hpt {
    /// An unmapper for one host thread, which is no processor.
    pub fn unmapper(self: &Arc<Self>) -> Unmapper {
        Unmapper { hpt: Arc::clone(self) }
    }
}

impl Unmapper {
    /// Returns when no processor holds a translation, by the table or of real mode, of any byte of `ranges` that it made
    /// before the call. The guest's entries stay as the guest sees them.
    ///
    /// # Errors
    /// `patience` was over. Some of the translations may be gone.
    pub fn unmap(
        &mut self,
        ranges: impl IntoIterator<Item = Range<u64>>,
        patience: &dyn Patience,
    ) -> Result<Unmapped, Abandoned> {
        let _ = (ranges, patience);
        let grace = self.hpt.shadow.invalidate(&Batch::everything());
        Ok(Unmapped {
            flushes: 1,
            kicks: grace.kicked.into(),
            everything: true,
            ..Unmapped::default()
        })
    }
}
