//! A raw disk: a file or a block device of the host, byte by byte.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::format::turns_raw_into_qcow2;
use super::{Access, BUFFER_BYTES, Buffer, Disk, Grain, Space};

/// A block of most file systems, and a page.
const BLOCK: u32 = 4096;

/// A raw disk.
pub struct Raw {
    file: Arc<File>,
    bytes: u64,
    access: Access,
    logical: u32,
    /// Whether its format was found out rather than given.
    was_detected: bool,
}

impl Raw {
    /// The disk of `bytes` bytes in `file`, which is used in blocks of `logical` bytes; `was_detected`: nobody has said that it is raw.
    pub(crate) fn new(file: File, bytes: u64, access: Access, logical: u32, was_detected: bool) -> Self {
        Self {
            file: Arc::new(file),
            bytes,
            access,
            logical,
            was_detected,
        }
    }

    /// `fallocate(2)`; whether the host can do it here.
    fn allocate(&self, mode: FallocateFlags, at: u64, bytes: u64) -> io::Result<bool> {
        match rustix::fs::fallocate(&self.file, mode | FallocateFlags::KEEP_SIZE, at, bytes) {
            Ok(()) => Ok(true),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Disk for Raw {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn grain(&self) -> Grain {
        Grain {
            logical: self.logical,
            physical: BLOCK.max(self.logical),
            discard: BLOCK.max(self.logical),
        }
    }

    fn is_read_only(&self) -> bool {
        self.access == Access::ReadOnly
    }

    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, at)
    }

    fn write(&self, at: u64, from: &[u8]) -> io::Result<()> {
        self.allows(at, from)?;
        self.file.write_all_at(from, at)
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn discard(&self, at: u64, bytes: u64) -> io::Result<()> {
        self.allocate(FallocateFlags::PUNCH_HOLE, at, bytes).map(drop)
    }

    fn write_zeroes(&self, at: u64, bytes: u64, space: Space) -> io::Result<()> {
        if space == Space::Released && self.allocate(FallocateFlags::PUNCH_HOLE, at, bytes)? {
            return Ok(());
        }
        if self.allocate(FallocateFlags::ZERO_RANGE, at, bytes)? {
            return Ok(());
        }
        let zeros = Buffer::default();
        super::pieces(at, bytes, BUFFER_BYTES).try_for_each(|(at, bytes)| self.file.write_all_at(zeros.data(bytes), at))
    }

    fn plain_file(&self) -> Option<&Arc<File>> {
        Some(&self.file)
    }

    fn allows(&self, at: u64, from: &[u8]) -> io::Result<()> {
        if self.was_detected && turns_raw_into_qcow2(at, from) {
            let why = "the guest wants a qcow2 header in the first sector of a raw disk, whose format would be mistaken at the next start; \
                --disk PATH,format=raw lets it";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        Ok(())
    }
}
