//! What is measured: the calls, and what must have been before each.

use std::fmt;
use std::hint::black_box;

use hpt::{Access, Port, Specifier};
use power::hcall::{Status, access, block_remove, bulk_remove};
use power::page::Vpn;

use super::machine::{Machine, Page, Place, pages, shuffle};

/// Whether a processor has used the entries that go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Used {
    /// Since they were put there, none has walked over them.
    No,
    /// A walk has found each, so somebody may hold it.
    Yes,
}

/// Where a walk finds what it looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Primary,
    Secondary,
    Nowhere,
}

/// What is measured. An operation is what is done for one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Nothing of the table: sixteen steps of a random number generator, for what the host itself makes of two threads.
    Arithmetic,
    Enter,
    Remove(Used),
    /// Enter and remove at once.
    Pair,
    Protect(Used),
    Read,
    BulkRemove(Used),
    BlockRemove(Used),
    /// The host's own removal of so many entries in one go.
    Evict(usize),
    Walk(Found),
}

impl Work {
    /// What one thread does with nobody to tell.
    pub(super) const PLAIN: [Self; 16] = [
        Self::Enter,
        Self::Remove(Used::No),
        Self::Remove(Used::Yes),
        Self::Pair,
        Self::Protect(Used::No),
        Self::Protect(Used::Yes),
        Self::Read,
        Self::BulkRemove(Used::No),
        Self::BlockRemove(Used::No),
        Self::Evict(1),
        Self::Evict(8),
        Self::Evict(192),
        Self::Evict(4096),
        Self::Walk(Found::Primary),
        Self::Walk(Found::Secondary),
        Self::Walk(Found::Nowhere),
    ];

    /// What processors may have to be told of.
    pub(super) const FLUSHING: [Self; 10] = [
        Self::Remove(Used::No),
        Self::Remove(Used::Yes),
        Self::Protect(Used::No),
        Self::Protect(Used::Yes),
        Self::BulkRemove(Used::Yes),
        Self::BlockRemove(Used::Yes),
        Self::Evict(1),
        Self::Evict(8),
        Self::Evict(192),
        Self::Evict(4096),
    ];

    /// What two threads do at the same time.
    pub(super) const TOGETHER: [Self; 10] = [
        Self::Arithmetic,
        Self::Enter,
        Self::Remove(Used::No),
        Self::Pair,
        Self::Protect(Used::No),
        Self::Read,
        Self::BulkRemove(Used::No),
        Self::BlockRemove(Used::No),
        Self::Walk(Found::Primary),
        Self::Walk(Found::Nowhere),
    ];

    /// Whether entries are there before.
    fn needs_entries(self) -> bool {
        !matches!(self, Self::Arithmetic | Self::Enter | Self::Pair)
    }

    /// Whether a walk has found them.
    fn used(self) -> Used {
        match self {
            Self::Remove(used) | Self::Protect(used) | Self::BulkRemove(used) | Self::BlockRemove(used) => used,
            Self::Evict(_) => Used::Yes,
            Self::Arithmetic | Self::Enter | Self::Pair | Self::Read | Self::Walk(_) => Used::No,
        }
    }

    /// Whether entries are there after.
    fn leaves_entries(self) -> bool {
        matches!(self, Self::Enter | Self::Protect(_) | Self::Read | Self::Walk(_))
    }

