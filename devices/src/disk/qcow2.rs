//! QEMU's copy-on-write format, by the crate `imago`.
//!
//! `imago` keeps what it changes of an image's tables in memory until it is flushed, and writes it in an order that leaves the image whole
//! whenever the process ends. A flush here is its flush, and then the host's.
//!
//! An image may name a backing file. That one is opened for reading, locked, and must have its format given: one that is found
//! out may be the work of a guest (`format.rs`). Nothing is opened but what `chain` opens.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{RwLock, RwLockReadGuard};

use imago::file::File as Storage;
use imago::qcow2::Qcow2 as Image;
use imago::raw::Raw as RawImage;
use imago::{DenyImplicitOpenGate, FormatAccess, Mapping, StorageOpenOptions};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::open::{OpenError, open_file};
use super::{Access, BUFFER_BYTES, Buffer, Caching, Disk, Grain, SECTOR, Space};

/// Backing files, one behind the other.
const DEEPEST: usize = 32;

/// Bytes of a discard, or of zeros, for which the image is had alone at a time.
const STEP: usize = 64 << 20;

const UNPOISONED: &str = "an engine asks for nothing more after a panic";

/// A qcow2 disk.
pub struct Qcow2 {
    /// Whoever reads or writes shares it. A discard, which takes space away from under them, has it alone, and so has who makes zeros.
    image: RwLock<FormatAccess<Storage>>,
    /// The same file, to give space back.
    file: File,
    bytes: u64,
    cluster: u32,
    access: Access,
}

impl Qcow2 {
    /// The disk in `file`, which was opened and locked for `access`.
    pub(super) fn open(file: File, path: &Path, access: Access, caching: Caching) -> Result<Self, OpenError> {
        let broken = |source| image_error(path, source);
        let same = file.try_clone().map_err(broken)?;
        let cluster = cluster_bytes(path).map_err(broken)?;
        let image = chain(file, path, access, caching, DEEPEST)?;
        Ok(Self {
            bytes: image.size(),
            image: RwLock::new(image),
            file: same,
            cluster,
            access,
        })
    }

    fn shared(&self) -> RwLockReadGuard<'_, FormatAccess<Storage>> {
        self.image.read().expect(UNPOISONED)
    }

    /// Gives back the space of the clusters that only this range of the disk uses.
    fn punch(&self, image: &FormatAccess<Storage>, at: u64, bytes: u64) -> io::Result<()> {
        let end = at + bytes;
        let mut at = at;
        while at < end {
            let (mapping, bytes) = image.get_mapping(at, end - at)?;
            if bytes == 0 {
                break;
            }
            if let Mapping::Raw {
                offset, writable: true, ..
            } = mapping
            {
                let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                match rustix::fs::fallocate(&self.file, mode, offset, bytes) {
                    Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            at += bytes;
        }
        Ok(())
    }

    /// Gives the range's space back; `then` is what is done to the tables.
    fn release(
        &self,
        at: u64,
        bytes: u64,
        then: impl Fn(&mut FormatAccess<Storage>, u64, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        for (at, bytes) in super::pieces(at, bytes, STEP) {
            let mut image = self.image.write().expect(UNPOISONED);
            // The holes come first: once the tables let go of a cluster it may be anything's.
            self.punch(&image, at, bytes as u64)?;
            then(&mut image, at, bytes as u64)?;
        }
        Ok(())
    }
}

impl Disk for Qcow2 {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn grain(&self) -> Grain {
        Grain {
            logical: SECTOR as u32,
            physical: 4096,
            discard: self.cluster,
        }
    }

    fn is_read_only(&self) -> bool {
        self.access == Access::ReadOnly
    }

    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.shared().read(into, at)
    }

    fn write(&self, at: u64, from: &[u8]) -> io::Result<()> {
        self.shared().write(from, at)
    }

    fn flush(&self) -> io::Result<()> {
        let image = self.shared();
        image.flush()?;
        image.sync()
    }

    fn discard(&self, at: u64, bytes: u64) -> io::Result<()> {
        let done = self.release(at, bytes, FormatAccess::discard_to_any);
        // Version 2 has no way to say it.
        done.or_else(|error| match error.kind() {
            io::ErrorKind::Unsupported => Ok(()),
            _ => Err(error),
        })
    }

    fn write_zeroes(&self, at: u64, bytes: u64, space: Space) -> io::Result<()> {
        let done = match space {
            // Alone: where a cluster is zero but for the range, `imago` makes all of it zeros, and what was written to the rest since it looked
            // would be gone.
            Space::Kept => super::pieces(at, bytes, STEP).try_for_each(|(at, bytes)| {
                let image = self.image.write().expect(UNPOISONED);
                image.write_zeroes(at, bytes as u64)
            }),
            Space::Released => self.release(at, bytes, FormatAccess::discard_to_zero),
        };
        match done {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                let zeros = Buffer::default();
                super::pieces(at, bytes, BUFFER_BYTES).try_for_each(|(at, bytes)| self.write(at, zeros.data(bytes)))
            }
            done => done,
        }
    }
}

