//! Arithmetic of quadruple precision, in every mode and for every operand, but for square roots. Power ISA v3.0B, Book I, 7.4 and
//! 7.6.3.
//!
//! Finite operands are added, multiplied and divided by the same library as in `soft.rs`. It tells whether a result is exact, and
//! each is computed twice: toward zero, which says what was cut off and whether it is tiny, and as it is wanted.
//! What has an exponent past the format's ends is computed from operands that are moved by the very adjustment that enabled exceptions
//! ask for.

use rustc_apfloat::{Float, Round, Status, StatusAnd, ieee::Quad};

use super::arith::Fused;
use super::fpscr::{FI, FR, Found, Fpscr, OX, Rounding, UX, VXIDI, VXIMZ, VXISI, VXZDZ, XX, ZX};
use super::quad::{
    ADJUSTMENT, Computed, INFINITY, LARGEST, MIN_NORMAL, SIGN, absolute, finite, is_infinite, is_negative, is_zero,
    negated_number, pack, propagated,
};
use super::round::overflows_to_infinity;

/// What is done to finite operands `[a, c, b]`.
#[derive(Clone, Copy)]
enum Operation {
    /// `a + b`
    Add,
    /// `a * c`
    Multiply,
    /// `a / b`
    Divide,
    /// `a * c + b`
    MultiplyAdd,
}

/// Exponent that operands keep when they are moved down: so far below one that counts that they are only a rest.
const FLOOR: i32 = -16000;

fn exponent(bits: u128) -> i32 {
    if is_zero(bits) { 0 } else { finite(bits).exponent }
}

/// The value with another exponent; zero stays.
fn with_exponent(bits: u128, exponent: i32) -> u128 {
    if is_zero(bits) {
        return bits;
    }
    pack(is_negative(bits), exponent.max(FLOOR), finite(bits).significand)
}

impl Operation {
    fn run(self, operands: [u128; 3], round: Round) -> StatusAnd<Quad> {
        let [a, c, b] = operands.map(Quad::from_bits);
        match self {
            Self::Add => a.add_r(b, round),
            Self::Multiply => a.mul_r(c, round),
            Self::Divide => a.div_r(b, round),
            Self::MultiplyAdd => a.mul_add_r(c, b, round),
        }
    }

    /// Operands whose result has an exponent that is greater by `by`.
    fn moved(self, [a, c, b]: [u128; 3], by: i32) -> [u128; 3] {
        match self {
            Self::Add => [
                with_exponent(a, exponent(a) + by),
                c,
                with_exponent(b, exponent(b) + by),
            ],
            // There is no product to be moved.
            Self::MultiplyAdd if is_zero(a) || is_zero(c) => [a, c, with_exponent(b, exponent(b) + by)],
            Self::Multiply | Self::MultiplyAdd => [
                with_exponent(a, 0),
                with_exponent(c, exponent(a) + exponent(c) + by),
                with_exponent(b, exponent(b) + by),
            ],
            Self::Divide => [with_exponent(a, exponent(a) - exponent(b) + by), c, with_exponent(b, 0)],
        }
    }

    /// The result in this mode.
    fn rounded(self, operands: [u128; 3], mode: Rounding) -> Rounded {
        let cut = self.run(operands, Round::TowardZero);
        let is_inexact = cut.status.contains(Status::INEXACT);
        let cut = cut.value.to_bits();
        let bits = match mode {
            Rounding::Zero => cut,
            Rounding::Odd => cut | u128::from(is_inexact),
            Rounding::Nearest => self.run(operands, Round::NearestTiesToEven).value.to_bits(),
            Rounding::NearestAway => self.run(operands, Round::NearestTiesToAway).value.to_bits(),
            Rounding::Up => self.run(operands, Round::TowardPositive).value.to_bits(),
            Rounding::Down => self.run(operands, Round::TowardNegative).value.to_bits(),
        };
        Rounded { cut, bits, is_inexact }
    }

    /// The result with all that its rounding finds.
    fn compute(self, fpscr: Fpscr, mode: Rounding, operands: [u128; 3]) -> Computed {
        let result = self.rounded(operands, mode);
        let is_tiny = absolute(result.cut) < MIN_NORMAL && (!is_zero(result.cut) || result.is_inexact);
        if is_tiny && fpscr.traps_underflow() {
            return self.rounded(self.moved(operands, ADJUSTMENT), mode).with(UX);
        }
        if absolute(result.cut) == LARGEST && result.is_inexact {
            let less = self.rounded(self.moved(operands, -ADJUSTMENT), mode);
            // As if there were no greatest exponent.
            if exponent(less.bits) + ADJUSTMENT > exponent(LARGEST) {
                return if fpscr.traps_overflow() {
                    less.with(OX)
                } else {
                    overflowed(mode, is_negative(less.bits))
                };
            }
        }
        result.with(if is_tiny && result.is_inexact { UX } else { 0 })
    }
}

