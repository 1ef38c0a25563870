//! The common configuration structure (virtio 1.2, 4.1.4.3) and the life that a driver leads a device through by it (3.1):
//! features, queues, ready, reset.
//!
//! It is state alone. What takes long, the start and the end of a worker, is for the device's thread, which is rung.

use super::super::Layout;
use super::numbers::{NO_VECTOR, feature, field, status};

/// How far a device's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Phase {
    /// The driver sets it up.
    Idle,
    /// The driver is ready, the device's thread has not begun.
    Starting,
    /// The thread has begun, and lives until there is a reset, whatever becomes of the worker.
    Begun,
    /// The driver waits until the thread is done with this life. Its status reads as it was, and stores change nothing.
    Resetting,
}

/// A store that the device's thread is to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// It need not.
    Nothing,
    /// It is to start the device.
    Start,
    /// It is to reset it.
    Reset,
    /// The device is reset: there was nobody to wait for.
    IsReset,
}

struct QueueState {
    most: u16,
    layout: Layout,
    is_enabled: bool,
    vector: u16,
}

impl QueueState {
    fn new(most: u16) -> Self {
        Self {
            most,
            layout: Layout {
                size: most,
                ..Layout::default()
            },
            is_enabled: false,
            vector: NO_VECTOR,
        }
    }
}

/// What a driver has ordered with DRIVER_OK: its features, and its queues by number.
pub(in super::super) type Order = (u64, Vec<(usize, Layout)>);

/// The structure.
pub(in super::super) struct Common {
    offered: u64,
    /// How many vectors the function has.
    vectors: u16,
    phase: Phase,
    status: u8,
    offered_word: u32,
    accepted_word: u32,
    accepted: u64,
    config_vector: u16,
    generation: u8,
    selected: u16,
    queues: Vec<QueueState>,
}

impl Common {
    /// One that offers these features, with queues of up to these sizes.
    pub(super) fn new(offered: u64, sizes: &[u16], vectors: u16) -> Self {
        Self {
            offered,
            vectors,
            phase: Phase::Idle,
            status: 0,
            offered_word: 0,
            accepted_word: 0,
            accepted: 0,
            config_vector: NO_VECTOR,
            generation: 0,
            selected: 0,
            queues: sizes.iter().map(|most| QueueState::new(*most)).collect(),
        }
    }

    /// As after power-on, but for the generation, which only grows.
    pub(in super::super) fn reset(&mut self) {
        let sizes: Vec<u16> = self.queues.iter().map(|queue| queue.most).collect();
        let generation = self.generation;
        *self = Self {
            generation,
            ..Self::new(self.offered, &sizes, self.vectors)
        };
    }

    /// How far it has come.
    pub(in super::super) fn phase(&self) -> Phase {
        self.phase
    }

    /// The device's thread begins.
    pub(in super::super) fn begin(&mut self) -> Order {
        debug_assert_eq!(self.phase, Phase::Starting);
        self.phase = Phase::Begun;
        let enabled = self.queues.iter().enumerate().filter(|(_, queue)| queue.is_enabled);
        (
            self.accepted,
            enabled.map(|(number, queue)| (number, queue.layout)).collect(),
        )
    }

    /// The device cannot go on. Whether its driver is to be told.
    pub(in super::super) fn fail(&mut self) -> bool {
        self.status |= status::NEEDS_RESET;
        self.is_live()
    }

    /// Whether the driver hears of changes.
    pub(in super::super) fn is_live(&self) -> bool {
        self.status & status::DRIVER_OK != 0 && self.phase != Phase::Resetting
    }

