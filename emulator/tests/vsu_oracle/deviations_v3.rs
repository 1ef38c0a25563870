//! Where QEMU and the Power ISA part in what POWER9 adds, or where the ISA leaves a result undefined. Sections are those of Power ISA
//! v3.0B, Book I.

use power::insn::{Class, Opcode, Word};

use crate::oracle::random::Random;
use crate::oracle::{Case, State};

/// Whether the instruction is one of quadruple precision.
fn is_quad(opcode: Opcode) -> bool {
    let row = opcode.row();
    row.pattern.value >> 26 == 63 && row.operands.iter().any(|operand| operand.layout().class == Class::Vr)
}

/// Makes `theirs` like `ours` in all that is not compared.
pub fn forgive(opcode: Opcode, case: &Case, ours: &State, theirs: &mut State) {
    forgive_decimals(opcode, case, ours, theirs);
    let word = Word(case.word());
    // QEMU takes the first of two zeros; 7.6.3: it is not greater, nor less, so the second.
    if matches!(opcode, Opcode::Xsmaxcdp | Opcode::Xsmincdp) {
        let target = word.xt();
        if ours.vsr[target] << 1 == 0 && theirs.vsr[target] << 1 == 0 {
            theirs.vsr[target] = ours.vsr[target];
        }
    }
    // QEMU takes a double that is a denormal single for a zero, too; 7.6.3: it is a denormal.
    let b = case.before.vsr[word.xb()];
    if opcode == Opcode::Xststdcsp && (1..0x381).contains(&(b >> 116 & 0x7ff)) {
        let matches = 2 << (28 - 4 * word.bf());
        theirs.cr = theirs.cr & !matches | ours.cr & matches;
        theirs.fpscr = theirs.fpscr & !0x2000 | ours.fpscr & 0x2000;
    }
    // QEMU cuts a NaN to the 80-bit format; the bits of one are not rounded (7.6.3).
    let target = 32 + word.vrt();
    if opcode == Opcode::Xsrqpxp && ours.vsr[target] << 1 > 0xfffe << 112 {
        theirs.vsr[target] |= ours.vsr[target] & ((1 << 49) - 1);
    }
    // QEMU clears what its mask does not select; chapter 6: it stays.
    if opcode == Opcode::Vrldmi {
        theirs.vsr[target] |= ours.vsr[target] & case.before.vsr[target];
    }
}

/// The same for the decimal instructions.
fn forgive_decimals(opcode: Opcode, case: &Case, ours: &State, theirs: &mut State) {
    const RELATION: u32 = 0xe0;
    const INVALID: u32 = 0x10;
    let word = Word(case.word());
    let (target, source) = (32 + word.vrt(), 32 + word.vrb());
    if !opcode.name().starts_with("bcd") || matches!(opcode, Opcode::Bcdadd | Opcode::Bcdsub) {
        return;
    }
    // Of an operand that is not decimal the result is undefined; so is the packed one of a quadword that does not fit.
    if ours.cr & 0xf0 == INVALID || opcode == Opcode::Bcdcfsq && ours.cr & INVALID != 0 {
        theirs.vsr[target] = ours.vsr[target];
    }
    // QEMU looks at those digits alone that it converts.
    if matches!(opcode, Opcode::Bcdctn | Opcode::Bcdctz) && ours.cr & 0xf0 == INVALID {
        theirs.cr = theirs.cr & !0xf0 | INVALID;
    }
    // CR field 6 compares the operand with zero; QEMU compares the result, and takes the last digit of an unsigned one for a sign.
    let is_signed = !matches!(opcode, Opcode::Bcdus | Opcode::Bcdutrunc);
    let is_zero = |register: u128| register >> if is_signed { 4 } else { 0 } == 0;
    let is_changed = is_zero(ours.vsr[target]) != is_zero(case.before.vsr[source]);
    if is_changed || !is_signed {
        theirs.cr = theirs.cr & !RELATION | ours.cr & RELATION;
    }
}

