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
        /// Real address of the first byte of these `actual` bytes.
        real: u64,
    },
    /// Those that were made without the table (MSR\[IR\] or MSR\[DR\] is 0) of some real addresses.
    Real {
        /// The first one.
        real: u64,
        /// How many.
        bytes: u64,
    },
    /// Everything.
    All,
}

/// Invalidations that share one grace period and one flush.
///
/// The first [`Self::IN_PLACE`] need no memory of the heap, further ones do: a batch that got none is flushed early
/// ([`Self::try_push`]) or becomes [`Invalidation::All`] ([`Self::push`]). Gathering never aborts.
#[derive(Debug, Default)]
pub struct Batch {
    in_place: ArrayVec<Invalidation, { Batch::IN_PLACE }>,
    /// What did not fit in place.
    more: Vec<Invalidation>,
}

/// A batch takes no more names: it is as large as it may be, or the host is out of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the batch is full")]
pub struct Full;

impl Batch {
    /// Invalidations that take no memory of the heap: what Linux gathers under one page table lock.
    pub const IN_PLACE: usize = if cfg!(loom) { 8 } else { 192 };
    /// Invalidations of one batch. Each keeps an entry locked, and processors look for every one of them.
    pub const CAPACITY: usize = 4096;

    /// A batch of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch of everything.
    pub fn everything() -> Self {
        let mut batch = Self::new();
        batch.push(Invalidation::All);
        batch
    }

    /// Adds what `invalidation` names. Everything swallows its parts.
    ///
    /// # Errors
    /// There is no room: the batch is as it was.
    pub fn try_push(&mut self, invalidation: Invalidation) -> Result<(), Full> {
        if self.is_everything() {
            return Ok(());
        }
        if invalidation == Invalidation::All {
            self.clear();
        }
        if self.in_place.try_push(invalidation).is_ok() {
            return Ok(());
        }
        if self.len() >= Self::CAPACITY || self.more.try_reserve(1).is_err() {
            return Err(Full);
        }
        self.more.push(invalidation);
        Ok(())
    }

    /// Adds what `invalidation` names; if there is no room for it, everything goes.
    pub fn push(&mut self, invalidation: Invalidation) {
        if self.try_push(invalidation).is_err() {
            self.clear();
            self.in_place.push(Invalidation::All);
        }
    }

    /// What goes.
    pub fn items(&self) -> impl Iterator<Item = &Invalidation> + Clone {
        self.in_place.iter().chain(&self.more)
    }

    /// How many invalidations these are.
    pub fn len(&self) -> usize {
        self.in_place.len() + self.more.len()
    }

    /// Whether nothing goes.
    pub fn is_empty(&self) -> bool {
        self.in_place.is_empty()
    }

    /// Whether everything goes.
    pub(crate) fn is_everything(&self) -> bool {
        self.in_place.first() == Some(&Invalidation::All)
    }

    /// Empties the batch; memory that it took stays its own.
    pub fn clear(&mut self) {
        self.in_place.clear();
        self.more.clear();
    }
}

/// What a writer of the table asks of the processors that may hold a translation.
///
/// Whoever asks has changed the table before, is itself outside the guest, and may hold locks of entries: nothing here may
/// wait for one, but for [`Self::exclusively`].
///
/// Tables whose walkers mark in one step use [`Self::invalidate`] alone. Where they write late bytes
/// ([`Marking::LateBytes`](crate::Marking)), an entry's R tells after [`Self::quiesce`] whether it must go into a
/// [`Self::flush`].
pub trait Shadow: Send + Sync {
    /// Grace period and flush: returns when no processor uses a translation named by `batch` any more, and when every
    /// walk that began before the call has finished: what it set in an entry is there to be read.
    fn invalidate(&self, batch: &Batch) -> Grace;

    /// Grace period: returns when every walk that began before the call has finished: what it set in an entry is there to be
    /// read, what it found is held.
    fn quiesce(&self) -> Grace;

