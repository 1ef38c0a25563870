//! Which pages of guest memory a kernel that walks the table does not find, as some frame in them may not even be loaded from
//! ([`hpt::Frames`]); and what becomes of a processor that needs one.
//!
//! A processor waits for such a page in the kernel, where no ring reaches it, and counts as inside the guest, so that others may wait for it.
//! So nobody is left there: who hears of it sends it out of the guest, at its instruction, and it waits for the right outside its seat as emulated
//! processors do. What a page is meanwhile is [`Pages`]' to say.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | A1 | who takes pages, with every processor outside, under the mutex | the pages are absent | A2 |
//! | A2 | a processor in the guest that needs one | waits in the kernel | A3 |
//! | A3 | who hears of it, under the mutex | if a right is lacking: the processor is noted and rung, then the page refused: the processor comes out. If not, the page is back: it goes on | A2; A4 |
//! | A4 | the processor, outside its seat, under the mutex | takes the note; when no note names the page any more, the page is absent again | A3 |
//! | A5 | the same, before it enters again, and who has given rights, under the mutex | the page is back if no right is lacking | A1 |
//!
//! The mutex is held for a few system calls; under it nobody waits for a processor, a range or a right. A page is refused for as long as one processor needs to come out: another
//! that needs it meanwhile tries again and again, and is told of when that is over.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use hpt::{Access, Frames};

use super::NotWithheld;
use crate::sync::{Mutex, MutexGuard};

/// A mapping of guest memory for the kernel, by its pages.
pub(super) trait Pages: Send + Sync {
    /// Bytes of a page.
    fn page(&self) -> u64;
    /// The pages of `range`, which were present, are absent: who needs one waits, and is told of. No processor is in the guest.
    fn take_away(&self, range: Range<u64>) -> io::Result<()>;
    /// The pages of `range` are present; who waits for one has it.
    fn put_back(&self, range: Range<u64>) -> io::Result<()>;
    /// The pages of `range`, which were absent, are refused: who waits for one goes on without, and is out of the guest at its next ring.
    fn refuse(&self, range: Range<u64>) -> io::Result<()>;
    /// The pages of `range`, which were refused, are absent.
    fn report(&self, range: Range<u64>) -> io::Result<()>;
}

/// A processor that was sent out, as it needs a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Real address of the page.
    page: u64,
    /// What it would do there.
    pub(super) access: Access,
}

/// The pages that the kernel does not find.
pub(super) struct Absent<P> {
    pages: P,
    frames: Arc<Frames>,
    /// Absent at a time.
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Real addresses of the pages that are absent or refused.
    absent: BTreeSet<u64>,
    /// By server number: those that are on their way out.
    leaving: BTreeMap<usize, Held>,
}

impl<P: Pages> Absent<P> {
    /// All of `pages`, the guest's memory with what `frames` says may be done to it, are there; `most` may be absent.
    pub(super) fn new(pages: P, frames: Arc<Frames>, most: usize) -> Self {
        Self {
            pages,
            frames,
            most,
            state: Mutex::default(),
        }
    }

    /// The mapping.
    pub(super) fn pages(&self) -> &P {
        &self.pages
    }

    /// The pages that have a part of `ranges` are absent from here on (A1). No processor is in the guest.
    ///
    /// # Errors
    /// Some may be absent: [`Self::settle`] brings them back, once the rights are there.
    pub(super) fn take_away(&self, ranges: &[Range<u64>]) -> Result<(), NotWithheld> {
        let mut state = self.state();
        let new: BTreeSet<u64> = ranges.iter().flat_map(|range| self.pages_of(range)).collect();
        let new: Vec<u64> = new.difference(&state.absent).copied().collect();
        let wanted = state.absent.len() + new.len();
        if wanted > self.most {
            let most = self.most;
            return Err(NotWithheld::TooMany { wanted, most });
        }
        state.absent.extend(&new);
        for run in self.runs(new) {
            self.pages.take_away(run)?;
        }
        Ok(())
    }

