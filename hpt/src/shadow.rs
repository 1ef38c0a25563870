//! What a writer of the table asks of the processors that may remember what the table said before.
//!
//! A *shadow* is a translation that a processor holds: an entry of its translation cache, a decoded
//! block, KVM's shadow HPTE. A *batch* names the ones that must go.

use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;
use power::page::{PageSize, Vpn};

/// Translations that no processor may use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// Those of one page.
    Page {
        /// The first page of the segment's base size in it.
        page: Vpn,
        /// How much of the virtual address space around `page` goes.
        actual: PageSize,
    },
    /// Everything.
    All,
}

/// Invalidations that share one grace period and one flush.
///
/// Gathering never fails and never allocates: what is more than [`Self::CAPACITY`] becomes
/// [`Invalidation::All`].
#[derive(Debug, Default)]
pub struct Batch {
    items: ArrayVec<Invalidation, { Batch::CAPACITY }>,
}

impl Batch {
    /// Invalidations that keep their names: what Linux gathers under one page table lock.
    pub const CAPACITY: usize = 192;

    /// A batch of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what `invalidation` names.
    pub fn push(&mut self, invalidation: Invalidation) {
        if self.items.first() == Some(&Invalidation::All) {
            return;
        }
        if invalidation == Invalidation::All || self.items.is_full() {
            self.items.clear();
            self.items.push(Invalidation::All);
        } else {
            self.items.push(invalidation);
        }
    }

    /// What goes.
    pub fn items(&self) -> &[Invalidation] {
        &self.items
    }

    /// Whether nothing goes.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Empties the batch.
    pub fn clear(&mut self) {
        self.items.clear();
    }
}

/// What a writer of the table asks of the processors that may hold a translation.
pub trait Shadow: Send + Sync {
    /// Returns when no processor uses a translation named by `batch` any more, and when every
    /// walk that began before the call has finished: what it set in an entry is there to be read.
    ///
    /// The caller has changed the table before, is itself outside the guest, and may hold locks of
    /// entries: nothing here may wait for one.
    fn invalidate(&self, batch: &Batch) -> Grace;

    /// Calls `work` while every processor is outside the guest and none goes in, so that nobody walks the table. Before they
    /// go on they drop everything that they hold.
    ///
    /// The caller is itself outside the guest.
    fn exclusively(&self, work: &mut dyn FnMut());

    /// Whether every walker sets R and C by a compare-exchange against the doubleword 1 that it has read. Then an entry
    /// whose doubleword 1 was changed in one step while R was clear has no shadow and will get none, and no
    /// grace period is needed to know it.
    fn marks_in_one_step(&self) -> bool;
}

/// What an invalidation asked of the processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grace {
    /// Processors that could not hold anything of the batch.
    pub left_alone: u32,
    /// Processors that will drop it before they enter the guest again, or have been made to.
    pub posted: u32,
    /// Of them, those that were made to leave the guest.
    pub kicked: u32,
    /// Of them, those that another writer was making leave already.
    pub joined: u32,
    /// How long it took until all of them had left; `None` if all were outside.
    pub waited: Option<Duration>,
}

/// Nobody holds translations: for a table that nobody walks while it is changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoShadow;

impl Shadow for NoShadow {
    fn invalidate(&self, _: &Batch) -> Grace {
        Grace::default()
    }

    fn exclusively(&self, work: &mut dyn FnMut()) {
        work();
    }

    fn marks_in_one_step(&self) -> bool {
        true
    }
}

impl<T: Shadow + ?Sized> Shadow for Arc<T> {
    fn invalidate(&self, batch: &Batch) -> Grace {
        (**self).invalidate(batch)
    }

    fn exclusively(&self, work: &mut dyn FnMut()) {
        (**self).exclusively(work);
    }

    fn marks_in_one_step(&self) -> bool {
        (**self).marks_in_one_step()
    }
}

#[cfg(test)]
mod tests {
    use power::page::SegmentSize;

    use super::*;

    fn page(number: u64) -> Invalidation {
        let page = Vpn::new(1, SegmentSize::Size1T, PageSize::Size4K, number << 12);
        Invalidation::Page {
            page,
            actual: PageSize::Size4K,
        }
    }

    #[test]
    fn a_batch_keeps_192_names() {
        let mut batch = Batch::new();
        (0..192).for_each(|number| batch.push(page(number)));
        assert_eq!(batch.items().len(), 192);
        assert_eq!(batch.items()[191], page(191));
    }

    #[test]
    fn more_than_a_batch_holds_is_everything() {
        let mut batch = Batch::new();
        (0..200).for_each(|number| batch.push(page(number)));
        assert_eq!(batch.items(), [Invalidation::All]);
    }

    #[test]
    fn everything_swallows_its_parts() {
        let mut batch = Batch::new();
        batch.push(page(1));
        batch.push(Invalidation::All);
        batch.push(page(2));
        assert_eq!(batch.items(), [Invalidation::All]);
    }
}
