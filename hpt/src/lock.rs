//! The lock of one entry: software bit 57 of its doubleword 0, which walkers do not look at and
//! guests never see (LoPAR, Logical Partitioning Option, "Page Frame Table Access").
//!
//! A holder may wait for a grace period. So whoever waits for a lock must be outside the guest (a
//! hypercall is, unless [`Port::enters_inside`](crate::Port::enters_inside) lets it stay), and must hold no other lock: several locks
//! are only ever *tried* (`gather.rs`, `block.rs`).

use power::hpte::{HpteR, HpteV};

use crate::changes::SPILLED;
use crate::points::{hand_on, point};
use crate::sync::{Ordering, SPINS, fence, spin_loop, yield_now};
use crate::table::{Hpte, PteIndex, Table, load, store};

/// Patience of one that waits for a lock: a short spin, then the processor goes to others; at once where processors take turns.
#[derive(Default)]
pub(crate) struct Waiting(u32);

impl Waiting {
    #[cold]
    pub(crate) fn pause(&mut self) {
        if hand_on() {
            return;
        }
        if self.0 < SPINS {
            self.0 += 1;
            spin_loop();
        } else {
            yield_now();
        }
    }
}

/// A locked entry. Dropping it unlocks the entry, with the doubleword 0 that was last put.
pub(crate) struct Locked<'t> {
    table: &'t Table,
    at: PteIndex,
    /// Doubleword 0 without the lock bit.
    v: HpteV,
    /// Bits of doubleword 1 that are turned while it is closed.
    closed: u64,
    hidden: bool,
}

/// What came of looking for an entry to lock.
pub(crate) enum Attempt<'t> {
    Locked(Locked<'t>),
    /// It is not the entry that was wanted, and nobody is about to change that.
    Unwanted,
    /// Somebody else holds it.
    Busy,
}

impl Table {
    /// Locks the entry at `at` if `wanted` accepts its doubleword 0; waits for another holder first.
    pub(crate) fn lock(&self, at: PteIndex, wanted: impl Fn(HpteV) -> bool) -> Option<Locked<'_>> {
        let mut waiting = Waiting::default();
        loop {
            match self.try_lock(at, &wanted) {
                Attempt::Locked(locked) => return Some(locked),
                Attempt::Unwanted => return None,
                Attempt::Busy => waiting.pause(),
            }
        }
    }

    /// As [`Self::lock`], without waiting.
    #[inline(always)]
    pub(crate) fn try_lock(&self, at: PteIndex, wanted: impl Fn(HpteV) -> bool) -> Attempt<'_> {
        let v = HpteV::from_raw(load(self.v(at)));
        if v.is_locked() {
            return Attempt::Busy;
        }
        // Looked at before the lock is taken: who only finds that there is nothing to do does not make
        // a free slot look taken.
        if !wanted(HpteV::from_guest(v.raw())) {
            return Attempt::Unwanted;
        }
        point();
        let (old, new) = (v.raw().to_be(), (v.raw() | HpteV::LOCK).to_be());
        // Acquire: what the last holder did to dw 1 comes before what this one does (W1, W7).
        match self
            .v(at)
            .compare_exchange(old, new, Ordering::Acquire, Ordering::Relaxed)
        {
            Ok(_) => Attempt::Locked(Locked {
                table: self,
                at,
                v,
                closed: 0,
                hidden: false,
            }),
            Err(_) => Attempt::Busy,
        }
    }

    /// Locks the first of these entries that is free.
    // A structure that is handed over in memory costs its receiver a wait: hence always.
    #[inline(always)]
    pub(crate) fn try_claim_first(&self, entries: &[PteIndex]) -> Option<Locked<'_>> {
        for at in entries {
            if let Some(slot) = self.try_claim(*at) {
                return Some(slot);
            }
        }
        None
    }

    /// Locks the entry at `at` if it is free: neither valid nor locked.
    #[inline(always)]
    pub(crate) fn try_claim(&self, at: PteIndex) -> Option<Locked<'_>> {
        match self.try_lock(at, |v| !v.is_valid()) {
            Attempt::Locked(locked) => Some(locked),
            Attempt::Unwanted | Attempt::Busy => None,
        }
    }
}

