//! Which blocks a processor executes, how often, and how far: counted only if somebody asks before it starts.
//!
//! A block that is decoded then begins with an operation of its own ([`Code::Count`]), so a processor that does not count executes not one
//! instruction of the host more. The operation sees how many instructions have been executed since the block before was entered. As a
//! block is executed from its first instruction on and left behind some other, that number says which ones they were. So a block has
//! a counter for each of its exits, and one addition keeps them all: from the counters follow how often the block was
//! entered, how many instructions were executed in it, and how many of its loads and stores.
//!
//! The sums are exact. Blocks come and go; what a dropped one has counted goes to an [`Executed`], which knows the
//! hottest and the sum of all. Its room is bounded, too.

use std::ops::AddAssign;

use rustc_hash::FxHashMap;

use crate::core::Mode;
use crate::decode;
use crate::interp::UNCHOSEN;
use crate::ir::{Code, Op};

/// Instructions of a block that are remembered to be shown.
const SHOWN: usize = 4;

/// Counters of a processor, at most: 16 MiB, and at most about half as much for what is known of their blocks. Then all decoded blocks
/// are dropped.
const MOST_COUNTERS: usize = 1 << 21;

/// Blocks that an [`Executed`] tells apart, at most: then it forgets the colder half.
const MOST_KEPT: usize = 1 << 17;

/// Where a block is, and what it begins with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Place {
    real: u64,
    is_little: bool,
    is_problem: bool,
    /// Instructions.
    length: u8,
    words: [u32; SHOWN],
}

/// A block whose exits are counted.
struct Block {
    place: Place,
    pc: u64,
    /// Number of its first counter.
    base: u32,
    /// Which of its instructions are loads and stores of integers, the first as bit 0.
    loads: u64,
    stores: u64,
}

/// The counters of one processor.
#[derive(Default)]
pub(crate) struct Profile {
    /// For each block, how often it was left with none, one, … all of its instructions executed. The first counter is nobody's. Empty:
    /// nothing is counted.
    exits: Vec<u64>,
    blocks: Vec<Block>,
    /// First counter of the block that is executed, less the instructions executed before it was entered.
    bias: u64,
    dropped: Executed,
}

/// A block that is being decoded.
pub(crate) struct Decoding {
    real: u64,
    pc: u64,
    mode: Mode,
    words: [u32; SHOWN],
}

impl Decoding {
    /// The one at `pc`, which is at `real`.
    pub(crate) fn new(real: u64, pc: u64, mode: Mode) -> Self {
        let words = [0; SHOWN];
        Self { real, pc, mode, words }
    }

    /// Its instruction number `at`.
    pub(crate) fn note(&mut self, at: u64, word: u32) {
        if let Some(shown) = self.words.get_mut(at as usize) {
            *shown = word;
        }
    }
}

/// Sums of counted blocks, and the blocks.
#[derive(Clone, Debug, Default)]
pub struct Executed {
    /// Sums of all.
    pub sums: Sums,
    blocks: FxHashMap<Place, (u64, Times)>,
}

/// What was executed in one block, or in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Times that blocks were entered.
    pub entered: u64,
    /// Instructions executed in them.
    pub instructions: u64,
    /// Of them, those that loaded an integer of up to 8 bytes, alone.
    pub loads: u64,
    /// The same of stores.
    pub stores: u64,
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.entered += other.entered;
        self.instructions += other.instructions;
        self.loads += other.loads;
        self.stores += other.stores;
    }
}

/// How often a block was entered, and the instructions executed in it.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    entered: u64,
    instructions: u64,
}

/// A block in which much was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotBlock {
    /// Effective address where it was first executed.
    pub pc: u64,
    /// Real address.
    pub real: u64,
    /// Executed in problem state.
    pub is_problem: bool,
    /// Instructions that it has.
    pub length: u8,
    /// How often it was entered.
    pub entered: u64,
    /// Instructions executed in it.
    pub instructions: u64,
    /// The first of its instructions.
    pub words: Vec<u32>,
}

impl Profile {
    /// Counts from here on, with so many instructions executed.
    pub(crate) fn begin(&mut self, executed: u64) {
        self.exits = vec![0];
        self.bias = 0_u64.wrapping_sub(executed);
    }

