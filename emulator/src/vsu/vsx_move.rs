//! VSX instructions that move bits: logic, permutes, signs, and to and from general registers.

use power::insn::{Opcode, Word};

use super::convert::absolute;
use super::lanes::{build, lane, map, map2};
use super::value::SIGN;
use super::{Handler, Outcome, Vsu};
use crate::regs::Regs;

const SIGN32: u32 = 1 << 31;

/// An instruction on XA and XB.
pub(super) fn two(v: &mut Vsu, w: Word, f: impl Fn(u128, u128) -> u128) -> Outcome {
    let result = f(v.get(w.xa()), v.get(w.xb()));
    v.set(w.xt(), result)
}

/// An instruction on XB.
pub(super) fn one(v: &mut Vsu, w: Word, f: impl Fn(u128) -> u128) -> Outcome {
    let result = f(v.get(w.xb()));
    v.set(w.xt(), result)
}

/// An instruction on doubleword 0 of XA and XB that changes signs.
fn scalar(v: &mut Vsu, w: Word, f: impl Fn(u64, u64) -> u64) -> Outcome {
    let result = f(v.scalar(w.xa()), v.scalar(w.xb()));
    v.set_scalar(w.xt(), result);
    Outcome::Done
}

/// The words of XA and XB in turn, from word `first` on.
fn merge(v: &mut Vsu, w: Word, first: u32) -> Outcome {
    two(v, w, |a, b| {
        build(|i| lane::<u32>(if i % 2 == 0 { a } else { b }, first + i / 2))
    })
}

/// One doubleword each of XA and XB.
fn permute(v: &mut Vsu, w: Word) -> Outcome {
    let (first, second) = (w.dm() >> 1, w.dm() & 1);
    two(v, w, |a, b| {
        u128::from(lane::<u64>(a, first)) << 64 | u128::from(lane::<u64>(b, second))
    })
}

/// Four words of XA and XB joined, from word SHW on.
fn shift_words(v: &mut Vsu, w: Word) -> Outcome {
    let shift = w.shw() * 32;
    two(v, w, |a, b| a << shift | b.checked_shr(128 - shift).unwrap_or(0))
}

fn splat(v: &mut Vsu, w: Word) -> Outcome {
    one(v, w, |b| {
        let word: u32 = lane(b, w.uim2());
        build(|_| word)
    })
}

fn select(v: &mut Vsu, w: Word) -> Outcome {
    let c = v.get(w.xc());
    two(v, w, |a, b| b & c | a & !c)
}

fn to_general(v: &Vsu, regs: &mut Regs, w: Word, f: impl Fn(u64) -> u64) -> Outcome {
    regs[w.ra() as u8] = f(v.scalar(w.xt()));
    Outcome::Done
}

fn from_general(v: &mut Vsu, regs: &Regs, w: Word, f: impl Fn(u64) -> u64) -> Outcome {
    v.set_scalar(w.xt(), f(regs[w.ra() as u8]));
    Outcome::Done
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Xxland => |v, _, w| two(v, w, |a, b| a & b),
        Opcode::Xxlandc => |v, _, w| two(v, w, |a, b| a & !b),
        Opcode::Xxleqv => |v, _, w| two(v, w, |a, b| !(a ^ b)),
        Opcode::Xxlnand => |v, _, w| two(v, w, |a, b| !(a & b)),
        Opcode::Xxlnor => |v, _, w| two(v, w, |a, b| !(a | b)),
        Opcode::Xxlor => |v, _, w| two(v, w, |a, b| a | b),
        Opcode::Xxlorc => |v, _, w| two(v, w, |a, b| a | !b),
        Opcode::Xxlxor => |v, _, w| two(v, w, |a, b| a ^ b),
        Opcode::Xxmrghw => |v, _, w| merge(v, w, 0),
        Opcode::Xxmrglw => |v, _, w| merge(v, w, 2),
        Opcode::Xxpermdi => |v, _, w| permute(v, w),
        Opcode::Xxsldwi => |v, _, w| shift_words(v, w),
        Opcode::Xxspltw => |v, _, w| splat(v, w),
        Opcode::Xxsel => |v, _, w| select(v, w),
        Opcode::Xsabsdp => |v, _, w| scalar(v, w, |_, b| absolute(b)),
        Opcode::Xsnabsdp => |v, _, w| scalar(v, w, |_, b| b | SIGN),
        Opcode::Xsnegdp => |v, _, w| scalar(v, w, |_, b| b ^ SIGN),
        Opcode::Xscpsgndp => |v, _, w| scalar(v, w, |a, b| a & SIGN | absolute(b)),
        Opcode::Xvabsdp => |v, _, w| one(v, w, |b| map(b, absolute)),
        Opcode::Xvnabsdp => |v, _, w| one(v, w, |b| map(b, |b: u64| b | SIGN)),
        Opcode::Xvnegdp => |v, _, w| one(v, w, |b| map(b, |b: u64| b ^ SIGN)),
        Opcode::Xvcpsgndp => |v, _, w| two(v, w, |a, b| map2(a, b, |a: u64, b| a & SIGN | absolute(b))),
        Opcode::Xvabssp => |v, _, w| one(v, w, |b| map(b, |b: u32| b & !SIGN32)),
        Opcode::Xvnabssp => |v, _, w| one(v, w, |b| map(b, |b: u32| b | SIGN32)),
        Opcode::Xvnegsp => |v, _, w| one(v, w, |b| map(b, |b: u32| b ^ SIGN32)),
        Opcode::Xvcpsgnsp => |v, _, w| two(v, w, |a, b| map2(a, b, |a: u32, b| a & SIGN32 | b & !SIGN32)),
        Opcode::Mfvsrd => |v, r, w| to_general(v, r, w, |x| x),
        Opcode::Mfvsrwz => |v, r, w| to_general(v, r, w, |x| x & 0xffff_ffff),
        Opcode::Mtvsrd => |v, r, w| from_general(v, r, w, |x| x),
        Opcode::Mtvsrwa => |v, r, w| from_general(v, r, w, |x| i64::from(x as i32) as u64),
        Opcode::Mtvsrwz => |v, r, w| from_general(v, r, w, |x| x & 0xffff_ffff),
        _ => return None,
    };
    Some(handler)
}
