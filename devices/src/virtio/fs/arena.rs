//! Memory that is shared with the server: the rings, and copies of requests. Nothing of the guest's is in it but what a request carries.
//!
//! The server may change it at any time, and do nothing else to it: its size is sealed, or a server could have us touch what is gone.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use vm_memory::{AtomicAccess, Bytes as _, FileOffset, MmapRegion, VolatileMemory as _};

/// Where the rings are: a multiple of the largest pages that hosts have.
const RINGS: usize = 64 << 10;

/// For requests: more than Linux asks for in one, which is as many of its pages, of 64 KiB at most, as a queue has descriptors.
pub(super) const ROOM: usize = 8 << 20;

/// What of that is kept while no request is there.
const KEPT: usize = 512 << 10;

/// Pieces of it begin at multiples of this.
const STEP: usize = 64;

/// The memory, and who has which part of it.
pub(super) struct Arena {
    file: Arc<File>,
    mapping: MmapRegion,
    room: Room,
}

impl Arena {
    /// One that is all zero and all free.
    ///
    /// # Errors
    /// The host has no memory or descriptors left.
    pub(super) fn new() -> io::Result<Self> {
        let fd = rustix::fs::memfd_create("pteg-share", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&fd, Self::BYTES)?;
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let file = Arc::new(File::from(fd));
        let whole = FileOffset::from_arc(Arc::clone(&file), 0);
        Ok(Self {
            mapping: MmapRegion::from_file(whole, RINGS + ROOM).map_err(io::Error::other)?,
            file,
            room: Room::default(),
        })
    }

    /// How long the file is.
    pub(super) const BYTES: u64 = (RINGS + ROOM) as u64;

    /// What others map.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Takes `bytes` bytes, which nobody else gets until they are given back: where they begin. `None`: there is no room now.
    pub(super) fn take(&mut self, bytes: usize) -> Option<usize> {
        self.room.take(bytes).map(|at| RINGS + at)
    }

    /// Gives back what [`Self::take`] said.
    pub(super) fn give_back(&mut self, at: usize) {
        let excess = self.room.give_back(at - RINGS);
        if !excess.is_empty() {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let (at, bytes) = ((RINGS + excess.start) as u64, excess.len() as u64);
            // Without it, it is only more memory than there need be.
            _ = rustix::fs::fallocate(self.file.as_fd(), flags, at, bytes);
        }
    }

    /// Copies `from` there.
    pub(super) fn write(&self, at: usize, from: &[u8]) {
        let whole = self.mapping.as_volatile_slice();
        whole.write_slice(from, at).expect("places in it are ours");
    }

    /// Copies what is there.
    pub(super) fn read(&self, at: usize, into: &mut [u8]) {
        let whole = self.mapping.as_volatile_slice();
        whole.read_slice(into, at).expect("places in it are ours");
    }

    /// Stores a word whole.
    pub(super) fn store<T: AtomicAccess>(&self, at: usize, value: T, order: Ordering) {
        let whole = self.mapping.as_volatile_slice();
        whole
            .store(value, at, order)
            .expect("places in it are ours, and aligned");
    }

    /// Loads one.
    pub(super) fn load<T: AtomicAccess>(&self, at: usize, order: Ordering) -> T {
        let whole = self.mapping.as_volatile_slice();
        whole.load(at, order).expect("places in it are ours, and aligned")
    }
}

/// Which bytes of [`ROOM`] are taken.
#[derive(Default)]
struct Room {
    /// In their order.
    taken: Vec<Range<usize>>,
    /// Behind the last byte that was taken since little was.
    reached: usize,
}

impl Room {
    /// The first place that is large enough: so little of it is used while little is wanted.
    fn take(&mut self, bytes: usize) -> Option<usize> {
        let bytes = bytes.checked_next_multiple_of(STEP)?;
        let mut free = 0;
        let mut index = 0;
        for taken in &self.taken {
            if taken.start - free >= bytes {
                break;
            }
            free = taken.end;
            index += 1;
        }
        let end = free.checked_add(bytes).filter(|end| *end <= ROOM)?;
        self.taken.insert(index, free..end);
        self.reached = self.reached.max(end);
        Some(free)
    }

    /// Gives back what begins at `at`; which bytes nobody needs to keep now.
    fn give_back(&mut self, at: usize) -> Range<usize> {
        self.taken.retain(|taken| taken.start != at);
        if self.taken.is_empty() && self.reached > KEPT {
            return KEPT..std::mem::take(&mut self.reached);
        }
        0..0
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The list of what was taken is the model.
        #[test]
        fn nobody_gets_what_somebody_has(steps in proptest::collection::vec((any::<bool>(), 1..ROOM / 3), 1..200)) {
            let mut room = Room::default();
            let mut model: Vec<Range<usize>> = Vec::new();
            for (takes, number) in steps {
                if takes || model.is_empty() {
                    let Some(at) = room.take(number) else {
                        prop_assert!(!model.is_empty(), "an empty room has place");
                        continue;
                    };
                    let new = at..at + number;
                    prop_assert!(new.end <= ROOM);
                    prop_assert!(model.iter().all(|other| other.end <= new.start || new.end <= other.start));
                    model.push(new);
                } else {
                    let old = model.swap_remove(number % model.len());
                    room.give_back(old.start);
                }
            }
        }
    }

    #[test]
    fn nobody_can_make_it_shorter() {
        let arena = Arena::new().unwrap();
        assert!(arena.file.set_len(4096).is_err());
    }

    #[test]
    fn what_much_has_taken_goes_back_to_the_host() {
        let mut arena = Arena::new().unwrap();
        let at = arena.take(ROOM).unwrap();
        assert_eq!(arena.take(1), None);
        arena.write(at, &vec![7; ROOM]);
        let used = || arena.file.metadata().unwrap().blocks() * 512;
        assert!(used() >= ROOM as u64);
        arena.give_back(at);
        let used = arena.file.metadata().unwrap().blocks() * 512;
        assert!(used <= (RINGS + KEPT) as u64, "{used}");
        let mut read = [1; 1];
        arena.file.read_exact_at(&mut read, (RINGS + ROOM - 1) as u64).unwrap();
        assert_eq!(read, [0]);
    }
}
