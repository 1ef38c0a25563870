//! Where a process has guest memory in its address space, so that what it does there is known by real address.

use std::ops::Range;

use hpt::Why;

use super::event::Event;

/// A piece of guest memory in a process's address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    /// Addresses of that process.
    pub(super) addresses: Range<u64>,
    /// Real address of the first byte.
    pub(super) real: u64,
}

/// Why a mapping is not taken into the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadMapping {
    /// Its bounds.
    #[error("a mapping is of whole pages, and not empty")]
    Pages,
    /// Its place in guest memory.
    #[error("a mapping lies inside guest memory")]
    Outside,
    /// Its place in the process.
    #[error("a mapping overlaps none before it")]
    Overlap,
    /// There are too many.
    #[error("a process has {} mappings at most", Book::MOST)]
    TooMany,
}

/// All of one process's mappings, in no order.
pub(super) struct Book {
    ram_bytes: u64,
    mappings: Vec<Mapping>,
    /// The process has cut its mappings into more pieces than are kept apart: whatever it does may concern all memory.
    is_lost: bool,
    /// Around all that was removed since [`Self::take_removed`]: real addresses.
    removed: Option<Range<u64>>,
}

const PAGE: u64 = 4096;

impl Book {
    /// Mappings that one process may name.
    pub(super) const MOST: usize = 64;
    /// Pieces that they may be cut into.
    const MOST_PIECES: usize = 1024;

    /// No mapping, of `ram_bytes` of guest memory.
    pub(super) fn new(ram_bytes: u64) -> Self {
        Self {
            ram_bytes,
            mappings: Vec::new(),
            is_lost: false,
            removed: None,
        }
    }

    /// A range around all that was removed since the last call.
    pub(super) fn take_removed(&mut self) -> Option<Range<u64>> {
        self.removed.take()
    }

    /// Takes in `bytes` bytes at `address`, which are guest memory from `real` on.
    pub(super) fn add(&mut self, address: u64, bytes: u64, real: u64) -> Result<(), BadMapping> {
        let end = address.checked_add(bytes).ok_or(BadMapping::Pages)?;
        if bytes == 0 || !(address | bytes | real).is_multiple_of(PAGE) {
            return Err(BadMapping::Pages);
        }
        if real.checked_add(bytes).is_none_or(|end| end > self.ram_bytes) {
            return Err(BadMapping::Outside);
        }
        if self
            .mappings
            .iter()
            .any(|known| overlap(&known.addresses, &(address..end)).is_some())
        {
            return Err(BadMapping::Overlap);
        }
        if self.mappings.len() >= Self::MOST {
            return Err(BadMapping::TooMany);
        }
        self.mappings.push(Mapping {
            addresses: address..end,
            real,
        });
        Ok(())
    }

    /// What `event` does to guest memory: real ranges with the reason. The book is as the address space is then.
    pub(super) fn note(&mut self, event: &Event) -> Vec<(Range<u64>, Why)> {
        match event {
            Event::Removed(addresses) => {
                let told = self.named(addresses, Why::Discard);
                for (range, _) in &told {
                    let all = self.removed.take().unwrap_or_else(|| range.clone());
                    self.removed = Some(all.start.min(range.start)..all.end.max(range.end));
                }
                told
            }
            Event::Unmapped(addresses) => {
                let told = self.named(addresses, Why::Remap);
                self.cut(addresses);
                told
            }
            Event::Moved { from, to, bytes } => self.relocate(*from, *to, *bytes),
            Event::Unasked(_) => Vec::new(),
        }
    }

    /// The real ranges that `addresses` are.
    fn named(&self, addresses: &Range<u64>, why: Why) -> Vec<(Range<u64>, Why)> {
        if self.is_lost {
            return vec![(0..self.ram_bytes, why)];
        }
        let parts = self.mappings.iter().filter_map(|mapping| mapping.part(addresses));
        parts
            .map(|part| (part.real..part.real + length(&part.addresses), why))
            .collect()
    }

