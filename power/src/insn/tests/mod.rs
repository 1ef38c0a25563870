//! The table as a whole: against itself, and against another disassembler.

mod binutils;
mod capstone;
mod round_trip;

use super::{Opcode, encode};

/// A small generator of numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as u32
    }

    /// An instruction with operands and suffixes that it can have, and with nothing in its reserved fields.
    fn instruction(&mut self, opcode: Opcode) -> u32 {
        let row = opcode.row();
        let operands: Vec<i64> = row
            .operands
            .iter()
            .map(|operand| {
                let layout = operand.layout();
                loop {
                    let value = layout.extract(self.next());
                    if layout.accepts(value) {
                        return value;
                    }
                }
            })
            .collect();
        let suffixes = row.suffixes.iter().fold(0, |bits, suffix| bits | suffix.mask());
        encode(opcode, &operands).unwrap() | suffixes & self.next()
    }
}