impl Locked<'_> {
    /// Where the entry is.
    pub(crate) fn at(&self) -> PteIndex {
        self.at
    }

    /// The entry as the guest sees it, or saw it before it was hidden. Walkers may still set R and C until it is closed,
    /// or hidden for a grace period.
    pub(crate) fn entry(&self) -> Hpte {
        self.look().0
    }

    /// The same, and whether a walker may have stored through it since it was published.
    pub(crate) fn look(&self) -> (Hpte, bool) {
        let r = HpteR::from_raw(load(self.table.r(self.at)) ^ self.closed);
        let entry = Hpte {
            v: self.v.with_valid(true),
            r,
        };
        let marking = self.table.marking();
        (entry.seen(marking), marking.is_stored_to(r))
    }

    /// Whether a walker has set R. Where walkers write late bytes, this is only certain to tell of the last one after a grace
    /// period.
    pub(crate) fn is_used(&self) -> bool {
        HpteR::from_raw(load(self.table.r(self.at))).is_referenced()
    }

    /// Hides the entry from walkers that come later. It comes back with [`Self::publish`] or is gone with
    /// [`Self::free`], after a grace period or when [`Self::close`] has told that none is needed.
    pub(crate) fn hide(&mut self) {
        point();
        self.v = self.v.with_valid(false);
        self.hidden = true;
        // Relaxed: the count that follows (W4), and `Shadow::invalidate`, order it.
        store(self.table.v(self.at), self.v.raw() | HpteV::LOCK, Ordering::Relaxed);
    }

    /// Makes doubleword 1 of a hidden entry one that no walker has read and that permits nothing; whether a walker had set R before.
    /// Where walkers mark in one step, none sets R or C any more: if R was clear, no processor holds the entry's translation,
    /// and none will. It stays closed in a free slot.
    pub(crate) fn close(&mut self) -> bool {
        point();
        let doubleword = self.table.r(self.at);
        let open = HpteR::from_raw(load(doubleword));
        // Nobody else changes these bits.
        self.closed = open.raw() ^ open.closed().raw();
        // One step: a walker's compare-exchange comes before it, and R is seen here, or fails; the byte that another walker
        // stores is not this one's. Release: who sees it closed sees dw 0 hidden.
        let old = doubleword.fetch_xor(self.closed.to_be(), Ordering::Release);
        HpteR::from_raw(u64::from_be(old)).is_referenced()
    }

    /// Clears R, the walkers' and the guest's, under the eyes of walkers; returns the entry as it was, and whether a
    /// walker had used it.
    pub(crate) fn clear_r(&mut self) -> (Hpte, bool) {
        point();
        let mask = HpteR::R | HpteR::GUEST_R;
        // One atomic step on the word that walkers set R and C in, so that neither loses the other. Release: who sees R clear
        // sees the entry locked (`confirm.rs`).
        let old = self.table.r(self.at).fetch_and((!mask).to_be(), Ordering::Release);
        let r = HpteR::from_raw(u64::from_be(old));
        let seen = Hpte { v: self.v, r }.seen(self.table.marking());
        if seen.r.is_changed() && !self.table.marking().is_stored_to(r.with_clear(mask)) {
            // That there was a store was known by R alone.
            self.v = self.v.with_set(HpteV::GUEST_C);
        }
        (seen, r.is_referenced())
    }

    /// Clears the guest's C; the walkers' stays as it is.
    pub(crate) fn clear_guest_c(mut self) {
        self.v = self.v.with_clear(HpteV::GUEST_C);
    }

    /// Gives a claimed slot its entry and unlocks it. Nobody has used it then, whatever R and C say: those are the guest's.
    pub(crate) fn fill(mut self, new: Hpte) {
        if new.v.is_secondary() {
            // S1.
            self.table
                .first_group_changes(self.at)
                .fetch_add(SPILLED, Ordering::Relaxed);
        }
        let new = new.stored(self.table.marking());
        self.claim();
        point();
        store(self.table.r(self.at), new.r.raw(), Ordering::Relaxed);
        if let Some(map) = self.table.reverse() {
            // Whoever finds the entry by the map reads there which page it is for, also if a walker's R is all that it sees of
            // what comes next (M0).
            let hidden = new.v.with_valid(false).raw() | HpteV::LOCK;
            store(self.table.v(self.at), hidden, Ordering::Relaxed);
            // After dw 1, to which the same adds a step (U3); before the dw 0 that shows it (M4).
            map.link(self.at, new);
        }
        point();
        self.v = new.v;
    }

    /// Gives the entry, which walkers do not see, its new content, which maps the same page, and unlocks it. Nobody has used it
    /// then, whatever R and C say: those are the guest's.
    pub(crate) fn publish(mut self, new: Hpte) {
        let new = new.stored(self.table.marking());
        self.claim();
        point();
        let doubleword = self.table.r(self.at);
        if self.table.reverse().is_some() {
            // One step, which follows on that of an unmapper that has found R clear (U3): who sees this sees what came before that.
            doubleword.swap(new.r.raw().to_be(), Ordering::Relaxed);
        } else {
            store(doubleword, new.r.raw(), Ordering::Relaxed);
        }
        point();
        self.v = new.v;
    }

    /// Who sees the doubleword 1 that comes next sees the count of whatever was in the slot before (W5).
    fn claim(&mut self) {
        self.count();
        fence(Ordering::Release);
    }

    /// Makes the entry, which walkers do not see and nobody uses any more, all zero in doubleword 0 and unlocks it.
    pub(crate) fn free(mut self) {
        point();
        if let Some(map) = self.table.reverse() {
            map.unlink(self.at, self.entry());
        }
        if self.v.is_secondary() {
            // S2.
            self.table
                .first_group_changes(self.at)
                .fetch_sub(SPILLED, Ordering::Relaxed);
        }
        self.v = HpteV::default();
    }

    /// Counts that the entry which was hidden is no more.
    fn count(&mut self) {
        if std::mem::take(&mut self.hidden) {
            // Release: who finds this count finds dw 0 hidden or later (W4).
            self.table.changes(self.at.group()).fetch_add(1, Ordering::Release);
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.count();
        // Release: dw 1 comes before the dw 0 that shows it (W7).
        store(self.table.v(self.at), self.v.raw(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Order;

    #[test]
    fn a_locked_entry_is_refused_until_it_is_dropped() {
        let table = Table::new(Order::MIN).unwrap();
        let at = table.index(9).unwrap();
        let locked = table.lock(at, |_| true).unwrap();
        assert!(matches!(table.try_lock(at, |_| true), Attempt::Busy));
        assert!(table.try_claim(at).is_none());
        drop(locked);
        assert!(table.try_claim(at).is_some());
    }

    #[test]
    fn an_entry_that_is_not_wanted_is_left_alone() {
        let table = Table::new(Order::MIN).unwrap();
        let at = table.index(9).unwrap();
        assert!(table.lock(at, HpteV::is_valid).is_none());
        assert!(matches!(table.try_lock(at, HpteV::is_valid), Attempt::Unwanted));
    }

    #[test]
    fn a_valid_entry_is_not_claimed() {
        let table = Table::new(Order::MIN).unwrap();
        let at = table.index(9).unwrap();
        let entry = Hpte {
            v: HpteV::from_raw(0x81),
            r: HpteR::from_raw(0x1012),
        };
        table.try_claim(at).unwrap().publish(entry);
        assert!(table.try_claim(at).is_none());
        assert_eq!(table.read(at), entry);
    }

    #[test]
    fn dropping_a_hidden_entry_leaves_it_invalid_and_unlocked() {
        let table = Table::new(Order::MIN).unwrap();
        let at = table.index(9).unwrap();
        table.try_claim(at).unwrap().publish(Hpte {
            v: HpteV::from_raw(0x81),
            r: HpteR::default(),
        });
        table.lock(at, HpteV::is_valid).unwrap().hide();
        assert!(table.try_claim(at).is_some());
    }
}
