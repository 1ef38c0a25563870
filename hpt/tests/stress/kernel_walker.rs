//! A processor in KVM, played by a thread: its kernel walks the table without a lock or an order, marks late, and maps pages after
//! that. What is mapped lasts until it is taken by real address, while the processor runs, or all of it at once.

use std::collections::HashMap;
use std::hint::spin_loop;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hpt::{Access, Discard, Refused, Table, Translation};
use power::page::Vpn;

use crate::Random;

/// What the kernel has mapped for one processor. Used with the lock held: who takes a page away waits for the access that is under
/// way, as the host's `tlbie` does.
#[derive(Clone, Default)]
pub(crate) struct Kernel(Arc<Mutex<HashMap<Vpn, Translation>>>);

impl Kernel {
    fn mapped(&self) -> MutexGuard<'_, HashMap<Vpn, Translation>> {
        // A thread that has failed must not fail the others.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn forget_all(&self) {
        self.mapped().clear();
    }

    /// An access of the processor, which is in the guest: `access` is called with what is mapped, if it may be.
    pub(crate) fn touch(
        &self,
        table: &Table,
        page: Vpn,
        store: bool,
        random: &mut Random,
        access: impl FnOnce(Translation),
    ) {
        let is_held = |held: &&Translation| !store || held.changed;
        if self.mapped().get(&page).filter(is_held).is_none() {
            let Some(copy) = table.copy_late(page, random.below(2) == 0) else {
                return;
            };
            dawdle(random);
            let kind = if store { Access::Store } else { Access::Load };
            let Ok(found) = copy.mark(kind, false) else {
                return;
            };
            dawdle(random);
            self.mapped().insert(page, found);
        }
        let mapped = self.mapped();
        // It may be gone by now.
        if let Some(found) = mapped.get(&page).filter(is_held) {
            access(*found);
        }
    }
}

/// Now and then, long enough for a hypercall.
fn dawdle(random: &mut Random) {
    if random.below(8) == 0 {
        (0..random.below(2000)).for_each(|_| spin_loop());
    }
}

/// The host, which takes pages from all of them.
pub(crate) struct Host(pub(crate) Vec<Kernel>);

impl Discard for Host {
    fn discard(&self, range: Range<u64>) -> Result<(), Refused> {
        for kernel in &self.0 {
            kernel.mapped().retain(|_, found| !range.contains(&found.real));
        }
        Ok(())
    }
}