    /// Whether it takes the pages by blocks of eight, and not each at random.
    fn is_by_block(self) -> bool {
        matches!(self, Self::BlockRemove(_))
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = |used: &Used| match used {
            Used::No => "untouched",
            Used::Yes => "touched",
        };
        match self {
            Self::Arithmetic => write!(f, "arithmetic, for comparison"),
            Self::Enter => write!(f, "H_ENTER"),
            Self::Remove(it) => write!(f, "H_REMOVE, {}", used(it)),
            Self::Pair => write!(f, "H_ENTER and H_REMOVE"),
            Self::Protect(it) => write!(f, "H_PROTECT, {}", used(it)),
            Self::Read => write!(f, "H_READ"),
            Self::BulkRemove(it) => write!(f, "H_BULK_REMOVE, each of 4, {}", used(it)),
            Self::BlockRemove(it) => write!(f, "H_BLOCK_REMOVE, each of 8, {}", used(it)),
            Self::Evict(1) => write!(f, "eviction, touched"),
            Self::Evict(count) => write!(f, "eviction, each of {count}, touched"),
            Self::Walk(Found::Primary) => write!(f, "walk, found in the primary group"),
            Self::Walk(Found::Secondary) => write!(f, "walk, found in the secondary group"),
            Self::Walk(Found::Nowhere) => write!(f, "walk, not found"),
        }
    }
}

/// One of the pages that a worker works on.
#[derive(Clone, Copy)]
struct Entry {
    page: Page,
    /// Where its entry was put.
    at: u64,
}

/// One thread's port and pages.
pub(super) struct Worker {
    port: Port,
    /// In blocks of eight neighbours, or each at random.
    entries: Vec<Entry>,
}

/// Protection that differs from what entries begin with: read only, for all.
const READ_ONLY: u64 = 3;

impl Worker {
    /// Worker `thread` for `work` at `place`.
    pub(super) fn new(machine: &Machine, place: Place, work: Work, thread: usize) -> Self {
        let mut pages = pages(place, thread);
        if !work.is_by_block() {
            shuffle(&mut pages, thread as u64 + 1);
        }
        Self {
            port: machine.hpt.port(),
            entries: pages.into_iter().map(|page| Entry { page, at: 0 }).collect(),
        }
    }

    /// How many operations [`Self::work`] is.
    pub(super) fn operations(&self) -> usize {
        self.entries.len()
    }

    /// Puts there what `work` needs.
    pub(super) fn prepare(&mut self, work: Work) {
        if !work.needs_entries() {
            return;
        }
        let secondary = work == Work::Walk(Found::Secondary);
        for entry in &mut self.entries {
            entry.at = enter(&mut self.port, &entry.page, secondary);
        }
        if work.used() == Used::Yes {
            for entry in &self.entries {
                self.walk(entry.page.page);
            }
        }
    }

    /// What is measured.
    ///
    /// # Panics
    /// A call did not do what it should: then there is nothing to measure.
    pub(super) fn work(&mut self, work: Work) {
        match work {
            Work::Arithmetic => self.entries.iter().for_each(|entry| {
                black_box(random(entry.page.r));
            }),
            Work::Enter => {
                for entry in &mut self.entries {
                    entry.at = enter(&mut self.port, &entry.page, false);
                }
            }
            Work::Remove(_) => {
                for entry in &self.entries {
                    remove(&mut self.port, entry);
                }
            }
            Work::Pair => {
                for entry in &mut self.entries {
                    entry.at = enter(&mut self.port, &entry.page, false);
                    remove(&mut self.port, entry);
                }
            }
            Work::Protect(_) => {
                for Entry { page, at } in &self.entries {
                    let status = self.port.protect(access::AVPN | READ_ONLY, *at, page.page.avpn());
                    assert_eq!(status, Status::Success, "the entry is there");
                }
            }
            Work::Read => {
                for entry in &self.entries {
                    black_box(self.port.read(0, entry.at).expect("the index is in the table"));
                }
            }
            Work::BulkRemove(_) => {
                for four in self.entries.as_chunks().0 {
                    bulk_remove(&mut self.port, four);
                }
            }
            Work::BlockRemove(_) => {
                for eight in self.entries.as_chunks().0 {
                    block_remove(&mut self.port, eight);
                }
            }
            Work::Evict(count) => {
                for some in self.entries.chunks(count) {
                    let at = |_: &_| some.iter().map(|entry| entry.at);
                    let gone = self.port.evict(at, |at, entry| {
                        black_box((at, entry));
                    });
                    assert_eq!(gone, some.len(), "each entry is there");
                }
            }
            Work::Walk(Found::Primary | Found::Secondary) => {
                self.entries.iter().for_each(|entry| self.walk(entry.page.page));
            }
            Work::Walk(Found::Nowhere) => {
                for entry in &self.entries {
                    let fault = self.port.table().walk(entry.page.unmapped(), Access::Load, false);
                    black_box(fault.expect_err("the page is not mapped"));
                }
            }
        }
    }

