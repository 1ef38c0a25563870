//! Values of quadruple precision: classified, taken apart, and as results that an instruction delivers. Power ISA v3.0B, Book I,
//! 7.3.2.
//!
//! A vector register holds the 128 bits: the sign, 15 bits of exponent, 112 of the fraction.

use super::data_class::{QUAD, fprf_of_quad};
use super::fpscr::{Found, VXSNAN};
use super::{Outcome, Vsu};

pub(super) const SIGN: u128 = 1 << 127;
pub(super) const INFINITY: u128 = 0x7fff << FRACTION_BITS;
pub(super) const LARGEST: u128 = INFINITY - 1;
pub(super) const MIN_NORMAL: u128 = 1 << FRACTION_BITS;
/// The NaN that an invalid operation generates.
const DEFAULT_NAN: u128 = INFINITY | QUIET;
const QUIET: u128 = 1 << (FRACTION_BITS - 1);
const FRACTION: u128 = MIN_NORMAL - 1;
pub(super) const FRACTION_BITS: u32 = 112;
const BIAS: i32 = 16383;
/// What an enabled overflow takes from the exponent and an enabled underflow adds to it: three quarters of the exponents.
pub(super) const ADJUSTMENT: i32 = 24576;

pub(super) fn is_nan(bits: u128) -> bool {
    QUAD.is_nan(bits)
}

pub(super) fn is_signaling(bits: u128) -> bool {
    is_nan(bits) && bits & QUIET == 0
}

pub(super) fn is_infinite(bits: u128) -> bool {
    bits & !SIGN == INFINITY
}

pub(super) fn is_zero(bits: u128) -> bool {
    bits & !SIGN == 0
}

pub(super) fn is_negative(bits: u128) -> bool {
    bits & SIGN != 0
}

/// The magnitude.
pub(super) fn absolute(bits: u128) -> u128 {
    bits & !SIGN
}

/// Negated, unless it is a NaN.
pub(super) fn negated_number(bits: u128) -> u128 {
    if is_nan(bits) { bits } else { bits ^ SIGN }
}

/// The NaN as a quiet one.
pub(super) fn quieted(bits: u128) -> u128 {
    bits | QUIET
}

/// A finite value other than zero: `significand * 2^(exponent - 112)`, the significand's highest bit being bit 112.
#[derive(Clone, Copy)]
pub(super) struct Finite {
    pub(super) exponent: i32,
    pub(super) significand: u128,
}

/// Takes apart the magnitude of a finite value other than zero.
pub(super) fn finite(bits: u128) -> Finite {
    let biased = QUAD.exponent(bits) as i32;
    let fraction = bits & FRACTION;
    if biased == 0 {
        let shift = fraction.leading_zeros() - (127 - FRACTION_BITS);
        return Finite {
            exponent: 1 - BIAS - shift as i32,
            significand: fraction << shift,
        };
    }
    Finite {
        exponent: biased - BIAS,
        significand: fraction | MIN_NORMAL,
    }
}

/// The normal number of this sign, exponent and significand; a significand of 2^113 counts as 2^112 with the next exponent.
pub(super) fn pack(negative: bool, exponent: i32, significand: u128) -> u128 {
    let magnitude = (((exponent + BIAS) as u128) << FRACTION_BITS) + (significand - MIN_NORMAL);
    magnitude | if negative { SIGN } else { 0 }
}

/// The integer as a value; it has 113 bits or fewer.
pub(super) fn from_integer(negative: bool, magnitude: u128) -> u128 {
    if magnitude == 0 {
        return if negative { SIGN } else { 0 };
    }
    let top = 127 - magnitude.leading_zeros();
    pack(negative, top as i32, magnitude << (FRACTION_BITS - top))
}

/// What an operation gives: the value, and the exceptions it found together with FR and FI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Computed {
    pub(super) bits: u128,
    pub(super) found: Found,
}

impl Computed {
    /// A value that needed no rounding and met no exception.
    pub(super) fn exact(bits: u128) -> Self {
        Self { bits, found: 0 }
    }

    /// An operation that has no value.
    pub(super) fn invalid(found: Found) -> Self {
        Self {
            bits: DEFAULT_NAN,
            found,
        }
    }
}

/// The result when an operand is a NaN: the first one, quiet.
pub(super) fn propagated(operands: &[u128]) -> Option<Computed> {
    let first = operands.iter().copied().find(|&x| is_nan(x))?;
    let signaling = operands.iter().any(|&x| is_signaling(x));
    Some(Computed {
        bits: quieted(first),
        found: if signaling { VXSNAN } else { 0 },
    })
}

/// Ends an operation: records what it found and, unless an enabled exception forbids it, writes the result and its class.
pub(super) fn deliver(v: &mut Vsu, target: usize, result: Computed) -> Outcome {
    let suppressed = v.fpscr.suppresses(result.found);
    if !suppressed {
        v.fpscr.set_fprf(fprf_of_quad(result.bits));
    }
    v.fpscr.set_rounded(if suppressed { 0 } else { result.found });
    let trapped = v.fpscr.raise(result.found);
    if !suppressed {
        v.set_vr(target, result.bits);
    }
    Outcome::trapped(trapped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pack_undoes_finite() {
        for bits in [
            MIN_NORMAL,
            LARGEST,
            0x3fff << FRACTION_BITS | 5,
            SIGN | 0x4001 << FRACTION_BITS,
        ] {
            let taken = finite(bits);
            assert_eq!(
                pack(is_negative(bits), taken.exponent, taken.significand),
                bits,
                "{bits:#x}"
            );
        }
        assert_eq!(finite(1).exponent, -16494);
        assert_eq!(from_integer(true, 3), SIGN | 0x4_0008 << 108);
    }
}
