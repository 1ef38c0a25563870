//! Floating-point arithmetic in software, in every mode and for every operand: the special cases
//! of the manual, and the finite ones in quadruple precision rounded to odd, which is exact enough
//! to be rounded once more to anything.

use rustc_apfloat::{Float, Round, Status, StatusAnd, ieee::Quad};

use super::fpscr::{Found, Fpscr, Rounding, VXIDI, VXIMZ, VXISI, VXSNAN, VXSQRT, VXZDZ, ZX};
use super::round::{Computed, Exact, round};
use super::value::{
    DEFAULT_NAN, INFINITY, Precision, SIGN, finite, is_infinite, is_nan, is_negative, is_signaling, is_zero, quieted,
};

/// An operation that has no value: the default NaN.
fn invalid(found: Found) -> Computed {
    Computed {
        bits: DEFAULT_NAN,
        found,
    }
}

/// The result when an operand is a NaN: the first one, quiet.
pub(super) fn propagated(precision: Precision, operands: &[u64]) -> Option<Computed> {
    let first = operands.iter().copied().find(|&x| is_nan(x))?;
    let found = if operands.iter().any(|&x| is_signaling(x)) {
        VXSNAN
    } else {
        0
    };
    Some(Computed {
        bits: quieted(first, precision),
        found,
    })
}

/// A finite double as a quadruple, exactly.
pub(super) fn widened(bits: u64) -> Quad {
    let sign = u128::from(bits & SIGN) << 64;
    if is_zero(bits) {
        return Quad::from_bits(sign);
    }
    let number = finite(bits);
    let exponent = ((number.exponent + 16383) as u128) << 112;
    let fraction = u128::from(number.significand & !(1 << 52)) << 60;
    Quad::from_bits(sign | exponent | fraction)
}

/// Rounds a quadruple that was itself rounded toward zero; bit 0 stands for what that cut off.
/// `zero_sign` is the sign of a result of zero.
fn narrowed(fpscr: Fpscr, precision: Precision, result: StatusAnd<Quad>, zero: u64) -> Computed {
    if result.value.is_zero() {
        return Computed::exact(zero);
    }
    let rest = u128::from(result.status.contains(Status::INEXACT));
    let bits = result.value.to_bits() | rest;
    let exact = Exact {
        negative: bits >> 127 != 0,
        exponent: (bits >> 112 & 0x7fff) as i32 - 16383,
        significand: bits & ((1 << 112) - 1) | 1 << 112,
    };
    round(fpscr, precision, &exact)
}

/// The zero that a sum of two values of these signs gives when it is exactly zero.
fn zero_of_sum(fpscr: Fpscr, a: u64, b: u64) -> u64 {
    if is_negative(a) == is_negative(b) {
        a & SIGN
    } else if fpscr.rounding() == Rounding::Down {
        SIGN
    } else {
        0
    }
}

/// `a + b`.
#[cold]
pub(super) fn add(fpscr: Fpscr, precision: Precision, a: u64, b: u64) -> Computed {
    if let Some(nan) = propagated(precision, &[a, b]) {
        return nan;
    }
    match (is_infinite(a), is_infinite(b)) {
        (true, true) if a != b => invalid(VXISI),
        (true, _) => Computed::exact(a),
        (_, true) => Computed::exact(b),
        _ => {
            let sum = widened(a).add_r(widened(b), Round::TowardZero);
            narrowed(fpscr, precision, sum, zero_of_sum(fpscr, a, b))
        }
    }
}

/// `a * b`.
#[cold]
pub(super) fn multiply(fpscr: Fpscr, precision: Precision, a: u64, b: u64) -> Computed {
    if let Some(nan) = propagated(precision, &[a, b]) {
        return nan;
    }
    let sign = (a ^ b) & SIGN;
    if is_infinite(a) || is_infinite(b) {
        let undefined = is_zero(a) || is_zero(b);
        return if undefined {
            invalid(VXIMZ)
        } else {
            Computed::exact(sign | INFINITY)
        };
    }
    let product = widened(a).mul_r(widened(b), Round::TowardZero);
    narrowed(fpscr, precision, product, sign)
}

/// `a / b`.
#[cold]
pub(super) fn divide(fpscr: Fpscr, precision: Precision, a: u64, b: u64) -> Computed {
    if let Some(nan) = propagated(precision, &[a, b]) {
        return nan;
    }
    let sign = (a ^ b) & SIGN;
    match (is_infinite(a), is_infinite(b)) {
        (true, true) => invalid(VXIDI),
        (true, false) => Computed::exact(sign | INFINITY),
        (false, true) => Computed::exact(sign),
        _ if is_zero(b) && is_zero(a) => invalid(VXZDZ),
        _ if is_zero(b) => Computed {
            bits: sign | INFINITY,
            found: ZX,
        },
        _ => {
            let quotient = widened(a).div_r(widened(b), Round::TowardZero);
            narrowed(fpscr, precision, quotient, sign)
        }
    }
}

/// `a * c + b`, rounded once.
#[cold]
pub(super) fn multiply_add(fpscr: Fpscr, precision: Precision, [a, c, b]: [u64; 3]) -> Computed {
    let undefined = is_infinite(a) && is_zero(c) || is_zero(a) && is_infinite(c);
    let vximz = if undefined { VXIMZ } else { 0 };
    if let Some(nan) = propagated(precision, &[a, b, c]) {
        return Computed {
            found: nan.found | vximz,
            ..nan
        };
    }
    if undefined {
        return invalid(VXIMZ);
    }
    let product_sign = (a ^ c) & SIGN;
    if is_infinite(a) || is_infinite(c) {
        let opposed = is_infinite(b) && b & SIGN != product_sign;
        return if opposed {
            invalid(VXISI)
        } else {
            Computed::exact(product_sign | INFINITY)
        };
    }
    if is_infinite(b) {
        return Computed::exact(b);
    }
    let sum = widened(a).mul_add_r(widened(c), widened(b), Round::TowardZero);
    narrowed(fpscr, precision, sum, zero_of_sum(fpscr, product_sign, b))
}

/// The square root.
pub(super) fn square_root(fpscr: Fpscr, precision: Precision, a: u64) -> Computed {
    if let Some(nan) = propagated(precision, &[a]) {
        return nan;
    }
    if is_zero(a) {
        return Computed::exact(a);
    }
    if is_negative(a) {
        return invalid(VXSQRT);
    }
    if is_infinite(a) {
        return Computed::exact(a);
    }
    let number = finite(a);
    // An even scale halves; 62 or 63 more bits make a root of 57 or 58.
    let scale = number.exponent - 52 - 62;
    let odd = scale & 1;
    let radicand = u128::from(number.significand) << (62 + odd);
    let root = radicand.isqrt();
    let exact = Exact::new(false, root, (scale - odd) / 2, root * root != radicand);
    round(fpscr, precision, &exact)
}

/// Rounds a double to single, as `frsp`.
pub(super) fn to_single(fpscr: Fpscr, a: u64) -> Computed {
    if let Some(nan) = propagated(Precision::Single, &[a]) {
        return nan;
    }
    if is_infinite(a) || is_zero(a) {
        return Computed::exact(a);
    }
    let number = finite(a);
    let exact = Exact::new(is_negative(a), number.significand.into(), number.exponent - 52, false);
    round(fpscr, Precision::Single, &exact)
}

/// The value unchanged, unless it is a signaling NaN.
pub(super) fn quieted_operand(a: u64) -> Computed {
    propagated(Precision::Double, &[a]).unwrap_or(Computed::exact(a))
}
