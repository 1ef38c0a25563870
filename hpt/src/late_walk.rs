//! A walk as KVM's kernel does it on a table of [`Marking::LateBytes`](crate::Marking): what the tests and models judge writers
//! by, since the kernel itself cannot be stepped through.
//!
//! It heeds no order and no lock. [`Table::copy_late`] copies an entry, both doublewords in whatever order. [`Late::mark`] writes
//! R and C late, each as the one byte of that copy, which may be old, and only where the copy lacks it; whoever asked maps the page
//! after that. Steps K1 to K3 of the table at the top of `table.rs`.

use power::hpte::{HPTES_PER_GROUP, HpteR, HpteV};
use power::page::{PagePair, Vpn};

use crate::sync::{AtomicU64, Ordering};
use crate::table::load;
use crate::walk::{check, translation};
use crate::{Access, Table, Translation, WalkFault};

/// A copy of an entry, which may have changed since, and of which the two halves may never have been one.
pub struct Late<'t> {
    page: Vpn,
    pair: PagePair,
    r: HpteR,
    at: &'t AtomicU64,
}

impl Table {
    /// K1: the first entry that maps `page`, primary group first; `backwards` copies doubleword 1 before doubleword 0.
    pub fn copy_late(&self, page: Vpn, backwards: bool) -> Option<Late<'_>> {
        let hash = page.hash();
        let mut groups = [(hash, false), (!hash, true)].into_iter();
        groups.find_map(|(hash, secondary)| self.copy_of_group(page, hash, secondary, backwards))
    }

    /// A whole walk of that kind. What comes back may be used as the kernel uses it: for stores as well if it says `changed`.
    ///
    /// # Errors
    /// As [`Self::walk`]; but R and C may have been set.
    pub fn walk_late(&self, page: Vpn, access: Access, key: bool) -> Result<Translation, WalkFault> {
        let copy = self.copy_late(page, false).ok_or(WalkFault::NotFound)?;
        copy.mark(access, key)
    }

    fn copy_of_group(&self, page: Vpn, hash: u64, secondary: bool, backwards: bool) -> Option<Late<'_>> {
        let (mask, value) = HpteV::matching(page, secondary);
        let start = self.group_start(hash);
        (start..start + HPTES_PER_GROUP as usize).find_map(|at| {
            let early = backwards.then(|| load(self.r_at(at)));
            let v = load(self.v_at(at));
            if v & mask != value {
                return None;
            }
            let r = HpteR::from_raw(early.unwrap_or_else(|| load(self.r_at(at))));
            let pair = PagePair::decode(HpteV::from_raw(v).is_large(), r.lp())?;
            (pair.base() == page.base()).then_some(Late {
                page,
                pair,
                r,
                at: self.r_at(at),
            })
        })
    }
}

impl Late<'_> {
    /// K2: writes R if any access is allowed, and C if a store is and was asked for; then what the page is mapped as: for stores as well
    /// (`changed`) if one is allowed.
    ///
    /// # Errors
    /// The access is not allowed. R may have been set.
    pub fn mark(self, access: Access, key: bool) -> Result<Translation, WalkFault> {
        let protection = self.r.protection();
        let (loads, stores) = (protection.allows_load(key), protection.allows_store(key));
        let mut r = self.r;
        if loads && !r.is_referenced() {
            r = r.with_set(HpteR::R);
            store_byte(self.at, 6, r);
        }
        if access == Access::Store && stores && !r.is_changed() {
            r = r.with_set(HpteR::C);
            store_byte(self.at, 7, r);
        }
        check(r, access, key)?;
        Ok(Translation {
            changed: stores,
            ..translation(self.page, r, self.pair)
        })
    }
}

/// Stores the byte of `value` that is byte `number` in memory, and no other. One atomic step on the whole, since neither the models nor
/// Rust's know accesses of mixed sizes.
fn store_byte(doubleword: &AtomicU64, number: u32, value: HpteR) {
    let mask = 0xff_u64 << (56 - 8 * number);
    let put = |old: u64| Some((u64::from_be(old) & !mask | value.raw() & mask).to_be());
    let _ = doubleword.fetch_update(Ordering::Relaxed, Ordering::Relaxed, put);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Marking;
    use crate::table::store;
    use crate::testing::{Machine, page};

    const SMALL: PagePair = PagePair::ALL[0];

    /// Doubleword 1 in memory of an entry with these PP after `walk`, and what that found.
    fn marked(
        pp: u64,
        walk: impl FnOnce(&Table) -> Result<Translation, WalkFault>,
    ) -> (u64, Result<Translation, WalkFault>) {
        let machine = Machine::with_marking(Marking::LateBytes);
        let at = machine.map(page(1, SMALL), SMALL, 0x5000);
        let table = machine.hpt.table();
        let doubleword = table.r(table.index(at).unwrap());
        store(doubleword, 0x5090 | pp, Ordering::Relaxed);
        let found = walk(&table);
        (load(doubleword), found)
    }

    #[test]
    fn a_load_marks_r_alone_and_maps_for_stores_what_permits_them() {
        for (pp, stores) in [(2, true), (3, false)] {
            let (r, found) = marked(pp, |table| table.walk_late(page(1, SMALL), Access::Load, false));
            assert_eq!(r, 0x5190 | pp);
            let found = found.unwrap();
            assert_eq!((found.real, found.changed), (0x5000, stores));
        }
    }

    #[test]
    fn a_refused_access_marks_r_if_another_is_allowed() {
        let refused = |pp, key| marked(pp, move |table| table.walk_late(page(1, SMALL), Access::Store, key));
        assert_eq!(refused(3, false), (0x5193, Err(WalkFault::Protection)));
        assert_eq!(refused(0, true), (0x5090, Err(WalkFault::Protection)));
        let closed = HpteR::CLOSED.raw();
        assert_eq!(refused(closed, false), (closed | 0x5090, Err(WalkFault::Protection)));
    }

    #[test]
    fn a_late_byte_is_that_of_the_copy_and_no_other() {
        for backwards in [false, true] {
            let (r, _) = marked(2, |table| {
                let copy = table.copy_late(page(1, SMALL), backwards).unwrap();
                // Another entry by then.
                store(copy.at, 0x0123_4567_89ab_c010, Ordering::Relaxed);
                copy.mark(Access::Load, false)
            });
            assert_eq!(r, 0x0123_4567_89ab_5110);
        }
    }
}
