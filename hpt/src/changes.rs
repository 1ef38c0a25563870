//! How often entries were replaced or removed: what tells a reader without a lock that both doublewords it has read are of one
//! entry.
//!
//! A doubleword read twice with the same value proves nothing: between the two looks the slot may have been emptied, filled
//! with another page, emptied and filled with the first page again, and nobody waits for the reader if no processor has
//! used those entries. The count does not come back. It is one of 4096, found by the group: a reader that is disturbed
//! by another group's change looks again for nothing.
//!
//! The same word tells how many entries with the secondary bit there are whose pages have the group for their first one, or another
//! group with this word for theirs. A walk that has found nothing in a group and none of them has no need of the second group:
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | S1 | writer that fills a slot with a secondary entry | the first group's word + [`SPILLED`], Relaxed, before W7 | S3 |
//! | S2 | writer that frees the slot | the same word - [`SPILLED`], Relaxed, after W2 | S3 |
//! | S3 | walker | the value of R1 | S1 |
//!
//! Who must find an entry begins its walk after W7 of it, hence after S1, and before W2, hence before S2: it finds one at least, by the
//! order of changes to one word. Who finds none began before S1 of whatever was there at the end.

use crate::sync::AtomicU64;

/// One entry in its page's second group. Below it is the count of changes: 2^40 of them carry one, and second groups are searched for
/// nothing from then on. A table would have 2^36 entries before so many of one word were too many.
pub(crate) const SPILLED: u64 = 1 << 40;

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
