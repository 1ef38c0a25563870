//! The instructions of quadruple precision. Power ISA v3.0B, Book I, 7.6.3. Their operands are vector registers; a double or an
//! integer stands in doubleword 0 of one.

use power::insn::{Opcode, Word};
use rustc_apfloat::{Float, ieee::Quad};

use super::arith::Fused;
use super::compare::{invalid, relation};
use super::convert::{I32, I64, Integer, U32, U64};
use super::fpscr::{Fpscr, Rounding};
use super::quad::{Computed, SIGN, absolute, deliver, from_integer, is_nan, is_signaling};
use super::quad_arith::{add, divide, fused, multiply, subtract};
use super::quad_convert::{from_double, mode, to_double, to_extended, to_integer, to_integral};
use super::quad_root::square_root;
use super::value::Precision;
use super::{Handler, Outcome, Vsu};
use crate::regs::{CR, Regs};

/// The mode of an instruction with RO.
fn rounding(fpscr: Fpscr, w: Word) -> Rounding {
    if w.ro() { Rounding::Odd } else { fpscr.rounding() }
}

/// An instruction on VRB.
fn one(v: &mut Vsu, w: Word, f: impl Fn(Fpscr, u128) -> Computed) -> Outcome {
    let result = f(v.fpscr, v.vr(w.vrb()));
    deliver(v, w.vrt(), result)
}

/// An instruction on VRA and VRB that rounds.
fn two(v: &mut Vsu, w: Word, f: impl Fn(Fpscr, Rounding, u128, u128) -> Computed) -> Outcome {
    let result = f(v.fpscr, rounding(v.fpscr, w), v.vr(w.vra()), v.vr(w.vrb()));
    deliver(v, w.vrt(), result)
}

/// VRA times VRB, with VRT as the addend.
fn multiply_add(v: &mut Vsu, w: Word, kind: Fused) -> Outcome {
    let operands = [w.vra(), w.vrb(), w.vrt()].map(|n| v.vr(n));
    let result = fused(kind, v.fpscr, rounding(v.fpscr, w), operands);
    deliver(v, w.vrt(), result)
}

/// A move of VRB with another sign, which VRA may have.
fn moved(v: &mut Vsu, w: Word, f: impl Fn(u128, u128) -> u128) -> Outcome {
    let result = f(v.vr(w.vra()), v.vr(w.vrb()));
    v.set_vr(w.vrt(), result)
}

fn compare(v: &mut Vsu, regs: &mut Regs, w: Word, ordered: bool) -> Outcome {
    let operands = [w.vra(), w.vrb()].map(|n| v.vr(n));
    let [a, b] = operands.map(Quad::from_bits);
    let result = relation(a.partial_cmp(&b));
    regs[CR + w.bf() as u8] = result;
    v.fpscr.set_fpcc(result);
    let signaling = operands.into_iter().any(is_signaling);
    let found = invalid(v.fpscr, signaling, ordered && operands.into_iter().any(is_nan));
    Outcome::trapped(v.fpscr.raise(found))
}

/// An integer, whose FPRF is undefined: it stays.
fn integer(v: &mut Vsu, w: Word, to: Integer) -> Outcome {
    let result = to_integer(to, v.vr(w.vrb()));
    v.deliver_unclassified(32 + w.vrt(), result)
}

/// Doubleword 0 of VRB.
fn doubleword(v: &Vsu, w: Word) -> u64 {
    v.scalar(32 + w.vrb())
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Xsaddqp => |v, _, w| two(v, w, add),
        Opcode::Xssubqp => |v, _, w| two(v, w, subtract),
        Opcode::Xsmulqp => |v, _, w| two(v, w, multiply),
        Opcode::Xsdivqp => |v, _, w| two(v, w, divide),
        Opcode::Xssqrtqp => |v, _, w| one(v, w, |fpscr, b| square_root(rounding(fpscr, w), b)),
        Opcode::Xsmaddqp => |v, _, w| multiply_add(v, w, Fused::Add),
        Opcode::Xsmsubqp => |v, _, w| multiply_add(v, w, Fused::Subtract),
        Opcode::Xsnmaddqp => |v, _, w| multiply_add(v, w, Fused::NegativeAdd),
        Opcode::Xsnmsubqp => |v, _, w| multiply_add(v, w, Fused::NegativeSubtract),
        Opcode::Xscmpoqp => |v, r, w| compare(v, r, w, true),
        Opcode::Xscmpuqp => |v, r, w| compare(v, r, w, false),
        Opcode::Xsabsqp => |v, _, w| moved(v, w, |_, b| absolute(b)),
        Opcode::Xsnabsqp => |v, _, w| moved(v, w, |_, b| b | SIGN),
        Opcode::Xsnegqp => |v, _, w| moved(v, w, |_, b| b ^ SIGN),
        Opcode::Xscpsgnqp => |v, _, w| moved(v, w, |a, b| a & SIGN | absolute(b)),
        Opcode::Xscvdpqp => |v, _, w| {
            let result = from_double(doubleword(v, w));
            deliver(v, w.vrt(), result)
        },
        Opcode::Xscvqpdp => |v, _, w| {
            let result = to_double(v.fpscr, rounding(v.fpscr, w), v.vr(w.vrb()));
            v.deliver(32 + w.vrt(), Precision::Double, result)
        },
        Opcode::Xscvqpswz => |v, _, w| integer(v, w, I32),
        Opcode::Xscvqpsdz => |v, _, w| integer(v, w, I64),
        Opcode::Xscvqpuwz => |v, _, w| integer(v, w, U32),
        Opcode::Xscvqpudz => |v, _, w| integer(v, w, U64),
        Opcode::Xscvsdqp => |v, _, w| {
            let integer = doubleword(v, w) as i64;
            let result = from_integer(integer < 0, integer.unsigned_abs().into());
            deliver(v, w.vrt(), Computed::exact(result))
        },
        Opcode::Xscvudqp => |v, _, w| {
            let result = from_integer(false, doubleword(v, w).into());
            deliver(v, w.vrt(), Computed::exact(result))
        },
        Opcode::Xsrqpi => |v, _, w| one(v, w, |fpscr, b| to_integral(mode(fpscr, w), w.ex(), b)),
        Opcode::Xsrqpxp => |v, _, w| one(v, w, |fpscr, b| to_extended(fpscr, mode(fpscr, w), b)),
        _ => return None,
    };
    Some(handler)
}
