//! The estimates of 2^x and log2 x. The architecture asks for four or five good bits; these give
//! what the host's library gives, rounded to single.

use super::arith::{propagated, to_single};
use super::fpscr::{Fpscr, VXSQRT, ZX};
use super::round::Computed;
use super::value::Precision::Single;
use super::value::{DEFAULT_NAN, INFINITY, SIGN, is_negative, is_zero};

/// `vexptefp`. Power ISA v2.07B, Book I, 6.10.5.
pub(super) fn exp2(b: u64) -> Computed {
    propagated(Single, &[b]).unwrap_or_else(|| to_single(Fpscr::default(), f64::from_bits(b).exp2().to_bits()))
}

/// `vlogefp`. Power ISA v2.07B, Book I, 6.10.5.
pub(super) fn log2(b: u64) -> Computed {
    if let Some(nan) = propagated(Single, &[b]) {
        return nan;
    }
    if is_zero(b) {
        return Computed {
            bits: SIGN | INFINITY,
            found: ZX,
        };
    }
    if is_negative(b) {
        return Computed {
            bits: DEFAULT_NAN,
            found: VXSQRT,
        };
    }
    to_single(Fpscr::default(), f64::from_bits(b).log2().to_bits())
}
