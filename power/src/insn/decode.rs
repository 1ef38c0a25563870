//! From a word to its opcode.

use super::table::{Opcode, Row, TABLE};
use crate::model::Model;
use std::cmp::Reverse;
use std::sync::LazyLock;

/// The rows that one model has, found by the primary opcode and those low bits of the word that any of its rows fixes.
struct Index {
    /// For each primary opcode: where its slots begin, and which bits of the word choose the slot.
    primaries: [(u32, u32); 64],
    /// For each slot: its candidates' place in `candidates`.
    slots: Vec<(u32, u32)>,
    candidates: Vec<Opcode>,
}

/// The extended opcodes end at bit 21.
const LOW_BITS: u32 = 0x7ff;

impl Index {
    fn new(model: Model) -> Self {
        let mut index = Self {
            primaries: [(0, 0); 64],
            slots: Vec::new(),
            candidates: Vec::new(),
        };
        for primary in 0..64u32 {
            let mut rows: Vec<&Row> = TABLE
                .iter()
                .filter(|row| row.pattern.value >> 26 == primary && row.models.include(model))
                .collect();
            // A later model fixes bits of an earlier one's reserved fields: what fixes more is asked first.
            rows.sort_by_key(|row| Reverse(row.pattern.mask.count_ones()));
            let low = rows.iter().fold(0, |mask, row| mask | row.pattern.mask) & LOW_BITS;
            index.primaries[primary as usize] = (index.slots.len() as u32, low);
            let mut placed: Vec<(u32, Opcode)> = Vec::new();
            for row in rows {
                // Every combination of the bits that this row leaves free.
                let free = low & !row.pattern.mask;
                let mut bits = free;
                loop {
                    placed.push(((row.pattern.value & low) | bits, row.opcode));
                    if bits == 0 {
                        break;
                    }
                    bits = (bits - 1) & free;
                }
            }
            // Stable: the candidates of a slot keep that order.
            placed.sort_by_key(|(slot, _)| *slot);
            let mut placed = placed.into_iter().peekable();
            for slot in 0..=low {
                let start = index.candidates.len() as u32;
                while let Some((_, opcode)) = placed.next_if(|(at, _)| *at == slot) {
                    index.candidates.push(opcode);
                }
                index.slots.push((start, index.candidates.len() as u32));
            }
        }
        index
    }

    fn find(&self, word: u32) -> Option<Opcode> {
        let (base, low) = self.primaries[(word >> 26) as usize];
        let (start, end) = self.slots[(base + (word & low)) as usize];
        let candidates = &self.candidates[start as usize..end as usize];
        candidates
            .iter()
            .copied()
            .find(|opcode| opcode.row().pattern.matches(word))
    }
}

/// The instruction that `word` is on `model`, or nothing if that processor has none of that encoding.
///
/// Reserved fields are ignored, as by the processor.
pub fn decode(word: u32, model: Model) -> Option<Opcode> {
    static POWER8: LazyLock<Index> = LazyLock::new(|| Index::new(Model::Power8));
    static POWER9: LazyLock<Index> = LazyLock::new(|| Index::new(Model::Power9));
    match model {
        Model::Power8 => POWER8.find(word),
        Model::Power9 => POWER9.find(word),
    }
}

/// The instruction that `word` is on the newest model that has it.
pub(super) fn decode_on_any(word: u32) -> Option<Opcode> {
    Model::ALL.into_iter().rev().find_map(|model| decode(word, model))
}

/// Whether `word` is no instruction yet, but one that processors pass over, so that later ones can have hints there (Power ISA
/// v2.07B, Book I, 1.4.3, reserved-no-operation class).
pub const fn is_reserved_no_operation(word: u32) -> bool {
    word >> 26 == 31 && matches!(word >> 1 & 0x3ff, 530 | 562 | 594 | 626 | 658 | 690 | 722 | 754)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_decodes_to_itself() {
        for row in TABLE {
            let Row { opcode, pattern, .. } = row;
            for model in Model::ALL {
                for word in [pattern.value, pattern.value | !pattern.mask] {
                    let found = decode(word, model);
                    // An earlier model may have another instruction there, with reserved fields.
                    let older = found.is_some_and(|found| found.row().models.first < row.models.first);
                    let expected = row.models.include(model).then_some(*opcode);
                    assert!(
                        found == expected || expected.is_none() && older,
                        "{word:#010x} on {model}"
                    );
                }
            }
            assert!(std::ptr::eq(opcode.row(), row));
        }
    }

    #[test]
    fn no_word_is_two_instructions_of_a_model() {
        for (at, a) in TABLE.iter().enumerate() {
            for b in &TABLE[at + 1..] {
                let both_fix = a.pattern.mask & b.pattern.mask;
                let overlap = a.pattern.value & both_fix == b.pattern.value & both_fix;
                let together = Model::ALL
                    .into_iter()
                    .any(|model| a.models.include(model) && b.models.include(model));
                // But a later model has instructions in an earlier one's reserved fields.
                let (newer, older) = if a.models.first > b.models.first {
                    (a, b)
                } else {
                    (b, a)
                };
                let refines = newer.models.first > older.models.first
                    && newer.pattern.mask != older.pattern.mask
                    && newer.pattern.mask & older.pattern.mask == older.pattern.mask;
                assert!(!(overlap && together) || refines, "{} and {}", a.name, b.name);
            }
        }
    }

    #[test]
    fn words_that_are_nothing_stay_nothing() {
        for word in [0, 4, 0x0400_0000, 0x4400_0000, 0x5800_0000, 0x7fff_ffff] {
            for model in Model::ALL {
                assert_eq!(decode(word, model), None, "{word:#010x}");
            }
        }
    }
}