    /// Takes `addresses` out.
    fn cut(&mut self, addresses: &Range<u64>) {
        let left = |mapping: Mapping| {
            let before = mapping.part(&(0..addresses.start));
            let behind = mapping.part(&(addresses.end..u64::MAX));
            before.into_iter().chain(behind)
        };
        let mappings = std::mem::take(&mut self.mappings);
        self.mappings = mappings.into_iter().flat_map(left).collect();
        if self.mappings.len() > Self::MOST_PIECES {
            self.mappings = Vec::new();
            self.is_lost = true;
        }
    }

    fn relocate(&mut self, from: u64, to: u64, bytes: u64) -> Vec<(Range<u64>, Why)> {
        let (Some(end), Some(_)) = (from.checked_add(bytes), to.checked_add(bytes)) else {
            return Vec::new();
        };
        let old = from..end;
        let told = self.named(&old, Why::Remap);
        let moved: Vec<_> = self.mappings.iter().filter_map(|mapping| mapping.part(&old)).collect();
        self.cut(&old);
        self.cut(&(to..to + bytes));
        let new = moved.into_iter().map(|part| {
            let start = part.addresses.start - from + to;
            Mapping {
                addresses: start..start + length(&part.addresses),
                real: part.real,
            }
        });
        self.mappings.extend(new);
        told
    }
}

