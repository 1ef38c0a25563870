//! Where instructions are: fetch translations by effective page, and the stamps that tell whether a
//! remembered way to a block may still be gone.
//!
//! A *way* (a link between blocks, an entry of the jump cache) leads from an effective address to a
//! decoded block without translating it. It holds exactly as long as the translation that it was found
//! through stands here: each translation has a stamp of its own, and the way remembers it. What is
//! dropped or pushed out takes all ways through it along; they are there again when the page is translated again and is
//! where it was: for a way says no more than which code is at an effective address. Ways inside a page need no translation, and have the stamp of
//! the era, which ends when code has changed.

use power::page::Vpn;
use power::slb::SlbEntry;

use crate::authority::{Classes, class};
use crate::counts::Trailed;
use crate::tlb::{Context, Through};
use crate::trail::{PLACES, Trail};

/// Entries per context.
const ENTRIES: usize = 2048;
/// Those of the translated contexts are places of a trail.
const _: () = assert!(2 * ENTRIES == PLACES);
/// Places that are remembered with their stamps.
const KNOWN: usize = 4096;
const PAGE_SHIFT: u32 = 12;
const PAGE_MASK: u64 = !0xfff;

/// Names one translation: that an effective page in a context is a real one. No two have the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp(u32);

impl Stamp {
    /// The stamp of no translation.
    pub const NONE: Self = Self(0);
}

#[derive(Clone, Copy)]
struct Entry {
    page: u64,
    real: u64,
    /// Of the segment that translated it; pages of other segments share the low bits.
    vsid: u64,
    /// [`Stamp::NONE`]: there is no translation here.
    stamp: Stamp,
}

const EMPTY: Entry = Entry {
    page: 0,
    real: 0,
    vsid: 0,
    stamp: Stamp::NONE,
};

/// Where a page was, and the stamp that its translation had.
#[derive(Clone, Copy)]
struct Known {
    /// Effective address, and the context in the low bits.
    page: u64,
    real: u64,
    stamp: Stamp,
}

const UNKNOWN: Known = Known {
    page: 0,
    real: 0,
    stamp: Stamp::NONE,
};

/// Fetch translations of one processor, by effective page of 4 KiB.
pub struct FetchCache {
    entries: Box<[[Entry; ENTRIES]; 3]>,
    trail: Trail,
    /// Classes of the pages in each context.
    classes: [Classes; 3],
    /// Classes of which each context has no page.
    denied: [Classes; 3],
    known: Box<[Known; KNOWN]>,
    context: Context,
    last: Stamp,
    era: Stamp,
    wrapped: bool,
}

impl Default for FetchCache {
    fn default() -> Self {
        Self {
            entries: Box::new([[EMPTY; ENTRIES]; 3]),
            trail: Trail::default(),
            classes: [0; 3],
            denied: [0; 3],
            known: Box::new([UNKNOWN; KNOWN]),
            context: Context::Real,
            last: Stamp(1),
            era: Stamp(1),
            wrapped: false,
        }
    }
}

#[inline(always)]
fn slot(ea: u64) -> usize {
    (ea >> PAGE_SHIFT) as usize % ENTRIES
}

/// Where machine code finds a stamp, in bytes.
pub mod layout {
    use std::mem::{offset_of, size_of};

    use super::{Entry, FetchCache};

    /// The pointer to the entries: those of each context one after the other.
    pub const ENTRIES_AT: usize = offset_of!(FetchCache, entries);
    pub const CONTEXT: usize = offset_of!(FetchCache, context);
    pub const ERA: usize = offset_of!(FetchCache, era);
    pub const ENTRIES: usize = super::ENTRIES;
    pub const ENTRY_BYTES: usize = size_of::<Entry>();
    pub const STAMP: usize = offset_of!(Entry, stamp);
    pub const PAGE_SHIFT: u32 = super::PAGE_SHIFT;
}

impl FetchCache {
    /// The context that fetches are translated in.
    #[inline(always)]
    pub fn context(&self) -> Context {
        self.context
    }

    pub(crate) fn set_context(&mut self, context: Context) {
        self.context = context;
    }

    /// Whether the translation of `ea` is the one with this stamp, which is not [`Stamp::NONE`].
    #[inline(always)]
    pub fn is_current(&self, ea: u64, stamp: Stamp) -> bool {
        // Stamps are unique: no need to compare the page.
        self.entries[self.context as usize][slot(ea)].stamp == stamp
    }

    /// The stamp of the translation of `ea`; [`Stamp::NONE`] when there is none.
    pub fn stamp(&self, ea: u64) -> Stamp {
        let entry = &self.entries[self.context as usize][slot(ea)];
        if entry.page == ea & PAGE_MASK {
            entry.stamp
        } else {
            Stamp::NONE
        }
    }