/// The image in `file` with what is behind it, at most `deepest` files.
fn chain(
    file: File,
    path: &Path,
    access: Access,
    caching: Caching,
    deepest: usize,
) -> Result<FormatAccess<Storage>, OpenError> {
    let broken = |source| image_error(path, source);
    let storage = storage(file, path, access, caching).map_err(broken)?;
    let mut image = Image::<Storage>::open_image(storage, access == Access::ReadWrite).map_err(broken)?;
    if image.requires_external_data_file() {
        return Err(OpenError::DataFile { path: path.to_owned() });
    }
    let backing = match image.implicit_backing_file() {
        Some(name) => Some(behind(path, name, image.implicit_backing_format(), caching, deepest)?),
        None => None,
    };
    image.set_backing(backing);
    image.set_data_file(None);
    image
        .open_implicit_dependencies_gated(DenyImplicitOpenGate::default())
        .map_err(broken)?;
    Ok(FormatAccess::new(image))
}

/// The image `name` of format `format` that the one at `path` names as the one behind it.
fn behind(
    path: &Path,
    name: &str,
    format: Option<&String>,
    caching: Caching,
    deepest: usize,
) -> Result<FormatAccess<Storage>, OpenError> {
    let backing = path.parent().unwrap_or(Path::new("")).join(name);
    let Some(deeper) = deepest.checked_sub(1) else {
        return Err(OpenError::BackingDepth {
            path: path.to_owned(),
            most: DEEPEST,
        });
    };
    match format.map(String::as_str) {
        Some("qcow2") => {
            let file = open_file(&backing, Access::ReadOnly, caching)?;
            chain(file, &backing, Access::ReadOnly, caching, deeper)
        }
        Some("raw" | "file") => {
            let file = open_file(&backing, Access::ReadOnly, caching)?;
            let raw = storage(file, &backing, Access::ReadOnly, caching);
            let raw = raw.and_then(|storage| RawImage::open_image(storage, false));
            raw.map(FormatAccess::new)
                .map_err(|source| image_error(&backing, source))
        }
        Some(format) => Err(OpenError::UnknownBackingFormat {
            path: path.to_owned(),
            backing: name.to_owned(),
            format: format.to_owned(),
        }),
        None => Err(OpenError::BackingFormat {
            path: path.to_owned(),
            backing: name.to_owned(),
        }),
    }
}

/// `file` as `imago` has it.
fn storage(file: File, path: &Path, access: Access, caching: Caching) -> io::Result<Storage> {
    let options = StorageOpenOptions::new()
        .filename(path)
        .write(access == Access::ReadWrite)
        .direct(caching == Caching::Direct);
    Storage::from_open_file(file, options)
}

/// Bytes of a cluster, as the image's header says (QEMU, docs/interop/qcow2, Header: bytes 20 to 23).
fn cluster_bytes(path: &Path) -> io::Result<u32> {
    use std::os::unix::fs::FileExt as _;
    let mut bits = [0; 4];
    File::open(path)?.read_exact_at(&mut bits, 20)?;
    let bits = u32::from_be_bytes(bits);
    // What lies outside is refused by `imago`.
    Ok(1 << bits.clamp(9, 21))
}

fn image_error(path: &Path, source: io::Error) -> OpenError {
    OpenError::Image {
        path: path.to_owned(),
        source,
    }
}