    /// Somebody needs the absent page of `real` (A3): processor `server`, or nobody that can be sent out, who waits on.
    /// `ring` makes a processor leave the guest.
    ///
    /// # Errors
    /// The host brings the page neither back nor away: who waits for it waits on.
    pub(super) fn fault(
        &self,
        real: u64,
        access: Access,
        server: Option<usize>,
        ring: impl FnOnce(usize),
    ) -> io::Result<()> {
        let page = real - real % self.pages.page();
        let mut state = self.state();
        if !state.absent.contains(&page) {
            return Ok(());
        }
        let is_back = self.lacks_in(page, access).is_none() && self.put_back(&mut state, page..page + 1).is_ok();
        match server {
            Some(server) if !is_back => {
                state.leaving.insert(server, Held { page, access });
                // First: it looks for a ring when it goes on.
                ring(server);
                self.pages.refuse(page..page + self.pages.page())
            }
            _ => Ok(()),
        }
    }

    /// Processor `server` has left the guest (A4): what it was sent out for, if it was.
    ///
    /// # Errors
    /// The host's.
    pub(super) fn take_out(&self, server: usize) -> io::Result<Option<Held>> {
        let mut state = self.state();
        let Some(held) = state.leaving.remove(&server) else {
            return Ok(None);
        };
        let others = state.leaving.values().any(|other| other.page == held.page);
        if !others && state.absent.contains(&held.page) {
            self.pages.report(held.page..held.page + self.pages.page())?;
        }
        Ok(Some(held))
    }

    /// The first address that `held` must still wait for; if there is none its page is back (A5).
    ///
    /// # Errors
    /// The host does not bring it back.
    pub(super) fn lacks(&self, held: &Held) -> io::Result<Option<u64>> {
        if let Some(real) = self.lacks_in(held.page, held.access) {
            return Ok(Some(real));
        }
        self.put_back(&mut self.state(), held.page..held.page + 1)?;
        Ok(None)
    }

    /// The pages of `ranges` of which no frame lacks the right to load are back (A5).
    ///
    /// # Errors
    /// The host does not bring all of them back.
    pub(super) fn settle(&self, ranges: &[Range<u64>]) -> io::Result<()> {
        let mut state = self.state();
        let mut settled = Ok(());
        for range in ranges {
            let done = self.put_back(&mut state, range.clone());
            settled = settled.and(done);
        }
        settled
    }

    /// Pages that are not there.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.state().absent.len()
    }

    /// Brings back those pages of `range` that lack nothing.
    fn put_back(&self, state: &mut State, range: Range<u64>) -> io::Result<()> {
        let page = self.pages.page();
        let absent = state.absent.range(range.start - range.start % page..range.end);
        let back: Vec<u64> = absent
            .copied()
            .filter(|&at| self.lacks_in(at, Access::Load).is_none())
            .collect();
        for run in self.runs(back) {
            self.pages.put_back(run.clone())?;
            for at in run.step_by(page as usize) {
                state.absent.remove(&at);
            }
        }
        Ok(())
    }

    /// The first address in the page at `page` whose right forbids `access`.
    fn lacks_in(&self, page: u64, access: Access) -> Option<u64> {
        let end = (page + self.pages.page()).min(self.frames.ram_bytes());
        self.frames.find_withheld(&(page..end), access)
    }

    /// The pages that have a part of `range`.
    fn pages_of(&self, range: &Range<u64>) -> impl Iterator<Item = u64> + use<P> {
        let page = self.pages.page();
        (range.start - range.start % page..range.end).step_by(page as usize)
    }

    /// The ranges that these pages, in ascending order, make up.
    fn runs(&self, pages: Vec<u64>) -> impl Iterator<Item = Range<u64>> + use<P> {
        let size = self.pages.page();
        let mut pages = pages.into_iter().peekable();
        std::iter::from_fn(move || {
            let start = pages.next()?;
            let mut end = start + size;
            while pages.next_if_eq(&end).is_some() {
                end += size;
            }
            Some(start..end)
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics with it locked")
    }
}

// The models have this file elsewhere.
#[cfg(test)]
#[cfg(not(loom))]
#[path = "absent/tests.rs"]
mod tests;
