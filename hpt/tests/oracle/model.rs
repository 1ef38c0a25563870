//! The oracle: a table as LoPAR's prose and the Power ISA's describe it, in a map, one step at a time. Written
//! from the manuals with its own numbers, so that it shares no mistake with the crate.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

/// Return codes (LoPAR, Hypervisor Call Return Code Table).
pub(crate) const SUCCESS: i64 = 0;
pub(crate) const PARTIAL: i64 = 5;
pub(crate) const FUNCTION: i64 = -2;
pub(crate) const PARAMETER: i64 = -4;
pub(crate) const PTEG_FULL: i64 = -6;
pub(crate) const NOT_FOUND: i64 = -7;
pub(crate) const TOO_BIG: i64 = -64;
pub(crate) const CLOSED: i64 = 2;
pub(crate) const RESOURCE: i64 = -16;

/// Memory of the modelled machine: 64 MiB from 0.
pub(crate) const RAM_END: u64 = 0x0400_0000;
/// Device registers of the modelled machine: 128 KiB.
pub(crate) const DEVICE: u64 = 0x8000_0000;
pub(crate) const DEVICE_END: u64 = 0x8002_0000;

const LOW_SEVEN: u64 = 0x7f;
const R: u64 = 0x100;
const C: u64 = 0x80;

/// A virtual address's page: VSID, log2 of the segment, log2 of the base page, offset in the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Page {
    pub(crate) vsid: u64,
    pub(crate) segment: u32,
    pub(crate) base: u32,
    pub(crate) offset: u64,
}

/// What a walk finds: real address of the base page, log2 of the actual page, doubleword 1.
pub(crate) type Found = (u64, u32, u64);

/// The table: only valid entries.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) entries: BTreeMap<u64, (u64, u64)>,
    /// log2 of its size in bytes.
    pub(crate) shift: u64,
    /// The table that is prepared, by the same, and whether all bolted entries had a slot there at that time.
    pending: Option<(u64, bool)>,
    /// Any use of a page that permits stores counts as a store, as it maps the page for them.
    uses_store: bool,
}

/// log2 of the largest size in bytes that the table may have.
pub(crate) const LARGEST: u64 = 20;
/// Entries of that table. Steps name places in it; those of a smaller table are the same modulo its size.
pub(crate) const MOST_ENTRIES: u64 = entries_of(LARGEST);

/// Entries, of 16 bytes each.
const fn entries_of(shift: u64) -> u64 {
    1 << (shift - 4)
}

/// log2 of the base and actual sizes that L and LP name.
fn sizes(v: u64, r: u64) -> Option<(u32, u32)> {
    if v & 4 == 0 {
        return Some((12, 12));
    }
    let lp = r >> 12 & 0xff;
    match (lp, lp & 15) {
        (0x00, _) => Some((24, 24)),
        (0x38, _) => Some((12, 24)),
        (0x08, _) => Some((16, 24)),
        (_, 1) => Some((16, 16)),
        (_, 7) => Some((12, 16)),
        _ => None,
    }
}

/// Bits 4 to 51 of doubleword 1 without those that lie inside the page.
fn real_of(r: u64, actual: u32) -> u64 {
    (r & 0x0fff_ffff_ffff_f000) >> actual << actual
}

/// Whether a byte is in both.
fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start.max(other.start) < one.end.min(other.end)
}

/// Whether what a walk found leads to a byte of `range`.
pub(crate) fn leads_into(found: &Found, range: &Range<u64>) -> bool {
    let &(real, actual, _) = found;
    let start = real >> actual << actual;
    overlap(&(start..start + (1 << actual)), range)
}

/// Base, actual and segment size, and the number of a block of eight pages.
type Block = ((u32, u32, u64), u128);

