//! A queue, and what driver and device do with it.

use std::sync::Arc;

use arbitrary::Arbitrary;
use devices::dma::Dma as _;
use devices::virtio::{Chain, Layout, Queue};
use devices_fuzz::memory::{BASE, Memory};
use devices_fuzz::ring::Silent;

use crate::reading::{Buffers, Found, find};

const BYTES: usize = 0x4000;
/// Rings are in the first part of it: close together, so that they often meet.
const RINGS: u64 = 0x1c10;

/// How a queue is.
#[derive(Arbitrary, Debug, Default, Clone, Copy)]
pub struct Shape {
    size_log2: u8,
    has_event_index: bool,
    descriptors: Place,
    available: Place,
    used: Place,
}

/// Where a part of it is.
#[derive(Arbitrary, Debug, Default, Clone, Copy)]
enum Place {
    /// Where it has a place of its own.
    #[default]
    Own,
    /// Somewhere among the others.
    Near(u16),
    /// At the end of memory, or of everything.
    End(i8),
    Anywhere(u64),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum At {
    Table(u8),
    Near(u16),
    Anywhere(u64),
}

#[derive(Arbitrary, Debug)]
pub enum Step {
    /// A descriptor: of the queue's table, or of one that lies somewhere.
    Descriptor {
        to: At,
        at: At,
        bytes: u32,
        is_short: bool,
        flags: u8,
        next: u8,
    },
    /// Any bytes anywhere.
    Bytes { at: u16, bytes: [u8; 8] },
    /// Makes a chain available.
    Publish { head: u8, is_odd: bool },
    /// The available index becomes this.
    Index { index: u16 },
    /// The device takes a chain.
    Pop,
    /// It reads or writes what a chain has, or what it has not.
    Copy {
        which: u8,
        offset: u64,
        is_near: bool,
        bytes: u16,
        writes: bool,
    },
    /// It gives one back.
    Push { which: u8, written: u16 },
    /// It gives all of them back at once.
    PushAll,
    /// It signals.
    Signal,
    /// A new start.
    Reset,
    /// Buffers in any order of those to be read and those to be written, in descriptors from `first` on or in a table, made available.
    Chain {
        first: u8,
        buffers: [Buffer; 4],
        count: u8,
        table: Option<u16>,
    },
}

/// A buffer that lies in memory.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub struct Buffer {
    at: u16,
    bytes: u8,
    is_writable: bool,
}

/// A chain that the device has: its head, what it is made of.
struct Held {
    chain: Chain,
    head: u16,
    buffers: Buffers,
}

pub struct World {
    memory: Arc<Memory>,
    layout: Layout,
    has_event_index: bool,
    /// `None`: there can be no queue like this.
    queue: Option<Queue>,
    /// The rings lie apart from each other, in memory.
    is_orderly: bool,
    held: Vec<Held>,
    taken: u16,
    given: u16,
}

impl World {
    pub fn new(shape: Shape) -> Self {
        let layout = shape.layout();
        let memory = Memory::new(BYTES);
        let size = u64::from(layout.size);
        let parts = [
            (layout.descriptors, 16 * size),
            (layout.available, 6 + 2 * size),
            (layout.used, 6 + 8 * size),
        ];
        let end = |(at, bytes): (u64, u64)| at.saturating_add(bytes);
        let is_apart = |a: (u64, u64), b: (u64, u64)| end(a) <= b.0 || end(b) <= a.0;
        let is_orderly = parts
            .iter()
            .all(|&part| part.0 >= BASE && end(part) <= BASE + BYTES as u64)
            && layout.descriptors.is_multiple_of(16)
            && layout.available.is_multiple_of(2)
            && layout.used.is_multiple_of(4)
            && is_apart(parts[0], parts[1])
            && is_apart(parts[1], parts[2])
            && is_apart(parts[2], parts[0]);
        memory.permit(layout.used..end(parts[2]), true);
        let mut world = Self {
            memory,
            layout,
            has_event_index: shape.has_event_index,
            queue: None,
            is_orderly,
            held: Vec::new(),
            taken: 0,
            given: 0,
        };
        world.reset();
        world
    }

    fn reset(&mut self) {
        self.held.clear();
        let memory = Arc::clone(&self.memory) as _;
        self.queue = Queue::new(self.layout, self.has_event_index, memory, Arc::new(Silent)).ok();
        assert!(self.queue.is_some() || !self.is_orderly, "this is a queue");
        (self.taken, self.given) = (0, 0);
        self.memory.set(self.layout.available.wrapping_add(2), &[0; 2]);
        self.memory.set(self.layout.used.wrapping_add(2), &[0; 2]);
    }