/// Changes a case so that QEMU can be asked.
pub fn adapt(opcode: Opcode, case: &mut Case) {
    // Quadruples would be rare.
    if is_quad(opcode) {
        let mut random = Random::new(case.before.vsr[0] as u64 ^ u64::from(case.word()));
        let spread = random.pick(&[8, 240, 0x8000]);
        for vsr in &mut case.before.vsr[32..] {
            *vsr = random.quad(spread);
        }
    }
    adapt_decimals(opcode, case);
    // QEMU's xsnmsubqpo does not round to odd, and its roundings in the current mode take RN's codes for those of its own library,
    // which has 1 and 3 for each other (7.6.3).
    let word = Word(case.word());
    match opcode {
        Opcode::Xsnmsubqp => case.code[0] &= !1,
        Opcode::Xsrqpi | Opcode::Xsrqpxp if !word.r() && word.rmc() == 3 => case.before.fpscr &= !1,
        _ => {}
    }
    // An element past the register's end is undefined (chapter 6).
    let last = match opcode {
        Opcode::Vextuhlx | Opcode::Vextuhrx => 14,
        Opcode::Vextuwlx | Opcode::Vextuwrx => 12,
        _ => 15,
    };
    let index = &mut case.before.gpr[Word(case.word()).ra()];
    *index = *index & !15 | (*index & 15).min(last);
}

/// Operands that mean something to the decimal instructions.
fn adapt_decimals(opcode: Opcode, case: &mut Case) {
    let mut word = Word(case.word());
    let (a, b) = (32 + word.vra(), 32 + word.vrb());
    let mut random = Random::new(case.before.vsr[b] as u64 ^ u64::from(word.0));
    // Seldom a digit that is none.
    let digit = |random: &mut Random| {
        if random.below(60) == 0 {
            random.below(16)
        } else {
            random.below(10)
        }
    };
    match opcode {
        Opcode::Bcdcfn => {
            let digits = (0..7).fold(0, |so_far, _| so_far << 16 | 0x30 | u128::from(digit(&mut random)));
            case.before.vsr[b] = digits << 16 | random.pick(&[0x2b, 0x2d, 0x2b, 0x2d, 0x2c]);
        }
        Opcode::Bcdcfz => {
            let zone: u128 = if word.ps() { 0xf0 } else { 0x30 };
            let digits = (0..15).fold(0, |so_far, _| so_far << 8 | zone | u128::from(digit(&mut random)));
            case.before.vsr[b] = digits << 8 | u128::from(random.below(16) << 4 | digit(&mut random));
        }
        Opcode::Bcds | Opcode::Bcdsr | Opcode::Bcdus | Opcode::Bcdtrunc | Opcode::Bcdutrunc => {
            let places = random.pick(&[4, 20, 40, 120]);
            let count = random.below(2 * places) as i64 - places as i64;
            let count = if opcode.name().contains("trunc") {
                count.max(0)
            } else {
                count
            };
            case.before.vsr[a] = case.before.vsr[a] & !(0xffff << 64) | u128::from(count as u16) << 64;
            let digits = (0..32).fold(0, |so_far, _| so_far << 4 | u128::from(digit(&mut random)));
            let digits = digits >> (4 * random.below(32));
            let sign = u128::from(random.below(6) + 10);
            case.before.vsr[b] = if opcode.name().contains("cdu") {
                digits
            } else {
                digits & !15 | sign
            };
        }
        Opcode::Bcdsetsgn | Opcode::Bcdctsq | Opcode::Bcdctn | Opcode::Bcdctz | Opcode::Bcdcpsgn => {
            // QEMU looks at its operands when it has written VRT.
            while word.vrt() == word.vrb() || word.vrt() == word.vra() {
                word.0 = word.0 & !(31 << 21) | (random.below(32) as u32) << 21;
            }
            case.code[0] = word.0;
            for register in [a, b] {
                let digits = (0..31).fold(0, |so_far, _| so_far << 4 | u128::from(digit(&mut random)));
                let digits = digits >> (4 * random.below(32)) << 4;
                case.before.vsr[register] = digits | u128::from(10 + random.below(6));
            }
        }
        Opcode::Bcdcfsq => case.before.vsr[b] = (case.before.vsr[b] as i128 >> random.below(128)) as u128,
        _ => {}
    }
}
