//! The scalar compares, maxima and minima of Power ISA v3.0B that write a mask or an operand, and the compare of exponents.
//! Book I, 7.6.3. They leave FR, FI and FPRF alone, but for the compare of exponents, which sets FPCC.

use power::insn::{Opcode, Word};

use super::compare::{Relation, nibble, unordered};
use super::data_class::{DOUBLE, Format, QUAD};
use super::fpscr::VXSNAN;
use super::lanes::mask;
use super::value::{SIGN, is_nan, is_negative, is_signaling, is_zero};
use super::{Handler, Outcome, Vsu};
use crate::regs::{CR, Regs};

/// Writes ones where the relation holds, unless an enabled exception forbids it.
fn compare(v: &mut Vsu, w: Word, asked: Relation) -> Outcome {
    let (a, b) = (v.scalar(w.xa()), v.scalar(w.xb()));
    let found = unordered(v.fpscr, asked != Relation::Equal, a, b);
    if v.fpscr.raise(found) {
        return Outcome::FloatException;
    }
    v.set_scalar(w.xt(), mask(asked.holds(a, b)));
    Outcome::Done
}

/// Writes what `choose` makes of the operands.
fn extreme(v: &mut Vsu, w: Word, choose: impl Fn(u64, u64) -> u64) -> Outcome {
    let (a, b) = (v.scalar(w.xa()), v.scalar(w.xb()));
    let signaling = is_signaling(a) || is_signaling(b);
    if v.fpscr.raise(if signaling { VXSNAN } else { 0 }) {
        return Outcome::FloatException;
    }
    v.set_scalar(w.xt(), choose(a, b));
    Outcome::Done
}

const GREATER: u64 = 4;
const LESS: u64 = 8;

/// As the conditional expression of C has it: B unless A is in the relation with it.
fn as_in_c(a: u64, b: u64, relation: u64) -> u64 {
    if nibble(a, b) == relation { a } else { b }
}

/// As Java has it: the first NaN, and zeros are in order. `negative` is the zero that is taken where both are there.
fn as_in_java(a: u64, b: u64, relation: u64, negative: bool) -> u64 {
    if is_nan(a) {
        a
    } else if is_nan(b) {
        b
    } else if is_zero(a) && is_zero(b) {
        let taken = is_negative(a) == negative || is_negative(b) == negative;
        if taken == negative { SIGN } else { 0 }
    } else {
        as_in_c(a, b, relation)
    }
}

/// Compares the exponents of two values as numbers; NaNs are unordered.
pub(super) fn exponents(v: &mut Vsu, regs: &mut Regs, w: Word, format: Format, [a, b]: [u128; 2]) -> Outcome {
    let order = format.exponent(a).cmp(&format.exponent(b));
    let order = (!format.is_nan(a) && !format.is_nan(b)).then_some(order);
    let result = super::compare::relation(order);
    regs[CR + w.bf() as u8] = result;
    v.fpscr.set_fpcc(result);
    Outcome::Done
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Xscmpeqdp => |v, _, w| compare(v, w, Relation::Equal),
        Opcode::Xscmpgedp => |v, _, w| compare(v, w, Relation::GreaterOrEqual),
        Opcode::Xscmpgtdp => |v, _, w| compare(v, w, Relation::Greater),
        Opcode::Xsmaxcdp => |v, _, w| extreme(v, w, |a, b| as_in_c(a, b, GREATER)),
        Opcode::Xsmincdp => |v, _, w| extreme(v, w, |a, b| as_in_c(a, b, LESS)),
        Opcode::Xsmaxjdp => |v, _, w| extreme(v, w, |a, b| as_in_java(a, b, GREATER, false)),
        Opcode::Xsminjdp => |v, _, w| extreme(v, w, |a, b| as_in_java(a, b, LESS, true)),
        Opcode::Xscmpexpdp => |v, r, w| {
            let operands = [w.xa(), w.xb()].map(|n| v.scalar(n).into());
            exponents(v, r, w, DOUBLE, operands)
        },
        Opcode::Xscmpexpqp => |v, r, w| {
            let operands = [w.vra(), w.vrb()].map(|n| v.vr(n));
            exponents(v, r, w, QUAD, operands)
        },
        _ => return None,
    };
    Some(handler)
}
