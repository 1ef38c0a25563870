//! What emulated processors know of guest memory goes when somebody takes the memory away: where it is, and what they have decoded
//! of it.

use std::slice;
use std::sync::Arc;

use emulator::Shared;
use hpt::{Abandoned, Announced, Hpt, Listener, Patience, Why};

/// Speaks for all processors of a machine.
pub(super) struct Forgetting {
    pub(super) hpt: Arc<Hpt>,
    pub(super) shared: Arc<Shared>,
}

impl Listener for Forgetting {
    /// From here on a processor that looks for a place in the range leaves the guest ([`hpt::Frames::admit`]).
    fn start(&self, announced: &Announced, patience: &dyn Patience) -> Result<(), Abandoned> {
        let ranges = slice::from_ref(&announced.range);
        self.hpt.unmapper().unmap(ranges.iter().cloned(), patience)?;
        Ok(())
    }

    /// Decoded code is found by real address: a processor that fetches from there again must decode it again. What only may be used
    /// less than before has the content that it had.
    fn end(&self, announced: &Announced) {
        let range = &announced.range;
        match announced.why {
            Why::Discard | Why::Remap => self.shared.written(range.start, range.end - range.start),
            Why::Protect => {}
        }
    }
}