/// The virtual address divided by the base page size of an entry with doubleword 0 `v` in slot `ptex`: what the AVPN
/// lacks is tried until the hash leads there.
fn page_number(ptex: u64, v: u64, base: u32) -> u128 {
    let ava = u128::from(v >> 7 & ((1 << 55) - 1)) << 23 >> base << base;
    let lacking = 1_u64 << 23_u32.saturating_sub(base);
    let leads_there = |va: &u128| {
        let segment = if v >> 62 == 1 { 40 } else { 28 };
        let (vsid, offset) = ((va >> segment) as u64, *va as u64 & ((1 << segment) - 1));
        let hash = vsid ^ offset >> base ^ if segment == 40 { vsid << 25 } else { 0 };
        let hash = if v & 2 == 0 { hash } else { !hash };
        hash % lacking == ptex / 8 % lacking
    };
    let mut pages = (0..u128::from(lacking)).map(|number| ava | number << base);
    pages.find(leads_there).expect("as many pages as hashes") >> base
}

/// The page of an entry with these doublewords in slot `ptex`.
fn page_of(ptex: u64, v: u64, r: u64) -> Page {
    let (base, _) = sizes(v, r).expect("entered");
    let segment = if v >> 62 == 1 { 40 } else { 28 };
    let va = page_number(ptex, v, base) << base;
    Page {
        vsid: (va >> segment) as u64,
        segment,
        base,
        offset: va as u64 & ((1 << segment) - 1),
    }
}

/// The primary hash (Power ISA, Book III, 5.7.9.2).
fn hash_of(page: Page) -> u64 {
    let hash = page.vsid ^ page.offset >> page.base;
    if page.segment == 40 {
        hash ^ page.vsid << 25
    } else {
        hash
    }
}

impl Model {
    /// An empty table; `uses_store` if its walkers map for stores whatever they were asked for.
    pub(crate) fn new(uses_store: bool) -> Self {
        Self {
            entries: BTreeMap::new(),
            shift: 18,
            pending: None,
            uses_store,
        }
    }

    /// Entries of the table.
    fn count(&self) -> u64 {
        entries_of(self.shift)
    }

    /// `ptex` of the largest table in this one; what is in neither stays what it is.
    pub(crate) fn fit(&self, ptex: u64) -> u64 {
        if ptex < MOST_ENTRIES { ptex % self.count() } else { ptex }
    }

    /// The same for the low 56 bits of a specifier.
    pub(crate) fn fit_specifier(&self, word: u64) -> u64 {
        let ptex = !0 >> 8;
        word & !ptex | self.fit(word & ptex)
    }

    pub(crate) fn enter(&mut self, flags: u64, ptex: u64, v: u64, r: u64) -> (i64, u64) {
        let known = 1 << 39 | 3 << 22 | 1 << 15 | 0b11 << 6 | 0b11111 << 17 | 0xf << 32;
        if flags & !known != 0 || ptex >= self.count() || v >> 63 == 1 {
            return (PARAMETER, 0);
        }
        let Some((_, actual)) = sizes(v, r) else {
            return (PARAMETER, 0);
        };
        // A 16 MiB page's number may have no bits below 16 MiB, but for the size encoding in LP.
        if actual == 24 && r & 0x00f0_0000 != 0 {
            return (PARAMETER, 0);
        }
        let first = real_of(r, actual);
        let last = first as u128 + (1u128 << actual);
        let wimg = r >> 3 & 0xf;
        let legal = if last <= RAM_END as u128 {
            wimg == 0b0010
        } else {
            first >= DEVICE && last <= DEVICE_END as u128 && wimg >> 2 == 0b01
        };
        if !legal {
            return (PARAMETER, 0);
        }
        if actual > 16 && flags & (3 << 22 | 1 << 15) != 0 {
            return (TOO_BIG, 0);
        }
        if flags & 0x80 != 0 {
            return (FUNCTION, 0);
        }
        let exact = flags >> 39 & 1 == 1;
        let slots = if exact {
            ptex..ptex + 1
        } else {
            ptex / 8 * 8..ptex / 8 * 8 + 8
        };
        for slot in slots {
            if let Entry::Vacant(free) = self.entries.entry(slot) {
                free.insert((v & !0x60 | 1, r & !(1 << 62)));
                return (SUCCESS, slot);
            }
        }
        (PTEG_FULL, 0)
    }

    fn matches(&self, ptex: u64, avpn: Option<u64>, andcond: Option<u64>) -> bool {
        let Some((v, _)) = self.entries.get(&ptex) else {
            return false;
        };
        avpn.is_none_or(|avpn| v & !LOW_SEVEN == avpn) && andcond.is_none_or(|bits| v & bits == 0)
    }

