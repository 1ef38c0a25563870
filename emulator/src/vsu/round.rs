//! Rounding an exact result to a format, with all that Power adds to IEEE 754: tininess before
//! rounding, FR and FI, and the adjusted exponents of enabled overflow and underflow.

use super::fpscr::{FI, FR, Found, Fpscr, OX, Rounding, UX, XX};
use super::value::{INFINITY, Precision, SIGN, pack};

/// What an operation gives: the value in double format, and the exceptions it found together
/// with FR and FI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Computed {
    pub(super) bits: u64,
    pub(super) found: Found,
}

impl Computed {
    /// A value that needed no rounding and met no exception.
    pub(super) fn exact(bits: u64) -> Self {
        Self { bits, found: 0 }
    }
}

/// A result before rounding, other than zero: `significand * 2^(exponent - 112)`, the highest bit
/// of the significand being bit 112. Bit 0 also stands for everything below it.
pub(super) struct Exact {
    pub(super) negative: bool,
    pub(super) exponent: i32,
    pub(super) significand: u128,
}

impl Exact {
    /// The integer `magnitude * 2^scale`, which must not be zero; `rest` tells that the true value
    /// is a little more.
    pub(super) fn new(negative: bool, magnitude: u128, scale: i32, rest: bool) -> Self {
        let top = 127 - magnitude.leading_zeros() as i32;
        let significand = if top <= 112 {
            magnitude << (112 - top)
        } else {
            let lost = magnitude & ((1 << (top - 112)) - 1) != 0;
            magnitude >> (top - 112) | u128::from(lost)
        };
        Self {
            negative,
            exponent: scale + top,
            significand: significand | u128::from(rest),
        }
    }
}

/// The greatest exponent of a double, in which all results stand.
const LAST_EXPONENT: i32 = 1023;

/// The numbers that make a format, none wider than double.
pub(super) struct Format {
    /// Bits of the significand.
    precision: i32,
    min_exponent: i32,
    max_exponent: i32,
    /// What an enabled overflow takes from the exponent and an enabled underflow adds to it.
    adjustment: i32,
    /// The largest number, as a double.
    largest: u64,
}

/// Half precision, which only conversions know.
pub(super) const HALF: Format = Format {
    precision: 11,
    min_exponent: -14,
    max_exponent: 15,
    // By the rule that gives 192 and 1536: three quarters of the exponents.
    adjustment: 24,
    largest: 0x40ef_fc00_0000_0000,
};

impl Precision {
    pub(super) fn format(self) -> Format {
        match self {
            Self::Single => Format {
                precision: 24,
                min_exponent: -126,
                max_exponent: 127,
                adjustment: 192,
                largest: 0x47ef_ffff_e000_0000,
            },
            Self::Double => Format {
                precision: 53,
                min_exponent: -1022,
                max_exponent: 1023,
                adjustment: 1536,
                largest: INFINITY - 1,
            },
        }
    }
}

/// Whether rounding adds one to the magnitude. `below` is what is cut off, scaled so that
/// `half` is half of the last place kept.
pub(super) fn rounds_up(mode: Rounding, negative: bool, odd: bool, below: u128, half: u128) -> bool {
    match mode {
        Rounding::Nearest => below > half || below == half && odd,
        Rounding::NearestAway => below >= half,
        Rounding::Zero => false,
        Rounding::Up => !negative && below != 0,
        Rounding::Down => negative && below != 0,
        Rounding::Odd => !odd && below != 0,
    }
}

/// Rounds to the precision, in the mode and with the enabled exceptions of `fpscr`.
/// Power ISA v2.07B, Book I, 4.3.6 and 4.4.3 to 4.4.5.
pub(super) fn round(fpscr: Fpscr, precision: Precision, exact: &Exact) -> Computed {
    round_to(fpscr, fpscr.rounding(), &precision.format(), exact)
}