    /// The stamp of ways inside a page. No translation has it.
    #[inline(always)]
    pub fn era(&self) -> Stamp {
        self.era
    }

    /// A stamp that nothing has.
    fn new_stamp(&mut self) -> Stamp {
        self.last.0 = self.last.0.wrapping_add(1);
        if self.last == Stamp::NONE {
            self.entries.as_flattened_mut().fill(EMPTY);
            self.trail.clear();
            self.known.fill(UNKNOWN);
            self.wrapped = true;
            self.era = Stamp(1);
            self.last = Stamp(2);
        }
        self.last
    }

    /// Whether stamps began anew since the last call: whatever remembers one must be forgotten.
    pub fn take_wrapped(&mut self) -> bool {
        std::mem::take(&mut self.wrapped)
    }

    /// The real address of the instruction at `ea`.
    #[inline]
    pub fn get(&self, ea: u64) -> Option<u64> {
        let entry = &self.entries[self.context as usize][slot(ea)];
        let hit = entry.stamp != Stamp::NONE && entry.page == ea & PAGE_MASK;
        hit.then_some(entry.real | (ea & !PAGE_MASK))
    }

    /// The stamp that says that the page of `ea` is at `real`: the same as before if it was there before, in this era.
    fn stamp_of(&mut self, page: u64, real: u64) -> Stamp {
        let page = page | self.context as u64;
        let at =
            ((page >> PAGE_SHIFT) ^ (real >> PAGE_SHIFT).wrapping_mul(5) ^ (page >> 60) ^ (page << 2)) as usize % KNOWN;
        let known = self.known[at];
        if known.page == page && known.real == real && known.stamp.0 > self.era.0 {
            return known.stamp;
        }
        let stamp = self.new_stamp();
        self.known[at] = Known { page, real, stamp };
        stamp
    }

    /// Remembers that the page of `ea` is at `real`. In real mode it was not translated `through` anything. Whether another page
    /// had to go for it.
    pub fn insert(&mut self, ea: u64, real: u64, through: Option<Through>) -> bool {
        let (page, real) = (ea & PAGE_MASK, real & PAGE_MASK);
        let stamp = self.stamp_of(page, real);
        if let Some(through) = through
            && let Some(context) = (self.context as usize).checked_sub(1)
        {
            self.trail.note(through.entry, context * ENTRIES + slot(ea));
            self.classes[self.context as usize] |= class(through.key);
        }
        let entry = Entry {
            page,
            real,
            vsid: through.map_or(0, |through| through.vsid),
            stamp,
        };
        let old = std::mem::replace(&mut self.entries[self.context as usize][slot(ea)], entry);
        old.stamp != Stamp::NONE && old.page != page
    }

    /// Whether no page of the context is of a class that is `denied`.
    #[inline(always)]
    pub fn obeys(&self, denied: Classes) -> bool {
        self.denied[self.context as usize] == denied
    }

    /// Drops the pages of the context if one may be of a class that is `denied`. From now on pages of the others may be put in.
    pub fn obey(&mut self, denied: Classes) {
        let context = self.context as usize;
        self.denied[context] = denied;
        if self.classes[context] & denied != 0 {
            self.entries[context].fill(EMPTY);
            self.classes[context] = 0;
        }
    }

    /// Drops every page, also those of real mode: the code in them has changed.
    pub fn forget_all(&mut self) {
        self.entries.as_flattened_mut().fill(EMPTY);
        self.trail.clear();
        self.era = self.new_stamp();
    }

    /// Drops every translated page.
    pub fn flush(&mut self) {
        self.entries[Context::Privileged as usize].fill(EMPTY);
        self.entries[Context::Problem as usize].fill(EMPTY);
        self.trail.clear();
    }

    /// Drops every page of real mode.
    pub fn flush_real(&mut self) {
        self.entries[Context::Real as usize].fill(EMPTY);
    }

    /// Drops what was translated through SLB entry number `entry`, which was `old`.
    pub fn drop_segment(&mut self, entry: usize, old: &SlbEntry) -> Trailed {
        let entries = &mut self.entries;
        let mut trailed = Trailed::default();
        self.trail.take(entry, |place| {
            let entry = &mut entries[1 + place / ENTRIES][place % ENTRIES];
            // An entry of another segment may have been put there since.
            let is_of_segment = entry.stamp != Stamp::NONE && old.matches(entry.page);
            if is_of_segment {
                *entry = EMPTY;
            }
            trailed.note(is_of_segment);
        });
        trailed
    }

