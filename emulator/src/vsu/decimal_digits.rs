//! The decimal instructions of Power ISA v3.0B that work on digits as they stand: shifts, truncations, signs. Book I, chapter 6.
//!
//! CR field 6 compares the *operand* with zero, and its last bit tells of digits that were lost, or that the operand is no decimal
//! number: then the result is undefined.

use power::insn::{Opcode, Word};

use super::decimal::{DIGITS, INVALID, UNDEFINED};
use super::{Handler, Outcome, Vsu};
use crate::regs::{CR, Regs};

/// The digits of a number, the last one in the low nibble, and its sign.
#[derive(Clone, Copy)]
pub(super) struct Digits {
    pub(super) digits: u128,
    /// How many there can be.
    pub(super) count: u32,
    pub(super) negative: bool,
}

/// What an instruction makes of a number: the digits, and whether some were lost.
type Changed = (u128, bool);

/// Whether every nibble is a decimal digit.
fn are_digits(mut nibbles: u128) -> bool {
    while nibbles != 0 {
        if nibbles & 15 > 9 {
            return false;
        }
        nibbles >>= 4;
    }
    true
}

impl Digits {
    /// A register in packed decimal, if it is such.
    pub(super) fn packed(register: u128) -> Option<Self> {
        let sign = register & 15;
        let digits = register >> 4;
        (sign > 9 && are_digits(digits)).then_some(Self {
            digits,
            count: DIGITS,
            negative: matches!(sign, 0xb | 0xd),
        })
    }

    /// A register of 32 digits without a sign.
    fn unsigned(register: u128) -> Option<Self> {
        are_digits(register).then_some(Self {
            digits: register,
            count: DIGITS + 1,
            negative: false,
        })
    }

    /// LT, GT or EQ: the number compared with zero.
    pub(super) fn relation(self) -> u64 {
        match (self.digits, self.negative) {
            (0, _) => 2,
            (_, true) => 8,
            (_, false) => 4,
        }
    }

    /// The digits above the last `kept`.
    fn above(self, kept: u32) -> u128 {
        self.digits.checked_shr(4 * kept).unwrap_or(0)
    }

    /// The last `kept` digits, of which there are fewer than 33.
    fn last(self, kept: u32) -> Changed {
        let above = self.above(kept);
        (self.digits ^ above.checked_shl(4 * kept).unwrap_or(0), above != 0)
    }

    /// Shifted by the digits that byte 7 of VRA says, to the left if that is positive.
    fn shifted(self, a: u128) -> Changed {
        let by = shift(a).unsigned_abs().min(self.count);
        if shift(a) <= 0 {
            return (self.above(by), false);
        }
        let (kept, lost) = self.last(self.count - by);
        (kept.checked_shl(4 * by).unwrap_or(0), lost)
    }

    /// The same, rounded where the last digit that goes is 5 or more.
    fn shifted_and_rounded(self, a: u128) -> Changed {
        let by = shift(a).min(0).unsigned_abs().min(self.count);
        let (digits, lost) = self.shifted(a);
        let rounds_up = by > 0 && self.above(by - 1) & 15 >= 5;
        (if rounds_up { incremented(digits) } else { digits }, lost)
    }

    /// The last digits, as many as halfword 3 of VRA says.
    fn truncated(self, a: u128) -> Changed {
        self.last(u32::from((a >> 64) as u16).min(self.count))
    }
}

fn shift(a: u128) -> i32 {
    i32::from((a >> 64) as i8)
}

/// One more; the first digit is no 9.
fn incremented(digits: u128) -> u128 {
    let nines = (0..DIGITS).take_while(|n| digits >> (4 * n) & 15 == 9).count();
    let place = 4 * nines;
    ((digits >> place) + 1) << place
}

/// The code of the sign: PS chooses that of a positive one.
pub(super) fn sign_code(negative: bool, w: Word) -> u128 {
    match (negative, w.ps()) {
        (true, _) => 0xd,
        (false, true) => 0xf,
        (false, false) => 0xc,
    }
}

