//! The scalar floating-point instructions of Book I, chapter 4, apart from compares and those
//! that move to or from the FPSCR.

use power::insn::{Opcode, Word};

use super::arith::{
    Fused, add, divide, fused, multiply, reciprocal, reciprocal_root, square_root, subtract, to_single,
};
use super::convert::{I32, I64, Integer, U32, U64, absolute, from_integer, to_integer, to_integral_quietly};
use super::fpscr::{Fpscr, Rounding};
use super::round::Computed;
use super::value::Precision::{Double, Single};
use super::value::{Precision, SIGN, is_nan};
use super::{Handler, Outcome, Vsu};
use crate::regs::Regs;

/// Writes the result of an arithmetic instruction. Inlined, and the arithmetic not: which of the two a compiler prefers hangs on what
/// else is in the crate, and this way is the faster.
#[inline(always)]
fn finish(v: &mut Vsu, regs: &mut Regs, w: Word, precision: Precision, result: Computed) -> Outcome {
    let outcome = v.deliver(w.frt(), precision, result);
    v.record(regs, w.record());
    outcome
}

/// An instruction on FRB.
fn one(
    v: &mut Vsu,
    regs: &mut Regs,
    w: Word,
    precision: Precision,
    f: impl Fn(Fpscr, Precision, u64) -> Computed,
) -> Outcome {
    let result = f(v.fpscr, precision, v.scalar(w.frb()));
    finish(v, regs, w, precision, result)
}

/// An instruction on FRA and FRB.
fn two(
    v: &mut Vsu,
    regs: &mut Regs,
    w: Word,
    precision: Precision,
    f: impl Fn(Fpscr, Precision, u64, u64) -> Computed,
) -> Outcome {
    let result = f(v.fpscr, precision, v.scalar(w.fra()), v.scalar(w.frb()));
    finish(v, regs, w, precision, result)
}

/// FRA times FRC.
fn product(v: &mut Vsu, regs: &mut Regs, w: Word, precision: Precision) -> Outcome {
    let result = multiply(v.fpscr, precision, v.scalar(w.fra()), v.scalar(w.frc()));
    finish(v, regs, w, precision, result)
}

fn multiply_and_add(v: &mut Vsu, regs: &mut Regs, w: Word, precision: Precision, kind: Fused) -> Outcome {
    let operands = [w.fra(), w.frc(), w.frb()].map(|n| v.scalar(n));
    let result = fused(kind, v.fpscr, precision, operands);
    finish(v, regs, w, precision, result)
}

/// An instruction that moves bits and touches no status.
fn moved(v: &mut Vsu, regs: &mut Regs, w: Word, f: impl Fn(u64, u64) -> u64) -> Outcome {
    let result = f(v.scalar(w.fra()), v.scalar(w.frb()));
    v.set_scalar(w.frt(), result);
    v.record(regs, w.record());
    Outcome::Done
}

/// Converts FRB to an integer. FPRF, which is undefined, stays.
fn integer(v: &mut Vsu, regs: &mut Regs, w: Word, mode: Option<Rounding>, to: Integer) -> Outcome {
    let mode = mode.unwrap_or(v.fpscr.rounding());
    let result = to_integer(mode, to, v.scalar(w.frb()));
    let outcome = v.deliver_unclassified(w.frt(), result);
    v.record(regs, w.record());
    outcome
}

/// FRB rounded to an integral value.
fn integral(v: &mut Vsu, regs: &mut Regs, w: Word, mode: Rounding) -> Outcome {
    one(v, regs, w, Double, |_, _, b| to_integral_quietly(mode, b))
}

