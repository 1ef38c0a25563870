//! The search for pages with two valid entries, which the architecture forbids and only a guest's own mistake can make.
//!
//! Opt-in: it costs a fence and a look at both groups of the page for every entry that is added. Whoever adds one
//! publishes it, then looks for another; with a fence between the two, of two processors that add entries of one page at
//! the same time at least one finds the other's.

use power::hpte::{HPTES_PER_GROUP, HpteV};
use power::page::Vpn;

use crate::lock::Waiting;
use crate::port::page_of;
use crate::sync::{Ordering, fence};
use crate::table::load;
use crate::{Hpte, Port, PteIndex};

/// Two valid entries for one virtual page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The page, of its segment's base size.
    pub page: Vpn,
    /// Where the entries are: the one that was there, the one that was added.
    pub at: [PteIndex; 2],
    /// The entries, in the same order.
    pub entries: [Hpte; 2],
}

/// What is told of every duplicate.
pub type DuplicateReport = Box<dyn Fn(&Duplicate) + Send + Sync>;

impl Port {
    /// Looks for another valid entry of the page of the one that was just added at `at`, and reports what it finds.
    pub(crate) fn check_duplicates(&self, at: PteIndex, report: &DuplicateReport) {
        let table = self.table();
        let added = table.read(at);
        let Some((page, _)) = page_of(at, added.v, added.r).filter(|_| added.v.is_valid()) else {
            return;
        };
        // Partner: the same fence of another processor that adds an entry. One of the two sees the other's.
        fence(Ordering::SeqCst);
        for (hash, secondary) in [(page.hash(), false), (!page.hash(), true)] {
            let first = table.group_start(hash) as u64;
            let others = (first..first + HPTES_PER_GROUP).filter_map(|ptex| table.index(ptex));
            for other in others.filter(|&other| other != at) {
                if let Some(entries) = self.both_map(page, secondary, other, at) {
                    self.counters.duplicates.add(1);
                    let at = [other, at];
                    report(&Duplicate { page, at, entries });
                }
            }
        }
    }

    /// Both entries, if at one moment both were valid and mapped `page`: that at `other`, in a primary or `secondary` group, and
    /// the one at `added`, which was of that page.
    fn both_map(&self, page: Vpn, secondary: bool, other: PteIndex, added: PteIndex) -> Option<[Hpte; 2]> {
        let table = self.table();
        let (mask, value) = HpteV::matching(page, secondary);
        let maps = |at: PteIndex, entry: Hpte| page_of(at, entry.v, entry.r).is_some_and(|(mapped, _)| mapped == page);
        let changes = table.changes(added.group());
        let mut waiting = Waiting::default();
        loop {
            // Relaxed: `read` looks at the same count again.
            let count = changes.load(Ordering::Relaxed);
            let own = table.read(added);
            if !own.v.is_valid() || !maps(added, own) {
                return None;
            }
            // Waits for a writer: one that is removing the entry is no duplicate.
            let found = table.read(other);
            if found.v.raw() & mask != value || !maps(other, found) {
                return None;
            }
            // Neither has our own been hidden, nor has another taken its place: it was there with the other one. In order: a
            // fence lies behind what `read` has read of that one (R4).
            let still = HpteV::from_raw(load(table.v(added)));
            if !still.is_locked() && still.is_valid() && changes.load(Ordering::Relaxed) == count {
                return Some([found, own]);
            }
            waiting.pause();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use power::page::PagePair;

    use super::*;
    use crate::testing::{page, r, v};
    use crate::{Current, Hpt, NoShadow, Order, RealKind, RealMap, Table};

    const SMALL: PagePair = PagePair::ALL[0];
    const MIDDLE: PagePair = PagePair::ALL[3];

    struct Everything;

    impl RealMap for Everything {
        fn kind(&self, _real: u64, _bytes: u64) -> Option<RealKind> {
            Some(RealKind::Ram)
        }

        fn zero(&self, _real: u64, _bytes: u64) {}

        fn synchronize_instructions(&self, _real: u64, _bytes: u64) {}
    }

    type Found = Arc<Mutex<Vec<Duplicate>>>;

    fn checked() -> (Port, Found) {
        let found = Found::default();
        let reports = Arc::clone(&found);
        let current = Current::new(Table::new(Order::MIN).unwrap());
        let hpt = Hpt::new(current, Box::new(Everything), Box::new(NoShadow))
            .with_duplicate_check(Box::new(move |duplicate| reports.lock().unwrap().push(*duplicate)));
        (Arc::new(hpt).port(), found)
    }

    fn add(port: &mut Port, page: Vpn, pair: PagePair, secondary: bool, real: u64) -> PteIndex {
        let hash = if secondary { !page.hash() } else { page.hash() };
        let v = v(page, pair) | if secondary { 2 } else { 0 };
        port.enter(0, (hash & (Order::MIN.groups() - 1)) * 8, v, r(real, pair))
            .unwrap()
    }

    #[test]
    fn a_second_entry_of_a_page_is_reported_from_either_group() {
        for first in [false, true] {
            for second in [false, true] {
                let (mut port, found) = checked();
                let at = [(first, 0x5000), (second, 0x6000)]
                    .map(|(secondary, real)| add(&mut port, page(1, SMALL), SMALL, secondary, real));
                let found = found.lock().unwrap();
                assert_eq!((found.len(), found[0].at, found[0].page), (1, at, page(1, SMALL)));
                assert_eq!(
                    found[0].entries.map(|entry| entry.r.real_address(SMALL)),
                    [0x5000, 0x6000]
                );
                assert_eq!(port.hpt.counts().duplicates, 1);
            }
        }
    }

    #[test]
    fn other_pages_of_the_group_are_none() {
        let (mut port, found) = checked();
        for number in [1, 1 + (1 << 11), 1 + (2 << 11)] {
            add(&mut port, page(number, SMALL), SMALL, false, 0x5000);
        }
        // The same address in a segment of another base size is told apart by its sizes.
        add(&mut port, page(0, SMALL), SMALL, false, 0x5000);
        add(&mut port, page(0, MIDDLE), MIDDLE, false, 0x1_0000);
        let removed = add(&mut port, page(7, SMALL), SMALL, false, 0x5000);
        port.remove(0, removed.to_register(), 0).unwrap();
        add(&mut port, page(7, SMALL), SMALL, true, 0x5000);
        assert_eq!(*found.lock().unwrap(), []);
    }
}
