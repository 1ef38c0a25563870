//! The walk: from a virtual page to a real one, without a lock, while writers change the table.
//!
//! The protocol is the table at the top of `table.rs` (steps R1 to R5). A walker of a processor is
//! between `enter` and `leave` of its [`Seat`](crate::Seat). Writers of entries that are in use wait for it if they find the
//! page in its [`Footprint`], so it notes the page before it uses an entry, and also as soon as one changes under
//! it: from then on each of them makes one more change at most. Changes of entries that nobody uses wait for nobody, so
//! the number of tries is bounded as well; then the page is not found.

use power::hpte::{HPTES_PER_GROUP, HpteR, HpteV, Protection};
use power::page::{PagePair, PageSize, Vpn};

use crate::changes::SPILLED;
use crate::points;
use crate::sync::{AtomicU64, Ordering, fence};
use crate::table::load;
use crate::{Footprint, Table};

/// What a processor is about to do at the address that it translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Load.
    Load,
    /// Store; sets C.
    Store,
    /// Fetch an instruction.
    Fetch,
}

/// What a walk found: where a virtual page (of its segment's base size) really is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Real address of the first byte of the page that was asked for, which may be a part of a
    /// larger one.
    pub real: u64,
    /// Size of the page that the entry maps.
    pub actual: PageSize,
    /// The entry's protection, for other accesses through the same translation.
    pub protection: Protection,
    /// Nothing may be fetched from the page (N or G).
    pub no_execute: bool,
    /// W, I, M and G, W most significant.
    pub wimg: u8,
    /// C is set: a store may go through this translation without another walk.
    pub changed: bool,
    /// Class key, which the walk does not look at: what is denied to its class stands in registers.
    pub key: u8,
}

/// Why a walk found no translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WalkFault {
    /// No entry maps the page.
    NotFound,
    /// PP and the storage key forbid the access.
    Protection,
    /// The page is no-execute or guarded, and the access a fetch.
    NoExecute,
}

/// Times that a walk starts again because entries changed under it. Each time costs a writer more than it costs the
/// walker: a walk whose own page stays as it is does not come near.
const RETRIES: u32 = 1024;

enum Group<'t> {
    Found(Found<'t>),
    /// No entry of it maps the page; whether entries of its pages, or of other groups', lie in their second group.
    Empty {
        spilled: bool,
    },
    /// An entry changed while it was read.
    Changed,
}

/// An entry that maps the page.
struct Found<'t> {
    r: HpteR,
    pair: PagePair,
    /// Where `r` was read.
    at: &'t AtomicU64,
    /// The group's count of changes, and what it was before the entry was read.
    changes: &'t AtomicU64,
    count: u64,
}

impl Group<'_> {
    /// Tells `note` how large the page may be; whether the table must be searched again before the
    /// result is used. One that changed may have any size.
    #[inline]
    fn must_look_again(&self, page: Vpn, note: impl Fn(PageSize) -> bool) -> bool {
        match self {
            Self::Found(found) => note(found.pair.actual()),
            Self::Empty { .. } => false,
            Self::Changed => {
                for pair in PagePair::ALL.into_iter().filter(|pair| pair.base() == page.base()) {
                    note(pair.actual());
                }
                true
            }
        }
    }
}

impl Table {
    /// Translates `page` for `access` under storage key `key`. R, and for a store C, are set in the
    /// entry before it returns.
    ///
    /// Whoever goes on using the result must be inside its [`Seat`](crate::Seat), from before the
    /// call until it has stopped using it or applied its invalidation.
    ///
    /// # Errors
    /// No entry, or one that forbids the access. Nothing was set then.
    #[inline]
    pub fn walk(&self, page: Vpn, access: Access, key: bool) -> Result<Translation, WalkFault> {
        if points::are_taken() {
            return self.walk_with_points(page, access, key, None);
        }
        self.walk_noting::<false>(page, access, key, |_| false)
    }

    /// The same for a processor whose seat has a [`Footprint`]: it stands there before it is used.
    ///
    /// # Errors
    /// As [`Self::walk`].
    #[inline]
    pub fn walk_for(
        &self,
        page: Vpn,
        access: Access,
        key: bool,
        footprint: &Footprint,
    ) -> Result<Translation, WalkFault> {
        if points::are_taken() {
            return self.walk_with_points(page, access, key, Some(footprint));
        }
        self.walk_noting::<false>(page, access, key, |actual| footprint.note(page, actual))
    }

