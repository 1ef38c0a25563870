//! An image of all guest memory as it is at one moment, written while the guest runs.
//!
//! All stores are forbidden at one moment ([`hpt::Protection`]), and allowed again frame by frame once the frame is in the file.
//! One thread goes through memory in the order of addresses; a processor that wants to store to a frame whose turn has
//! not come copies that one itself, as the handler of its fault.
//!
//! Who copies which frame, and when that is over, is in `claims.rs`.
//!
//! If it is given up, or the file cannot be written, the frames that are left are claimed and released without a copy: so a
//! handler that comes late finds nothing to do, whatever is going on by then.
//!
//! The file is as long as RAM, a byte's place in it is its real address, and what is zero is a hole. A kernel that
//! walks the table forbids no stores for us: there the run must be paused, and stays so until all is copied.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hpt::{Abandoned, Fault, FaultHandler, Giver, Patience, Right};
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::claims::{Claims, TOGETHER};
use super::image::Image;
use super::{FRAME, Upkeep, UpkeepError, not_announced};
use crate::memory::GuestRam;

/// What was dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dumped {
    /// Bytes of memory: the length of the file.
    pub(crate) bytes: u64,
    /// How many of them were written; the rest is zero, and a hole.
    pub(crate) written: u64,
    /// Frames that a processor had to copy, as it was about to store there.
    pub(crate) saved_first: u64,
    /// How long no processor could store at all: until the first frame was copied, or with a paused run all of it.
    pub(crate) paused: Duration,
    /// How long all of it took.
    pub(crate) took: Duration,
}

impl Upkeep {
    /// Writes all memory to a new file at `path`, as it is at one moment, while the guest runs. Returns when the file is complete;
    /// it has its name only then. The file is its owner's alone: it has all that the guest knows.
    ///
    /// # Errors
    /// `BadRequest` if no file can be made there, `Conflict` if there is one, or while another dump is written or memory discarded. `NotPossible`
    /// where stores cannot be forbidden, or when the file cannot be written; `NoSpace` if that is for want of room. `Gone` if the run has ended. No file is left behind, and
    /// the guest may do everything again. If the whole program ends meanwhile, no file is left either, but on a file system without
    /// unnamed files (`image`).
    pub(crate) fn dump(&self, path: &Path) -> Result<Dumped, UpkeepError> {
        let _under_way = self.begin_dump()?;
        let dump = || {
            let image = Image::new(path, self.ram.size().bytes()).map_err(|error| no_file(path, &error))?;
            self.dump_to(image, path)
        };
        if self.kernel.is_none() {
            return dump();
        }
        self.pause.while_paused(dump).unwrap_or_else(|| {
            Err(UpkeepError::not_possible(format!(
                "{WHAT}: the host's kernel runs this guest, and KVM-PR gives nobody a say before a store: pause the run first, \
                 or start it with --accel emulated"
            )))
        })
    }

    pub(super) fn dump_to(&self, image: Image, path: &Path) -> Result<Dumped, UpkeepError> {
        let began = Instant::now();
        let bytes = self.ram.size().bytes();
        let copier = Arc::new(Copier::new(Arc::clone(&self.ram), image));
        let not_protected = |error| not_announced(WHAT, error);
        let handler = Arc::clone(&copier) as Arc<dyn FaultHandler>;
        let protection = self.ram.frames().protect(Some(handler)).map_err(not_protected)?;
        let narrowing = Instant::now();
        let narrowed = protection.take(0..bytes, Right::Load, &*self.stop);
        let narrowed_after = narrowing.elapsed();
        if narrowed.is_err() {
            copier.give_up(io::ErrorKind::Interrupted.into());
        }
        // In any case: whatever is not copied is released.
        copier.copy_all(protection.giver(), &*self.stop);
        drop(protection);
        narrowed.map_err(not_protected)?;
        if self.stop.is_over() {
            return Err(UpkeepError::gone(WHAT));
        }
        let image = copier.finish().map_err(|error| not_written(path, &error))?;
        image.complete().map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => no_file(path, &error),
            // The folder was there, and one could write to it.
            _ => not_written(path, &error),
        })?;
        let released_after = copier
            .claims
            .released()
            .map(|at| at.saturating_duration_since(narrowing));
        let took = began.elapsed();
        let paused = match self.kernel {
            Some(_) => took,
            None => narrowed_after.max(released_after.unwrap_or_default()),
        };
        Ok(Dumped {
            bytes,
            written: copier.written.load(Ordering::Relaxed),
            saved_first: copier.saved_first.load(Ordering::Relaxed),
            paused,
            took,
        })
    }

    fn begin_dump(&self) -> Result<UnderWay<'_>, UpkeepError> {
        let mut busy = self.busy();
        let conflict = match (busy.dump, busy.discards) {
            (true, _) => "another dump is being written",
            (false, 0) => {
                busy.dump = true;
                return Ok(UnderWay(self));
            }
            (false, _) => "memory is being discarded",
        };
        Err(UpkeepError::conflict(format!(
            "{WHAT}: {conflict}; wait until that is done"
        )))
    }
}

const WHAT: &str = "dump";