    pub fn play(&mut self, step: &Step) {
        match *step {
            Step::Descriptor {
                to,
                at,
                bytes,
                is_short,
                flags,
                next,
            } => {
                let bytes = if is_short { bytes % 0x200 } else { bytes };
                self.describe(self.at(to), self.at(at), bytes, flags.into(), next.into());
            }
            Step::Bytes { at, bytes } => self.memory.set(BASE + u64::from(at), &bytes),
            Step::Publish { head, is_odd } => self.publish(u16::from(head) | u16::from(is_odd) << 15),
            Step::Index { index } => self
                .memory
                .set(self.layout.available.wrapping_add(2), &index.to_le_bytes()),
            Step::Pop => self.pop(),
            Step::Copy {
                which,
                offset,
                is_near,
                bytes,
                writes,
            } => self.copy(
                which,
                if is_near { offset % 0x400 } else { offset },
                bytes.into(),
                writes,
            ),
            Step::Push { which, written } => self.push(which, written),
            Step::PushAll => self.push_all(),
            Step::Signal => {
                let signalled = self.queue.as_mut().map_or(Ok(()), Queue::signal);
                assert!(signalled.is_ok() || !self.is_orderly, "the rings are there");
                if signalled.is_err() {
                    self.reset();
                }
            }
            Step::Reset => self.reset(),
            Step::Chain {
                first,
                ref buffers,
                count,
                table,
            } => self.chain(first, &buffers[..1 + usize::from(count) % buffers.len()], table),
        }
    }

    /// Describes buffers one behind the other, and makes them available.
    fn chain(&mut self, first: u8, buffers: &[Buffer], table: Option<u16>) {
        let head = u16::from(first) % self.layout.size.max(1);
        let own = |index: u16| self.layout.descriptors.wrapping_add(16 * u64::from(index));
        // Indices of a table begin anew.
        let (table, start, size) = match table {
            Some(at) => {
                let at = BASE + RINGS + u64::from(at % 0x800);
                self.describe(own(head), at, 16 * buffers.len() as u32, 4, 0);
                (at, 0, u16::MAX)
            }
            None => (self.layout.descriptors, head, self.layout.size.max(1)),
        };
        for (number, buffer) in (0..).zip(buffers) {
            let index = (start + number) % size;
            let next = u16::from(usize::from(number) + 1 < buffers.len());
            let flags = next | u16::from(buffer.is_writable) << 1;
            let at = BASE + RINGS + 0x800 + u64::from(buffer.at) % (BYTES as u64 - RINGS - 0x900);
            let to = table.wrapping_add(16 * u64::from(index));
            self.describe(to, at, u32::from(buffer.bytes) + 1, flags, (index + 1) % size);
        }
        self.publish(head);
    }

    fn describe(&self, to: u64, at: u64, bytes: u32, flags: u16, next: u16) {
        let mut descriptor = [0; 16];
        descriptor[..8].copy_from_slice(&at.to_le_bytes());
        descriptor[8..12].copy_from_slice(&bytes.to_le_bytes());
        descriptor[12..14].copy_from_slice(&flags.to_le_bytes());
        descriptor[14..].copy_from_slice(&next.to_le_bytes());
        self.memory.set(to, &descriptor);
    }

    fn at(&self, at: At) -> u64 {
        match at {
            At::Table(index) => self.layout.descriptors.wrapping_add(16 * u64::from(index)),
            At::Near(at) => BASE + u64::from(at % BYTES as u16),
            At::Anywhere(at) => at,
        }
    }

    fn publish(&mut self, head: u16) {
        let ring = self.layout.available;
        let Some(index) = ring
            .checked_add(2)
            .and_then(|at| self.memory.get(at))
            .map(u16::from_le_bytes)
        else {
            return;
        };
        let slot = ring.wrapping_add(4 + 2 * u64::from(index % self.layout.size.max(1)));
        self.memory.set(slot, &head.to_le_bytes());
        self.memory.set(ring + 2, &index.wrapping_add(1).to_le_bytes());
    }

    fn pop(&mut self) {
        let Some(queue) = &mut self.queue else { return };
        // The device's own stores would come between the looks.
        let expected = self
            .is_orderly
            .then(|| find(&self.memory, &self.layout, self.taken, self.held.len()));
        let ring = self.layout.available;
        let head = ring.wrapping_add(4 + 2 * u64::from(self.taken % self.layout.size));
        let head = u16::from_le_bytes(self.memory.get(head).unwrap_or_default());
        match queue.pop() {
            Ok(None) => assert!(
                matches!(expected, None | Some(Found::Nothing)),
                "it finds nothing: {expected:x?}"
            ),
            Ok(Some(chain)) => {
                let (head, buffers) = match expected {
                    Some(Found::Chain(head, buffers)) => (head, buffers),
                    None => (head, Buffers::default()),
                    other => panic!("it finds a chain: {other:x?}"),
                };
                if self.is_orderly {
                    let sum = |list: &[(u64, u32)]| list.iter().map(|&(_, bytes)| u64::from(bytes)).sum::<u64>();
                    assert_eq!(chain.writable_buffers(), buffers.writable);
                    assert_eq!(
                        (chain.readable(), chain.writable()),
                        (sum(&buffers.readable), sum(&buffers.writable))
                    );
                }
                self.taken = self.taken.wrapping_add(1);
                assert!(
                    self.held.len() < usize::from(self.layout.size),
                    "so many descriptors there are not"
                );
                self.held.push(Held { chain, head, buffers });
            }
            Err(error) => {
                assert!(
                    matches!(expected, None | Some(Found::Mistake)),
                    "{error}: {expected:x?}"
                );
                self.reset();
            }
        }
    }

