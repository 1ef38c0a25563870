//! Taking entries out of the table on the host's behalf: memory that goes away under its guest.

use power::hpte::HpteV;

use crate::gather::Gather;
use crate::{Hpte, Port, PteIndex, Table};

impl Port {
    /// Removes the valid entries that `find` names in the guest's table, however many, with as few flushes as possible; tells `gone`
    /// each one as it was. Returns how many there were.
    ///
    /// `find` is called again for the next table if a resize has taken this one away: an entry that was not found may have been
    /// moved there.
    ///
    /// Never fails: without memory for a large batch it flushes more often.
    pub fn evict<I: IntoIterator<Item = u64>>(
        &mut self,
        mut find: impl FnMut(&Table) -> I,
        mut gone: impl FnMut(PteIndex, Hpte),
    ) -> usize {
        let mut count = 0;
        let mut removed = |(), at, old| {
            count += 1;
            gone(at, old);
        };
        loop {
            let port = self.begin();
            let mut gather = Gather::new(port);
            for at in find(port.table())
                .into_iter()
                .filter_map(|ptex| port.table().index(ptex))
            {
                if let Some(entry) = gather.lock(at, HpteV::is_valid, &mut removed) {
                    gather.take((), entry, &mut removed);
                }
            }
            gather.flush(&mut removed);
            drop(gather);
            if !port.table().is_retired() {
                return count;
            }
            self.view.follow_retired();
        }
    }
}

#[cfg(test)]
mod tests {
    use power::hcall::Status;
    use power::hpte::HpteV;
    use power::page::PagePair;

    use crate::testing::{Asked, Machine, page, r, v};
    use crate::{Access, Order, Table};

    const SMALL: PagePair = PagePair::ALL[0];

    #[test]
    fn thousands_of_entries_share_a_flush_of_at_most_4096() {
        let machine = Machine::new();
        let pages: Vec<_> = (0..5000).map(|number| page(number, SMALL)).collect();
        let ptexes: Vec<_> = pages.iter().map(|&page| machine.map(page, SMALL, 0x5000)).collect();
        for &page in &pages {
            machine.hpt.table().walk(page, Access::Load, false).unwrap();
        }
        let mut port = machine.port();
        let mut gone = Vec::new();
        let outside = [1 << 14, u64::MAX];
        let count = port.evict(
            |_| ptexes.iter().copied().chain(outside),
            |at, old| {
                assert!(old.r.is_referenced());
                gone.push(at.to_register());
            },
        );
        assert_eq!((count, &gone), (5000, &ptexes));
        let batches = machine
            .asked()
            .iter()
            .filter(|&&asked| asked == Asked::EndOfBatch)
            .count();
        assert_eq!(batches, 2);
        assert_eq!(port.evict(|_| ptexes.iter().copied(), |_, _| panic!("all are gone")), 0);
        let counts = machine.hpt.counts();
        assert_eq!((counts.removed, counts.graces, counts.flushed_early), (5000, 2, 0));
    }

    #[test]
    fn an_entry_that_a_resize_moves_meanwhile_is_found_in_the_next_table() {
        let machine = Machine::with_largest(Order::new(19).unwrap());
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        machine.port().remove(0, ptex, 0).unwrap();
        let bolted = v(page(1, SMALL), SMALL) | HpteV::BOLTED;
        machine.port().enter(0, ptex, bolted, r(0x5000, SMALL)).unwrap();
        let is_there = |table: &Table| table.walk(page(1, SMALL), Access::Load, false).is_ok();
        let mut tables = 0;
        let everywhere = |table: &Table| {
            tables += 1;
            assert!(is_there(table));
            if tables == 1 {
                let mut other = machine.port();
                while other.resize_prepare(0, 19) != Status::Success {}
                assert_eq!(other.resize_commit(0, 19), Status::Success);
                assert!(!is_there(table));
            }
            0..table.order().entries()
        };
        assert_eq!(machine.port().evict(everywhere, |_, _| ()), 1);
        assert_eq!(tables, 2);
        assert!(!is_there(&machine.hpt.table()));
    }

    #[test]
    fn entries_that_nobody_used_need_no_flush() {
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        assert_eq!(machine.port().evict(|_| [ptex, ptex], |_, _| ()), 1);
        assert_eq!(machine.asked(), []);
        assert_eq!(machine.hpt.counts().untouched, 1);
    }
}
