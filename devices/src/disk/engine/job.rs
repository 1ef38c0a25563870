//! What an engine is given, and what it gives back.

use std::io;

use crate::disk::{Activity, Buffer, Disk, Space};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Reads the first `bytes` of the buffer from offset `at`.
    Read {
        /// Offset in the disk.
        at: u64,
        /// How many bytes.
        bytes: usize,
    },
    /// Writes the first `bytes` of the buffer to offset `at`.
    Write {
        /// Offset in the disk.
        at: u64,
        /// How many bytes.
        bytes: usize,
    },
    /// Makes durable what is done.
    Flush,
    /// Discards.
    Discard {
        /// Offset in the disk.
        at: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// Makes zero.
    Zero {
        /// Offset in the disk.
        at: u64,
        /// How many bytes.
        bytes: u64,
        /// What becomes of the space.
        space: Space,
    },
}

/// Something to be done, with the memory for it.
#[derive(Debug)]
pub struct Job {
    /// Names it, for whoever submits it.
    pub token: usize,
    /// What.
    pub work: Work,
    /// Whether what it changes is to be durable when it is done.
    pub durable: bool,
    /// The data, or room for it.
    pub buffer: Buffer,
}

/// A job that is over.
#[derive(Debug)]
pub struct Done {
    /// Its token.
    pub token: usize,
    /// Its buffer.
    pub buffer: Buffer,
    /// How it went.
    pub result: io::Result<()>,
}

impl Work {
    /// What it is to be called when it fails.
    pub fn activity(&self) -> Activity {
        match self {
            Self::Read { .. } => Activity::Reading,
            Self::Write { .. } => Activity::Writing,
            Self::Flush => Activity::Flushing,
            Self::Discard { .. } => Activity::Discarding,
            Self::Zero { .. } => Activity::Zeroing,
        }
    }

    fn is_change(&self) -> bool {
        !matches!(self, Self::Read { .. } | Self::Flush)
    }
}

impl Job {
    /// Does it, here and now.
    pub fn run(mut self, disk: &dyn Disk) -> Done {
        let result = match self.work {
            Work::Read { at, bytes } => disk.read(at, self.buffer.data_mut(bytes)),
            Work::Write { at, bytes } => disk.write(at, self.buffer.data(bytes)),
            Work::Flush => disk.flush(),
            Work::Discard { at, bytes } => disk.discard(at, bytes),
            Work::Zero { at, bytes, space } => disk.write_zeroes(at, bytes, space),
        };
        let result = match result {
            Ok(()) if self.durable && self.work.is_change() => disk.flush(),
            result => result,
        };
        self.over(result)
    }

    /// It is over.
    pub(crate) fn over(self, result: io::Result<()>) -> Done {
        Done {
            token: self.token,
            buffer: self.buffer,
            result,
        }
    }
}
