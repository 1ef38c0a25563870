//! Floating-point arithmetic on values: quickly where the host's unit can be trusted with it, in
//! software otherwise; and what is made from those.

use super::fpscr::{FI, FR, Fpscr, VXSNAN, VXSQRT, XX};
use super::round::Computed;
use super::value::{Precision, negated_number, quieted};
use super::{host, soft};
pub(super) use soft::{propagated, quieted_operand, square_root, to_single};

// These stay calls, with the host's way inlined and the software's called: see `fp::finish`.

/// `a + b`.
#[inline(never)]
pub(super) fn add(fpscr: Fpscr, precision: Precision, a: u64, b: u64) -> Computed {
    host::add(fpscr, precision, a, b).unwrap_or_else(|| soft::add(fpscr, precision, a, b))
}

/// `a - b`.
pub(super) fn subtract(fpscr: Fpscr, precision: Precision, a: u64, b: u64) -> Computed {
    add(fpscr, precision, a, negated_number(b))
}

/// `a * b`.
#[inline(never)]
pub(super) fn multiply(fpscr: Fpscr, precision: Precision, a: u64, b: u64) -> Computed {
    host::multiply(fpscr, precision, a, b).unwrap_or_else(|| soft::multiply(fpscr, precision, a, b))
}

/// `a / b`.
#[inline(never)]
pub(super) fn divide(fpscr: Fpscr, precision: Precision, a: u64, b: u64) -> Computed {
    host::divide(fpscr, precision, a, b).unwrap_or_else(|| soft::divide(fpscr, precision, a, b))
}

/// The signs of a fused multiply-add.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fused {
    /// `a * c + b`
    Add,
    /// `a * c - b`
    Subtract,
    /// `-(a * c + b)`
    NegativeAdd,
    /// `-(a * c - b)`
    NegativeSubtract,
}

/// A fused multiply-add of `[a, c, b]`. The sign of a NaN never changes.
#[inline(never)]
pub(super) fn fused(kind: Fused, fpscr: Fpscr, precision: Precision, [a, c, b]: [u64; 3]) -> Computed {
    let subtracts = matches!(kind, Fused::Subtract | Fused::NegativeSubtract);
    let addend = if subtracts { negated_number(b) } else { b };
    let operands = [a, c, addend];
    let result = host::multiply_add(fpscr, precision, operands)
        .unwrap_or_else(|| soft::multiply_add(fpscr, precision, operands));
    match kind {
        Fused::Add | Fused::Subtract => result,
        _ => Computed {
            bits: negated_number(result.bits),
            ..result
        },
    }
}

/// The reciprocal, which `fre` and its kin may estimate: here as good as a division, without the
/// inexact exception that estimates do not report. Power ISA v2.07B, Book I, 4.6.6.1.
pub(super) fn reciprocal(fpscr: Fpscr, precision: Precision, a: u64) -> Computed {
    estimate(divide(fpscr, precision, 1f64.to_bits(), a))
}

/// The reciprocal of the square root, likewise.
pub(super) fn reciprocal_root(fpscr: Fpscr, precision: Precision, a: u64) -> Computed {
    let root = square_root(fpscr, Precision::Double, a);
    if root.found & (VXSNAN | VXSQRT) != 0 {
        return Computed {
            bits: quieted(root.bits, precision),
            ..root
        };
    }
    estimate(divide(fpscr, precision, 1f64.to_bits(), root.bits))
}

fn estimate(result: Computed) -> Computed {
    Computed {
        found: result.found & !(XX | FR | FI),
        ..result
    }
}