    /// Whether anything is counted.
    pub(crate) fn is_on(&self) -> bool {
        !self.exits.is_empty()
    }

    /// What the next block is to begin with.
    pub(crate) fn first_op(&self) -> Op {
        Op {
            run: UNCHOSEN,
            code: Code::Count,
            at: 0,
            a: 0,
            b: 0,
            c: 0,
            d: 0,
            imm: self.exits.len() as i64,
        }
    }

    /// Takes in the block that began with [`Self::first_op`]. How many instructions it has.
    pub(crate) fn add(&mut self, decoding: &Decoding, ops: &[Op]) {
        let length = length(ops);
        let is_load = |code| (Code::Load8 as u8..Code::Store8 as u8).contains(&(code as u8));
        let is_store = |code| (Code::Store8 as u8..=Code::Store64Reversed as u8).contains(&(code as u8));
        let bits = |is_one: &dyn Fn(Code) -> bool| {
            let such = ops.iter().filter(|op| is_one(op.code));
            such.fold(0, |bits, op| bits | 1 << (op.at % 64))
        };
        self.blocks.push(Block {
            place: Place {
                real: decoding.real,
                is_little: decoding.mode.is_little(),
                is_problem: decoding.mode.is_problem(),
                length,
                words: decoding.words,
            },
            pc: decoding.pc,
            base: self.exits.len() as u32,
            loads: bits(&is_load),
            stores: bits(&is_store),
        });
        self.exits.resize(self.exits.len() + usize::from(length) + 1, 0);
    }

    /// Whether there is no room for more counters. Blocks that are decoded again and again have new ones each time.
    pub(crate) fn is_full(&self) -> bool {
        self.exits.len() >= MOST_COUNTERS
    }

    /// The block with this first counter is entered, with so many instructions executed by now.
    #[inline(always)]
    pub(crate) fn enter(&mut self, base: u32, executed: u64) {
        if let Some(count) = self.exits.get_mut(self.bias.wrapping_add(executed) as usize) {
            *count += 1;
        }
        self.bias = u64::from(base).wrapping_sub(executed);
    }

    /// All blocks are dropped.
    pub(crate) fn drop_blocks(&mut self, executed: u64) {
        if !self.is_on() {
            return;
        }
        self.enter(0, executed);
        for block in &self.blocks {
            let exits = &self.exits[block.base as usize..][..=usize::from(block.place.length)];
            self.dropped.add(block, exits);
        }
        self.blocks.clear();
        self.exits = vec![0];
    }

    /// What was counted; the counting goes on from nothing. `None`: nothing is counted.
    pub(crate) fn take(&mut self, executed: u64) -> Option<Executed> {
        self.drop_blocks(executed);
        self.is_on().then(|| std::mem::take(&mut self.dropped))
    }
}

/// How many instructions a block of these operations has.
pub(crate) fn length(ops: &[Op]) -> u8 {
    const { assert!(decode::MOST_INSTRUCTIONS <= 64) };
    ops.last().map_or(0, |op| op.at + 1)
}

impl Executed {
    fn add(&mut self, block: &Block, exits: &[u64]) {
        let mut sums = Sums::default();
        for (executed, &count) in (0_u32..).zip(exits) {
            let first = u64::MAX.checked_shr(64 - executed).unwrap_or(0);
            sums += Sums {
                entered: count,
                instructions: count * u64::from(executed),
                loads: count * u64::from((block.loads & first).count_ones()),
                stores: count * u64::from((block.stores & first).count_ones()),
            };
        }
        self.sums += sums;
        if sums.entered > 0 {
            let times = Times {
                entered: sums.entered,
                instructions: sums.instructions,
            };
            self.keep(block.place, block.pc, times);
        }
    }

    fn keep(&mut self, place: Place, pc: u64, times: Times) {
        if self.blocks.len() >= MOST_KEPT {
            self.forget_colder_half();
        }
        let (_, kept) = self.blocks.entry(place).or_insert((pc, Times::default()));
        kept.entered += times.entered;
        kept.instructions += times.instructions;
    }

    fn forget_colder_half(&mut self) {
        let mut all: Vec<u64> = self.blocks.values().map(|(_, times)| times.instructions).collect();
        let middle = all.len() / 2;
        let (_, &mut median, _) = all.select_nth_unstable(middle);
        self.blocks.retain(|_, (_, times)| times.instructions > median);
    }

