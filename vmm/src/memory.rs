//! The guest's RAM: one region from real address 0, shared (a memory file), committed as it is touched.
//!
//! What pteg itself does there (a loaded kernel, the answers of hypercalls) goes through [`GuestRam`]. It tells the accelerator of
//! writes, since a processor may hold decoded instructions of that page, and keeps to what may be done to memory as processors
//! do: it waits while a range is in flight, or until it gets the right to a frame. Devices come by here as well (`dma`), and wait for the end
//! of a pause besides.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Instant;

use devices::dma::Epoch;
use hpt::{Access, Accessor, Endless, Fault, Frames, Notifier, Patience};
use rustix::fs::MemfdFlags;
use vm_memory::mmap::{GuestRegionMmap, MmapRegionError};
use vm_memory::{Bytes as _, FileOffset, GuestAddress, GuestMemoryMmap, MmapRegion};

use crate::pause::Pause;
use crate::size::Size;
use crate::waits::Waits;

/// Why there is no guest memory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryError {
    /// No memory file.
    #[error("making a memory file of {size} for the guest")]
    File {
        /// Size of RAM.
        size: Size,
        /// What the host answered.
        #[source]
        source: io::Error,
    },
    /// No address space, or none of it.
    #[error("mapping {size} of guest memory")]
    Map {
        /// Size of RAM.
        size: Size,
        /// What the host answered.
        #[source]
        source: MmapRegionError,
    },
}

/// Told of every write to guest memory that no processor made: real address and length in bytes.
type WriteWatch = Box<dyn Fn(u64, u64) + Send + Sync>;

/// What a machine gives to its memory.
struct Service {
    watch: WriteWatch,
    patience: Arc<dyn Patience + Send + Sync>,
}

/// Who makes an access.
#[derive(Clone, Copy)]
pub(crate) enum By<'p> {
    /// This program, for a processor that is in a hypercall or for whoever looks after the memory.
    Program,
    /// A device, in its lane, for the guest of an epoch; it does nothing while the run is paused.
    Device(&'p Pause, usize, Epoch),
}

/// Why a copy was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotCopied {
    /// Not all of it is RAM.
    NoRam,
    /// The run is over, or the guest of a device.
    Over,
}

/// The guest's RAM.
pub(crate) struct GuestRam {
    memory: Arc<GuestMemoryMmap<()>>,
    /// What `memory` maps.
    file: Arc<File>,
    size: Size,
    service: OnceLock<Service>,
    notifier: Arc<Notifier>,
    frames: Arc<Frames>,
    waits: Waits,
}

impl GuestRam {
    /// RAM of `size`, all zero, none of it committed.
    pub(crate) fn new(size: Size) -> Result<Self, MemoryError> {
        // A file, as processes beside this one (and KVM's memory slots) can share it.
        let file = Arc::new(memory_file(size).map_err(|source| MemoryError::File { size, source })?);
        let mapped = map(&file, size)?;
        let region = GuestRegionMmap::new(mapped, GuestAddress(0)).expect("a region from 0 ends below 2^64");
        let memory = GuestMemoryMmap::from_regions(vec![region]).expect("one region overlaps nothing");
        let notifier = Notifier::new(std::iter::once(0..size.bytes()).collect());
        Ok(Self {
            memory: Arc::new(memory),
            file,
            size,
            service: OnceLock::new(),
            waits: Waits::default(),
            frames: Arc::new(Frames::new(size.bytes(), Arc::clone(&notifier))),
            notifier,
        })
    }

    /// Another mapping of the same memory.
    #[cfg(target_arch = "powerpc64")]
    pub(crate) fn map_again(&self) -> Result<MmapRegion, MemoryError> {
        map(&self.file, self.size)
    }

    /// The mapping, for those who run processors.
    pub(crate) fn mapping(&self) -> &Arc<GuestMemoryMmap<()>> {
        &self.memory
    }

