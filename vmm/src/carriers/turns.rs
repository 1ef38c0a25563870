//! Turns by a seed: who of those who can have one is next, for how many instructions, and past how many points.
//!
//! A turn may be one block or some thousand instructions long, and all orders of magnitude are as likely: where two processors must meet in a few
//! instructions, short turns find it; where one must get far while another stands, long ones do. It is the same with the points in hypercalls and walks
//! ([`hpt::Turn`]).

use crate::random::Stream;

/// log2 of the most instructions of a turn.
const LONGEST: u64 = 12;
/// log2 of the most points: a hypercall has some ten, a walk that finds its page four. Most turns are over before.
const MOST_POINTS: u64 = 10;

/// How long a turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Length {
    /// Instructions in the guest, for a processor that is in the midst of nothing.
    pub(super) instructions: u64,
    /// The point at which it ends, counted from 1, if it gets there.
    pub(super) points: u64,
}

/// What is drawn.
pub(super) struct Turns(Stream);

impl Turns {
    /// The turns of `seed`.
    pub(super) fn of_seed(seed: u64) -> Self {
        Self(Stream(seed))
    }

    /// The next turn: one of `able`, and how long. Nothing is drawn while there is none: how often somebody looks in vain is the host's
    /// affair.
    pub(super) fn next(&mut self, able: &[usize]) -> Option<(usize, Length)> {
        if able.is_empty() {
            return None;
        }
        let server = able[self.0.below(able.len() as u64) as usize];
        let length = Length {
            instructions: self.of_any_magnitude(LONGEST),
            points: self.of_any_magnitude(MOST_POINTS),
        };
        Some((server, length))
    }

    /// 1 to 2^`most`.
    fn of_any_magnitude(&mut self, most: u64) -> u64 {
        let most = 1 << self.0.below(most + 1);
        1 + self.0.below(most)
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
        for server in [3, 5, 7] {
            assert!(drawn(1).iter().any(|turn| turn.0 == server));
        }
        let instructions = |(_, length): (usize, Length)| length.instructions;
        let points = |(_, length): (usize, Length)| length.points;
        for (of, most) in [(&instructions as &dyn Fn(_) -> _, LONGEST), (&points, MOST_POINTS)] {
            let lengths = || drawn(1).into_iter().map(of);
            assert!(lengths().all(|length| (1..=1 << most).contains(&length)));
            assert!(lengths().any(|length| length == 1) && lengths().any(|length| length > 3 << (most - 2)));
        }
    }
}
