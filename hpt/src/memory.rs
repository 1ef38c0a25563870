//! The memory of a table: big-endian doublewords, aligned to the table's size, zero until written; and the words of a
//! reverse map, likewise, without the alignment.
//!
//! Only reserved at first: the host commits a page of it when something there is first written.
//! What the words mean, and in which order they are used, is the business of `table.rs`, `reverse.rs` and up.

#[cfg(not(loom))]
pub(crate) use mapped::{TableMemory, Zeroed};
#[cfg(loom)]
pub(crate) use modelled::{TableMemory, Zeroed};

use crate::Order;
use crate::sync::{AtomicU32, AtomicU64};

/// A table, or what belongs to it, that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AllocateTable {
    /// The host has no room for the table.
    #[error("reserving {bytes} bytes of address space for a page table of order {order}")]
    Table {
        /// The table's size.
        order: Order,
        /// Address space that it takes, with what its alignment takes.
        bytes: u64,
        /// What the host said.
        #[source]
        source: std::io::Error,
    },
    /// The host has no room for the reverse map.
    #[error("reserving {bytes} bytes of address space for the reverse map of a page table of order {order}")]
    ReverseMap {
        /// The table's size.
        order: Order,
        /// The part of the map that there was no room for.
        bytes: u64,
        /// What the host said.
        #[source]
        source: std::io::Error,
    },
    /// The links of a reverse map cannot name so many entries.
    #[error("a page table of order {order} is too large for a reverse map, which takes order {most} at most")]
    TooLargeForReverseMap {
        /// The table's size.
        order: Order,
        /// The largest that has a reverse map.
        most: Order,
    },
    /// R tells nothing in time where walkers write late bytes.
    #[error("a page table whose walkers write R and C late, as KVM does, has no reverse map")]
    WalkedByKernel,
}

/// What zeroed memory may consist of.
pub(crate) trait Word: Sync {
    /// The word as it is at first.
    #[cfg(loom)]
    fn zero() -> Self;
}

impl Word for AtomicU32 {
    #[cfg(loom)]
    fn zero() -> Self {
        Self::new(0)
    }
}

impl Word for AtomicU64 {
    #[cfg(loom)]
    fn zero() -> Self {
        Self::new(0)
    }
}

#[cfg(not(loom))]
#[expect(
    unsafe_code,
    reason = "atomics in a mapping that is aligned beyond what an allocator gives"
)]
mod mapped {
    use std::io;
    use std::ptr::NonNull;

    use memmap2::{MmapMut, MmapOptions, UncheckedAdvice};

    use super::{AllocateTable, Word};
    use crate::Order;
    use crate::sync::AtomicU64;

    /// Words that are zero at first, in memory that the host commits where it is written.
    pub(crate) struct Zeroed<T> {
        start: NonNull<T>,
        words: usize,
        /// Keeps `start` mapped.
        map: MmapMut,
    }

    // SAFETY: all access to the mapping goes through `&T`, which is Sync (`Word`); `start` never changes, and the mapping has
    // no tie to the thread that made it. Atomics have nothing to drop.
    unsafe impl<T: Word> Send for Zeroed<T> {}
    // SAFETY: as for Send.
    unsafe impl<T: Word> Sync for Zeroed<T> {}

    impl<T: Word> Zeroed<T> {
        /// So many `words`.
        ///
        /// # Errors
        /// The host has no address space for them; with their number of bytes.
        pub(crate) fn new(words: u64) -> Result<Self, (u64, io::Error)> {
            let bytes = words.max(1).saturating_mul(size_of::<T>() as u64);
            let too_large = |_| (bytes, io::ErrorKind::OutOfMemory.into());
            let length = usize::try_from(bytes).map_err(too_large)?;
            let mut options = MmapOptions::new();
            options.len(length);
            if !cfg!(miri) {
                options.no_reserve_swap();
            }
            let mut map = options.map_anon().map_err(|source| (bytes, source))?;
            let start = NonNull::new(map.as_mut_ptr().cast()).ok_or((bytes, io::ErrorKind::OutOfMemory.into()))?;
            Ok(Self {
                start,
                words: length / size_of::<T>(),
                map,
            })
        }

        /// Word `index`.
        ///
        /// # Panics
        /// There are not so many.
        #[inline]
        pub(crate) fn at(&self, index: usize) -> &T {
            assert!(index < self.words, "word {index} of {}", self.words);
            // SAFETY: inside the mapping, which has `words` words (checked above).
            let at = unsafe { self.start.add(index) };
            // SAFETY: mapped for as long as `self` lives; aligned, as a mapping begins at a page; an atomic integer (`Word`), of
            // which zero is a value, and never accessed but as such.
            unsafe { at.as_ref() }
        }

        /// Makes every word zero, in no order, and gives the memory back to the host; the address space stays.
        pub(crate) fn give_back(&self) {
            give_back(&self.map);
        }
    }

    /// Gives the memory of a mapping of atomics back to the host: all zero, in no order.
    fn give_back(map: &MmapMut) {
        if cfg!(miri) {
            return;
        }
        // SAFETY: an anonymous private mapping stays mapped, and reads as zero then. All who use it do so through atomics
        // (see Sync), for which a zero that others store is an ordinary value.
        let result = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
        // If the host will not have it now it gets it with the mapping.
        drop(result);
    }

    /// The doublewords of a table.
    pub(crate) struct TableMemory {
        /// First doubleword; a multiple of the table's size.
        start: NonNull<AtomicU64>,
        doublewords: usize,
        /// Keeps `start` mapped. Twice the table's size, so that it holds an aligned part of it.
        map: MmapMut,
    }

