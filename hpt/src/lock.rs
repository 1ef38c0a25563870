//! The lock of one entry: software bit 57 of its doubleword 0, which walkers do not look at and
//! guests never see (LoPAR, Logical Partitioning Option, "Page Frame Table Access").
//!
//! A holder may wait for a grace period. So whoever waits for a lock must be outside the guest (a
//! hypercall is), and must hold no other lock: several locks are only ever *tried* (`bulk.rs`).

use power::hpte::{HpteR, HpteV};

use crate::sync::{Ordering, SPINS, fence, spin_loop, yield_now};
use crate::table::{Hpte, PteIndex, Table, load, store};

/// Patience of one that waits for a lock: a short spin, then the processor goes to others.
#[derive(Default)]
pub(crate) struct Waiting(u32);

impl Waiting {
    pub(crate) fn pause(&mut self) {
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
    pub(crate) fn try_lock(&self, at: PteIndex, wanted: impl Fn(HpteV) -> bool) -> Attempt<'_> {
        let v = HpteV::from_raw(load(self.v(at)));
        if v.is_locked() {
            return Attempt::Busy;
        }
        // Looked at before the lock is taken: who only finds that there is nothing to do does not make
        // a free slot look taken.
        if !wanted(v) {
            return Attempt::Unwanted;
        }
        let (old, new) = (v.raw().to_be(), (v.raw() | HpteV::LOCK).to_be());
        // Acquire: what the last holder did to dw 1 comes before what this one does (W1, W5).
        match self
            .v(at)
            .compare_exchange(old, new, Ordering::Acquire, Ordering::Relaxed)
        {
            Ok(_) => Attempt::Locked(Locked { table: self, at, v }),
            Err(_) => Attempt::Busy,
        }
    }

    /// Locks the entry at `at` if it is free: neither valid nor locked.
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

    /// Doubleword 0 as a guest sees it.
    pub(crate) fn v(&self) -> HpteV {
        self.v
    }

    /// Doubleword 1 as it is now; walkers may still set R and C in it.
    pub(crate) fn r(&self) -> HpteR {
        HpteR::from_raw(load(self.table.r(self.at)))
    }

    /// Hides the entry from walkers that start after the grace period which must follow. It comes
    /// back with [`Self::publish`] or is gone with [`Self::free`].
    pub(crate) fn hide(&mut self) {
        self.v = self.v.with_valid(false);
        // Relaxed: `Shadow::invalidate` orders it before the grace period (W2).
        store(self.table.v(self.at), self.v.raw() | HpteV::LOCK, Ordering::Relaxed);
    }

    /// Clears the bits of `mask` in doubleword 1 under the eyes of walkers; returns what it was.
    pub(crate) fn clear_in_place(&mut self, mask: u64) -> HpteR {
        // Relaxed: one atomic step on the word that walkers set R and C in, so that neither loses the other.
        let old = self.table.r(self.at).fetch_and((!mask).to_be(), Ordering::Relaxed);
        HpteR::from_raw(u64::from_be(old))
    }

    /// Gives the entry, which walkers do not see, its new content and unlocks it.
    pub(crate) fn publish(mut self, new: Hpte) {
        // Claim: who sees the new dw 1 sees dw 0 locked or later, and not the one before (W3).
        fence(Ordering::Release);
        store(self.table.r(self.at), new.r.raw(), Ordering::Relaxed);
        self.v = new.v;
    }

    /// Makes the entry, which walkers do not see, all zero in doubleword 0 and unlocks it.
    pub(crate) fn free(mut self) {
        self.v = HpteV::default();
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // Release: dw 1 comes before the dw 0 that shows it (W5).
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
            r: HpteR::from_raw(0x1000),
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
