//! The same arithmetic on the host's unit, for the common case: rounding to nearest, operands and
//! result of ordinary size. The rounding error is then a double itself and is computed without
//! error, so FI and FR are known exactly; anything else is declined with `None`.
//!
//! Sum: Knuth's two-sum. Product and quotient: one fused multiply-add gives the remainder. Fused
//! multiply-add: the error is the sum of two doubles (Boldo and Muller, "Exact and approximated
//! error of the FMA", 2011), of which only the sign is needed.

use super::fpscr::{FI, FR, Fpscr, Rounding, XX};
use super::round::Computed;
use super::value::Precision;

/// Biased exponents between which neither a product, a quotient nor an error term of two values
/// leaves the normal range.
const ORDINARY: std::ops::RangeInclusive<u64> = 600..=1450;

fn is_ordinary(value: f64) -> bool {
    ORDINARY.contains(&(value.to_bits() >> 52 & 0x7ff))
}

/// The operands as doubles if this way may be taken at all.
fn ordinary<const N: usize>(fpscr: Fpscr, precision: Precision, operands: [u64; N]) -> Option<[f64; N]> {
    if fpscr.rounding() != Rounding::Nearest {
        return None;
    }
    let values = operands.map(f64::from_bits);
    let fits = |&x: &f64| is_ordinary(x) && (precision == Precision::Double || f64::from(x as f32) == x);
    values.iter().all(fits).then_some(values)
}

/// Rounds `value`, which lacks `error` of the true result, to the precision. A sum, product or
/// quotient of singles may be rounded to double on the way: that has more than twice their bits.
fn finished(precision: Precision, value: f64, error: f64) -> Option<Computed> {
    if !is_ordinary(value) {
        return None;
    }
    let (result, lacking) = match precision {
        Precision::Double => (value, error),
        Precision::Single => {
            let single = value as f32;
            // The least normal number may have been rounded up to, from a value that was tiny.
            if value.abs() <= f64::from(f32::MIN_POSITIVE) || single.is_infinite() {
                return None;
            }
            let cut = value - f64::from(single);
            (f64::from(single), if cut == 0.0 { error } else { cut })
        }
    };
    let found = if lacking == 0.0 {
        0
    } else if (lacking < 0.0) == (result < 0.0) {
        XX | FI
    } else {
        XX | FI | FR
    };
    Some(Computed {
        bits: result.to_bits(),
        found,
    })
}

/// The rounded sum and its error.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

#[inline]
pub(super) fn add(fpscr: Fpscr, precision: Precision, a: u64, b: u64) -> Option<Computed> {
    let [a, b] = ordinary(fpscr, precision, [a, b])?;
    let (sum, error) = two_sum(a, b);
    finished(precision, sum, error)
}

#[inline]
pub(super) fn multiply(fpscr: Fpscr, precision: Precision, a: u64, b: u64) -> Option<Computed> {
    let [a, b] = ordinary(fpscr, precision, [a, b])?;
    let product = a * b;
    finished(precision, product, a.mul_add(b, -product))
}

#[inline]
pub(super) fn divide(fpscr: Fpscr, precision: Precision, a: u64, b: u64) -> Option<Computed> {
    let [a, b] = ordinary(fpscr, precision, [a, b])?;
    let quotient = a / b;
    let remainder = (-quotient).mul_add(b, a);
    // The remainder has the sign of the error times that of the divisor.
    finished(precision, quotient, if b < 0.0 { -remainder } else { remainder })
}

#[inline]
pub(super) fn multiply_add(fpscr: Fpscr, precision: Precision, operands: [u64; 3]) -> Option<Computed> {
    let [a, c, b] = ordinary(fpscr, precision, operands)?;
    if precision == Precision::Single {
        // The product of singles is exact. The sum, rounded to odd, may be rounded once more.
        let (sum, error) = two_sum(a * c, b);
        return finished(precision, to_odd(sum, error), error);
    }
    let result = a.mul_add(c, b);
    let product = a * c;
    let product_error = a.mul_add(c, -product);
    let (low, low_error) = two_sum(b, product_error);
    let (high, high_error) = two_sum(product, low);
    let error = ((high - result) + high_error) + low_error;
    finished(precision, result, error)
}

/// The neighbour of the true value that has an odd last place, unless `sum` is exact.
fn to_odd(sum: f64, error: f64) -> f64 {
    if error == 0.0 || sum.to_bits() & 1 != 0 {
        sum
    } else if error > 0.0 {
        sum.next_up()
    } else {
        sum.next_down()
    }
}
