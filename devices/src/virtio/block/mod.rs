//! A block device (virtio 1.2, 5.2): a disk of the host as the guest has it.
//!
//! | file | |
//! |---|---|
//! | `config.rs` | what the device says of itself |
//! | `request.rs` | what a request asks for |
//! | `worker.rs` | carries requests out |
//!
//! What is durable when: with VIRTIO_BLK_F_FLUSH negotiated, what was reported as written before a flush was made available is durable
//! when the flush is reported as done. Without it every write is, when it is reported. The device never
//! waits with one request for another.

use std::io;
use std::sync::Arc;

use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_MQ, VIRTIO_BLK_F_RO,
    VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_SIZE_MAX, VIRTIO_BLK_F_TOPOLOGY, VIRTIO_BLK_F_WRITE_ZEROES,
};
use virtio_bindings::virtio_ids::VIRTIO_ID_BLOCK;

use config::Config;
pub use config::Limits;
use request::{ID_BYTES, Terms};
use worker::BlockWorker;

use super::{Device, Queue, Worker};
use crate::disk::engine::{self, Engine};
use crate::disk::{Disk, Faults, SECTOR};

mod config;
mod request;
#[cfg(test)]
mod tests;
mod worker;

/// Class of the PCI function: a mass storage controller of SCSI's kind, as QEMU's devices are.
const CLASS: u32 = 0x01_00_00;

/// The largest size of a queue.
const QUEUE_SIZE: u16 = 256;

/// Requests that are being carried out at a time, of all queues together: each has a buffer.
const DEPTH: usize = 8;

/// Whether data may wait in the host before it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Until the guest flushes.
    Writeback,
    /// Never: a write is reported when it is durable.
    Writethrough,
}

/// How a device is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traits {
    /// The device's ID: at most 20 bytes of it.
    pub serial: String,
    /// Queues: 1 at least.
    pub queues: u16,
    /// When writes are durable.
    pub cache: Cache,
    /// Whether the guest may give space back.
    pub discard: bool,
}

/// Makes the engine of a life.
pub type StartEngine = fn(&Arc<dyn Disk>, usize) -> io::Result<Box<dyn Engine>>;

/// A block device.
pub struct Block {
    about: Arc<About>,
    config: Config,
    features: u64,
    start_engine: StartEngine,
}

/// What all lives of a device share.
struct About {
    disk: Arc<dyn Disk>,
    faults: Faults,
    serial: [u8; ID_BYTES],
    /// With everything negotiated that is offered.
    terms: Terms,
}

impl Block {
    /// The device for `disk`, whose errors `faults` tells.
    pub fn new(disk: Arc<dyn Disk>, traits: &Traits, faults: Faults) -> Self {
        let can_discard = traits.discard && !disk.is_read_only();
        let limits = Limits {
            queues: traits.queues,
            segment_bytes: 1 << 20,
            segments: u32::from(QUEUE_SIZE) - 2,
            // A request holds up those behind it for no longer than a second or so.
            discard_sectors: (2 << 30) / SECTOR as u32,
            zero_sectors: (128 << 20) / SECTOR as u32,
            ranges: 64,
            zeroes_may_unmap: can_discard,
        };
        let terms = Terms {
            disk_bytes: disk.bytes(),
            block: disk.grain().logical,
            is_read_only: disk.is_read_only(),
            has_discard: can_discard,
            has_zeroes: !disk.is_read_only(),
            limits,
        };
        let offered = [
            (VIRTIO_BLK_F_SIZE_MAX, true),
            (VIRTIO_BLK_F_SEG_MAX, true),
            (VIRTIO_BLK_F_BLK_SIZE, true),
            (VIRTIO_BLK_F_TOPOLOGY, true),
            (VIRTIO_BLK_F_MQ, traits.queues > 1),
            (VIRTIO_BLK_F_RO, disk.is_read_only()),
            (
                VIRTIO_BLK_F_FLUSH,
                !disk.is_read_only() && traits.cache == Cache::Writeback,
            ),
            (VIRTIO_BLK_F_DISCARD, terms.has_discard),
            (VIRTIO_BLK_F_WRITE_ZEROES, terms.has_zeroes),
        ];
        let features = offered.iter().filter(|(_, is_offered)| *is_offered);
        let mut serial = [0; ID_BYTES];
        serial
            .iter_mut()
            .zip(traits.serial.bytes())
            .for_each(|(to, from)| *to = from);
        Self {
            config: Config::new(&*disk, &limits),
            features: features.map(|(bit, _)| 1 << bit).sum(),
            about: Arc::new(About {
                disk,
                faults,
                serial,
                terms,
            }),
            start_engine: engine::start,
        }
    }

    /// The same with another engine than the fastest there is.
    #[must_use]
    pub fn with_engine(self, start_engine: StartEngine) -> Self {
        Self { start_engine, ..self }
    }
}

impl Device for Block {
    fn id(&self) -> u16 {
        VIRTIO_ID_BLOCK as u16
    }

    fn class(&self) -> u32 {
        CLASS
    }

    fn features(&self) -> u64 {
        self.features
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE; self.about.terms.limits.queues.into()]
    }

    fn load_config(&self, offset: u64, into: &mut [u8]) {
        self.config.load(offset, into);
    }

    fn start(&self, features: u64, queues: Vec<(usize, Queue)>) -> io::Result<Box<dyn Worker>> {
        let has = |bit: u32| features & (1 << bit) != 0;
        let terms = Terms {
            has_discard: has(VIRTIO_BLK_F_DISCARD),
            has_zeroes: has(VIRTIO_BLK_F_WRITE_ZEROES),
            ..self.about.terms
        };
        let engine = (self.start_engine)(&self.about.disk, DEPTH)?;
        let is_writeback = has(VIRTIO_BLK_F_FLUSH);
        let worker = BlockWorker::new(Arc::clone(&self.about), terms, is_writeback, engine, queues)?;
        Ok(Box::new(worker))
    }
}