    /// What lies where the buffers say; `None`: not all of it is there.
    fn bytes(&self, list: &[(u64, u32)], mut offset: u64, count: usize) -> Option<Vec<u8>> {
        let mut found = Vec::new();
        for &(at, bytes) in list {
            let (bytes, skipped) = (u64::from(bytes), offset.min(bytes.into()));
            offset -= skipped;
            let piece = (bytes - skipped).min((count - found.len()) as u64) as usize;
            let mut into = vec![0; piece];
            if piece > 0 {
                self.memory.read(at + skipped, &mut into).ok()?;
            }
            found.extend(into);
        }
        (found.len() == count).then_some(found)
    }

    fn copy(&mut self, which: u8, offset: u64, count: usize, writes: bool) {
        if self.held.is_empty() {
            return;
        }
        let count = count % 0x400;
        let held = &self.held[usize::from(which) % self.held.len()];
        let list = if writes {
            &held.buffers.writable
        } else {
            &held.buffers.readable
        };
        if !writes {
            let mut into = vec![0; count];
            let read = held.chain.read(offset, &mut into).ok().map(|()| into);
            assert!(
                !self.is_orderly || read == self.bytes(list, offset, count),
                "it reads something else"
            );
            return;
        }
        // Buffers over the rings are the driver's own doing, and nobody would know what the device finds.
        if !self.is_orderly
            || list
                .iter()
                .any(|&(at, bytes)| at < BASE + RINGS && at.saturating_add(bytes.into()) > BASE)
        {
            return;
        }
        for &(at, bytes) in list {
            self.memory.permit(at..at.saturating_add(bytes.into()), true);
        }
        let from = vec![0x5a; count];
        let is_there = self.bytes(list, offset, count).is_some();
        assert_eq!(held.chain.write(offset, &from).is_ok(), is_there);
        // One buffer may lie on another: then the last byte written there is the last one.
        assert!(
            !is_there || self.bytes(list, offset, count) == Some(from),
            "it has written something else"
        );
        for &(at, bytes) in list {
            self.memory.permit(at..at.saturating_add(bytes.into()), false);
        }
        let used = self.layout.used;
        self.memory
            .permit(used..used + 6 + 8 * u64::from(self.layout.size), true);
    }

    /// What the device said of a chain that it gave back.
    fn check_given(&mut self, head: u16, written: u32) {
        if self.is_orderly {
            let element = self.layout.used + 4 + 8 * u64::from(self.given % self.layout.size);
            assert_eq!(self.memory.get_u32(element), u32::from(head));
            assert_eq!(self.memory.get_u32(element + 4), written);
        }
        self.given = self.given.wrapping_add(1);
    }

    fn check_index(&self) {
        assert!(!self.is_orderly || self.memory.get_u16(self.layout.used + 2) == self.given);
    }

    fn push(&mut self, which: u8, written: u16) {
        let Some(queue) = self.queue.as_mut().filter(|_| !self.held.is_empty()) else {
            return;
        };
        let Held { chain, head, .. } = self.held.remove(usize::from(which) % self.held.len());
        let written = chain.writable().min(written.into()) as u32;
        let pushed = queue.push(chain, written);
        assert!(pushed.is_ok() || !self.is_orderly, "the used ring is there");
        if pushed.is_err() {
            return self.reset();
        }
        self.check_given(head, written);
        self.check_index();
    }

    fn push_all(&mut self) {
        let Some(queue) = &mut self.queue else { return };
        let heads: Vec<u16> = self.held.iter().map(|held| held.head).collect();
        let chains = self.held.drain(..).map(|held| (held.chain, 0)).collect();
        let pushed = queue.push_all(chains);
        assert!(pushed.is_ok() || !self.is_orderly, "the used ring is there");
        if pushed.is_err() {
            return self.reset();
        }
        // Of none there is nothing to say.
        if !heads.is_empty() {
            heads.into_iter().for_each(|head| self.check_given(head, 0));
            self.check_index();
        }
    }
}

impl Shape {
    fn layout(self) -> Layout {
        Layout {
            size: 1_u16
                .checked_shl(u32::from(self.size_log2 % 18))
                .filter(|size| *size <= 0x100)
                .unwrap_or(8),
            descriptors: self.descriptors.at(0),
            available: self.available.at(0x1000),
            used: self.used.at(0x1400),
        }
    }
}

impl Place {
    fn at(self, own: u64) -> u64 {
        match self {
            Self::Own => BASE + own,
            Self::Near(at) => BASE + u64::from(at) % RINGS,
            Self::End(by) if by < 0 => 0_u64.wrapping_add_signed(by.into()),
            Self::End(by) => BASE + BYTES as u64 - u64::from(by.unsigned_abs()) * 4,
            Self::Anywhere(at) => at,
        }
    }
}
