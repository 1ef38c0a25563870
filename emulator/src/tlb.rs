//! Translation caches of one processor.
//!
//! [`Tlb`] is by effective address, in pages of 4 KiB, and is what a load or store looks at first.
//! [`PageCache`] is by virtual page, so that it outlives `slbie` and `slbmte`; it stands between
//! the first and the table. Both are shadows of the table: the shootdown protocol drops entries.

use power::hpte::Protection;
use power::page::{PageSize, Vpn};
use power::slb::SlbEntry;

use crate::authority::{Classes, Denied, class, members};
use crate::counts::Trailed;
use crate::trail::{PLACES, Trail};

/// log2 of the granule of [`Tlb`].
const PAGE_SHIFT: u32 = 12;
const PAGE_MASK: u64 = !0xfff;
/// Address bits that every effective address of a virtual page has, as far as they name a 4 KiB page.
const SEGMENT_PAGE: u64 = 0x0fff_f000;
/// Entries per context.
const ENTRIES: usize = 2048;
/// Those of the translated contexts are places of a trail.
const _: () = assert!(2 * ENTRIES == PLACES);
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
    /// Of the segment that translated it: pages of other segments share the low bits.
    vsid: u64,
}

impl Entry {
    /// Page address, if anything may go straight through.
    fn page(&self) -> Option<u64> {
        [self.read, self.write].into_iter().find(|&page| page != NEVER)
    }
}

/// A page that accesses go straight through to, or one that no address is in.
#[derive(Clone, Copy)]
pub struct Open {
    /// Page address.
    page: u64,
    /// Real address less effective address.
    delta: u64,
}

impl Open {
    /// The real address of an access of `bytes` (a power of two) at `ea`. `None`: not in this page, or not aligned.
    #[inline(always)]
    pub fn real(self, ea: u64, bytes: u64) -> Option<u64> {
        (self.page == ea & (PAGE_MASK | (bytes - 1))).then(|| ea.wrapping_add(self.delta))
    }
}

/// A class has a trail as an SLB entry has one.
const _: () = assert!(crate::slb::ENTRIES >= Classes::BITS as usize);

/// What may go straight through to a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Straight {
    /// Loads; stores are looked at each time.
    Loads,
    /// Stores; loads are looked at each time.
    Stores,
    /// Either.
    Both,
}

const EMPTY: Entry = Entry {
    read: NEVER,
    write: NEVER,
    delta: 0,
    vsid: 0,
};

/// Through what a page was translated.
#[derive(Clone, Copy, Debug)]
pub struct Through {
    /// Number of the SLB entry.
    pub entry: usize,
    /// Its VSID.
    pub vsid: u64,
    /// Class key of the page.
    pub key: u8,
}

/// Effective pages, direct-mapped, per context. What was translated through an SLB entry goes when that entry goes.
pub struct Tlb {
    entries: Box<[[Entry; ENTRIES]; 3]>,
    trail: Trail,
    /// What the entries of each context do not permit.
    denied: [Denied; 3],
    /// For each translated context the places that were filled with pages of each class. `None`: nothing was ever denied.
    classes: Option<Box<[Pages; 2]>>,
}

/// Where the pages of each class are, in one context.
#[derive(Default)]
struct Pages {
    trail: Trail,
    /// Classes of which there may be one.
    present: Classes,
}

impl Default for Tlb {
    fn default() -> Self {
        Self {
            entries: Box::new([[EMPTY; ENTRIES]; 3]),
            trail: Trail::default(),
            denied: [Denied::default(); 3],
            classes: None,
        }
    }
}

#[inline(always)]
fn slot(ea: u64) -> usize {
    (ea >> PAGE_SHIFT) as usize % ENTRIES
}

/// Where machine code finds an entry, in bytes.
pub mod layout {
    use std::mem::{offset_of, size_of};

    use super::{Entry, Tlb};

    /// The pointer to the entries: those of each context one after the other.
    pub const ENTRIES_AT: usize = offset_of!(Tlb, entries);
    pub const ENTRIES: usize = super::ENTRIES;
    pub const ENTRY_BYTES: usize = size_of::<Entry>();
    pub const READ: usize = offset_of!(Entry, read);
    pub const WRITE: usize = offset_of!(Entry, write);
    pub const DELTA: usize = offset_of!(Entry, delta);
    pub const PAGE_SHIFT: u32 = super::PAGE_SHIFT;
    pub const PAGE_MASK: u64 = super::PAGE_MASK;
}