    pub(crate) fn remove(&mut self, flags: u64, ptex: u64, avpn: u64) -> (i64, u64, u64) {
        if flags & !(3 << 30 | 3 << 6 | 0xf << 32) != 0 || ptex >= self.count() {
            return (PARAMETER, 0, 0);
        }
        let by_avpn = (flags >> 31 & 1 == 1).then_some(avpn);
        let by_andcond = (flags >> 30 & 1 == 1).then_some(avpn);
        if !self.matches(ptex, by_avpn, by_andcond) {
            return (NOT_FOUND, 0, 0);
        }
        if flags & 0x80 != 0 {
            return (FUNCTION, 0, 0);
        }
        let (v, r) = self.entries.remove(&ptex).expect("matched");
        (SUCCESS, v, r)
    }

    pub(crate) fn bulk_remove(&mut self, specifiers: &mut [(u64, u64); 4]) -> i64 {
        for (high, low) in specifiers {
            let (kind, mode, ptex) = (*high >> 62, *high >> 56 & 3, *high & !0 >> 8);
            let mut answer = |byte: u64| *high = byte << 56 | mode << 56 | ptex;
            if kind == 3 {
                break;
            }
            if kind != 1 || mode == 3 || ptex >= self.count() {
                answer(0xa0);
                return PARAMETER;
            }
            let (avpn, andcond) = ((mode == 2).then_some(*low), (mode == 1).then_some(*low));
            if self.matches(ptex, avpn, andcond) {
                let (_, r) = self.entries.remove(&ptex).expect("matched");
                answer(0x80 | u64::from(r & R != 0) << 3 | u64::from(r & C != 0) << 2);
            } else {
                answer(0x90);
            }
        }
        SUCCESS
    }

    /// Each specifier is a control byte and a 56-bit index. Nothing is held by others, so that busy is only what the call
    /// itself has taken.
    pub(crate) fn block_remove(&mut self, ava: u64, specifiers: &mut [u64; 8]) -> i64 {
        let end = specifiers.iter().position(|word| word >> 62 == 3).unwrap_or(8);
        if specifiers[..end].iter().any(|word| word >> 62 != 1) {
            return PARAMETER;
        }
        let mut anchor = None;
        let mut taken: Vec<(usize, u64)> = Vec::new();
        for (number, word) in specifiers[..end].iter_mut().enumerate() {
            let ptex = *word & !0 >> 8;
            let code = if taken.iter().any(|(_, other)| *other == ptex) {
                4
            } else {
                match self.block_check(ava, *word, anchor) {
                    Ok(block) => {
                        anchor = Some(block);
                        taken.push((number, ptex));
                        continue;
                    }
                    Err(code) => code,
                }
            };
            *word = 0x80 << 56 | code << 59 | *word & !0 >> 7;
        }
        for &(number, ptex) in &taken {
            let (_, r) = self.entries.remove(&ptex).expect("looked at above");
            let marks = u64::from(r & R != 0) << 2 | u64::from(r & C != 0) << 1;
            specifiers[number] = (0x80 | marks) << 56 | specifiers[number] & !0 >> 7;
        }
        if taken.len() == end { SUCCESS } else { PARTIAL }
    }

    /// What a specifier's entry has in common with its block: sizes, segment, number of the eight pages. `Err` is bits 2 to 4 of
    /// the response.
    fn block_check(&self, ava: u64, word: u64, anchor: Option<Block>) -> Result<Block, u64> {
        let ptex = word & !0 >> 8;
        if ptex >= self.count() {
            return Err(2);
        }
        let &(v, r) = self.entries.get(&ptex).filter(|(v, _)| v & 0x10 == 0).ok_or(1_u64)?;
        let (base, actual) = sizes(v, r).expect("entered");
        if base == 24 {
            return Err(2);
        }
        if word >> 56 & 1 == 1 && v & !LOW_SEVEN != ava {
            return Err(1);
        }
        let own = ((base, actual, v >> 62), page_number(ptex, v, base) >> 3);
        match anchor {
            Some((sizes, _)) if sizes != own.0 => Err(3),
            Some((_, block)) if block != own.1 => Err(5),
            _ if word >> 60 & 3 == 1 => Err(2),
            _ => Ok(own),
        }
    }

