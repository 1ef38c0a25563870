//! A word that threads must not be at together.

use loom::cell::UnsafeCell;

/// A word that nobody stores to while somebody else is at it, and that everybody finds as it was left.
#[derive(Debug, Default)]
pub(crate) struct Word(UnsafeCell<u64>);

// SAFETY: loom lets one of its threads run at a time, and looks itself whether two are at the cell without an order.
#[expect(unsafe_code, reason = "it is shared to see whether that goes well")]
unsafe impl Sync for Word {}

#[expect(unsafe_code, reason = "loom's checked cell")]
impl Word {
    pub(crate) fn set(&self, value: u64) {
        // SAFETY: the point of the models: loom checks that nobody else is at it.
        self.0.with_mut(|word| unsafe { *word = value });
    }

    pub(crate) fn get(&self) -> u64 {
        // SAFETY: as above.
        self.0.with(|word| unsafe { *word })
    }

    pub(crate) fn add(&self) {
        self.set(self.get() + 1);
    }
}
