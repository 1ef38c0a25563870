//! Guest memory as `virtio-queue` wants it, in slices, made of copies: so a queue keeps no pointer into guest memory.
//!
//! Each access of `virtio-queue` uses its slice before it asks for the next one, so one slice's place is enough.
//!
//! | step | what | pairs with |
//! |---|---|---|
//! | D1 | delivers what was handed out for writing: fence Release; `Dma::write`; fence SeqCst | the driver's read of the used index: the element, and the data before it, are there; F1 |
//! | F1 | fetches: `Dma::read`; fence Acquire | the driver's barrier before it stores the available index |
//!
//! D1 comes before each next D1 or F1, and at the end of each of the queue's calls. So what is written arrives in order, and whoever
//! writes and then reads (an index that asks for a notification, then the other side's index) has the full barrier between the two that
//! the driver has between its two. The fences of `virtio-queue` itself stand before D1, where they order nothing.

use std::cell::Cell;
use std::sync::Arc;

use vm_memory::guest_memory::GuestMemorySliceIterator;
use vm_memory::{Bytes as _, GuestAddress, GuestMemory, GuestMemoryBackend, GuestMemoryMmap, Permissions};

use super::sync::{Ordering, fence};
use crate::dma::{BadAddress, Dma, DmaError};

/// The largest access of `virtio-queue`: a descriptor.
const LARGEST: usize = 16;

/// One queue's.
pub(super) struct Scratch {
    dma: Arc<dyn Dma>,
    /// Where the slices are.
    region: GuestMemoryMmap<()>,
    /// What was handed out for writing, and is not yet delivered: bus address and bytes.
    pending: Cell<Option<(u64, usize)>>,
    /// What is written at this bus address is not delivered.
    withheld: Cell<Option<u64>>,
    /// The first access that was refused.
    refused: Cell<Option<DmaError>>,
}

impl Scratch {
    /// One over `dma`.
    ///
    /// # Errors
    /// The host has no memory.
    pub(super) fn new(dma: Arc<dyn Dma>) -> Result<Self, vm_memory::mmap::FromRangesError> {
        Ok(Self {
            dma,
            region: GuestMemoryMmap::from_ranges(&[(GuestAddress(0), LARGEST)])?,
            pending: Cell::new(None),
            withheld: Cell::new(None),
            refused: Cell::new(None),
        })
    }

    /// What it is over.
    pub(super) fn dma(&self) -> &Arc<dyn Dma> {
        &self.dma
    }

    /// Delivers what has been written (D1).
    pub(super) fn deliver(&self) -> Result<(), DmaError> {
        let Some((at, bytes)) = self.pending.take() else {
            return Ok(());
        };
        if self.withheld.get() == Some(at) {
            return Ok(());
        }
        let mut written = [0; LARGEST];
        self.region
            .read_slice(&mut written[..bytes], GuestAddress(0))
            .expect("the region is as large as the largest slice");
        fence(Ordering::Release);
        let delivered = self.dma.write(at, &written[..bytes]);
        fence(Ordering::SeqCst);
        delivered.inspect_err(|bad| self.refuse(*bad))
    }

    /// Does not deliver what is written at bus address `at` from here on: it will be written again.
    pub(super) fn withhold(&self, at: Option<u64>) {
        self.withheld.set(at);
    }

    /// The first access that was refused since the last call.
    pub(super) fn take_refusal(&self) -> Option<DmaError> {
        self.refused.take()
    }

    fn fetch(&self, at: u64, bytes: usize) -> Result<(), DmaError> {
        let mut read = [0; LARGEST];
        let fetched = self.dma.read(at, &mut read[..bytes]);
        fence(Ordering::Acquire);
        fetched.inspect_err(|bad| self.refuse(*bad))?;
        self.region
            .write_slice(&read[..bytes], GuestAddress(0))
            .expect("the region is as large as the largest slice");
        Ok(())
    }

    fn refuse(&self, bad: DmaError) {
        self.refused.set(self.refused.take().or(Some(bad)));
    }
}

impl GuestMemory for Scratch {
    type PhysicalMemory = GuestMemoryMmap<()>;
    type Bitmap = ();

    /// Whether it is memory is seen when it is used.
    fn check_range(&self, addr: GuestAddress, count: usize, _access: Permissions) -> bool {
        addr.0.checked_add(count as u64).is_some()
    }

    fn get_slices<'a>(
        &'a self,
        addr: GuestAddress,
        count: usize,
        access: Permissions,
    ) -> vm_memory::guest_memory::Result<impl GuestMemorySliceIterator<'a, ()>> {
        // What `take_refusal` tells, in the words of `vm-memory`.
        let invalid = |error| match error {
            DmaError::Address(BadAddress { at, .. }) => {
                vm_memory::GuestMemoryError::InvalidGuestAddress(GuestAddress(at))
            }
            DmaError::Over => vm_memory::GuestMemoryError::InvalidBackendAddress,
        };
        self.deliver().map_err(invalid)?;
        if count > LARGEST {
            return Err(vm_memory::GuestMemoryError::InvalidBackendAddress);
        }
        if access.allow(Permissions::Read) {
            self.fetch(addr.0, count).map_err(invalid)?;
        }
        if access.has_write() {
            self.pending.set(Some((addr.0, count)));
        }
        Ok(GuestMemoryBackend::get_slices(&self.region, GuestAddress(0), count))
    }
}
