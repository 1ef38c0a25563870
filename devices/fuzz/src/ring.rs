//! A driver of one queue that need not keep to the specification, and what a device may do to that queue all the same: what it gives back is
//! what it was given, each chain once, with no more bytes written than the chain has room for.

use std::sync::Arc;

use arbitrary::Arbitrary;
use devices::interrupt::Interrupt;
use devices::virtio::{Layout, Queue};

use crate::memory::{BASE, Memory};

/// Descriptors of a queue.
pub const SIZE: u16 = 16;
/// Bytes of the places of a queue's rings and tables.
const PLACE: u64 = 0x800;
/// Offsets there: of the rings, of the tables of indirect descriptors, and these tables' size.
const AVAILABLE: u64 = 0x100;
const USED: u64 = 0x180;
const USED_BYTES: u64 = 6 + 8 * SIZE as u64;
const TABLES: u64 = 0x400;
const TABLE_BYTES: u64 = 0x80;
const TABLE_COUNT: u8 = 8;
/// Queues that have places.
const MOST: u64 = 8;
/// What buffers are made of, behind all places.
pub const DATA: u64 = BASE + MOST * PLACE;
/// Memory for all of it.
pub const BYTES: usize = 0x1_0000;

/// Of a descriptor's flags (virtio 1.2, 2.7.5).
const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

/// Where a buffer is.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Place {
    /// Where memory for it is.
    Data(u16),
    /// Somewhere.
    Anywhere(u64),
}

/// A buffer.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub struct Buffer {
    at: Place,
    bytes: Length,
    is_writable: bool,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Length {
    Few(u8),
    Some(u16),
    Any(u32),
}

/// What a driver does to a queue.
#[derive(Arbitrary, Debug)]
pub enum Step {
    /// Buffers from descriptor `first` on, directly or in a table, made available.
    Chain {
        first: u8,
        buffers: [Buffer; 3],
        count: u8,
        in_table: Option<u8>,
    },
    /// One descriptor, whatever that means.
    Descriptor {
        index: u8,
        buffer: Buffer,
        flags: u16,
        next: u8,
    },
    /// Makes a chain available.
    Publish { head: u16 },
    /// The available index jumps.
    Jump { by: u16 },
    /// The driver's flags, and its event.
    Wants { flags: u16 },
}

/// A chain that the device has.
struct Offered {
    head: u16,
    /// Bytes that it may write.
    room: u64,
    /// Descriptors and tables that it is made of: a bit each.
    parts: u32,
    /// Where its only buffer is.
    at: Option<u64>,
}

/// A chain that the device has given back.
pub struct Used {
    /// Bytes that it says it has written.
    pub written: u32,
    /// Where its only buffer is; `None` if there are more, or the driver has left no telling.
    pub at: Option<u64>,
}

/// A queue and its driver.
pub struct Ring {
    memory: Arc<Memory>,
    at: u64,
    available: u16,
    used: u16,
    /// Chains that the device has.
    offered: Vec<Offered>,
    /// The driver has done what leaves no telling what the device has.
    is_spoilt: bool,
}

impl Ring {
    /// Queue `number`, empty.
    pub fn new(memory: &Arc<Memory>, number: u64) -> Self {
        assert!(number < MOST, "it has a place");
        let at = BASE + number * PLACE;
        memory.set(at, &[0; PLACE as usize]);
        memory.permit(at + USED..at + USED + USED_BYTES, true);
        Self {
            memory: Arc::clone(memory),
            at,
            available: 0,
            used: 0,
            offered: Vec::new(),
            is_spoilt: false,
        }
    }

    /// Where it is.
    pub fn layout(&self) -> Layout {
        Layout {
            size: SIZE,
            descriptors: self.at,
            available: self.at + AVAILABLE,
            used: self.at + USED,
        }
    }

