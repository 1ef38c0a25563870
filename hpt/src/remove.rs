//! `H_REMOVE`: invalidates an entry (LoPAR, Logical Partitioning Option, H_REMOVE).

use power::hcall::{Status, access};
use power::hpte::HpteV;

use crate::flags::{self, CHECKSUM, COMPRESSION, USAGE_HINTS};
use crate::{Hpte, Port};

const KNOWN: u64 = access::AVPN | access::ANDCOND | COMPRESSION | CHECKSUM | USAGE_HINTS;

/// Under which condition an entry is to be removed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    /// Bits 0 to 56 of doubleword 0 must be this.
    pub(crate) avpn: Option<u64>,
    /// Doubleword 0 must have no bit of this.
    pub(crate) none_of: u64,
}

impl Condition {
    /// The condition that two flags and their common argument make.
    pub(crate) fn new(avpn: bool, andcond: bool, argument: u64) -> Self {
        Self {
            avpn: avpn.then_some(argument),
            none_of: if andcond { argument } else { 0 },
        }
    }

    /// Whether an entry with this doubleword 0 is to be removed. An invalid one never is: there is nothing
    /// to invalidate.
    pub(crate) fn holds(self, v: HpteV) -> bool {
        v.is_valid() && self.avpn.is_none_or(|avpn| avpn == v.avpn()) && v.raw() & self.none_of == 0
    }
}

impl Port {
    /// `H_REMOVE`: removes the entry at `ptex`, on the condition in `flags` with the argument `avpn`.
    /// Returns the entry as it was, with all of R and C.
    ///
    /// # Errors
    /// `Parameter` for a `ptex` outside the table and for unknown flags, `NotFound` for an invalid entry or one
    /// that does not meet the condition, `Function` for compression.
    pub fn remove(&mut self, flags: u64, ptex: u64, avpn: u64) -> Result<Hpte, Status> {
        let port = self.begin();
        flags::check(flags, KNOWN)?;
        let at = port.index(ptex)?;
        let condition = Condition::new(flags & access::AVPN != 0, flags & access::ANDCOND != 0, avpn);
        let mut entry = port.table().lock(at, |v| condition.holds(v)).ok_or(Status::NotFound)?;
        flags::refuse_compression(flags)?;
        port.withdraw(&mut entry);
        if flags & access::ANDCOND != 0 {
            port.counters.evicted.add(1);
        }
        Ok(port.free(entry))
    }
}

#[cfg(test)]
mod tests {
    use power::hpte::HpteR;
    use power::page::PagePair;

    use super::*;
    use crate::Access;
    use crate::testing::{Machine, hpte_r, machines, page, r, v, whole};

    const SMALL: PagePair = PagePair::ALL[0];

    #[test]
    fn a_removed_entry_comes_back_and_is_gone() {
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        let old = machine.port().remove(0, ptex, 0).unwrap();
        assert_eq!((old.v.raw(), old.r), (v(page(1, SMALL), SMALL), hpte_r(0x5000, SMALL)));
        assert_eq!(machine.port().remove(0, ptex, 0), Err(Status::NotFound));
        assert_eq!(
            machine
                .hpt
                .table()
                .read(machine.hpt.table().index(ptex).unwrap())
                .v
                .raw(),
            0
        );
    }

    #[test]
    fn the_whole_page_is_flushed() {
        for machine in machines() {
            for pair in PagePair::ALL {
                let page = page(0x103, pair);
                let ptex = machine.map(page, pair, 0x100_0000);
                machine.touch(page, Access::Load);
                machine.port().remove(0, ptex, 0).unwrap();
                let gone = whole(page, pair, 0x100_0000);
                assert_eq!(machine.asked(), machine.withdrawn(vec![gone]));
            }
        }
    }

    #[test]
    fn another_avpn_is_not_found_and_nothing_is_flushed() {
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        let avpn = page(1, SMALL).avpn();
        assert_eq!(
            machine.port().remove(access::AVPN, ptex, avpn ^ 0x80),
            Err(Status::NotFound)
        );
        // The manual: the low seven bits should be zero, otherwise not found is likely.
        assert_eq!(
            machine.port().remove(access::AVPN, ptex, avpn | 1),
            Err(Status::NotFound)
        );
        assert_eq!(machine.asked(), []);
        assert!(machine.port().remove(access::AVPN, ptex, avpn).is_ok());
    }

    #[test]
    fn a_bolted_entry_survives_eviction() {
        let machine = Machine::new();
        let bolted = v(page(1, SMALL), SMALL) | HpteV::BOLTED;
        machine.port().enter(0, 0, bolted, r(0x5000, SMALL)).unwrap();
        machine
            .port()
            .enter(0, 0, v(page(1, SMALL), SMALL), r(0x6000, SMALL))
            .unwrap();
        assert_eq!(
            machine.port().remove(access::ANDCOND, 0, HpteV::BOLTED),
            Err(Status::NotFound)
        );
        assert!(machine.port().remove(access::ANDCOND, 1, HpteV::BOLTED).is_ok());
        assert!(machine.port().remove(0, 0, 0).is_ok());
    }

    #[test]
    fn what_a_walk_set_is_returned() {
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        machine.touch(page(1, SMALL), Access::Store);
        let old = machine.port().remove(0, ptex, 0).unwrap();
        assert_eq!(old.r, hpte_r(0x5000, SMALL).with_set(HpteR::R_AND_C));
    }

    #[test]
    fn an_entry_that_was_not_used_goes_without_a_flush_where_that_is_certain() {
        for (machine, graces) in machines().iter().zip([1, 0]) {
            let marked = hpte_r(0x5000, SMALL).with_set(HpteR::R_AND_C);
            let mut port = machine.port();
            port.enter(0, 0, v(page(1, SMALL), SMALL), marked.raw()).unwrap();
            assert_eq!(port.remove(0, 0, 0).unwrap().r, marked);
            // KVM's walker may have been under way.
            assert_eq!(machine.asked(), machine.withdrawn(vec![]));
            let counts = machine.hpt.counts();
            assert_eq!((counts.graces, counts.flushes, counts.untouched), (graces, 0, 1));
        }
    }

    #[test]
    fn bad_arguments_are_refused() {
        let machine = Machine::new();
        assert_eq!(machine.port().remove(0, 1 << 14, 0), Err(Status::Parameter));
        assert_eq!(machine.port().remove(access::EXACT, 0, 0), Err(Status::Parameter));
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        assert_eq!(machine.port().remove(COMPRESSION, ptex, 0), Err(Status::Function));
        assert!(machine.port().remove(USAGE_HINTS, ptex, 0).is_ok());
    }
}
