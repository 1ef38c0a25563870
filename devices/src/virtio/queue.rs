//! A virtqueue as a device has it (virtio 1.2, 2.7: split virtqueues): chains out, used buffers back, when to signal.
//!
//! The rings are read and written by `virtio-queue`, which reaches guest memory through `scratch`: what it does there, in which order, and which
//! barriers lie between, is told there. What is here is what a driver must not do: each mistake is a [`Broken`], and what a queue
//! costs is bounded, whatever the driver writes.

use std::io;
use std::sync::Arc;

use virtio_queue::{DescriptorChain, QueueOwnedT as _, QueueState, QueueT as _};

use super::chain::Chain;
use super::scratch::Scratch;
use crate::dma::{Dma, DmaError};
use crate::interrupt::Interrupt;

/// Of the driver's flags: it wants to hear of nothing (virtio 1.2, 2.7.6).
const NO_INTERRUPT: u16 = 1;

/// Buffers of a chain with an indirect table: Linux makes longer ones than the queue is, no longer than this.
const LONGEST_INDIRECT: usize = 1024;

/// Where a driver has put a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// How many descriptors it has: a power of two.
    pub size: u16,
    /// Bus address of the descriptor table, which lies at a multiple of 16.
    pub descriptors: u64,
    /// Of the driver's area, the available ring: a multiple of 2.
    pub available: u64,
    /// Of the device's area, the used ring: a multiple of 4.
    pub used: u64,
}

/// What a driver has done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The queue itself.
    #[error("a queue cannot be like this: {0:x?}")]
    Layout(Layout),
    /// No memory, or nobody's any more.
    #[error(transparent)]
    Memory(#[from] DmaError),
    /// The available index has grown by more than the queue has descriptors, or went back.
    #[error("the index of the available ring jumps")]
    Index,
    /// More chains are with the device than there are descriptors.
    #[error("more chains than the {size} descriptors of the queue are available at the same time")]
    TooMany {
        /// The queue's size.
        size: u16,
    },
    /// A descriptor that the chain names is not there, or comes again; or its bytes are more than 32 bits can say.
    #[error("the chain of descriptor {head} is broken off")]
    Endless {
        /// Its first descriptor.
        head: u16,
    },
    /// Or it has too many buffers.
    #[error("the chain of descriptor {head} has more than {most} buffers")]
    TooLong {
        /// Its first descriptor.
        head: u16,
        /// What is possible.
        most: usize,
    },
    /// A buffer of no bytes.
    #[error("the chain of descriptor {head} has an empty buffer")]
    Empty {
        /// Its first descriptor.
        head: u16,
    },
    /// A buffer that the device reads behind one that it writes.
    #[error("the chain of descriptor {head} has a buffer to be read behind one to be written")]
    Order {
        /// Its first descriptor.
        head: u16,
    },
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        Self::new(io::ErrorKind::InvalidData, broken)
    }
}

/// A queue in a worker's hands.
pub struct Queue {
    ring: virtio_queue::Queue,
    scratch: Scratch,
    has_event_index: bool,
    /// Signals the driver.
    bell: Arc<dyn Interrupt>,
    /// Chains that were popped and not pushed.
    in_flight: u16,
    /// The driver knows that it is to notify of the next chain.
    is_listening: bool,
    /// Something was pushed since the driver was last asked whether it wants to know.
    has_news: bool,
}

impl Queue {
    /// A queue at `layout` of `dma`; `bell` signals its driver. `has_event_index`: VIRTIO_F_EVENT_IDX is negotiated.
    ///
    /// # Errors
    /// It is no layout of a queue, or the host has no memory.
    pub fn new(layout: Layout, has_event_index: bool, dma: Arc<dyn Dma>, bell: Arc<dyn Interrupt>) -> io::Result<Self> {
        let Layout {
            size,
            descriptors,
            available,
            used,
        } = layout;
        // Each element has an address.
        let has_end = |at: u64, bytes: u64| at.checked_add(bytes).is_some();
        let size_bytes = u64::from(size);
        let fits = has_end(descriptors, 16 * size_bytes)
            && has_end(available, 6 + 2 * size_bytes)
            && has_end(used, 6 + 8 * size_bytes);
        // `virtio-queue` takes an available ring at 0 for one that was not set up.
        if !fits || available == 0 {
            return Err(Broken::Layout(layout).into());
        }
        let state = QueueState {
            max_size: size,
            event_idx_enabled: has_event_index,
            size,
            ready: true,
            desc_table: descriptors,
            avail_ring: available,
            used_ring: used,
            ..QueueState::default()
        };
        let ring = virtio_queue::Queue::try_from(state).map_err(|_| Broken::Layout(layout))?;
        Ok(Self {
            ring,
            scratch: Scratch::new(dma).map_err(io::Error::other)?,
            has_event_index,
            bell,
            in_flight: 0,
            is_listening: false,
            has_news: false,
        })
    }

