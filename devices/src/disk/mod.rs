//! Disks: what a block device reads and writes on the host.
//!
//! | file | |
//! |---|---|
//! | `open.rs` | from a path and how it is to be used to a disk; what goes wrong there |
//! | `format.rs` | which formats there are, and how one is told from the other |
//! | `lock.rs` | the lock on an image, so that nobody else writes it |
//! | `holders.rs` | who has an image open and locked |
//! | `raw.rs` | a file or block device as it is |
//! | `qcow2.rs` | QEMU's format, by the crate `imago` |
//! | `buffer.rs` | memory for data on its way |
//! | `engine/` | does what is asked of a disk without making the asker wait |
//! | `faults.rs` | says what the host refuses, once for each kind |

use std::fs::File;
use std::io;
use std::sync::Arc;

pub use buffer::{BUFFER_BYTES, Buffer};
pub use faults::{Activity, Faults};
pub use format::Format;
pub use open::{Access, Caching, OpenError, Options, check, open};
pub use qcow2::Qcow2;
pub use raw::Raw;

mod buffer;
pub mod engine;
mod faults;
mod format;
mod holders;
mod lock;
mod open;
mod qcow2;
mod raw;
#[cfg(test)]
mod tests;

/// Bytes of a sector, the unit of a disk's size.
pub const SECTOR: u64 = 512;

/// What becomes of the space of bytes that are made zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// It stays allocated, where the host can do that: a later write needs no more.
    Kept,
    /// It is given back, where the host can do that.
    Released,
}

/// The sizes that a user of a disk does well to know; in bytes, powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grain {
    /// Every offset and length is a multiple of it: 512 or more.
    pub logical: u32,
    /// A write of less than this is a read and a write.
    pub physical: u32,
    /// A discard of less than this gives nothing back.
    pub discard: u32,
}

/// A disk. Several threads may use it at once; what overlaps is the guest's own business. Ranges are inside [`Self::bytes`] and multiples of
/// the logical block, which the caller has checked.
pub trait Disk: Send + Sync {
    /// Its size: a multiple of [`SECTOR`].
    fn bytes(&self) -> u64;

    /// Its sizes of blocks.
    fn grain(&self) -> Grain;

    /// Whether it can only be read.
    fn is_read_only(&self) -> bool;

    /// Reads all of `into` at offset `at`.
    ///
    /// # Errors
    /// The host's.
    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()>;

    /// Writes all of `from` to offset `at`. It is durable after the next [`Self::flush`].
    ///
    /// # Errors
    /// The host's; some of it may have been written then.
    fn write(&self, at: u64, from: &[u8]) -> io::Result<()>;

    /// When it returns, what was written before it was called survives the end of this program and of the host.
    ///
    /// # Errors
    /// The host's: what was written since the last flush may be lost.
    fn flush(&self) -> io::Result<()>;

    /// Nobody needs the content of these bytes any more. A host that cannot give space back does nothing.
    ///
    /// # Errors
    /// The host's.
    fn discard(&self, at: u64, bytes: u64) -> io::Result<()>;

    /// Makes these bytes zero.
    ///
    /// # Errors
    /// The host's.
    fn write_zeroes(&self, at: u64, bytes: u64, space: Space) -> io::Result<()>;

    /// The file that has the disk's bytes at the same offsets, if there is one: then reads, writes and flushes may be done to it
    /// directly, after [`Self::allows`].
    fn plain_file(&self) -> Option<&Arc<File>> {
        None
    }

    /// Whether `from` may be written to offset `at`.
    ///
    /// # Errors
    /// It may not; why.
    fn allows(&self, _at: u64, _from: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// The range in pieces of `most` bytes at most: offset and length of each.
fn pieces(at: u64, bytes: u64, most: usize) -> impl Iterator<Item = (u64, usize)> {
    let step = most as u64;
    (0..bytes.div_ceil(step)).map(move |piece| {
        let done = piece * step;
        (at + done, (bytes - done).min(step) as usize)
    })
}
