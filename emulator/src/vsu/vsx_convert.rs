//! VSX conversions between formats. Where one element is a word and the other a doubleword, the
//! word is the first of its doubleword; as a target it is written to both.

use power::insn::{Opcode, Word};

use super::arith::{quieted_operand, to_single};
use super::convert::{I32, I64, Integer, U32, U64, from_integer, to_integer};
use super::fpscr::{Fpscr, Rounding};
use super::lanes::{build, lane};
use super::round::Computed;
use super::value::Precision::{self, Double, Single};
use super::value::{double_to_single, fprf, single_to_double};
use super::vsx_vector::finish;
use super::{Handler, Outcome, Vsu};

/// An element of the source, zero-extended, and what becomes of it.
type Convert = fn(Fpscr, u64) -> Computed;

/// Widths of source and target elements.
#[derive(Clone, Copy)]
enum Shape {
    WordToWord,
    WordToDouble,
    DoubleToWord,
    DoubleToDouble,
}

/// Word `index` of a vector as 64 bits.
fn word(vector: u128, index: u32) -> u64 {
    lane::<u32>(vector, index).into()
}

fn vector(v: &mut Vsu, w: Word, shape: Shape, convert: Convert) -> Outcome {
    let b = v.get(w.xb());
    let fpscr = v.fpscr;
    let mut found = 0;
    let mut element = |x| {
        let result = convert(fpscr, x);
        found |= result.found;
        result.bits
    };
    let result = match shape {
        Shape::WordToWord => build(|i| element(word(b, i)) as u32),
        Shape::WordToDouble => build(|i| element(word(b, 2 * i))),
        Shape::DoubleToWord => build(|i| twice(element(lane(b, i)))),
        Shape::DoubleToDouble => build(|i| element(lane(b, i))),
    };
    finish(v, w, found, result)
}

/// The low word in both halves.
fn twice(x: u64) -> u64 {
    x << 32 | x & 0xffff_ffff
}

/// A single as 64 bits with a word's result in both halves.
fn narrowed(result: Computed) -> Computed {
    Computed {
        bits: double_to_single(result.bits).into(),
        ..result
    }
}

fn signed_word(x: u64) -> i128 {
    i128::from(x as i32)
}

fn signed_double(x: u64) -> i128 {
    i128::from(x as i64)
}

/// A floating-point scalar to an integer; FPRF, which is undefined, stays.
fn scalar_to_integer(v: &mut Vsu, w: Word, to: Integer, place: fn(u64) -> u64) -> Outcome {
    let result = to_integer(Rounding::Zero, to, v.scalar(w.xb()));
    v.deliver_unclassified(
        w.xt(),
        Computed {
            bits: place(result.bits),
            ..result
        },
    )
}

fn scalar_from_integer(v: &mut Vsu, w: Word, precision: Precision, widen: fn(u64) -> i128) -> Outcome {
    let result = from_integer(v.fpscr, precision, widen(v.scalar(w.xb())));
    v.deliver(w.xt(), precision, result)
}

/// `xscvdpsp`: the result stands as a single, and its class is a single's.
fn scalar_to_single(v: &mut Vsu, w: Word) -> Outcome {
    let result = to_single(v.fpscr, v.scalar(w.xb()));
    if !v.fpscr.suppresses(result.found) {
        v.fpscr.set_fprf(fprf(result.bits, Single));
    }
    let single = double_to_single(result.bits).into();
    v.deliver_unclassified(
        w.xt(),
        Computed {
            bits: twice(single),
            ..result
        },
    )
}

/// `xscvspdp`.
fn scalar_to_double(v: &mut Vsu, w: Word) -> Outcome {
    let b = single_to_double((v.scalar(w.xb()) >> 32) as u32);
    v.deliver(w.xt(), Double, quieted_operand(b))
}

