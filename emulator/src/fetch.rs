//! Where instructions are: fetch translations by effective page, and the stamps that tell whether a
//! remembered way to a block may still be gone.
//!
//! A *way* (a link between blocks, an entry of the jump cache) leads from an effective address to a
//! decoded block without translating it. It holds exactly as long as the translation that it was found
//! through stands here: each translation has a stamp of its own, and the way remembers it. What is
//! dropped or pushed out takes all ways through it along.

use power::page::Vpn;

use crate::tlb::Context;

/// Entries per half of the address space and context.
const ENTRIES: usize = 2048;
const PAGE_SHIFT: u32 = 12;
const PAGE_MASK: u64 = !0xfff;

/// Names one translation, for as long as it stands; no two have the same.
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

/// Fetch translations of one processor, by effective page of 4 KiB.
pub struct FetchCache {
    entries: Box<[[Entry; 2 * ENTRIES]; 3]>,
    /// Whether a translated page was put into a half since it was emptied.
    filled: [bool; 2],
    context: Context,
    last: Stamp,
    wrapped: bool,
}

impl Default for FetchCache {
    fn default() -> Self {
        let entries = Box::new([[EMPTY; 2 * ENTRIES]; 3]);
        Self {
            entries,
            filled: [false; 2],
            context: Context::Real,
            last: Stamp::NONE,
            wrapped: false,
        }
    }
}

#[inline(always)]
fn slot(ea: u64) -> usize {
    ((ea >> 63) as usize * ENTRIES) | ((ea >> PAGE_SHIFT) as usize % ENTRIES)
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

    /// Remembers that the page of `ea`, in the virtual segment `vsid`, is at `real`.
    pub fn insert(&mut self, ea: u64, real: u64, vsid: u64) {
        self.last.0 = self.last.0.wrapping_add(1);
        if self.last == Stamp::NONE {
            self.forget_all();
            self.wrapped = true;
            self.last.0 = 1;
        }
        self.filled[(ea >> 63) as usize] |= self.context != Context::Real;
        let entry = Entry {
            page: ea & PAGE_MASK,
            real: real & PAGE_MASK,
            vsid,
            stamp: self.last,
        };
        self.entries[self.context as usize][slot(ea)] = entry;
    }

    /// Drops every page, also those of real mode: the code in them has changed.
    pub fn forget_all(&mut self) {
        self.entries.as_flattened_mut().fill(EMPTY);
    }

    /// Drops every translated page.
    pub fn flush(&mut self) {
        self.entries[Context::Privileged as usize].fill(EMPTY);
        self.entries[Context::Problem as usize].fill(EMPTY);
    }

    /// Drops every page of real mode.
    pub fn flush_real(&mut self) {
        self.entries[Context::Real as usize].fill(EMPTY);
    }

    /// Drops every translated page of one half of the address space.
    pub fn flush_half(&mut self, upper: bool) {
        if !std::mem::take(&mut self.filled[usize::from(upper)]) {
            return;
        }
        let first = usize::from(upper) * ENTRIES;
        for context in [Context::Privileged, Context::Problem] {
            self.entries[context as usize][first..first + ENTRIES].fill(EMPTY);
        }
    }

    /// Drops what may translate the `bytes` around `page`.
    pub fn drop_virtual(&mut self, page: Vpn, bytes: u64) {
        if bytes >> PAGE_SHIFT >= ENTRIES as u64 {
            return self.flush();
        }
        let first = page.offset() & !(bytes - 1);
        for page_offset in (first..first + bytes).step_by(1 << PAGE_SHIFT) {
            let low = (page_offset >> PAGE_SHIFT) as usize % ENTRIES;
            for context in [Context::Privileged, Context::Problem] {
                for at in [low, low + ENTRIES] {
                    let entry = &mut self.entries[context as usize][at];
                    // The low 28 bits of an effective and a virtual address agree.
                    if entry.vsid == page.vsid() && (entry.page ^ page_offset) & 0x0fff_f000 == 0 {
                        *entry = EMPTY;
                    }
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

    fn page(vsid: u64, offset: u64) -> Vpn {
        Vpn::new(vsid, SegmentSize::Size256M, PageSize::Size4K, offset)
    }

    #[test]
    fn ways_through_a_dropped_page_are_gone_and_others_are_not() {
        let mut cache = cache();
        cache.insert(A, 0x5000, 7);
        cache.insert(A + 0x1000, 0x6000, 7);
        let (a, other) = (cache.stamp(A), cache.stamp(A + 0x1000));
        cache.drop_virtual(page(8, A), 0x1000);
        assert!(cache.is_current(A, a));
        cache.drop_virtual(page(7, A), 0x1000);
        assert!(!cache.is_current(A, a));
        assert!(cache.is_current(A + 0x1000, other));
        assert_eq!(cache.get(A), None);
    }

    #[test]
    fn a_way_ends_when_its_page_is_pushed_out_and_does_not_come_back() {
        let mut cache = cache();
        cache.insert(A, 0x5000, 7);
        let way = cache.stamp(A);
        cache.insert(B, 0x9000, 7);
        assert!(!cache.is_current(A, way));
        cache.insert(A, 0x5000, 7);
        assert!(!cache.is_current(A, way));
        assert_ne!(cache.stamp(A), way);
    }

    #[test]
    fn a_way_belongs_to_its_context() {
        let mut cache = cache();
        cache.insert(A, 0x5000, 7);
        let way = cache.stamp(A);
        cache.set_context(Context::Privileged);
        assert!(!cache.is_current(A, way));
        assert_eq!(cache.stamp(A), Stamp::NONE);
    }

    #[test]
    fn stamps_that_begin_anew_say_so() {
        let mut cache = cache();
        cache.last = Stamp(u32::MAX);
        cache.insert(A, 0x5000, 7);
        assert!(cache.take_wrapped());
        assert!(!cache.take_wrapped());
        assert_ne!(cache.stamp(A), Stamp::NONE);
    }
}
