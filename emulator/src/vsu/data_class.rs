//! Floating-point values taken apart and put together: exponents, significands and data classes of single, double and quadruple
//! precision. Power ISA v3.0B, Book I, 7.6.3. None of these instructions meets an exception.

use power::insn::{Opcode, Word};

use super::fpscr::Found;
use super::lanes::{map, map2, mask};
use super::value::{double_to_single, single_to_double};
use super::{Handler, Outcome, Vsu};
use crate::regs::{CR, Regs};

/// The fields of a format: the sign, then the exponent, then the fraction.
#[derive(Clone, Copy)]
pub(super) struct Format {
    exponent_bits: u32,
    fraction_bits: u32,
}

const SINGLE: Format = Format {
    exponent_bits: 8,
    fraction_bits: 23,
};
pub(super) const DOUBLE: Format = Format {
    exponent_bits: 11,
    fraction_bits: 52,
};
pub(super) const QUAD: Format = Format {
    exponent_bits: 15,
    fraction_bits: 112,
};

/// Bits of DCMX: the classes that a test asks for.
const NAN: u32 = 0x40;
const INFINITY: u32 = 0x20;
const MINUS_INFINITY: u32 = 0x10;
const ZERO: u32 = 8;
const MINUS_ZERO: u32 = 4;
const DENORMAL: u32 = 2;
const MINUS_DENORMAL: u32 = 1;

/// Biased exponent of the smallest normal single, as a double.
const SINGLE_MIN_NORMAL: u128 = 0x381;

impl Format {
    const fn ones(bits: u32) -> u128 {
        (1 << bits) - 1
    }

    /// The biased exponent.
    pub(super) const fn exponent(self, value: u128) -> u128 {
        value >> self.fraction_bits & Self::ones(self.exponent_bits)
    }

    const fn fraction(self, value: u128) -> u128 {
        value & Self::ones(self.fraction_bits)
    }

    /// Sign and fraction, with the exponent's bits clear.
    const fn without_exponent(self, value: u128) -> u128 {
        value & !(Self::ones(self.exponent_bits) << self.fraction_bits)
    }

    pub(super) const fn is_negative(self, value: u128) -> bool {
        value >> (self.exponent_bits + self.fraction_bits) & 1 != 0
    }

    const fn is_greatest(self, exponent: u128) -> bool {
        exponent == Self::ones(self.exponent_bits)
    }

    pub(super) const fn is_nan(self, value: u128) -> bool {
        self.is_greatest(self.exponent(value)) && self.fraction(value) != 0
    }

    /// The fraction below the bit that the format implies.
    const fn significand(self, value: u128) -> u128 {
        let exponent = self.exponent(value);
        let implied = exponent != 0 && !self.is_greatest(exponent);
        (implied as u128) << self.fraction_bits | self.fraction(value)
    }

    /// Sign and fraction of `value`, with this exponent.
    const fn with_exponent(self, value: u128, exponent: u128) -> u128 {
        self.without_exponent(value) | (exponent & Self::ones(self.exponent_bits)) << self.fraction_bits
    }

    /// The bit of DCMX for the value; none for a normal one. Exponents below `min_normal` are those of denormal numbers.
    const fn class(self, value: u128, min_normal: u128) -> u32 {
        let (exponent, fraction) = (self.exponent(value), self.fraction(value));
        let [of_positive, of_negative] = match (exponent, fraction) {
            (0, 0) => [ZERO, MINUS_ZERO],
            (exponent, 0) if self.is_greatest(exponent) => [INFINITY, MINUS_INFINITY],
            (exponent, _) if self.is_greatest(exponent) => [NAN, NAN],
            (exponent, _) if exponent < min_normal => [DENORMAL, MINUS_DENORMAL],
            _ => [0, 0],
        };
        if self.is_negative(value) {
            of_negative
        } else {
            of_positive
        }
    }
}

/// FPRF of a value of quadruple precision. Power ISA v3.0B, Book I, 4.2.2.
pub(super) fn fprf_of_quad(value: u128) -> Found {
    let fprf = match QUAD.class(value, 1) {
        NAN => 0b1_0001,
        INFINITY => 0b0_0101,
        MINUS_INFINITY => 0b0_1001,
        ZERO => 0b0_0010,
        MINUS_ZERO => 0b1_0010,
        DENORMAL => 0b1_0100,
        MINUS_DENORMAL => 0b1_1000,
        _ if QUAD.is_negative(value) => 0b0_1000,
        _ => 0b0_0100,
    };
    fprf << 12
}

/// Sets a CR field and FPCC: the sign, whether the class was asked for, and `other`.
fn test(v: &mut Vsu, regs: &mut Regs, w: Word, is_negative: bool, class: u32, other: bool) -> Outcome {
    let matches = class & w.dcmx() != 0;
    let result = u64::from(is_negative) << 3 | u64::from(matches) << 1 | u64::from(other);
    regs[CR + w.bf() as u8] = result;
    v.fpscr.set_fpcc(result);
    Outcome::Done
}