    /// What the mapping maps. Whoever writes there says so afterwards ([`Self::changed`]).
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The `bytes` bytes at `real` were changed, not through this object and not by a processor: decoded instructions are void,
    /// and the frames are dirty.
    pub(crate) fn changed(&self, real: u64, bytes: u64) {
        self.tell(real, bytes);
    }

    /// Where those who take some of it away say so.
    pub(crate) fn notifier(&self) -> &Arc<Notifier> {
        &self.notifier
    }

    /// What may be done to each frame, and which were stored to.
    pub(crate) fn frames(&self) -> &Arc<Frames> {
        &self.frames
    }

    /// How long processors waited for what was withheld.
    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }

    /// From now on `watch` hears of every write made through this object, and accesses wait for memory that is withheld no longer than
    /// `patience` lasts.
    ///
    /// # Panics
    /// When it serves a machine already.
    pub(crate) fn serve(&self, watch: WriteWatch, patience: Arc<dyn Patience + Send + Sync>) {
        let service = Service { watch, patience };
        assert!(self.service.set(service).is_ok(), "guest memory has one machine");
    }

    /// Size of RAM.
    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Whether the `bytes` bytes at `real` are RAM, all of them.
    pub(crate) fn contains(&self, real: u64, bytes: u64) -> bool {
        real.checked_add(bytes).is_some_and(|end| end <= self.size.bytes())
    }

    /// Does `work`, which makes an `access` to the `bytes` bytes at `real`, when it may be made; nobody takes them away meanwhile. `None`: the
    /// patience was over, or the device's guest is gone, and nothing was done.
    fn when_allowed<T>(
        &self,
        real: u64,
        bytes: u64,
        access: Access,
        by: By<'_>,
        work: impl FnOnce() -> T,
    ) -> Option<T> {
        let range = real..real + bytes;
        let patience: &dyn Patience = match self.service.get() {
            Some(service) => &*service.patience,
            None => &Endless,
        };
        let mut began = Instant::now();
        let mut has_waited = false;
        loop {
            let lease = self.notifier.lease(&range);
            has_waited |= lease.has_waited();
            if let Some(real) = self.frames.find_withheld(&range, access) {
                drop(lease);
                has_waited = true;
                let by = Accessor::Program;
                self.frames.wait_for(&Fault { real, access, by }, patience).ok()?;
                continue;
            }
            if has_waited {
                self.waits.note(began.elapsed());
            }
            let By::Device(pause, lane, epoch) = by else {
                return Some(work());
            };
            // With the lease, which nobody waits for who pauses; and the lease is not kept for the pause, in which a range may begin.
            if let Some(_copying) = pause.copy(lane) {
                // What a device does for a guest that is gone must not reach the next one. Looked at in the lane: memory is not made new before
                // this copy is done.
                return (Epoch(pause.resets()) == epoch).then(work);
            }
            drop(lease);
            if pause.wait() {
                return None;
            }
            (began, has_waited) = (Instant::now(), false);
        }
    }

    /// Reads `N` bytes; zeros, if the run ends while they are withheld: nobody lives to use them. `None`: not all RAM.
    pub(crate) fn read<const N: usize>(&self, real: u64) -> Option<[u8; N]> {
        if !self.contains(real, N as u64) {
            return None;
        }
        let read = || {
            let mut bytes = [0; N];
            let read = self.memory.read_slice(&mut bytes, GuestAddress(real));
            read.is_ok().then_some(bytes)
        };
        self.when_allowed(real, N as u64, Access::Load, By::Program, read)
            .unwrap_or(Some([0; N]))
    }

    /// Writes `bytes`; nothing is written unless all of them fit, nor if the run ends while their place is withheld. `None`: not all RAM.
    pub(crate) fn write(&self, real: u64, bytes: &[u8]) -> Option<()> {
        let length = bytes.len() as u64;
        if !self.contains(real, length) {
            return None;
        }
        let write = || {
            let written = self.memory.write_slice(bytes, GuestAddress(real));
            self.tell(real, length);
            written.ok()
        };
        self.when_allowed(real, length, Access::Store, By::Program, write)
            .unwrap_or(Some(()))
    }

    /// Writes `bytes` zeros; none unless all of them fit. `None`: not all RAM.
    pub(crate) fn zero(&self, real: u64, bytes: u64) -> Option<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        if !self.contains(real, bytes) {
            return None;
        }
        let mut at = real;
        while at < real + bytes {
            let count = ZEROS.len().min((real + bytes - at) as usize);
            self.write(at, &ZEROS[..count])?;
            at += count as u64;
        }
        Some(())
    }

    /// Reads into `into`. Naturally aligned pieces of 2, 4 and 8 bytes are read whole.
    ///
    /// # Errors
    /// As it says; nothing was read then.
    pub(crate) fn copy_out(&self, real: u64, into: &mut [u8], by: By<'_>) -> Result<(), NotCopied> {
        let length = into.len() as u64;
        if !self.contains(real, length) {
            return Err(NotCopied::NoRam);
        }
        let read = |into: &mut [u8]| {
            if into.len() > LONGEST_IN_PIECES {
                return self.memory.read_slice(into, GuestAddress(real)).ok();
            }
            each_piece(real, into.len(), |at, piece| {
                let (into, at) = (&mut into[piece], GuestAddress(at));
                match into.len() {
                    8 => into.copy_from_slice(&self.memory.load::<u64>(at, Ordering::Relaxed).ok()?.to_ne_bytes()),
                    4 => into.copy_from_slice(&self.memory.load::<u32>(at, Ordering::Relaxed).ok()?.to_ne_bytes()),
                    2 => into.copy_from_slice(&self.memory.load::<u16>(at, Ordering::Relaxed).ok()?.to_ne_bytes()),
                    _ => into.copy_from_slice(&self.memory.load::<u8>(at, Ordering::Relaxed).ok()?.to_ne_bytes()),
                }
                Some(())
            })
        };
        let done = self.when_allowed(real, length, Access::Load, by, || read(into));
        done.ok_or(NotCopied::Over)?.ok_or(NotCopied::NoRam)
    }

    /// Writes `from`. Naturally aligned pieces of 2, 4 and 8 bytes arrive whole.
    ///
    /// # Errors
    /// As it says; nothing was written then.
    pub(crate) fn copy_in(&self, real: u64, from: &[u8], by: By<'_>) -> Result<(), NotCopied> {
        let length = from.len() as u64;
        if !self.contains(real, length) {
            return Err(NotCopied::NoRam);
        }
        let store = |at, from: &[u8]| {
            let at = GuestAddress(at);
            match *from {
                [a, b, c, d, e, f, g, h] => {
                    let whole = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
                    self.memory.store(whole, at, Ordering::Relaxed)
                }
                [a, b, c, d] => self
                    .memory
                    .store(u32::from_ne_bytes([a, b, c, d]), at, Ordering::Relaxed),
                [a, b] => self.memory.store(u16::from_ne_bytes([a, b]), at, Ordering::Relaxed),
                _ => self.memory.write_slice(from, at),
            }
        };
        let write = || {
            let written = match from.len() {
                0..=LONGEST_IN_PIECES => each_piece(real, from.len(), |at, piece| store(at, &from[piece]).ok()),
                _ => self.memory.write_slice(from, GuestAddress(real)).ok(),
            };
            self.tell(real, length);
            written
        };
        let done = self.when_allowed(real, length, Access::Store, by, write);
        done.ok_or(NotCopied::Over)?.ok_or(NotCopied::NoRam)
    }

    /// Puts the `bytes` bytes of `source` at `offset` into RAM; it moves the file's position.
    ///
    /// A kernel of Linux' size takes longer than all the rest of a start, and what takes long is the host's making of
    /// pages. Writing the memory file makes them fastest, but one writer at a time; reading into the mapping takes
    /// nearly twice as long, and at the same time. So one thread does the one, and another the other.
    pub(crate) fn load(&self, source: &File, offset: u64, real: u64, bytes: u64) -> io::Result<()> {
        /// Less than this is not worth a thread.
        const WORTH_A_THREAD: u64 = 4 << 20;
        if !self.contains(real, bytes) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let written = if bytes < WORTH_A_THREAD { bytes } else { bytes / 8 * 5 };
        let load = || {
            thread::scope(|scope| {
                let mapped =
                    scope.spawn(|| self.read_into_mapping(source, offset + written, real + written, bytes - written));
                copy(source, offset, &self.file, real, written)?;
                mapped.join().expect("reading does not panic")
            })?;
            self.tell(real, bytes);
            Ok(())
        };
        self.when_allowed(real, bytes, Access::Store, By::Program, load)
            .unwrap_or(Ok(()))
    }

    fn read_into_mapping(&self, source: &File, offset: u64, real: u64, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        // The same open file, and so the same position: nobody else uses it.
        let mut source = source.try_clone()?;
        source.seek(SeekFrom::Start(offset))?;
        let count = usize::try_from(bytes).map_err(io::Error::other)?;
        self.memory
            .read_exact_volatile_from(GuestAddress(real), &mut source, count)
            .map_err(io::Error::other)
    }

    /// After a write.
    fn tell(&self, real: u64, bytes: u64) {
        self.frames.note_stored(real, bytes);
        if let Some(service) = self.service.get() {
            (service.watch)(real, bytes);
        }
    }
}

