//! Conversions between floating-point values and integers, and rounding to an integral value.

use super::fpscr::{FI, FR, Found, Fpscr, Rounding, VXCVI, VXSNAN, XX};
use super::round::{Computed, Exact, round, rounds_up};
use super::value::{Precision, SIGN, finite, is_infinite, is_nan, is_negative, is_signaling, is_zero, pack, quieted};

/// An integer format to convert to.
#[derive(Clone, Copy)]
pub(super) struct Integer {
    min: i128,
    max: i128,
}

pub(super) const I32: Integer = Integer {
    min: i32::MIN as i128,
    max: i32::MAX as i128,
};
pub(super) const U32: Integer = Integer {
    min: 0,
    max: u32::MAX as i128,
};
pub(super) const I64: Integer = Integer {
    min: i64::MIN as i128,
    max: i64::MAX as i128,
};
pub(super) const U64: Integer = Integer {
    min: 0,
    max: u64::MAX as i128,
};

/// The magnitude of a finite value rounded to an integer, if it is below 2^65, and what the
/// rounding found.
fn integral(bits: u64, mode: Rounding) -> Option<(u128, Found)> {
    if is_zero(bits) {
        return Some((0, 0));
    }
    let number = finite(bits);
    if number.exponent > 64 {
        return None;
    }
    let fraction_bits = 52 - number.exponent;
    if fraction_bits <= 0 {
        return Some((u128::from(number.significand) << -fraction_bits, 0));
    }
    // Below a quarter, every value rounds as a quarter does.
    let fraction_bits = fraction_bits.min(60) as u32;
    let significand = u128::from(number.significand);
    let whole = significand >> fraction_bits;
    let below = significand & ((1 << fraction_bits) - 1);
    if below == 0 {
        return Some((whole, 0));
    }
    let half = 1 << (fraction_bits - 1);
    if rounds_up(mode, is_negative(bits), whole & 1 != 0, below, half) {
        Some((whole + 1, XX | FI | FR))
    } else {
        Some((whole, XX | FI))
    }
}

/// The value as an integer in two's complement; what does not fit becomes the nearest that does,
/// and a NaN the least.
pub(super) fn to_integer(mode: Rounding, to: Integer, bits: u64) -> Computed {
    if is_nan(bits) {
        return to.of_nan(is_signaling(bits));
    }
    let rounded = if is_infinite(bits) { None } else { integral(bits, mode) };
    to.fit(is_negative(bits), rounded)
}

impl Integer {
    /// An integer that did not come out: the nearest that does, or for a NaN the least.
    fn refused(integer: i128, found: Found) -> Computed {
        Computed {
            bits: integer as u64,
            found: found | VXCVI,
        }
    }

    /// The result for a NaN.
    pub(super) fn of_nan(self, is_signaling: bool) -> Computed {
        Self::refused(self.min, if is_signaling { VXSNAN } else { 0 })
    }

    /// The result for a number of this sign and magnitude, with what rounding it to an integer found; `None` is one that no
    /// format holds.
    pub(super) fn fit(self, negative: bool, rounded: Option<(u128, Found)>) -> Computed {
        let limit = if negative { self.min } else { self.max };
        let Some((magnitude, found)) = rounded else {
            return Self::refused(limit, 0);
        };
        let integer = if negative {
            -(magnitude as i128)
        } else {
            magnitude as i128
        };
        if (self.min..=self.max).contains(&integer) {
            Computed {
                bits: integer as u64,
                found,
            }
        } else {
            Self::refused(limit, 0)
        }
    }
}

/// The integer as a floating-point value.
pub(super) fn from_integer(fpscr: Fpscr, precision: Precision, integer: i128) -> Computed {
    if integer == 0 {
        return Computed::exact(0);
    }
    round(
        fpscr,
        precision,
        &Exact::new(integer < 0, integer.unsigned_abs(), 0, false),
    )
}

/// The value rounded to an integral value of the same format.
pub(super) fn to_integral(mode: Rounding, bits: u64) -> Computed {
    if is_nan(bits) {
        let found = if is_signaling(bits) { VXSNAN } else { 0 };
        return Computed {
            bits: quieted(bits, Precision::Double),
            found,
        };
    }
    if is_infinite(bits) {
        return Computed::exact(bits);
    }
    match integral(bits, mode) {
        Some((magnitude, found)) if magnitude <= u64::MAX.into() => Computed {
            bits: pack(is_negative(bits), magnitude as u64, 0),
            found,
        },
        _ => Computed::exact(bits),
    }
}

/// As [`to_integral`], for the instructions that do not report inexactness.
pub(super) fn to_integral_quietly(mode: Rounding, bits: u64) -> Computed {
    let result = to_integral(mode, bits);
    Computed {
        found: result.found & !(XX | FI | FR),
        ..result
    }
}

/// The magnitude.
pub(super) fn absolute(bits: u64) -> u64 {
    bits & !SIGN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_as_each_mode_says() {
        let half = |x: f64, mode| f64::from_bits(to_integral(mode, x.to_bits()).bits);
        assert_eq!(half(2.5, Rounding::Nearest), 2.0);
        assert_eq!(half(2.5, Rounding::NearestAway), 3.0);
        assert_eq!(half(-2.5, Rounding::Down), -3.0);
        assert_eq!(half(-2.5, Rounding::Up), -2.0);
        assert_eq!(to_integral(Rounding::Up, (-0.3f64).to_bits()).bits, SIGN);
    }

    #[test]
    fn what_does_not_fit_saturates_and_is_invalid() {
        let convert = |x: f64, to| to_integer(Rounding::Zero, to, x.to_bits());
        assert_eq!(
            convert(3e9, I32),
            Computed {
                bits: 0x7fff_ffff,
                found: VXCVI
            }
        );
        assert_eq!(
            convert(-0.9, U64),
            Computed {
                bits: 0,
                found: XX | FI
            }
        );
        assert_eq!(convert(-1.0, U64), Computed { bits: 0, found: VXCVI });
        assert_eq!(
            convert(f64::NAN, I64),
            Computed {
                bits: 1 << 63,
                found: VXCVI
            }
        );
        assert_eq!(convert(1.8e19, U64).found, 0);
        assert_eq!(convert(1.9e19, U64).bits, u64::MAX);
    }
}
