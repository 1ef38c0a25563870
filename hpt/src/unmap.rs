//! Unmapping: making the processors drop every translation of ranges of the guest's memory, as whoever is about to take that
//! memory away, or to protect it, asks. The guest's entries stay as they are.
//!
//! The entries are found by the reverse map, so the cost lies in them, not in the size of the table or of the memory. The steps
//! (U1 to U4) are in the table at the top of `reverse.rs`. An unmapper locks no entry and changes none:
//!
//! - *An entry with R set* is named in a batch, hidden or not. R and C stay as they are: R says that a translation may be held, which is
//!   as true as before once others look, and a remover that found R clear would not wait for our flush.
//! - *An entry with R clear* that nobody has locked has no shadow, and who gets one later sees the range in flight.
//! - *One with R clear that is locked* may be in the midst of `H_CLEAR_REF`, whose flush is pending: it is named.
//!
//! What processors hold without the table, of real mode, is named as well, once a step.
//!
//! It goes in steps, each with one grace period and one flush of all that it has named: as many names as a batch has room for in place,
//! so that no memory is ever needed; a bounded number of entries and words looked at, and a bounded time. Between two steps nothing is
//! held, and patience is asked.
//!
//! When more names have come together than [`Unmapper::EVERYTHING_AFTER`], or more entries were looked at than
//! [`Unmapper::EVERYTHING_AFTER_ENTRIES`], all processors drop everything, once, and it is done. So a
//! guest cannot make it long, by whatever it maps. It is done at once as well where there is no reverse map; and without
//! a word when the table is found retired: behind the closed gate all processors drop everything before they use another
//! (`resize.rs`).

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use power::hpte::{HpteR, HpteV};
use power::page::PageSize;

use crate::counters::Counters;
use crate::patience::{Abandoned, Patience};
use crate::port::named;
use crate::reverse::{Frame, ReverseMap, Run};
use crate::shadow::{Batch, Invalidation};
use crate::sync::Ordering;
use crate::table::load;
use crate::{Hpt, Marking, PteIndex, Table};

/// What an unmapping found, and what it asked of the processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unmapped {
    /// Entries that were found to map a byte of the ranges.
    pub entries: u64,
    /// Of them, those that no processor has used.
    pub untouched: u64,
    /// Flushes, each with its grace period.
    pub flushes: u64,
    /// Processors that were made to leave the guest.
    pub kicks: u64,
    /// Bounded steps that the work was done in.
    pub steps: u64,
    /// The longest of them, without its wait for processors.
    pub longest_step: Duration,
    /// The processors drop everything that they hold: it costs less than to name what must go, or nobody knows what that is.
    pub everything: bool,
}

/// One host thread's way to unmap. It is no processor.
pub struct Unmapper {
    hpt: Arc<Hpt>,
    counters: Arc<Counters>,
    /// What the step has named. Large, so it is made once.
    batch: Batch,
}

impl Hpt {
    /// An unmapper for one host thread.
    pub fn unmapper(self: &Arc<Self>) -> Unmapper {
        Unmapper {
            hpt: Arc::clone(self),
            counters: self.borrow_counters(),
            batch: Batch::new(),
        }
    }
}

impl Drop for Unmapper {
    fn drop(&mut self) {
        self.hpt.return_counters(Arc::clone(&self.counters));
    }
}

impl Unmapper {
    /// Names that one flush is for: what a batch keeps in place. A seat that gets more than 256 at once drops everything.
    pub const NAMES: usize = Batch::IN_PLACE;
    /// Names after which everything goes. So many cost as much as it costs an emulated processor to find again all that it can
    /// keep in mind (benches, "Unmapping"): so it never takes more than about twice the time of the better way. Such a processor
    /// drops everything by itself after 16 kicks, a batch of names each, a little later.
    pub const EVERYTHING_AFTER: u64 = 1536;
    /// Entries after which everything goes, whether processors hold them or not: a guest may map one page by every slot of its table.
    pub const EVERYTHING_AFTER_ENTRIES: u64 = 1 << 16;
    /// What a step looks at, at most: entries, and words of the map that name none.
    pub const LOOKS: u32 = 8192;
    /// How long a step looks, at most, without the wait for processors: it ends with the first run of entries, or of words, past it.
    pub const STEP: Duration = if cfg!(loom) {
        // A model knows no time.
        Duration::MAX
    } else {
        Duration::from_micros(200)
    };

