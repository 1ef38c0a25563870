//! A guest's side of devices, for their tests: memory ([`Memory`]), a driver of one queue that makes buffers available and takes them back
//! ([`Driver`]), and a machine with one device ([`Machine`]).
//!
//! The driver keeps to the text of the specification (virtio 1.2, 2.7) and shares nothing with `queue`, so that the one judges the other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use super::{Device, Fittings, Layout, Queue, Transport};
use crate::dma::{BadAddress, Dma, DmaError};
use crate::interrupt::Interrupt;
use crate::pci::{Function as _, Slot, Socket};

/// Bus address at which memory begins.
pub(crate) const BASE: u64 = 0x10_0000;

/// An access of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// It read so many bytes at this bus address.
    Read(u64, usize),
    /// It wrote them.
    Write(u64, usize),
}

/// A guest's memory, from [`BASE`].
pub(crate) struct Memory {
    bytes: Mutex<Vec<u8>>,
    calls: Mutex<Vec<Call>>,
    /// The next byte that nobody uses.
    free: Mutex<u64>,
    /// The guest is gone when so many copies more are made.
    copies_left: AtomicUsize,
}

impl Memory {
    /// So many bytes, all zero.
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: Mutex::new(vec![0; bytes]),
            calls: Mutex::default(),
            free: Mutex::new(BASE),
            copies_left: AtomicUsize::new(usize::MAX),
        })
    }

    /// Room for so many bytes at a multiple of `align`, which nobody else gets.
    pub(crate) fn reserve(&self, bytes: u64, align: u64) -> u64 {
        let mut free = self.free.lock().unwrap();
        let at = free.next_multiple_of(align);
        *free = at + bytes;
        assert!(
            *free - BASE <= self.bytes.lock().unwrap().len() as u64,
            "a test needs more memory"
        );
        at
    }

    /// What the guest finds at `at`.
    pub(crate) fn get(&self, at: u64, bytes: usize) -> Vec<u8> {
        let start = (at - BASE) as usize;
        self.bytes.lock().unwrap()[start..start + bytes].to_vec()
    }

    /// The guest stores `from` at `at`.
    pub(crate) fn set(&self, at: u64, from: &[u8]) {
        let start = (at - BASE) as usize;
        self.bytes.lock().unwrap()[start..start + from.len()].copy_from_slice(from);
    }

    pub(crate) fn get_u16(&self, at: u64) -> u16 {
        u16::from_le_bytes(self.get(at, 2).try_into().unwrap())
    }

    pub(crate) fn get_u32(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.get(at, 4).try_into().unwrap())
    }

    /// What devices have done since the last call.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// The guest is gone when so many copies more are made.
    pub(crate) fn end_after(&self, copies: usize) {
        self.copies_left.store(copies, Ordering::SeqCst);
    }

    /// How many more are made.
    pub(crate) fn copies_left(&self) -> usize {
        self.copies_left.load(Ordering::SeqCst)
    }

    /// Another copy is to be made.
    fn count(&self) -> Result<(), DmaError> {
        let left = |left: usize| left.checked_sub(1);
        let counted = self.copies_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left);
        counted.map(|_| ()).map_err(|_| DmaError::Over)
    }

    fn place(&self, at: u64, bytes: usize) -> Result<std::ops::Range<usize>, BadAddress> {
        let there = self.bytes.lock().unwrap().len();
        let start = at.checked_sub(BASE).and_then(|start| usize::try_from(start).ok());
        let range = start.and_then(|start| Some(start..start.checked_add(bytes)?));
        range.filter(|range| range.end <= there).ok_or(BadAddress {
            at,
            bytes: bytes as u64,
        })
    }
}

impl Dma for Memory {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), DmaError> {
        self.count()?;
        let range = self.place(at, into.len())?;
        self.calls.lock().unwrap().push(Call::Read(at, into.len()));
        into.copy_from_slice(&self.bytes.lock().unwrap()[range]);
        Ok(())
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), DmaError> {
        self.count()?;
        let range = self.place(at, from.len())?;
        self.calls.lock().unwrap().push(Call::Write(at, from.len()));
        self.bytes.lock().unwrap()[range].copy_from_slice(from);
        Ok(())
    }
}

/// How often somebody was signalled.
#[derive(Default)]
pub(crate) struct Signals(AtomicUsize);

