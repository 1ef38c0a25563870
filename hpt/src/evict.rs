//! Taking entries out of the table on the host's behalf: memory that goes away under its guest.

use power::hpte::HpteV;

use crate::gather::Gather;
use crate::{Hpte, Port, PteIndex};

impl Port {
    /// Removes the valid entries at `ptexes`, however many, with as few flushes as possible; tells `gone` each one as it was.
    /// Returns how many there were.
    ///
    /// Never fails: without memory for a large batch it flushes more often.
    pub fn evict(&mut self, ptexes: impl IntoIterator<Item = u64>, mut gone: impl FnMut(PteIndex, Hpte)) -> usize {
        let port = self.begin();
        let mut gather = Gather::new(port);
        let mut count = 0;
        let mut removed = |(), at, old| {
            count += 1;
            gone(at, old);
        };
        for at in ptexes.into_iter().filter_map(|ptex| port.table().index(ptex)) {
            if let Some(entry) = gather.lock(at, HpteV::is_valid, &mut removed) {
                gather.take((), entry, &mut removed);
            }
        }
        gather.flush(&mut removed);
        count
    }
}

#[cfg(test)]
mod tests {
    use power::page::PagePair;

    use crate::Access;
    use crate::testing::{Asked, Machine, page};

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
        let count = port.evict(ptexes.iter().copied().chain(outside), |at, old| {
            assert!(old.r.is_referenced());
            gone.push(at.to_register());
        });
        assert_eq!((count, &gone), (5000, &ptexes));
        let batches = machine
            .asked()
            .iter()
            .filter(|&&asked| asked == Asked::EndOfBatch)
            .count();
        assert_eq!(batches, 2);
        assert_eq!(port.evict(ptexes, |_, _| panic!("all are gone")), 0);
        let counts = machine.hpt.counts();
        assert_eq!((counts.removed, counts.graces, counts.flushed_early), (5000, 2, 0));
    }

    #[test]
    fn entries_that_nobody_used_need_no_flush() {
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        assert_eq!(machine.port().evict([ptex, ptex], |_, _| ()), 1);
        assert_eq!(machine.asked(), []);
        assert_eq!(machine.hpt.counts().untouched, 1);
    }
}
