//! Which virtual pages one processor may hold translations of: a filter, so that a writer need not
//! disturb processors that never met the page.
//!
//! The filter errs on one side only. A bit is set before a walk's last look at the entry, and
//! cleared only by the processor itself when it has dropped everything.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | F1 | processor, in a walk that has read an entry, or seen one change | bit set, Release; fence SeqCst, unless it was set before | W2 |
//! | F2 | processor | reads the entry again; uses it only if it still says the same | W1 |
//! | F3 | processor that has dropped everything it held | bits cleared, Release | W2: it uses nothing from before |
//! | W1 | writer | the entry is changed; fence SeqCst | F2 |
//! | W2 | writer | bit loaded, Acquire; if it is clear the processor is left alone | F1, F3 |
//!
//! Translations that are made without the table (real mode) have one flag together, and nothing to be read again: F1 is
//! followed by a look at what may be done to the frame (`frames.rs`).
//!
//! Of the two fences one comes first. If it is the processor's, the writer finds the bit; if it is
//! the writer's, the processor finds the entry changed. A bit that was set before had its fence
//! then, in the same thread.

use power::page::{PageSize, Vpn};

use crate::shadow::Invalidation;
use crate::sync::{AtomicBool, AtomicU64, Ordering, fence};

/// Number of bits: loom looks at every one of them.
const BITS: usize = if cfg!(loom) { 64 } else { 1 << 16 };

/// The pages that one processor may hold translations of, on cache lines of its own.
#[repr(align(128))]
pub struct Footprint {
    words: Box<[AtomicU64]>,
    /// How many bits are set. Only the processor writes it.
    set: AtomicU64,
    /// Something was translated in real mode.
    real: AtomicBool,
}

impl Default for Footprint {
    fn default() -> Self {
        Self {
            words: std::iter::repeat_with(|| AtomicU64::new(0)).take(BITS / 64).collect(),
            set: AtomicU64::new(0),
            real: AtomicBool::new(false),
        }
    }
}

/// The place of a page of `actual` size around `page`: the same for every part of it.
fn bit(page: Vpn, actual: PageSize) -> usize {
    let number = page.offset() >> actual.shift();
    let mixed = (page.vsid() ^ number.rotate_left(24) ^ u64::from(actual.shift())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % BITS
}

impl Footprint {
    /// F1: the processor is about to use a translation, or to look for one again. Whether this is news: then the entry must be
    /// read again before it is used.
    #[inline]
    pub(crate) fn note(&self, page: Vpn, actual: PageSize) -> bool {
        let at = bit(page, actual);
        let (word, mask) = (&self.words[at / 64], 1 << (at % 64));
        let old = word.load(Ordering::Relaxed);
        if old & mask != 0 {
            return false;
        }
        // Only this processor's thread writes.
        word.store(old | mask, Ordering::Release);
        self.set.store(self.set.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        true
    }

    /// F1 for real mode: the processor is about to use a real address as it is. Before it asks what may be done there.
    #[inline]
    pub fn note_real(&self) {
        if !self.real.load(Ordering::Relaxed) {
            // Only this processor's thread writes.
            self.real.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
        }
    }

    /// Whether something of real mode may be held: asked by the processor itself.
    #[inline]
    pub fn has_real(&self) -> bool {
        self.real.load(Ordering::Relaxed)
    }

    /// F3 for real mode: the processor has dropped every translation that it made without the table.
    pub fn clear_real(&self) {
        self.real.store(false, Ordering::Release);
    }

    /// W2: whether the processor may hold something of what `invalidation` names. The caller has
    /// changed the table and executed a fence since.
    pub(crate) fn may_hold(&self, invalidation: &Invalidation) -> bool {
        match invalidation {
            Invalidation::All => true,
            Invalidation::Real { .. } => self.real.load(Ordering::Acquire),
            Invalidation::Page { page, actual, .. } => {
                let at = bit(*page, *actual);
                self.words[at / 64].load(Ordering::Acquire) & (1 << (at % 64)) != 0
            }
        }
    }

    /// Whether so many pages have been noted that most answers are "maybe": the processor had better
    /// drop everything and [`Self::clear`].
    pub fn is_crowded(&self) -> bool {
        self.set.load(Ordering::Relaxed) >= BITS as u64 / 4
    }

    /// F3: the processor has dropped everything that it held.
    pub fn clear(&self) {
        self.clear_real();
        if self.set.load(Ordering::Relaxed) == 0 {
            return;
        }
        for word in &self.words {
            word.store(0, Ordering::Release);
        }
        self.set.store(0, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Footprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Footprint")
            .field("set", &self.set.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use power::page::SegmentSize;

    use super::*;

    fn page(base: PageSize, offset: u64) -> Vpn {
        Vpn::new(0x1234, SegmentSize::Size1T, base, offset)
    }

    #[test]
    fn a_noted_page_may_be_held_until_all_is_dropped() {
        let footprint = Footprint::default();
        let small = page(PageSize::Size4K, 0x5000);
        let invalidation = Invalidation::Page {
            page: small,
            actual: PageSize::Size4K,
            real: 0x5000,
        };
        assert!(!footprint.may_hold(&invalidation));
        assert!(footprint.note(small, PageSize::Size4K));
        assert!(!footprint.note(small, PageSize::Size4K));
        assert!(footprint.may_hold(&invalidation));
        assert!(footprint.may_hold(&Invalidation::All));
        footprint.clear();
        assert!(!footprint.may_hold(&invalidation));
    }

    #[test]
    fn real_mode_is_one_flag_apart_from_the_pages() {
        let footprint = Footprint::default();
        let real = Invalidation::Real { real: 0x5000, bytes: 1 };
        assert!(!footprint.may_hold(&real));
        footprint.note(page(PageSize::Size4K, 0x5000), PageSize::Size4K);
        assert!(!footprint.may_hold(&real));
        footprint.note_real();
        assert!(footprint.may_hold(&real) && footprint.has_real());
        footprint.clear_real();
        assert!(!footprint.may_hold(&real));
        footprint.note_real();
        footprint.clear();
        assert!(!footprint.may_hold(&real));
    }

    #[test]
    fn every_part_of_a_large_page_is_the_large_page() {
        let footprint = Footprint::default();
        footprint.note(page(PageSize::Size4K, 0x1_f000), PageSize::Size64K);
        let whole = Invalidation::Page {
            page: page(PageSize::Size4K, 0x1_0000),
            actual: PageSize::Size64K,
            real: 0,
        };
        assert!(footprint.may_hold(&whole));
    }

    #[test]
    fn a_quarter_full_is_crowded() {
        let footprint = Footprint::default();
        let mut number = 0;
        while !footprint.is_crowded() {
            footprint.note(page(PageSize::Size4K, number << 12), PageSize::Size4K);
            number += 1;
        }
        assert!(number >= BITS as u64 / 4);
        footprint.clear();
        assert!(!footprint.is_crowded());
    }
}