/// What is longer is copied as the host copies memory. That moves words of its own size, or larger ones: an aligned piece of up to 8 bytes lies
/// in one of them. What is shorter may be moved byte by byte, if the other side is not aligned.
const LONGEST_IN_PIECES: usize = 16;

/// Does `work` for each naturally aligned piece of 8, 4, 2 or 1 bytes of the `bytes` bytes at `real`, the largest that fit: real address, and which
/// bytes these are.
fn each_piece(real: u64, bytes: usize, mut work: impl FnMut(u64, Range<usize>) -> Option<()>) -> Option<()> {
    let mut done = 0;
    while done < bytes {
        let at = real + done as u64;
        let fits = |size: usize| at.is_multiple_of(size as u64) && size <= bytes - done;
        let size = [8, 4, 2].into_iter().find(|size| fits(*size)).unwrap_or(1);
        work(at, done..done + size)?;
        done += size;
    }
    Some(())
}

/// Maps the memory file of `size` bytes.
fn map(file: &Arc<File>, size: Size) -> Result<MmapRegion, MemoryError> {
    let bytes = usize::try_from(size.bytes()).unwrap_or(usize::MAX);
    MmapRegion::from_file(FileOffset::from_arc(Arc::clone(file), 0), bytes)
        .map_err(|source| MemoryError::Map { size, source })
}

