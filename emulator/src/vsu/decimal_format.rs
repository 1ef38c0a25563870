//! Conversions of packed decimal from and to national decimal, zoned decimal and signed quadwords. Power ISA v3.0B, Book I, chapter 6.
//!
//! | format | digits | sign |
//! |---|---|---|
//! | packed | 31 nibbles | the last nibble |
//! | national | seven halfwords, the characters `0` to `9` of Unicode | the last halfword, `+` or `-` |
//! | zoned | sixteen bytes: a zone and a digit | the last byte's zone |
//!
//! PS chooses the zones, those of ASCII (3) or of EBCDIC (F), and the sign code of a positive packed number.

use power::insn::{Opcode, Word};

use super::decimal::{Decimal, LIMIT, UNDEFINED};
use super::decimal_digits::{Digits, finish, sign_code};
use super::lanes::lane;
use super::{Handler, Outcome, Vsu};
use crate::regs::Regs;

/// Digits of a number in national decimal.
const NATIONAL_DIGITS: u32 = 7;
/// Digits of a number in zoned decimal.
const ZONED_DIGITS: u32 = 16;
const PLUS: u16 = b'+' as u16;
const MINUS: u16 = b'-' as u16;
const NATIONAL_ZERO: u16 = b'0' as u16;

/// Ends a conversion to packed decimal.
fn to_packed(number: Digits, sign: u128) -> (u128, u64) {
    (number.digits << 4 | sign, number.relation())
}

/// The number that the halfwords spell, if they do.
fn national(register: u128) -> Option<Digits> {
    let mut digits = 0;
    for i in 0..NATIONAL_DIGITS {
        let digit = lane::<u16>(register, i).wrapping_sub(NATIONAL_ZERO);
        if digit > 9 {
            return None;
        }
        digits = digits << 4 | u128::from(digit);
    }
    let negative = match lane(register, NATIONAL_DIGITS) {
        PLUS => false,
        MINUS => true,
        _ => return None,
    };
    Some(Digits {
        digits,
        count: NATIONAL_DIGITS,
        negative,
    })
}

/// The number that the bytes spell, if they do.
fn zoned(register: u128, is_ebcdic: bool) -> Option<Digits> {
    let zone = if is_ebcdic { 0xf } else { 3 };
    let mut digits = 0;
    for i in 0..ZONED_DIGITS {
        let byte: u8 = lane(register, i);
        let is_last = i == ZONED_DIGITS - 1;
        if byte & 15 > 9 || !is_last && byte >> 4 != zone {
            return None;
        }
        digits = digits << 4 | u128::from(byte & 15);
    }
    let negative = match (is_ebcdic, register >> 4 & 15) {
        (false, sign) => sign & 4 != 0,
        (true, 0xb | 0xd) => true,
        (true, 0xa..) => false,
        (true, _) => return None,
    };
    Some(Digits {
        digits,
        count: ZONED_DIGITS,
        negative,
    })
}

fn from_national(v: &mut Vsu, regs: &mut Regs, w: Word) -> Outcome {
    let number = national(v.vr(w.vrb()));
    finish(
        v,
        regs,
        w,
        number.map(|number| to_packed(number, sign_code(number.negative, w))),
    )
}

fn from_zoned(v: &mut Vsu, regs: &mut Regs, w: Word) -> Outcome {
    let number = zoned(v.vr(w.vrb()), w.ps());
    finish(
        v,
        regs,
        w,
        number.map(|number| to_packed(number, if number.negative { 0xd } else { 0xc })),
    )
}

/// Ends a conversion of a packed number to a format with fewer digits.
fn from_packed(v: &mut Vsu, regs: &mut Regs, w: Word, digits: u32, f: impl Fn(Digits) -> u128) -> Outcome {
    let result = Digits::packed(v.vr(w.vrb())).map(|number| {
        let lost = number.digits >> (4 * digits) != 0;
        (f(number), number.relation() | u64::from(lost))
    });
    finish(v, regs, w, result)
}

/// The last digits of the number, the first of them first.
fn last_digits(number: Digits, count: u32) -> impl Iterator<Item = u128> {
    (0..count).rev().map(move |n| number.digits >> (4 * n) & 15)
}

fn to_national(number: Digits) -> u128 {
    let sign = if number.negative { MINUS } else { PLUS };
    let digits = last_digits(number, NATIONAL_DIGITS);
    digits.fold(0, |so_far, digit| so_far << 16 | u128::from(NATIONAL_ZERO) | digit) << 16 | u128::from(sign)
}

fn to_zoned(number: Digits, is_ebcdic: bool) -> u128 {
    let (zone, sign) = match (is_ebcdic, number.negative) {
        (false, false) => (3, 3),
        (false, true) => (3, 7),
        (true, false) => (0xf, 0xc),
        (true, true) => (0xf, 0xd),
    };
    let digits = last_digits(number, ZONED_DIGITS);
    let bytes = digits.fold(0, |so_far, digit| so_far << 8 | zone << 4 | digit);
    bytes & !0xf0 | sign << 4
}

/// `bcdcfsq.`
fn from_quadword(v: &mut Vsu, regs: &mut Regs, w: Word) -> Outcome {
    let integer = v.vr(w.vrb()) as i128;
    let number = Decimal {
        negative: integer < 0,
        magnitude: integer.unsigned_abs(),
    };
    let relation = match integer {
        0 => 2,
        ..0 => 8,
        1.. => 4,
    };
    let overflows = number.magnitude >= LIMIT;
    let plus = sign_code(false, w);
    let result = if overflows { UNDEFINED } else { number.encode(plus) };
    finish(v, regs, w, Some((result, relation | u64::from(overflows))))
}

/// `bcdctsq.`
fn to_quadword(v: &mut Vsu, regs: &mut Regs, w: Word) -> Outcome {
    let result = Decimal::decode(v.vr(w.vrb())).map(|number| {
        let magnitude = number.magnitude as i128;
        match (magnitude, number.negative) {
            (0, _) => (0, 2),
            (_, true) => (-magnitude as u128, 8),
            (_, false) => (magnitude as u128, 4),
        }
    });
    finish(v, regs, w, result)
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Bcdcfn => from_national,
        Opcode::Bcdcfz => from_zoned,
        Opcode::Bcdcfsq => from_quadword,
        Opcode::Bcdctn => |v, r, w| from_packed(v, r, w, NATIONAL_DIGITS, to_national),
        Opcode::Bcdctz => |v, r, w| from_packed(v, r, w, ZONED_DIGITS, |number| to_zoned(number, w.ps())),
        Opcode::Bcdctsq => to_quadword,
        _ => return None,
    };
    Some(handler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn national_and_zoned_spell_the_same_number() {
        let register = 0x0031_0032_0033_0034_0035_0036_0037_002d;
        let number = national(register).expect("it is national decimal");
        assert_eq!((number.digits, number.negative), (0x123_4567, true));
        assert_eq!(to_national(number), register);
        assert!(national(register + (10 << 16)).is_none());

        let ebcdic = to_zoned(number, true);
        assert_eq!(ebcdic, 0xf0f0_f0f0_f0f0_f0f0_f0f1_f2f3_f4f5_f6d7);
        let ascii = to_zoned(number, false);
        assert_eq!(ascii, 0x3030_3030_3030_3030_3031_3233_3435_3677);
        for (register, is_ebcdic) in [(ebcdic, true), (ascii, false)] {
            let number = zoned(register, is_ebcdic).expect("it is zoned decimal");
            assert_eq!((number.digits, number.negative), (0x123_4567, true));
            assert!(zoned(register, !is_ebcdic).is_none());
        }
    }
}