    /// Returns when no processor holds a translation, by the table or of real mode, of any byte of `ranges` that it made
    /// before the call: before ranges were put in flight that every processor looks for before it remembers one. The guest's entries stay
    /// as the guest sees them. Only memory is meant: real addresses of devices are not looked for.
    ///
    /// Ranges in ascending order cost the least. The caller holds no lock of an entry, and is inside no [`Seat`](crate::Seat).
    ///
    /// # Errors
    /// `patience` was over between two steps. Some of the translations may be gone.
    pub fn unmap(
        &mut self,
        ranges: impl IntoIterator<Item = Range<u64>>,
        patience: &dyn Patience,
    ) -> Result<Unmapped, Abandoned> {
        // By the mutex: a translation of a later table was made after this.
        let table = self.hpt.table();
        self.batch.clear();
        self.counters.unmaps.add(1);
        let mut sweep = Sweep {
            table: &table,
            unmapper: self,
            patience,
            done: Unmapped::default(),
            named: 0,
            real: None,
            begun: Instant::now(),
            looks: 0,
            until_clock: CLOCK,
        };
        let ended = match table.reverse() {
            Some(map) => sweep.look_through(map, ranges),
            None => Err(Ended::Everything),
        };
        sweep.end(&ended)
    }
}

/// Looks between two at the clock.
const CLOCK: u32 = if cfg!(loom) { 1 } else { ReverseMap::RUN as u32 };

/// Why a sweep ends before it has seen all.
enum Ended {
    /// All processors must drop everything.
    Everything,
    /// All processors have been made to, by a resize.
    Retired,
    Abandoned,
}

/// One call's way through the map.
struct Sweep<'s> {
    table: &'s Table,
    unmapper: &'s mut Unmapper,
    patience: &'s dyn Patience,
    done: Unmapped,
    /// Names so far, in all steps.
    named: u64,
    /// The ranges that have begun in this step, with what lies between them: what processors hold of them without the table goes
    /// with one name. They hold little of that, and keep account of it as a whole.
    real: Option<Range<u64>>,
    /// When the step began.
    begun: Instant,
    /// What the step has looked at.
    looks: u32,
    /// Looks until the clock is read.
    until_clock: u32,
}