    /// How many descriptors it has.
    pub fn size(&self) -> u16 {
        self.ring.size()
    }

    /// The next chain; `None` when there is none now, and the driver will notify of the next one.
    ///
    /// # Errors
    /// The queue is broken: it needs a reset.
    pub fn pop(&mut self) -> io::Result<Option<Chain>> {
        let chain = self.take();
        self.settle()?;
        Ok(chain?)
    }

    /// Gives `chain` back, with `written` bytes written to it from its beginning.
    ///
    /// # Errors
    /// As for [`Self::pop`].
    pub fn push(&mut self, chain: Chain, written: u32) -> io::Result<()> {
        debug_assert!(u64::from(written) <= chain.writable(), "the driver believes this");
        self.in_flight -= 1;
        self.has_news = true;
        let added = self.ring.add_used(&self.scratch, chain.into_head(), written);
        self.settle()?;
        added.map_err(|_| Broken::Index)?;
        Ok(())
    }

    /// Gives `chains` back together, each with the bytes written to it: the driver never sees some of them without the others.
    ///
    /// # Errors
    /// As for [`Self::pop`].
    pub fn push_all(&mut self, chains: Vec<(Chain, u32)>) -> io::Result<()> {
        let last = chains.len().saturating_sub(1);
        for (number, (chain, written)) in chains.into_iter().enumerate() {
            // The index behind the last one says it of all.
            let index = self.ring.used_ring() + 2;
            self.scratch.withhold((number < last).then_some(index));
            self.push(chain, written)?;
        }
        Ok(())
    }

    /// Signals the driver, if it wants to hear of what was pushed since the last call. To be called before as much has been pushed as the queue is
    /// long twice over.
    ///
    /// # Errors
    /// As for [`Self::pop`].
    pub fn signal(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.has_news) {
            return Ok(());
        }
        let is_wanted = if self.has_event_index {
            let is_wanted = self.ring.needs_notification(&self.scratch);
            self.settle()?;
            is_wanted.map_err(|_| Broken::Index)?
        } else {
            // `virtio-queue` does not look at the flags.
            let mut flags = [0; 2];
            self.scratch
                .dma()
                .read(self.ring.avail_ring(), &mut flags)
                .map_err(Broken::Memory)?;
            u16::from_le_bytes(flags) & NO_INTERRUPT == 0
        };
        if is_wanted {
            self.bell.raise();
        }
        Ok(())
    }

    fn take(&mut self) -> Result<Option<Chain>, Broken> {
        let most = LONGEST_INDIRECT.max(usize::from(self.size()));
        loop {
            // It fails for the index alone, or for memory, which `settle` tells.
            let next = self.ring.iter(&self.scratch).map_err(|_| Broken::Index)?.next();
            if let Some(descriptors) = next {
                if self.in_flight == self.size() {
                    return Err(Broken::TooMany { size: self.size() });
                }
                let chain = collect(descriptors, self.scratch.dma(), most)?;
                self.in_flight += 1;
                if std::mem::take(&mut self.is_listening) {
                    self.ring
                        .disable_notification(&self.scratch)
                        .map_err(|_| Broken::Index)?;
                }
                return Ok(Some(chain));
            }
            if self.is_listening {
                return Ok(None);
            }
            // What came before the driver could know is found by a second look.
            self.is_listening = true;
            if !self
                .ring
                .enable_notification(&self.scratch)
                .map_err(|_| Broken::Index)?
            {
                return Ok(None);
            }
        }
    }

    /// At the end of a call: delivers what has been written, and tells whether an access was refused.
    fn settle(&self) -> Result<(), Broken> {
        let delivered = self.scratch.deliver();
        match self.scratch.take_refusal() {
            Some(bad) => Err(bad.into()),
            None => Ok(delivered?),
        }
    }
}

/// The buffers of `descriptors`.
fn collect(descriptors: DescriptorChain<&Scratch>, dma: &Arc<dyn Dma>, most: usize) -> Result<Chain, Broken> {
    let mut chain = Chain::new(Arc::clone(dma), descriptors.head_index());
    let mut has_next = true;
    for buffer in descriptors {
        chain.add(&buffer, most)?;
        has_next = buffer.has_next();
    }
    // `virtio-queue` ends a chain where it goes wrong: before a descriptor that is not there, after as many as there are, where its
    // bytes are more than 32 bits can say.
    if has_next {
        return Err(Broken::Endless { head: chain.head() });
    }
    Ok(chain)
}

#[cfg(test)]
mod tests;
