//! Which frames the guest has no use for, by its own account: the page usage states of LoPAR (Cooperative Memory
//! Over-commitment Option, 12.3.2), as far as they matter here. *Unused* and *loaned* are one state: the content is not needed.
//! *Critical* is *active*.
//!
//! The option as a whole is not offered (a guest that sees it expects an entitlement), so these are hints of guests that set them
//! anyway. `H_PAGE_INIT` and the calls for one entry of the page table take them; the specifiers of `H_BULK_REMOVE` and `H_BLOCK_REMOVE` can
//! only say *unused* or *loaned*, and that is not noted.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | U1 | a processor, in its hypercall | sets the frame's bit, Relaxed | D2: a late look only spares the frame |
//! | A1 | a processor, in its hypercall | clears the frame's bit, Relaxed | D2 |
//! | A2 | the same, under the mutex | the number that the next discard will have; waits until no discard of a lower one has the frame | D1: one of the two sees the other |
//! | D1 | a discard, whose range is in flight, under the mutex | takes the next number, enters its range | A2 |
//! | D2 | the same | the bits, Relaxed: what is set goes | A1, U1 |
//! | D3 | the same | gives the memory back; then, under the mutex, takes its range out | A2: who waited finds zeros, and stores after that |
//!
//! A discard of a higher number has come after A1, and spares the frame: so A2 waits for those that are under way, however many come.

use std::ops::Range;
use std::sync::OnceLock;
use std::time::Duration;

use hpt::Patience;
use power::hcall::{Status, access};

use super::FRAME;
use crate::sync::{AtomicU64, Condvar, Mutex, MutexGuard, Ordering};

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

/// How often who waits for a discard asks whether its patience is over.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// One bit for each frame of RAM, set if it is unused. Made when the first is.
pub(crate) struct Hints {
    words: OnceLock<Option<Box<[AtomicU64]>>>,
    frames: u64,
    in_hand: Mutex<InHand>,
    /// A discard is done.
    changed: Condvar,
}

/// The discards that may have looked at the bits and are not done.
#[derive(Default)]
struct InHand {
    /// The number of the next one.
    next: u64,
    discards: Vec<(u64, Range<u64>)>,
}

impl Hints {
    /// All `ram_bytes` bytes are in use.
    pub(super) fn new(ram_bytes: u64) -> Self {
        Self {
            words: OnceLock::new(),
            frames: ram_bytes / FRAME,
            in_hand: Mutex::default(),
            changed: Condvar::new(),
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
        let mut in_hand = self.in_hand();
        let next = in_hand.next;
        let has_it = |(number, discard): &(u64, Range<u64>)| {
            *number < next && discard.start < range.end && range.start < discard.end
        };
        while in_hand.discards.iter().any(has_it) && !patience.is_over() {
            in_hand = self.changed.wait_timeout(in_hand, ASK_AGAIN).expect(UNPOISONED).0;
        }
    }

    /// A discard of what is unused in `range` looks at the bits from here on, and is done when the returned value is dropped (D1, D3).
    pub(super) fn take_in_hand(&self, range: &Range<u64>) -> Taken<'_> {
        let mut in_hand = self.in_hand();
        let number = in_hand.next;
        in_hand.next += 1;
        in_hand.discards.push((number, range.clone()));
        Taken { hints: self, number }
    }

    fn in_hand(&self) -> MutexGuard<'_, InHand> {
        self.in_hand.lock().expect(UNPOISONED)
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

const UNPOISONED: &str = "nothing panics with it locked";

/// A discard that is not done.
#[must_use]
pub(super) struct Taken<'h> {
    hints: &'h Hints,
    number: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.hints
            .in_hand()
            .discards
            .retain(|&(number, _)| number != self.number);
        self.hints.changed.notify_all();
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

#[cfg(all(test, not(loom)))]
mod tests {
    use hpt::Endless;
    use proptest::prelude::*;

    use super::*;

    const FRAMES: u64 = 300;

    fn hints() -> Hints {
        Hints::new(FRAMES * FRAME)
    }

    /// Never over; says that somebody waits.
    #[derive(Default)]
    struct Asked(AtomicU64);

    impl Patience for Asked {
        fn is_over(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed);
            false
        }
    }

    /// However many come one over the other, so that one is under way at each moment.
    #[test]
    fn what_becomes_active_waits_for_the_discards_before_it_and_for_no_other() {
        let hints = hints();
        hints.note(Usage::Unused, &(0..8 * FRAME), &Endless);
        let elsewhere = hints.take_in_hand(&(4 * FRAME..8 * FRAME));
        let before = hints.take_in_hand(&(0..2 * FRAME));
        let asked = Asked::default();
        std::thread::scope(|scope| {
            let active = scope.spawn(|| hints.note(Usage::Active, &(FRAME..3 * FRAME), &asked));
            while asked.0.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            let after = hints.take_in_hand(&(0..4 * FRAME));
            assert_eq!(
                hints.unused(&(0..4 * FRAME)).collect::<Vec<_>>(),
                [0..FRAME, 3 * FRAME..4 * FRAME]
            );
            assert!(!active.is_finished(), "the first is not done");
            drop(before);
            active.join().unwrap();
            drop(after);
        });
        drop(elsewhere);
        assert!(hints.in_hand().discards.is_empty());
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
