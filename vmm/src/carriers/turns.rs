//! Turns by a seed: who of those who can run is next, and for how many instructions.
//!
//! A turn may be one block or some thousand instructions long, and all orders of magnitude are as likely: where two processors must meet in a few
//! instructions, short turns find it; where one must get far while another stands, long ones do.

use crate::random::Stream;

/// log2 of the most instructions of a turn.
const LONGEST: u64 = 12;

/// What is drawn.
pub(super) struct Turns(Stream);

impl Turns {
    /// The turns of `seed`.
    pub(super) fn of_seed(seed: u64) -> Self {
        Self(Stream(seed))
    }

    /// The next turn: one of `able`, and for how many instructions. Nothing is drawn while there is none: how often somebody looks in vain is the host's
    /// affair.
    pub(super) fn next(&mut self, able: &[usize]) -> Option<(usize, u64)> {
        if able.is_empty() {
            return None;
        }
        let place = able[self.0.below(able.len() as u64) as usize];
        let most = 1 << self.0.below(LONGEST + 1);
        Some((place, 1 + self.0.below(most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_always_the_same_turns_which_are_everybodys_and_of_all_lengths() {
        let drawn = |seed| {
            let mut turns = Turns::of_seed(seed);
            assert_eq!(turns.next(&[]), None);
            (0..1000).map(|_| turns.next(&[3, 5, 7]).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        for place in [3, 5, 7] {
            assert!(drawn(1).iter().any(|turn| turn.0 == place));
        }
        let lengths = || drawn(1).into_iter().map(|turn| turn.1);
        assert!(lengths().all(|length| (1..=1 << LONGEST).contains(&length)));
        assert!(lengths().any(|length| length == 1) && lengths().any(|length| length > 1000));
    }
}