    /// The configuration is another one.
    pub(super) fn note_change(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// The vector for changes of the configuration.
    pub(super) fn config_vector(&self) -> u16 {
        self.config_vector
    }

    /// The vector of queue `number`.
    pub(super) fn queue_vector(&self, number: usize) -> u16 {
        self.queues[number].vector
    }

    /// Loads at `offset`.
    pub(super) fn load(&self, offset: usize, into: &mut [u8]) {
        let mut all = [0; field::END];
        let mut put = |at: usize, bytes: &[u8]| all[at..at + bytes.len()].copy_from_slice(bytes);
        put(field::DEVICE_FEATURE_SELECT, &self.offered_word.to_le_bytes());
        put(
            field::DEVICE_FEATURE,
            &word(self.offered, self.offered_word).to_le_bytes(),
        );
        put(field::DRIVER_FEATURE_SELECT, &self.accepted_word.to_le_bytes());
        put(
            field::DRIVER_FEATURE,
            &word(self.accepted, self.accepted_word).to_le_bytes(),
        );
        put(field::CONFIG_VECTOR, &self.config_vector.to_le_bytes());
        put(field::QUEUES, &(self.queues.len() as u16).to_le_bytes());
        put(field::STATUS, &[self.status]);
        put(field::GENERATION, &[self.generation]);
        put(field::QUEUE_SELECT, &self.selected.to_le_bytes());
        // All zero for a queue that is not there: a size of 0 says so.
        if let Some(queue) = self.queues.get(usize::from(self.selected)) {
            put(field::QUEUE_SIZE, &queue.layout.size.to_le_bytes());
            put(field::QUEUE_VECTOR, &queue.vector.to_le_bytes());
            put(field::QUEUE_ENABLE, &u16::from(queue.is_enabled).to_le_bytes());
            put(field::QUEUE_NOTIFY, &self.selected.to_le_bytes());
            put(field::QUEUE_DESCRIPTORS, &queue.layout.descriptors.to_le_bytes());
            put(field::QUEUE_DRIVER, &queue.layout.available.to_le_bytes());
            put(field::QUEUE_DEVICE, &queue.layout.used.to_le_bytes());
        }
        for (byte, from) in into.iter_mut().zip(&all[offset.min(field::END)..]) {
            *byte = *from;
        }
    }

    /// Stores at `offset`. What is no field's width, or may not be stored to now, is dropped.
    pub(super) fn store(&mut self, offset: usize, from: &[u8]) -> Stored {
        if self.phase == Phase::Resetting {
            return Stored::Nothing;
        }
        match (offset, from) {
            (field::STATUS, &[status]) => return self.store_status(status),
            (field::CONFIG_VECTOR, &[low, high]) => self.config_vector = self.vector([low, high]),
            (field::QUEUE_SELECT, &[low, high]) => self.selected = u16::from_le_bytes([low, high]),
            (field::QUEUE_VECTOR, &[low, high]) => {
                let vector = self.vector([low, high]);
                if let Some(queue) = self.queues.get_mut(usize::from(self.selected)) {
                    queue.vector = vector;
                }
            }
            (field::DEVICE_FEATURE_SELECT, &[a, b, c, d]) => self.offered_word = u32::from_le_bytes([a, b, c, d]),
            (field::DRIVER_FEATURE_SELECT, &[a, b, c, d]) => self.accepted_word = u32::from_le_bytes([a, b, c, d]),
            (field::DRIVER_FEATURE, &[a, b, c, d]) if self.status & status::FEATURES_OK == 0 => {
                let value = u64::from(u32::from_le_bytes([a, b, c, d]));
                match self.accepted_word {
                    0 => self.accepted = self.accepted & !0xffff_ffff | value,
                    1 => self.accepted = self.accepted & 0xffff_ffff | value << 32,
                    // Features from 64 on: there are none, so none can be accepted.
                    _ => {}
                }
            }
            _ if self.phase == Phase::Idle => self.store_queue(offset, from),
            _ => {}
        }
        Stored::Nothing
    }

    fn store_queue(&mut self, offset: usize, from: &[u8]) {
        let Some(queue) = self.queues.get_mut(usize::from(self.selected)) else {
            return;
        };
        match (offset, from) {
            (field::QUEUE_SIZE, &[low, high]) => {
                // Anything but what it can be is left aside: the driver reads back what it is.
                let size = u16::from_le_bytes([low, high]);
                if size.is_power_of_two() && size <= queue.most {
                    queue.layout.size = size;
                }
            }
            (field::QUEUE_ENABLE, &[1, 0]) => queue.is_enabled = true,
            (field::QUEUE_DESCRIPTORS..field::END, _) => {
                let (at, part) = (offset & !7, offset & 7);
                let address = match at {
                    field::QUEUE_DESCRIPTORS => &mut queue.layout.descriptors,
                    field::QUEUE_DRIVER => &mut queue.layout.available,
                    _ => &mut queue.layout.used,
                };
                // Both halves, or one.
                if (part, from.len()) == (0, 8) || from.len() == 4 && part % 4 == 0 {
                    let mut bytes = address.to_le_bytes();
                    bytes[part..part + from.len()].copy_from_slice(from);
                    *address = u64::from_le_bytes(bytes);
                }
            }
            _ => {}
        }
    }

    fn store_status(&mut self, wanted: u8) -> Stored {
        if wanted == 0 {
            if self.phase == Phase::Idle {
                self.reset();
                return Stored::IsReset;
            }
            self.phase = Phase::Resetting;
            return Stored::Reset;
        }
        // The device's own bit is not the driver's, and no bit goes but by a reset.
        let mut new = wanted & !status::NEEDS_RESET & !self.status;
        if new & status::FEATURES_OK != 0 && !self.accepts() {
            new &= !status::FEATURES_OK;
        }
        if (self.status | new) & status::FEATURES_OK == 0 {
            new &= !status::DRIVER_OK;
        }
        self.status |= new;
        if new & status::DRIVER_OK != 0 && self.phase == Phase::Idle {
            self.phase = Phase::Starting;
            return Stored::Start;
        }
        Stored::Nothing
    }

    /// Whether the device can be driven so: with what was offered, and as the only kind of device that this is. One behind an IOMMU
    /// wants that used.
    fn accepts(&self) -> bool {
        let needed = feature::VERSION_1 | self.offered & feature::ACCESS_PLATFORM;
        self.accepted & !self.offered == 0 && self.accepted & needed == needed
    }

    /// The vector that a driver wants; none, if the function has no such one.
    fn vector(&self, bytes: [u8; 2]) -> u16 {
        let vector = u16::from_le_bytes(bytes);
        if vector < self.vectors { vector } else { NO_VECTOR }
    }
}

/// Word number `select` of the features.
fn word(features: u64, select: u32) -> u32 {
    match select {
        0 => features as u32,
        1 => (features >> 32) as u32,
        _ => 0,
    }
}
