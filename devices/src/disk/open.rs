//! From a path to a disk: opens the file, locks it, finds out what it is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, OFlags, StatxFlags};

use super::holders::{Holders, holders};
use super::lock::lock;
use super::{Disk, Format, Qcow2, Raw, SECTOR};

/// What is done to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is read, and others may read it too.
    ReadOnly,
    /// It is read and written, and nobody else has it.
    ReadWrite,
}

/// Whether the host keeps data of the disk in its page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// It does.
    Cached,
    /// Data goes past it (`O_DIRECT`).
    Direct,
}

/// How an image is to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The image.
    pub path: PathBuf,
    /// Its format; `None`: it is found out, and the guest may then not write a first sector that looks like another one's.
    pub format: Option<Format>,
    /// What is done to it.
    pub access: Access,
    /// Whether the host caches it.
    pub caching: Caching,
}

/// Why there is no such disk.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened.
    #[error("opening {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its owner does not let it be written.
    #[error("{path} may not be written; give readonly too, or make it writable")]
    NotWritable {
        /// The file.
        path: PathBuf,
    },
    /// A directory, a terminal, a pipe.
    #[error("{path} is neither a file nor a block device")]
    Kind {
        /// What is there.
        path: PathBuf,
    },
    /// Somebody else has it.
    #[error(
        "{path} is in use{holders}: a disk is written by one, or read by several (readonly), and that goes for QEMU's programs as well"
    )]
    InUse {
        /// The file.
        path: PathBuf,
        /// Who has it.
        holders: Holders,
    },
    /// No locks here.
    #[error("locking {path}")]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A disk has sectors.
    #[error(
        "{path} has {bytes} bytes; it would be a disk with sectors of {sector} bytes, one at least and whole ones: `truncate -s %{sector}` rounds \
         a raw image up"
    )]
    Size {
        /// The image.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// What it must be a multiple of.
        sector: u32,
    },
    /// The host's file system has blocks that are too large for a disk's.
    #[error(
        "{path}: cache=none needs blocks of at most {most} bytes there, and the host has them of {bytes}; leave cache=none out"
    )]
    DirectBlocks {
        /// The image.
        path: PathBuf,
        /// What the host asks for; 0: it does no direct I/O there.
        bytes: u32,
        /// The most that works.
        most: u32,
    },
    /// It is no image of its format, or a broken one, or one with what is not supported.
    #[error("{path} as a qcow2 image")]
    Image {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A format that is found out may be the work of a guest.
    #[error(
        "{path} names the backing file {backing} without its format; `qemu-img rebase -u -F FORMAT -b {backing} {path}` adds it"
    )]
    BackingFormat {
        /// The image.
        path: PathBuf,
        /// What it names.
        backing: String,
    },
    /// There is no driver for it.
    #[error("{path} names the backing file {backing} of format {format}; there are raw and qcow2")]
    UnknownBackingFormat {
        /// The image.
        path: PathBuf,
        /// What it names.
        backing: String,
        /// The format that it gives.
        format: String,
    },
    /// They may go in circles.
    #[error("{path}: more than {most} backing files, one behind the other")]
    BackingDepth {
        /// The last one.
        path: PathBuf,
        /// How many there may be.
        most: usize,
    },
    /// The image's data are elsewhere.
    #[error(
        "{path} keeps its data in another file (data_file), which is not supported; `qemu-img convert` makes one image of them"
    )]
    DataFile {
        /// The image.
        path: PathBuf,
    },
}

/// The largest block that a disk may have: a page of the smallest size, so that every guest takes it.
const LARGEST_BLOCK: u32 = 4096;

/// Opens and locks an image.
///
/// # Errors
/// It is no disk for this use.
pub fn open(options: &Options) -> Result<Arc<dyn Disk>, OpenError> {
    let Options {
        path,
        format,
        access,
        caching,
    } = options;
    let file = open_file(path, *access, *caching)?;
    let read = |source| OpenError::Open {
        path: path.clone(),
        source,
    };
    let (format, was_detected) = match format {
        Some(format) => (*format, false),
        // With its own file, as a direct one wants whole blocks.
        None => (
            File::open(path).and_then(|file| Format::detect(&file)).map_err(read)?,
            true,
        ),
    };
    let disk: Arc<dyn Disk> = match format {
        Format::Raw => {
            let bytes = (&file).seek(SeekFrom::End(0)).map_err(read)?;
            let block = block(&file, options)?;
            Arc::new(Raw::new(file, bytes, *access, block, was_detected))
        }
        Format::Qcow2 => Arc::new(Qcow2::open(file, path, *access, *caching)?),
    };
    check_size(path, disk.bytes(), disk.grain().logical)?;
    Ok(disk)
}