    /// Both, with points. Apart, so that the usual walk is as if there were none.
    #[cold]
    #[inline(never)]
    fn walk_with_points(
        &self,
        page: Vpn,
        access: Access,
        key: bool,
        footprint: Option<&Footprint>,
    ) -> Result<Translation, WalkFault> {
        let note = |actual| footprint.is_some_and(|footprint| footprint.note(page, actual));
        self.walk_noting::<true>(page, access, key, note)
    }

    /// Walks; `note` learns the size of the page before the entry is used, and says whether the
    /// entry must be read again.
    #[inline]
    fn walk_noting<const POINTS: bool>(
        &self,
        page: Vpn,
        access: Access,
        key: bool,
        note: impl Fn(PageSize) -> bool,
    ) -> Result<Translation, WalkFault> {
        let hash = page.hash();
        for _ in 0..RETRIES {
            let mut found = self.search::<POINTS>(page, hash, false);
            if matches!(found, Group::Empty { spilled: true }) {
                found = self.search::<POINTS>(page, !hash, true);
            }
            point::<POINTS>();
            if found.must_look_again(page, &note) {
                continue;
            }
            let Group::Found(found) = found else {
                return Err(WalkFault::NotFound);
            };
            check(found.r, access, key)?;
            point::<POINTS>();
            if let Some(r) = found.mark::<POINTS>(access) {
                return Ok(translation(page, r, found.pair));
            }
        }
        Err(WalkFault::NotFound)
    }

    #[inline]
    fn search<const POINTS: bool>(&self, page: Vpn, hash: u64, secondary: bool) -> Group<'_> {
        let (mask, value) = HpteV::matching(page, secondary);
        // Compared as they lie in memory: turning the wanted value round once is cheaper than eight
        // entries.
        let (mask, value) = (mask.to_be(), value.to_be());
        let start = self.group_start(hash);
        let changes = self.changes(start as u64 / HPTES_PER_GROUP);
        // R1: with the count of a change, what is loaded below is not from before it.
        let count = changes.load(Ordering::Acquire);
        for at in start..start + HPTES_PER_GROUP as usize {
            let v = self.v_at(at).load(Ordering::Relaxed);
            if v & mask != value {
                continue;
            }
            point::<POINTS>();
            // R2: dw 1 is that of this dw 0, or a later one.
            fence(Ordering::Acquire);
            let r = HpteR::from_raw(load(self.r_at(at)));
            point::<POINTS>();
            // R4: if it was that of a later entry, the next load gives another count.
            fence(Ordering::Acquire);
            if r.is_closed() || changes.load(Ordering::Relaxed) != count {
                return Group::Changed;
            }
            let large = HpteV::from_raw(u64::from_be(v)).is_large();
            match PagePair::decode(large, r.lp()) {
                Some(pair) if pair.base() == page.base() => {
                    return Group::Found(Found {
                        r,
                        pair,
                        at: self.r_at(at),
                        changes,
                        count,
                    });
                }
                _ => {}
            }
        }
        // S3.
        let spilled = count >= SPILLED;
        Group::Empty { spilled }
    }
}

impl Found<'_> {
    /// Sets R, and C for a store; returns doubleword 1 as it is then, or `None` if it was another one by then.
    ///
    /// R first: once it is known to be set in this entry, and in no later one that looks the same, the entry waits for us
    /// before it goes. So C never lands in another. R may, which the architecture allows.
    #[inline]
    fn mark<const POINTS: bool>(&self, access: Access) -> Option<HpteR> {
        let mut r = self.r;
        if !r.is_referenced() {
            r = self.set(r, HpteR::R)?;
            point::<POINTS>();
            // R4
            fence(Ordering::Acquire);
            if self.changes.load(Ordering::Relaxed) != self.count {
                return None;
            }
        }
        if access == Access::Store && !r.is_changed() {
            point::<POINTS>();
            r = self.set(r, HpteR::C)?;
        }
        Some(r)
    }

    fn set(&self, r: HpteR, mark: u64) -> Option<HpteR> {
        let marked = r.with_set(mark);
        let (old, new) = (r.raw().to_be(), marked.raw().to_be());
        // R5. Relaxed: the writer that reads R and C last waits until the walker has left its seat (E4), or has
        // closed the entry before, and this fails.
        self.at
            .compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)
            .ok()
            .map(|_| marked)
    }
}

