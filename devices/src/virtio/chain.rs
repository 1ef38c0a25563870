//! What a driver has made available together, as a list of our own.

use std::sync::Arc;

use virtio_queue::desc::split::Descriptor;

use super::queue::Broken;
use crate::dma::{BadAddress, Dma, DmaError, Epoch};

/// Buffers that the driver has made available together: first those that the device reads, then those that it writes. Their
/// addresses were copied when it was taken, so it stays what it is. Its bytes are the driver's until it is pushed back: what is read
/// twice may differ.
pub struct Chain {
    dma: Arc<dyn Dma>,
    head: u16,
    readable: Buffers,
    writable: Buffers,
}

/// Buffers one after the other.
#[derive(Default)]
struct Buffers {
    /// Bus address and bytes.
    list: Vec<(u64, u32)>,
    bytes: u64,
}

impl Chain {
    pub(super) fn new(dma: Arc<dyn Dma>, head: u16) -> Self {
        let (readable, writable) = Default::default();
        Self {
            dma,
            head,
            readable,
            writable,
        }
    }

    /// Adds the next buffer, of at most `most` (virtio 1.2, 2.7.4 and 2.7.5).
    pub(super) fn add(&mut self, buffer: &Descriptor, most: usize) -> Result<(), Broken> {
        let (at, bytes) = (buffer.addr().0, buffer.len());
        if self.readable.list.len() + self.writable.list.len() >= most {
            return Err(Broken::TooLong { head: self.head, most });
        }
        if bytes == 0 {
            return Err(Broken::Empty { head: self.head });
        }
        // The last byte has an address.
        if at.checked_add(u64::from(bytes) - 1).is_none() {
            let bytes = u64::from(bytes);
            return Err(Broken::Memory(BadAddress { at, bytes }.into()));
        }
        let into = match buffer.is_write_only() {
            true => &mut self.writable,
            false if self.writable.list.is_empty() => &mut self.readable,
            false => return Err(Broken::Order { head: self.head }),
        };
        into.bytes += u64::from(bytes);
        into.list.push((at, bytes));
        Ok(())
    }

    /// Index of its first descriptor.
    pub(super) fn head(&self) -> u16 {
        self.head
    }

    /// The same, at its end.
    pub(super) fn into_head(self) -> u16 {
        self.head
    }

    /// Bytes that the device may read: less than 4 GiB, with those that it may write.
    pub fn readable(&self) -> u64 {
        self.readable.bytes
    }

    /// Bytes that the device may write.
    pub fn writable(&self) -> u64 {
        self.writable.bytes
    }

    /// Copies the bytes at `offset` of the readable part.
    ///
    /// # Errors
    /// They are not memory, or not all there; or the guest is gone.
    pub fn read(&self, offset: u64, mut into: &mut [u8]) -> Result<(), DmaError> {
        self.readable.each(offset, into.len(), |at, bytes| {
            let (piece, rest) = std::mem::take(&mut into).split_at_mut(bytes);
            into = rest;
            self.dma.read(at, piece)
        })
    }

    /// Copies `from` to `offset` of the writable part.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn write(&self, offset: u64, mut from: &[u8]) -> Result<(), DmaError> {
        self.writable.each(offset, from.len(), |at, bytes| {
            let (piece, rest) = from.split_at(bytes);
            from = rest;
            self.dma.write(at, piece)
        })
    }

    /// The start of the machine in which it was made available.
    pub fn epoch(&self) -> Epoch {
        self.dma.epoch()
    }

    /// The buffers that the device may write, in order: bus address and bytes. For a device to which they mean more than their content.
    pub fn writable_buffers(&self) -> &[(u64, u32)] {
        &self.writable.list
    }
}

impl Buffers {
    /// Has `copy` copy what lies in each buffer of the `bytes` bytes at `offset`.
    fn each(
        &self,
        mut offset: u64,
        mut bytes: usize,
        mut copy: impl FnMut(u64, usize) -> Result<(), DmaError>,
    ) -> Result<(), DmaError> {
        for &(at, length) in &self.list {
            if bytes == 0 {
                return Ok(());
            }
            let length = u64::from(length);
            if offset >= length {
                offset -= length;
                continue;
            }
            let count = usize::try_from(length - offset).unwrap_or(usize::MAX).min(bytes);
            copy(at + offset, count)?;
            (offset, bytes) = (0, bytes - count);
        }
        if bytes == 0 {
            return Ok(());
        }
        let (at, length) = self.list.last().copied().unwrap_or_default();
        let bad = BadAddress {
            at: at.wrapping_add(u64::from(length)),
            bytes: bytes as u64,
        };
        Err(bad.into())
    }
}
