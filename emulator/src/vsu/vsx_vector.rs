//! VSX vector floating-point arithmetic. An exception sets its FPSCR bit, but FR, FI and FPRF
//! stay; an enabled one in any element leaves the target as it was. Power ISA v2.07B, Book I, 7.6.

use power::insn::{Opcode, Word};

use super::arith::{Fused, add, divide, fused, multiply, reciprocal, reciprocal_root, square_root, subtract};
use super::compare::{maximum, minimum};
use super::convert::{to_integral, to_integral_quietly};
use super::fpscr::{Found, Fpscr, Rounding};
use super::lanes::{build, lane};
use super::round::Computed;
use super::value::Precision::{self, Double, Single};
use super::value::{double_to_single, single_to_double};
use super::vsx_scalar::{Target, roles};
use super::{Handler, Outcome, Vsu};

/// Computes every element from those in the same place of the operands, in double format.
fn elements<const N: usize>(
    v: &mut Vsu,
    w: Word,
    precision: Precision,
    operands: [usize; N],
    f: impl Fn(Fpscr, Precision, [u64; N]) -> Computed,
) -> Outcome {
    let vectors = operands.map(|n| v.get(n));
    let fpscr = v.fpscr;
    let mut found = 0;
    let mut element = |operands| {
        let result = f(fpscr, precision, operands);
        found |= result.found;
        result.bits
    };
    let result = match precision {
        Double => build(|i| element(vectors.map(|x| lane(x, i)))),
        Single => build(|i| double_to_single(element(vectors.map(|x| single_to_double(lane(x, i)))))),
    };
    finish(v, w, found, result)
}

/// Records what the elements found and writes the target unless an enabled exception forbids it.
pub(super) fn finish(v: &mut Vsu, w: Word, found: Found, result: u128) -> Outcome {
    if v.fpscr.raise(found) {
        return Outcome::FloatException;
    }
    v.set(w.xt(), result)
}

fn one(v: &mut Vsu, w: Word, precision: Precision, f: impl Fn(Fpscr, Precision, u64) -> Computed) -> Outcome {
    elements(v, w, precision, [w.xb()], |fpscr, precision, [b]| {
        f(fpscr, precision, b)
    })
}

fn two(v: &mut Vsu, w: Word, precision: Precision, f: impl Fn(Fpscr, Precision, u64, u64) -> Computed) -> Outcome {
    elements(v, w, precision, [w.xa(), w.xb()], |fpscr, precision, [a, b]| {
        f(fpscr, precision, a, b)
    })
}

fn multiply_add(v: &mut Vsu, w: Word, precision: Precision, kind: Fused, target: Target) -> Outcome {
    let operands = roles(target, [w.xt(), w.xa(), w.xb()]);
    elements(v, w, precision, operands, |fpscr, precision, x| {
        fused(kind, fpscr, precision, x)
    })
}

/// Elements rounded to integral values.
fn integral(v: &mut Vsu, w: Word, precision: Precision, mode: Rounding) -> Outcome {
    one(v, w, precision, |_, _, b| to_integral_quietly(mode, b))
}

