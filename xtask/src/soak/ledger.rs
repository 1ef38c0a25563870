//! A second opinion about the dirty log: a copy of the guest's memory, kept as a migration would keep one.
//!
//! It reads the memory file itself and takes from pteg nothing but the harvests. A page is copied after the harvest that named it was answered (all
//! are, when tracking begins). If it differs from its copy just before the next harvest is asked for, somebody has stored there
//! between the two harvests, so **the next one must name it**. That a page is copied while it is stored to changes nothing: the store comes after the
//! harvest before, too.
//!
//! One thing may be late. Processors are driven out before a harvest is answered, but pteg itself stores first (a processor's areas, a page that
//! a hypercall clears) and notes it right after; if a look and a harvest fall between the two, the harvest after that one has
//! the page. So a page that is missing is *owed* by the next harvest, and lost if that has it not. How many were owed is told: a handful in an
//! hour, as the moment is so short; more than [`MOST_OWED`] are a bug of their own.
//!
//! While the run is paused nobody stores and nothing is owed: after a harvest every page is what its copy is.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// Bytes of a page, as the log tells them apart.
pub(super) const PAGE: u64 = 4096;

/// Pages that may have been late in all: one in ten thousand harvests would be many.
pub(super) const MOST_OWED: u64 = 100;

/// The copy.
pub(super) struct Ledger {
    memory: File,
    copy: Vec<u8>,
    /// Pages whose copy is not all zeros.
    filled: BTreeSet<u64>,
    /// Pages that have changed, and that the last harvest did not name.
    owed: BTreeSet<u64>,
    /// What it has seen.
    pub(super) counts: Counts,
}

/// What a ledger has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Pages compared with their copies.
    pub(super) looked_at: u64,
    /// Of them those that had changed and were in the harvest.
    pub(super) found: u64,
    /// Of them those that were only in the one after it.
    pub(super) owed: u64,
}

impl Ledger {
    /// Of the first `bytes` bytes of `memory`, as zeros so far.
    pub(super) fn new(memory: File, bytes: u64) -> Self {
        Self {
            memory,
            // Costs the host what the guest uses, as zeros are never written.
            copy: vec![0; usize::try_from(bytes).expect("the host has as many addresses")],
            filled: BTreeSet::new(),
            owed: BTreeSet::new(),
            counts: Counts::default(),
        }
    }

    /// How many pages there are.
    pub(super) fn pages(&self) -> u64 {
        self.copy.len() as u64 / PAGE
    }

    /// Tracking has begun.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.owed.clear();
        self.copy_again(0..self.pages())
    }

    /// The pages of `pages` that differ from their copies.
    pub(super) fn look(&mut self, pages: Range<u64>) -> io::Result<BTreeSet<u64>> {
        self.counts.looked_at += pages.end - pages.start;
        self.changed(pages)
    }

    /// A harvest that was asked for after `changed` had been seen, and has these ranges of addresses: the pages that are lost.
    pub(super) fn harvested(&mut self, changed: BTreeSet<u64>, ranges: &[Range<u64>]) -> io::Result<Vec<u64>> {
        let is_named = |page: &u64| {
            let behind = ranges.partition_point(|range| range.start <= page * PAGE);
            behind > 0 && ranges[behind - 1].contains(&(page * PAGE))
        };
        let lost = self.owed.iter().copied().filter(|page| !is_named(page)).collect();
        let (named, missing): (BTreeSet<u64>, _) = changed.into_iter().partition(is_named);
        self.counts.found += named.len() as u64;
        // One that was owed already is lost, or stored to again by now.
        let owed_before = std::mem::replace(&mut self.owed, missing);
        self.counts.owed += self.owed.difference(&owed_before).count() as u64;
        for range in ranges {
            let pages = range.start / PAGE..(range.end / PAGE).min(self.pages());
            self.copy_again(pages)?;
        }
        Ok(lost)
    }

    /// Makes the copies of `pages` what the pages are.
    fn copy_again(&mut self, pages: Range<u64>) -> io::Result<()> {
        for page in self.changed(pages)? {
            let first = (page * PAGE) as usize;
            let copy = &mut self.copy[first..first + PAGE as usize];
            self.memory.read_exact_at(copy, page * PAGE)?;
            if copy.iter().all(|&byte| byte == 0) {
                self.filled.remove(&page);
            } else {
                self.filled.insert(page);
            }
        }
        Ok(())
    }

    /// The pages of `pages` that differ from their copies.
    fn changed(&self, pages: Range<u64>) -> io::Result<BTreeSet<u64>> {
        const TOGETHER: u64 = 256;
        let mut buffer = vec![0; (TOGETHER * PAGE) as usize];
        let mut changed = BTreeSet::new();
        let mut at = pages.start;
        while at < pages.end {
            let data = (data_behind(&self.memory, at * PAGE)? / PAGE).min(pages.end);
            // A hole is zeros, whoever made it.
            changed.extend(self.filled.range(at..data));
            let count = (pages.end - data).min(TOGETHER);
            let now = &mut buffer[..(count * PAGE) as usize];
            self.memory.read_exact_at(now, data * PAGE)?;
            let copies = self.copy[(data * PAGE) as usize..].chunks(PAGE as usize);
            let both = copies.zip(now.chunks(PAGE as usize));
            changed.extend(
                (data..)
                    .zip(both)
                    .filter(|(_, (copy, now))| copy != now)
                    .map(|(page, _)| page),
            );
            at = data + count;
        }
        Ok(changed)
    }
}

