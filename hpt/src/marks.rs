//! R and C twice: those that walkers set, where the architecture has them, and the guest's own beside them.
//!
//! An entry goes into the table with the walkers' R clear, so that R tells whether any processor has used it since. What the
//! guest gave, or a change of the entry kept, lies in bits that the guest never sees: R in bit 1 of doubleword 1, which is
//! reserved, C in bit 58 of doubleword 0, which PAPR keeps for the hypervisor. A guest sees either.
//!
//! What the walkers' C tells depends on who walks: [`Marking`].

use power::hpte::{HpteR, HpteV};

use crate::Hpte;

/// How those that walk a table set R and C.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Marking {
    /// Each by a compare-exchange against the doubleword 1 that was read, before the translation is used; no store goes
    /// through a translation without C. [`Table::walk`](crate::Table::walk) does so.
    OneStep,
    /// As KVM does: the walker copies the entry, both doublewords in any order, writes R as one byte of that copy, which
    /// may be old by then, and only after that maps the page; for stores as well if the entry permits them, whatever the access was, so
    /// that its C tells nothing.
    LateBytes,
}

impl Marking {
    /// What the walkers' C is in an entry that nobody has used. Set where it tells nothing: then no walker writes
    /// the byte that it lies in, which holds WIMG, N and PP as well.
    const fn unused_c(self) -> u64 {
        match self {
            Self::OneStep => 0,
            Self::LateBytes => HpteR::C,
        }
    }

    /// Whether somebody may have stored through an entry with doubleword 1 `r`, which is not closed, since it was published.
    pub(crate) fn is_stored_to(self, r: HpteR) -> bool {
        match self {
            Self::OneStep => r.is_changed(),
            Self::LateBytes => {
                let protection = r.protection();
                r.is_referenced() && (protection.allows_store(false) || protection.allows_store(true))
            }
        }
    }
}

impl Hpte {
    /// The entry as it goes into the table: nobody has used it there.
    pub(crate) fn stored(self, marking: Marking) -> Self {
        let referenced = if self.r.is_referenced() { HpteR::GUEST_R } else { 0 };
        let changed = if self.r.is_changed() { HpteV::GUEST_C } else { 0 };
        Self {
            v: self.v.with_set(changed),
            r: self
                .r
                .with_clear(HpteR::R_AND_C)
                .with_set(referenced | marking.unused_c()),
        }
    }

    /// An entry of the table as its guest sees it.
    pub(crate) fn seen(self, marking: Marking) -> Self {
        let referenced = if self.r.raw() & HpteR::GUEST_R != 0 {
            HpteR::R
        } else {
            0
        };
        let changed = if self.v.raw() & HpteV::GUEST_C != 0 || marking.is_stored_to(self.r) {
            HpteR::C
        } else {
            0
        };
        let r = HpteR::from_guest(self.r.raw()).with_clear(HpteR::C);
        Self {
            v: HpteV::from_guest(self.v.raw()),
            r: r.with_set(referenced | changed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKINGS: [Marking; 2] = [Marking::OneStep, Marking::LateBytes];

    fn entry(marks: u64) -> Hpte {
        Hpte {
            v: HpteV::from_raw(0x91),
            r: HpteR::from_raw(0x5012 | marks),
        }
    }

    #[test]
    fn what_is_stored_is_unused_and_seen_as_it_was_given() {
        for marking in MARKINGS {
            for marks in [0, HpteR::R, HpteR::C, HpteR::R_AND_C] {
                let stored = entry(marks).stored(marking);
                assert!(!stored.r.is_referenced() && !marking.is_stored_to(stored.r));
                assert_eq!(stored.seen(marking), entry(marks));
            }
        }
    }

    #[test]
    fn a_mark_of_either_side_is_seen() {
        for guest in [0, HpteR::R, HpteR::C, HpteR::R_AND_C] {
            for walker in [0, HpteR::R, HpteR::C, HpteR::R_AND_C] {
                let mut stored = entry(guest).stored(Marking::OneStep);
                stored.r = stored.r.with_set(walker);
                assert_eq!(stored.seen(Marking::OneStep), entry(guest | walker));
            }
        }
    }

    #[test]
    fn where_c_tells_nothing_a_used_entry_that_permits_stores_counts_as_stored_to() {
        // PP0 and PP; whether any key stores.
        let cases = [
            (0, true),
            (1, true),
            (2, true),
            (3, false),
            (1 << 63 | 2, false),
            (1 << 63, false),
        ];
        for (pp, stores) in cases {
            for guest in [0, HpteR::C] {
                let mut given = entry(guest);
                given.r = given.r.with_clear(3).with_set(pp);
                let mut stored = given.stored(Marking::LateBytes);
                assert!(stored.r.is_changed(), "or a walker would write the byte");
                stored.r = stored.r.with_set(HpteR::R);
                let changed = if stores { HpteR::C } else { guest };
                let expected = given.r.with_set(HpteR::R | changed);
                assert_eq!(stored.seen(Marking::LateBytes).r, expected, "{pp:#x}");
            }
        }
    }
}
