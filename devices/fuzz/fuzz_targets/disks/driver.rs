//! What a driver does.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex};

use arbitrary::Arbitrary;
use devices::disk::engine::{Engine, Inline};
use devices::disk::{Disk, Faults, Grain, Space};
use devices::virtio::block::{Block, Cache, Traits};
use devices::virtio::{Device, Layout, Queue, Worker};

use devices_fuzz::blank::Blank;
use devices_fuzz::memory::{BASE, Memory};
use devices_fuzz::ring::Silent;

use crate::late::{self, Late};

/// Descriptors of the queue.
const SIZE: u16 = 16;
const DESCRIPTORS: u64 = BASE;
const AVAILABLE: u64 = BASE + 0x1000;
const USED: u64 = BASE + 0x2000;
/// Tables of indirect descriptors.
const TABLES: u64 = BASE + 0x3000;
const TABLE_BYTES: u64 = 0x400;
/// What buffers are made of.
const DATA: u64 = BASE + 0x8000;

/// Bytes of memory.
const BYTES: u64 = 1 << 17;

const DISK_BYTES: usize = 1 << 17;

/// How the device is.
#[derive(Arbitrary, Debug, Default, Clone, Copy)]
pub struct Shape {
    is_read_only: bool,
    /// The disk takes its time.
    is_late: bool,
    has_event_index: bool,
    without: u16,
}

