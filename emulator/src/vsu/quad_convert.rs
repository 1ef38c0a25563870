//! Conversions of quadruple precision to and from double and integers, and its rounding to integral values and to the precision of
//! the 80-bit format. Power ISA v3.0B, Book I, 7.6.3.

use power::insn::Word;

use super::convert::Integer;
use super::fpscr::{FI, FR, Found, Fpscr, OX, Rounding, UX, VXSNAN, XX};
use super::quad::{
    ADJUSTMENT, Computed, FRACTION_BITS, INFINITY, MIN_NORMAL, SIGN, absolute, finite, from_integer, is_infinite,
    is_nan, is_negative, is_signaling, is_zero, pack, propagated, quieted,
};
use super::quad_arith::overflowed;
use super::round::{self, Exact, round_to, rounds_up};
use super::soft::widened;
use super::value::{self, Precision};

/// Fraction bits that a double does not have.
const BELOW_DOUBLE: u32 = 60;
/// Fraction bits that the 80-bit format does not have.
const BELOW_EXTENDED: u32 = 49;

/// A double as a quadruple: the same value, or the same NaN, quiet.
pub(super) fn from_double(double: u64) -> Computed {
    let sign = u128::from(double & value::SIGN) << 64;
    if value::is_nan(double) {
        let payload = u128::from(double) << BELOW_DOUBLE & (MIN_NORMAL - 1);
        let found = if value::is_signaling(double) { VXSNAN } else { 0 };
        return Computed {
            bits: quieted(sign | INFINITY | payload),
            found,
        };
    }
    if value::is_infinite(double) {
        return Computed::exact(sign | INFINITY);
    }
    Computed::exact(rustc_apfloat::Float::to_bits(widened(double)))
}

/// `xscvqpdp`: the value rounded to double.
pub(super) fn to_double(fpscr: Fpscr, mode: Rounding, b: u128) -> round::Computed {
    let sign = (b >> 64) as u64 & value::SIGN;
    if let Some(nan) = propagated(&[b]) {
        let payload = (nan.bits >> BELOW_DOUBLE) as u64 & !(0xfff << 52);
        return round::Computed {
            bits: sign | value::INFINITY | payload,
            found: nan.found,
        };
    }
    if is_infinite(b) {
        return round::Computed::exact(sign | value::INFINITY);
    }
    if is_zero(b) {
        return round::Computed::exact(sign);
    }
    let number = finite(b);
    let exact = Exact {
        negative: is_negative(b),
        exponent: number.exponent,
        significand: number.significand,
    };
    round_to(fpscr, mode, &Precision::Double.format(), &exact)
}

/// The magnitude of a finite value rounded to an integer, if it is below 2^113, and what the rounding found.
fn integral(b: u128, mode: Rounding) -> Option<(u128, Found)> {
    if is_zero(b) {
        return Some((0, 0));
    }
    let number = finite(b);
    let fraction_bits = FRACTION_BITS as i32 - number.exponent;
    if fraction_bits < 0 {
        return None;
    }
    if fraction_bits == 0 {
        return Some((number.significand, 0));
    }
    // Below a quarter, every value rounds as a quarter does.
    let fraction_bits = fraction_bits.min(115) as u32;
    let whole = number.significand >> fraction_bits;
    let below = number.significand & ((1 << fraction_bits) - 1);
    if below == 0 {
        return Some((whole, 0));
    }
    if rounds_up(mode, is_negative(b), whole & 1 != 0, below, 1 << (fraction_bits - 1)) {
        Some((whole + 1, XX | FI | FR))
    } else {
        Some((whole, XX | FI))
    }
}

/// The value as an integer, rounded toward zero.
pub(super) fn to_integer(to: Integer, b: u128) -> round::Computed {
    if is_nan(b) {
        return to.of_nan(is_signaling(b));
    }
    let rounded = if is_infinite(b) {
        None
    } else {
        integral(b, Rounding::Zero)
    };
    to.fit(is_negative(b), rounded)
}

/// The mode that R and RMC name. The reserved ones round to nearest.
pub(super) fn mode(fpscr: Fpscr, w: Word) -> Rounding {
    match (w.r(), w.rmc()) {
        (false, 0) => Rounding::NearestAway,
        (false, 3) => fpscr.rounding(),
        (true, 1) => Rounding::Zero,
        (true, 2) => Rounding::Up,
        (true, 3) => Rounding::Down,
        _ => Rounding::Nearest,
    }
}

/// `xsrqpi` and `xsrqpix`: the value rounded to an integral value.
pub(super) fn to_integral(mode: Rounding, reports: bool, b: u128) -> Computed {
    if let Some(nan) = propagated(&[b]) {
        return nan;
    }
    if is_infinite(b) {
        return Computed::exact(b);
    }
    match integral(b, mode) {
        Some((magnitude, found)) => Computed {
            bits: from_integer(is_negative(b), magnitude),
            found: if reports { found } else { 0 },
        },
        None => Computed::exact(b),
    }
}

/// `xsrqpxp`: the value rounded to the 64 bits of significand that the 80-bit format has; its exponents are the same.
pub(super) fn to_extended(fpscr: Fpscr, mode: Rounding, b: u128) -> Computed {
    if let Some(nan) = propagated(&[b]) {
        return nan;
    }
    if is_infinite(b) || is_zero(b) {
        return Computed::exact(b);
    }
    let sign = b & SIGN;
    let is_tiny = absolute(b) < MIN_NORMAL;
    let traps = is_tiny && fpscr.traps_underflow();
    let (magnitude, mut found) = if traps {
        let number = finite(b);
        (pack(false, number.exponent + ADJUSTMENT, number.significand), UX)
    } else {
        (absolute(b), 0)
    };
    let below = magnitude & ((1 << BELOW_EXTENDED) - 1);
    let mut kept = magnitude >> BELOW_EXTENDED;
    if below != 0 {
        found |= XX | FI | if is_tiny { UX } else { 0 };
    }
    if rounds_up(mode, is_negative(b), kept & 1 != 0, below, 1 << (BELOW_EXTENDED - 1)) {
        kept += 1;
        found |= FR;
    }
    // A carry goes to the exponent by itself.
    let bits = kept << BELOW_EXTENDED;
    if bits >= INFINITY {
        return if fpscr.traps_overflow() {
            Computed {
                bits: sign | (bits - ((ADJUSTMENT as u128) << FRACTION_BITS)),
                found: found | OX,
            }
        } else {
            overflowed(mode, is_negative(b))
        };
    }
    Computed {
        bits: sign | bits,
        found,
    }
}
