//! Floating-point compares, and the tests that tell a program whether a software division or
//! square root is safe.

use std::cmp::Ordering;

use power::insn::{Opcode, Word};

use super::fpscr::{Found, Fpscr, VXSNAN, VXVC};
use super::lanes::{build, lane, mask};
use super::round::Computed;
use super::value::{
    Precision, finite, is_infinite, is_nan, is_negative, is_signaling, is_zero, quieted, single_to_double,
};
use super::{Handler, Outcome, Vsu};
use crate::regs::{CR, Regs};

/// LT, GT, EQ or (unordered) SO as a condition-register field.
pub(super) fn nibble(a: u64, b: u64) -> u64 {
    relation(f64::from_bits(a).partial_cmp(&f64::from_bits(b)))
}

/// The same of an order.
pub(super) fn relation(order: Option<Ordering>) -> u64 {
    match order {
        Some(Ordering::Less) => 8,
        Some(Ordering::Greater) => 4,
        Some(Ordering::Equal) => 2,
        None => 1,
    }
}

/// What a compare finds wrong with NaN operands; an ordered one minds quiet NaNs too.
pub(super) fn unordered(fpscr: Fpscr, ordered: bool, a: u64, b: u64) -> Found {
    let signaling = is_signaling(a) || is_signaling(b);
    invalid(fpscr, signaling, ordered && (is_nan(a) || is_nan(b)))
}

/// The same, where one operand is a signaling NaN, and where the compare minds that one is a NaN.
pub(super) fn invalid(fpscr: Fpscr, signaling: bool, minds: bool) -> Found {
    let found = if signaling { VXSNAN } else { 0 };
    // With the exception enabled, a signaling NaN is reported and the compare is not.
    if minds && !(signaling && fpscr.enabled(VXSNAN) != 0) {
        found | VXVC
    } else {
        found
    }
}

/// `fcmpu` and `fcmpo` and their VSX twins.
fn compare(v: &mut Vsu, regs: &mut Regs, w: Word, operands: [usize; 2], ordered: bool) -> Outcome {
    let [a, b] = operands.map(|n| v.scalar(n));
    let result = nibble(a, b);
    regs[CR + w.bf() as u8] = result;
    v.fpscr.set_fpcc(result);
    Outcome::trapped(v.fpscr.raise(unordered(v.fpscr, ordered, a, b)))
}

/// Exponents at which a quotient or root in software may go wrong.
struct Limits {
    min_normal: i32,
    max_divisor: i32,
    max_difference: i32,
    min_dividend: i32,
}

impl Limits {
    fn of(precision: Precision) -> Self {
        match precision {
            Precision::Double => Self {
                min_normal: -1022,
                max_divisor: 1021,
                max_difference: 1023,
                min_dividend: -970,
            },
            Precision::Single => Self {
                min_normal: -126,
                max_divisor: 125,
                max_difference: 127,
                min_dividend: -103,
            },
        }
    }
}

/// The exponent, no less than that of a denormal as it is encoded.
fn exponent(limits: &Limits, bits: u64) -> i32 {
    finite(bits).exponent.max(limits.min_normal - 1)
}

/// FG and FE as bits 4 and 2 of a condition-register field: whether iteration would meet a
/// special value, and whether it may lose precision.
fn test_divide(precision: Precision, a: u64, b: u64) -> u64 {
    let limits = Limits::of(precision);
    let special = |x| is_nan(x) || is_infinite(x);
    let denormal = |x| !special(x) && !is_zero(x) && exponent(&limits, x) < limits.min_normal;
    let greater = is_infinite(a) || is_infinite(b) || is_zero(b) || denormal(b);
    let error = special(a) || special(b) || is_zero(b) || {
        let divisor = exponent(&limits, b);
        divisor <= limits.min_normal
            || divisor >= limits.max_divisor
            || !is_zero(a) && {
                let dividend = exponent(&limits, a);
                let difference = dividend - divisor;
                difference >= limits.max_difference
                    || difference <= 2 - limits.max_difference
                    || dividend <= limits.min_dividend
            }
    };
    u64::from(greater) << 2 | u64::from(error) << 1
}

/// Likewise for a square root.
fn test_root(precision: Precision, b: u64) -> u64 {
    let limits = Limits::of(precision);
    let special = is_nan(b) || is_infinite(b);
    let tiny = |below| !special && !is_zero(b) && exponent(&limits, b) < below;
    let greater = is_infinite(b) || is_zero(b) || tiny(limits.min_normal);
    let error = special || is_zero(b) || is_negative(b) || tiny(limits.min_dividend + 1);
    u64::from(greater) << 2 | u64::from(error) << 1
}

fn set_test(regs: &mut Regs, w: Word, flags: u64) -> Outcome {
    regs[CR + w.bf() as u8] = 8 | flags;
    Outcome::Done
}

/// The elements of a vector as doubles; a vector of doubles has two.
fn elements(precision: Precision, vector: u128) -> impl Iterator<Item = u64> {
    let count = if precision == Precision::Double { 2 } else { 4 };
    (0..count).map(move |i| match precision {
        Precision::Double => lane(vector, i),
        Precision::Single => single_to_double(lane(vector, i)),
    })
}

fn vector_test_divide(v: &mut Vsu, regs: &mut Regs, w: Word, precision: Precision) -> Outcome {
    let pairs = elements(precision, v.get(w.xa())).zip(elements(precision, v.get(w.xb())));
    set_test(
        regs,
        w,
        pairs.fold(0, |flags, (a, b)| flags | test_divide(precision, a, b)),
    )
}

