//! What of a state is not compared: results that the Power ISA leaves undefined, and where QEMU and
//! the ISA part. Sections are those of Power ISA v2.07B, Book I.

use power::insn::{Opcode, Word};

use crate::oracle::{Case, State};

/// Bits of XER that exist (3.2.2).
const XER: u64 = 0xe000_007f;
/// LT, GT and EQ of CR field 0.
const CR0: u32 = 0xe000_0000;
/// SO of CR field 0.
const CR0_SO: u32 = 0x1000_0000;
const XER_SO_OV: u64 = 0xc000_0000;
const HIGH_WORD: u64 = 0xffff_ffff_0000_0000;

/// Whether a quotient cannot be represented, or there is none (3.3.8).
fn overflows(opcode: Opcode, a: u64, b: u64) -> bool {
    let signed = |dividend: i128, divisor: i128, bits: u32| {
        let is_too_large = |quotient: i128| quotient < -(1 << (bits - 1)) || quotient >= 1 << (bits - 1);
        dividend.checked_div(divisor).is_none_or(is_too_large)
    };
    let unsigned = |dividend: u128, divisor: u128, bits: u32| {
        let is_too_large = |quotient: u128| quotient >= 1 << bits;
        dividend.checked_div(divisor).is_none_or(is_too_large)
    };
    let (word_a, word_b) = (a as u32, b as u32);
    match opcode {
        Opcode::Divd => signed((a as i64).into(), (b as i64).into(), 64),
        Opcode::Divde => signed(i128::from(a as i64) << 64, (b as i64).into(), 64),
        Opcode::Divw => signed((word_a as i32).into(), (word_b as i32).into(), 32),
        Opcode::Divwe => signed(i128::from(word_a as i32) << 32, (word_b as i32).into(), 32),
        Opcode::Divdu => unsigned(a.into(), b.into(), 64),
        Opcode::Divdeu => unsigned(u128::from(a) << 64, b.into(), 64),
        Opcode::Divwu => unsigned(word_a.into(), word_b.into(), 32),
        Opcode::Divweu => unsigned(u128::from(word_a) << 32, word_b.into(), 32),
        _ => false,
    }
}

/// Bits of RT that are undefined.
fn undefined_target(opcode: Opcode, word: Word, before: &State) -> u64 {
    match opcode {
        Opcode::Mulhw | Opcode::Mulhwu => HIGH_WORD,
        _ if overflows(opcode, before.gpr[word.ra()], before.gpr[word.rb()]) => u64::MAX,
        Opcode::Divw | Opcode::Divwu | Opcode::Divwe | Opcode::Divweu => HIGH_WORD,
        // 3.3.17: only the named field is defined.
        Opcode::Mfocrf => {
            let field = word.crm().leading_zeros() - 24;
            !(0xf000_0000 >> (4 * field))
        }
        _ => 0,
    }
}

/// Makes `theirs` like `ours` in all that is not compared, for a case of the one instruction `opcode`.
pub fn forgive(opcode: Opcode, case: &Case, ours: &State, theirs: &mut State) {
    everywhere(theirs);
    let word = Word(case.word());
    if let Some(n) = half_defined(opcode, word) {
        theirs.vsr[n] = theirs.vsr[n] >> 64 << 64 | u128::from(ours.vsr[n] as u64);
    }
    // QEMU takes a quotient from 2^63 on for one that fits.
    if opcode == Opcode::Divde && word.oe() && overflows(opcode, case.before.gpr[word.ra()], case.before.gpr[word.rb()])
    {
        theirs.xer |= XER_SO_OV;
        theirs.cr |= if word.record() { CR0_SO } else { 0 };
    }
    let undefined = undefined_target(opcode, word, &case.before);
    if undefined != 0 {
        let target = &mut theirs.gpr[word.rt()];
        *target = *target & !undefined | ours.gpr[word.rt()] & undefined;
        // 3.3.8: nor is what CR0 says of it, in 64-bit mode.
        if opcode != Opcode::Mfocrf && word.record() {
            theirs.cr = theirs.cr & !CR0 | ours.cr & CR0;
        }
    }
}

/// The VSR whose doubleword 1 is undefined: that of a scalar load (7.6.1). QEMU keeps it.
fn half_defined(opcode: Opcode, word: Word) -> Option<usize> {
    use Opcode::{Lxsdx, Lxsiwax, Lxsiwzx, Lxsspx};
    matches!(opcode, Lxsdx | Lxsspx | Lxsiwax | Lxsiwzx).then(|| word.xt())
}

/// Drops bits that do not exist.
pub fn everywhere(theirs: &mut State) {
    // QEMU keeps the reserved bits of XER.
    theirs.xer &= XER;
    // 6.3.2: QEMU keeps the reserved bits of the VSCR.
    theirs.vscr &= 0x1_0001;
}
