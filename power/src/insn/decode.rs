//! From a word to its opcode.

use super::table::{Opcode, Row, TABLE};
use std::sync::LazyLock;

/// Rows found by the primary opcode and those low bits of the word that any of its rows fixes.
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
    fn new() -> Self {
        let mut index = Self {
            primaries: [(0, 0); 64],
            slots: Vec::new(),
            candidates: Vec::new(),
        };
        for primary in 0..64u32 {
            let rows: Vec<&Row> = TABLE.iter().filter(|row| row.pattern.value >> 26 == primary).collect();
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
            // Stable: the candidates of a slot keep the table's order.
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

/// The instruction that `word` is, or nothing if this processor has none of that encoding.
///
/// Reserved fields are ignored, as by the processor.
pub fn decode(word: u32) -> Option<Opcode> {
    static INDEX: LazyLock<Index> = LazyLock::new(Index::new);
    INDEX.find(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_decodes_to_itself() {
        for row in TABLE {
            let Row { opcode, pattern, .. } = row;
            assert_eq!(decode(pattern.value), Some(*opcode));
            assert_eq!(decode(pattern.value | !pattern.mask), Some(*opcode));
            assert!(std::ptr::eq(opcode.row(), row));
        }
    }

    #[test]
    fn no_word_is_two_instructions() {
        for (at, a) in TABLE.iter().enumerate() {
            for b in &TABLE[at + 1..] {
                let both_fix = a.pattern.mask & b.pattern.mask;
                assert_ne!(
                    a.pattern.value & both_fix,
                    b.pattern.value & both_fix,
                    "{} and {}",
                    a.name,
                    b.name
                );
            }
        }
    }

    #[test]
    fn words_that_are_nothing_stay_nothing() {
        for word in [0, 4, 0x0400_0000, 0x4400_0000, 0x5800_0000, 0x7fff_ffff] {
            assert_eq!(decode(word), None, "{word:#010x}");
        }
    }
}