/// Where the file has something at `at` or behind it; its end if there is nothing.
pub(super) fn data_behind(file: &File, at: u64) -> io::Result<u64> {
    match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(data) => Ok(data),
        Err(Errno::NXIO) => Ok(file.metadata()?.len().max(at)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::FallocateFlags;

    use super::*;

    const PAGES: u64 = 1000;

    fn ledger() -> (File, Ledger) {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(PAGES * PAGE).unwrap();
        let memory = file.reopen().unwrap();
        let mut ledger = Ledger::new(memory, PAGES * PAGE);
        file.as_file().write_all_at(&[7; 5000], 300 * PAGE).unwrap();
        ledger.begin().unwrap();
        (file.into_file(), ledger)
    }

    fn store(file: &File, page: u64) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, page * PAGE + 99).unwrap();
        file.write_all_at(&[byte[0] + 1], page * PAGE + 99).unwrap();
    }

    fn range(pages: Range<u64>) -> Range<u64> {
        pages.start * PAGE..pages.end * PAGE
    }

    #[test]
    fn a_page_that_a_harvest_names_is_well_and_copied_anew() {
        let (file, mut ledger) = ledger();
        assert!(ledger.look(0..PAGES).unwrap().is_empty());
        [0, 5, 300, 999].iter().for_each(|&page| store(&file, page));
        let changed = ledger.look(0..PAGES).unwrap();
        assert_eq!(changed, BTreeSet::from([0, 5, 300, 999]));
        let ranges = [range(0..1), range(3..7), range(299..301), range(999..2000)];
        assert_eq!(ledger.harvested(changed, &ranges).unwrap(), [0; 0]);
        assert!(ledger.look(0..PAGES).unwrap().is_empty());
        let seen = Counts {
            looked_at: 3 * PAGES,
            found: 4,
            owed: 0,
        };
        assert_eq!(ledger.counts, seen);
    }

    #[test]
    fn a_page_that_is_missing_is_owed_and_then_lost() {
        for (named, lost) in [(range(8..9), vec![]), (range(9..10), vec![8])] {
            let (file, mut ledger) = ledger();
            store(&file, 8);
            let changed = ledger.look(0..16).unwrap();
            assert!(ledger.harvested(changed, &[range(7..8)]).unwrap().is_empty());
            assert_eq!(ledger.counts.owed, 1);
            let changed = ledger.look(0..16).unwrap();
            assert_eq!(ledger.harvested(changed, &[named]).unwrap(), lost);
        }
    }

    #[test]
    fn a_page_that_differs_beyond_what_is_looked_at_is_not_seen() {
        let (file, mut ledger) = ledger();
        store(&file, 600);
        assert!(ledger.look(0..600).unwrap().is_empty());
        assert!(ledger.look(601..PAGES).unwrap().is_empty());
        assert_eq!(ledger.look(600..601).unwrap(), BTreeSet::from([600]));
    }

    #[test]
    fn a_page_that_has_become_a_hole_differs_until_a_harvest_names_it() {
        let (file, mut ledger) = ledger();
        let punched = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&file, punched, 300 * PAGE, 2 * PAGE).unwrap();
        let changed = ledger.look(0..PAGES).unwrap();
        assert_eq!(changed, BTreeSet::from([300, 301]));
        assert!(ledger.harvested(changed, &[range(300..301)]).unwrap().is_empty());
        assert_eq!(ledger.look(0..PAGES).unwrap(), BTreeSet::from([301]));
        assert_eq!(ledger.harvested(BTreeSet::new(), &[]).unwrap(), [301]);
    }

    #[test]
    fn data_is_found_where_it_is() {
        let (file, _) = ledger();
        assert_eq!(data_behind(&file, 0).unwrap(), 300 * PAGE);
        assert_eq!(data_behind(&file, 301 * PAGE).unwrap(), 301 * PAGE);
        assert_eq!(data_behind(&file, 500 * PAGE).unwrap(), PAGES * PAGE);
    }
}
