//! How often entries were replaced or removed: what tells a reader without a lock that both doublewords it has read are of one
//! entry.
//!
//! A doubleword read twice with the same value proves nothing: between the two looks the slot may have been emptied, filled
//! with another page, emptied and filled with the first page again, and nobody waits for the reader if no processor has
//! used those entries. The count does not come back. It is one of 4096, found by the group: a reader that is disturbed
//! by another group's change looks again for nothing.

use crate::sync::AtomicU64;

/// Number of counts: all in 32 KiB, which stay in a processor's cache.
const COUNTS: usize = if cfg!(loom) { 1 } else { 1 << 12 };

/// The counts of one table.
pub(crate) struct Changes(Box<[AtomicU64]>);

impl Changes {
    pub(crate) fn new() -> Self {
        Self(std::iter::repeat_with(|| AtomicU64::new(0)).take(COUNTS).collect())
    }

    /// The count of `group`.
    #[inline]
    pub(crate) fn of(&self, group: u64) -> &AtomicU64 {
        // Neighbours far apart, so that writers of neighbouring groups do not fight over a cache line.
        let mixed = group.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.0[(mixed >> 32) as usize % COUNTS]
    }
}
