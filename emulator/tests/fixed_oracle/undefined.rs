//! What of a state is not compared: results that the Power ISA leaves undefined, and where QEMU and
//! the ISA part. Sections are those of Power ISA v2.07B, Book I.

use power::insn::{Opcode, Word};
use power::model::Model;

use crate::oracle::{Case, State};
use crate::single::XER_OV32_CA32;

/// Bits of XER that exist on every model (3.2.2).
const XER: u64 = 0xe000_007f;
/// LT, GT and EQ of CR field 0.
const CR0: u32 = 0xe000_0000;
/// SO of CR field 0.
const CR0_SO: u32 = 0x1000_0000;
const XER_SO_OV: u64 = 0xc000_0000;
const XER_OV32: u64 = 0x8_0000;
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
        // Remainders are undefined where quotients are (v3.0B, Book I, 3.3.9).
        Opcode::Divd | Opcode::Modsd => signed((a as i64).into(), (b as i64).into(), 64),
        Opcode::Divde => signed(i128::from(a as i64) << 64, (b as i64).into(), 64),
        Opcode::Divw | Opcode::Modsw => signed((word_a as i32).into(), (word_b as i32).into(), 32),
        Opcode::Divwe => signed(i128::from(word_a as i32) << 32, (word_b as i32).into(), 32),
        Opcode::Divdu | Opcode::Modud => unsigned(a.into(), b.into(), 64),
        Opcode::Divdeu => unsigned(u128::from(a) << 64, b.into(), 64),
        Opcode::Divwu | Opcode::Moduw => unsigned(word_a.into(), word_b.into(), 32),
        Opcode::Divweu => unsigned(u128::from(word_a) << 32, word_b.into(), 32),
        _ => false,
    }
}

/// Bits of RT that are undefined.
fn undefined_target(opcode: Opcode, word: Word, before: &State) -> u64 {
    match opcode {
        Opcode::Mulhw | Opcode::Mulhwu => HIGH_WORD,
        _ if overflows(opcode, before.gpr[word.ra()], before.gpr[word.rb()]) => u64::MAX,
        Opcode::Divw | Opcode::Divwu | Opcode::Divwe | Opcode::Divweu | Opcode::Modsw | Opcode::Moduw => HIGH_WORD,
        // 3.3.17: only the named field is defined.
        Opcode::Mfocrf => {
            let field = word.crm().leading_zeros() - 24;
            !(0xf000_0000 >> (4 * field))
        }
        _ => 0,
    }
}

/// Makes `theirs` like `ours` in all that is not compared, for a case of the one instruction `opcode`.
pub fn forgive(model: Model, opcode: Opcode, case: &Case, ours: &State, theirs: &mut State) {
    everywhere(model, theirs);
    let word = Word(case.word());
    if let Some(n) = half_loaded(opcode, word) {
        theirs.vsr[n] = theirs.vsr[n] >> 64 << 64 | u128::from(ours.vsr[n] as u64);
    }
    // QEMU takes a quotient from 2^63 on for one that fits.
    if opcode == Opcode::Divde && word.oe() && overflows(opcode, case.before.gpr[word.ra()], case.before.gpr[word.rb()])
    {
        theirs.xer |= XER_SO_OV | if model < Model::Power9 { 0 } else { XER_OV32 };
        theirs.cr |= if word.record() { CR0_SO } else { 0 };
    }
    match (opcode, word.rb()) {
        // v3.0B, Book II, 4.5.1: the least word or doubleword; QEMU makes it in 32 bits and extends its sign.
        (Opcode::Lwat | Opcode::Ldat, 24 | 25) if theirs.gpr[word.rt()] == i32::MIN as u64 => {
            let least = if opcode == Opcode::Lwat { 1 << 31 } else { 1 << 63 };
            theirs.gpr[word.rt()] = least;
        }
        // Words with a sign, which QEMU compares as if they had none: the texts have them.
        (Opcode::Lwat | Opcode::Stwat, 5 | 7) => theirs.memory = ours.memory,
        _ => {}
    }
    if opcode == Opcode::Cbcdtd {
        let undefined = undefined_declets(case.before.gpr[word.rs()]);
        let target = &mut theirs.gpr[word.ra()];
        *target = *target & !undefined | ours.gpr[word.ra()] & undefined;
    }
    let undefined = undefined_target(opcode, word, &case.before);
    if undefined != 0 {
        let target = &mut theirs.gpr[word.rt()];
        *target = *target & !undefined | ours.gpr[word.rt()] & undefined;
        // 3.3.8: nor is what CR0 says of it, in 64-bit mode.
        let is_remainder = matches!(opcode, Opcode::Modsd | Opcode::Modsw | Opcode::Modud | Opcode::Moduw);
        if opcode != Opcode::Mfocrf && !is_remainder && word.record() {
            theirs.cr = theirs.cr & !CR0 | ours.cr & CR0;
        }
    }
}

/// Bits of RA that `cbcdtd` leaves undefined: those of a declet of which a digit is none (3.3.9).
fn undefined_declets(s: u64) -> u64 {
    let is_bad = |shift: u32| (0..3).any(|n| s >> (shift + 4 * n) & 0xf > 9);
    let declets = [(0, 0), (12, 10), (32, 32), (44, 42)];
    let bad = declets.into_iter().filter(|(digits, _)| is_bad(*digits));
    bad.map(|(_, declet)| 0x3ff << declet).sum()
}

/// The VSR whose doubleword 1 is undefined: that of a scalar load (7.6.1). QEMU keeps it.
pub fn half_loaded(opcode: Opcode, word: Word) -> Option<usize> {
    use Opcode::{Lxsd, Lxsdx, Lxsibzx, Lxsihzx, Lxsiwax, Lxsiwzx, Lxssp, Lxsspx};
    match opcode {
        Lxsdx | Lxsspx | Lxsiwax | Lxsiwzx | Lxsibzx | Lxsihzx => Some(word.xt()),
        Lxsd | Lxssp => Some(32 + word.vrt()),
        _ => None,
    }
}

/// Drops bits that do not exist.
pub fn everywhere(model: Model, theirs: &mut State) {
    // QEMU keeps the reserved bits of XER.
    theirs.xer &= if model < Model::Power9 {
        XER
    } else {
        XER | XER_OV32_CA32
    };
    // 6.3.2: QEMU keeps the reserved bits of the VSCR.
    theirs.vscr &= 0x1_0001;
}
