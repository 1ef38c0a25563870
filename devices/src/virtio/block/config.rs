//! What the device says of itself (virtio 1.2, 5.2.4): its size and limits, in little-endian fields.

use crate::disk::{Disk, SECTOR};

/// Bytes of it; behind them there are zeros.
const BYTES: usize = 60;

/// The limits of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Queues.
    pub queues: u16,
    /// Bytes of one buffer that the driver is to make at most.
    pub segment_bytes: u32,
    /// Buffers with data in a request, likewise.
    pub segments: u32,
    /// Sectors of a range that is discarded.
    pub discard_sectors: u32,
    /// Sectors of a range that is made zero.
    pub zero_sectors: u32,
    /// Ranges of one request.
    pub ranges: u32,
    /// Whether zeros may give space back.
    pub zeroes_may_unmap: bool,
}

/// The device's configuration.
pub(super) struct Config([u8; BYTES]);

impl Config {
    /// That of `disk` with `limits`.
    pub(super) fn new(disk: &dyn Disk, limits: &Limits) -> Self {
        let grain = disk.grain();
        let blocks = |bytes: u32| bytes / grain.logical;
        let mut config = Self([0; BYTES]);
        config.set(0, &(disk.bytes() / SECTOR).to_le_bytes());
        config.set(8, &limits.segment_bytes.to_le_bytes());
        config.set(12, &limits.segments.to_le_bytes());
        config.set(20, &grain.logical.to_le_bytes());
        // The topology: log2 of the logical blocks of a physical one, then the first aligned block, then the sizes that suit.
        config.set(24, &[blocks(grain.physical).trailing_zeros() as u8]);
        config.set(26, &(blocks(grain.physical) as u16).to_le_bytes());
        config.set(28, &blocks(grain.discard).to_le_bytes());
        config.set(34, &limits.queues.to_le_bytes());
        config.set(36, &limits.discard_sectors.to_le_bytes());
        config.set(40, &limits.ranges.to_le_bytes());
        config.set(44, &(grain.discard / SECTOR as u32).to_le_bytes());
        config.set(48, &limits.zero_sectors.to_le_bytes());
        config.set(52, &limits.ranges.to_le_bytes());
        config.set(56, &[u8::from(limits.zeroes_may_unmap)]);
        config
    }

    /// Loads from `offset` on.
    pub(super) fn load(&self, offset: u64, into: &mut [u8]) {
        let behind = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..));
        let there = behind.unwrap_or_default().iter().copied().chain(std::iter::repeat(0));
        into.iter_mut().zip(there).for_each(|(to, from)| *to = from);
    }

    fn set(&mut self, at: usize, field: &[u8]) {
        self.0[at..at + field.len()].copy_from_slice(field);
    }
}
