//! VSX scalar floating-point arithmetic. Power ISA v2.07B, Book I, 7.6.

use power::insn::{Opcode, Word};

use super::arith::{
    Fused, add, divide, fused, multiply, reciprocal, reciprocal_root, square_root, subtract, to_single,
};
use super::compare::{maximum, minimum};
use super::convert::{to_integral, to_integral_quietly};
use super::fpscr::{Fpscr, Rounding};
use super::round::Computed;
use super::value::Precision::{self, Double, Single};
use super::{Handler, Outcome, Vsu};

/// An instruction on XB.
fn one(v: &mut Vsu, w: Word, precision: Precision, f: impl Fn(Fpscr, Precision, u64) -> Computed) -> Outcome {
    let result = f(v.fpscr, precision, v.scalar(w.xb()));
    v.deliver(w.xt(), precision, result)
}

/// An instruction on XA and XB.
fn two(v: &mut Vsu, w: Word, precision: Precision, f: impl Fn(Fpscr, Precision, u64, u64) -> Computed) -> Outcome {
    let result = f(v.fpscr, precision, v.scalar(w.xa()), v.scalar(w.xb()));
    v.deliver(w.xt(), precision, result)
}

/// Which operand of a multiply-add the target held.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// The `a` forms.
    Addend,
    /// The `m` forms.
    Factor,
}

/// The two factors and the addend of a multiply-add.
pub(super) fn roles<T>(target: Target, [xt, xa, xb]: [T; 3]) -> [T; 3] {
    match target {
        Target::Addend => [xa, xb, xt],
        Target::Factor => [xa, xt, xb],
    }
}

fn multiply_add(v: &mut Vsu, w: Word, precision: Precision, kind: Fused, target: Target) -> Outcome {
    let operands = roles(target, [w.xt(), w.xa(), w.xb()]).map(|n| v.scalar(n));
    let result = fused(kind, v.fpscr, precision, operands);
    v.deliver(w.xt(), precision, result)
}

/// A maximum or minimum, which leaves FR, FI and FPRF alone.
fn extreme(v: &mut Vsu, w: Word, f: impl Fn(Fpscr, Precision, u64, u64) -> Computed) -> Outcome {
    let result = f(v.fpscr, Double, v.scalar(w.xa()), v.scalar(w.xb()));
    if !v.fpscr.suppresses(result.found) {
        v.set_scalar(w.xt(), result.bits);
    }
    Outcome::trapped(v.fpscr.raise(result.found))
}

fn integral(v: &mut Vsu, w: Word, mode: Rounding) -> Outcome {
    one(v, w, Double, |_, _, b| to_integral_quietly(mode, b))
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    use Fused::{Add, NegativeAdd, NegativeSubtract, Subtract};
    use Target::{Addend, Factor};
    let handler: Handler = match op {
        Opcode::Xsadddp => |v, _, w| two(v, w, Double, add),
        Opcode::Xsaddsp => |v, _, w| two(v, w, Single, add),
        Opcode::Xssubdp => |v, _, w| two(v, w, Double, subtract),
        Opcode::Xssubsp => |v, _, w| two(v, w, Single, subtract),
        Opcode::Xsmuldp => |v, _, w| two(v, w, Double, multiply),
        Opcode::Xsmulsp => |v, _, w| two(v, w, Single, multiply),
        Opcode::Xsdivdp => |v, _, w| two(v, w, Double, divide),
        Opcode::Xsdivsp => |v, _, w| two(v, w, Single, divide),
        Opcode::Xssqrtdp => |v, _, w| one(v, w, Double, square_root),
        Opcode::Xssqrtsp => |v, _, w| one(v, w, Single, square_root),
        Opcode::Xsredp => |v, _, w| one(v, w, Double, reciprocal),
        Opcode::Xsresp => |v, _, w| one(v, w, Single, reciprocal),
        Opcode::Xsrsqrtedp => |v, _, w| one(v, w, Double, reciprocal_root),
        Opcode::Xsrsqrtesp => |v, _, w| one(v, w, Single, reciprocal_root),
        Opcode::Xsmaddadp => |v, _, w| multiply_add(v, w, Double, Add, Addend),
        Opcode::Xsmaddasp => |v, _, w| multiply_add(v, w, Single, Add, Addend),
        Opcode::Xsmaddmdp => |v, _, w| multiply_add(v, w, Double, Add, Factor),
        Opcode::Xsmaddmsp => |v, _, w| multiply_add(v, w, Single, Add, Factor),
        Opcode::Xsmsubadp => |v, _, w| multiply_add(v, w, Double, Subtract, Addend),
        Opcode::Xsmsubasp => |v, _, w| multiply_add(v, w, Single, Subtract, Addend),
        Opcode::Xsmsubmdp => |v, _, w| multiply_add(v, w, Double, Subtract, Factor),
        Opcode::Xsmsubmsp => |v, _, w| multiply_add(v, w, Single, Subtract, Factor),
        Opcode::Xsnmaddadp => |v, _, w| multiply_add(v, w, Double, NegativeAdd, Addend),
        Opcode::Xsnmaddasp => |v, _, w| multiply_add(v, w, Single, NegativeAdd, Addend),
        Opcode::Xsnmaddmdp => |v, _, w| multiply_add(v, w, Double, NegativeAdd, Factor),
        Opcode::Xsnmaddmsp => |v, _, w| multiply_add(v, w, Single, NegativeAdd, Factor),
        Opcode::Xsnmsubadp => |v, _, w| multiply_add(v, w, Double, NegativeSubtract, Addend),
        Opcode::Xsnmsubasp => |v, _, w| multiply_add(v, w, Single, NegativeSubtract, Addend),
        Opcode::Xsnmsubmdp => |v, _, w| multiply_add(v, w, Double, NegativeSubtract, Factor),
        Opcode::Xsnmsubmsp => |v, _, w| multiply_add(v, w, Single, NegativeSubtract, Factor),
        Opcode::Xsmaxdp => |v, _, w| extreme(v, w, maximum),
        Opcode::Xsmindp => |v, _, w| extreme(v, w, minimum),
        Opcode::Xsrdpi => |v, _, w| integral(v, w, Rounding::NearestAway),
        Opcode::Xsrdpim => |v, _, w| integral(v, w, Rounding::Down),
        Opcode::Xsrdpip => |v, _, w| integral(v, w, Rounding::Up),
        Opcode::Xsrdpiz => |v, _, w| integral(v, w, Rounding::Zero),
        Opcode::Xsrdpic => |v, _, w| one(v, w, Double, |f, _, b| to_integral(f.rounding(), b)),
        Opcode::Xsrsp => |v, _, w| one(v, w, Single, |f, _, b| to_single(f, b)),
        _ => return None,
    };
    Some(handler)
}