/// Whether [`open`] could open an image, as far as that can be said without a lock: not who has it, nor what is in a qcow2 image.
///
/// # Errors
/// It could not.
pub fn check(options: &Options) -> Result<(), OpenError> {
    let Options { path, format, .. } = options;
    let read = |source| OpenError::Open {
        path: path.clone(),
        source,
    };
    let mut file = open_unlocked(path, options.access, options.caching)?;
    let format = match format {
        Some(format) => *format,
        None => File::open(path).and_then(|file| Format::detect(&file)).map_err(read)?,
    };
    let sector = block(&file, options)?;
    let bytes = file.seek(SeekFrom::End(0)).map_err(read)?;
    match format {
        Format::Raw => check_size(path, bytes, sector),
        Format::Qcow2 => Ok(()),
    }
}

/// Whether a disk can have `bytes` bytes, with sectors of `sector`.
fn check_size(path: &Path, bytes: u64, sector: u32) -> Result<(), OpenError> {
    if bytes == 0 || !bytes.is_multiple_of(sector.into()) {
        return Err(OpenError::Size {
            path: path.to_owned(),
            bytes,
            sector,
        });
    }
    Ok(())
}

/// Opens and locks the file of an image, or of one that is behind it.
pub(super) fn open_file(path: &Path, access: Access, caching: Caching) -> Result<File, OpenError> {
    let file = open_unlocked(path, access, caching)?;
    match lock(&file, access) {
        Ok(true) => Ok(file),
        Ok(false) => Err(OpenError::InUse {
            path: path.to_owned(),
            holders: holders(&file),
        }),
        Err(source) => Err(OpenError::Lock {
            path: path.to_owned(),
            source,
        }),
    }
}

fn open_unlocked(path: &Path, access: Access, caching: Caching) -> Result<File, OpenError> {
    let error = |source| OpenError::Open {
        path: path.to_owned(),
        source,
    };
    let kind = fs::metadata(path).map_err(error)?.file_type();
    if !kind.is_file() && !kind.is_block_device() {
        return Err(OpenError::Kind { path: path.to_owned() });
    }
    let mut how = OpenOptions::new();
    how.read(true).write(access == Access::ReadWrite);
    if caching == Caching::Direct {
        how.custom_flags(OFlags::DIRECT.bits() as i32);
    }
    match how.open(path) {
        Ok(file) => Ok(file),
        Err(source) if caching == Caching::Direct && source.kind() == io::ErrorKind::InvalidInput => {
            Err(OpenError::DirectBlocks {
                path: path.to_owned(),
                bytes: 0,
                most: LARGEST_BLOCK,
            })
        }
        Err(source) if access == Access::ReadWrite && is_readable(path, &source) => {
            Err(OpenError::NotWritable { path: path.to_owned() })
        }
        Err(source) => Err(error(source)),
    }
}

/// Whether what could not be opened for writing can be for reading.
fn is_readable(path: &Path, source: &io::Error) -> bool {
    matches!(
        source.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    ) && File::open(path).is_ok()
}

/// What offsets and lengths of raw images must be multiples of.
fn block(file: &File, options: &Options) -> Result<u32, OpenError> {
    let Options { path, caching, .. } = options;
    match caching {
        Caching::Cached => cached_block(file).map_err(|source| OpenError::Open {
            path: path.clone(),
            source,
        }),
        Caching::Direct => direct_block(file, path),
    }
}

/// What offsets and lengths must be multiples of in the page cache. There any would do to be read and written, but a block device discards and makes zeros
/// in its own blocks alone.
fn cached_block(file: &File) -> io::Result<u32> {
    let bytes = match file.metadata()?.file_type().is_block_device() {
        true => rustix::fs::ioctl_blksszget(file)?,
        false => SECTOR as u32,
    };
    Ok(bytes.clamp(SECTOR as u32, LARGEST_BLOCK))
}

/// What offsets and lengths of direct I/O must be multiples of.
fn direct_block(file: &File, path: &Path) -> Result<u32, OpenError> {
    let wanted = StatxFlags::DIOALIGN;
    let answer = rustix::fs::statx(file.as_fd(), c"", AtFlags::EMPTY_PATH, wanted);
    let bytes = match answer {
        Ok(answer) if answer.stx_mask & wanted.bits() != 0 => answer.stx_dio_offset_align,
        // An older kernel does not say; this suits all disks of today.
        _ => LARGEST_BLOCK,
    };
    if bytes == 0 || bytes > LARGEST_BLOCK {
        return Err(OpenError::DirectBlocks {
            path: path.to_owned(),
            bytes,
            most: LARGEST_BLOCK,
        });
    }
    Ok(bytes.max(SECTOR as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_whole_sectors() {
        let said = |bytes, sector| {
            let error = check_size(Path::new("disk"), bytes, sector).err()?;
            Some(error.to_string())
        };
        assert_eq!((said(512, 512), said(8192, 4096)), (None, None));
        assert!(said(0, 512).is_some() && said(513, 512).is_some());
        let odd = said(4608, 4096).unwrap();
        assert!(odd.contains("4608 bytes") && odd.contains("truncate -s %4096"), "{odd}");
    }
}
