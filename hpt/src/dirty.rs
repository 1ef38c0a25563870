//! Which frames were stored to: one bit for each, 32 KiB per GiB of RAM.
//!
//! A frame's bit is set before a processor may store to it, and while it is clear nobody remembers that he may. So a log that
//! is *harvested* has exactly the frames for which a store was translated since the last one, whatever the size of the pages.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | A1 | processor, inside its seat | footprint noted; fence SeqCst if it was news (F1) | D3 |
//! | D1 | the same, about to remember that it may store | bit: load Relaxed; if it is clear, set, Relaxed | D2 |
//! | D2 | harvester | words that are not zero: swapped with zero, Relaxed | D1, D5: each bit is in one log |
//! | D3 | the same | unmap of these frames: fence SeqCst; processors inside that may hold one are driven out | A1, D1, D5 |
//! | D4 | the same | the log is handed out: what was stored before is seen by who has it | |
//! | D5 | this program, which has stored to a frame itself | fence SeqCst; if frames are tracked, bit: as D1 | D3, by the fences |
//!
//! *Why D1 needs no atomic step when the bit is set already.* It was found set before D2, or D2 would have been seen: the processor is
//! inside, with its footprint noted. Of the fences of A1 (or of its entry) and D3 one comes first. If it is the harvester's, the processor finds the bit clear
//! and sets it: the frame is in the next log. If it is the processor's, D3 finds it and waits until it has left, so that all that it has stored
//! is in the memory that goes with this log; and it has forgotten that it may.
//!
//! *Nor does D5*, though nobody waits for this program. If its fence comes first, what it stored is there after D3; else it finds the bit
//! clear and sets it.

use std::ops::Range;

use crate::frames::{FRAME_SHIFT, Frames, TRACKED, frames_of};
use crate::sync::{AtomicU64, Ordering, fence, zeroed};
use crate::{Abandoned, Access, Patience, Unmapped, Unmapper};

/// Frames of one word.
const PER_WORD: u64 = 64;

/// A bit for each frame.
pub(crate) struct Dirty {
    words: Box<[AtomicU64]>,
    frames: u64,
}

impl Dirty {
    pub(crate) fn new(frames: u64) -> Self {
        Self {
            words: zeroed(frames.div_ceil(PER_WORD)),
            frames,
        }
    }

    /// D1: `access` to `real` is about to be allowed; whether stores are as well.
    #[inline]
    pub(crate) fn admits(&self, real: u64, access: Access) -> bool {
        let (at, bit) = place(real >> FRAME_SHIFT);
        let Some(word) = self.words.get(at) else { return true };
        if word.load(Ordering::Relaxed) & bit != 0 {
            return true;
        }
        if access != Access::Store {
            return false;
        }
        word.fetch_or(bit, Ordering::Relaxed);
        true
    }

    /// D5: the frames of `range` were stored to.
    fn set(&self, range: &Range<u64>) {
        for frame in frames_of(range) {
            let (at, bit) = place(frame);
            let Some(word) = self.words.get(at) else { return };
            if word.load(Ordering::Relaxed) & bit == 0 {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
    }

    fn set_all(&self) {
        let mut left = self.frames;
        for word in &self.words {
            word.store(u64::MAX >> (PER_WORD - left.min(PER_WORD)), Ordering::Relaxed);
            left = left.saturating_sub(PER_WORD);
        }
    }

    /// D2.
    fn take(&self, into: &mut Vec<(u64, u64)>) {
        for (at, word) in self.words.iter().enumerate() {
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            // Zero if another harvester was faster.
            let bits = word.swap(0, Ordering::Relaxed);
            if bits != 0 {
                into.push((at as u64, bits));
            }
        }
    }

    fn put_back(&self, words: &[(u64, u64)]) {
        for &(at, bits) in words {
            self.words[at as usize].fetch_or(bits, Ordering::Relaxed);
        }
    }
}

/// The word of a frame and its bit there.
fn place(frame: u64) -> (usize, u64) {
    ((frame / PER_WORD) as usize, 1 << (frame % PER_WORD))
}

/// Why there is no log. What it would have told will be in the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HarvestError {
    /// The patience was over.
    #[error("the harvest of the dirty log was given up")]
    Abandoned,
    /// The host has no memory for it.
    #[error("out of memory for the dirty log")]
    OutOfMemory,
}

/// The frames that were stored to between two harvests.
#[derive(Debug)]
pub struct DirtyLog {
    /// Number of a word of 64 frames, and which of them; in order, none empty.
    words: Vec<(u64, u64)>,
    unmapped: Unmapped,
}

impl DirtyLog {
    /// How many frames of 4 KiB.
    pub fn frames(&self) -> u64 {
        self.words.iter().map(|(_, bits)| u64::from(bits.count_ones())).sum()
    }