/// Where the turn of a processor may end in the midst of a walk.
#[inline(always)]
fn point<const POINTS: bool>() {
    if POINTS {
        points::point_of_walk();
    }
}

pub(crate) fn check(r: HpteR, access: Access, key: bool) -> Result<(), WalkFault> {
    let protection = r.protection();
    let allowed = match access {
        Access::Fetch if r.is_no_execute() || r.is_guarded() => return Err(WalkFault::NoExecute),
        Access::Load | Access::Fetch => protection.allows_load(key),
        Access::Store => protection.allows_store(key),
    };
    if allowed { Ok(()) } else { Err(WalkFault::Protection) }
}

pub(crate) fn translation(page: Vpn, r: HpteR, pair: PagePair) -> Translation {
    let actual = pair.actual();
    Translation {
        real: r.real_address(pair) | (page.offset() & actual.offset_mask()),
        actual,
        protection: r.protection(),
        no_execute: r.is_no_execute() || r.is_guarded(),
        wimg: r.wimg() as u8,
        changed: r.is_changed(),
        key: r.key(),
    }
}

#[cfg(test)]
mod tests {
    use power::page::SegmentSize;

    use super::*;
    use crate::table::Hpte;
    use crate::{Order, PteIndex};

    const SMALL: PagePair = PagePair::ALL[0];

    fn table() -> Table {
        Table::new(Order::MIN).unwrap()
    }

    fn page(pair: PagePair, offset: u64) -> Vpn {
        Vpn::new(0x2_3456_7890, SegmentSize::Size1T, pair.base(), offset)
    }

    fn put(table: &Table, page: Vpn, pair: PagePair, secondary: bool, slot: u64, r: u64) -> PteIndex {
        let hash = if secondary { !page.hash() } else { page.hash() };
        let at = table.index(table.group_start(hash) as u64 + slot).unwrap();
        let r = HpteR::from_raw(r | (pair.encoding() << 12));
        table.try_claim(at).unwrap().fill(Hpte {
            v: HpteV::new(page, pair, secondary),
            r,
        });
        at
    }

    #[test]
    fn every_slot_of_both_groups_is_found() {
        for secondary in [false, true] {
            for slot in 0..8 {
                let table = table();
                let page = page(SMALL, 0x12_3456_7000);
                put(&table, page, SMALL, secondary, slot, 0x5012);
                assert_eq!(table.walk(page, Access::Load, false).unwrap().real, 0x5000);
            }
        }
    }

    /// The search for a page that its first group has not; whether it would go on in the second.
    fn goes_on(table: &Table, page: Vpn) -> bool {
        match table.search::<false>(page, page.hash(), false) {
            Group::Empty { spilled } => spilled,
            Group::Found(_) | Group::Changed => panic!("nobody entered it there"),
        }
    }

    #[test]
    fn the_second_group_is_searched_while_it_has_an_entry_whose_first_group_is_this() {
        let table = table();
        let (asked, other) = (page(SMALL, 0), page(SMALL, 1 << 30));
        assert_eq!(
            asked.hash() & (Order::MIN.groups() - 1),
            other.hash() & (Order::MIN.groups() - 1)
        );
        assert!(!goes_on(&table, asked));
        let at: Vec<_> = (0..8)
            .map(|slot| put(&table, other, SMALL, true, slot, 0x5012))
            .collect();
        for at in at {
            assert!(goes_on(&table, asked));
            let mut entry = table.lock(at, |_| true).unwrap();
            entry.hide();
            assert!(goes_on(&table, asked), "it is still there for those who see it");
            entry.publish(Hpte {
                v: HpteV::new(other, SMALL, true),
                r: HpteR::from_raw(0x5011),
            });
            assert!(goes_on(&table, asked));
            let mut entry = table.lock(at, |_| true).unwrap();
            entry.hide();
            entry.free();
        }
        assert!(!goes_on(&table, asked));
        // A primary entry in the same group is none of those.
        put(&table, page(SMALL, 1 << 31), SMALL, false, 0, 0x5012);
        assert!(!goes_on(&table, asked));
    }

