//! `H_RESIZE_HPT_PREPARE` and `H_RESIZE_HPT_COMMIT`: another table of another size in the place of the guest's (LoPAR,
//! Hash Page Table Resize Option).
//!
//! To prepare is to look, on a thread of its own, whether the bolted entries have room in the new table
//! ([`preparation`]). To commit is to move them there while every processor is outside the guest ([`move_entries`]).
//! Entries that are not bolted are dropped: the guest enters them again.
//!
//! LoPAR demands that nobody else uses the table during a commit. Calls of a guest that does not care work on the old
//! table, which nobody walks any more, or on the new one; none of them waits for what will not come.

mod move_entries;
mod preparation;

use std::sync::Arc;

use power::hcall::Status;

use crate::sync::{Mutex, lock_standing};
use crate::{AllocateTable, Hpt, Order, Port, Table};
use preparation::{Preparation, Verdict};

/// What a guest's table is resized with.
pub(crate) struct Resizing {
    /// The largest table that the guest may have.
    largest: Order,
    pending: Mutex<Option<Pending>>,
    /// To prepare is to be done with it.
    is_prompt: bool,
}

/// LoPAR's Pending HPT.
struct Pending {
    table: Arc<Table>,
    preparation: Preparation,
}

impl Resizing {
    /// No table larger than `largest` is allowed.
    pub(crate) fn new(largest: Order) -> Self {
        Self {
            largest,
            pending: Mutex::new(None),
            is_prompt: false,
        }
    }
}

impl Hpt {
    /// Lets the guest resize its table up to `largest`; without this, to the first table's size.
    pub fn with_largest(mut self, largest: Order) -> Self {
        self.resizing.largest = largest;
        self
    }

    /// Has `H_RESIZE_HPT_PREPARE` answer when the table is prepared, and not before: how often a guest asks is then no matter of the host's
    /// speed. Whoever asks does it.
    pub fn with_prompt_resizes(mut self) -> Self {
        self.resizing.is_prompt = true;
        self
    }

    /// The largest table that the guest may have.
    pub fn largest(&self) -> Order {
        self.resizing.largest
    }
}

impl Hpt {
    /// Puts an empty table of `order` in the place of the guest's, and gives up one that is being prepared: as at the start. No
    /// processor keeps a translation, and none may be in a hypercall.
    ///
    /// # Errors
    /// The host has no address space for it: the guest keeps its table.
    pub fn reset(&self, order: Order) -> Result<(), AllocateTable> {
        // Kept, so that nobody begins to prepare another.
        let mut pending = lock_standing(&self.resizing.pending);
        *pending = None;
        let old = self.table();
        let new = Arc::new(old.empty_like(order)?);
        self.shadow.exclusively(&mut || {
            old.retire();
            self.current.replace(Arc::clone(&new));
        });
        old.give_memory_back();
        Ok(())
    }
}

impl Pending {
    /// Begins to prepare a table of `order` for what `old` holds, and is done with it at once if that `is_prompt`; `None` if the host has no memory or
    /// thread for it.
    fn begin(old: Arc<Table>, order: Order, is_prompt: bool) -> Option<Self> {
        let table = Arc::new(old.reserve_like(order).ok()?);
        let preparation = if is_prompt {
            Preparation::at_once(&old, &table)
        } else {
            Preparation::begin(old, Arc::clone(&table)).ok()?
        };
        Some(Self { table, preparation })
    }

    fn is_of(&self, flags: u64, shift: u64) -> bool {
        flags == 0 && shift == u64::from(self.table.order().log2_bytes())
    }

    /// What H_RESIZE_HPT_PREPARE answers.
    fn status(&mut self) -> Status {
        match self.preparation.verdict() {
            None => Status::LongBusy(long_busy(self.preparation.remaining_ms())),
            Some(Verdict::Collision) => Status::PtegFull,
            Some(Verdict::Fits) => Status::Success,
        }
    }
}

/// The order of H_LONG_BUSY for a wait of `ms` milliseconds: rounded down, and 100 ms at most, so that the guest asks again
/// rather than sleep too long. The estimate knows nothing of what keeps the preparation waiting, and Linux gives up when it was
/// told to wait for more than 10 s in all.
fn long_busy(ms: u64) -> u8 {
    const LONGEST: u32 = 2;
    ms.max(1).ilog10().min(LONGEST) as u8
}

impl Port {
    /// `H_RESIZE_HPT_PREPARE`: begins to prepare a table of 2^`shift` bytes, says how far that is, or with a `shift` of 0
    /// gives it up. There is one at a time: another size discards it.
    ///
    /// `Success` when it is prepared; `LongBusy` while it is being prepared; `PtegFull` if two bolted entries need one
    /// slot; `Parameter` for flags and for sizes that no table has; `Resource` for more than [`Hpt::largest`]
    /// and if the host has no address space or thread for it.
    pub fn resize_prepare(&mut self, flags: u64, shift: u64) -> Status {
        let mut pending = lock_standing(&self.hpt.resizing.pending);
        if let Some(same) = pending.as_mut().filter(|pending| pending.is_of(flags, shift)) {
            return same.status();
        }
        *pending = None;
        if flags != 0 {
            return Status::Parameter;
        }
        if shift == 0 {
            return Status::Success;
        }
        let Some(order) = u32::try_from(shift).ok().and_then(Order::new) else {
            return Status::Parameter;
        };
        if order > self.hpt.resizing.largest {
            return Status::Resource;
        }
        match Pending::begin(self.hpt.table(), order, self.hpt.resizing.is_prompt) {
            Some(begun) => pending.insert(begun).status(),
            None => Status::Resource,
        }
    }

    /// `H_RESIZE_HPT_COMMIT`: puts the prepared table of 2^`shift` bytes in the place of the guest's, with every bolted entry in
    /// the same slot of its group. No processor is in the guest meanwhile, and none keeps a translation.
    ///
    /// `Success`; `Closed` if there is no such table; `Busy` while it is being prepared; `PtegFull` if two bolted
    /// entries need one slot: then the guest keeps its table, and the new one stays pending.
    pub fn resize_commit(&mut self, flags: u64, shift: u64) -> Status {
        let mut pending = lock_standing(&self.hpt.resizing.pending);
        let Some(ready) = pending.as_mut().filter(|pending| pending.is_of(flags, shift)) else {
            return Status::Closed;
        };
        match ready.preparation.verdict() {
            None => return Status::Busy,
            Some(Verdict::Collision) => return Status::PtegFull,
            Some(Verdict::Fits) => {}
        }
        // Only this call puts another table there, and `pending` is locked.
        let (old, new) = (self.hpt.table(), &ready.table);
        let mut verdict = Verdict::Collision;
        self.hpt.shadow.exclusively(&mut || {
            verdict = move_entries::check(&old, new);
            if verdict == Verdict::Fits {
                // From here on there is no way back.
                old.retire();
                move_entries::move_bolted(&old, new);
                self.hpt.current.replace(Arc::clone(new));
            }
        });
        if verdict == Verdict::Collision {
            return Status::PtegFull;
        }
        *pending = None;
        // Processors that sleep may keep the old table for long.
        old.give_memory_back();
        self.counters.resizes.add(1);
        Status::Success
    }
}

#[cfg(test)]
mod tests;