/// Writes the result and CR field 6; without a result the operand was invalid.
pub(super) fn finish(v: &mut Vsu, regs: &mut Regs, w: Word, result: Option<(u128, u64)>) -> Outcome {
    let (result, cr6) = result.unwrap_or((UNDEFINED, INVALID));
    regs[CR + 6] = cr6;
    v.set_vr(w.vrt(), result)
}

/// An instruction on the packed number in VRB, told how by VRA.
fn packed(v: &mut Vsu, regs: &mut Regs, w: Word, f: impl Fn(Digits, u128) -> Changed) -> Outcome {
    let result = Digits::packed(v.vr(w.vrb())).map(|number| {
        let (digits, lost) = f(number, v.vr(w.vra()));
        let cr6 = number.relation() | u64::from(lost);
        (digits << 4 | sign_code(number.negative, w), cr6)
    });
    finish(v, regs, w, result)
}

/// The same without a sign.
fn unsigned(v: &mut Vsu, regs: &mut Regs, w: Word, f: impl Fn(Digits, u128) -> Changed) -> Outcome {
    let result = Digits::unsigned(v.vr(w.vrb())).map(|number| {
        let (digits, lost) = f(number, v.vr(w.vra()));
        (digits, number.relation() | u64::from(lost))
    });
    finish(v, regs, w, result)
}

/// `bcdcpsgn.`: the digits of VRA with the sign code of VRB.
fn copy_sign(v: &mut Vsu, regs: &mut Regs, w: Word) -> Outcome {
    let operands = [w.vra(), w.vrb()].map(|n| Digits::packed(v.vr(n)));
    let result = match operands {
        [Some(a), Some(b)] => {
            let signed = Digits {
                negative: b.negative,
                ..a
            };
            Some((a.digits << 4 | v.vr(w.vrb()) & 15, signed.relation()))
        }
        _ => None,
    };
    finish(v, regs, w, result)
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Bcds => |v, r, w| packed(v, r, w, Digits::shifted),
        Opcode::Bcdsr => |v, r, w| packed(v, r, w, Digits::shifted_and_rounded),
        Opcode::Bcdus => |v, r, w| unsigned(v, r, w, Digits::shifted),
        Opcode::Bcdtrunc => |v, r, w| packed(v, r, w, Digits::truncated),
        Opcode::Bcdutrunc => |v, r, w| unsigned(v, r, w, Digits::truncated),
        Opcode::Bcdsetsgn => |v, r, w| packed(v, r, w, |number, _| (number.digits, false)),
        Opcode::Bcdcpsgn => copy_sign,
        _ => return None,
    };
    Some(handler)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(digits: u128) -> Digits {
        Digits {
            digits,
            count: DIGITS,
            negative: false,
        }
    }

    /// VRA with a shift, or a length.
    fn told(how: i16) -> u128 {
        u128::from(how as u16) << 64
    }

    #[test]
    fn a_shift_to_the_left_loses_the_first_digits() {
        assert_eq!(number(0x123).shifted(told(2)), (0x12300, false));
        assert_eq!(number(1 << 120).shifted(told(1)), (0, true));
        assert_eq!(number(0x123).shifted(told(100)), (0, true));
        assert_eq!(number(0x123).shifted(told(-2)), (1, false));
        assert_eq!(number(0x123).shifted(told(-100)), (0, false));
    }

    #[test]
    fn a_shift_to_the_right_rounds_by_the_last_digit_that_goes() {
        assert_eq!(number(0x9995).shifted_and_rounded(told(-1)), (0x1000, false));
        assert_eq!(number(0x9949).shifted_and_rounded(told(-2)), (0x99, false));
        assert_eq!(number(5 << 120).shifted_and_rounded(told(-31)), (1, false));
        assert_eq!(number(5 << 120).shifted_and_rounded(told(-128)), (1, false));
        assert_eq!(number(0x19).shifted_and_rounded(told(0)), (0x19, false));
    }

    #[test]
    fn a_truncation_keeps_the_last_digits() {
        assert_eq!(number(0x1234).truncated(told(2)), (0x34, true));
        assert_eq!(number(0x1234).truncated(told(0)), (0, true));
        assert_eq!(number(0x1234).truncated(told(-1)), (0x1234, false));
    }
}