impl Mapping {
    /// What of it lies in `addresses`.
    fn part(&self, addresses: &Range<u64>) -> Option<Self> {
        let addresses = overlap(&self.addresses, addresses)?;
        let real = self.real + (addresses.start - self.addresses.start);
        Some(Self { addresses, real })
    }
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> Option<Range<u64>> {
    let common = one.start.max(other.start)..one.end.min(other.end);
    (common.start < common.end).then_some(common)
}

fn length(range: &Range<u64>) -> u64 {
    range.end - range.start
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const RAM: u64 = 0x10_0000;

    fn book() -> Book {
        let mut book = Book::new(RAM);
        book.add(0x7000_0000, 0x8000, 0x1_0000).unwrap();
        book
    }

    #[test]
    fn a_mapping_is_of_whole_pages_inside_guest_memory_and_apart_from_others() {
        let mut book = book();
        assert_eq!(book.add(0x1000, 0, 0), Err(BadMapping::Pages));
        assert_eq!(book.add(0x1001, 0x1000, 0), Err(BadMapping::Pages));
        assert_eq!(book.add(0x1000, 0x1000, 0x800), Err(BadMapping::Pages));
        assert_eq!(book.add(u64::MAX - 0xfff, 0x1000, 0), Err(BadMapping::Pages));
        assert_eq!(book.add(0x1000, 0x1000, RAM), Err(BadMapping::Outside));
        assert_eq!(book.add(0x1000, 0x1000, u64::MAX - 0xfff), Err(BadMapping::Outside));
        assert_eq!(book.add(0x6fff_f000, 0x2000, 0), Err(BadMapping::Overlap));
        for n in 1..Book::MOST as u64 {
            assert_eq!(book.add(n << 12, 0x1000, 0), Ok(()));
        }
        assert_eq!(book.add(0x1000_0000, 0x1000, 0), Err(BadMapping::TooMany));
    }

    #[test]
    fn what_is_removed_is_known_by_its_real_address() {
        let removed = Event::Removed(0x7000_2000..0x7000_4000);
        let mut book = book();
        for _ in 0..2 {
            assert_eq!(book.note(&removed), [(0x1_2000..0x1_4000, Why::Discard)]);
        }
        assert_eq!(book.take_removed(), Some(0x1_2000..0x1_4000));
        assert_eq!(book.note(&Event::Removed(0x1000..0x2000)), []);
        assert_eq!(book.take_removed(), None);
        assert_eq!(
            book.note(&Event::Removed(0..u64::MAX)),
            [(0x1_0000..0x1_8000, Why::Discard)]
        );
    }

    #[test]
    fn what_is_unmapped_is_told_once_and_the_rest_stays() {
        let mut book = book();
        let unmapped = Event::Unmapped(0x7000_2000..0x7000_4000);
        assert_eq!(book.note(&unmapped), [(0x1_2000..0x1_4000, Why::Remap)]);
        assert_eq!(book.note(&unmapped), []);
        let rest = [(0x1_0000..0x1_2000, Why::Discard), (0x1_4000..0x1_8000, Why::Discard)];
        assert_eq!(book.note(&Event::Removed(0..u64::MAX)), rest);
    }

    #[test]
    fn what_has_moved_is_found_where_it_is() {
        let mut book = book();
        let moved = Event::Moved {
            from: 0x7000_0000,
            to: 0x1000,
            bytes: 0x2000,
        };
        assert_eq!(book.note(&moved), [(0x1_0000..0x1_2000, Why::Remap)]);
        assert_eq!(
            book.note(&Event::Removed(0x2000..0x3000)),
            [(0x1_1000..0x1_2000, Why::Discard)]
        );
        assert_eq!(book.note(&Event::Removed(0x7000_0000..0x7000_2000)), []);
        let nowhere = Event::Moved {
            from: u64::MAX,
            to: 0,
            bytes: 2,
        };
        assert_eq!(book.note(&nowhere), []);
    }

    #[test]
    fn a_process_that_cuts_its_mapping_into_too_many_pieces_may_mean_any_memory() {
        let mut book = Book::new(1 << 30);
        book.add(0, 1 << 30, 0).unwrap();
        for page in (0..5000).map(|n| n * 0x2000) {
            assert!(!book.note(&Event::Unmapped(page..page + 0x1000)).is_empty());
        }
        assert!(book.mappings.len() <= Book::MOST_PIECES);
        assert_eq!(book.note(&Event::Removed(0x1000..0x2000)), [(0..1 << 30, Why::Discard)]);
    }

    /// Page by page: which real page an address is.
    type Pages = BTreeMap<u64, u64>;

    fn expected(pages: &Pages, addresses: Range<u64>) -> Vec<u64> {
        pages.range(addresses).map(|(_, &real)| real).collect()
    }

    proptest! {
        #[test]
        fn the_book_says_what_a_list_of_pages_says(
            events in prop::collection::vec((0..3_u8, 0..32_u64, 0..8_u64, 0..32_u64), 0..20),
        ) {
            let mut book = Book::new(RAM);
            let mut pages = Pages::new();
            for (start, real) in [(4_u64, 0_u64), (16, 40)] {
                book.add(start << 12, 8 << 12, real << 12).unwrap();
                pages.extend((0..8).map(|n| (start + n, real + n)));
            }
            for (kind, start, count, to) in events {
                let (addresses, numbers) = (start << 12..(start + count) << 12, start..start + count);
                let mut want = expected(&pages, numbers.clone());
                let event = match kind {
                    0 => Event::Removed(addresses),
                    1 => Event::Unmapped(addresses),
                    _ => Event::Moved { from: start << 12, to: to << 12, bytes: count << 12 },
                };
                if kind > 0 {
                    let taken: Vec<_> = numbers.filter_map(|n| pages.remove(&n).map(|real| (n, real))).collect();
                    if kind > 1 {
                        (to..to + count).for_each(|n| { pages.remove(&n); });
                        pages.extend(taken.into_iter().map(|(n, real)| (n - start + to, real)));
                    }
                }
                let mut told: Vec<_> =
                    book.note(&event).into_iter().flat_map(|(range, _)| range.start >> 12..range.end >> 12).collect();
                told.sort_unstable();
                want.sort_unstable();
                prop_assert_eq!(told, want);
            }
        }
    }
}