    /// Empties the table again.
    pub(super) fn clean(&mut self, work: Work) {
        if work.leaves_entries() {
            for entry in &self.entries {
                remove(&mut self.port, entry);
            }
        }
    }

    fn walk(&self, page: Vpn) {
        let found = self.port.table().walk(page, Access::Load, false);
        black_box(found.expect("the page is mapped"));
    }
}

#[inline]
fn enter(port: &mut Port, page: &Page, secondary: bool) -> u64 {
    let group = page.groups[usize::from(secondary)];
    let at = port.enter(0, group, page.v(secondary), page.r);
    at.expect("the group has room").to_register()
}

#[inline]
fn remove(port: &mut Port, entry: &Entry) {
    let old = port.remove(access::AVPN, entry.at, entry.page.page.avpn());
    black_box(old.expect("the entry is there"));
}

#[inline]
fn bulk_remove(port: &mut Port, entries: &[Entry; bulk_remove::SPECIFIERS]) {
    let mut specifiers = entries.map(|entry| Specifier {
        high: bulk_remove::REQUEST | bulk_remove::AVPN | entry.at,
        low: entry.page.page.avpn(),
    });
    let _ = black_box(port.bulk_remove(&mut specifiers));
    let gone = |it: &Specifier| it.high & (bulk_remove::TYPE | bulk_remove::CODE) == bulk_remove::RESPONSE;
    assert!(specifiers.iter().all(gone), "each entry is there");
}

#[inline]
fn block_remove(port: &mut Port, entries: &[Entry; block_remove::SPECIFIERS]) {
    let mut specifiers = entries.map(|entry| block_remove::REQUEST | block_remove::AVPN | entry.at);
    let status = port.block_remove(entries[0].page.page.avpn(), &mut specifiers);
    assert_eq!(status, Status::Success, "each entry is there");
    black_box(specifiers);
}

/// Sixteen steps, each of which needs the one before.
#[inline]
fn random(mut seed: u64) -> u64 {
    for _ in 0..16 {
        // xorshift64
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
    }
    seed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alone::machine::{Holders, Map};

    /// Valid entries of the groups of `worker`.
    fn entries(worker: &Worker) -> usize {
        let table = worker.port.table();
        let groups = worker.entries.iter().flat_map(|entry| entry.page.groups);
        let all = groups.flat_map(|group| group..group + 8);
        all.filter(|&at| table.read(table.index(at).unwrap()).v.is_valid())
            .count()
    }

    #[test]
    fn each_work_begins_and_ends_with_an_empty_table() {
        for holders in [Holders::Nobody, Holders::Elsewhere, Holders::Outside] {
            let machine = Machine::new(holders, Map::Absent);
            for work in [&Work::PLAIN[..], &Work::FLUSHING, &Work::TOGETHER].concat() {
                for thread in 0..2 {
                    let mut worker = Worker::new(&machine, Place::Few, work, thread);
                    worker.prepare(work);
                    let before = if work.needs_entries() { worker.operations() } else { 0 };
                    assert_eq!(entries(&worker), before, "{work}");
                    worker.work(work);
                    let after = if work.leaves_entries() { worker.operations() } else { 0 };
                    assert_eq!(entries(&worker), after, "{work}");
                    worker.clean(work);
                    assert_eq!(entries(&worker), 0, "{work}");
                }
            }
        }
    }
}