    /// The device's side of it.
    pub fn queue(&self, has_event_index: bool) -> Queue {
        let memory = Arc::clone(&self.memory) as _;
        Queue::new(self.layout(), has_event_index, memory, Arc::new(Silent)).expect("it is a layout")
    }

    /// Does what `step` says.
    pub fn play(&mut self, step: &Step) {
        match *step {
            Step::Chain {
                first,
                ref buffers,
                count,
                in_table,
            } => self.chain(first, &buffers[..1 + usize::from(count % 3)], in_table),
            Step::Descriptor {
                index,
                buffer,
                flags,
                next,
            } => {
                self.is_spoilt = true;
                let at = self.at + 16 * u64::from(index % SIZE as u8);
                let (bus, bytes) = buffer.range();
                self.describe(at, bus, bytes, flags | buffer.flags(), next.into());
            }
            Step::Publish { head } => {
                self.is_spoilt = true;
                self.publish(head);
            }
            Step::Jump { by } => {
                self.is_spoilt = true;
                self.available = self.available.wrapping_add(by);
                self.memory.set(self.at + AVAILABLE + 2, &self.available.to_le_bytes());
            }
            Step::Wants { flags } => {
                let event = self.at + AVAILABLE + 4 + 2 * u64::from(SIZE);
                self.memory.set(self.at + AVAILABLE, &flags.to_le_bytes());
                self.memory.set(event, &flags.to_le_bytes());
            }
        }
    }

    /// Makes buffers available: bus address, bytes, and whether the device may write there.
    pub fn offer(&mut self, first: u8, buffers: &[(u64, u32, bool)], in_table: Option<u8>) {
        let first = u16::from(first) % SIZE;
        let flags = |number: usize, is_writable| {
            let next = if number + 1 < buffers.len() { NEXT } else { 0 };
            next | if is_writable { WRITE } else { 0 }
        };
        match in_table {
            Some(table) => {
                let table = self.at + TABLES + TABLE_BYTES * u64::from(table % TABLE_COUNT);
                for (number, &(at, bytes, is_writable)) in buffers.iter().enumerate() {
                    let to = table + 16 * number as u64;
                    self.describe(to, at, bytes, flags(number, is_writable), number as u16 + 1);
                }
                let to = self.at + 16 * u64::from(first);
                self.describe(to, table, 16 * buffers.len() as u32, INDIRECT, 0);
            }
            None => {
                for (number, &(at, bytes, is_writable)) in buffers.iter().enumerate() {
                    let index = (first + number as u16) % SIZE;
                    let to = self.at + 16 * u64::from(index);
                    self.describe(to, at, bytes, flags(number, is_writable), (index + 1) % SIZE);
                }
            }
        }
        let parts = match in_table {
            Some(table) => 1 << first | 1 << (u32::from(SIZE) + u32::from(table % TABLE_COUNT)),
            None => (0..buffers.len()).fold(0, |parts, number| parts | 1 << ((first + number as u16) % SIZE)),
        };
        // A driver that overwrites what the device has does not know what that finds.
        self.is_spoilt |= self.offered.iter().any(|offered| offered.parts & parts != 0);
        let writable = buffers.iter().filter(|(.., is_writable)| *is_writable);
        let room = writable.map(|&(_, bytes, _)| u64::from(bytes)).sum();
        let at = match buffers {
            [(at, ..)] => Some(*at),
            _ => None,
        };
        self.offered.push(Offered {
            head: first,
            room,
            parts,
            at,
        });
        self.publish(first);
    }

    fn chain(&mut self, first: u8, buffers: &[Buffer], in_table: Option<u8>) {
        let buffers = buffers.iter().map(|buffer| {
            let (at, bytes) = buffer.range();
            (at, bytes, buffer.is_writable)
        });
        let buffers: Vec<_> = buffers
            .filter(|&(at, bytes, is_writable)| !is_writable || is_apart(at, bytes))
            .collect();
        if !buffers.is_empty() {
            self.offer(first, &buffers, in_table);
        }
    }

