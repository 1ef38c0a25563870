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
            let count = changes.load(Ordering::Acquire);
            let own = table.read(added);
            if !own.v.is_valid() || !maps(added, own) {
                return None;
            }
            // Waits for a writer: one that is removing the entry is no duplicate.
            let found = table.read(other);
            if found.v.raw() & mask != value || !maps(other, found) {
                return None;
            }
            fence(Ordering::Acquire);
            if changes.load(Ordering::Relaxed) == count {
                // Nobody took our own away while the other one was there.
                return Some([found, own]);
            }
            waiting.pause();
        }
    }
}
