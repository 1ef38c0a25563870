//! Translation caches of one processor.
//!
//! [`Tlb`] is by effective address, in pages of 4 KiB, and is what a load or store looks at first.
//! [`PageCache`] is by virtual page, so that it outlives `slbie` and `slbmte`; it stands between
//! the first and the table. Both are shadows of the table: the shootdown protocol drops entries.

use power::hpte::Protection;
use power::page::{PageSize, SegmentSize, Vpn};

/// log2 of the granule of [`Tlb`].
const PAGE_SHIFT: u32 = 12;
const PAGE_MASK: u64 = !0xfff;
/// Entries per address-space half and context.
const ENTRIES: usize = 1024;
/// A tag that no address has: the tag of an address never has bit 11 set.
const NEVER: u64 = 0x800;

/// Which translation applies to an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Context {
    /// MSR\[DR\] (or IR, for a fetch) is 0.
    Real = 0,
    /// Translated, supervisor state.
    Privileged = 1,
    /// Translated, problem state.
    Problem = 2,
}

/// A translation of one 4 KiB page.
#[derive(Clone, Copy)]
struct Entry {
    /// Page address when loads may go straight through.
    read: u64,
    /// Page address when stores may go straight through.
    write: u64,
    /// Real address less effective address.
    delta: u64,
}

const EMPTY: Entry = Entry {
    read: NEVER,
    write: NEVER,
    delta: 0,
};

/// Effective pages, direct-mapped: per context one half for addresses below 2^63 and one above.
pub struct Tlb {
    entries: Box<[[Entry; 2 * ENTRIES]; 3]>,
    /// Whether a translated page was put into a half since it was emptied.
    filled: [bool; 2],
}

impl Default for Tlb {
    fn default() -> Self {
        Self {
            entries: Box::new([[EMPTY; 2 * ENTRIES]; 3]),
            filled: [false; 2],
        }
    }
}

#[inline(always)]
fn slot(ea: u64) -> usize {
    ((ea >> 63) as usize * ENTRIES) | ((ea >> PAGE_SHIFT) as usize % ENTRIES)
}

impl Tlb {
    /// The real address of a load of `bytes` (a power of two) at `ea`. `None`: not here, or not aligned.
    #[inline(always)]
    pub fn load(&self, context: Context, ea: u64, bytes: u64) -> Option<u64> {
        let entry = &self.entries[context as usize][slot(ea)];
        (entry.read == ea & (PAGE_MASK | (bytes - 1))).then(|| ea.wrapping_add(entry.delta))
    }

    /// The real address of a store of `bytes` (a power of two) at `ea`. `None`: not here, or not aligned.
    #[inline(always)]
    pub fn store(&self, context: Context, ea: u64, bytes: u64) -> Option<u64> {
        let entry = &self.entries[context as usize][slot(ea)];
        (entry.write == ea & (PAGE_MASK | (bytes - 1))).then(|| ea.wrapping_add(entry.delta))
    }

