//! Operations by their numbers: what each is, and which of them a program does.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use super::round::{Round, mix};

/// Operations by their names in `operations.s`, how many of 64 are of that kind, and what people call them.
const KINDS: [(&str, usize, &str); 10] = [
    ("touch_somewhere", 20, "an access"),
    ("change_one", 18, "a page comes, goes or changes"),
    ("poke_text", 4, "a page is entered, stored to and removed"),
    ("gather_by_bulk", 1, "pages go by H_BULK_REMOVE"),
    ("gather_by_block", 1, "pages go by H_BLOCK_REMOVE"),
    ("fork", 1, "pages become read-only and writable again"),
    ("fill", 3, "pages in a row are entered"),
    ("ask_wrongly", 4, "a call that must be refused"),
    ("touch_again", 10, "sixteen accesses"),
    ("turn_over", 2, "two pages in one slot by turns"),
];

/// Kinds to choose from.
const CHOICES: usize = 64;

/// As in `report.s`: of the golden ratio and of pi.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const PI: u64 = 0x243f_6a88_85a3_08d3;

/// One operation of a processor's, by its number from 1 on. They are in the order in which they are about to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// Its number.
    pub number: u32,
    /// Whose it is.
    pub processor: u32,
}

impl Operation {
    /// What it does in `round`, in words.
    pub fn describe(self, round: &Round) -> String {
        let word = self.word(round.seed);
        // As `resize_by_chance` has it.
        let resizes = round.resizes && self.processor == 0 && word >> 20 & 0xfff == 0;
        let choice = word as usize % CHOICES;
        let mut before = 0;
        let kind = KINDS.iter().find(|kind| {
            before += kind.1;
            choice < before
        });
        let kind = kind.expect("they are as many as there are choices").2;
        if resizes {
            format!("the table is resized; then {kind}")
        } else {
            kind.to_owned()
        }
    }

    /// Its first random number: `begin_stream` and `begin_operation` of `worker.s`.
    fn word(self, seed: u64) -> u64 {
        let mut stream = seed.wrapping_add(1).wrapping_mul(GOLDEN) ^ u64::from(self.processor + 1).wrapping_mul(PI);
        stream = stream.max(1);
        for _ in 0..16 {
            stream ^= stream << 13;
            stream ^= stream >> 7;
            stream ^= stream << 17;
        }
        mix(u64::from(self.number).wrapping_mul(GOLDEN).wrapping_add(stream)).max(1)
    }
}

/// For people.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "processor {} in operation {}", self.processor, self.number)
    }
}

/// Which operations a program does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All.
    All,
    /// These and no other.
    Only(BTreeSet<Operation>),
}

impl Part {
    /// Bytes that a processor's bits take, one for each operation.
    fn bytes_each(&self) -> usize {
        match self {
            Self::All => 0,
            Self::Only(operations) => {
                1 + operations.iter().map(|operation| operation.number).max().unwrap_or(0) as usize / 8
            }
        }
    }

    pub(super) fn constants(&self) -> String {
        format!(".equ PART_BYTES,{}\n", self.bytes_each())
    }

    /// The table of kinds, and the bits of the operations.
    pub(super) fn data(&self) -> String {
        let mut text = "weights:\n".to_owned();
        for (kind, &(_, weight, _)) in KINDS.iter().enumerate() {
            writeln!(text, "    .byte {}", vec![kind.to_string(); weight].join(",")).expect("a string takes all");
        }
        text += "part:\n";
        if let Self::Only(operations) = self {
            let each = self.bytes_each();
            let last = operations
                .iter()
                .map(|operation| operation.processor)
                .max()
                .unwrap_or(0);
            let mut bits = vec![0_u8; each * super::MOST_PROCESSORS.max(last + 1) as usize];
            for operation in operations {
                let number = operation.number as usize;
                bits[operation.processor as usize * each + number / 8] |= 1 << (number % 8);
            }
            for line in bits.chunks(64) {
                let bytes: Vec<String> = line.iter().map(u8::to_string).collect();
                writeln!(text, "    .byte {}", bytes.join(",")).expect("a string takes all");
            }
        }
        text + "    .balign 8\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_a_kind_and_the_guest_has_them_in_this_order() {
        assert_eq!(KINDS.iter().map(|kind| kind.1).sum::<usize>(), CHOICES);
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.0).collect();
        assert!(include_str!("operations.s").contains(&format!(".quad   {}\n", names.join(","))));
    }

    /// Seen in runs of the guest.
    #[test]
    fn what_an_operation_is_called_is_what_the_guest_does() {
        let round = Round {
            resizes: true,
            unmaps: false,
            segment_shift: 28,
            ..Round::of_seed(37, 1)
        };
        let does = |number| {
            let operation = Operation { number, processor: 0 };
            operation.describe(&round)
        };
        let resized: Vec<u32> = (1..=800)
            .filter(|&number| does(number).starts_with("the table is resized"))
            .collect();
        assert_eq!(resized, [294, 558]);
    }

    #[test]
    fn a_part_is_a_bit_for_each_operation() {
        let operation = |processor, number| Operation { number, processor };
        let part = Part::Only([operation(0, 1), operation(0, 7), operation(1, 9)].into());
        assert_eq!(part.constants(), ".equ PART_BYTES,2\n");
        assert!(part.data().contains("part:\n    .byte 130,0,0,2,0,"), "{}", part.data());
        assert_eq!(Part::All.constants(), ".equ PART_BYTES,0\n");
        assert!(operation(3, 1) < operation(0, 2));
    }
}
