//! What speaks for processors in real mode when a range is taken.

use std::sync::Arc;

use hpt::{Abandoned, Announced, Batch, Invalidation, Listener, Patience, Shadow, Shootdown};

/// Drops translations of real mode, as whoever speaks for processors must.
pub(crate) struct Flush(pub(crate) Arc<Shootdown>);

impl Listener for Flush {
    fn start(&self, announced: &Announced, _: &dyn Patience) -> Result<(), Abandoned> {
        let mut batch = Batch::new();
        batch.push(Invalidation::Real {
            real: announced.range.start,
            bytes: announced.range.end - announced.range.start,
        });
        self.0.invalidate(&batch);
        Ok(())
    }

    fn end(&self, _: &Announced) {}
}