impl Sweep<'_> {
    fn look_through(&mut self, map: &ReverseMap, ranges: impl IntoIterator<Item = Range<u64>>) -> Result<(), Ended> {
        // The last page of each size that was looked at: neighbouring ranges share large ones.
        let mut last = [None; PageSize::ALL.len()];
        for range in ranges.into_iter().filter(|range| !range.is_empty()) {
            self.real = Some(match self.real.take() {
                Some(real) => real.start.min(range.start)..real.end.max(range.end),
                None => range.clone(),
            });
            let range = range.start..range.end.min(map.ram_bytes());
            if range.is_empty() {
                continue;
            }
            for (size, last) in PageSize::ALL.into_iter().zip(&mut last) {
                let pages = (range.start >> size.shift()) as usize..((range.end - 1) >> size.shift()) as usize + 1;
                let from = pages.start + usize::from(*last == Some(pages.start));
                self.look_at_pages(map, size, from..pages.end)?;
                *last = Some(pages.end - 1);
            }
        }
        Ok(())
    }

    fn look_at_pages(&mut self, map: &ReverseMap, size: PageSize, pages: Range<usize>) -> Result<(), Ended> {
        let mut from = pages.start;
        while from < pages.end {
            match map.next_used(size, from, pages.end) {
                Ok(number) => {
                    self.look_at_chain(map, Frame { size, number })?;
                    from = number + 1;
                }
                Err(next) => {
                    self.looked(1)?;
                    from = next;
                }
            }
        }
        Ok(())
    }

    fn look_at_chain(&mut self, map: &ReverseMap, frame: Frame) -> Result<(), Ended> {
        let mut chain = map.chain(frame);
        loop {
            // While the head is locked there is no time to flush.
            self.make_room(ReverseMap::RUN)?;
            let mut looked = 0;
            let run = chain.run(|ptex| {
                looked += 1;
                let Some(at) = self.table.index(ptex) else { return };
                match self.table.may_be_held(at) {
                    Some(held) => {
                        self.named += 1;
                        self.unmapper.batch.push(held);
                    }
                    None => self.done.untouched += 1,
                }
            });
            self.done.entries += u64::from(looked);
            self.looked(looked.max(1))?;
            match run {
                Run::Ended => return Ok(()),
                // A retired table's chains may lead anywhere, also in circles: its memory is zero, and a writer may not know.
                Run::More if self.table.is_retired() => return Err(Ended::Retired),
                Run::More => {}
                Run::NoBookmark => return Err(Ended::Everything),
            }
        }
    }

    /// Sees to it that `more` names fit into the batch.
    fn make_room(&mut self, more: usize) -> Result<(), Ended> {
        // One more: that of real mode.
        if self.unmapper.batch.len() + more + 1 > Unmapper::NAMES {
            return self.next_step();
        }
        Ok(())
    }

    /// Notes that so many more words or entries were looked at; begins another step if that was enough.
    fn looked(&mut self, more: u32) -> Result<(), Ended> {
        self.looks += more;
        if self.named > Unmapper::EVERYTHING_AFTER || self.done.entries > Unmapper::EVERYTHING_AFTER_ENTRIES {
            return Err(Ended::Everything);
        }
        if self.looks >= Unmapper::LOOKS {
            return self.next_step();
        }
        self.until_clock = self.until_clock.saturating_sub(more);
        if self.until_clock == 0 {
            self.until_clock = CLOCK;
            if self.begun.elapsed() >= Unmapper::STEP {
                return self.next_step();
            }
        }
        Ok(())
    }

    /// Ends the step; there is more to do.
    fn next_step(&mut self) -> Result<(), Ended> {
        self.end_step();
        if self.patience.is_over() {
            return Err(Ended::Abandoned);
        }
        self.begun = Instant::now();
        Ok(())
    }

    /// Makes the processors drop what the step has named.
    fn end_step(&mut self) {
        let length = self.begun.elapsed();
        self.done.steps += 1;
        self.done.longest_step = self.done.longest_step.max(length);
        self.looks = 0;
        self.until_clock = CLOCK;
        if let Some(range) = self.real.take() {
            self.unmapper.batch.push(Invalidation::Real {
                real: range.start,
                bytes: range.end - range.start,
            });
        }
        if self.unmapper.batch.is_empty() {
            return;
        }
        let grace = self.unmapper.flush();
        self.done.flushes += 1;
        self.done.kicks += grace;
        self.unmapper.batch.clear();
    }

    /// Ends the last step, as `ended` says.
    fn end(mut self, ended: &Result<(), Ended>) -> Result<Unmapped, Abandoned> {
        match ended {
            // The entries may have been moved, with nobody left in the guest who uses them.
            Ok(()) if self.table.reverse().is_some() && self.table.is_retired() => self.done.everything = true,
            Ok(()) | Err(Ended::Abandoned) => {}
            Err(Ended::Everything) => {
                self.unmapper.batch.push(Invalidation::All);
                self.done.everything = true;
            }
            Err(Ended::Retired) => self.done.everything = true,
        }
        if !matches!(ended, Err(Ended::Abandoned)) {
            self.end_step();
        }
        self.unmapper.counters.note_unmapped(&self.done);
        match ended {
            Err(Ended::Abandoned) => Err(Abandoned),
            _ => Ok(self.done),
        }
    }
}

impl Unmapper {
    /// Grace period and flush of what was named; how many processors were made to leave.
    fn flush(&self) -> u64 {
        let shadow = &self.hpt.shadow;
        match self.hpt.marking {
            Marking::OneStep => {
                let grace = shadow.invalidate(&self.batch);
                self.counters.note(self.batch.len(), &grace);
                grace.kicked.into()
            }
            Marking::LateBytes => {
                let grace = shadow.quiesce();
                self.counters.note(self.batch.len(), &grace);
                let flush = shadow.flush(&self.batch);
                self.counters.note_flush(&flush);
                u64::from(grace.kicked) + u64::from(flush.kicked)
            }
        }
    }
}

impl Table {
    /// What processors may hold of the entry at `at`, which is in a chain of the reverse map whose head is locked; `None` if they
    /// hold nothing (U3, U4).
    fn may_be_held(&self, at: PteIndex) -> Option<Invalidation> {
        let mut r = HpteR::from_raw(load(self.r(at)));
        if !r.is_referenced() {
            // What is stored there later is a step on this word: whoever reads that has seen what we have. Acquire: if R was cleared in
            // place, the entry is seen locked.
            r = HpteR::from_raw(u64::from_be(self.r(at).fetch_or(0, Ordering::AcqRel)));
        }
        // Acquire: an entry that is not locked has no flush pending.
        let v = HpteV::from_raw(u64::from_be(self.v(at).load(Ordering::Acquire)));
        // Without V it was found unused when it was hidden, or is not published yet.
        let is_used = r.is_referenced() || (v.is_valid() && v.is_locked());
        is_used.then(|| named(at, v, r).unwrap_or(Invalidation::All))
    }
}

#[cfg(test)]
mod tests;
