//! What a processor counts of its own work in any case: an addition each at places that take tens of nanoseconds.
//! What is on the straight path, executed blocks and the accesses in them, is counted by [`crate::profile`], on request.
//!
//! The look-ups go from cache to cache, so some counts are the sums of others:
//!
//! | | equals |
//! |---|---|
//! | `jumps.misses` | `fetch.hits + fetch.misses` |
//! | `fetch` hits and what its misses found | `blocks.hits + blocks.misses` |
//! | `data.filled - data.real` and `fetch` likewise | `page_hits + walks.hits`, less what was found and was not allowed |

use std::ops::AddAssign;

use crate::trap::{Trap, VECTORED_CALL, VECTORS};

macro_rules! counts {
    ($($(#[$about:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $kind:ty,)* })*) => {
        $($(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$of])* pub $field: $kind,)*
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                $(self.$field += other.$field;)*
            }
        })*
    };
}

counts! {
    /// All of it.
    Counts {
        /// Blocks by effective address, where no way inside the interpreter leads on.
        jumps: Lookups,
        /// Translations of fetches, by effective page of 4 KiB.
        fetch: Cache,
        /// Decoded blocks by real address. A miss decodes.
        blocks: Cache,
        /// What became of decoded blocks.
        code: Code,
        /// Translations of loads and stores, by effective page of 4 KiB.
        data: Data,
        /// Addresses that no entry of the segment lookaside buffer translated, which is an interrupt.
        segment_misses: u64,
        /// Virtual pages of which was known what the table says. All others, and those to be stored to whose C is clear,
        /// are walks.
        page_hits: u64,
        /// Virtual pages that were no longer known as another took their place.
        pages_evicted: u64,
        /// Walks of the hashed page table. One that finds nothing, or may not have what it found, misses.
        walks: Lookups,
        /// Translations that were dropped.
        drops: Drops,
        /// Interrupts taken.
        interrupts: Interrupts,
    }

    /// A place to look things up.
    Lookups {
        /// Found.
        hits: u64,
        /// Not found.
        misses: u64,
    }

    /// A place to look things up that holds what was found elsewhere.
    Cache {
        /// Found.
        hits: u64,
        /// Not found.
        misses: u64,
        /// Entries put in.
        filled: u64,
        /// Others that had to go for them.
        evicted: u64,
    }

    /// What became of decoded blocks.
    Code {
        /// Instructions decoded.
        instructions: u64,
        /// Blocks compiled.
        compiled: u64,
        /// Times that there was no room left, and all were dropped.
        emptied: u64,
        /// Times that code changed: fetch translations were dropped, and all ways with them.
        changed: u64,
    }

    /// Loads and stores of integers of up to 8 bytes that did not go straight through, and translations for all accesses.
    Data {
        /// Loads that did not.
        slow_loads: u64,
        /// Stores that did not.
        slow_stores: u64,
        /// Of both, those at an address that is no multiple of their length.
        unaligned: u64,
        /// Of the loads, those that ended in an interrupt or for want of memory.
        failed_loads: u64,
        /// The same of the stores.
        failed_stores: u64,
        /// Translations in real mode, for these and for all other instructions (vectors, multiples, reservations, cache blocks).
        real: u64,
        /// Translations of all that were put in.
        filled: u64,
        /// Entries of other pages that had to go for them.
        evicted: u64,
    }

    /// Translations that were dropped, but for those of a class that a key denies.
    Drops {
        /// SLB entries that went.
        segments: u64,
        /// Places that their trails named.
        trail_places: u64,
        /// Translations that were found there: of loads, stores and fetches.
        trail_dropped: u64,
        /// Virtual pages that the table took away.
        pages: u64,
        /// Times that everything of real mode was dropped.
        real: u64,
        /// Times that everything was dropped.
        all: u64,
        /// Rights to store straight through that went as another processor decoded the page.
        stores_revoked: u64,
    }
}

/// Interrupts taken, by vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupts([u64; VECTORS.len()]);

impl Default for Interrupts {
    fn default() -> Self {
        Self([0; VECTORS.len()])
    }
}

impl AddAssign for Interrupts {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(all, more)| *all += more);
    }
}

impl Interrupts {
    /// One more.
    #[inline]
    pub(crate) fn note(&mut self, trap: Trap) {
        self.0[trap.number()] += 1;
    }

    /// One more `scv`.
    pub(crate) fn note_vectored_call(&mut self) {
        self.0[VECTORED_CALL] += 1;
    }

    /// Those that were taken: offset of the vector, name, count.
    pub fn taken(&self) -> impl Iterator<Item = (u64, &'static str, u64)> {
        let counts = VECTORS.iter().zip(self.0).filter(|&(_, count)| count > 0);
        counts.map(|(&(vector, name), count)| (vector, name, count))
    }
}

/// What went with an SLB entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trailed {
    /// Places that the trail named.
    pub(crate) places: u64,
    /// Translations of the segment that were there.
    pub(crate) dropped: u64,
}

impl Trailed {
    /// A place, where there was such a translation or not.
    pub(crate) fn note(&mut self, was_there: bool) {
        self.places += 1;
        self.dropped += u64::from(was_there);
    }
}

impl Drops {
    /// An SLB entry has gone, with what its trails named.
    pub(crate) fn note_segment(&mut self, trails: [Trailed; 2]) {
        self.segments += 1;
        for trail in trails {
            self.trail_places += trail.places;
            self.trail_dropped += trail.dropped;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_are_told_by_vector_with_their_names() {
        let mut one = Interrupts::default();
        one.note(Trap::Decrementer);
        one.note(Trap::FacilityUnavailable(3));
        let mut two = one;
        two.note(Trap::Decrementer);
        two.note(Trap::Doorbell);
        two.note(Trap::PerformanceMonitor);
        two.note_vectored_call();
        two += one;
        let taken: Vec<_> = two.taken().collect();
        let expected = [
            (0x900, "decrementer", 3),
            (0xa00, "doorbell", 1),
            (0xf00, "performance monitor", 1),
            (0xf60, "facility unavailable", 2),
            (0x1_7000, "system call vectored", 1),
        ];
        assert_eq!(taken, expected);
    }
}