/// Where a buffer is.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub struct Buffer {
    at: Place,
    bytes: Length,
    is_writable: bool,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Place {
    Data(u16),
    Anywhere(u64),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Length {
    Header,
    Status,
    Sectors(u8),
    Few(u8),
    Any(u32),
}

/// What is done.
#[derive(Arbitrary, Debug)]
pub enum Step {
    /// A request as it should be.
    Request {
        kind: u8,
        sector: u16,
        sectors: u8,
        range_sectors: u32,
        flags: u8,
        split: u8,
    },
    /// A chain of such buffers from descriptor `first`, directly or in a table.
    Chain {
        first: u8,
        buffers: Vec<Buffer>,
        in_table: Option<u8>,
    },
    /// One descriptor, whatever that means.
    Descriptor {
        index: u8,
        buffer: Buffer,
        flags: u16,
        next: u16,
    },
    /// Stores to data.
    Data { at: u16, bytes: [u8; 16] },
    /// Makes a chain available.
    Publish { head: u16 },
    /// The available index jumps.
    Index { by: u16 },
    /// The driver's flags, or its event.
    Wants { flags: u16 },
    /// Notifies.
    Kick,
    /// A descriptor of the device's can be read. A late disk has done so many jobs more.
    Ready { token: u8 },
    /// Waits until the device has done what it has.
    Wait,
    /// Resets it.
    Reset,
}

/// The device and its driver.
pub struct World {
    memory: Arc<Memory>,
    disk: Arc<Bytes>,
    shape: Shape,
    block: Block,
    worker: Option<Box<dyn Worker>>,
    available: u16,
}

impl World {
    pub fn new(shape: Shape) -> Self {
        let disk = Arc::new(Bytes {
            bytes: Mutex::new(SPARE.take().unwrap_or_else(|| Blank::new(DISK_BYTES, 0x5a))),
            is_read_only: shape.is_read_only,
        });
        let traits = Traits {
            serial: "fuzz".into(),
            queues: 1,
            cache: Cache::Writeback,
            discard: true,
        };
        let faults = Faults::new(
            "fuzz".into(),
            Box::new(|line| panic!("this disk refuses nothing: {line}")),
        );
        let start = if shape.is_late { late } else { inline };
        let block = Block::new(Arc::clone(&disk) as Arc<dyn Disk>, &traits, faults).with_engine(start);
        let memory = Memory::new(BYTES as usize);
        memory.permit(USED..USED + 0x1000, true);
        let mut world = Self {
            memory,
            disk,
            shape,
            block,
            worker: None,
            available: 0,
        };
        world.reset();
        world
    }

    /// As after a reset: empty rings, and the driver is ready.
    fn reset(&mut self) {
        if let Some(mut worker) = self.worker.take() {
            worker.stop();
        }
        self.memory.set(AVAILABLE, &[0; 64]);
        self.memory.set(USED, &[0; 256]);
        self.available = 0;
        let layout = Layout {
            size: SIZE,
            descriptors: DESCRIPTORS,
            available: AVAILABLE,
            used: USED,
        };
        let features = self.block.features() & !u64::from(self.shape.without);
        let queue = Queue::new(
            layout,
            self.shape.has_event_index,
            Arc::clone(&self.memory) as _,
            Arc::new(Silent),
        );
        let worker = self.block.start(features, vec![(0, queue.expect("it is a layout"))]);
        self.worker = Some(worker.expect("the host has threads"));
    }

    pub fn play(&mut self, step: &Step) {
        match *step {
            Step::Request {
                kind,
                sector,
                sectors,
                range_sectors,
                flags,
                split,
            } => self.request(kind, sector, sectors, range_sectors, flags, split),
            Step::Chain {
                first,
                ref buffers,
                in_table,
            } => self.chain(first, buffers, in_table),
            Step::Descriptor {
                index,
                buffer,
                flags,
                next,
            } => {
                // One that leads to a table of whatever lies there could let the device write anywhere.
                let flags = flags & !4;
                let at = DESCRIPTORS + 16 * u64::from(index % SIZE as u8);
                self.describe(at, &buffer, flags, next);
            }
            Step::Data { at, bytes } => self.memory.set(DATA + u64::from(at), &bytes),
            Step::Publish { head } => self.publish(head),
            Step::Index { by } => {
                self.available = self.available.wrapping_add(by);
                self.memory.set(AVAILABLE + 2, &self.available.to_le_bytes());
            }
            Step::Wants { flags } => {
                self.memory.set(AVAILABLE, &flags.to_le_bytes());
                self.memory
                    .set(AVAILABLE + 4 + 2 * u64::from(SIZE), &flags.to_le_bytes());
            }
            Step::Kick => self.call(|worker| worker.kicked(0)),
            Step::Ready { token } => {
                late::allow(usize::from(token / 3));
                self.call(|worker| worker.ready(u32::from(token % 3)));
            }
            Step::Wait => self.wait(),
            Step::Reset => self.reset(),
        }
    }

    /// Stops the device and looks whether all is as it may be.
    pub fn end(&mut self) {
        self.wait();
        if let Some(mut worker) = self.worker.take() {
            worker.stop();
        }
        if self.shape.is_read_only {
            assert!(self.disk.bytes.lock().unwrap().is_blank());
        }
    }

    /// A driver that has broken something resets the device.
    fn call(&mut self, call: impl FnOnce(&mut dyn Worker) -> io::Result<()>) {
        let worker = self.worker.as_mut().expect("it is there between steps");
        if call(&mut **worker).is_err() {
            self.reset();
        }
    }

    fn wait(&mut self) {
        loop {
            late::allow(usize::MAX);
            let used = self.memory.get_u16(USED + 2);
            for token in 0..2 {
                self.call(|worker| worker.ready(token));
            }
            if self.memory.get_u16(USED + 2) == used {
                break;
            }
        }
        late::allow(0);
    }

    fn request(&mut self, kind: u8, sector: u16, sectors: u8, range_sectors: u32, flags: u8, split: u8) {
        let kind = [0_u32, 1, 4, 8, 11, 13, 2, 14][usize::from(kind % 8)];
        let sector = u64::from(sector) % (DISK_BYTES as u64 / 512 + 8);
        let mut header = kind.to_le_bytes().to_vec();
        header.extend([0; 4]);
        header.extend(sector.to_le_bytes());
        self.memory.set(DATA, &header);
        let mut range = sector.to_le_bytes().to_vec();
        range.extend((range_sectors % 600).to_le_bytes());
        range.extend(u32::from(flags % 3).to_le_bytes());
        if matches!(kind, 11 | 13) {
            self.memory.set(DATA + 16, &range);
        }
        let data = match kind {
            0 | 1 => u32::from(sectors % 130) * 512,
            8 => 20,
            11 | 13 => 16,
            _ => 0,
        };
        let is_read = matches!(kind, 0 | 8);
        // The header in two buffers, the data likewise, the status by itself.
        let cut = u32::from(split % 16);
        let half = data * u32::from(split % 5) / 5;
        let parts = [
            (0, cut, false),
            (cut, 16 - cut, false),
            (16, half, is_read),
            (16 + half, data - half, is_read),
            (16 + data, 1, true),
        ];
        let buffers = parts
            .iter()
            .filter(|(_, bytes, _)| *bytes > 0)
            .map(|&(at, bytes, is_writable)| Buffer {
                at: Place::Anywhere(DATA + u64::from(at)),
                bytes: Length::Any(bytes),
                is_writable,
            });
        self.chain(
            0,
            &buffers.collect::<Vec<_>>(),
            split.is_multiple_of(7).then_some(split),
        );
        self.call(|worker| worker.kicked(0));
    }

    fn chain(&mut self, first: u8, buffers: &[Buffer], in_table: Option<u8>) {
        let first = u16::from(first) % SIZE;
        match in_table {
            Some(table) => {
                let table = TABLES + TABLE_BYTES * u64::from(table % 16);
                let most = (TABLE_BYTES / 16) as usize;
                let count = buffers.len().min(most);
                for (index, buffer) in (0..).zip(&buffers[..count]) {
                    let flags = u16::from(usize::from(index) + 1 < count);
                    self.describe(table + 16 * u64::from(index), buffer, flags, index + 1);
                }
                let mut descriptor = table.to_le_bytes().to_vec();
                descriptor.extend((16 * count as u32).to_le_bytes());
                descriptor.extend([4, 0, 0, 0]);
                self.memory.set(DESCRIPTORS + 16 * u64::from(first), &descriptor);
            }
            None => {
                for (number, buffer) in (0..).zip(buffers) {
                    let index = first.wrapping_add(number) % SIZE;
                    let flags = u16::from(usize::from(number) + 1 < buffers.len());
                    let at = DESCRIPTORS + 16 * u64::from(index);
                    self.describe(at, buffer, flags, (index + 1) % SIZE);
                }
            }
        }
        self.publish(first);
    }

    /// Writes a descriptor; the device may write what is writable by it.
    fn describe(&self, to: u64, buffer: &Buffer, flags: u16, next: u16) {
        let at = match buffer.at {
            Place::Data(at) => DATA + u64::from(at),
            Place::Anywhere(at) => at,
        };
        let bytes = match buffer.bytes {
            Length::Header => 16,
            Length::Status => 1,
            Length::Sectors(sectors) => u32::from(sectors) * 512,
            Length::Few(bytes) => bytes.into(),
            Length::Any(bytes) => bytes,
        };
        let flags = flags | (u16::from(buffer.is_writable) << 1);
        if flags & 2 != 0 {
            // What would destroy the rings is the driver's own doing, and as good as any other content of theirs; but this
            // test would no longer know who may write where.
            if at < DATA && at.saturating_add(bytes.into()) > BASE {
                return;
            }
            self.memory.permit(at..at.saturating_add(bytes.into()), true);
        }
        let mut descriptor = at.to_le_bytes().to_vec();
        descriptor.extend(bytes.to_le_bytes());
        descriptor.extend(flags.to_le_bytes());
        descriptor.extend(next.to_le_bytes());
        self.memory.set(to, &descriptor);
    }

    fn publish(&mut self, head: u16) {
        let slot = u64::from(self.available % SIZE);
        self.memory.set(AVAILABLE + 4 + 2 * slot, &head.to_le_bytes());
        self.available = self.available.wrapping_add(1);
        self.memory.set(AVAILABLE + 2, &self.available.to_le_bytes());
    }
}

fn inline(disk: &Arc<dyn Disk>, _: usize) -> io::Result<Box<dyn Engine>> {
    Ok(Box::new(Inline::new(Arc::clone(disk))?))
}

fn late(disk: &Arc<dyn Disk>, _: usize) -> io::Result<Box<dyn Engine>> {
    Ok(Box::new(Late::new(Arc::clone(disk))))
}

/// A disk in memory, which believes that its callers keep to its size.
struct Bytes {
    bytes: Mutex<Blank<u8>>,
    is_read_only: bool,
}

thread_local! {
    /// What the last disk was made of.
    static SPARE: RefCell<Option<Blank<u8>>> = const { RefCell::new(None) };
}

impl Drop for Bytes {
    fn drop(&mut self) {
        // After a panic, the first, nothing is used again.
        if let Ok(bytes) = self.bytes.get_mut() {
            SPARE.set(Some(std::mem::replace(bytes, Blank::new(0, 0)).wiped()));
        }
    }
}

impl Bytes {
    fn change(&self, at: u64, bytes: usize, change: impl FnOnce(&mut [u8])) {
        assert!(!self.is_read_only, "nobody may change it");
        assert!(at.is_multiple_of(512) && bytes.is_multiple_of(512), "half a sector");
        let end = at as usize + bytes;
        change(self.bytes.lock().unwrap().change(at as usize..end));
    }
}

impl Disk for Bytes {
    fn bytes(&self) -> u64 {
        DISK_BYTES as u64
    }

    fn grain(&self) -> Grain {
        Grain {
            logical: 512,
            physical: 4096,
            discard: 4096,
        }
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        into.copy_from_slice(&self.bytes.lock().unwrap().all()[at as usize..][..into.len()]);
        Ok(())
    }

    fn write(&self, at: u64, from: &[u8]) -> io::Result<()> {
        self.change(at, from.len(), |bytes| bytes.copy_from_slice(from));
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn discard(&self, at: u64, bytes: u64) -> io::Result<()> {
        self.change(at, bytes as usize, |bytes| bytes.fill(0));
        Ok(())
    }

    fn write_zeroes(&self, at: u64, bytes: u64, _: Space) -> io::Result<()> {
        self.change(at, bytes as usize, |bytes| bytes.fill(0));
        Ok(())
    }
}