/// The same in any mode and to any format: a value that the format has, as a double.
pub(super) fn round_to(fpscr: Fpscr, mode: Rounding, format: &Format, exact: &Exact) -> Computed {
    let Exact {
        negative,
        mut exponent,
        significand,
    } = *exact;
    let mut found = 0;
    let mut tiny = exponent < format.min_exponent;
    if tiny && fpscr.traps_underflow() {
        found |= UX;
        exponent += format.adjustment;
        tiny = exponent < format.min_exponent;
    }
    let denormalise = if tiny { format.min_exponent - exponent } else { 0 };
    // Two bits below the last place decide as well as more, so a long shift may be cut short.
    let shift = (113 - format.precision + denormalise).min(127);
    let mut kept = (significand >> shift) as u64;
    let below = significand & ((1 << shift) - 1);
    let inexact = below != 0;
    if rounds_up(mode, negative, kept & 1 != 0, below, 1 << (shift - 1)) {
        kept += 1;
        found |= FR;
    }
    if inexact {
        found |= XX | FI;
        if tiny {
            found |= UX;
        }
    }
    let mut scale = exponent + denormalise - (format.precision - 1);
    let carried = i32::from(kept >> format.precision != 0);
    if scale + format.precision - 1 + carried > format.max_exponent {
        found |= OX;
        if !fpscr.traps_overflow() {
            return overflowed(mode, format, negative, found);
        }
        scale -= format.adjustment;
    }
    // What is past a double's exponents even so, of a source that has more, is undefined: here infinity.
    let bits = if scale + format.precision - 1 + carried > LAST_EXPONENT {
        INFINITY | if negative { SIGN } else { 0 }
    } else {
        pack(negative, kept, scale)
    };
    Computed { bits, found }
}

/// Whether an overflow that is not enabled gives infinity, and not the largest number.
pub(super) fn overflows_to_infinity(mode: Rounding, negative: bool) -> bool {
    match mode {
        Rounding::Nearest | Rounding::NearestAway => true,
        Rounding::Zero | Rounding::Odd => false,
        Rounding::Up => !negative,
        Rounding::Down => negative,
    }
}

/// The result of an overflow that is not enabled: infinity or the largest number.
fn overflowed(mode: Rounding, format: &Format, negative: bool, found: Found) -> Computed {
    let infinite = overflows_to_infinity(mode, negative);
    let found = found & !FR | XX | FI | if infinite { FR } else { 0 };
    let magnitude = if infinite { INFINITY } else { format.largest };
    Computed {
        bits: magnitude | if negative { SIGN } else { 0 },
        found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(raw_fpscr: u64, precision: Precision, magnitude: u128, scale: i32) -> Computed {
        let mut fpscr = Fpscr::default();
        fpscr.set(raw_fpscr);
        round(fpscr, precision, &Exact::new(false, magnitude, scale, false))
    }

    #[test]
    fn a_tie_goes_to_even_and_says_which_way_it_went() {
        let down = rounded(0, Precision::Double, (1 << 53) + 1, -53);
        assert_eq!(
            down,
            Computed {
                bits: 0x3ff0_0000_0000_0000,
                found: XX | FI
            }
        );
        let up = rounded(0, Precision::Double, (1 << 53) + 3, -53);
        assert_eq!(
            up,
            Computed {
                bits: 0x3ff0_0000_0000_0002,
                found: XX | FI | FR
            }
        );
    }

    #[test]
    fn tininess_is_judged_before_rounding() {
        // Rounds up to the smallest normal number, and is tiny all the same.
        let result = rounded(0, Precision::Double, (1 << 54) - 1, -1076);
        assert_eq!(
            result,
            Computed {
                bits: 1 << 52,
                found: XX | FI | FR | UX
            }
        );
    }

    #[test]
    fn an_exact_denormal_underflows_only_when_enabled() {
        assert_eq!(rounded(0, Precision::Double, 1, -1074), Computed::exact(1));
        let enabled = rounded(1 << 5, Precision::Double, 1, -1074);
        assert_eq!(
            enabled,
            Computed {
                bits: 1485 << 52,
                found: UX
            }
        );
    }

    #[test]
    fn an_enabled_overflow_wraps_the_exponent() {
        let enabled = rounded(1 << 6, Precision::Single, 1, 200);
        assert_eq!(
            enabled,
            Computed {
                bits: 1031 << 52,
                found: OX
            }
        );
        let disabled = rounded(0, Precision::Single, 1, 200);
        assert_eq!(
            disabled,
            Computed {
                bits: INFINITY,
                found: OX | XX | FI | FR
            }
        );
        let toward_zero = rounded(1, Precision::Single, 1, 200);
        assert_eq!(
            toward_zero,
            Computed {
                bits: 0x47ef_ffff_e000_0000,
                found: OX | XX | FI
            }
        );
    }
}
