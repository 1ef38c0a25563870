//! Which places of a translation cache were filled through which entry of the SLB, or with pages of which class: so that what goes with
//! one is found without a look at all places, and what others filled stays. There are 32 of either.

use crate::slb;

/// Places that a trail can name.
pub const PLACES: usize = 4096;
const WORDS: usize = PLACES / 64;

/// A set of places, and the words of it that are not zero.
#[derive(Clone, Copy)]
struct Places {
    words: [u64; WORDS],
    used: u64,
}

const NOWHERE: Places = Places {
    words: [0; WORDS],
    used: 0,
};

/// For each entry of the SLB, the places that were filled through it. Some may have been filled through another one since.
pub struct Trail {
    entries: Box<[Places; slb::ENTRIES]>,
}

impl Default for Trail {
    fn default() -> Self {
        Self {
            entries: Box::new([NOWHERE; slb::ENTRIES]),
        }
    }
}

impl Trail {
    /// Place `place` has been filled through SLB entry `entry`.
    #[inline]
    pub fn note(&mut self, entry: usize, place: usize) {
        let (places, word) = (&mut self.entries[entry % slb::ENTRIES], place / 64 % WORDS);
        places.words[word] |= 1 << (place % 64);
        places.used |= 1 << word;
    }

    /// Calls `visit` with each place that was filled through SLB entry `entry`, and forgets them.
    pub fn take(&mut self, entry: usize, mut visit: impl FnMut(usize)) {
        let places = &mut self.entries[entry % slb::ENTRIES];
        for word in ones(std::mem::take(&mut places.used)) {
            for bit in ones(std::mem::take(&mut places.words[word])) {
                visit(64 * word + bit);
            }
        }
    }

    /// Forgets all places: they are empty.
    pub fn clear(&mut self) {
        self.entries.fill(NOWHERE);
    }
}

/// The bits of `word` that are set, the lowest as 0.
fn ones(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros() as usize;
        word &= word.wrapping_sub(1);
        (bit < 64).then_some(bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_one_entry_are_visited_once_and_others_stay() {
        let mut trail = Trail::default();
        for place in [0, 63, 64, PLACES - 1] {
            trail.note(5, place);
        }
        trail.note(6, 64);
        let mut seen = Vec::new();
        trail.take(5, |place| seen.push(place));
        assert_eq!(seen, [0, 63, 64, PLACES - 1]);
        trail.take(5, |place| panic!("{place} was forgotten"));
        trail.take(6, |place| seen.push(place));
        assert_eq!(seen.pop(), Some(64));
    }
}
