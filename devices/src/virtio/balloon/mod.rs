//! A memory balloon (virtio 1.2, 5.5): the guest gives pages away as the host wants, and says which pages are free anyway.
//!
//! | file | |
//! |---|---|
//! | `numbers.rs` | the specification's |
//! | `statistics.rs` | what the guest says of its memory |
//! | `worker.rs` | takes pages, and statistics |
//!
//! Which memory the host takes back, and how, is for whoever gives the device its [`Reclaim`].

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use virtio_bindings::virtio_ids::VIRTIO_ID_BALLOON;

use numbers::{PAGE, REACHED, WANTED, feature, queue};
use statistics::Reports;
pub use statistics::{GuestMemory, Told};
use worker::BalloonWorker;

use super::{Configuration, Device, Kick, Queue, Worker};
use crate::dma::Epoch;

mod numbers;
mod statistics;
#[cfg(test)]
mod tests;
mod worker;

/// Class of the PCI function: one of no class.
const CLASS: u32 = 0x00_ff_00;

/// The largest size of a queue. Linux reports 32 ranges at a time, and wants a queue as long as that.
const QUEUE_SIZE: u16 = 128;

/// The run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the run is over")]
pub struct Over;

/// Takes memory that the guest has no use for.
pub trait Reclaim: Send + Sync {
    /// Gives the memory of `ranges` back to the host, in order and none twice: whole pages of 4 KiB by real address. What is no memory is left aside, and
    /// so is what cannot be had now. How many bytes the guest of `epoch` lost: if that is gone, the next one loses nothing.
    ///
    /// # Errors
    /// The run is over, so there is nobody to give it to.
    fn reclaim(&self, epoch: Epoch, ranges: &[Range<u64>]) -> Result<u64, Over>;
}

/// The device.
pub struct Balloon {
    shared: Arc<Shared>,
}

/// What it shares with its worker.
struct Shared {
    reclaim: Box<dyn Reclaim>,
    configuration: OnceLock<Configuration>,
    sizes: Mutex<Sizes>,
    /// Statistics that somebody waits for.
    reports: Reports,
    /// Rung by whoever wants statistics.
    wanted: Kick,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sizes {
    /// Pages that the host wants.
    wanted: u32,
    /// Pages that the driver says it has given.
    reached: u32,
    /// Bytes that were reported as free, and taken.
    reported: u64,
}

/// How large a balloon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Bytes that the host wants in it.
    pub wanted: u64,
    /// Bytes that the driver says are in it.
    pub reached: u64,
    /// Bytes beside it that the guest has reported as free, and that were given back to the host, since the start. A page may come again.
    pub reported: u64,
}

impl Balloon {
    /// An empty one, whose pages go to `reclaim`.
    ///
    /// # Errors
    /// The host has no descriptors left.
    pub fn new(reclaim: Box<dyn Reclaim>) -> io::Result<Self> {
        Ok(Self {
            shared: Arc::new(Shared {
                reclaim,
                configuration: OnceLock::new(),
                sizes: Mutex::default(),
                reports: Reports::default(),
                wanted: Kick::new()?,
            }),
        })
    }

    /// Wants `bytes` in it from now on, rounded down to pages of 4 KiB; the guest gives or takes them as it can.
    pub fn want(&self, bytes: u64) {
        let pages = u32::try_from(bytes / PAGE).unwrap_or(u32::MAX);
        let configuration = self.shared.configuration.get().cloned().unwrap_or_default();
        configuration.change(|| self.shared.sizes().wanted = pages);
    }

    /// How large it is.
    pub fn size(&self) -> Size {
        let Sizes {
            wanted,
            reached,
            reported,
        } = *self.shared.sizes();
        let bytes = |pages| u64::from(pages) * PAGE;
        Size {
            wanted: bytes(wanted),
            reached: bytes(reached),
            reported,
        }
    }

    /// What the guest says of its memory: asks it, and waits for the answer no longer than `patience`. After that, what it said last; `None` if this guest
    /// never said anything.
    pub fn ask(&self, patience: Duration) -> Option<Told> {
        let before = self.shared.reports.count();
        self.shared.wanted.ring();
        self.shared.reports.wait(before, patience)
    }
}

impl Shared {
    fn sizes(&self) -> MutexGuard<'_, Sizes> {
        self.sizes.lock().expect("nothing panics with the sizes locked")
    }

    /// A driver that is gone has no pages, and what it said is true no more.
    fn forget(&self) {
        self.sizes().reached = 0;
        self.reports.forget();
    }
}

impl Device for Balloon {
    fn id(&self) -> u16 {
        VIRTIO_ID_BALLOON as u16
    }

    fn class(&self) -> u32 {
        CLASS
    }

    /// Hints are offered, and never asked for, so that queues have one number by every reading.
    fn features(&self) -> u64 {
        feature::STATISTICS | feature::DEFLATE_ON_OOM | feature::HINTS | feature::REPORTS
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE; queue::COUNT]
    }

    fn attach(&self, configuration: Configuration) {
        let is_first = self.shared.configuration.set(configuration).is_ok();
        debug_assert!(is_first, "a device is attached once");
    }

    fn load_config(&self, offset: u64, into: &mut [u8]) {
        let Sizes { wanted, reached, .. } = *self.shared.sizes();
        let mut all = [0; 16];
        all[WANTED..WANTED + 4].copy_from_slice(&wanted.to_le_bytes());
        all[REACHED as usize..REACHED as usize + 4].copy_from_slice(&reached.to_le_bytes());
        for (byte, from) in into
            .iter_mut()
            .zip(all.iter().skip(usize::try_from(offset).unwrap_or(usize::MAX)))
        {
            *byte = *from;
        }
    }

    fn store_config(&self, offset: u64, from: &[u8]) {
        if let (REACHED, &[a, b, c, d]) = (offset, from) {
            self.shared.sizes().reached = u32::from_le_bytes([a, b, c, d]);
        }
    }

    fn start(&self, features: u64, queues: Vec<(usize, Queue)>) -> io::Result<Box<dyn Worker>> {
        self.shared.forget();
        Ok(Box::new(BalloonWorker::new(&self.shared, features, queues)?))
    }
}
