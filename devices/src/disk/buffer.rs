//! Memory for data on its way between guest and disk: made once for each request that a device has in hand, and used again.

/// Bytes of data that a buffer takes; what is larger goes in pieces.
pub const BUFFER_BYTES: usize = 64 << 10;

/// What the memory is aligned to: as much as any host asks for that reads and writes past its page cache.
const ALIGNMENT: usize = 4096;

/// A piece of memory with room for [`BUFFER_BYTES`], aligned for direct I/O.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Self::from_memory(vec![0; BUFFER_BYTES + ALIGNMENT])
    }
}

impl Buffer {
    /// The first `bytes` of it.
    ///
    /// # Panics
    /// There are not as many.
    pub fn data(&self, bytes: usize) -> &[u8] {
        &self.bytes[self.start..][..bytes]
    }

    /// The first `bytes` of it, to be changed.
    ///
    /// # Panics
    /// There are not as many.
    pub fn data_mut(&mut self, bytes: usize) -> &mut [u8] {
        &mut self.bytes[self.start..][..bytes]
    }

    /// The memory that it is made of, and where in it the data is.
    pub(crate) fn into_memory(self) -> (Vec<u8>, usize) {
        (self.bytes, self.start)
    }

    /// The buffer that [`Self::into_memory`] has taken apart.
    pub(crate) fn from_memory(bytes: Vec<u8>) -> Self {
        let start = bytes.as_ptr().align_offset(ALIGNMENT);
        Self { bytes, start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_buffers_room_is_aligned_and_stays_in_place() {
        let mut buffer = Buffer::default();
        buffer.data_mut(BUFFER_BYTES).fill(7);
        assert_eq!(buffer.data(1).as_ptr().align_offset(ALIGNMENT), 0);
        let (memory, start) = buffer.into_memory();
        let buffer = Buffer::from_memory(memory);
        assert_eq!(buffer.start, start);
        assert!(buffer.data(BUFFER_BYTES).iter().all(|&byte| byte == 7));
    }
}
