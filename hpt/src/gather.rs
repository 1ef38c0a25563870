//! Entries that are being removed together: hidden, locked, and waiting for the one flush that they share.
//!
//! The first [`Gather::IN_PLACE`] take no memory of the heap. Further ones do; a host that has none left does not fail the call:
//! what was gathered is flushed early, and gathering goes on. More than [`Gather::CAPACITY`] locks are never held.

use arrayvec::ArrayVec;
use power::hpte::HpteV;

use crate::lock::{Attempt, Locked};
use crate::shadow::Batch;
use crate::{Hpte, Port, PteIndex};

/// Entries on their way out. `T` is what the caller wants to know them by.
pub(crate) struct Gather<'p, T> {
    port: &'p Port,
    in_place: ArrayVec<(T, Locked<'p>), { Batch::IN_PLACE }>,
    more: Vec<(T, Locked<'p>)>,
}

impl<'p, T> Gather<'p, T> {
    /// Entries that take no memory of the heap.
    pub(crate) const IN_PLACE: usize = Batch::IN_PLACE;
    /// Entries that share one flush at most.
    pub(crate) const CAPACITY: usize = Batch::CAPACITY;

    pub(crate) fn new(port: &'p Port) -> Self {
        Self {
            port,
            in_place: ArrayVec::new(),
            more: Vec::new(),
        }
    }

    /// Locks the entry at `at` if `wanted` accepts its doubleword 0. If somebody holds it, perhaps this
    /// gather, what was gathered is flushed first: who waits for a lock holds no other.
    pub(crate) fn lock(
        &mut self,
        at: PteIndex,
        wanted: impl Fn(HpteV) -> bool,
        gone: &mut impl FnMut(T, PteIndex, Hpte),
    ) -> Option<Locked<'p>> {
        let table = self.port.table();
        match table.try_lock(at, &wanted) {
            Attempt::Locked(entry) => Some(entry),
            Attempt::Unwanted => None,
            Attempt::Busy => {
                self.flush(gone);
                table.lock(at, wanted)
            }
        }
    }

    /// Hides `entry` from walkers. It is free, and `gone` has been told how it was, at once if nobody used it, after
    /// the next flush otherwise.
    #[inline]
    pub(crate) fn take(&mut self, known_by: T, mut entry: Locked<'p>, gone: &mut impl FnMut(T, PteIndex, Hpte)) {
        if self.port.hide(&mut entry) {
            let at = entry.at();
            return gone(known_by, at, self.port.free(entry));
        }
        self.keep(known_by, entry, gone);
    }

    /// Keeps an entry that somebody may hold until the next flush. Apart, as most entries are gone before it comes to this.
    #[inline(never)]
    fn keep(&mut self, known_by: T, entry: Locked<'p>, gone: &mut impl FnMut(T, PteIndex, Hpte)) {
        if !self.has_room() {
            self.flush(gone);
        }
        if let Err(error) = self.in_place.try_push((known_by, entry)) {
            self.more.push(error.element());
        }
    }

    fn has_room(&mut self) -> bool {
        if self.in_place.len() < Self::IN_PLACE {
            return true;
        }
        if self.in_place.len() + self.more.len() >= Self::CAPACITY {
            return false;
        }
        let grown = self.more.try_reserve(1).is_ok();
        if !grown {
            self.port.counters.flushed_early.add(1);
        }
        grown
    }

    /// Waits until no processor uses what was gathered, frees it, and tells `gone` how it was.
    pub(crate) fn flush(&mut self, gone: &mut impl FnMut(T, PteIndex, Hpte)) {
        if self.in_place.is_empty() {
            return;
        }
        let count = self.in_place.len() + self.more.len();
        let entries = self.in_place.iter().chain(&self.more).map(|(_, entry)| entry);
        self.port.end_uses(count, entries);
        for (known_by, entry) in self.in_place.drain(..).chain(self.more.drain(..)) {
            let at = entry.at();
            gone(known_by, at, self.port.free(entry));
        }
    }
}