/// The place of a slot in the trail. Real mode needs none.
fn place(context: Context, slot: usize) -> Option<usize> {
    Some((context as usize).checked_sub(1)? * ENTRIES + slot)
}

impl Tlb {
    /// The real address of a load of `bytes` (a power of two) at `ea`. `None`: not here, or not aligned.
    #[inline(always)]
    pub fn load(&self, context: Context, ea: u64, bytes: u64) -> Option<u64> {
        self.loads(context, ea).real(ea, bytes)
    }

    /// The page that loads around `ea` go straight through to, if that is the page of `ea`.
    #[inline(always)]
    pub fn loads(&self, context: Context, ea: u64) -> Open {
        let entry = &self.entries[context as usize][slot(ea)];
        Open {
            page: entry.read,
            delta: entry.delta,
        }
    }

    /// The real address of a store of `bytes` (a power of two) at `ea`. `None`: not here, or not aligned.
    #[inline(always)]
    pub fn store(&self, context: Context, ea: u64, bytes: u64) -> Option<u64> {
        self.stores(context, ea).real(ea, bytes)
    }

    /// The page that stores around `ea` go straight through to, if that is the page of `ea`.
    #[inline(always)]
    pub fn stores(&self, context: Context, ea: u64) -> Open {
        let entry = &self.entries[context as usize][slot(ea)];
        Open {
            page: entry.write,
            delta: entry.delta,
        }
    }

    /// Whether the entry that [`Self::insert`] would replace lets stores go straight through.
    #[inline]
    pub fn may_drop_right(&self, context: Context, ea: u64) -> bool {
        self.entries[context as usize][slot(ea)].write != NEVER
    }

    /// Puts in the page of `ea`, which is at `real` (any address of the page). In real mode it was not translated
    /// `through` anything. Whether another page had to go for it.
    pub fn insert(
        &mut self,
        context: Context,
        ea: u64,
        real: u64,
        straight: Straight,
        through: Option<Through>,
    ) -> bool {
        if let Some(place) = place(context, slot(ea))
            && let Some(through) = through
        {
            self.trail.note(through.entry, place);
            if let Some(classes) = &mut self.classes {
                let pages = &mut classes[context as usize - 1];
                pages.trail.note(through.key.into(), place);
                pages.present |= class(through.key);
            }
        }
        let page = ea & PAGE_MASK;
        let delta = (real & PAGE_MASK).wrapping_sub(page);
        let (read, write) = match straight {
            Straight::Loads => (page, NEVER),
            Straight::Stores => (NEVER, page),
            Straight::Both => (page, page),
        };
        let entry = Entry {
            read,
            write,
            delta,
            vsid: through.map_or(0, |through| through.vsid),
        };
        let old = std::mem::replace(&mut self.entries[context as usize][slot(ea)], entry);
        old.page().is_some_and(|old| old != page)
    }

    /// Drops what was translated through SLB entry number `entry`, which was `old`.
    pub fn drop_segment(&mut self, entry: usize, old: &SlbEntry) -> Trailed {
        let entries = &mut self.entries;
        let mut trailed = Trailed::default();
        self.trail.take(entry, |place| {
            let entry = &mut entries[1 + place / ENTRIES][place % ENTRIES];
            // An entry of another segment may have been put there since.
            let is_of_segment = entry.page().is_some_and(|page| old.matches(page));
            if is_of_segment {
                *entry = EMPTY;
            }
            trailed.note(is_of_segment);
        });
        trailed
    }

    /// Whether the entries of `context` permit nothing of what is `denied`.
    #[inline(always)]
    pub fn obeys(&self, context: Context, denied: Denied) -> bool {
        self.denied[context as usize] == denied
    }

    /// The classes of which `context` may have pages with entries that permit what is `denied`. As long as nobody has noted which page is
    /// of which class, that is all of them.
    pub fn disobedient(&self, context: Context, denied: Denied) -> Classes {
        let Some(translated) = (context as usize).checked_sub(1) else {
            return 0;
        };
        match &self.classes {
            Some(classes) => classes[translated].present & denied.data_since(self.denied[context as usize]),
            None => Classes::MAX,
        }
    }

    /// Drops those entries from `context`. From now on others may be put in.
    pub fn obey(&mut self, context: Context, denied: Denied) {
        let gone = self.disobedient(context, denied);
        self.denied[context as usize] = denied;
        if gone == 0 {
            return;
        }
        let Some(classes) = &mut self.classes else {
            self.flush_translated();
            self.classes = Some(Box::default());
            return;
        };
        let (pages, entries) = (&mut classes[context as usize - 1], &mut self.entries[context as usize]);
        pages.present &= !gone;
        for key in members(gone) {
            // A page of another class may have been put there since: it is put there again when it is used.
            pages.trail.take(key.into(), |place| entries[place % ENTRIES] = EMPTY);
        }
    }

