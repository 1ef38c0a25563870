//! The `disk` benchmark: the way of a request through a block device, from the notification to the interrupt, with a disk that does
//! nothing: fetching the chain, its header and data, asking the disk, reporting. One request for each notification, or as many as 32.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use devices::disk::engine::{Engine, Inline};
use devices::disk::{Disk, Faults, Grain, Space};
use devices::dma::{BadAddress, Dma, DmaError};
use devices::interrupt::Interrupt;
use devices::virtio::block::{Block, Cache, Traits};
use devices::virtio::{Device as _, Layout, Queue, Worker};

use crate::error::Result;
use crate::pinning;
use crate::report::Report;
use crate::rounds::Results;
use crate::statistics::Samples;
use crate::table::Table as Figures;

/// How many times as many rounds as of a boot: one is short.
const TIMES: usize = 4;

/// Requests of a sample.
const REQUESTS: usize = 1 << 15;

/// What a request is (virtio 1.2, 5.2.6): its type and its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Flush,
    Read(u32),
    Write(u32),
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flush => f.write_str("flush"),
            Self::Read(bytes) => write!(f, "read of {} KiB", bytes >> 10),
            Self::Write(bytes) => write!(f, "write of {} KiB", bytes >> 10),
        }
    }
}

const WORKS: [Work; 4] = [
    Work::Flush,
    Work::Read(4 << 10),
    Work::Write(4 << 10),
    Work::Read(64 << 10),
];

/// Requests for each notification.
const BATCHES: [usize; 2] = [1, 32];

const QUEUE_SIZE: u16 = 256;
/// Where the rings and the buffers are in memory.
const DESCRIPTORS: u64 = 0x1000;
const AVAILABLE: u64 = 0x3000;
const USED: u64 = 0x4000;
const HEADER: u64 = 0x5000;
const STATUS: u64 = 0x6000;
const DATA: u64 = 0x8000;
const BYTES: usize = 0x2_0000;

/// The guest's memory.
struct Memory(Mutex<Vec<u8>>);

impl Memory {
    fn place(at: u64, bytes: usize) -> std::result::Result<usize, BadAddress> {
        let end = at.checked_add(bytes as u64).filter(|&end| end <= BYTES as u64);
        let bytes = bytes as u64;
        end.map(|_| at as usize).ok_or(BadAddress { at, bytes })
    }
}

impl Dma for Memory {
    fn read(&self, at: u64, into: &mut [u8]) -> std::result::Result<(), DmaError> {
        let start = Self::place(at, into.len())?;
        into.copy_from_slice(&self.0.lock().expect("nobody panics with it")[start..][..into.len()]);
        Ok(())
    }

    fn write(&self, at: u64, from: &[u8]) -> std::result::Result<(), DmaError> {
        let start = Self::place(at, from.len())?;
        self.0.lock().expect("nobody panics with it")[start..][..from.len()].copy_from_slice(from);
        Ok(())
    }
}

struct Nobody;

impl Interrupt for Nobody {
    fn raise(&self) {}
}

/// A disk that does nothing.
struct Nothing;

impl Disk for Nothing {
    fn bytes(&self) -> u64 {
        1 << 30
    }