    /// Takes out what is there, in the order asked.
    pub(crate) fn evict(&mut self, ptexes: &[u64]) -> Vec<(u64, (u64, u64))> {
        let gone = |ptex: &u64| Some((*ptex, self.entries.remove(ptex)?));
        ptexes.iter().filter_map(gone).collect()
    }

    /// The bolted entries where they belong in a table of 2^`shift` bytes, each in its slot of its group; `None` if two need one.
    fn moved(&self, shift: u64) -> Option<BTreeMap<u64, (u64, u64)>> {
        let mut moved = BTreeMap::new();
        for (&ptex, &(v, r)) in self.entries.iter().filter(|(_, (v, _))| v & 0x10 != 0) {
            let hash = hash_of(page_of(ptex, v, r));
            let hash = if v & 2 == 0 { hash } else { !hash };
            let at = hash % (entries_of(shift) / 8) * 8 + ptex % 8;
            if moved.insert(at, (v, r)).is_some() {
                return None;
            }
        }
        Some(moved)
    }

    /// What H_RESIZE_HPT_PREPARE answers when it is done.
    pub(crate) fn prepare(&mut self, flags: u64, shift: u64) -> i64 {
        if flags != 0 || self.pending.is_none_or(|(pending, _)| pending != shift) {
            self.pending = None;
            match shift {
                _ if flags != 0 => return PARAMETER,
                0 => return SUCCESS,
                18..=46 if shift > LARGEST => return RESOURCE,
                18..=46 => self.pending = Some((shift, self.moved(shift).is_some())),
                _ => return PARAMETER,
            }
        }
        if self.pending.is_some_and(|(_, fits)| fits) {
            SUCCESS
        } else {
            PTEG_FULL
        }
    }

    pub(crate) fn commit(&mut self, flags: u64, shift: u64) -> i64 {
        match self.pending {
            Some((pending, fits)) if flags == 0 && pending == shift => {
                let Some(moved) = self.moved(shift).filter(|_| fits) else {
                    return PTEG_FULL;
                };
                (self.entries, self.shift, self.pending) = (moved, shift, None);
                SUCCESS
            }
            _ => CLOSED,
        }
    }

    /// How many other entries map the page of the one at `ptex`.
    pub(crate) fn duplicates_of(&self, ptex: u64) -> usize {
        let (v, r) = self.entries[&ptex];
        let page = page_of(ptex, v, r);
        self.candidates(page).iter().filter(|(at, _)| *at != ptex).count()
    }

    pub(crate) fn protect(&mut self, flags: u64, ptex: u64, avpn: u64) -> i64 {
        if flags & !(1 << 31 | 0x3f00 | 7 | 0xf << 32) != 0 || ptex >= self.count() {
            return PARAMETER;
        }
        if !self.matches(ptex, (flags >> 31 & 1 == 1).then_some(avpn), None) {
            return NOT_FOUND;
        }
        let (_, r) = self.entries.get_mut(&ptex).expect("matched");
        *r &= !(1 << 63 | 3 << 60 | 0xe00 | 7 | R);
        *r |= (flags >> 8 & 1) << 63 | (flags >> 12 & 3) << 60 | flags & 0xe00 | flags & 7;
        SUCCESS
    }

    pub(crate) fn read(&self, flags: u64, ptex: u64) -> (i64, Vec<(u64, u64)>) {
        if flags & !(3 << 37 | 0xf << 32) != 0 || ptex >= self.count() {
            return (PARAMETER, vec![]);
        }
        let four = flags >> 37 & 1 == 1;
        let range = if four {
            ptex & !3..(ptex & !3) + 4
        } else {
            ptex..ptex + 1
        };
        (
            SUCCESS,
            range
                .map(|at| self.entries.get(&at).copied().unwrap_or_default())
                .collect(),
        )
    }

