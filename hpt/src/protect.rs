//! `H_PROTECT`: changes the protection of an entry (LoPAR, Logical Partitioning Option, H_PROTECT).

use power::hcall::{Status, access};
use power::hpte::HpteR;

use crate::flags::{self, PROTECTION, USAGE_HINTS};
use crate::remove::Condition;
use crate::{Hpte, Port};

const KNOWN: u64 = access::AVPN | PROTECTION | USAGE_HINTS;

impl Port {
    /// `H_PROTECT`: gives the entry at `ptex` the PP bits, key and N that are in `flags`, if its AVPN is
    /// `avpn` where the flags say so. R is cleared, C stays.
    ///
    /// `Parameter` for a `ptex` outside the table and for unknown flags, `NotFound` for an invalid entry or
    /// another AVPN.
    pub fn protect(&mut self, flags: u64, ptex: u64, avpn: u64) -> Status {
        match self.try_protect(flags, ptex, avpn) {
            Ok(()) => Status::Success,
            Err(status) => status,
        }
    }

    fn try_protect(&mut self, flags: u64, ptex: u64, avpn: u64) -> Result<(), Status> {
        flags::check(flags, KNOWN)?;
        let port = self.begin();
        let at = port.index(ptex)?;
        let condition = Condition::new(flags & access::AVPN != 0, false, avpn);
        let mut entry = port.table().lock(at, |v| condition.holds(v)).ok_or(Status::NotFound)?;
        port.withdraw(&mut entry);
        // R and C of the last walk are in by now. R goes, as the manual says: nobody holds the
        // translation, so the page counts as unused from here on.
        let Hpte { v, r } = entry.entry();
        let r = r.with_clear(access::PROTECTION_IN_ENTRY | HpteR::R);
        let r = r.with_set(access::protection_in_entry(flags));
        entry.publish(Hpte { v, r });
        port.counters.protected.add(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use power::page::PagePair;

    use super::*;
    use crate::testing::{Asked, Machine, hpte_r, page};
    use crate::{Access, WalkFault};

    const SMALL: PagePair = PagePair::ALL[0];

    fn word_of(machine: &Machine, ptex: u64) -> HpteR {
        machine.hpt.table().read(machine.hpt.table().index(ptex).unwrap()).r
    }

    #[test]
    fn protection_key_and_n_are_replaced_and_nothing_else() {
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        // key 0b10101, PP 0b101, N.
        let flags = (0b10101 << 9) | (1 << 8) | 0b1_01 | (1 << 2);
        assert_eq!(machine.port().protect(flags, ptex, 0), Status::Success);
        let expected = 0x5000 | 0x10 | (1 << 63) | (0b10 << 60) | (0b101 << 9) | 0b101;
        assert_eq!(word_of(&machine, ptex).raw(), expected);
        assert_eq!(machine.port().protect(2, ptex, 0), Status::Success);
        assert_eq!(word_of(&machine, ptex), hpte_r(0x5000, SMALL));
    }

    #[test]
    fn r_goes_c_stays_and_the_page_is_flushed() {
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        machine.hpt.table().walk(page(1, SMALL), Access::Store, false).unwrap();
        assert_eq!(machine.port().protect(3, ptex, 0), Status::Success);
        let r = word_of(&machine, ptex);
        assert!(!r.is_referenced() && r.is_changed());
        assert_eq!(machine.asked().last(), Some(&Asked::EndOfBatch));
        let store = machine.hpt.table().walk(page(1, SMALL), Access::Store, false);
        assert_eq!(store, Err(WalkFault::Protection));
    }

    #[test]
    fn only_the_named_valid_entry_is_changed() {
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        let avpn = page(1, SMALL).avpn();
        assert_eq!(
            machine.port().protect(access::AVPN | 3, ptex, avpn ^ 0x80),
            Status::NotFound
        );
        assert_eq!(machine.port().protect(3, ptex + 1, 0), Status::NotFound);
        assert_eq!(word_of(&machine, ptex), hpte_r(0x5000, SMALL));
        assert_eq!(machine.asked(), []);
        assert_eq!(machine.port().protect(access::AVPN | 3, ptex, avpn), Status::Success);
    }

    #[test]
    fn bad_arguments_are_refused() {
        let machine = Machine::new();
        assert_eq!(machine.port().protect(0, 1 << 14, 0), Status::Parameter);
        assert_eq!(machine.port().protect(access::ANDCOND, 0, 0), Status::Parameter);
    }
}