/// Copies `bytes` bytes from one file to the other.
fn copy(source: &File, mut offset: u64, into: &File, mut at: u64, mut bytes: u64) -> io::Result<()> {
    // Stays in the processor's cache between read and write.
    let mut buffer = vec![0; 128 << 10];
    while bytes > 0 {
        let count = buffer.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
        let piece = &mut buffer[..count];
        source.read_exact_at(piece, offset)?;
        into.write_all_at(piece, at)?;
        let count = count as u64;
        (offset, at, bytes) = (offset + count, at + count, bytes - count);
    }
    Ok(())
}

/// A sparse file of `size` bytes that lives in memory.
fn memory_file(size: Size) -> io::Result<File> {
    let fd = rustix::fs::memfd_create("pteg-ram", MemfdFlags::CLOEXEC)?;
    rustix::fs::ftruncate(&fd, size.bytes())?;
    Ok(File::from(fd))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use hpt::{Right, Why};

    fn ram() -> GuestRam {
        GuestRam::new(Size::from_mib(16)).unwrap()
    }

    #[test]
    fn a_write_that_does_not_fit_changes_nothing() {
        let ram = ram();
        let end = ram.size().bytes();
        assert_eq!(ram.write(end - 4, &[1; 8]), None);
        assert_eq!(ram.read(end - 4), Some([0; 4]));
        assert_eq!(ram.read::<8>(end - 4), None);
        assert_eq!(ram.read::<1>(u64::MAX), None);
        assert!(!ram.contains(u64::MAX, 2) && ram.contains(end, 0) && !ram.contains(end, 1));
    }

    #[test]
    fn the_watch_hears_of_every_write() {
        let ram = ram();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        let watch = move |real, bytes| ear.lock().unwrap().push((real, bytes));
        ram.serve(Box::new(watch), Arc::new(Endless));
        ram.write(0x1000, &[7; 16]).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"01234567").unwrap();
        ram.load(&file, 2, 0x2000, 4).unwrap();
        assert_eq!(ram.read(0x2000), Some(*b"2345"));
        assert_eq!(*heard.lock().unwrap(), [(0x1000, 16), (0x2000, 4)]);
    }

    #[test]
    fn an_access_waits_for_its_right_and_others_do_not() {
        let ram = ram();
        let protection = ram.frames().protect(None).unwrap();
        protection.take(0x3000..0x4000, Right::Load, &Endless).unwrap();
        ram.write(0x2ff8, &[1; 8]).unwrap();
        assert_eq!(ram.read(0x3000), Some([0; 8]));
        thread::scope(|scope| {
            let across = scope.spawn(|| ram.write(0x2ffc, &[2; 8]));
            let zero = scope.spawn(|| ram.zero(0x2000, 0x2000));
            assert_eq!(ram.read(0x3000), Some([0; 4]));
            protection.give(0x3000..0x4000, Right::Store);
            assert_eq!((across.join().unwrap(), zero.join().unwrap()), (Some(()), Some(())));
        });
    }

    #[test]
    fn an_access_waits_while_a_range_is_in_flight() {
        let ram = ram();
        ram.write(0x3000, &[1]).unwrap();
        let range = ram.notifier().begin(0x3000..0x4000, Why::Discard, &Endless).unwrap();
        thread::scope(|scope| {
            let read = scope.spawn(|| ram.read(0x3000));
            ram.mapping().write_slice(&[7], GuestAddress(0x3000)).unwrap();
            drop(range);
            assert_eq!(read.join().unwrap(), Some([7]));
        });
    }

    #[test]
    fn what_is_withheld_at_the_end_of_the_run_stays_as_it_is() {
        let ram = ram();
        ram.write(0x3000, &[1]).unwrap();
        ram.serve(Box::new(|_, _| ()), Arc::new(AtomicBool::new(true)));
        let protection = ram.frames().protect(None).unwrap();
        protection.take(0x3000..0x4000, Right::Nothing, &Endless).unwrap();
        assert_eq!((ram.write(0x3000, &[2]), ram.read(0x3000)), (Some(()), Some([0])));
        assert_eq!(ram.zero(0x3000, 0x1000), Some(()));
        protection.give(0x3000..0x4000, Right::Load);
        assert_eq!(ram.read(0x3000), Some([1]));
    }

    #[test]
    fn a_large_file_arrives_whole() {
        let ram = ram();
        let bytes: Vec<u8> = (0..10_000_001_u32).map(|n| (n / 3) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        ram.load(&file, 1, 0x8001, 10_000_000).unwrap();
        let mut there = vec![0; 10_000_000];
        ram.mapping().read_slice(&mut there, GuestAddress(0x8001)).unwrap();
        assert!(there == bytes[1..]);
        assert_eq!(ram.read::<1>(0x8001 + 10_000_000), Some([0]));
    }

    #[test]
    fn a_file_that_ends_early_is_an_error() {
        let ram = ram();
        assert!(ram.load(&tempfile::tempfile().unwrap(), 0, 0, 1).is_err());
    }
}