    #[test]
    fn a_part_of_a_large_page_is_a_part_of_its_real_page() {
        for pair in PagePair::ALL {
            let table = table();
            let page = page(pair, 0x12_3456_7000);
            put(&table, page, pair, false, 0, 0x0300_0012);
            let found = table.walk(page, Access::Load, false).unwrap();
            assert_eq!(found.actual, pair.actual());
            let part = 0x12_3456_7000 & pair.actual().offset_mask() & !pair.base().offset_mask();
            assert_eq!(found.real, 0x0300_0000 | part, "{pair:?}");
        }
    }

    #[test]
    fn an_entry_of_another_base_size_is_another_page() {
        for pair in PagePair::ALL {
            for base in PageSize::ALL {
                let table = table();
                let entered = Vpn::new(0x77, SegmentSize::Size1T, pair.base(), 0);
                put(&table, entered, pair, false, 0, 0x12);
                let asked = Vpn::new(0x77, SegmentSize::Size1T, base, 0);
                let found = table.walk(asked, Access::Load, false);
                assert_eq!(found.is_ok(), base == pair.base(), "{pair:?} walked as {base:?}");
            }
        }
    }

    #[test]
    fn a_refused_access_says_why_and_sets_nothing() {
        let table = table();
        let page = page(SMALL, 0);
        let cases = [
            (0x5010 | 3, Access::Store, WalkFault::Protection),
            (0x5010 | 4 | 2, Access::Fetch, WalkFault::NoExecute),
            (0x5018 | 2, Access::Fetch, WalkFault::NoExecute),
            ((1 << 63) | 0x5010, Access::Load, WalkFault::Protection),
            ((1 << 63) | 0x5010, Access::Fetch, WalkFault::Protection),
        ];
        for (r, access, fault) in cases {
            let at = put(&table, page, SMALL, false, 0, r);
            assert_eq!(table.walk(page, access, false), Err(fault), "{r:#x} {access:?}");
            assert_eq!(table.read(at).r.raw(), r);
            let mut entry = table.lock(at, |_| true).unwrap();
            entry.hide();
            entry.free();
        }
        assert_eq!(table.walk(page, Access::Load, false), Err(WalkFault::NotFound));
    }

    #[test]
    fn a_load_sets_r_and_a_store_c_as_well() {
        let table = table();
        let page = page(SMALL, 0);
        let at = put(&table, page, SMALL, false, 0, 0x5012);
        assert!(!table.walk(page, Access::Fetch, false).unwrap().changed);
        assert_eq!(table.read(at).r.reference_and_change(), HpteR::R);
        assert!(table.walk(page, Access::Store, false).unwrap().changed);
        assert_eq!(table.read(at).r.reference_and_change(), HpteR::R_AND_C);
        assert!(table.walk(page, Access::Load, false).unwrap().changed);
    }

    /// Whatever its writers make of it, they find the page in the walker's footprint from now on.
    #[test]
    fn a_page_that_changes_under_a_walk_is_noted_in_every_size() {
        for base in PageSize::ALL {
            let asked = Vpn::new(0x77, SegmentSize::Size1T, base, 0x12_3456_7000);
            let footprint = Footprint::default();
            assert!(Group::Changed.must_look_again(asked, |actual| footprint.note(asked, actual)));
            assert!(Group::Changed.must_look_again(asked, |actual| footprint.note(asked, actual)));
            for pair in PagePair::ALL.into_iter().filter(|pair| pair.base() == base) {
                let whole = crate::Invalidation::Page {
                    page: asked,
                    actual: pair.actual(),
                    real: 0,
                };
                assert!(footprint.may_hold(&whole), "{pair:?}");
            }
        }
    }

    #[test]
    fn a_locked_entry_is_walked_until_it_is_hidden() {
        let table = table();
        let page = page(SMALL, 0);
        let at = put(&table, page, SMALL, false, 0, 0x5012);
        let mut entry = table.lock(at, |_| true).unwrap();
        assert!(table.walk(page, Access::Load, false).is_ok());
        entry.hide();
        assert_eq!(table.walk(page, Access::Load, false), Err(WalkFault::NotFound));
    }
}
