//! A round: one guest from its start to its end, all of whose parameters come from a seed.

use std::fmt;
use std::ops::Range;

use power::insn::Endian;

use super::{FRAMES, PAGES};

/// How long a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// By its guest's clock.
    Milliseconds(u64),
    /// Of the first processor; the others do what they can meanwhile.
    Operations(u64),
}

/// What a round is like. Equal seeds, and equal numbers of processors to choose from, make equal rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Of the streams, and of everything else here.
    pub seed: u64,
    /// Number of processors.
    pub processors: u32,
    /// Byte order.
    pub endian: Endian,
    /// log2 of a page's bytes: 12 or 16.
    pub page_shift: u32,
    /// log2 of a segment's bytes: 28 or 40.
    pub segment_shift: u32,
    /// log2 of the groups of the table that the pages of one processor have: the fewer, the more often one is full.
    pub crowd: u32,
    /// log2 of the table's bytes.
    pub table_order: u32,
    /// Whether the table is resized again and again.
    pub resizes: bool,
    /// Whether the host takes translations of ranges of memory from the processors meanwhile. The guest knows nothing of it.
    pub unmaps: bool,
}

impl Round {
    /// The round of `seed`, with up to `most_processors`: in three rounds of four so many.
    pub fn of_seed(seed: u64, most_processors: u32) -> Self {
        // A word for each choice, so that no two depend on each other.
        let word = |choice: u64| mix(seed.wrapping_add(choice.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let below = |choice: u64, bound: u32| (word(choice) % u64::from(bound)) as u32;
        let page_shift = [12, 12, 16][below(3, 3) as usize];
        Self {
            seed,
            processors: match below(1, 4) {
                0 => 1 + below(2, most_processors),
                _ => most_processors,
            },
            endian: [Endian::Big, Endian::Little][below(4, 2) as usize],
            page_shift,
            // Larger pages have too few numbers in a segment to be crowded.
            crowd: if page_shift == 12 { 5 + below(5, 4) } else { 8 },
            table_order: 18 + below(6, 3),
            resizes: below(7, 2) == 0,
            unmaps: below(8, 2) == 0,
            segment_shift: [28, 40][below(9, 2) as usize],
        }
    }

    /// Words for the kernel's command line, for a round of this length.
    pub fn words(&self, length: Length) -> String {
        let length = match length {
            Length::Milliseconds(milliseconds) => format!("ms={milliseconds}"),
            Length::Operations(operations) => format!("ms=0 operations={operations}"),
        };
        format!(
            "seed={} {length} base={} segment={} crowd={} resize={}",
            self.seed,
            self.page_shift,
            self.segment_shift,
            self.crowd,
            u8::from(self.resizes)
        )
    }

    /// Real addresses of the memory of all pages.
    pub fn frames(&self) -> Range<u64> {
        // Each page has two frames and two walls.
        let pages = PAGES * u64::from(self.processors) * 4;
        FRAMES..FRAMES + (pages << self.page_shift)
    }

    /// Guest memory that it needs, in MiB.
    pub fn memory_mib(&self) -> u32 {
        // A power of two, as QEMU likes it best.
        (self.frames().end >> 20).next_power_of_two().max(128) as u32
    }
}

/// For people.
impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.endian {
            Endian::Big => "big",
            Endian::Little => "little",
        };
        write!(
            f,
            "seed {}: {} processor{}, {order}-endian, pages of {} KiB in segments of {}, {} groups, table of 2^{} bytes, {}{}",
            self.seed,
            self.processors,
            if self.processors == 1 { "" } else { "s" },
            1 << (self.page_shift - 10),
            if self.segment_shift == 40 { "1 TiB" } else { "256 MiB" },
            1 << self.crowd,
            self.table_order,
            if self.resizes { "resized" } else { "never resized" },
            if self.unmaps { ", ranges unmapped" } else { "" }
        )
    }
}

/// Spreads a word over all its bits (the finalizer of SplitMix64).
pub(super) fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_always_the_same_round() {
        assert_eq!(Round::of_seed(7, 4), Round::of_seed(7, 4));
        let round = Round {
            seed: 7,
            processors: 2,
            endian: Endian::Little,
            page_shift: 16,
            segment_shift: 40,
            crowd: 8,
            table_order: 18,
            resizes: true,
            unmaps: true,
        };
        assert_eq!(
            round.words(Length::Milliseconds(250)),
            "seed=7 ms=250 base=16 segment=40 crowd=8 resize=1"
        );
        assert_eq!(
            round.words(Length::Operations(9)),
            "seed=7 ms=0 operations=9 base=16 segment=40 crowd=8 resize=1"
        );
        assert_eq!(
            round.to_string(),
            "seed 7: 2 processors, little-endian, pages of 64 KiB in segments of 1 TiB, 256 groups, table of 2^18 bytes, resized, ranges unmapped"
        );
        assert_eq!(round.memory_mib(), 256);
    }

    #[test]
    fn rounds_are_of_every_kind_and_of_no_other() {
        let rounds: Vec<_> = (0..500).map(|seed| Round::of_seed(seed, 4)).collect();
        for processors in 1..=4 {
            assert!(rounds.iter().any(|round| round.processors == processors));
        }
        for endian in [Endian::Big, Endian::Little] {
            for page_shift in [12, 16] {
                for resizes in [false, true] {
                    let kind = |round: &&Round| {
                        (round.endian, round.page_shift, round.resizes) == (endian, page_shift, resizes)
                    };
                    for (unmaps, segment_shift) in [(false, 28), (false, 40), (true, 28), (true, 40)] {
                        let has = |round: &&Round| (round.unmaps, round.segment_shift) == (unmaps, segment_shift);
                        assert!(rounds.iter().any(|round| kind(&round) && has(&round)));
                    }
                }
            }
        }
        for round in &rounds {
            assert!([28, 40].contains(&round.segment_shift));
            assert!((5..=8).contains(&round.crowd) && (18..=20).contains(&round.table_order));
        }
        assert!((0..100).all(|seed| Round::of_seed(seed, 1).processors == 1));
    }

    /// What the guest itself asks for.
    #[test]
    fn there_is_memory_for_all_pages() {
        for seed in 0..100 {
            let round = Round::of_seed(seed, super::super::MOST_PROCESSORS);
            let last = u64::from(round.processors) << (8 + 2 + round.page_shift);
            assert!(u64::from(round.memory_mib()) << 20 >= FRAMES + last);
        }
    }
}