    /// Puts in the page of `ea`, which is at `real` (any address of the page).
    pub fn insert(&mut self, context: Context, ea: u64, real: u64, writable: bool) {
        self.filled[(ea >> 63) as usize] |= context != Context::Real;
        let page = ea & PAGE_MASK;
        let delta = (real & PAGE_MASK).wrapping_sub(page);
        let write = if writable { page } else { NEVER };
        self.entries[context as usize][slot(ea)] = Entry {
            read: page,
            write,
            delta,
        };
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

    /// Drops every translated page.
    pub fn flush_translated(&mut self) {
        self.entries[Context::Privileged as usize].fill(EMPTY);
        self.entries[Context::Problem as usize].fill(EMPTY);
    }

    /// Drops every page of real mode.
    pub fn flush_real(&mut self) {
        self.entries[Context::Real as usize].fill(EMPTY);
    }

    /// Drops what may translate the `bytes` at `offset` of any segment; whether anything was there.
    ///
    /// Which effective address a virtual page has is not known here, but the low 28 bits agree: so
    /// its slot is known in every context and half.
    pub fn drop_virtual(&mut self, offset: u64, bytes: u64) -> bool {
        if bytes >> PAGE_SHIFT >= ENTRIES as u64 {
            self.flush_translated();
            return true;
        }
        let mut found = false;
        for page in (offset..offset + bytes).step_by(1 << PAGE_SHIFT) {
            let low = (page >> PAGE_SHIFT) as usize % ENTRIES;
            for context in [Context::Privileged, Context::Problem] {
                for at in [low, low + ENTRIES] {
                    let entry = &mut self.entries[context as usize][at];
                    found |= entry.read != NEVER;
                    *entry = EMPTY;
                }
            }
        }
        found
    }

    /// Drops the right to store straight through to a real page; whether there was one.
    pub fn revoke_store(&mut self, real_page: u64) -> bool {
        let mut found = false;
        for entry in self.entries.iter_mut().flatten() {
            if entry.write != NEVER && entry.write.wrapping_add(entry.delta) >> PAGE_SHIFT == real_page {
                entry.write = NEVER;
                found = true;
            }
        }
        found
    }

    /// Drops every right to store straight through; the real pages that there were such rights to.
    pub fn revoke_all_stores(&mut self) -> Vec<u64> {
        let rights = self.entries.iter_mut().flatten().filter(|entry| entry.write != NEVER);
        rights
            .map(|entry| std::mem::replace(&mut entry.write, NEVER).wrapping_add(entry.delta) >> PAGE_SHIFT)
            .collect()
    }
}

/// What the table says of one virtual page of its segment's base size.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    /// Real address of the page's first byte.
    pub real: u64,
    /// Who may do what.
    pub protection: Protection,
    /// Nothing is fetched from it.
    pub no_execute: bool,
    /// The entry's C bit is set: stores need not tell the table.
    pub changed: bool,
}

#[derive(Clone, Copy)]
struct Cached {
    vsid: u64,
    /// Page number in the segment, and in the lowest bits its segment and base page size.
    page: u64,
    mapping: Mapping,
}

/// Entries of [`PageCache`].
pub(crate) const CACHED: usize = 4096;

/// Virtual pages, direct-mapped.
pub struct PageCache {
    pages: Box<[Option<Cached>]>,
}

impl Default for PageCache {
    fn default() -> Self {
        Self {
            pages: vec![None; CACHED].into_boxed_slice(),
        }
    }
}

fn page_key(page: Vpn) -> u64 {
    let base = match page.base() {
        PageSize::Size4K => 0,
        PageSize::Size64K => 1,
        PageSize::Size16M => 2,
    };
    let segment = match page.segment() {
        SegmentSize::Size256M => 0,
        SegmentSize::Size1T => 4,
    };
    ((page.offset() >> page.base().shift()) << 3) | segment | base
}

/// The page that was made into this key.
fn page_of(vsid: u64, key: u64) -> Vpn {
    let base = PageSize::ALL[key as usize & 3];
    let segment = match key & 4 {
        0 => SegmentSize::Size256M,
        _ => SegmentSize::Size1T,
    };
    Vpn::new(vsid, segment, base, (key >> 3) << base.shift())
}

fn page_slot(page: Vpn) -> usize {
    (page.hash() as usize ^ ((page.hash() >> 12) as usize)) % CACHED
}

impl PageCache {
    /// What is known of `page`.
    #[inline]
    pub fn get(&self, page: Vpn) -> Option<Mapping> {
        let cached = self.pages[page_slot(page)]?;
        (cached.vsid == page.vsid() && cached.page == page_key(page)).then_some(cached.mapping)
    }

    /// The page that is remembered at place `at`, counted round and round.
    pub fn at(&self, at: usize) -> Option<(Vpn, Mapping)> {
        self.pages[at % CACHED].map(|cached| (page_of(cached.vsid, cached.page), cached.mapping))
    }

    /// Remembers `page`.
    pub fn insert(&mut self, page: Vpn, mapping: Mapping) {
        self.pages[page_slot(page)] = Some(Cached {
            vsid: page.vsid(),
            page: page_key(page),
            mapping,
        });
    }