    /// Drops what may translate the `bytes` around `page`.
    pub fn drop_virtual(&mut self, page: Vpn, bytes: u64) {
        if bytes >> PAGE_SHIFT >= ENTRIES as u64 {
            return self.flush();
        }
        let first = page.offset() & !(bytes - 1);
        for page_offset in (first..first + bytes).step_by(1 << PAGE_SHIFT) {
            for context in [Context::Privileged, Context::Problem] {
                let entry = &mut self.entries[context as usize][slot(page_offset)];
                // The low 28 bits of an effective and a virtual address agree.
                if entry.vsid == page.vsid() && (entry.page ^ page_offset) & 0x0fff_f000 == 0 {
                    *entry = EMPTY;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use power::page::{PageSize, SegmentSize};

    use super::*;

    const A: u64 = 0x1000_1000;
    /// Another page in the slot of `A`.
    const B: u64 = A + ((ENTRIES as u64) << PAGE_SHIFT);

    fn cache() -> FetchCache {
        let mut cache = FetchCache::default();
        cache.set_context(Context::Problem);
        cache
    }

    fn through(vsid: u64) -> Option<Through> {
        Some(Through { entry: 1, vsid, key: 0 })
    }

    fn page(vsid: u64, offset: u64) -> Vpn {
        Vpn::new(vsid, SegmentSize::Size256M, PageSize::Size4K, offset)
    }

    #[test]
    fn ways_through_a_dropped_page_are_gone_and_others_are_not() {
        let mut cache = cache();
        cache.insert(A, 0x5000, through(7));
        cache.insert(A + 0x1000, 0x6000, through(7));
        let (a, other) = (cache.stamp(A), cache.stamp(A + 0x1000));
        cache.drop_virtual(page(8, A), 0x1000);
        assert!(cache.is_current(A, a));
        cache.drop_virtual(page(7, A), 0x1000);
        assert!(!cache.is_current(A, a));
        assert!(cache.is_current(A + 0x1000, other));
        assert_eq!(cache.get(A), None);
    }

    #[test]
    fn a_way_ends_when_its_page_is_pushed_out_and_is_there_again_with_the_page() {
        let mut cache = cache();
        cache.insert(A, 0x5000, through(7));
        let way = cache.stamp(A);
        cache.insert(B, 0x9000, through(7));
        assert!(!cache.is_current(A, way));
        cache.insert(A, 0x5000, through(8));
        assert!(cache.is_current(A, way));
    }

    #[test]
    fn a_way_ends_when_its_page_is_elsewhere_or_its_code_has_changed() {
        let mut cache = cache();
        cache.insert(A, 0x5000, through(7));
        let way = cache.stamp(A);
        cache.insert(A, 0x6000, through(7));
        assert!(!cache.is_current(A, way));
        let era = cache.era();
        cache.forget_all();
        assert_ne!(cache.era(), era);
        cache.insert(A, 0x5000, through(7));
        assert!(!cache.is_current(A, way));
    }

    #[test]
    fn a_way_ends_with_the_segment_and_is_there_again_with_it() {
        let mut cache = cache();
        let old = SlbEntry::from_registers(0x7000, 0x1000_0000 | 1 << 27).unwrap();
        cache.insert(A, 0x5000, through(7));
        let way = cache.stamp(A);
        cache.drop_segment(1, &old);
        assert!(!cache.is_current(A, way));
        assert_eq!(cache.get(A), None);
        cache.insert(A, 0x5000, through(7));
        assert!(cache.is_current(A, way));
    }

    #[test]
    fn a_way_ends_when_the_class_of_its_page_is_denied() {
        let mut cache = cache();
        cache.insert(A, 0x5000, through(7));
        let way = cache.stamp(A);
        cache.obey(class(1));
        assert!(cache.is_current(A, way));
        cache.obey(class(0));
        assert!(!cache.is_current(A, way));
        assert_eq!(cache.get(A), None);
    }

    #[test]
    fn a_way_belongs_to_its_context() {
        let mut cache = cache();
        cache.insert(A, 0x5000, through(7));
        let way = cache.stamp(A);
        cache.set_context(Context::Privileged);
        assert!(!cache.is_current(A, way));
        assert_eq!(cache.stamp(A), Stamp::NONE);
    }

    #[test]
    fn stamps_that_begin_anew_say_so() {
        let mut cache = cache();
        cache.last = Stamp(u32::MAX);
        cache.insert(A, 0x5000, through(7));
        assert!(cache.take_wrapped());
        assert!(!cache.take_wrapped());
        assert_ne!(cache.stamp(A), Stamp::NONE);
    }
}