    /// Flush: returns when no processor uses a translation named by `batch` any more. No walk can find these any more, since
    /// before a grace period.
    fn flush(&self, batch: &Batch) -> Grace;

    /// Calls `work` while every processor is outside the guest and none goes in, so that nobody walks the table. Before they
    /// go on they drop everything that they hold.
    ///
    /// The caller holds no lock of an entry, and may wait for one in `work`.
    fn exclusively(&self, work: &mut dyn FnMut());
}

/// What a writer asked of the processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grace {
    /// Processors that could not hold anything of the batch.
    pub left_alone: u32,
    /// Processors that will drop it before they enter the guest again, or have been made to.
    pub posted: u32,
    /// Processors that were made to leave the guest.
    pub kicked: u32,
    /// Processors that another writer was making leave already.
    pub joined: u32,
    /// Ranges of real addresses that were taken from all processors while they ran.
    pub discarded: u32,
    /// The calling processor has dropped it for all of them, inside the guest.
    pub by_errand: bool,
    /// All processors were told to drop everything, as the ranges were too many.
    pub flushed_all: bool,
    /// How long it took until all of them had left; `None` if all were outside.
    pub waited: Option<Duration>,
}

impl Grace {
    /// Adds what the flush after this grace period asked.
    pub(crate) fn add_flush(&mut self, flush: &Self) {
        self.posted += flush.posted;
        self.kicked += flush.kicked;
        self.joined += flush.joined;
        self.discarded += flush.discarded;
        self.flushed_all |= flush.flushed_all;
        self.waited = match (self.waited, flush.waited) {
            (Some(grace), Some(flush)) => Some(grace + flush),
            (grace, flush) => grace.or(flush),
        };
    }
}

/// Nobody holds translations: for a table that nobody walks while it is changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoShadow;

impl Shadow for NoShadow {
    fn invalidate(&self, _: &Batch) -> Grace {
        Grace::default()
    }

    fn quiesce(&self) -> Grace {
        Grace::default()
    }

    fn flush(&self, _: &Batch) -> Grace {
        Grace::default()
    }

    fn exclusively(&self, work: &mut dyn FnMut()) {
        work();
    }
}

impl<T: Shadow + ?Sized> Shadow for Arc<T> {
    fn invalidate(&self, batch: &Batch) -> Grace {
        (**self).invalidate(batch)
    }

    fn quiesce(&self) -> Grace {
        (**self).quiesce()
    }

    fn flush(&self, batch: &Batch) -> Grace {
        (**self).flush(batch)
    }

    fn exclusively(&self, work: &mut dyn FnMut()) {
        (**self).exclusively(work);
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
            real: number << 12,
        }
    }

    fn items(batch: &Batch) -> Vec<Invalidation> {
        batch.items().copied().collect()
    }

    #[test]
    fn a_batch_keeps_its_names_in_order_in_place_and_beyond() {
        let mut batch = Batch::new();
        for number in 0..Batch::CAPACITY {
            assert_eq!((batch.len(), batch.is_empty()), (number, number == 0));
            batch.push(page(number as u64));
        }
        let expected: Vec<_> = (0..Batch::CAPACITY as u64).map(page).collect();
        assert_eq!(items(&batch), expected);
        assert_eq!(batch.try_push(page(0)), Err(Full));
        assert_eq!(items(&batch), expected);
        batch.clear();
        assert!(batch.is_empty() && batch.items().next().is_none());
    }

    #[test]
    fn more_than_a_batch_holds_is_everything() {
        let mut batch = Batch::new();
        (0..=Batch::CAPACITY as u64).for_each(|number| batch.push(page(number)));
        assert_eq!(items(&batch), [Invalidation::All]);
        assert_eq!(batch.try_push(page(0)), Ok(()));
        assert_eq!(batch.len(), 1);
    }

    #[test]
    fn everything_swallows_its_parts() {
        let mut batch = Batch::new();
        batch.push(page(1));
        batch.push(Invalidation::All);
        batch.push(page(2));
        assert_eq!(items(&batch), [Invalidation::All]);
    }
}