fn select(a: u64, c: u64, b: u64) -> u64 {
    let chosen = !is_nan(a) && (a & SIGN == 0 || a == SIGN);
    if chosen { c } else { b }
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    const ZERO: Option<Rounding> = Some(Rounding::Zero);
    let handler: Handler = match op {
        Opcode::Fadd => |v, r, w| two(v, r, w, Double, add),
        Opcode::Fadds => |v, r, w| two(v, r, w, Single, add),
        Opcode::Fsub => |v, r, w| two(v, r, w, Double, subtract),
        Opcode::Fsubs => |v, r, w| two(v, r, w, Single, subtract),
        Opcode::Fmul => |v, r, w| product(v, r, w, Double),
        Opcode::Fmuls => |v, r, w| product(v, r, w, Single),
        Opcode::Fdiv => |v, r, w| two(v, r, w, Double, divide),
        Opcode::Fdivs => |v, r, w| two(v, r, w, Single, divide),
        Opcode::Fsqrt => |v, r, w| one(v, r, w, Double, square_root),
        Opcode::Fsqrts => |v, r, w| one(v, r, w, Single, square_root),
        Opcode::Fre => |v, r, w| one(v, r, w, Double, reciprocal),
        Opcode::Fres => |v, r, w| one(v, r, w, Single, reciprocal),
        Opcode::Frsqrte => |v, r, w| one(v, r, w, Double, reciprocal_root),
        Opcode::Frsqrtes => |v, r, w| one(v, r, w, Single, reciprocal_root),
        Opcode::Fmadd => |v, r, w| multiply_and_add(v, r, w, Double, Fused::Add),
        Opcode::Fmadds => |v, r, w| multiply_and_add(v, r, w, Single, Fused::Add),
        Opcode::Fmsub => |v, r, w| multiply_and_add(v, r, w, Double, Fused::Subtract),
        Opcode::Fmsubs => |v, r, w| multiply_and_add(v, r, w, Single, Fused::Subtract),
        Opcode::Fnmadd => |v, r, w| multiply_and_add(v, r, w, Double, Fused::NegativeAdd),
        Opcode::Fnmadds => |v, r, w| multiply_and_add(v, r, w, Single, Fused::NegativeAdd),
        Opcode::Fnmsub => |v, r, w| multiply_and_add(v, r, w, Double, Fused::NegativeSubtract),
        Opcode::Fnmsubs => |v, r, w| multiply_and_add(v, r, w, Single, Fused::NegativeSubtract),
        Opcode::Frsp => |v, r, w| one(v, r, w, Single, |fpscr, _, b| to_single(fpscr, b)),
        Opcode::Fctid => |v, r, w| integer(v, r, w, None, I64),
        Opcode::Fctidz => |v, r, w| integer(v, r, w, ZERO, I64),
        Opcode::Fctidu => |v, r, w| integer(v, r, w, None, U64),
        Opcode::Fctiduz => |v, r, w| integer(v, r, w, ZERO, U64),
        Opcode::Fctiw => |v, r, w| integer(v, r, w, None, I32),
        Opcode::Fctiwz => |v, r, w| integer(v, r, w, ZERO, I32),
        Opcode::Fctiwu => |v, r, w| integer(v, r, w, None, U32),
        Opcode::Fctiwuz => |v, r, w| integer(v, r, w, ZERO, U32),
        Opcode::Fcfid => |v, r, w| one(v, r, w, Double, |f, p, b| from_integer(f, p, (b as i64).into())),
        Opcode::Fcfidu => |v, r, w| one(v, r, w, Double, |f, p, b| from_integer(f, p, b.into())),
        Opcode::Fcfids => |v, r, w| one(v, r, w, Single, |f, p, b| from_integer(f, p, (b as i64).into())),
        Opcode::Fcfidus => |v, r, w| one(v, r, w, Single, |f, p, b| from_integer(f, p, b.into())),
        Opcode::Frin => |v, r, w| integral(v, r, w, Rounding::NearestAway),
        Opcode::Friz => |v, r, w| integral(v, r, w, Rounding::Zero),
        Opcode::Frip => |v, r, w| integral(v, r, w, Rounding::Up),
        Opcode::Frim => |v, r, w| integral(v, r, w, Rounding::Down),
        Opcode::Fmr => |v, r, w| moved(v, r, w, |_, b| b),
        Opcode::Fneg => |v, r, w| moved(v, r, w, |_, b| b ^ SIGN),
        Opcode::Fabs => |v, r, w| moved(v, r, w, |_, b| absolute(b)),
        Opcode::Fnabs => |v, r, w| moved(v, r, w, |_, b| b | SIGN),
        Opcode::Fcpsgn => |v, r, w| moved(v, r, w, |a, b| a & SIGN | absolute(b)),
        Opcode::Fmrgew => |v, _, w| merge(v, w, |a, b| a & !0xffff_ffff | b >> 32),
        Opcode::Fmrgow => |v, _, w| merge(v, w, |a, b| a << 32 | b & 0xffff_ffff),
        Opcode::Fsel => |v, r, w| {
            let c = v.scalar(w.frc());
            moved(v, r, w, |a, b| select(a, c, b))
        },
        _ => return None,
    };
    Some(handler)
}

/// Word merges, whose encoding has no Rc.
fn merge(v: &mut Vsu, w: Word, f: impl Fn(u64, u64) -> u64) -> Outcome {
    let result = f(v.scalar(w.fra()), v.scalar(w.frb()));
    v.set_scalar(w.frt(), result);
    Outcome::Done
}
