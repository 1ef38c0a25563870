//! Which frames the guest has no use for, by its own account: the page usage states of LoPAR (Cooperative Memory
//! Over-commitment Option, 12.3.2), as far as they matter here. *Unused* and *loaned* are one state: the content is not needed.
//! *Critical* is *active*.
//!
//! The option as a whole is not offered (a guest that sees it expects an entitlement), so these are hints of guests that set them
//! anyway. `H_PAGE_INIT`, `H_ENTER` and `H_REMOVE` take them.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | U1 | a processor, in its hypercall | sets the frame's bit, Relaxed | D2: a late look only spares the frame |
//! | A1 | a processor, in its hypercall | clears the frame's bit, Relaxed; fence SeqCst | D2 |
//! | A2 | the same | waits until no range in flight has the frame | D1: one of the two sees the other |
//! | D1 | a discard | puts the range in flight; fence SeqCst | A2 |
//! | D2 | the same | the bits, Relaxed: what is set goes | A1, U1 |
//! | D3 | the same | gives the memory back, then ends the range | A2: who waited finds zeros, and stores after that |

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};

use hpt::{Notifier, Patience};
use power::hcall::{Status, access};

use super::FRAME;

/// What a guest says of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Its content is needed.
    Active,
    /// It is not.
    Unused,
}

impl Usage {
    /// What the `flags` of a hypercall say; `None` if nothing.
    ///
    /// # Errors
    /// `Parameter` for a state that is reserved.
    pub(crate) fn of_flags(flags: u64) -> Result<Option<Self>, Status> {
        if flags & access::CHANGE_USAGE == 0 {
            return Ok(None);
        }
        match flags & access::USAGE_STATE {
            0 => Ok(Some(Self::Active)),
            access::USAGE_STATE => Ok(Some(Self::Unused)),
            _ => Err(Status::Parameter),
        }
    }
}

/// Frames of a word.
const WORD: u64 = 64;

/// One bit for each frame of RAM, set if it is unused. Made when the first is.
pub(crate) struct Hints {
    words: OnceLock<Option<Box<[AtomicU64]>>>,
    frames: u64,
    notifier: Arc<Notifier>,
}

impl Hints {
    /// All `ram_bytes` bytes are in use.
    pub(super) fn new(ram_bytes: u64, notifier: Arc<Notifier>) -> Self {
        Self {
            words: OnceLock::new(),
            frames: ram_bytes / FRAME,
            notifier,
        }
    }

    /// Takes the guest's word for the frames that lie in `range`, which is RAM. When it says that they are active, nobody
    /// discards them any more once this returns; or else `patience` was over, and with it the run.
    pub(crate) fn note(&self, usage: Usage, range: &Range<u64>, patience: &dyn Patience) {
        match usage {
            Usage::Unused => self.set(range),
            Usage::Active => self.clear(range, patience),
        }
    }

    fn set(&self, range: &Range<u64>) {
        // They are hints: without memory for them there are none.
        let Some(words) = self.words.get_or_init(|| no_bits(self.frames.div_ceil(WORD))) else {
            return;
        };
        for (at, mask) in masks(range) {
            words[at].fetch_or(mask, Ordering::Relaxed);
        }
    }

