//! Ending the use of entries: hidden from walkers, then dropped by the processors that hold their translations, if any does.
//!
//! How it is known that none does depends on the walkers ([`Marking`]):
//!
//! - If they mark in one step, the entry is closed (W3), and R, clear at that moment, says so at once. Otherwise
//!   grace period and flush are one ([`Shadow::invalidate`](crate::Shadow)).
//! - If they write late bytes, R says so only after a grace period (G'): a walker that has copied the entry sets R and maps
//!   the page later than anybody can tell. Then those with R set are flushed. Nothing of the entry is read as the guest's, and its
//!   slot is not used again, before both.

use crate::lock::Locked;
use crate::port::shadow_of;
use crate::shadow::Batch;
use crate::{Marking, Port};

impl Port {
    /// Hides `entry` from walkers; whether that is all: no processor holds its translation, and none will. Otherwise
    /// its uses must end before its slot is used again.
    pub(crate) fn hide(&self, entry: &mut Locked<'_>) -> bool {
        entry.hide();
        let untouched = !entry.close() && self.hpt.marking == Marking::OneStep;
        if untouched {
            self.counters.untouched.add(1);
        }
        untouched
    }

    /// Hides `entry` from walkers and waits until no processor uses its translation any more.
    pub(crate) fn withdraw(&self, entry: &mut Locked<'_>) {
        if !self.hide(entry) {
            self.end_uses(1, std::iter::once(&*entry));
        }
    }

    /// Waits until no processor uses the translations of `count` hidden `entries` any more.
    pub(crate) fn end_uses<'e, 't: 'e>(&self, count: usize, entries: impl Iterator<Item = &'e Locked<'t>>) {
        let late = self.hpt.marking == Marking::LateBytes;
        if late {
            let grace = self.hpt.shadow.quiesce();
            self.counters.note(count, &grace);
        }
        let mut batch = Batch::new();
        for entry in entries {
            // Not before the grace period: a walk that was under way has set it by now.
            if late && !entry.is_used() {
                self.counters.untouched.add(1);
                continue;
            }
            let shadow = shadow_of(entry);
            if batch.try_push(shadow).is_err() {
                self.counters.flushed_early.add(1);
                self.drop_hidden(&batch);
                batch.clear();
                batch.push(shadow);
            }
        }
        self.drop_hidden(&batch);
    }

    /// Waits until no processor uses what `batch` names of hidden entries any more; those of walkers with late bytes have had their
    /// grace period.
    fn drop_hidden(&self, batch: &Batch) {
        if batch.is_empty() {
            return;
        }
        match self.hpt.marking {
            Marking::OneStep => self.invalidate(batch),
            Marking::LateBytes => {
                let flush = match &self.own_flush {
                    Some(own) => own(batch),
                    None => self.hpt.shadow.flush(batch),
                };
                self.counters.note_flush(&flush);
            }
        }
    }

    /// Waits until no processor uses the translation of `entry`, which walkers may still see, as they did before the call.
    pub(crate) fn invalidate_one(&self, entry: &Locked<'_>) {
        if self.hpt.marking == Marking::LateBytes {
            let grace = self.hpt.shadow.quiesce();
            self.counters.note(1, &grace);
        }
        let mut batch = Batch::new();
        batch.push(shadow_of(entry));
        self.drop_hidden(&batch);
    }

    /// Grace period and flush.
    fn invalidate(&self, batch: &Batch) {
        let grace = self.hpt.shadow.invalidate(batch);
        self.counters.note(batch.len(), &grace);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use power::hcall::Status;
    use power::page::PagePair;

    use crate::testing::{Asked, Machine, page, whole};
    use crate::{Access, Grace, Invalidation, Marking, Port};

    const SMALL: PagePair = PagePair::ALL[0];

    #[test]
    fn a_processor_with_a_flush_of_its_own_asks_for_the_grace_period_alone() {
        let machine = Machine::with_marking(Marking::LateBytes);
        let flushed = Arc::<Mutex<Vec<Invalidation>>>::default();
        let notes = Arc::clone(&flushed);
        let mut port = machine.port().with_own_flush(Some(Box::new(move |batch| {
            notes.lock().unwrap().extend(batch.items());
            Grace {
                by_errand: true,
                ..Grace::default()
            }
        })));
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        let used = whole(page(1, SMALL), SMALL, 0x5000);
        let mut expected = vec![];
        type Change<'c> = &'c mut dyn FnMut(&mut Port);
        let changes: [Change<'_>; 4] = [
            &mut |port| assert!(port.clear_ref(0, ptex).is_ok()),
            &mut |port| assert!(port.clear_mod(0, ptex).is_ok()),
            &mut |port| assert_eq!(port.protect(3, ptex, 0), Status::Success),
            &mut |port| assert!(port.remove(0, ptex, 0).is_ok()),
        ];
        for change in changes {
            machine.touch(page(1, SMALL), Access::Load);
            machine.asked();
            change(&mut port);
            expected.push(used);
            assert_eq!(*flushed.lock().unwrap(), expected);
            assert_eq!(machine.asked(), [Asked::Quiesce]);
        }
        assert_eq!((machine.hpt.counts().flushes, machine.hpt.counts().errands), (4, 4));
    }
}