    /// Writes a descriptor; the device may write what is writable by it.
    fn describe(&self, to: u64, at: u64, bytes: u32, flags: u16, next: u16) {
        if flags & WRITE != 0 && flags & INDIRECT == 0 {
            if !is_apart(at, bytes) {
                return;
            }
            self.memory.permit(at..at.saturating_add(bytes.into()), true);
        }
        let is_table =
            at >= self.at + TABLES && at.is_multiple_of(16) && at.saturating_add(bytes.into()) <= self.at + PLACE;
        if flags & INDIRECT != 0 && !is_table {
            // One of whatever lies there could let the device write anywhere.
            return;
        }
        let mut descriptor = [0; 16];
        descriptor[..8].copy_from_slice(&at.to_le_bytes());
        descriptor[8..12].copy_from_slice(&bytes.to_le_bytes());
        descriptor[12..14].copy_from_slice(&flags.to_le_bytes());
        descriptor[14..].copy_from_slice(&next.to_le_bytes());
        self.memory.set(to, &descriptor);
    }

    fn publish(&mut self, head: u16) {
        let slot = u64::from(self.available % SIZE);
        self.memory.set(self.at + AVAILABLE + 4 + 2 * slot, &head.to_le_bytes());
        self.available = self.available.wrapping_add(1);
        self.memory.set(self.at + AVAILABLE + 2, &self.available.to_le_bytes());
    }

    /// Takes back what the device has used.
    ///
    /// # Panics
    /// When it has done what it may not.
    pub fn take_used(&mut self) -> Vec<Used> {
        let end = self.memory.get_u16(self.at + USED + 2);
        let count = end.wrapping_sub(self.used);
        assert!(
            self.is_spoilt || usize::from(count) <= self.offered.len(),
            "{count} chains come back at once"
        );
        // Of more than the ring holds the last ones are there.
        self.used = end.wrapping_sub(count.min(SIZE));
        let mut taken = Vec::new();
        while self.used != end {
            let element = self.at + USED + 4 + 8 * u64::from(self.used % SIZE);
            let (head, written) = (self.memory.get_u32(element), self.memory.get_u32(element + 4));
            self.used = self.used.wrapping_add(1);
            let head = u16::try_from(head).expect("a head is the index of a descriptor");
            let at = self.conclude(head, written);
            taken.push(Used { written, at });
        }
        taken
    }

    /// A chain comes back: where its only buffer is.
    fn conclude(&mut self, head: u16, written: u32) -> Option<u64> {
        let Some(which) = self.offered.iter().position(|offered| offered.head == head) else {
            assert!(
                self.is_spoilt,
                "descriptor {head} comes back, and the device did not have it"
            );
            return None;
        };
        let Offered { room, at, .. } = self.offered.remove(which);
        assert!(
            self.is_spoilt || u64::from(written) <= room,
            "{written} bytes are said to be written to a chain of {room}"
        );
        at.filter(|_| !self.is_spoilt)
    }
}

impl Buffer {
    fn range(&self) -> (u64, u32) {
        let at = match self.at {
            Place::Data(at) => DATA + u64::from(at),
            Place::Anywhere(at) => at,
        };
        let bytes = match self.bytes {
            Length::Few(bytes) => bytes.into(),
            Length::Some(bytes) => bytes.into(),
            Length::Any(bytes) => bytes,
        };
        (at, bytes)
    }

    fn flags(&self) -> u16 {
        if self.is_writable { WRITE } else { 0 }
    }
}

/// Whether a device that writes there leaves the rings alone. What would destroy them is the driver's own doing, and as good as any other content of
/// theirs; but nobody would know then who may write where.
fn is_apart(at: u64, bytes: u32) -> bool {
    at >= DATA || at.saturating_add(bytes.into()) <= BASE
}

/// Hears nothing.
pub struct Silent;

impl Interrupt for Silent {
    fn raise(&self) {}
}