/// Elements rounded in the current mode, which reports inexactness.
fn integral_as_set(v: &mut Vsu, w: Word, precision: Precision) -> Outcome {
    one(v, w, precision, |fpscr, _, b| to_integral(fpscr.rounding(), b))
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    use Fused::{Add, NegativeAdd, NegativeSubtract, Subtract};
    use Target::{Addend, Factor};
    let handler: Handler = match op {
        Opcode::Xvadddp => |v, _, w| two(v, w, Double, add),
        Opcode::Xvaddsp => |v, _, w| two(v, w, Single, add),
        Opcode::Xvsubdp => |v, _, w| two(v, w, Double, subtract),
        Opcode::Xvsubsp => |v, _, w| two(v, w, Single, subtract),
        Opcode::Xvmuldp => |v, _, w| two(v, w, Double, multiply),
        Opcode::Xvmulsp => |v, _, w| two(v, w, Single, multiply),
        Opcode::Xvdivdp => |v, _, w| two(v, w, Double, divide),
        Opcode::Xvdivsp => |v, _, w| two(v, w, Single, divide),
        Opcode::Xvsqrtdp => |v, _, w| one(v, w, Double, square_root),
        Opcode::Xvsqrtsp => |v, _, w| one(v, w, Single, square_root),
        Opcode::Xvredp => |v, _, w| one(v, w, Double, reciprocal),
        Opcode::Xvresp => |v, _, w| one(v, w, Single, reciprocal),
        Opcode::Xvrsqrtedp => |v, _, w| one(v, w, Double, reciprocal_root),
        Opcode::Xvrsqrtesp => |v, _, w| one(v, w, Single, reciprocal_root),
        Opcode::Xvmaddadp => |v, _, w| multiply_add(v, w, Double, Add, Addend),
        Opcode::Xvmaddasp => |v, _, w| multiply_add(v, w, Single, Add, Addend),
        Opcode::Xvmaddmdp => |v, _, w| multiply_add(v, w, Double, Add, Factor),
        Opcode::Xvmaddmsp => |v, _, w| multiply_add(v, w, Single, Add, Factor),
        Opcode::Xvmsubadp => |v, _, w| multiply_add(v, w, Double, Subtract, Addend),
        Opcode::Xvmsubasp => |v, _, w| multiply_add(v, w, Single, Subtract, Addend),
        Opcode::Xvmsubmdp => |v, _, w| multiply_add(v, w, Double, Subtract, Factor),
        Opcode::Xvmsubmsp => |v, _, w| multiply_add(v, w, Single, Subtract, Factor),
        Opcode::Xvnmaddadp => |v, _, w| multiply_add(v, w, Double, NegativeAdd, Addend),
        Opcode::Xvnmaddasp => |v, _, w| multiply_add(v, w, Single, NegativeAdd, Addend),
        Opcode::Xvnmaddmdp => |v, _, w| multiply_add(v, w, Double, NegativeAdd, Factor),
        Opcode::Xvnmaddmsp => |v, _, w| multiply_add(v, w, Single, NegativeAdd, Factor),
        Opcode::Xvnmsubadp => |v, _, w| multiply_add(v, w, Double, NegativeSubtract, Addend),
        Opcode::Xvnmsubasp => |v, _, w| multiply_add(v, w, Single, NegativeSubtract, Addend),
        Opcode::Xvnmsubmdp => |v, _, w| multiply_add(v, w, Double, NegativeSubtract, Factor),
        Opcode::Xvnmsubmsp => |v, _, w| multiply_add(v, w, Single, NegativeSubtract, Factor),
        Opcode::Xvmaxdp => |v, _, w| two(v, w, Double, maximum),
        Opcode::Xvmaxsp => |v, _, w| two(v, w, Single, maximum),
        Opcode::Xvmindp => |v, _, w| two(v, w, Double, minimum),
        Opcode::Xvminsp => |v, _, w| two(v, w, Single, minimum),
        Opcode::Xvrdpi => |v, _, w| integral(v, w, Double, Rounding::NearestAway),
        Opcode::Xvrspi => |v, _, w| integral(v, w, Single, Rounding::NearestAway),
        Opcode::Xvrdpim => |v, _, w| integral(v, w, Double, Rounding::Down),
        Opcode::Xvrspim => |v, _, w| integral(v, w, Single, Rounding::Down),
        Opcode::Xvrdpip => |v, _, w| integral(v, w, Double, Rounding::Up),
        Opcode::Xvrspip => |v, _, w| integral(v, w, Single, Rounding::Up),
        Opcode::Xvrdpiz => |v, _, w| integral(v, w, Double, Rounding::Zero),
        Opcode::Xvrspiz => |v, _, w| integral(v, w, Single, Rounding::Zero),
        Opcode::Xvrdpic => |v, _, w| integral_as_set(v, w, Double),
        Opcode::Xvrspic => |v, _, w| integral_as_set(v, w, Single),
        _ => return None,
    };
    Some(handler)
}
