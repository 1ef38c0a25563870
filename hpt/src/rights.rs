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
    const fn taken(self) -> u64 {
        match self {
            Self::Store => 0,
            Self::Load => 1,
            Self::Nothing => 2,
        }
    }

    const fn after(taken: u64) -> Self {
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
        let (word, shift) = place(real >> FRAME_SHIFT);
        // Acquire: what was stored before the right was given is seen.
        let bits = self.words.get(word).map_or(0, |word| word.load(Ordering::Acquire));
        Right::after(bits >> shift & 3)
    }

    /// Takes what is more than `right` from the frames of `range`. Calls `before` with how many frames of a word may lose
    /// their first right, and then `after` with how many of those had lost it before.
    pub(crate) fn narrow(
        &self,
        range: &Range<u64>,
        right: Right,
        mut before: impl FnMut(u64),
        mut after: impl FnMut(u64),
    ) {
        for (word, frames) in words_of(range) {
            before(frames.end - frames.start);
            let old = self.update(word, |bits| each(bits, &frames, |taken| taken.max(right.taken())));
            let kept = frames
                .clone()
                .filter(|&at| right == Right::Store || taken_at(old, at) != 0);
            after(kept.count() as u64);
        }
    }

    /// Gives the frames of `range` what they lack to `right`. Calls `after` with how many frames of a word lack nothing any more.
    pub(crate) fn widen(&self, range: &Range<u64>, right: Right, mut after: impl FnMut(u64)) {
        for (word, frames) in words_of(range) {
            let old = self.update(word, |bits| each(bits, &frames, |taken| taken.min(right.taken())));
            let whole = frames
                .clone()
                .filter(|&at| right == Right::Store && taken_at(old, at) != 0);
            after(whole.count() as u64);
        }
    }

    /// Changes a word; what it was.
    fn update(&self, word: usize, change: impl Fn(u64) -> u64) -> u64 {
        let Some(word) = self.words.get(word) else { return 0 };
        let changed = |bits| Some(change(bits));
        word.fetch_update(Ordering::Release, Ordering::Relaxed, changed)
            .unwrap_or_else(|bits| bits)
    }
}

/// The word of a frame and its place there.
fn place(frame: u64) -> (usize, u64) {
    ((frame / PER_WORD) as usize, 2 * (frame % PER_WORD))
}

fn taken_at(bits: u64, at: u64) -> u64 {
    bits >> (2 * at) & 3
}

/// `bits` with `change` made to the frames of it that are in `frames`.
fn each(bits: u64, frames: &Range<u64>, change: impl Fn(u64) -> u64) -> u64 {
    frames.clone().fold(bits, |bits, at| {
        bits & !(3 << (2 * at)) | change(taken_at(bits, at)) << (2 * at)
    })
}

/// The words that have frames of `range`, and which frames of theirs.
fn words_of(range: &Range<u64>) -> impl Iterator<Item = (usize, Range<u64>)> {
    let frames = frames_of(range);
    let words = frames.start / PER_WORD..frames.end.div_ceil(PER_WORD);
    words.map(move |word| {
        let first = word * PER_WORD;
        let start = frames.start.max(first) - first;
        (word as usize, start..(frames.end - first).min(PER_WORD))
    })
}