    /// Takes in what another processor has executed.
    pub fn absorb(&mut self, other: Self) {
        self.sums += other.sums;
        for (place, (pc, times)) in other.blocks {
            self.keep(place, pc, times);
        }
    }

    /// The blocks with the most instructions executed, `most` of them, the hottest first.
    pub fn hottest(&self, most: usize) -> Vec<HotBlock> {
        let mut all: Vec<_> = self.blocks.iter().collect();
        all.sort_unstable_by_key(|(place, (_, times))| (std::cmp::Reverse(times.instructions), place.real));
        let hot = all.into_iter().take(most).map(|(place, &(pc, times))| HotBlock {
            pc,
            real: place.real,
            is_problem: place.is_problem,
            length: place.length,
            entered: times.entered,
            instructions: times.instructions,
            words: place.words[..SHOWN.min(place.length.into())].to_vec(),
        });
        hot.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(real: u64) -> Place {
        Place {
            real,
            is_little: true,
            is_problem: false,
            length: 4,
            words: [0x6000_0000; SHOWN],
        }
    }

    /// A block of four instructions, the second a load, the last a store.
    fn block(real: u64, base: u32) -> Block {
        Block {
            place: place(real),
            pc: 0xc000_0000_0000_0000 | real,
            base,
            loads: 0b0010,
            stores: 0b1000,
        }
    }

    #[test]
    fn an_exit_says_which_instructions_were_executed() {
        let mut executed = Executed::default();
        executed.add(&block(0x100, 1), &[1, 2, 4, 8, 16]);
        let expected = Sums {
            entered: 31,
            instructions: 2 + 2 * 4 + 3 * 8 + 4 * 16,
            loads: 4 + 8 + 16,
            stores: 16,
        };
        assert_eq!(executed.sums, expected);
        let hottest = &executed.hottest(5)[0];
        assert_eq!((hottest.entered, hottest.instructions), (31, expected.instructions));
    }

    #[test]
    fn what_happens_between_two_blocks_is_the_first_ones() {
        let mut profile = Profile::default();
        profile.begin(1000);
        profile.blocks.extend([block(0x100, 1), block(0x200, 6)]);
        profile.exits = vec![0; 11];
        for (base, executed) in [(1, 1000), (6, 1003), (1, 1007), (1, 1011), (6, 1011)] {
            profile.enter(base, executed);
        }
        let executed = profile.take(1012).unwrap();
        let expected = Sums {
            entered: 5,
            instructions: 12,
            loads: 3,
            stores: 2,
        };
        assert_eq!(executed.sums, expected);
        assert_eq!(profile.take(1012).unwrap().sums, Sums::default());
    }

    #[test]
    fn the_hottest_come_first_and_those_of_two_processors_are_one() {
        let (mut one, mut other) = (Executed::default(), Executed::default());
        one.add(&block(0x100, 1), &[0, 0, 0, 0, 5]);
        one.add(&block(0x200, 1), &[0, 0, 0, 0, 7]);
        other.add(&block(0x100, 1), &[0, 0, 0, 0, 3]);
        one.absorb(other);
        let hottest: Vec<_> = one.hottest(9).iter().map(|hot| (hot.real, hot.entered)).collect();
        assert_eq!(hottest, [(0x100, 8), (0x200, 7)]);
        assert_eq!(one.hottest(1).len(), 1);
    }

    /// A guest may execute more code than anybody can remember.
    #[test]
    fn the_sums_stay_when_colder_blocks_are_forgotten() {
        let mut executed = Executed::default();
        for n in 0..MOST_KEPT as u64 + 1 {
            executed.add(&block(n << 4, 1), &[0, 0, 0, 0, n]);
        }
        assert!(executed.blocks.len() <= MOST_KEPT);
        let n = MOST_KEPT as u64;
        assert_eq!(executed.sums.entered, n * (n + 1) / 2);
        assert_eq!(executed.hottest(1)[0].entered, n);
    }

    #[test]
    fn who_does_not_ask_counts_nothing() {
        let mut profile = Profile::default();
        assert!(!profile.is_on());
        profile.drop_blocks(5);
        assert!(profile.take(5).is_none());
    }
}
