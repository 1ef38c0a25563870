//! VMX single-precision floating point: rounded to nearest, without exceptions or status, and in
//! non-Java mode with denormals as zeros.

use power::insn::{Opcode, Word};

use super::arith::{Fused, add, fused, propagated, reciprocal, reciprocal_root, subtract};
use super::compare::all_or_none;
use super::convert::to_integral;
use super::estimate::{exp2, log2};
use super::fpscr::{Fpscr, Rounding, UX};
use super::lanes::{build, lane, map, map2, mask};
use super::round::{Computed, Exact, round};
use super::value::Precision::Single;
use super::value::{double_to_single, is_negative, single_to_double};
use super::vmx_arith::{clamp, each_of_b};
use super::vmx_compare::write_compared;
use super::{Handler, Outcome, Vsu};
use crate::regs::Regs;

/// Whether denormals count as zeros.
#[derive(Clone, Copy)]
struct Mode {
    non_java: bool,
}

impl Mode {
    fn of(v: &Vsu) -> Self {
        Self {
            non_java: v.vscr.is_non_java(),
        }
    }

    /// An element as an operand, in double format.
    fn operand(self, word: u32) -> u64 {
        let denormal = word & 0x7f80_0000 == 0;
        single_to_double(if self.non_java && denormal {
            word & 0x8000_0000
        } else {
            word
        })
    }

    /// A result as an element. A result that was tiny before rounding is flushed too.
    fn result(self, result: Computed) -> u32 {
        let word = double_to_single(result.bits);
        let tiny = word & 0x7f80_0000 == 0 || result.found & UX != 0;
        if self.non_java && tiny {
            word & 0x8000_0000
        } else {
            word
        }
    }
}

fn one(v: &mut Vsu, w: Word, f: impl Fn(u64) -> Computed) -> Outcome {
    let mode = Mode::of(v);
    each_of_b(v, w, |b| mode.result(f(mode.operand(b))))
}

fn two(v: &mut Vsu, w: Word, f: impl Fn(u64, u64) -> Computed) -> Outcome {
    let mode = Mode::of(v);
    let element = |a, b| mode.result(f(mode.operand(a), mode.operand(b)));
    let result = map2(v.vr(w.vra()), v.vr(w.vrb()), element);
    v.set_vr(w.vrt(), result)
}

fn multiply_add(v: &mut Vsu, w: Word, kind: Fused) -> Outcome {
    let mode = Mode::of(v);
    let operands = [w.vra(), w.vrc(), w.vrb()].map(|n| v.vr(n));
    let result = build(|i| {
        let elements = operands.map(|x| mode.operand(lane(x, i)));
        mode.result(fused(kind, Fpscr::default(), Single, elements))
    });
    v.set_vr(w.vrt(), result)
}

/// The greater or lesser; a NaN wins, and +0 is above -0.
fn extreme(a: u64, b: u64, first: impl Fn(f64, f64) -> bool) -> Computed {
    propagated(Single, &[a, b]).unwrap_or_else(|| {
        Computed::exact(if first(f64::from_bits(a), f64::from_bits(b)) {
            a
        } else {
            b
        })
    })
}

/// The scale that UIM stands for, as a power of two.
fn scale(w: Word) -> i32 {
    w.uim() as i32
}

/// Integers divided by 2^UIM, as floating point.
fn from_integer(v: &mut Vsu, w: Word, widen: impl Fn(u32) -> i64) -> Outcome {
    each_of_b(v, w, |b| {
        let integer = widen(b);
        if integer == 0 {
            return 0;
        }
        let exact = Exact::new(integer < 0, integer.unsigned_abs().into(), -scale(w), false);
        double_to_single(round(Fpscr::default(), Single, &exact).bits)
    })
}

/// The element times 2^UIM toward zero, cut to 34 bits: enough to see that it saturates. A NaN
/// counts as zero.
fn scaled(w: Word, b: u32) -> i64 {
    let value = f64::from_bits(single_to_double(b));
    let multiplied = value * f64::from(1 << scale(w).min(30)) * if scale(w) > 30 { 2.0 } else { 1.0 };
    multiplied.clamp(-1e10, 1e10) as i64
}

