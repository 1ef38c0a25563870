//! A driver with a block device, requests as the specification's text has them, and a disk in memory.

use std::io;
use std::sync::{Arc, Mutex};

use crate::disk::engine::{Engine, Inline, Pool, RingEngine};
use crate::disk::{Disk, Faults, Grain, Space};
use crate::virtio::block::{Block, Cache, StartEngine, Traits};
use crate::virtio::testing::{Driver, Memory, Used};
use crate::virtio::{Device as _, Worker};

/// Requests' types and their answers (virtio 1.2, 5.2.6), not by the names that the device uses.
pub(super) const IN: u32 = 0;
pub(super) const OUT: u32 = 1;
pub(super) const FLUSH: u32 = 4;
pub(super) const GET_ID: u32 = 8;
pub(super) const DISCARD: u32 = 11;
pub(super) const WRITE_ZEROES: u32 = 13;
pub(super) const OK: u8 = 0;
pub(super) const IOERR: u8 = 1;
pub(super) const UNSUPP: u8 = 2;

/// Features of the device, by their bits (5.2.3).
pub(super) const F_RO: u64 = 1 << 5;
pub(super) const F_FLUSH: u64 = 1 << 9;
pub(super) const F_MQ: u64 = 1 << 12;
pub(super) const F_DISCARD: u64 = 1 << 13;
pub(super) const F_WRITE_ZEROES: u64 = 1 << 14;

pub(super) fn inline(disk: &Arc<dyn Disk>, _: usize) -> io::Result<Box<dyn Engine>> {
    Ok(Box::new(Inline::new(Arc::clone(disk))?))
}

pub(super) fn pool(disk: &Arc<dyn Disk>, depth: usize) -> io::Result<Box<dyn Engine>> {
    Ok(Box::new(Pool::new(disk, depth)?))
}