impl Signals {
    /// How often since the last call.
    pub(crate) fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Interrupt for Signals {
    fn raise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a device has given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    /// The first descriptor of the buffers.
    pub(crate) head: u16,
    /// How many bytes the device says it has written.
    pub(crate) written: u32,
    /// All that lies in the writable buffers.
    pub(crate) bytes: Vec<u8>,
}

/// Buffers that are with the device: all their descriptors, and the writable ones.
type Offered = (Vec<u16>, Vec<(u64, usize)>);

/// The driver of one queue. Each buffer's memory is its own and never used again.
pub(crate) struct Driver {
    pub(crate) memory: Arc<Memory>,
    pub(crate) layout: Layout,
    pub(crate) signals: Arc<Signals>,
    free: Vec<u16>,
    offered: BTreeMap<u16, Offered>,
    next_available: u16,
    next_used: u16,
    has_event_index: bool,
}

impl Driver {
    /// One of a queue of `size` in `memory`.
    pub(crate) fn new(memory: &Arc<Memory>, size: u16, has_event_index: bool) -> Self {
        let bytes = u64::from(size);
        let layout = Layout {
            size,
            descriptors: memory.reserve(16 * bytes, 16),
            available: memory.reserve(6 + 2 * bytes, 2),
            used: memory.reserve(6 + 8 * bytes, 4),
        };
        Self {
            memory: Arc::clone(memory),
            layout,
            signals: Arc::default(),
            free: (0..size).rev().collect(),
            offered: BTreeMap::new(),
            next_available: 0,
            next_used: 0,
            has_event_index,
        }
    }

    /// The device's side of it.
    pub(crate) fn queue(&self) -> Queue {
        let bell = Arc::clone(&self.signals) as Arc<dyn Interrupt>;
        let memory = Arc::clone(&self.memory) as Arc<dyn Dma>;
        Queue::new(self.layout, self.has_event_index, memory, bell).unwrap()
    }

    /// Makes buffers available: some with these bytes, then some of these sizes to be written. Returns the first one's descriptor. `None`: not enough
    /// descriptors are free.
    pub(crate) fn offer(&mut self, readable: &[&[u8]], writable: &[usize]) -> Option<u16> {
        let count = readable.len() + writable.len();
        if self.free.len() < count {
            return None;
        }
        let descriptors: Vec<u16> = self.free.split_off(self.free.len() - count).into_iter().rev().collect();
        let mut to_write = Vec::new();
        for (index, descriptor) in descriptors.iter().enumerate() {
            let (at, bytes, write) = match readable.get(index) {
                Some(bytes) => {
                    let at = self.memory.reserve(bytes.len() as u64, 1);
                    self.memory.set(at, bytes);
                    (at, bytes.len(), 0)
                }
                None => {
                    let bytes = writable[index - readable.len()];
                    let at = self.memory.reserve(bytes as u64, 1);
                    to_write.push((at, bytes));
                    (at, bytes, 2)
                }
            };
            let next = descriptors.get(index + 1);
            let flags = write | u16::from(next.is_some());
            self.describe(*descriptor, at, bytes as u32, flags, next.copied().unwrap_or(0xdead));
        }
        let head = descriptors[0];
        self.offered.insert(head, (descriptors, to_write));
        self.publish(head);
        Some(head)
    }

    /// Writes descriptor `index`.
    pub(crate) fn describe(&self, index: u16, at: u64, bytes: u32, flags: u16, next: u16) {
        self.memory.set(
            self.layout.descriptors + 16 * u64::from(index),
            &descriptor(at, bytes, flags, next),
        );
    }

    /// Makes the chain of descriptor `head` available, whatever that is.
    pub(crate) fn publish(&mut self, head: u16) {
        let slot = u64::from(self.next_available % self.layout.size);
        self.memory
            .set(self.layout.available + 4 + 2 * slot, &head.to_le_bytes());
        self.next_available = self.next_available.wrapping_add(1);
        self.memory
            .set(self.layout.available + 2, &self.next_available.to_le_bytes());
    }

    /// Whether the device wants to hear of the last `added` chains (virtio 1.2, 2.7.10).
    pub(crate) fn is_kick_wanted(&self, added: u16) -> bool {
        if self.has_event_index {
            let event = self
                .memory
                .get_u16(self.layout.used + 4 + 8 * u64::from(self.layout.size));
            let (new, old) = (self.next_available, self.next_available.wrapping_sub(added));
            new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
        } else {
            self.memory.get_u16(self.layout.used) & 1 == 0
        }
    }

    /// Wants a signal for the next used buffers.
    pub(crate) fn want_signal(&self) {
        let event = self.layout.available + 4 + 2 * u64::from(self.layout.size);
        match self.has_event_index {
            true => self.memory.set(event, &self.next_used.to_le_bytes()),
            false => self.memory.set(self.layout.available, &[0; 2]),
        }
    }

    /// Wants none.
    pub(crate) fn want_no_signal(&self) {
        let event = self.layout.available + 4 + 2 * u64::from(self.layout.size);
        match self.has_event_index {
            true => self.memory.set(event, &self.next_used.wrapping_sub(1).to_le_bytes()),
            false => self.memory.set(self.layout.available, &1_u16.to_le_bytes()),
        }
    }