/// A conversion without rounding or status.
fn unchecked(v: &mut Vsu, w: Word, f: fn(u64) -> u64) -> Outcome {
    v.set_scalar(w.xt(), f(v.scalar(w.xb())));
    Outcome::Done
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    use Shape::{DoubleToDouble, DoubleToWord, WordToDouble, WordToWord};
    const ZERO: Rounding = Rounding::Zero;
    let handler: Handler = match op {
        Opcode::Xscvdpsp => |v, _, w| scalar_to_single(v, w),
        Opcode::Xscvspdp => |v, _, w| scalar_to_double(v, w),
        Opcode::Xscvdpspn => |v, _, w| unchecked(v, w, |b| twice(double_to_single(b).into())),
        Opcode::Xscvspdpn => |v, _, w| unchecked(v, w, |b| single_to_double((b >> 32) as u32)),
        Opcode::Xscvdpsxds => |v, _, w| scalar_to_integer(v, w, I64, |x| x),
        Opcode::Xscvdpuxds => |v, _, w| scalar_to_integer(v, w, U64, |x| x),
        Opcode::Xscvdpsxws => |v, _, w| scalar_to_integer(v, w, I32, twice),
        Opcode::Xscvdpuxws => |v, _, w| scalar_to_integer(v, w, U32, twice),
        Opcode::Xscvsxddp => |v, _, w| scalar_from_integer(v, w, Double, signed_double),
        Opcode::Xscvuxddp => |v, _, w| scalar_from_integer(v, w, Double, i128::from),
        Opcode::Xscvsxdsp => |v, _, w| scalar_from_integer(v, w, Single, signed_double),
        Opcode::Xscvuxdsp => |v, _, w| scalar_from_integer(v, w, Single, i128::from),

        Opcode::Xvcvdpsp => |v, _, w| vector(v, w, DoubleToWord, |f, x| narrowed(to_single(f, x))),
        Opcode::Xvcvspdp => |v, _, w| vector(v, w, WordToDouble, |_, x| quieted_operand(single_to_double(x as u32))),
        Opcode::Xvcvdpsxds => |v, _, w| vector(v, w, DoubleToDouble, |_, x| to_integer(ZERO, I64, x)),
        Opcode::Xvcvdpuxds => |v, _, w| vector(v, w, DoubleToDouble, |_, x| to_integer(ZERO, U64, x)),
        Opcode::Xvcvdpsxws => |v, _, w| vector(v, w, DoubleToWord, |_, x| to_integer(ZERO, I32, x)),
        Opcode::Xvcvdpuxws => |v, _, w| vector(v, w, DoubleToWord, |_, x| to_integer(ZERO, U32, x)),
        Opcode::Xvcvspsxds => |v, _, w| {
            vector(v, w, WordToDouble, |_, x| {
                to_integer(ZERO, I64, single_to_double(x as u32))
            })
        },
        Opcode::Xvcvspuxds => |v, _, w| {
            vector(v, w, WordToDouble, |_, x| {
                to_integer(ZERO, U64, single_to_double(x as u32))
            })
        },
        Opcode::Xvcvspsxws => |v, _, w| {
            vector(v, w, WordToWord, |_, x| {
                to_integer(ZERO, I32, single_to_double(x as u32))
            })
        },
        Opcode::Xvcvspuxws => |v, _, w| {
            vector(v, w, WordToWord, |_, x| {
                to_integer(ZERO, U32, single_to_double(x as u32))
            })
        },
        Opcode::Xvcvsxddp => |v, _, w| vector(v, w, DoubleToDouble, |f, x| from_integer(f, Double, signed_double(x))),
        Opcode::Xvcvuxddp => |v, _, w| vector(v, w, DoubleToDouble, |f, x| from_integer(f, Double, x.into())),
        Opcode::Xvcvsxwdp => |v, _, w| vector(v, w, WordToDouble, |f, x| from_integer(f, Double, signed_word(x))),
        Opcode::Xvcvuxwdp => |v, _, w| vector(v, w, WordToDouble, |f, x| from_integer(f, Double, x.into())),
        Opcode::Xvcvsxdsp => |v, _, w| {
            vector(v, w, DoubleToWord, |f, x| {
                narrowed(from_integer(f, Single, signed_double(x)))
            })
        },
        Opcode::Xvcvuxdsp => |v, _, w| vector(v, w, DoubleToWord, |f, x| narrowed(from_integer(f, Single, x.into()))),
        Opcode::Xvcvsxwsp => |v, _, w| {
            vector(v, w, WordToWord, |f, x| {
                narrowed(from_integer(f, Single, signed_word(x)))
            })
        },
        Opcode::Xvcvuxwsp => |v, _, w| vector(v, w, WordToWord, |f, x| narrowed(from_integer(f, Single, x.into()))),
        _ => return None,
    };
    Some(handler)
}
