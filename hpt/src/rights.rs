//! Two bits for each 4 KiB frame of RAM: what may be done to it.
//!
//! Zero is "everything", so that RAM that nobody has touched the rights of costs only address space: 64 KiB per GiB at most.
//! Whoever reads a right that was given also sees what was stored to the frame before that (Release, Acquire).

use std::ops::Range;

use crate::Access;
use crate::frames::{FRAME_SHIFT, frames_of};
use crate::sync::{AtomicU64, Ordering, zeroed};

/// What may be done to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Nothing at all.
    Nothing,
    /// Loads and fetches.
    Load,
    /// Stores as well.
    Store,
}

/// Frames of one word.
const PER_WORD: u64 = 32;

impl Right {
    /// Whether `access` may be made.
    #[inline]
    pub fn allows(self, access: Access) -> bool {
        match access {
            Access::Load | Access::Fetch => self >= Self::Load,
            Access::Store => self == Self::Store,
        }
    }

    /// As two bits: how much was taken away.
    pub(crate) const fn taken(self) -> u64 {
        match self {
            Self::Store => 0,
            Self::Load => 1,
            Self::Nothing => 2,
        }
    }

    pub(crate) const fn after(taken: u64) -> Self {
        match taken {
            0 => Self::Store,
            1 => Self::Load,
            _ => Self::Nothing,
        }
    }
}

/// The rights to all frames.
pub(crate) struct Rights {
    words: Box<[AtomicU64]>,
}

impl Rights {
    /// Everything is allowed to so many frames.
    pub(crate) fn new(frames: u64) -> Self {
        Self {
            words: zeroed(frames.div_ceil(PER_WORD)),
        }
    }

    /// The right to the frame of `real`; what is not RAM has no less than all.
    #[inline]
    pub(crate) fn get(&self, real: u64) -> Right {
        let (word, at) = place(real >> FRAME_SHIFT);
        // Acquire: what was stored before the right was given is seen.
        let bits = self.words.get(word).map_or(0, |word| word.load(Ordering::Acquire));
        Right::after(taken_at(bits, at))
    }

    /// How many words there are.
    pub(crate) fn words(&self) -> usize {
        self.words.len()
    }

    /// A word, for whoever holds the mutex that words are set under.
    pub(crate) fn word(&self, word: usize) -> u64 {
        self.words[word].load(Ordering::Relaxed)
    }

    /// Sets a word, under that mutex.
    pub(crate) fn set_word(&self, word: usize, bits: u64) {
        // Release: who finds a right finds what was stored before it was given.
        self.words[word].store(bits, Ordering::Release);
    }
}

/// The lower bit of each frame of a word.
const LOW: u64 = 0x5555_5555_5555_5555;

/// Of each frame of two words the lesser right.
pub(crate) const fn most(one: u64, other: u64) -> u64 {
    let either = one | other;
    // "Nothing" is the upper bit alone.
    either & !(either >> 1 & LOW)
}

/// How many frames of a word lack a right.
pub(crate) const fn lacking(bits: u64) -> u64 {
    ((bits | bits >> 1) & LOW).count_ones() as u64
}

/// The word of a frame and its place there.
pub(crate) fn place(frame: u64) -> (usize, u64) {
    ((frame / PER_WORD) as usize, frame % PER_WORD)
}

/// What was taken from a frame of a word.
#[inline]
pub(crate) fn taken_at(bits: u64, at: u64) -> u64 {
    bits >> (2 * at) & 3
}

/// `bits` with `change` made to the frames of it that are in `frames`.
pub(crate) fn with(bits: u64, frames: &Range<u64>, change: impl Fn(u64) -> u64) -> u64 {
    frames.clone().fold(bits, |bits, at| {
        bits & !(3 << (2 * at)) | change(taken_at(bits, at)) << (2 * at)
    })
}

/// The words that have frames of `range`, and which frames of theirs.
pub(crate) fn words_of(range: &Range<u64>) -> impl Iterator<Item = (usize, Range<u64>)> {
    let frames = frames_of(range);
    let words = frames.start / PER_WORD..frames.end.div_ceil(PER_WORD);
    words.map(move |word| {
        let first = word * PER_WORD;
        let start = frames.start.max(first) - first;
        (word as usize, start..(frames.end - first).min(PER_WORD))
    })
}