    /// Takes back what the device has used, if it has used something.
    pub(crate) fn take_used(&mut self) -> Option<Used> {
        if self.memory.get_u16(self.layout.used + 2) == self.next_used {
            return None;
        }
        let element = self.layout.used + 4 + 8 * u64::from(self.next_used % self.layout.size);
        let head = u16::try_from(self.memory.get_u32(element)).unwrap();
        let (descriptors, writable) = self.offered.remove(&head).expect("the device gives back what it has");
        self.free.extend(descriptors);
        self.next_used = self.next_used.wrapping_add(1);
        Some(Used {
            head,
            written: self.memory.get_u32(element + 4),
            bytes: writable
                .iter()
                .flat_map(|(at, bytes)| self.memory.get(*at, *bytes))
                .collect(),
        })
    }
}

/// A descriptor as it lies in memory (virtio 1.2, 2.7.5).
pub(crate) fn descriptor(at: u64, bytes: u32, flags: u16, next: u16) -> [u8; 16] {
    let mut all = [0; 16];
    all[..8].copy_from_slice(&at.to_le_bytes());
    all[8..12].copy_from_slice(&bytes.to_le_bytes());
    all[12..14].copy_from_slice(&flags.to_le_bytes());
    all[14..].copy_from_slice(&next.to_le_bytes());
    all
}

/// A place on a bus, which notes what it is told.
#[derive(Default)]
pub(crate) struct TestSlot {
    state: Mutex<SlotState>,
    changed: Condvar,
}

#[derive(Default)]
struct SlotState {
    has_msix: bool,
    line: bool,
    signals: BTreeMap<u16, usize>,
}

impl TestSlot {
    /// Waits for a message of `vector` that nobody has waited for.
    pub(crate) fn wait_for(&self, vector: u16) {
        let has_one = |state: &mut SlotState| state.signals.get(&vector).is_some_and(|count| *count > 0);
        let state = self.state.lock().unwrap();
        let mut state = self.changed.wait_while(state, |state| !has_one(state)).unwrap();
        *state.signals.get_mut(&vector).unwrap() -= 1;
    }

    /// Waits until INTA is up.
    pub(crate) fn wait_for_line(&self) {
        drop(
            self.changed
                .wait_while(self.state.lock().unwrap(), |state| !state.line)
                .unwrap(),
        );
    }

    /// Whether INTA is up.
    pub(crate) fn line(&self) -> bool {
        self.state.lock().unwrap().line
    }

    /// Forgets all messages: how many there were.
    pub(crate) fn take_messages(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().signals).values().sum()
    }

    fn change(&self, change: impl FnOnce(&mut SlotState)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }
}

impl Slot for TestSlot {
    fn signal(&self, vector: u16) {
        self.change(|state| *state.signals.entry(vector).or_default() += 1);
    }

    fn set_line(&self, up: bool) {
        self.change(|state| state.line = up);
    }

    fn has_msix(&self) -> bool {
        self.state.lock().unwrap().has_msix
    }
}

/// A machine with one device, and what a driver does to it by its registers (virtio 1.2, 3.1 and 4.1.5).
pub(crate) struct Machine {
    pub(crate) transport: Transport,
    pub(crate) memory: Arc<Memory>,
    pub(crate) slot: Arc<TestSlot>,
    /// What the user was told.
    pub(crate) told: Receiver<String>,
    thread: Option<JoinHandle<()>>,
}

/// Offsets of the structures in BAR 0: that they are there is for the transport's own tests.
const COMMON: u64 = 0;
const ISR: u64 = 0x1000;
const DEVICE: u64 = 0x2000;
pub(crate) const NOTIFY: u64 = 0x3000;

/// VIRTIO_F_VERSION_1 and VIRTIO_RING_F_EVENT_IDX.
pub(crate) const VERSION_1: u64 = 1 << 32;
pub(crate) const EVENT_INDEX: u64 = 1 << 29;

impl Machine {
    /// One with `device`, which runs, with MSI-X on.
    pub(crate) fn new(device: Arc<dyn Device>) -> Self {
        Self::with(device, false, ())
    }

    /// Whether it wants its accesses translated, and what its thread drops in the end.
    pub(crate) fn with(device: Arc<dyn Device>, is_translated: bool, guard: impl Send + 'static) -> Self {
        let (ear, told) = channel();
        let fittings = Fittings {
            name: "virtio-test 0".to_owned(),
            is_translated,
            report: Box::new(move |what| _ = ear.send(what.to_owned())),
        };
        let transport = Transport::new(device, fittings).unwrap();
        let memory = Memory::new(1 << 20);
        let slot = Arc::new(TestSlot::default());
        slot.change(|state| state.has_msix = true);
        let dma = || Arc::clone(&memory) as Arc<dyn Dma>;
        transport.plug(Socket {
            slot: Arc::clone(&slot) as Arc<dyn Slot>,
            direct: dma(),
            translated: dma(),
        });
        let thread = Some(transport.run(guard).unwrap());
        Self {
            transport,
            memory,
            slot,
            told,
            thread,
        }
    }

