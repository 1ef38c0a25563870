//! An image of all guest memory as it is at one moment, written while the guest runs.
//!
//! All stores are forbidden at one moment ([`Frames::narrow`]), and allowed again frame by frame once the frame is in the file.
//! One thread goes through memory in the order of addresses; a processor that wants to store to a frame whose turn has
//! not come copies that one itself, as the handler of its fault.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | C1 | whoever copies | claims the frames: bits set, Relaxed; those that were clear are its own | C1: one of the two has the frame |
//! | C2 | the same | reads its frames and writes them to the file | rights: nobody stores there |
//! | C3 | the same | the right to store, Release; whoever sleeps is woken | A3 of `hpt::Frames`: it stores after the copy |
//! | C4 | the same | the count of frames that are not done, under its mutex | C5 |
//! | H1 | a handler that finds the frame claimed | sleeps until C3 of whoever has it | C3 |
//! | C5 | the one thread, when it has gone through memory | waits until no frame is left: a processor may be copying still | C4 |
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
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use hpt::{Abandoned, Access, FaultHandler, Frames, Patience, Right};
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::hints::runs;
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

/// Frames that are copied together.
const TOGETHER: u64 = 64;

impl Upkeep {
    /// Writes all memory to a new file at `path`, as it is at one moment, while the guest runs. Returns when the file is complete;
    /// it has its name only then. The file is its owner's alone: it has all that the guest knows.
    ///
    /// # Errors
    /// `BadRequest` if no file can be made there, `Conflict` if there is one, or while another dump is written or memory discarded. `NotPossible`
    /// where stores cannot be forbidden, or when the file cannot be written. `Gone` if the run has ended. No file is left behind, and
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
        let frames = self.ram.frames();
        frames.set_handler(Some(Arc::clone(&copier) as Arc<_>));
        let narrowing = Instant::now();
        let narrowed = frames
            .narrow(0..bytes, Right::Load, &*self.stop)
            .map_err(|error| not_announced(WHAT, error));
        let narrowed_after = narrowing.elapsed();
        if narrowed.is_err() {
            copier.give_up(io::ErrorKind::Interrupted.into());
        }
        // In any case: whatever is not copied is released.
        copier.copy_all(&*self.stop);
        frames.set_handler(None);
        narrowed?;
        if self.stop.is_over() {
            return Err(UpkeepError::gone(WHAT));
        }
        let image = copier.finish().map_err(|error| not_written(path, &error))?;
        image.complete().map_err(|error| no_file(path, &error))?;
        let released_after = copier.released.get().map(|&at| at.saturating_duration_since(narrowing));
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
    UpkeepError::not_possible(format!("{WHAT}: writing {}: {error}", path.display()))
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
    /// A bit for each frame.
    claimed: Box<[AtomicU64]>,
    /// Gone, with the first error.
    image: Mutex<Result<Arc<Image>, Option<io::Error>>>,
    /// Frames that stores may not happen to yet.
    left: Mutex<u64>,
    done: Condvar,
    /// When stores could happen again anywhere.
    released: OnceLock<Instant>,
    written: AtomicU64,
    saved_first: AtomicU64,
}

impl Copier {
    fn new(ram: Arc<GuestRam>, image: Image) -> Self {
        let frames = ram.size().bytes() / FRAME;
        Self {
            ram,
            claimed: (0..frames.div_ceil(TOGETHER)).map(|_| AtomicU64::new(0)).collect(),
            image: Mutex::new(Ok(Arc::new(image))),
            left: Mutex::new(frames),
            done: Condvar::new(),
            released: OnceLock::new(),
            written: AtomicU64::new(0),
            saved_first: AtomicU64::new(0),
        }
    }

    fn frames(&self) -> &Frames {
        self.ram.frames()
    }

    /// Copies what nobody has copied yet; releases it without a copy from the first error on, or when `patience` is over. Then all frames
    /// are done, and no handler has anything to do any more.
    fn copy_all(&self, patience: &dyn Patience) {
        let end = self.ram.size().bytes();
        let mut at = 0;
        while at < end {
            if patience.is_over() {
                self.give_up(io::ErrorKind::Interrupted.into());
            }
            // What lies before was never stored to, and is zero. Somebody may store there now, but then it is claimed.
            let data = data_behind(&self.ram, at).unwrap_or(at).min(end);
            let data = data - data % FRAME;
            self.leave_out(at..data);
            at = data.max(at);
            let together = at..(at - at % (TOGETHER * FRAME) + TOGETHER * FRAME).min(end);
            self.claim(&together, |own| self.save(own));
            at = together.end;
        }
        // They are at their last frame.
        let left = self.left.lock().expect(UNPOISONED);
        drop(self.done.wait_while(left, |left| *left > 0).expect(UNPOISONED));
    }

    /// Lets stores to the frames of `range` happen that nobody has claimed.
    fn leave_out(&self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.claim(&range, |own| self.release(own));
    }

    /// Claims the frames of `range`, and does `work` with those that nobody had, neighbours together.
    fn claim(&self, range: &Range<u64>, mut work: impl FnMut(Range<u64>)) {
        let mut at = range.start / FRAME;
        let end = range.end / FRAME;
        while at < end {
            let (word, first) = (at / TOGETHER, at % TOGETHER);
            let count = (TOGETHER - first).min(end - at);
            let bits = (u64::MAX >> (TOGETHER - count)) << first;
            let old = self.claimed[word as usize].fetch_or(bits, Ordering::Relaxed);
            for run in runs(bits & !old) {
                let start = word * TOGETHER;
                work((start + run.start) * FRAME..(start + run.end) * FRAME);
            }
            at += count;
        }
    }

    /// Copies `own` frames, then lets stores happen. After an error nothing is copied any more.
    fn save(&self, own: Range<u64>) {
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
        self.release(own);
    }

    /// `own` frames are done: stores may happen (C3, C4).
    fn release(&self, own: Range<u64>) {
        let frames = (own.end - own.start) / FRAME;
        self.frames().widen(own, Right::Store);
        self.released.get_or_init(Instant::now);
        *self.left.lock().expect(UNPOISONED) -= frames;
        self.done.notify_all();
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
    fn fault(&self, real: u64, _access: Access, _patience: &dyn Patience) -> Result<(), Abandoned> {
        let frame = real - real % FRAME;
        self.claim(&(frame..frame + FRAME), |own| {
            self.saved_first.fetch_add(1, Ordering::Relaxed);
            self.save(own);
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
