//! Floating-point values as registers hold them: always in double format, even when the value is
//! a single. Takes bits apart, classifies them and converts between the two formats.

use super::fpscr::Found;

pub(super) const SIGN: u64 = 1 << 63;
pub(super) const INFINITY: u64 = 0x7ff << 52;
/// The NaN that an invalid operation generates.
pub(super) const DEFAULT_NAN: u64 = 0x7ff8 << 48;
const QUIET: u64 = 1 << 51;
const FRACTION: u64 = (1 << 52) - 1;
/// Fraction bits of a double that a single does not have.
const BELOW_SINGLE: u32 = 29;
/// Biased double exponent of the smallest normal single.
const SINGLE_MIN_NORMAL: u64 = 897;

/// The format that a result is rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    Single,
    Double,
}

pub(super) fn is_nan(bits: u64) -> bool {
    bits & !SIGN > INFINITY
}

pub(super) fn is_signaling(bits: u64) -> bool {
    is_nan(bits) && bits & QUIET == 0
}

pub(super) fn is_infinite(bits: u64) -> bool {
    bits & !SIGN == INFINITY
}

pub(super) fn is_zero(bits: u64) -> bool {
    bits & !SIGN == 0
}

pub(super) fn is_negative(bits: u64) -> bool {
    bits & SIGN != 0
}

/// The NaN as a quiet one, its payload cut to what the precision holds.
pub(super) fn quieted(bits: u64, precision: Precision) -> u64 {
    let quiet = bits | QUIET;
    match precision {
        Precision::Single => quiet >> BELOW_SINGLE << BELOW_SINGLE,
        Precision::Double => quiet,
    }
}

/// Negated, unless it is a NaN: what the negative multiply-adds do to their result.
pub(super) fn negated_number(bits: u64) -> u64 {
    if is_nan(bits) { bits } else { bits ^ SIGN }
}

/// A finite value other than zero: `significand * 2^(exponent - 52)`, the significand's highest
/// bit being bit 52.
pub(super) struct Finite {
    pub(super) exponent: i32,
    pub(super) significand: u64,
}

/// Takes apart the magnitude of a finite value other than zero.
pub(super) fn finite(bits: u64) -> Finite {
    let exponent = (bits >> 52 & 0x7ff) as i32;
    let fraction = bits & FRACTION;
    if exponent == 0 {
        let shift = fraction.leading_zeros() - 11;
        return Finite {
            exponent: -1022 - shift as i32,
            significand: fraction << shift,
        };
    }
    Finite {
        exponent: exponent - 1023,
        significand: fraction | 1 << 52,
    }
}

/// The double of value `significand * 2^scale`, which must be representable.
pub(super) fn pack(negative: bool, significand: u64, scale: i32) -> u64 {
    let sign = if negative { SIGN } else { 0 };
    if significand == 0 {
        return sign;
    }
    let top = 63 - significand.leading_zeros() as i32;
    let exponent = scale + top;
    if exponent < -1022 {
        let place = scale + 1074;
        return sign
            | if place < 0 {
                significand >> -place
            } else {
                significand << place
            };
    }
    let fraction = if top <= 52 {
        significand << (52 - top)
    } else {
        significand >> (top - 52)
    } & FRACTION;
    sign | ((exponent + 1023) as u64) << 52 | fraction
}

/// The bits of FPRF that describe a result of this precision. Power ISA v2.07B, Book I, 4.2.2.
pub(super) fn fprf(bits: u64, precision: Precision) -> Found {
    let min_normal = match precision {
        Precision::Single => SINGLE_MIN_NORMAL,
        Precision::Double => 1,
    };
    fprf_from(bits, min_normal)
}

/// The same for a format whose smallest normal number has this biased exponent as a double.
pub(super) fn fprf_from(bits: u64, min_normal: u64) -> Found {
    let exponent = bits >> 52 & 0x7ff;
    if (min_normal..0x7ff).contains(&exponent) {
        return if is_negative(bits) {
            0b0_1000 << 12
        } else {
            0b0_0100 << 12
        };
    }
    let class = match (bits & !SIGN, is_negative(bits)) {
        (magnitude, _) if magnitude > INFINITY => 0b1_0001,
        (INFINITY, true) => 0b0_1001,
        (INFINITY, false) => 0b0_0101,
        (0, true) => 0b1_0010,
        (0, false) => 0b0_0010,
        (_, true) => 0b1_1000,
        (_, false) => 0b1_0100,
    };
    class << 12
}

/// A single as `lfs` loads it: the same value, or the same NaN, in double format.
/// Power ISA v2.07B, Book I, 4.6.2.
pub fn single_to_double(word: u32) -> u64 {
    let sign = u64::from(word >> 31) << 63;
    let fraction = u64::from(word & 0x7f_ffff);
    match word >> 23 & 0xff {
        0 if fraction == 0 => sign,
        0 => pack(sign != 0, fraction, -149),
        0xff => sign | INFINITY | fraction << BELOW_SINGLE,
        exponent => sign | (u64::from(exponent) + 896) << 52 | fraction << BELOW_SINGLE,
    }
}

/// A double as `stfs` stores it: not rounded. A value that no single has becomes a denormal
/// shifted right or loses the bits that do not fit. Power ISA v2.07B, Book I, 4.6.3.
pub fn double_to_single(double: u64) -> u32 {
    let sign = (double >> 32) as u32 & 0x8000_0000;
    let exponent = double >> 52 & 0x7ff;
    if exponent >= SINGLE_MIN_NORMAL || is_zero(double) {
        return (double >> 32) as u32 & 0xc000_0000 | (double >> BELOW_SINGLE) as u32 & 0x3fff_ffff;
    }
    let shift = SINGLE_MIN_NORMAL - exponent;
    let significand = (double & FRACTION | 1 << 52) >> BELOW_SINGLE;
    sign | significand.checked_shr(shift as u32).unwrap_or(0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_single_survives_the_way_to_double_and_back() {
        for word in (0..=u32::MAX)
            .step_by(65_521)
            .chain([0, 1, 0x7f_ffff, 0x80_0000, 0x8000_0001])
        {
            let double = single_to_double(word);
            assert_eq!(double_to_single(double), word, "{word:#x}");
            let value = f32::from_bits(word);
            if !value.is_nan() {
                assert_eq!(f64::from_bits(double), f64::from(value));
            }
        }
    }

    #[test]
    fn a_signaling_nan_stays_signaling_through_memory() {
        assert!(is_signaling(single_to_double(0x7f80_0001)));
        assert_eq!(double_to_single(single_to_double(0xffbf_ffff)), 0xffbf_ffff);
    }

    #[test]
    fn pack_undoes_finite() {
        for bits in [1, FRACTION, 1 << 52, 0x3ff0_0000_0000_0001, INFINITY - 1] {
            let taken = finite(bits);
            assert_eq!(pack(false, taken.significand, taken.exponent - 52), bits, "{bits:#x}");
        }
    }
}