pub(super) fn ring(disk: &Arc<dyn Disk>, depth: usize) -> io::Result<Box<dyn Engine>> {
    match RingEngine::new(disk, depth) {
        Some(ring) => Ok(Box::new(ring)),
        None => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// A device with the driver of its one queue.
pub(super) struct Rig {
    pub(super) driver: Driver,
    pub(super) worker: Box<dyn Worker>,
    pub(super) said: Arc<Mutex<Vec<String>>>,
}

pub(super) fn traits() -> Traits {
    Traits {
        serial: "a disk".into(),
        queues: 1,
        cache: Cache::Writeback,
        discard: true,
    }
}

/// A device, and what it says of errors.
pub(super) fn block(disk: Arc<dyn Disk>, traits: &Traits, engine: StartEngine) -> (Block, Arc<Mutex<Vec<String>>>) {
    let said = Arc::<Mutex<Vec<String>>>::default();
    let lines = Arc::clone(&said);
    let say = Box::new(move |line: &str| lines.lock().unwrap().push(line.to_owned()));
    let faults = Faults::new("test".into(), say);
    (Block::new(disk, traits, faults).with_engine(engine), said)
}

impl Rig {
    /// One for `disk` with everything negotiated but `without`.
    pub(super) fn new(disk: Arc<dyn Disk>, engine: StartEngine, without: u64) -> Self {
        let (block, said) = block(disk, &traits(), engine);
        let memory = Memory::new(24 << 20);
        let driver = Driver::new(&memory, 128, false);
        let worker = block
            .start(block.features() & !without, vec![(0, driver.queue())])
            .unwrap();
        Self { driver, worker, said }
    }

    /// Offers a request: `data` goes to the device, and there is room for `room` bytes from it. `cuts` says how long the buffers are, in
    /// turn; the status byte is one of the room's.
    pub(super) fn offer(&mut self, kind: u32, sector: u64, data: &[u8], room: usize, cuts: &[usize]) -> u16 {
        let mut readable = Vec::new();
        readable.extend(kind.to_le_bytes());
        readable.extend([0; 4]);
        readable.extend(sector.to_le_bytes());
        readable.extend(data);
        let readable: Vec<&[u8]> = cut(readable.len(), cuts).map(|range| &readable[range]).collect();
        let writable: Vec<usize> = cut(room + 1, cuts).map(|range| range.len()).collect();
        self.driver.offer(&readable, &writable).expect("enough descriptors")
    }

    /// Waits for one request.
    pub(super) fn wait(&mut self) -> Used {
        loop {
            if let Some(used) = self.driver.take_used() {
                self.driver.memory.take_calls();
                return used;
            }
            std::thread::yield_now();
            for (_, token) in self.worker.watched() {
                self.worker.ready(token).unwrap();
            }
        }
    }

    /// Carries one request out: its data, its status, and the length that was reported.
    pub(super) fn request(&mut self, kind: u32, sector: u64, data: &[u8], room: usize) -> (Vec<u8>, u8, u32) {
        self.offer(kind, sector, data, room, &[16, 1 << 20]);
        self.worker.kicked(0).unwrap();
        let Used { mut bytes, written, .. } = self.wait();
        let status = bytes.pop().unwrap();
        (bytes, status, written)
    }

    /// The same, for its status alone.
    pub(super) fn status(&mut self, kind: u32, sector: u64, data: &[u8], room: usize) -> u8 {
        self.request(kind, sector, data, room).1
    }
}

/// `bytes` in pieces of these lengths, over and over.
fn cut(bytes: usize, cuts: &[usize]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut at = 0;
    let mut lengths = cuts.iter().copied().cycle();
    std::iter::from_fn(move || {
        let end = (at + lengths.next()?).min(bytes);
        let range = at..end;
        at = end;
        (!range.is_empty()).then_some(range)
    })
}

/// A range to discard or to make zero.
pub(super) fn range(sector: u64, sectors: u32, flags: u32) -> Vec<u8> {
    let mut range = sector.to_le_bytes().to_vec();
    range.extend(sectors.to_le_bytes());
    range.extend(flags.to_le_bytes());
    range
}

/// What was done to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Write(u64, usize),
    Flush,
    Discard(u64, u64),
    Zero(u64, u64, Space),
}

/// A disk in memory that remembers what was done to it, and asks before it does.
pub(super) struct Remembering {
    pub(super) bytes: Mutex<Vec<u8>>,
    pub(super) deeds: Mutex<Vec<Deed>>,
    pub(super) is_read_only: bool,
    pub(super) ask: Box<dyn Fn(Option<Deed>) -> io::Result<()> + Send + Sync>,
}

impl Remembering {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            bytes: Mutex::new(vec![0; bytes]),
            deeds: Mutex::default(),
            is_read_only: false,
            ask: Box::new(|_| Ok(())),
        }
    }

    fn does(&self, deed: Deed) -> io::Result<()> {
        (self.ask)(Some(deed))?;
        self.deeds.lock().unwrap().push(deed);
        Ok(())
    }
}

impl Disk for Remembering {
    fn bytes(&self) -> u64 {
        self.bytes.lock().unwrap().len() as u64
    }

    fn grain(&self) -> Grain {
        Grain {
            logical: 512,
            physical: 4096,
            discard: 65536,
        }
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        (self.ask)(None)?;
        into.copy_from_slice(&self.bytes.lock().unwrap()[at as usize..][..into.len()]);
        Ok(())
    }

    fn write(&self, at: u64, from: &[u8]) -> io::Result<()> {
        self.does(Deed::Write(at, from.len()))?;
        self.bytes.lock().unwrap()[at as usize..][..from.len()].copy_from_slice(from);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.does(Deed::Flush)
    }

    fn discard(&self, at: u64, bytes: u64) -> io::Result<()> {
        self.does(Deed::Discard(at, bytes))
    }

    fn write_zeroes(&self, at: u64, bytes: u64, space: Space) -> io::Result<()> {
        self.does(Deed::Zero(at, bytes, space))
    }
}