fn vector_test_root(v: &mut Vsu, regs: &mut Regs, w: Word, precision: Precision) -> Outcome {
    let roots = elements(precision, v.get(w.xb()));
    set_test(regs, w, roots.fold(0, |flags, b| flags | test_root(precision, b)))
}

/// What a vector compare asks of two elements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    GreaterOrEqual,
    Greater,
}

impl Relation {
    pub(super) fn holds(self, a: u64, b: u64) -> bool {
        let accepted = match self {
            Self::Equal => 2,
            Self::GreaterOrEqual => 6,
            Self::Greater => 4,
        };
        nibble(a, b) & accepted != 0
    }
}

/// CR field 6 of a vector compare: all elements true, or none.
pub(super) fn all_or_none(result: u128) -> u64 {
    match result {
        u128::MAX => 8,
        0 => 2,
        _ => 0,
    }
}

fn vector(v: &mut Vsu, regs: &mut Regs, w: Word, precision: Precision, asked: Relation) -> Outcome {
    let (a, b) = (v.get(w.xa()), v.get(w.xb()));
    let ordered = asked != Relation::Equal;
    let found = elements(precision, a)
        .zip(elements(precision, b))
        .fold(0, |found, (a, b)| found | unordered(v.fpscr, ordered, a, b));
    if v.fpscr.raise(found) {
        return Outcome::FloatException;
    }
    let result = match precision {
        Precision::Double => build(|i| mask::<u64>(asked.holds(lane(a, i), lane(b, i)))),
        Precision::Single => build(|i| {
            let [a, b] = [a, b].map(|vector| single_to_double(lane(vector, i)));
            mask::<u32>(asked.holds(a, b))
        }),
    };
    if w.record_vector() {
        regs[CR + 6] = all_or_none(result);
    }
    v.set(w.xt(), result)
}

/// The greater value, or the lesser: a number rather than a quiet NaN, and +0 above -0.
fn extreme(precision: Precision, a: u64, b: u64, first: impl Fn(f64, f64) -> bool) -> Computed {
    if is_signaling(a) || is_signaling(b) {
        let chosen = if is_nan(a) { a } else { b };
        return Computed {
            bits: quieted(chosen, precision),
            found: VXSNAN,
        };
    }
    let chosen = match (is_nan(a), is_nan(b)) {
        (_, true) => a,
        (true, false) => b,
        _ if first(f64::from_bits(a), f64::from_bits(b)) => a,
        _ => b,
    };
    Computed::exact(chosen)
}

/// The maximum as `xsmaxdp` defines it.
pub(super) fn maximum(_: Fpscr, precision: Precision, a: u64, b: u64) -> Computed {
    extreme(precision, a, b, |x, y| x > y || x == y && !is_negative(a))
}

/// The minimum as `xsmindp` defines it.
pub(super) fn minimum(_: Fpscr, precision: Precision, a: u64, b: u64) -> Computed {
    extreme(precision, a, b, |x, y| x < y || x == y && is_negative(a))
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    use Precision::{Double, Single};
    use Relation::{Equal, Greater, GreaterOrEqual};
    let handler: Handler = match op {
        Opcode::Fcmpu => |v, r, w| compare(v, r, w, [w.fra(), w.frb()], false),
        Opcode::Fcmpo => |v, r, w| compare(v, r, w, [w.fra(), w.frb()], true),
        Opcode::Xscmpudp => |v, r, w| compare(v, r, w, [w.xa(), w.xb()], false),
        Opcode::Xscmpodp => |v, r, w| compare(v, r, w, [w.xa(), w.xb()], true),
        Opcode::Ftdiv => |v, r, w| set_test(r, w, test_divide(Double, v.scalar(w.fra()), v.scalar(w.frb()))),
        Opcode::Xstdivdp => |v, r, w| set_test(r, w, test_divide(Double, v.scalar(w.xa()), v.scalar(w.xb()))),
        Opcode::Ftsqrt => |v, r, w| set_test(r, w, test_root(Double, v.scalar(w.frb()))),
        Opcode::Xstsqrtdp => |v, r, w| set_test(r, w, test_root(Double, v.scalar(w.xb()))),
        Opcode::Xvtdivdp => |v, r, w| vector_test_divide(v, r, w, Double),
        Opcode::Xvtdivsp => |v, r, w| vector_test_divide(v, r, w, Single),
        Opcode::Xvtsqrtdp => |v, r, w| vector_test_root(v, r, w, Double),
        Opcode::Xvtsqrtsp => |v, r, w| vector_test_root(v, r, w, Single),
        Opcode::Xvcmpeqdp => |v, r, w| vector(v, r, w, Double, Equal),
        Opcode::Xvcmpeqsp => |v, r, w| vector(v, r, w, Single, Equal),
        Opcode::Xvcmpgedp => |v, r, w| vector(v, r, w, Double, GreaterOrEqual),
        Opcode::Xvcmpgesp => |v, r, w| vector(v, r, w, Single, GreaterOrEqual),
        Opcode::Xvcmpgtdp => |v, r, w| vector(v, r, w, Double, Greater),
        Opcode::Xvcmpgtsp => |v, r, w| vector(v, r, w, Single, Greater),
        _ => return None,
    };
    Some(handler)
}
