//! From a word to text, with the basic mnemonics.

use super::decode::decode_on_any;
use super::layout::Class;
use super::operand::Operand;
use super::table::Row;
use super::word::Word;
use crate::spr::Spr;
use std::fmt::{self, Write};

/// The instruction at `address` as the assembler would accept it, or `.long` if it is none.
pub fn disassemble(word: u32, address: u64) -> String {
    let Some(opcode) = decode_on_any(word) else {
        return format!(".long {word:#010x}");
    };
    let row = opcode.row();
    let mut text = row.name.to_owned();
    for suffix in row.suffixes.iter().filter(|suffix| word & suffix.mask() != 0) {
        text.push_str(suffix.text());
    }
    let mut separator = " ";
    for operand in shown(row, word) {
        text.push_str(separator);
        write_operand(&mut text, operand, word, address);
        if separator == "(" {
            text.push(')');
        }
        // The base register follows its displacement in parentheses.
        separator = if operand.layout().class == Class::Displacement {
            "("
        } else {
            ","
        };
    }
    text
}

/// The operands that are written: those that may be left out only when one of them has another value.
fn shown(row: &Row, word: u32) -> impl Iterator<Item = Operand> {
    let all = row.operands.iter().any(|operand| {
        let layout = operand.layout();
        layout.omitted.is_some_and(|value| value != layout.extract(word))
    });
    row.operands
        .iter()
        .copied()
        .filter(move |operand| all || operand.layout().omitted.is_none())
}

fn write_operand(text: &mut String, operand: Operand, word: u32, address: u64) {
    let layout = operand.layout();
    let value = layout.extract(word);
    let written = match layout.class {
        Class::GprOrZero if value == 0 => write!(text, "0"),
        Class::Gpr | Class::GprOrZero | Class::GprUpdated | Class::GprPair => {
            write!(text, "r{value}")
        }
        Class::Fpr | Class::FprPair => write!(text, "f{value}"),
        Class::Vr => write!(text, "v{value}"),
        Class::Vsr => write!(text, "vs{value}"),
        Class::CrField => write!(text, "cr{value}"),
        Class::CrBit => write_cr_bit(text, value),
        Class::Spr => write!(text, "{}", Spr::new(value as u16)),
        Class::Target => {
            let from = if Word(word).aa() { 0 } else { address };
            write!(text, "{:#x}", from.wrapping_add_signed(value))
        }
        _ => write!(text, "{value}"),
    };
    written.expect("a string takes any text");
}

fn write_cr_bit(text: &mut String, bit: i64) -> fmt::Result {
    if bit >= 4 {
        write!(text, "4*cr{}+", bit / 4)?;
    }
    text.write_str(["lt", "gt", "eq", "so"][bit as usize % 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_basic_mnemonics_and_named_registers() {
        for (word, text) in [
            (0x3860_ffff, "addi r3,0,-1"),
            (0x7c64_2a15, "add. r3,r4,r5"),
            (0xe861_fff8, "ld r3,-8(r1)"),
            (0xe860_0008, "ld r3,8(0)"),
            (0x4bff_fffd, "bl 0xffc"),
            (0x4800_0102, "ba 0x100"),
            (0x4186_0008, "bc 12,4*cr1+eq,0x1008"),
            (0x4e80_0020, "bclr 20,lt"),
            (0x7c7a_02a6, "mfspr r3,srr0"),
            (0x7c00_04ac, "sync"),
            (0x7c20_04ac, "sync 1"),
            (0x7c00_1a24, "tlbiel r3"),
            (0x7c8a_1a24, "tlbiel r3,r4,2,1,0"),
            (0xf01f_f7bd, "xxsel vs32,vs63,vs30,vs62"),
            (0x1043_2406, "vcmpequb. v2,v3,v4"),
            (0xfc81_110c, "mtfsfi 1,1,1"),
            (0, ".long 0x00000000"),
        ] {
            assert_eq!(disassemble(word, 0x1000), text);
        }
    }
}