fn no_file(path: &Path, error: &io::Error) -> UpkeepError {
    match error.kind() {
        io::ErrorKind::AlreadyExists => UpkeepError::conflict(format!(
            "{WHAT}: {} is there already; name a file that is not",
            path.display()
        )),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => not_written(path, error),
        _ => UpkeepError::bad_request(format!(
            "{WHAT}: {}: {error}; name a file in a folder that exists and that you may write to",
            path.display()
        )),
    }
}

fn not_written(path: &Path, error: &io::Error) -> UpkeepError {
    let sentence = format!("{WHAT}: writing {}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            UpkeepError::no_space(format!("{sentence}; make room there, or name a file elsewhere"))
        }
        _ => UpkeepError::not_possible(sentence),
    }
}

/// A dump that is not done.
struct UnderWay<'u>(&'u Upkeep);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.busy().dump = false;
    }
}

/// Copies each frame once, and lets stores to it happen after that.
struct Copier {
    ram: Arc<GuestRam>,
    claims: Claims,
    /// Gone, with the first error.
    image: Mutex<Result<Arc<Image>, Option<io::Error>>>,
    written: AtomicU64,
    saved_first: AtomicU64,
}

impl Copier {
    fn new(ram: Arc<GuestRam>, image: Image) -> Self {
        let frames = ram.size().bytes() / FRAME;
        Self {
            ram,
            claims: Claims::new(frames),
            image: Mutex::new(Ok(Arc::new(image))),
            written: AtomicU64::new(0),
            saved_first: AtomicU64::new(0),
        }
    }

    /// Copies what nobody has copied yet; releases it without a copy from the first error on, or when `patience` is over. Then all frames
    /// are done, and no handler has anything to do any more.
    fn copy_all(&self, giver: Giver<'_>, patience: &dyn Patience) {
        let end = self.ram.size().bytes();
        let mut at = 0;
        while at < end {
            if patience.is_over() {
                self.give_up(io::ErrorKind::Interrupted.into());
            }
            // What lies before was never stored to, and is zero. Somebody may store there now, but then it is claimed.
            let data = data_behind(&self.ram, at).unwrap_or(at).min(end);
            let data = data - data % FRAME;
            self.leave_out(at..data, giver);
            at = data.max(at);
            let together = at..(at - at % (TOGETHER * FRAME) + TOGETHER * FRAME).min(end);
            self.claims.claim(&together, |own| self.save(own, giver));
            at = together.end;
        }
        // They are at their last frame.
        self.claims.wait();
    }

    /// Lets stores to the frames of `range` happen that nobody has claimed.
    fn leave_out(&self, range: Range<u64>, giver: Giver<'_>) {
        if range.is_empty() {
            return;
        }
        self.claims.claim(&range, |own| self.release(own, giver));
    }

    /// Copies `own` frames, then lets stores happen. After an error nothing is copied any more.
    fn save(&self, own: Range<u64>, giver: Giver<'_>) {
        let image = match &*self.image() {
            Ok(image) => Some(Arc::clone(image)),
            Err(_) => None,
        };
        if let Some(image) = image {
            match self.copy(&image, &own) {
                Ok(written) => drop(self.written.fetch_add(written, Ordering::Relaxed)),
                Err(error) => self.give_up(error),
            }
        }
        self.release(own, giver);
    }

    fn release(&self, own: Range<u64>, giver: Giver<'_>) {
        self.claims.release(giver, own);
    }

    fn copy(&self, image: &Image, own: &Range<u64>) -> io::Result<u64> {
        let mut content = vec![0; (own.end - own.start) as usize];
        self.ram.file().read_exact_at(&mut content, own.start)?;
        image.write(&content, own.start)
    }

    fn give_up(&self, error: io::Error) {
        let mut image = self.image();
        if image.is_ok() {
            *image = Err(Some(error));
        }
    }

    /// The image, or what went wrong with it. All handlers are done.
    fn finish(&self) -> io::Result<Image> {
        let image = std::mem::replace(&mut *self.image(), Err(None));
        let image = image.map_err(|error| error.unwrap_or_else(|| io::ErrorKind::Other.into()))?;
        Arc::into_inner(image).ok_or_else(|| io::Error::other("a processor is still writing to it"))
    }

    fn image(&self) -> MutexGuard<'_, Result<Arc<Image>, Option<io::Error>>> {
        self.image.lock().expect(UNPOISONED)
    }
}

const UNPOISONED: &str = "nothing panics with it locked";

impl FaultHandler for Copier {
    fn fault(&self, fault: &Fault, giver: Giver<'_>, _patience: &dyn Patience) -> Result<(), Abandoned> {
        let frame = fault.real - fault.real % FRAME;
        self.claims.claim(&(frame..frame + FRAME), |own| {
            self.saved_first.fetch_add(1, Ordering::Relaxed);
            self.save(own, giver);
        });
        Ok(())
    }
}

/// Where the memory file has something at `at` or behind it; its end if there is nothing. `None`: the host does not say.
fn data_behind(ram: &GuestRam, at: u64) -> Option<u64> {
    match rustix::fs::seek(ram.file(), SeekFrom::Data(at)) {
        Ok(data) => Some(data),
        Err(Errno::NXIO) => Some(ram.size().bytes()),
        Err(_) => None,
    }
}