    // SAFETY: all access to the mapping goes through `&AtomicU64`, which is Sync; `start` never changes,
    // and the mapping has no tie to the thread that made it.
    unsafe impl Send for TableMemory {}
    // SAFETY: as for Send.
    unsafe impl Sync for TableMemory {}

    impl TableMemory {
        /// A zeroed table of 2^`order` bytes.
        pub(crate) fn new(order: Order) -> Result<Self, AllocateTable> {
            let bytes = order.bytes() * 2;
            let error = |source| AllocateTable::Table { order, bytes, source };
            let too_large = || error(io::ErrorKind::OutOfMemory.into());
            let length = usize::try_from(bytes).map_err(|_| too_large())?;
            let mut options = MmapOptions::new();
            options.len(length);
            if !cfg!(miri) {
                // Miri knows mappings without this flag only.
                options.no_reserve_swap();
            }
            let mut map = options.map_anon().map_err(error)?;
            let base = map.as_mut_ptr();
            let offset = base.align_offset(length / 2);
            // SAFETY: the next multiple of `length / 2` at or after `base` is less than `length / 2`
            // beyond it, so the offset, and the table behind it, are inside the mapping of `length` bytes.
            let start = unsafe { base.add(offset) };
            let start = NonNull::new(start.cast()).ok_or_else(too_large)?;
            Ok(Self {
                start,
                doublewords: length / 2 / size_of::<u64>(),
                map,
            })
        }

        /// Doubleword `index`, which must be inside the table.
        #[inline]
        pub(crate) fn doubleword(&self, index: usize) -> &AtomicU64 {
            debug_assert!(index < self.doublewords, "doubleword {index} of {}", self.doublewords);
            // SAFETY: a `PteIndex` or a group of this table, the only sources of `index`, is below the
            // number of entries, so the doubleword is inside the mapping.
            let at = unsafe { self.start.add(index) };
            // SAFETY: mapped for as long as `self` lives, aligned (`start` is a multiple of 2^18, and
            // doublewords follow each other), never accessed but as an atomic by this program.
            unsafe { at.as_ref() }
        }

        /// Makes every doubleword zero, in no order, and gives the memory back to the host; the address space stays.
        pub(crate) fn give_back(&self) {
            give_back(&self.map);
        }

        /// Where the table is in this process.
        pub(crate) fn host_address(&self) -> u64 {
            self.start.as_ptr().expose_provenance() as u64
        }
    }
}

#[cfg(loom)]
mod modelled {
    use super::{AllocateTable, Word};
    use crate::Order;
    use crate::sync::AtomicU64;

    /// Words that are zero at first.
    pub(crate) struct Zeroed<T>(Vec<T>);

    impl<T: Word> Zeroed<T> {
        pub(crate) fn new(words: u64) -> Result<Self, (u64, std::io::Error)> {
            Ok(Self((0..words).map(|_| T::zero()).collect()))
        }

        pub(crate) fn at(&self, index: usize) -> &T {
            &self.0[index]
        }

        pub(crate) fn give_back(&self) {}
    }

    /// The doublewords of a table of one group, whatever its order: each atomic costs the model.
    pub(crate) struct TableMemory(Vec<AtomicU64>);

    impl TableMemory {
        pub(crate) fn new(_order: Order) -> Result<Self, AllocateTable> {
            Ok(Self((0..16).map(|_| AtomicU64::new(0)).collect()))
        }

        pub(crate) fn doubleword(&self, index: usize) -> &AtomicU64 {
            &self.0[index]
        }

        pub(crate) fn give_back(&self) {}

        pub(crate) fn host_address(&self) -> u64 {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Ordering;

    #[test]
    fn a_table_is_aligned_to_its_own_size() {
        // Miri really allocates what is reserved.
        let most = if cfg!(miri) { 19 } else { 28 };
        for order in [18, 19, 23, 28].into_iter().filter(|order| *order <= most) {
            let order = Order::new(order).unwrap();
            let memory = TableMemory::new(order).unwrap();
            assert_eq!(memory.host_address() % order.bytes(), 0);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "reserves address space that Miri would really allocate")]
    fn a_table_of_64_gib_is_only_reserved() {
        let order = Order::new(36).unwrap();
        let memory = TableMemory::new(order).unwrap();
        let last = order.bytes() as usize / 8 - 1;
        assert_eq!(memory.doubleword(last).load(Ordering::Relaxed), 0);
        memory.doubleword(last).store(7, Ordering::Relaxed);
        assert_eq!(memory.doubleword(last).load(Ordering::Relaxed), 7);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no such advice")]
    fn memory_that_was_given_back_is_zero_and_can_be_used_again() {
        let memory = TableMemory::new(Order::MIN).unwrap();
        let doublewords = Order::MIN.bytes() as usize / 8;
        (0..doublewords).for_each(|index| memory.doubleword(index).store(7, Ordering::Relaxed));
        memory.give_back();
        assert!((0..doublewords).all(|index| memory.doubleword(index).load(Ordering::Relaxed) == 0));
        memory.doubleword(1).store(8, Ordering::Relaxed);
        assert_eq!(memory.doubleword(1).load(Ordering::Relaxed), 8);
    }

    #[test]
    #[cfg_attr(miri, ignore = "reserves address space")]
    fn a_table_that_does_not_fit_is_an_error_with_its_size() {
        let Err(error) = TableMemory::new(Order::MAX) else {
            return;
        };
        assert!(error.to_string().contains("order 46"), "{error}");
    }
}
