//! What tells a driver where the structures are (virtio 1.2, 4.1.4): vendor-specific capabilities.

use super::numbers::kind;

/// The BAR with all structures.
pub(super) const BAR: usize = 0;

/// Bytes of each structure's place there, and of all of them.
pub(super) const PLACE: u64 = 0x1000;
pub(super) const BAR_BYTES: u64 = 4 * PLACE;

/// Bytes from a queue's notification address to the next one's.
const NOTIFY_STEP: u64 = 4;

/// The queue that a store at `offset` of the place of notifications names.
pub(super) const fn queue_at(offset: u64) -> usize {
    (offset / NOTIFY_STEP) as usize
}

/// Offset in the BAR of the notification address of `queue`.
pub(super) const fn notification(queue: usize) -> u64 {
    3 * PLACE + queue as u64 * NOTIFY_STEP
}

/// A structure, by its place in the BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Structure {
    /// Common configuration.
    Common,
    /// Interrupt status.
    Isr,
    /// Configuration of this kind of device.
    Device,
    /// Notification of queues.
    Notify,
}

impl Structure {
    /// What is at `offset` of the BAR, and the offset there.
    pub(super) fn at(offset: u64) -> Option<(Self, u64)> {
        let structure = match offset / PLACE {
            0 => Self::Common,
            1 => Self::Isr,
            2 => Self::Device,
            3 => Self::Notify,
            _ => return None,
        };
        Some((structure, offset % PLACE))
    }
}

/// The capability that is a way to the structures for who reaches configuration space alone, by its place in [`all`].
pub(super) const WINDOW: usize = 4;

/// All capabilities, without ID and next pointer.
pub(super) fn all() -> Vec<Vec<u8>> {
    let places = [
        (kind::COMMON, 0),
        (kind::ISR, PLACE),
        (kind::DEVICE, 2 * PLACE),
        (kind::NOTIFY, 3 * PLACE),
    ];
    let mut all: Vec<_> = places
        .iter()
        .map(|(kind, at)| one(*kind, *at as u32, PLACE as u32))
        .collect();
    with_word(&mut all[3], NOTIFY_STEP as u32);
    let mut window = one(kind::WINDOW, 0, 0);
    with_word(&mut window, 0);
    all.push(window);
    all
}

/// A capability for `bytes` bytes at `at` of the BAR.
fn one(kind: u8, at: u32, bytes: u32) -> Vec<u8> {
    const BYTES: u8 = 16;
    let mut capability = vec![BYTES, kind, BAR as u8, 0, 0, 0];
    capability.extend(at.to_le_bytes());
    capability.extend(bytes.to_le_bytes());
    capability
}

/// Some have one more word.
fn with_word(capability: &mut Vec<u8>, word: u32) {
    capability.extend(word.to_le_bytes());
    capability[0] += 4;
}

/// What a driver has stored to the window's capability (virtio 1.2, 4.1.4.9).
#[derive(Default)]
pub(super) struct Window {
    bar: u8,
    offset: [u8; 4],
    bytes: [u8; 4],
}

/// The offset of the window's data in its capability.
const DATA: usize = 14;

impl Window {
    /// Loads what was stored; the data is not here.
    pub(super) fn load(&self, offset: usize, into: &mut [u8]) {
        for (at, byte) in (offset..).zip(into) {
            match at {
                2 => *byte = self.bar,
                6..10 => *byte = self.offset[at - 6],
                10..DATA => *byte = self.bytes[at - 10],
                _ => {}
            }
        }
    }

    /// Stores to it, but for the data.
    pub(super) fn store(&mut self, offset: usize, from: &[u8]) {
        for (at, byte) in (offset..).zip(from) {
            match at {
                2 => self.bar = *byte,
                6..10 => self.offset[at - 6] = *byte,
                10..DATA => self.bytes[at - 10] = *byte,
                _ => {}
            }
        }
    }

    /// Where an access to the data at `offset` of the capability goes: offset in the BAR and bytes. `None` for one that is not to the data, or
    /// that the driver has not set up as it must.
    pub(super) fn target(&self, offset: usize, bytes: usize) -> Option<(u64, usize)> {
        let at = u64::from(u32::from_le_bytes(self.offset));
        let wanted = u32::from_le_bytes(self.bytes);
        let is_set_up = usize::from(self.bar) == BAR && matches!(wanted, 1 | 2 | 4) && at % u64::from(wanted) == 0;
        (is_set_up && offset == DATA && bytes >= wanted as usize).then_some((at, wanted as usize))
    }
}
