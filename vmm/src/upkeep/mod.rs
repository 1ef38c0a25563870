//! What is done to a guest's memory while it runs: taken back, watched, copied.
//!
//! - `discard` gives memory back to the host, `hints` knows what the guest has no use for.
//! - `dirty` says which frames were stored to.
//! - `dump` writes an image of all memory as it is at one moment.
//! - `error` is what a user is told.
//!
//! Which translations must go for that, and how, is `hpt`'s ([`hpt::Frames`], [`hpt::Unmapper`]); who asks for it is
//! `control`'s. All of these calls wait, so none may be made by a processor's thread; all give up when the run ends.

mod error;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use error::{Kind, UpkeepError};

use crate::memory::GuestRam;
use crate::stop::Stop;

/// Which pages of a range may be discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that the guest has said it has no use for.
    Hinted,
    /// All: the user knows better than the guest.
    Any,
}

/// What was discarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Discarded {
    /// Bytes that read as zero now.
    pub(crate) bytes: u64,
    /// How many of them the host has back; the rest are parts of host pages, and were overwritten with zeros.
    pub(crate) returned: u64,
    /// The longest time that a part of it was not to be used by the guest.
    pub(crate) longest: Duration,
}

/// What was stored to since the last harvest.
#[derive(Debug)]
pub(crate) struct Harvest {
    /// How many pages.
    pub(crate) pages: u64,
    /// Bytes of a page: what is told apart.
    pub(crate) page_bytes: u64,
    /// How long it took.
    pub(crate) took: Duration,
    ranges: Vec<Range<u64>>,
}

impl Harvest {
    /// The real addresses, in order, neighbours together.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ranges.iter().cloned()
    }
}

/// What was dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dumped {
    /// Bytes of memory.
    pub(crate) bytes: u64,
    /// How many of them were written; the rest is zero, and a hole in the file.
    pub(crate) written: u64,
    /// Frames that were copied before their turn, as a processor was about to store to them.
    pub(crate) saved_first: u64,
    /// How long it took.
    pub(crate) took: Duration,
}

/// What was unmapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unmapping {
    /// Entries of the table whose translations were taken away.
    pub(crate) entries: u64,
    /// Flushes of processors.
    pub(crate) flushes: u64,
    /// Processors that had to leave the guest.
    pub(crate) kicks: u64,
    /// Steps that it was done in.
    pub(crate) steps: u64,
    /// The longest of them.
    pub(crate) longest_step: Duration,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Whoever works on the memory of one guest.
pub(crate) struct Upkeep {
    ram: Arc<GuestRam>,
    stop: Arc<Stop>,
}

impl Upkeep {
    /// That of `ram`, until `stop`.
    pub(crate) fn new(ram: Arc<GuestRam>, stop: Arc<Stop>) -> Self {
        Self { ram, stop }
    }

    /// Gives the memory of the `ranges` back to the host, whole pages of 4 KiB. It reads as zero afterwards; of [`Which::Hinted`]
    /// only what the guest has declared unused goes.
    ///
    /// # Errors
    /// `BadRequest` for a range that is not whole pages of RAM, before anything is done. `Gone` if the run has ended.
    pub(crate) fn discard(&self, ranges: &[Range<u64>], which: Which) -> Result<Discarded, UpkeepError> {
        let _ = (ranges, which, &self.ram, &self.stop);
        Err(UpkeepError::not_possible("discard: not there yet"))
    }

    /// Takes every translation of the `ranges` from the processors, and leaves the memory and the guest's entries as they
    /// are: the processors find them again when they need them.
    ///
    /// # Errors
    /// As for [`Self::discard`].
    pub(crate) fn unmap(&self, ranges: &[Range<u64>]) -> Result<Unmapping, UpkeepError> {
        let _ = ranges;
        Err(UpkeepError::not_possible("unmap: not there yet"))
    }

    /// From now on stores are noted.
    ///
    /// # Errors
    /// `Conflict` if they are already.
    pub(crate) fn dirty_start(&self) -> Result<(), UpkeepError> {
        Err(UpkeepError::not_possible("dirty: not there yet"))
    }

    /// What was stored to since the last harvest, or else the start. What is stored later is in the next.
    ///
    /// # Errors
    /// `Conflict` if nobody has started. `Gone` if the run has ended.
    pub(crate) fn dirty_harvest(&self) -> Result<Harvest, UpkeepError> {
        Err(UpkeepError::not_possible("dirty: not there yet"))
    }

    /// Stores are noted no longer.
    ///
    /// # Errors
    /// `Conflict` if nobody has started.
    pub(crate) fn dirty_stop(&self) -> Result<(), UpkeepError> {
        Err(UpkeepError::not_possible("dirty: not there yet"))
    }

    /// Writes all memory to a new file, as it is at one moment, while the guest runs. Returns when the file is complete; it
    /// has its name only then. A byte's place in it is its real address; what is zero is a hole.
    ///
    /// # Errors
    /// `BadRequest` if the file cannot be made or is there. `Conflict` while another dump is being written. `NotPossible` where
    /// stores cannot be held up. `Gone` if the run has ended.
    pub(crate) fn dump(&self, path: &Path) -> Result<Dumped, UpkeepError> {
        let _ = path;
        Err(UpkeepError::not_possible("dump: not there yet"))
    }
}