/// A rounded result.
struct Rounded {
    /// Rounded toward zero.
    cut: u128,
    /// Rounded as it was asked for.
    bits: u128,
    is_inexact: bool,
}

impl Rounded {
    /// With its own exceptions, and these.
    fn with(&self, more: Found) -> Computed {
        let inexact = if self.is_inexact { XX | FI } else { 0 };
        let incremented = if absolute(self.bits) > absolute(self.cut) {
            FR
        } else {
            0
        };
        Computed {
            bits: self.bits,
            found: more | inexact | incremented,
        }
    }
}

/// The result of an overflow that is not enabled: infinity or the largest number.
pub(super) fn overflowed(mode: Rounding, negative: bool) -> Computed {
    let sign = if negative { SIGN } else { 0 };
    let found = OX | XX | FI;
    if overflows_to_infinity(mode, negative) {
        Computed {
            bits: sign | INFINITY,
            found: found | FR,
        }
    } else {
        Computed {
            bits: sign | LARGEST,
            found,
        }
    }
}

/// `a + b`.
pub(super) fn add(fpscr: Fpscr, mode: Rounding, a: u128, b: u128) -> Computed {
    if let Some(nan) = propagated(&[a, b]) {
        return nan;
    }
    match (is_infinite(a), is_infinite(b)) {
        (true, true) if a != b => Computed::invalid(VXISI),
        (true, _) => Computed::exact(a),
        (_, true) => Computed::exact(b),
        _ => Operation::Add.compute(fpscr, mode, [a, 0, b]),
    }
}

/// `a - b`.
pub(super) fn subtract(fpscr: Fpscr, mode: Rounding, a: u128, b: u128) -> Computed {
    add(fpscr, mode, a, negated_number(b))
}

/// `a * b`.
pub(super) fn multiply(fpscr: Fpscr, mode: Rounding, a: u128, b: u128) -> Computed {
    if let Some(nan) = propagated(&[a, b]) {
        return nan;
    }
    if is_infinite(a) || is_infinite(b) {
        let undefined = is_zero(a) || is_zero(b);
        return if undefined {
            Computed::invalid(VXIMZ)
        } else {
            Computed::exact((a ^ b) & SIGN | INFINITY)
        };
    }
    Operation::Multiply.compute(fpscr, mode, [a, b, 0])
}

/// `a / b`.
pub(super) fn divide(fpscr: Fpscr, mode: Rounding, a: u128, b: u128) -> Computed {
    if let Some(nan) = propagated(&[a, b]) {
        return nan;
    }
    let sign = (a ^ b) & SIGN;
    match (is_infinite(a), is_infinite(b)) {
        (true, true) => Computed::invalid(VXIDI),
        (true, false) => Computed::exact(sign | INFINITY),
        (false, true) => Computed::exact(sign),
        _ if is_zero(b) && is_zero(a) => Computed::invalid(VXZDZ),
        _ if is_zero(b) => Computed {
            bits: sign | INFINITY,
            found: ZX,
        },
        _ => Operation::Divide.compute(fpscr, mode, [a, 0, b]),
    }
}

/// A fused multiply-add of `[a, c, b]`, `b` being the addend. The sign of a NaN never changes.
pub(super) fn fused(kind: Fused, fpscr: Fpscr, mode: Rounding, [a, c, b]: [u128; 3]) -> Computed {
    let subtracts = matches!(kind, Fused::Subtract | Fused::NegativeSubtract);
    let addend = if subtracts { negated_number(b) } else { b };
    let result = multiply_add(fpscr, mode, [a, c, addend]);
    match kind {
        Fused::Add | Fused::Subtract => result,
        Fused::NegativeAdd | Fused::NegativeSubtract => Computed {
            bits: negated_number(result.bits),
            ..result
        },
    }
}

fn multiply_add(fpscr: Fpscr, mode: Rounding, [a, c, b]: [u128; 3]) -> Computed {
    let undefined = is_infinite(a) && is_zero(c) || is_zero(a) && is_infinite(c);
    let vximz = if undefined { VXIMZ } else { 0 };
    if let Some(nan) = propagated(&[a, b, c]) {
        return Computed {
            found: nan.found | vximz,
            ..nan
        };
    }
    if undefined {
        return Computed::invalid(VXIMZ);
    }
    let product_sign = (a ^ c) & SIGN;
    if is_infinite(a) || is_infinite(c) {
        let opposed = is_infinite(b) && b & SIGN != product_sign;
        return if opposed {
            Computed::invalid(VXISI)
        } else {
            Computed::exact(product_sign | INFINITY)
        };
    }
    if is_infinite(b) {
        return Computed::exact(b);
    }
    Operation::MultiplyAdd.compute(fpscr, mode, [a, c, b])
}
