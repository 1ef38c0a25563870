//! R and C twice: those that walkers set, where the architecture has them, and the guest's own beside them.
//!
//! An entry goes into the table with R and C clear, so that R tells whether any processor has used it since. What the
//! guest gave, or a change of the entry kept, lies in bits that the guest never sees: R in bit 1 of doubleword 1, which is
//! reserved, C in bit 58 of doubleword 0, which PAPR keeps for the hypervisor. A guest sees either.

use power::hpte::{HpteR, HpteV};

use crate::Hpte;

impl Hpte {
    /// The entry as it goes into the table: nobody has used it there.
    pub(crate) fn stored(self) -> Self {
        let referenced = if self.r.is_referenced() { HpteR::GUEST_R } else { 0 };
        let changed = if self.r.is_changed() { HpteV::GUEST_C } else { 0 };
        Self {
            v: self.v.with_set(changed),
            r: self.r.with_clear(HpteR::R_AND_C).with_set(referenced),
        }
    }

    /// An entry of the table as its guest sees it.
    pub(crate) fn seen(self) -> Self {
        let referenced = if self.r.raw() & HpteR::GUEST_R != 0 {
            HpteR::R
        } else {
            0
        };
        let changed = if self.v.raw() & HpteV::GUEST_C != 0 {
            HpteR::C
        } else {
            0
        };
        Self {
            v: HpteV::from_guest(self.v.raw()),
            r: HpteR::from_guest(self.r.raw()).with_set(referenced | changed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(marks: u64) -> Hpte {
        Hpte {
            v: HpteV::from_raw(0x91),
            r: HpteR::from_raw(0x5012 | marks),
        }
    }

    #[test]
    fn what_is_stored_is_unused_and_seen_as_it_was_given() {
        for marks in [0, HpteR::R, HpteR::C, HpteR::R_AND_C] {
            let stored = entry(marks).stored();
            assert_eq!(stored.r.reference_and_change(), 0);
            assert_eq!(stored.seen(), entry(marks));
        }
    }

    #[test]
    fn a_mark_of_either_side_is_seen() {
        for guest in [0, HpteR::R, HpteR::C, HpteR::R_AND_C] {
            for walker in [0, HpteR::R, HpteR::C, HpteR::R_AND_C] {
                let mut stored = entry(guest).stored();
                stored.r = stored.r.with_set(walker);
                assert_eq!(stored.seen(), entry(guest | walker));
            }
        }
    }
}