    /// Drops every translated page.
    pub fn flush_translated(&mut self) {
        self.entries[Context::Privileged as usize].fill(EMPTY);
        self.entries[Context::Problem as usize].fill(EMPTY);
        self.trail.clear();
        if let Some(classes) = &mut self.classes {
            **classes = Default::default();
        }
    }

    /// Drops every page of real mode.
    pub fn flush_real(&mut self) {
        self.entries[Context::Real as usize].fill(EMPTY);
    }

    /// Drops what may translate the `bytes` around `page`; whether anything was there.
    ///
    /// Which effective address a virtual page has is not known here, but the low 28 bits agree: so
    /// its slot is known in every context.
    pub fn drop_virtual(&mut self, page: Vpn, bytes: u64) -> bool {
        if bytes >> PAGE_SHIFT >= ENTRIES as u64 {
            self.flush_translated();
            return true;
        }
        let mut found = false;
        let first = page.offset() & !(bytes - 1);
        for offset in (first..first + bytes).step_by(1 << PAGE_SHIFT) {
            for context in [Context::Privileged, Context::Problem] {
                let entry = &mut self.entries[context as usize][slot(offset)];
                let is_at = |at: u64| (at ^ offset) & SEGMENT_PAGE == 0;
                if entry.vsid == page.vsid() && entry.page().is_some_and(is_at) {
                    *entry = EMPTY;
                    found = true;
                }
            }
        }
        found
    }

    /// Whether [`Self::drop_virtual`] may drop a right to store straight through. It is looked for in one page only: in more, to look costs more
    /// than it saves.
    pub fn may_drop_rights(&self, page: Vpn, bytes: u64) -> bool {
        let may_drop = |context| self.may_drop_right(context, page.offset());
        bytes > 1 << PAGE_SHIFT || [Context::Privileged, Context::Problem].into_iter().any(may_drop)
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
    /// Class key.
    pub key: u8,
}

#[derive(Clone, Copy)]
struct Cached {
    page: Vpn,
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

fn page_slot(page: Vpn) -> usize {
    (page.hash() as usize ^ ((page.hash() >> 12) as usize)) % CACHED
}

impl PageCache {
    /// What is known of `page`.
    #[inline]
    pub fn get(&self, page: Vpn) -> Option<Mapping> {
        let cached = self.pages[page_slot(page)]?;
        (cached.page == page).then_some(cached.mapping)
    }

    /// The page that is remembered at place `at`, counted round and round.
    pub fn at(&self, at: usize) -> Option<(Vpn, Mapping)> {
        self.pages[at % CACHED].map(|cached| (cached.page, cached.mapping))
    }

