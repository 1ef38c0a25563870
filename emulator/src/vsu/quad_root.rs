//! The square root of quadruple precision, which the library of `quad_arith.rs` does not have. Power ISA v3.0B, Book I, 7.6.3.

use super::fpscr::{FI, FR, Rounding, VXSQRT, XX};
use super::quad::{Computed, FRACTION_BITS, finite, is_infinite, is_negative, is_zero, pack, propagated};

/// The square root, by digits. It never leaves the range of exponents.
pub(super) fn square_root(mode: Rounding, a: u128) -> Computed {
    if let Some(nan) = propagated(&[a]) {
        return nan;
    }
    if is_zero(a) {
        return Computed::exact(a);
    }
    if is_negative(a) {
        return Computed::invalid(VXSQRT);
    }
    if is_infinite(a) {
        return Computed::exact(a);
    }
    let number = finite(a);
    // An even exponent halves. The radicand, of 225 or 226 bits, is the significand and zeros.
    let odd = number.exponent & 1;
    let zeros = FRACTION_BITS as i32 + odd;
    let (mut root, mut rest) = (0u128, 0u128);
    for digit in (0..=FRACTION_BITS as i32).rev() {
        let shift = 2 * digit - zeros;
        let pair = match shift {
            0.. => number.significand >> shift,
            -1 => number.significand << 1,
            _ => 0,
        } & 3;
        rest = rest << 2 | pair;
        let trial = root << 2 | 1;
        root <<= 1;
        if rest >= trial {
            rest -= trial;
            root |= 1;
        }
    }
    let increments = match mode {
        // (root + 1/2)^2 is root^2 + root + 1/4: never reached exactly.
        Rounding::Nearest | Rounding::NearestAway => rest > root,
        Rounding::Up => rest != 0,
        Rounding::Odd => rest != 0 && root & 1 == 0,
        Rounding::Zero | Rounding::Down => false,
    };
    let inexact = if rest != 0 { XX | FI } else { 0 };
    Computed {
        bits: pack(false, (number.exponent - odd) / 2, root + u128::from(increments)),
        found: inexact | if increments { FR } else { 0 },
    }
}
