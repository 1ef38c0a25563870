//! `H_CLEAR_REF` and `H_CLEAR_MOD`: clear R or C of an entry (LoPAR, Logical Partitioning Option).

use power::hcall::Status;
use power::hpte::{HpteR, HpteV};

use crate::flags::{self, USAGE_HINTS};
use crate::lock::Locked;
use crate::{Hpte, Port};

impl Port {
    /// `H_CLEAR_REF`: clears R of the entry at `ptex`; returns doubleword 1 as it was before.
    ///
    /// # Errors
    /// `Parameter` for a `ptex` outside the table and for unknown flags, `NotFound` for an invalid entry.
    pub fn clear_ref(&mut self, flags: u64, ptex: u64) -> Result<HpteR, Status> {
        let port = self.begin();
        let mut entry = port.lock_valid(flags, ptex)?;
        // In place, as the manual says: the entry stays in use. Shadows must go, or they would be used on without setting R
        // again: also those of walks that have seen R set and are not done. If R was clear there are none: a walk sets it first.
        let (old, used) = entry.clear_r();
        if used {
            port.invalidate_one(&entry);
        } else {
            port.counters.untouched.add(1);
        }
        port.counters.cleared.add(1);
        Ok(old.r)
    }

    /// `H_CLEAR_MOD`: clears C of the entry at `ptex`; returns doubleword 1 as it was before.
    ///
    /// # Errors
    /// `Parameter` for a `ptex` outside the table and for unknown flags, `NotFound` for an invalid entry.
    pub fn clear_mod(&mut self, flags: u64, ptex: u64) -> Result<HpteR, Status> {
        let port = self.begin();
        let mut entry = port.lock_valid(flags, ptex)?;
        port.counters.cleared.add(1);
        let (old, stored_to) = entry.look();
        if !stored_to {
            // No processor stores through the entry without setting C first, or R where C tells nothing. So C can only be the
            // guest's.
            entry.clear_guest_c();
            port.counters.untouched.add(1);
            return Ok(old.r);
        }
        port.withdraw(&mut entry);
        let Hpte { v, r } = entry.entry();
        entry.publish(Hpte {
            v,
            r: r.with_clear(HpteR::C),
        });
        Ok(r)
    }

    fn lock_valid(&self, flags: u64, ptex: u64) -> Result<Locked<'_>, Status> {
        flags::check(flags, USAGE_HINTS)?;
        self.table()
            .lock(self.index(ptex)?, HpteV::is_valid)
            .ok_or(Status::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use power::page::PagePair;

    use super::*;
    use crate::Access;
    use crate::testing::{Machine, hpte_r, machines, page, v, whole};

    const SMALL: PagePair = PagePair::ALL[0];

    #[test]
    fn each_clears_its_own_bit_and_flushes_what_was_used() {
        for machine in machines() {
            let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
            let plain = hpte_r(0x5000, SMALL);
            machine.touch(page(1, SMALL), Access::Store);
            assert_eq!(machine.port().clear_ref(0, ptex), Ok(plain.with_set(HpteR::R_AND_C)));
            let used = whole(page(1, SMALL), SMALL, 0x5000);
            assert_eq!(machine.asked(), machine.withdrawn(vec![used]));
            machine.touch(page(1, SMALL), Access::Load);
            assert_eq!(machine.port().clear_mod(0, ptex), Ok(plain.with_set(HpteR::R_AND_C)));
            assert_eq!(machine.asked(), machine.withdrawn(vec![used]));
            assert_eq!(machine.port().remove(0, ptex, 0).unwrap().r, plain.with_set(HpteR::R));
        }
    }

    #[test]
    fn what_was_not_used_needs_no_flush_whatever_the_guest_gave() {
        for machine in machines() {
            let mut port = machine.port();
            let marked = hpte_r(0x5000, SMALL).with_set(HpteR::R_AND_C);
            port.enter(0, 0, v(page(1, SMALL), SMALL), marked.raw()).unwrap();
            assert_eq!(port.clear_mod(0, 0), Ok(marked));
            assert_eq!(port.clear_mod(0, 0), Ok(marked.with_clear(HpteR::C)));
            assert_eq!(port.clear_ref(0, 0), Ok(marked.with_clear(HpteR::C)));
            assert_eq!(port.clear_ref(0, 0), Ok(marked.with_clear(HpteR::R_AND_C)));
            assert_eq!(machine.asked(), []);
            let counts = machine.hpt.counts();
            assert_eq!((counts.cleared, counts.untouched), (4, 4));
        }
    }

    #[test]
    fn c_of_the_guest_goes_without_a_flush_from_a_page_that_was_only_loaded_from() {
        for machine in machines() {
            let marked = hpte_r(0x5000, SMALL).with_set(HpteR::R_AND_C);
            // Read-only, so that a load maps it for loads with any walker.
            let read_only = marked.with_set(3);
            let ptex = (page(1, SMALL).hash() & (crate::Order::MIN.groups() - 1)) * 8;
            let mut port = machine.port();
            port.enter(0, ptex, v(page(1, SMALL), SMALL), read_only.raw()).unwrap();
            machine.touch(page(1, SMALL), Access::Load);
            assert_eq!(port.clear_mod(0, ptex), Ok(read_only));
            assert_eq!(port.clear_mod(0, ptex), Ok(read_only.with_clear(HpteR::C)));
            assert_eq!(machine.asked(), []);
        }
    }

    #[test]
    fn c_of_a_page_that_was_protected_since_goes_without_a_flush() {
        for machine in machines() {
            let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
            machine.touch(page(1, SMALL), Access::Store);
            let mut port = machine.port();
            assert_eq!(port.protect(3, ptex, 0), Status::Success);
            machine.asked();
            assert!(port.clear_mod(0, ptex).unwrap().is_changed());
            assert!(!port.clear_mod(0, ptex).unwrap().is_changed());
            assert_eq!(machine.asked(), []);
        }
    }

    #[test]
    fn bad_arguments_are_refused() {
        let machine = Machine::new();
        for call in [Port::clear_ref, Port::clear_mod] {
            assert_eq!(call(&mut machine.port(), 0, 1 << 14), Err(Status::Parameter));
            assert_eq!(call(&mut machine.port(), 1, 0), Err(Status::Parameter));
            assert_eq!(call(&mut machine.port(), 0, 0), Err(Status::NotFound));
        }
    }
}