    fn grain(&self) -> Grain {
        Grain {
            logical: 512,
            physical: 4096,
            discard: 4096,
        }
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn discard(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn write_zeroes(&self, _: u64, _: u64, _: Space) -> io::Result<()> {
        Ok(())
    }
}

fn inline(disk: &Arc<dyn Disk>, _: usize) -> io::Result<Box<dyn Engine>> {
    Ok(Box::new(Inline::new(Arc::clone(disk))?))
}

/// A driver and its device.
struct Rig {
    memory: Arc<Memory>,
    worker: Box<dyn Worker>,
    available: u16,
}

impl Rig {
    /// One whose requests are all this one.
    ///
    /// # Panics
    /// The host has no descriptors left.
    fn new(work: Work) -> Self {
        let memory = Arc::new(Memory(Mutex::new(vec![0; BYTES])));
        let (kind, data, flags) = match work {
            Work::Flush => (4_u32, None, 0),
            Work::Read(bytes) => (0, Some(bytes), 2),
            Work::Write(bytes) => (1, Some(bytes), 0),
        };
        let set = |at: u64, bytes: &[u8]| memory.write(at, bytes).expect("it is inside");
        set(HEADER, &kind.to_le_bytes());
        for chain in 0..u64::from(QUEUE_SIZE) / 4 {
            let parts = [
                Some((HEADER, 16, 0)),
                data.map(|bytes| (DATA, bytes, flags)),
                Some((STATUS, 1, 2)),
            ];
            let parts: Vec<(u64, u32, u16)> = parts.into_iter().flatten().collect();
            for (number, &(at, bytes, flags)) in parts.iter().enumerate() {
                let index = 4 * chain + number as u64;
                let more = u16::from(number + 1 < parts.len());
                let mut descriptor = at.to_le_bytes().to_vec();
                descriptor.extend(bytes.to_le_bytes());
                descriptor.extend((flags | more).to_le_bytes());
                descriptor.extend((index as u16 + 1).to_le_bytes());
                set(DESCRIPTORS + 16 * index, &descriptor);
            }
        }
        for slot in 0..QUEUE_SIZE {
            let head = 4 * (slot % (QUEUE_SIZE / 4));
            set(AVAILABLE + 4 + 2 * u64::from(slot), &head.to_le_bytes());
        }
        let traits = Traits {
            serial: String::new(),
            queues: 1,
            cache: Cache::Writeback,
            discard: true,
        };
        let faults = Faults::new("nothing".into(), Box::new(|_| ()));
        let block = Block::new(Arc::new(Nothing), &traits, faults).with_engine(inline);
        let layout = Layout {
            size: QUEUE_SIZE,
            descriptors: DESCRIPTORS,
            available: AVAILABLE,
            used: USED,
        };
        let queue = Queue::new(layout, false, Arc::clone(&memory) as _, Arc::new(Nobody));
        let queue = queue.expect("it is a layout");
        let worker = block.start(block.features(), vec![(0, queue)]);
        Self {
            memory,
            worker: worker.expect("the host has descriptors"),
            available: 0,
        }
    }

    /// So many requests, and a notification.
    fn go(&mut self, requests: usize) {
        self.available = self.available.wrapping_add(requests as u16);
        let index = self.available.to_le_bytes();
        self.memory.write(AVAILABLE + 2, &index).expect("it is inside");
        self.worker.kicked(0).expect("the driver makes no mistakes");
    }

    /// How many requests have been reported.
    fn reported(&self) -> u16 {
        let mut index = [0; 2];
        self.memory.read(USED + 2, &mut index).expect("it is inside");
        u16::from_le_bytes(index)
    }
}

/// Nanoseconds for a request.
fn sample(work: Work, batch: usize, processor: usize) -> f64 {
    pinning::stay_on(processor);
    let mut rig = Rig::new(work);
    (0..100).for_each(|_| rig.go(batch));
    let began = Instant::now();
    (0..REQUESTS / batch).for_each(|_| rig.go(batch));
    let taken = began.elapsed();
    assert_eq!(
        rig.reported(),
        rig.available,
        "each is reported before the call returns"
    );
    taken.as_nanos() as f64 / REQUESTS as f64
}

/// Measures all of it.
pub fn measure(rounds: usize) -> Result<Report> {
    let rounds = rounds * TIMES;
    let processors = pinning::allowed()?;
    let cases: Vec<(Work, usize)> = WORKS
        .iter()
        .flat_map(|&work| BATCHES.map(|batch| (work, batch)))
        .collect();
    let results = Results::measure("disk", rounds, &cases, |(work, batch)| {
        // On a thread of its own, which alone stays where it is.
        let sample = thread::scope(|scope| scope.spawn(|| sample(work, batch, processors[0])).join());
        Ok(sample.expect("a device that reports nothing panics"))
    })?;
    let columns = BATCHES.map(|batch| format!("{batch} for a notification"));
    let mut table = Figures::of_figures("request", columns.to_vec());
    for work in WORKS {
        let row = BATCHES.map(|batch| results.of((work, batch)).iter().copied().collect::<Samples>());
        table.rows.push((work.to_string(), row.to_vec()));
    }
    Ok(Report {
        rounds,
        markdown: format!(
            "**Nanoseconds for a request, with a disk that does nothing**\n\n{}",
            table.markdown()
        ),
        picture: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_reported() {
        for work in WORKS {
            let mut rig = Rig::new(work);
            rig.go(1);
            rig.go(32);
            assert_eq!(rig.reported(), 33);
        }
    }
}