/// `xststdcsp`, of a double: the last bit tells that it is no single.
fn test_single(v: &mut Vsu, regs: &mut Regs, w: Word) -> Outcome {
    let b = v.scalar(w.xb());
    let is_no_single = single_to_double(double_to_single(b)) != b;
    let class = DOUBLE.class(b.into(), SINGLE_MIN_NORMAL);
    test(v, regs, w, DOUBLE.is_negative(b.into()), class, is_no_single)
}

/// A scalar to a general register.
fn to_general(v: &Vsu, regs: &mut Regs, w: Word, f: impl Fn(u128) -> u128) -> Outcome {
    regs[w.rt() as u8] = f(v.scalar(w.xb()).into()) as u64;
    Outcome::Done
}

/// `xsiexpdp`: sign and fraction of RA, exponent of RB.
fn from_general(v: &mut Vsu, regs: &Regs, w: Word) -> Outcome {
    let [a, b] = [w.ra(), w.rb()].map(|n| u128::from(regs[n as u8]));
    v.set_scalar(w.xt(), DOUBLE.with_exponent(a, b) as u64);
    Outcome::Done
}

/// `xsiexpqp`: sign and fraction of VRA, exponent of doubleword 0 of VRB.
fn quad_with_exponent(v: &mut Vsu, w: Word) -> Outcome {
    let value = QUAD.with_exponent(v.vr(w.vra()), v.vr(w.vrb()) >> 64);
    v.set_vr(w.vrt(), value)
}

fn singles(v: &mut Vsu, w: Word, f: impl Fn(u128) -> u128) -> Outcome {
    let result = map(v.get(w.xb()), |b: u32| f(b.into()) as u32);
    v.set(w.xt(), result)
}

fn doubles(v: &mut Vsu, w: Word, f: impl Fn(u128) -> u128) -> Outcome {
    let result = map(v.get(w.xb()), |b: u64| f(b.into()) as u64);
    v.set(w.xt(), result)
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Xsxexpdp => |v, r, w| to_general(v, r, w, |b| DOUBLE.exponent(b)),
        Opcode::Xsxsigdp => |v, r, w| to_general(v, r, w, |b| DOUBLE.significand(b)),
        Opcode::Xsiexpdp => |v, r, w| from_general(v, r, w),
        Opcode::Xsxexpqp => |v, _, w| v.set_vr(w.vrt(), QUAD.exponent(v.vr(w.vrb())) << 64),
        Opcode::Xsxsigqp => |v, _, w| v.set_vr(w.vrt(), QUAD.significand(v.vr(w.vrb()))),
        Opcode::Xsiexpqp => |v, _, w| quad_with_exponent(v, w),
        Opcode::Xvxexpdp => |v, _, w| doubles(v, w, |b| DOUBLE.exponent(b)),
        Opcode::Xvxsigdp => |v, _, w| doubles(v, w, |b| DOUBLE.significand(b)),
        Opcode::Xvxexpsp => |v, _, w| singles(v, w, |b| SINGLE.exponent(b)),
        Opcode::Xvxsigsp => |v, _, w| singles(v, w, |b| SINGLE.significand(b)),
        Opcode::Xviexpdp => |v, _, w| {
            let result = map2(v.get(w.xa()), v.get(w.xb()), |a: u64, b: u64| {
                DOUBLE.with_exponent(a.into(), b.into()) as u64
            });
            v.set(w.xt(), result)
        },
        Opcode::Xviexpsp => |v, _, w| {
            let result = map2(v.get(w.xa()), v.get(w.xb()), |a: u32, b: u32| {
                SINGLE.with_exponent(a.into(), b.into()) as u32
            });
            v.set(w.xt(), result)
        },
        Opcode::Xststdcdp => |v, r, w| {
            let b = v.scalar(w.xb()).into();
            test(v, r, w, DOUBLE.is_negative(b), DOUBLE.class(b, 1), false)
        },
        Opcode::Xststdcsp => |v, r, w| test_single(v, r, w),
        Opcode::Xststdcqp => |v, r, w| {
            let b = v.vr(w.vrb());
            test(v, r, w, QUAD.is_negative(b), QUAD.class(b, 1), false)
        },
        Opcode::Xvtstdcdp => |v, _, w| doubles(v, w, |b| mask(DOUBLE.class(b, 1) & w.dcmx_split() != 0)),
        Opcode::Xvtstdcsp => |v, _, w| singles(v, w, |b| mask(SINGLE.class(b, 1) & w.dcmx_split() != 0)),
        _ => return None,
    };
    Some(handler)
}