    /// H_CLEAR_REF with `bit` R, H_CLEAR_MOD with C.
    pub(crate) fn clear(&mut self, flags: u64, ptex: u64, bit: u64) -> (i64, u64) {
        if flags & !(0xf << 32) != 0 || ptex >= self.count() {
            return (PARAMETER, 0);
        }
        let Some((_, r)) = self.entries.get_mut(&ptex) else {
            return (NOT_FOUND, 0);
        };
        let old = *r;
        *r &= !bit;
        (SUCCESS, old)
    }

    /// How many entries map a byte of `range`, which is memory, and how many of those have R clear.
    pub(crate) fn mapping(&self, range: &Range<u64>) -> (u64, u64) {
        let (mut all, mut unused) = (0, 0);
        for &(v, r) in self.entries.values() {
            let Some((_, actual)) = sizes(v, r) else { continue };
            let start = real_of(r, actual);
            let is_memory = start + (1 << actual) <= RAM_END;
            if is_memory && overlap(&(start..start + (1 << actual)), range) {
                all += 1;
                unused += u64::from(r & R == 0);
            }
        }
        (all, unused)
    }

    /// Every valid entry that maps `page`, primary group first.
    pub(crate) fn candidates(&self, page: Page) -> Vec<(u64, Found)> {
        let va = (page.vsid as u128) << page.segment | page.offset as u128;
        let hash = hash_of(page);
        let mut found = Vec::new();
        for (secondary, hash) in [(0, hash), (2, !hash)] {
            let group = hash % (self.count() / 8) * 8;
            for (&at, &(v, r)) in self.entries.range(group..group + 8) {
                let Some((base, actual)) = sizes(v, r) else {
                    continue;
                };
                // Bits 2 to 56 are the virtual address's bits down to bit 23, or to the page's end.
                let shift = page.base.max(23);
                let same_ava = (v >> 7 & ((1 << 55) - 1)) >> (shift - 23) == (va >> shift) as u64;
                let same_segment = v >> 62 == u64::from(page.segment == 40);
                if base == page.base && same_ava && same_segment && v & 2 == secondary {
                    let inside = page.offset & ((1 << actual) - 1) & !((1 << page.base) - 1);
                    found.push((at, (real_of(r, actual) | inside, actual, r)));
                }
            }
        }
        found
    }

    /// Loads (0), stores (1) or fetches (2) under `key`; `Err` names the fault by its number.
    pub(crate) fn walk(&mut self, page: Page, access: u8, key: bool) -> Result<Found, u8> {
        let &(at, (real, actual, r)) = self.candidates(page).first().ok_or(0)?;
        let pp = r >> 63 << 2 | r & 3;
        if self.uses_store {
            return self.walk_late((at, (real, actual, r)), access, pp, key);
        }
        if access == 2 && r & 0xc != 0 {
            return Err(2);
        }
        // Power ISA, PP Bit Protection States: key 0 and key 1, as load and store rights.
        let rights = match (pp, key) {
            (0..=2, false) | (2, true) => "ls",
            (3, _) | (6, false) | (1, true) => "l",
            _ => "",
        };
        if !rights.contains(if access == 1 { 's' } else { 'l' }) {
            return Err(1);
        }
        let r = r | R | if access == 1 { C } else { 0 };
        self.entries.get_mut(&at).expect("a candidate").1 = r;
        Ok((real, actual, r))
    }

    /// The same where a page counts as used if any access to it is allowed, whatever was asked for, and as stored to if a store is
    /// under some key.
    fn walk_late(&mut self, found: (u64, Found), access: u8, pp: u64, key: bool) -> Result<Found, u8> {
        let (at, (real, actual, r)) = found;
        let stores = pp < 2 && !key || pp == 2;
        let loads = stores || pp == 3 || pp == 6 && !key || pp == 1;
        let no_execute = r & 0xc != 0;
        let marks = match (loads, pp <= 2) {
            (true, true) => R | C,
            (true, false) => R,
            (false, _) => 0,
        };
        self.entries.get_mut(&at).expect("a candidate").1 = r | marks;
        match access {
            2 if no_execute => Err(2),
            1 if !stores => Err(1),
            _ if !loads => Err(1),
            // What is mapped.
            _ => Ok((real, actual, r & !C | R | if stores { C } else { 0 })),
        }
    }
}