fn to_signed(v: &mut Vsu, w: Word) -> Outcome {
    let mut saturated = false;
    let result = map(v.vr(w.vrb()), |b: u32| clamp::<i32>(scaled(w, b), &mut saturated));
    v.vscr.saturate(saturated);
    v.set_vr(w.vrt(), result)
}

fn to_unsigned(v: &mut Vsu, w: Word) -> Outcome {
    let mut saturated = false;
    let result = map(v.vr(w.vrb()), |b: u32| clamp::<u32>(scaled(w, b), &mut saturated));
    v.vscr.saturate(saturated);
    v.set_vr(w.vrt(), result)
}

fn compare(v: &mut Vsu, regs: &mut Regs, w: Word, holds: impl Fn(f64, f64) -> bool) -> Outcome {
    let mode = Mode::of(v);
    let value = |x| f64::from_bits(mode.operand(x));
    let element = |a, b| mask::<u32>(holds(value(a), value(b)));
    let result = map2(v.vr(w.vra()), v.vr(w.vrb()), element);
    write_compared(v, regs, w, result, all_or_none(result))
}

/// `vcmpbfp`: bit 0 of each word tells that VRA is above VRB, bit 1 that it is below its negative.
fn compare_bounds(v: &mut Vsu, regs: &mut Regs, w: Word) -> Outcome {
    let mode = Mode::of(v);
    let result = map2(v.vr(w.vra()), v.vr(w.vrb()), |a: u32, b: u32| {
        let [a, b] = [a, b].map(|x| f64::from_bits(mode.operand(x)));
        // A NaN is in no bounds.
        let (below, above) = (a <= b, a >= -b);
        u32::from(!below) << 31 | u32::from(!above) << 30
    });
    let cr6 = if result == 0 { 2 } else { 0 };
    write_compared(v, regs, w, result, cr6)
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Vaddfp => |v, _, w| two(v, w, |a, b| add(Fpscr::default(), Single, a, b)),
        Opcode::Vsubfp => |v, _, w| two(v, w, |a, b| subtract(Fpscr::default(), Single, a, b)),
        Opcode::Vmaddfp => |v, _, w| multiply_add(v, w, Fused::Add),
        Opcode::Vnmsubfp => |v, _, w| multiply_add(v, w, Fused::NegativeSubtract),
        Opcode::Vmaxfp => |v, _, w| two(v, w, |a, b| extreme(a, b, |x, y| x > y || x == y && !is_negative(a))),
        Opcode::Vminfp => |v, _, w| two(v, w, |a, b| extreme(a, b, |x, y| x < y || x == y && is_negative(a))),
        Opcode::Vcfsx => |v, _, w| from_integer(v, w, |b| i64::from(b as i32)),
        Opcode::Vcfux => |v, _, w| from_integer(v, w, i64::from),
        Opcode::Vctsxs => |v, _, w| to_signed(v, w),
        Opcode::Vctuxs => |v, _, w| to_unsigned(v, w),
        Opcode::Vrfin => |v, _, w| one(v, w, |b| to_integral(Rounding::Nearest, b)),
        Opcode::Vrfiz => |v, _, w| one(v, w, |b| to_integral(Rounding::Zero, b)),
        Opcode::Vrfip => |v, _, w| one(v, w, |b| to_integral(Rounding::Up, b)),
        Opcode::Vrfim => |v, _, w| one(v, w, |b| to_integral(Rounding::Down, b)),
        Opcode::Vrefp => |v, _, w| one(v, w, |b| reciprocal(Fpscr::default(), Single, b)),
        Opcode::Vrsqrtefp => |v, _, w| one(v, w, |b| reciprocal_root(Fpscr::default(), Single, b)),
        Opcode::Vexptefp => |v, _, w| one(v, w, exp2),
        Opcode::Vlogefp => |v, _, w| one(v, w, log2),
        Opcode::Vcmpeqfp => |v, r, w| compare(v, r, w, |a, b| a == b),
        Opcode::Vcmpgefp => |v, r, w| compare(v, r, w, |a, b| a >= b),
        Opcode::Vcmpgtfp => |v, r, w| compare(v, r, w, |a, b| a > b),
        Opcode::Vcmpbfp => compare_bounds,
        _ => return None,
    };
    Some(handler)
}