    /// Remembers `page`. Whether another page had to go for it.
    pub fn insert(&mut self, page: Vpn, mapping: Mapping) -> bool {
        let old = self.pages[page_slot(page)].replace(Cached { page, mapping });
        old.is_some_and(|old| old.page != page)
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
            if slot.is_some_and(|cached| cached.page == page) {
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
    use power::page::SegmentSize;

    use super::*;

    #[test]
    fn an_unaligned_access_never_hits() {
        let mut tlb = Tlb::default();
        tlb.insert(Context::Real, 0x1000, 0x5000, Straight::Both, None);
        assert_eq!(tlb.load(Context::Real, 0x1008, 8), Some(0x5008));
        assert_eq!(tlb.load(Context::Real, 0x1004, 8), None);
        assert_eq!(tlb.store(Context::Real, 0x1ffe, 2), Some(0x5ffe));
        assert_eq!(tlb.load(Context::Problem, 0x1008, 8), None);
    }

    fn page(vsid: u64, offset: u64) -> Vpn {
        Vpn::new(vsid, SegmentSize::Size256M, PageSize::Size4K, offset)
    }

    fn through(entry: usize, vsid: u64) -> Option<Through> {
        Some(Through { entry, vsid, key: 0 })
    }

    #[test]
    fn a_page_that_only_stores_go_straight_to_goes_as_others_do() {
        let mut tlb = Tlb::default();
        let old = SlbEntry::from_registers(0x7000, 0x1000_0000 | 1 << 27).unwrap();
        let insert = |tlb: &mut Tlb| tlb.insert(Context::Problem, 0x1000_5000, 0x5000, Straight::Stores, through(3, 7));
        insert(&mut tlb);
        assert_eq!(tlb.load(Context::Problem, 0x1000_5000, 8), None);
        assert_eq!(tlb.store(Context::Problem, 0x1000_5000, 8), Some(0x5000));
        tlb.drop_segment(3, &old);
        assert_eq!(tlb.store(Context::Problem, 0x1000_5000, 8), None);
        insert(&mut tlb);
        assert!(tlb.drop_virtual(page(7, 0x5000), 0x1000));
        assert_eq!(tlb.store(Context::Problem, 0x1000_5000, 8), None);
    }

    #[test]
    fn a_virtual_page_is_dropped_at_every_effective_address() {
        let mut tlb = Tlb::default();
        let (kernel, user) = (0xc000_0000_1234_5000, 0x0000_0000_2234_5000);
        tlb.insert(Context::Privileged, kernel, 0x5000, Straight::Both, through(0, 7));
        tlb.insert(Context::Problem, user, 0x5000, Straight::Loads, through(1, 7));
        assert!(!tlb.drop_virtual(page(8, 0x0234_5000), 0x1000));
        assert!(tlb.drop_virtual(page(7, 0x0234_5000), 0x1000));
        assert_eq!(tlb.load(Context::Privileged, kernel, 8), None);
        assert_eq!(tlb.load(Context::Problem, user, 8), None);
        assert!(!tlb.drop_virtual(page(7, 0x0234_5000), 0x1000));
    }

    #[test]
    fn what_a_segment_translated_goes_with_it_and_the_rest_stays() {
        let mut tlb = Tlb::default();
        let old = SlbEntry::from_registers(0x7000, 0x1000_0000 | 1 << 27).unwrap();
        tlb.insert(Context::Problem, 0x1000_5000, 0x5000, Straight::Both, through(3, 7));
        tlb.insert(Context::Privileged, 0x1000_5000, 0x5000, Straight::Both, through(3, 7));
        tlb.insert(Context::Problem, 0x1000_6000, 0x6000, Straight::Both, through(3, 7));
        // Pushes one of them out.
        tlb.insert(Context::Problem, 0x2000_6000, 0x7000, Straight::Both, through(4, 8));
        tlb.insert(Context::Real, 0x1000_5000, 0x5000, Straight::Both, None);
        tlb.drop_segment(3, &old);
        assert_eq!(tlb.load(Context::Problem, 0x1000_5000, 8), None);
        assert_eq!(tlb.load(Context::Privileged, 0x1000_5000, 8), None);
        assert_eq!(tlb.load(Context::Problem, 0x2000_6000, 8), Some(0x7000));
        assert_eq!(tlb.load(Context::Real, 0x1000_5000, 8), Some(0x5000));
    }

    #[test]
    fn what_has_come_to_be_denied_is_dropped_and_the_rest_stays() {
        let mut tlb = Tlb::default();
        let of_key = |key| Some(Through { entry: 1, vsid: 7, key });
        let closed = Denied::by(0x4000 << 48, 0);
        // Nobody has noted which page is of which class until something is denied.
        tlb.insert(Context::Privileged, 0x1000_1000, 0x1000, Straight::Both, of_key(0));
        tlb.obey(Context::Privileged, closed);
        assert_eq!(tlb.load(Context::Privileged, 0x1000_1000, 8), None);
        tlb.obey(Context::Privileged, Denied::default());
        for context in [Context::Privileged, Context::Problem] {
            tlb.insert(context, 0x1000_1000, 0x1000, Straight::Both, of_key(0));
            tlb.insert(context, 0x1000_2000, 0x2000, Straight::Both, of_key(3));
        }
        tlb.obey(Context::Privileged, closed);
        assert!(tlb.obeys(Context::Privileged, closed) && !tlb.obeys(Context::Problem, closed));
        assert_eq!(tlb.load(Context::Privileged, 0x1000_1000, 8), None);
        assert_eq!(tlb.load(Context::Privileged, 0x1000_2000, 8), Some(0x2000));
        assert_eq!(tlb.load(Context::Problem, 0x1000_1000, 8), Some(0x1000));
    }

    #[test]
    fn a_revoked_page_can_still_be_loaded_from() {
        let mut tlb = Tlb::default();
        tlb.insert(
            Context::Privileged,
            0xc000_0000_0000_1000,
            0x1000,
            Straight::Both,
            through(0, 1),
        );
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
                    key: 0,
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
            key: 0,
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
