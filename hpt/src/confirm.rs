//! Whether a translation that a processor holds is still what the table says: a check for tests and soaks, of the whole
//! protocol at once.

use power::hpte::{HPTES_PER_GROUP, HpteR, HpteV, Protection};
use power::page::{PagePair, Vpn};

use crate::Table;
use crate::sync::{Ordering, fence};
use crate::table::load;

/// What a processor holds of a page of its segment's base size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Real address of the page's first byte.
    pub real: u64,
    /// PP.
    pub protection: Protection,
    /// Nothing may be fetched from the page.
    pub no_execute: bool,
    /// Stores go through it.
    pub changed: bool,
    /// Class, 0 to 31.
    pub key: u8,
}

impl Held {
    /// Whether doubleword 1 of an entry of `pair`'s sizes for `page` allows a processor to hold this.
    fn is_of(&self, page: Vpn, r: HpteR, pair: PagePair) -> bool {
        let real = r.real_address(pair) | (page.offset() & pair.actual().offset_mask());
        real == self.real
            && r.protection() == self.protection
            && (r.is_no_execute() || r.is_guarded()) == self.no_execute
            && r.key() == self.key
            && r.is_referenced()
            && (r.is_changed() || !self.changed)
    }
}

/// What the table says of a held translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// An entry says so, and has R and C as they must be.
    Confirmed,
    /// None does, but a writer is at work in one of the page's groups, and may be waiting for the processor.
    Unsettled,
    /// None does, and nobody is about to tell the processor: something is wrong.
    Stale,
}

impl Table {
    /// Looks for the entry that a translation of `page` is from, for a processor that is inside its
    /// [`Seat`](crate::Seat) and has been since it last used the translation or applied its invalidations.
    pub fn confirm(&self, page: Vpn, held: &Held) -> Confirmation {
        let hash = page.hash();
        // The primary group last: in a modelled table both are one, and a second look would find what the first has missed.
        let groups =
            [(!hash, true), (hash, false)].map(|(hash, secondary)| self.confirm_in(page, hash, secondary, held));
        if groups.contains(&Confirmation::Confirmed) {
            Confirmation::Confirmed
        } else if groups.contains(&Confirmation::Unsettled) {
            Confirmation::Unsettled
        } else {
            Confirmation::Stale
        }
    }

    fn confirm_in(&self, page: Vpn, hash: u64, secondary: bool, held: &Held) -> Confirmation {
        let (mask, value) = HpteV::matching(page, secondary);
        let start = self.group_start(hash);
        let changes = self.changes(start as u64 / HPTES_PER_GROUP);
        // As a walk reads: R1 to R4 in `table.rs`.
        let count = changes.load(Ordering::Acquire);
        let mut unsettled = false;
        for at in start..start + HPTES_PER_GROUP as usize {
            let v = HpteV::from_raw(load(self.v_at(at)));
            unsettled |= v.is_locked();
            if v.is_locked() || v.raw() & mask != value {
                continue;
            }
            fence(Ordering::Acquire);
            let r = HpteR::from_raw(load(self.r_at(at)));
            fence(Ordering::Acquire);
            // R is cleared in place with the entry locked (Release): who saw it clear sees the lock here.
            let same = load(self.v_at(at)) == v.raw();
            let pair = PagePair::decode(v.is_large(), r.lp()).filter(|pair| pair.base() == page.base());
            if same && pair.is_some_and(|pair| held.is_of(page, r, pair)) && changes.load(Ordering::Relaxed) == count {
                return Confirmation::Confirmed;
            }
            unsettled |= !same;
        }
        fence(Ordering::Acquire);
        if unsettled || changes.load(Ordering::Relaxed) != count {
            Confirmation::Unsettled
        } else {
            Confirmation::Stale
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Machine, page};
    use crate::{Access, Translation};

    const SMALL: PagePair = PagePair::ALL[0];

    fn held(found: Translation) -> Held {
        Held {
            real: found.real,
            protection: found.protection,
            no_execute: found.no_execute,
            changed: found.changed,
            key: found.key,
        }
    }

    #[test]
    fn what_a_walk_found_is_confirmed_in_every_size() {
        for pair in PagePair::ALL {
            let machine = Machine::new();
            let page = page(0x103, pair);
            machine.map(page, pair, 0x100_0000);
            let table = machine.hpt.table();
            for access in [Access::Load, Access::Store] {
                let found = table.walk(page, access, false).unwrap();
                assert_eq!(table.confirm(page, &held(found)), Confirmation::Confirmed, "{pair:?}");
            }
        }
    }

    #[test]
    fn what_no_entry_says_is_stale() {
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        let table = machine.hpt.table();
        let found = held(table.walk(page(1, SMALL), Access::Load, false).unwrap());
        let others = [
            Held { real: 0x6000, ..found },
            Held { changed: true, ..found },
            Held { key: 9, ..found },
            Held {
                no_execute: true,
                ..found
            },
        ];
        for other in others {
            assert_eq!(table.confirm(page(1, SMALL), &other), Confirmation::Stale);
        }
        assert_eq!(table.confirm(page(2, SMALL), &found), Confirmation::Stale);
        machine.port().clear_ref(0, ptex).unwrap();
        assert_eq!(table.confirm(page(1, SMALL), &found), Confirmation::Stale, "R is clear");
    }

    #[test]
    fn while_a_writer_is_at_work_in_a_group_nothing_is_said() {
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        let table = machine.hpt.table();
        let found = held(table.walk(page(1, SMALL), Access::Load, false).unwrap());
        let mut entry = table.lock(table.index(ptex).unwrap(), |_| true).unwrap();
        assert_eq!(table.confirm(page(1, SMALL), &found), Confirmation::Unsettled);
        entry.hide();
        assert_eq!(table.confirm(page(1, SMALL), &found), Confirmation::Unsettled);
        entry.free();
        assert_eq!(table.confirm(page(1, SMALL), &found), Confirmation::Stale);
    }
}
