//! The formats of images, and which one a file has.
//!
//! A raw disk's first sector is the guest's. Were a raw image's format found out anew at every start, a guest could write the header of a
//! qcow2 image there, and at the next start it would be believed: with a backing file that the header names, any file that the
//! user may read. So a format that was found out, and not given, binds the guest: a write that would make the image look like
//! qcow2 is refused ([`turns_raw_into_qcow2`]). Whoever gives the format has nothing found out and nothing refused.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// The first bytes of a qcow2 image.
const MAGIC: [u8; 4] = *b"QFI\xfb";

/// A format of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The disk's bytes as they are.
    Raw,
    /// QEMU's copy-on-write format, version 2 or 3.
    Qcow2,
}

impl Format {
    /// The format that `file` seems to have: qcow2 if it begins like one, else raw.
    pub(crate) fn detect(file: &File) -> io::Result<Self> {
        let mut first = [0; MAGIC.len()];
        match file.read_exact_at(&mut first, 0) {
            Ok(()) if first == MAGIC => Ok(Self::Qcow2),
            Ok(()) => Ok(Self::Raw),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Self::Raw),
            Err(error) => Err(error),
        }
    }
}

/// Whether a raw image would be taken for qcow2 after this write. A write of less than a sector does not exist.
pub(crate) fn turns_raw_into_qcow2(at: u64, from: &[u8]) -> bool {
    at == 0 && from.starts_with(&MAGIC)
}
