//! The alignment interrupt: when it comes, and what it leaves (Power ISA v2.07B, Book III-S, 6.5.8).
//!
//! What POWER8 does in hardware is done: any alignment of the loads and stores of one register, of strings and of pairs
//! of floating-point registers. Interrupted are, wherever they come from:
//!
//! | instruction | when |
//! |---|---|
//! | load-and-reserve, store-conditional | the operand is not aligned to its size |
//! | `lq`, `stq` | the operand is not aligned to 16 bytes |
//! | `lmw`, `stmw` | the operand is not aligned to 4 bytes |
//! | `lmw`, `stmw`, `lswi`, `lswx`, `stswi`, `stswx` | the processor is little-endian |
//! | `lwat`, `ldat`, `stwat`, `stdat` (POWER9) | the operand is not aligned to its size, or a pair is in two blocks of 32 bytes |
//! | `copy`, `paste.` (POWER9) | the block is not aligned to 128 bytes |
//!
//! Of devices' registers ([`crate::outside`]) all but single aligned accesses and vectors of them are.

use power::insn::Word;

use crate::core::Core;
use crate::fault::Fault;
use crate::trap::Trap;

/// Ends the instruction `word`, whose operand is at `ea`, with the interrupt.
#[cold]
pub(crate) fn interrupt<T>(core: &mut Core, word: Word, ea: u64) -> Result<T, Fault> {
    let dsisr = description(word);
    core.raise(Trap::Alignment { dar: ea, dsisr })
}

/// Instructions with a primary opcode that has DS forms.
fn has_ds_form(word: Word) -> bool {
    matches!(word.primary(), 57 | 58 | 61 | 62)
}

/// What DSISR says of the instruction, so that a handler need not read it: opcode, form and registers.
pub(crate) fn description(word: Word) -> u64 {
    let bits = |first, last| u64::from(word.bits(first, last));
    let opcode = if word.primary() == 31 {
        // X form: DSISR[47:48] = bits 29:30, [49] = bit 25, [50:53] = bits 21:24.
        bits(29, 30) << 15 | bits(25, 25) << 14 | bits(21, 24) << 10
    } else {
        // D and DS form: DSISR[49] = bit 5, [50:53] = bits 1:4; of DS forms [44:45] = bits 30:31.
        let extended = if has_ds_form(word) { bits(30, 31) << 18 } else { 0 };
        extended | bits(5, 5) << 14 | bits(1, 4) << 10
    };
    // DSISR[54:58] = RT, RS, FRT or FRS; [59:63] = RA.
    opcode | bits(6, 10) << 5 | bits(11, 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_opcode_and_registers() {
        // lwarx 3,4,5: bits 21 to 30 are 0000010100.
        assert_eq!(description(Word(0x7c64_2828)), 3 << 5 | 4);
        // lmw 29,8(3): opcode 46 = 101110.
        assert_eq!(description(Word(0xbba3_0008)), 0b0111 << 10 | 29 << 5 | 3);
        // stq 4,16(3): opcode 62 = 111110, extended 10.
        assert_eq!(description(Word(0xf883_0012)), 0b10 << 18 | 0b1111 << 10 | 4 << 5 | 3);
    }
}