    /// Whether nothing was stored to.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The real addresses, in order; neighbours are one range.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        ranges(&self.words)
    }

    /// What it took to end the stores to them.
    pub fn unmapped(&self) -> &Unmapped {
        &self.unmapped
    }
}

/// The real addresses of the frames of `words`.
fn ranges(words: &[(u64, u64)]) -> impl Iterator<Item = Range<u64>> + '_ {
    let mut runs = words
        .iter()
        .flat_map(|&(at, bits)| runs(at * PER_WORD, bits))
        .peekable();
    std::iter::from_fn(move || {
        let mut run = runs.next()?;
        while let Some(next) = runs.next_if(|next| next.start == run.end) {
            run.end = next.end;
        }
        Some(run.start << FRAME_SHIFT..run.end << FRAME_SHIFT)
    })
}

/// The runs of ones in `bits`, the lowest of which is number `first`.
fn runs(first: u64, mut bits: u64) -> impl Iterator<Item = Range<u64>> {
    std::iter::from_fn(move || {
        (bits != 0).then(|| {
            let start = bits.trailing_zeros();
            let length = (!(bits >> start)).trailing_zeros();
            // In two steps, as all 64 may be ones.
            bits &= (u64::MAX << (start + length - 1)) << 1;
            first + u64::from(start)..first + u64::from(start + length)
        })
    })
}

impl Frames {
    /// Begins to note which frames are stored to, or ends it. When it has begun anew, the first log is of all frames: processors may
    /// remember that they may store anywhere until that is harvested.
    pub fn track(&self, on: bool) {
        if on {
            self.dirty.set_all();
            self.state.fetch_or(TRACKED, Ordering::Release);
        } else {
            self.state.fetch_and(!TRACKED, Ordering::Relaxed);
        }
    }

    /// Whether stores are noted.
    pub fn is_tracked(&self) -> bool {
        self.state.load(Ordering::Acquire) & TRACKED != 0
    }

    /// This program has stored `bytes` bytes at `real` (D5).
    pub fn note_stored(&self, real: u64, bytes: u64) {
        // What was stored comes before the look whether anybody tracks, who sets that before he looks at memory.
        fence(Ordering::SeqCst);
        if self.is_tracked() && bytes != 0 {
            self.dirty.set(&(real..real.saturating_add(bytes)));
        }
    }

    /// The frames that were stored to since the last harvest, and that nobody stores to any more when this returns, but for who will be in
    /// the next log. It looks at a word for each 256 KiB of RAM; all else costs time in the frames of the log. Nothing, if nothing is tracked.
    ///
    /// Not from inside a seat, nor with a lock of an entry held. Several threads may harvest: each stored frame is in the log of one.
    ///
    /// # Errors
    /// No log: nothing is lost, the next one has it.
    pub fn harvest(&self, unmapper: &mut Unmapper, patience: &dyn Patience) -> Result<DirtyLog, HarvestError> {
        let mut words = Vec::new();
        if self.is_tracked() {
            words
                .try_reserve_exact(self.dirty.words.len())
                .map_err(|_| HarvestError::OutOfMemory)?;
            self.dirty.take(&mut words);
        }
        match unmapper.unmap(ranges(&words), patience) {
            Ok(unmapped) => Ok(DirtyLog { words, unmapped }),
            Err(Abandoned) => {
                self.dirty.put_back(&words);
                Err(HarvestError::Abandoned)
            }
        }
    }
}
