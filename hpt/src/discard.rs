//! Taking translations from processors while they run, by the real addresses that they lead to: as the kernel drops shadow
//! entries when the memory behind them is unmapped from the host's process.
//!
//! It drops what is mapped at that moment, and does not wait for a walk that is about to map more. So it is the flush after a grace
//! period, for entries that walkers do not find any more, or have to mark again. Pages are sorted and neighbours made one range;
//! if too many ranges remain, dropping everything costs less.

use std::ops::Range;

use crate::shadow::{Batch, Invalidation};

/// Takes translations from processors that run.
pub trait Discard: Send + Sync {
    /// Makes every processor drop each translation to the real addresses of `range`, which are whole pages of the guest, of
    /// memory or devices; more may go. Returns when it is done. Works on processors in the guest, and waits for none of them.
    ///
    /// # Errors
    /// The host does not do it: whoever asks has all processors drop everything instead.
    fn discard(&self, range: Range<u64>) -> Result<(), Refused>;
}

/// The host does not take translations from processors that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host does not take translations from processors that run")]
pub struct Refused;

/// A way to take translations, and when to use it.
pub(crate) struct Discarding {
    discard: Box<dyn Discard>,
    /// Ranges in one flush; more are everything.
    most: usize,
}

impl Discarding {
    pub(crate) fn new(discard: Box<dyn Discard>, most: usize) -> Self {
        Self { discard, most }
    }

    /// Discards what `batch` names; returns how many ranges that were. `None` if they are too many, everything goes, the host has
    /// no memory to sort them in, or refuses: then not all of it was done.
    pub(crate) fn try_discard(&self, batch: &Batch) -> Option<u32> {
        let mut ranges = ranges_of(batch)?;
        let count = coalesce(&mut ranges);
        if count > self.most {
            return None;
        }
        for range in ranges.into_iter().take(count) {
            self.discard.discard(range).ok()?;
        }
        Some(count as u32)
    }
}

/// The real pages of `batch`, in its order.
fn ranges_of(batch: &Batch) -> Option<Vec<Range<u64>>> {
    let mut ranges = Vec::new();
    ranges.try_reserve_exact(batch.len()).ok()?;
    for item in batch.items() {
        match *item {
            Invalidation::Page { actual, real, .. } => ranges.push(real..real.saturating_add(actual.bytes())),
            Invalidation::Real { real, bytes } => ranges.push(real..real.saturating_add(bytes)),
            Invalidation::All => return None,
        }
    }
    Some(ranges)
}

/// Sorts `ranges` and makes one of those that touch or overlap; they come first, returns how many they are.
fn coalesce(ranges: &mut [Range<u64>]) -> usize {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut count = 0;
    for next in 0..ranges.len() {
        let range = ranges[next].clone();
        match ranges[..count].last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => {
                ranges[count] = range;
                count += 1;
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use power::page::{PageSize, SegmentSize, Vpn};
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<Range<u64>>>>);

    impl Discard for Told {
        fn discard(&self, range: Range<u64>) -> Result<(), Refused> {
            self.0.lock().unwrap().push(range);
            Ok(())
        }
    }

    fn batch(pages: &[(u64, PageSize)]) -> Batch {
        let mut batch = Batch::new();
        for &(real, actual) in pages {
            let page = Vpn::new(1, SegmentSize::Size1T, PageSize::Size4K, 0);
            batch.push(Invalidation::Page { page, actual, real });
        }
        batch
    }

    fn told(most: usize, batch: &Batch) -> (Option<u32>, Vec<Range<u64>>) {
        let told = Told::default();
        let count = Discarding::new(Box::new(told.clone()), most).try_discard(batch);
        let ranges = std::mem::take(&mut *told.0.lock().unwrap());
        (count, ranges)
    }

    #[test]
    fn neighbours_and_parts_become_one_range() {
        use PageSize::{Size4K, Size64K};
        let pages = [
            (0x5000, Size4K),
            (0x2_0000, Size64K),
            (0x4000, Size4K),
            (0x2_3000, Size4K),
            (0x4000, Size4K),
            (0x7000, Size4K),
        ];
        let expected = vec![0x4000..0x6000, 0x7000..0x8000, 0x2_0000..0x3_0000];
        assert_eq!(told(3, &batch(&pages)), (Some(3), expected));
        assert_eq!(told(2, &batch(&pages)), (None, vec![]), "too many");
    }

    #[test]
    fn what_was_made_without_the_table_is_a_range_as_any() {
        let mut batch = batch(&[(0x5000, PageSize::Size4K)]);
        batch.push(Invalidation::Real {
            real: 0x6000,
            bytes: 0x3000,
        });
        let whole = 0x5000..0x9000;
        assert_eq!(told(1, &batch), (Some(1), vec![whole]));
    }

    #[test]
    fn everything_is_no_range() {
        assert_eq!(told(9, &Batch::everything()), (None, vec![]));
        assert_eq!(told(0, &batch(&[(0x5000, PageSize::Size4K)])), (None, vec![]));
    }

    proptest! {
        #[test]
        fn the_ranges_are_the_pages_apart_and_in_order(
            pages in prop::collection::vec((0..64_u64, any::<bool>()), 0..40),
        ) {
            let sized = |&(number, large): &(u64, bool)| {
                let actual = if large { PageSize::Size64K } else { PageSize::Size4K };
                ((number << 12) & !actual.offset_mask(), actual)
            };
            let pages: Vec<_> = pages.iter().map(sized).collect();
            let (count, ranges) = told(usize::MAX, &batch(&pages));
            prop_assert_eq!(count, Some(ranges.len() as u32));
            prop_assert!(ranges.windows(2).all(|two| two[0].end < two[1].start));
            for at in (0..80 << 12).step_by(1 << 12) {
                let named = pages.iter().any(|&(real, actual)| (real..real + actual.bytes()).contains(&at));
                prop_assert_eq!(named, ranges.iter().any(|range| range.contains(&at)));
            }
        }
    }
}
