//! `bcdadd.` and `bcdsub.`: 31 packed decimal digits and a sign. Power ISA v2.07B, Book I,
//! chapter 6, Decimal Integer Arithmetic Instructions.

use std::cmp::Ordering;

use power::insn::{Opcode, Word};

use super::{Handler, Outcome, Vsu};
use crate::regs::{CR, Regs};

pub(super) const DIGITS: u32 = 31;
pub(super) const LIMIT: u128 = 10u128.pow(DIGITS);

/// CR field 6 when an operand is no decimal number.
pub(super) const INVALID: u64 = 1;
/// A register whose contents are then undefined.
pub(super) const UNDEFINED: u128 = u128::MAX;

/// A number in packed decimal.
#[derive(Clone, Copy)]
pub(super) struct Decimal {
    pub(super) negative: bool,
    pub(super) magnitude: u128,
}

impl Decimal {
    /// Takes a register apart, if its digits and sign are such.
    pub(super) fn decode(register: u128) -> Option<Self> {
        let negative = match register & 0xf {
            0xa | 0xc | 0xe | 0xf => false,
            0xb | 0xd => true,
            _ => return None,
        };
        let mut magnitude = 0;
        for digit in (1..=DIGITS).rev() {
            let value = register >> (4 * digit) & 0xf;
            if value > 9 {
                return None;
            }
            magnitude = magnitude * 10 + value;
        }
        Some(Self { negative, magnitude })
    }

    /// The register, of the digits that fit. `plus` is the code of a positive sign, which zero
    /// has too.
    pub(super) fn encode(self, plus: u128) -> u128 {
        let mut register = if self.negative && self.magnitude != 0 {
            0xd
        } else {
            plus
        };
        let mut rest = self.magnitude;
        for digit in 1..=DIGITS {
            register |= (rest % 10) << (4 * digit);
            rest /= 10;
        }
        register
    }

    fn add(self, other: Self) -> Self {
        if self.negative == other.negative {
            return Self {
                magnitude: self.magnitude + other.magnitude,
                ..self
            };
        }
        match self.magnitude.cmp(&other.magnitude) {
            Ordering::Equal | Ordering::Greater => Self {
                magnitude: self.magnitude - other.magnitude,
                ..self
            },
            Ordering::Less => Self {
                magnitude: other.magnitude - self.magnitude,
                ..other
            },
        }
    }
}

/// Adds VRB to VRA, or its negative, and compares the sum with zero in CR field 6.
fn add(v: &mut Vsu, regs: &mut Regs, w: Word, subtract: bool) -> Outcome {
    let operands = [w.vra(), w.vrb()].map(|n| Decimal::decode(v.vr(n)));
    let [Some(a), Some(mut b)] = operands else {
        regs[CR + 6] = INVALID;
        return v.set_vr(w.vrt(), UNDEFINED);
    };
    b.negative ^= subtract;
    let sum = a.add(b);
    let relation = match (sum.magnitude, sum.negative) {
        (0, _) => 2,
        (_, true) => 8,
        (_, false) => 4,
    };
    regs[CR + 6] = relation | u64::from(sum.magnitude >= LIMIT);
    let plus = if w.ps() { 0xf } else { 0xc };
    v.set_vr(w.vrt(), sum.encode(plus))
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Bcdadd => |v, r, w| add(v, r, w, false),
        Opcode::Bcdsub => |v, r, w| add(v, r, w, true),
        _ => return None,
    };
    Some(handler)
}
