//! Conversions from and to half precision. Power ISA v3.0B, Book I, 7.6.3. A half is the last halfword of its element.

use power::insn::{Opcode, Word};

use super::arith::quieted_operand;
use super::fpscr::Fpscr;
use super::lanes::map;
use super::round::{Computed, Exact, HALF, round_to};
use super::soft::propagated;
use super::value::Precision::Double;
use super::value::{
    INFINITY, double_to_single, finite, fprf_from, is_infinite, is_negative, is_zero, pack, single_to_double,
};
use super::vsx_vector::finish;
use super::{Handler, Outcome, Vsu};

/// Fraction bits of a double that a half does not have.
const BELOW_HALF: u32 = 42;
/// Biased double exponent of the smallest normal half.
const MIN_NORMAL: u64 = 1009;

/// Biased double exponent that is too great for a half.
const PAST_LAST: u64 = 1039;

/// The half as a double: the same value, or the same NaN.
fn half_to_double(half: u16) -> u64 {
    let sign = u64::from(half >> 15) << 63;
    let fraction = u64::from(half & 0x3ff);
    match half >> 10 & 0x1f {
        0 => pack(sign != 0, fraction, -24),
        0x1f => sign | INFINITY | fraction << BELOW_HALF,
        exponent => sign | (u64::from(exponent) + MIN_NORMAL - 1) << 52 | fraction << BELOW_HALF,
    }
}

/// A double that is a half, as one; of a NaN what fits.
fn double_to_half(double: u64) -> u16 {
    let sign = (double >> 48) as u16 & 0x8000;
    let exponent = double >> 52 & 0x7ff;
    let fraction = double & ((1 << 52) - 1);
    let magnitude = match exponent {
        0 => 0,
        0x7ff => 0x7c00 | fraction >> BELOW_HALF,
        // Only an enabled overflow leaves such an exponent; its result is undefined then.
        PAST_LAST.. => 0x7c00,
        MIN_NORMAL.. => (exponent - MIN_NORMAL + 1) << 10 | fraction >> BELOW_HALF,
        // No half has an exponent so small that nothing would be left.
        _ => (fraction | 1 << 52) >> (u64::from(BELOW_HALF) + MIN_NORMAL - exponent).min(63),
    };
    sign | magnitude as u16
}

/// The double rounded to half precision, still as a double.
fn rounded(fpscr: Fpscr, a: u64) -> Computed {
    if let Some(nan) = propagated(Double, &[a]) {
        return nan;
    }
    if is_infinite(a) || is_zero(a) {
        return Computed::exact(a);
    }
    let number = finite(a);
    let exact = Exact::new(is_negative(a), number.significand.into(), number.exponent - 52, false);
    round_to(fpscr, fpscr.rounding(), &HALF, &exact)
}

/// `xscvdphp`
fn from_double(v: &mut Vsu, w: Word) -> Outcome {
    let result = rounded(v.fpscr, v.scalar(w.xb()));
    if !v.fpscr.suppresses(result.found) {
        v.fpscr.set_fprf(fprf_from(result.bits, MIN_NORMAL));
    }
    v.deliver_unclassified(
        w.xt(),
        Computed {
            bits: double_to_half(result.bits).into(),
            ..result
        },
    )
}

/// Converts every word.
fn words(v: &mut Vsu, w: Word, convert: impl Fn(Fpscr, u32) -> (u32, u32)) -> Outcome {
    let fpscr = v.fpscr;
    let mut found = 0;
    let result = map(v.get(w.xb()), |b: u32| {
        let (bits, here) = convert(fpscr, b);
        found |= here;
        bits
    });
    finish(v, w, found, result)
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Xscvdphp => |v, _, w| from_double(v, w),
        Opcode::Xscvhpdp => |v, _, w| {
            let double = half_to_double(v.scalar(w.xb()) as u16);
            v.deliver(w.xt(), Double, quieted_operand(double))
        },
        Opcode::Xvcvsphp => |v, _, w| {
            words(v, w, |fpscr, b| {
                let result = rounded(fpscr, single_to_double(b));
                (double_to_half(result.bits).into(), result.found)
            })
        },
        Opcode::Xvcvhpsp => |v, _, w| {
            words(v, w, |_, b| {
                let result = quieted_operand(half_to_double(b as u16));
                (double_to_single(result.bits), result.found)
            })
        },
        _ => return None,
    };
    Some(handler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_survives_the_way_to_double_and_back() {
        for half in 0..=u16::MAX {
            let double = half_to_double(half);
            assert_eq!(double_to_half(double), half, "{half:#06x}");
            if half & 0x7fff <= 0x7c00 {
                assert_eq!(
                    rounded(Fpscr::default(), double),
                    Computed::exact(double),
                    "{half:#06x}"
                );
            }
        }
        assert_eq!(half_to_double(0x3c00), 1f64.to_bits());
        assert_eq!(half_to_double(0x0001), 2f64.powi(-24).to_bits());
        assert_eq!(half_to_double(0x7bff), 65504f64.to_bits());
    }
}