    /// Forgets all pages of the segment's base size inside the page of `actual` size around `page`.
    pub fn invalidate(&mut self, page: Vpn, actual: PageSize) {
        let count = 1u64 << (actual.shift() - page.base().shift().min(actual.shift()));
        if count >= CACHED as u64 {
            return self.clear();
        }
        let first = page.offset() & !actual.offset_mask();
        for n in 0..count {
            let page = Vpn::new(
                page.vsid(),
                page.segment(),
                page.base(),
                first + (n << page.base().shift()),
            );
            let slot = &mut self.pages[page_slot(page)];
            if slot.is_some_and(|cached| cached.vsid == page.vsid() && cached.page == page_key(page)) {
                *slot = None;
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.pages.fill(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unaligned_access_never_hits() {
        let mut tlb = Tlb::default();
        tlb.insert(Context::Real, 0x1000, 0x5000, true);
        assert_eq!(tlb.load(Context::Real, 0x1008, 8), Some(0x5008));
        assert_eq!(tlb.load(Context::Real, 0x1004, 8), None);
        assert_eq!(tlb.store(Context::Real, 0x1ffe, 2), Some(0x5ffe));
        assert_eq!(tlb.load(Context::Problem, 0x1008, 8), None);
    }

    #[test]
    fn a_virtual_page_is_dropped_at_every_effective_address() {
        let mut tlb = Tlb::default();
        tlb.insert(Context::Privileged, 0xc000_0000_1234_5000, 0x5000, true);
        tlb.insert(Context::Problem, 0x0000_0000_1234_5000, 0x5000, false);
        assert!(tlb.drop_virtual(0x1234_5000, 0x1000));
        assert_eq!(tlb.load(Context::Privileged, 0xc000_0000_1234_5000, 8), None);
        assert_eq!(tlb.load(Context::Problem, 0x1234_5000, 8), None);
        assert!(!tlb.drop_virtual(0x1234_5000, 0x1000));
    }

    #[test]
    fn a_revoked_page_can_still_be_loaded_from() {
        let mut tlb = Tlb::default();
        tlb.insert(Context::Privileged, 0xc000_0000_0000_1000, 0x1000, true);
        assert!(tlb.revoke_store(1));
        assert_eq!(tlb.store(Context::Privileged, 0xc000_0000_0000_1000, 8), None);
        assert_eq!(tlb.load(Context::Privileged, 0xc000_0000_0000_1000, 8), Some(0x1000));
    }

    #[test]
    fn a_remembered_page_is_found_at_its_place() {
        for base in PageSize::ALL {
            for segment in [SegmentSize::Size256M, SegmentSize::Size1T] {
                let mut cache = PageCache::default();
                let page = Vpn::new(0x1_2345, segment, base, 0x0765_4321_0000);
                let mapping = Mapping {
                    real: 0x5000,
                    protection: power::hpte::HpteR::default().protection(),
                    no_execute: false,
                    changed: true,
                };
                cache.insert(page, mapping);
                let all: Vec<_> = (0..CACHED).filter_map(|at| cache.at(at + CACHED)).collect();
                assert_eq!(all.len(), 1);
                assert_eq!((all[0].0, all[0].1.real), (page, 0x5000));
            }
        }
    }

    #[test]
    fn the_page_cache_forgets_every_base_page_of_a_larger_one() {
        let mut cache = PageCache::default();
        let mapping = Mapping {
            real: 0,
            protection: power::hpte::HpteR::default().protection(),
            no_execute: false,
            changed: true,
        };
        let page = |offset| Vpn::new(5, SegmentSize::Size1T, PageSize::Size4K, offset);
        for n in 0..32 {
            cache.insert(page(n << 12), mapping);
        }
        cache.invalidate(page(0x10000), PageSize::Size64K);
        assert!(cache.get(page(0xf000)).is_some());
        assert!((16..32).all(|n| cache.get(page(n << 12)).is_none()));
    }
}