    fn clear(&self, range: &Range<u64>, patience: &dyn Patience) {
        // What was never unused is in nobody's hands.
        let Some(words) = self.words() else { return };
        for (at, mask) in masks(range) {
            words[at].fetch_and(!mask, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        let _ = self.notifier.wait(range, patience);
    }

    fn words(&self) -> Option<&[AtomicU64]> {
        self.words.get()?.as_deref()
    }

    /// The unused frames of `range`, in order, neighbours together.
    pub(super) fn unused(&self, range: &Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let words = self.words().unwrap_or_default();
        let bits = masks(range).filter_map(move |(at, mask)| Some((at, words.get(at)?.load(Ordering::Relaxed) & mask)));
        let frames = bits.flat_map(|(at, bits)| {
            let first = at as u64 * WORD;
            runs(bits).map(move |run| (first + run.start) * FRAME..(first + run.end) * FRAME)
        });
        joined(frames)
    }
}

/// So many words without a bit; `None`: no memory.
fn no_bits(words: u64) -> Option<Box<[AtomicU64]>> {
    let count = usize::try_from(words).ok()?;
    let mut all = Vec::new();
    all.try_reserve_exact(count).ok()?;
    all.resize_with(count, AtomicU64::default);
    Some(all.into_boxed_slice())
}

/// The words that have frames of `range`, with the bits of these.
fn masks(range: &Range<u64>) -> impl Iterator<Item = (usize, u64)> + use<> {
    let (first, end) = (range.start / FRAME, range.end / FRAME);
    (first / WORD..end.div_ceil(WORD)).filter_map(move |at| {
        let begin = at * WORD;
        let (from, to) = (first.max(begin) - begin, end.min(begin + WORD) - begin);
        let mask = (from < to).then(|| (u64::MAX >> (WORD - (to - from))) << from)?;
        Some((usize::try_from(at).ok()?, mask))
    })
}

/// The runs of ones in `bits`, from the lowest.
pub(super) fn runs(mut bits: u64) -> impl Iterator<Item = Range<u64>> {
    std::iter::from_fn(move || {
        if bits == 0 {
            return None;
        }
        let start = bits.trailing_zeros();
        let ones = (bits >> start).trailing_ones();
        bits &= u64::MAX.checked_shl(start + ones).unwrap_or(0);
        Some(u64::from(start)..u64::from(start + ones))
    })
}

/// Neighbours of ordered `ranges` become one.
pub(super) fn joined(ranges: impl Iterator<Item = Range<u64>>) -> impl Iterator<Item = Range<u64>> {
    let mut ranges = ranges.peekable();
    std::iter::from_fn(move || {
        let mut whole = ranges.next()?;
        while let Some(next) = ranges.next_if(|next| next.start == whole.end) {
            whole.end = next.end;
        }
        Some(whole)
    })
}

#[cfg(test)]
mod tests {
    use hpt::Endless;
    use proptest::prelude::*;

    use super::*;

    const FRAMES: u64 = 300;

    fn hints() -> Hints {
        let ram = FRAMES * FRAME;
        Hints::new(ram, Notifier::new(std::iter::once(0..ram).collect()))
    }

    #[test]
    fn the_states_are_those_of_the_manual() {
        let of = |bits: u64| Usage::of_flags(bits << 32);
        for legacy in 0..8 {
            assert_eq!(of(legacy), Ok(None), "bit 28 is clear");
        }
        assert_eq!(of(0b1000), Ok(Some(Usage::Active)));
        assert_eq!(of(0b1001), Ok(Some(Usage::Active)), "critical");
        for reserved in [0b1010, 0b1011, 0b1100, 0b1101] {
            assert_eq!(of(reserved), Err(Status::Parameter));
        }
        assert_eq!(of(0b1110), Ok(Some(Usage::Unused)));
        assert_eq!(of(0b1111), Ok(Some(Usage::Unused)), "loaned");
    }

    #[test]
    fn a_guest_that_says_nothing_uses_everything() {
        let hints = hints();
        hints.note(Usage::Active, &(0..FRAMES * FRAME), &Endless);
        assert_eq!(hints.unused(&(0..FRAMES * FRAME)).count(), 0);
        assert!(hints.words().is_none(), "and costs nothing");
    }

    proptest! {
        #[test]
        fn what_is_unused_is_what_was_last_said(
            said in prop::collection::vec((any::<bool>(), 0..FRAMES, 1..150_u64), 0..20),
            asked in (0..FRAMES, 0..FRAMES),
        ) {
            let hints = hints();
            let mut model = [false; FRAMES as usize];
            for (unused, first, count) in said {
                let end = (first + count).min(FRAMES);
                let usage = if unused { Usage::Unused } else { Usage::Active };
                hints.note(usage, &(first * FRAME..end * FRAME), &Endless);
                model[first as usize..end as usize].fill(unused);
            }
            let asked = asked.0.min(asked.1)..asked.0.max(asked.1);
            let ranges: Vec<_> = hints.unused(&(asked.start * FRAME..asked.end * FRAME)).collect();
            prop_assert!(ranges.windows(2).all(|two| two[0].end < two[1].start), "neighbours are together");
            for frame in 0..FRAMES {
                let listed = ranges.iter().any(|range| range.contains(&(frame * FRAME)));
                prop_assert_eq!(listed, asked.contains(&frame) && model[frame as usize]);
            }
        }
    }
}