    /// Turns MSI-X off: INTA it is.
    pub(crate) fn without_messages(self) -> Self {
        self.slot.change(|state| state.has_msix = false);
        self
    }

    pub(crate) fn load<const N: usize>(&self, offset: u64) -> [u8; N] {
        let mut bytes = [0xee; N];
        self.transport.load(0, offset, &mut bytes);
        bytes
    }

    pub(crate) fn store(&self, offset: u64, bytes: &[u8]) {
        self.transport.store(0, offset, bytes);
    }

    pub(crate) fn status(&self) -> u8 {
        self.load::<1>(COMMON + 20)[0]
    }

    pub(crate) fn generation(&self) -> u8 {
        self.load::<1>(COMMON + 21)[0]
    }

    pub(crate) fn isr(&self) -> u8 {
        self.load::<1>(ISR)[0]
    }

    pub(crate) fn config<const N: usize>(&self, offset: u64) -> [u8; N] {
        self.load(DEVICE + offset)
    }

    pub(crate) fn store_config(&self, offset: u64, bytes: &[u8]) {
        self.store(DEVICE + offset, bytes);
    }

    pub(crate) fn add_status(&self, bits: u8) {
        self.store(COMMON + 20, &[self.status() | bits]);
    }

    /// Resets the device, and waits for it.
    pub(crate) fn reset(&self) {
        self.store(COMMON + 20, &[0]);
        while self.status() != 0 {
            thread::yield_now();
        }
    }

    /// What the device offers.
    pub(crate) fn offered(&self) -> u64 {
        let words = [0, 1_u32].map(|word| {
            self.store(COMMON, &word.to_le_bytes());
            u64::from(u32::from_le_bytes(self.load(COMMON + 4)))
        });
        words[0] | words[1] << 32
    }

    /// Accepts `features`; whether the device is content.
    pub(crate) fn accept(&self, features: u64) -> bool {
        for word in 0..2_u32 {
            self.store(COMMON + 8, &word.to_le_bytes());
            self.store(COMMON + 12, &((features >> (32 * word)) as u32).to_le_bytes());
        }
        self.add_status(8);
        self.status() & 8 != 0
    }

    /// Enables queue `number`, whose vector is its number plus one.
    pub(crate) fn enable(&self, number: u16, layout: &Layout) {
        self.store(COMMON + 22, &number.to_le_bytes());
        self.store(COMMON + 24, &layout.size.to_le_bytes());
        assert_eq!(self.load(COMMON + 24), layout.size.to_le_bytes());
        self.store(COMMON + 26, &(number + 1).to_le_bytes());
        for (offset, address) in [(32, layout.descriptors), (40, layout.available), (48, layout.used)] {
            self.store(COMMON + offset, &(address as u32).to_le_bytes());
            self.store(COMMON + offset + 4, &((address >> 32) as u32).to_le_bytes());
        }
        self.store(COMMON + 28, &[1, 0]);
    }

    /// Brings the device to life, from wherever it is, with these features and one queue of each size. Vector 0 is the configuration's.
    pub(crate) fn start(&self, features: u64, sizes: &[u16]) -> Vec<Driver> {
        self.reset();
        self.add_status(1);
        self.add_status(2);
        assert!(self.accept(features | VERSION_1));
        self.store(COMMON + 16, &[0, 0]);
        let driver = |size: &u16| Driver::new(&self.memory, *size, features & EVENT_INDEX != 0);
        let drivers: Vec<Driver> = sizes.iter().map(driver).collect();
        for (driver, number) in drivers.iter().zip(0..) {
            self.enable(number, &driver.layout);
        }
        self.add_status(4);
        drivers
    }

    /// Notifies of queue `number`.
    pub(crate) fn kick(&self, number: u16) {
        self.store(NOTIFY + 4 * u64::from(number), &number.to_le_bytes());
    }

    /// Waits until the device has given something back in queue `number`.
    pub(crate) fn wait_for_used(&self, number: u16, driver: &mut Driver) -> Used {
        loop {
            if let Some(used) = driver.take_used() {
                return used;
            }
            driver.want_signal();
            match driver.take_used() {
                Some(used) => return used,
                None => self.slot.wait_for(number + 1),
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.transport.end();
        // A test may want it to panic.
        _ = self.thread.take().map(JoinHandle::join);
    }
}
