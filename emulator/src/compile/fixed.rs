//! Operations that compute: `a` from `b`, `c` and the immediate.

use cranelift_codegen::ir::condcodes::{CondCode as _, IntCC};
use cranelift_codegen::ir::{InstBuilder, Value, types};

use power::msr::Msr;

use super::lower::{Aside, Lowering};
use crate::core::layout as at;
use crate::ir::{Code, Fused, Op};
use crate::regs::{CA, CR, SO};

/// How a compare looks at its operands.
#[derive(Clone, Copy)]
pub(super) struct Compared {
    is_signed: bool,
    is_word: bool,
    /// What `b` is compared with, if not with `c`.
    with: Option<i64>,
}

impl Compared {
    /// Of a compare without a branch; the immediate is the operation's.
    fn of(code: Code, imm: i64) -> Option<Self> {
        let of = |is_signed, is_word, with| {
            Some(Self {
                is_signed,
                is_word,
                with,
            })
        };
        match code {
            Code::Compare => of(true, false, None),
            Code::CompareUnsigned => of(false, false, None),
            Code::CompareWord => of(true, true, None),
            Code::CompareWordUnsigned => of(false, true, None),
            Code::CompareImmediate => of(true, false, Some(imm)),
            Code::CompareUnsignedImmediate => of(false, false, Some(imm)),
            Code::CompareWordImmediate => of(true, true, Some(imm)),
            Code::CompareWordUnsignedImmediate => of(false, true, Some(imm)),
            _ => None,
        }
    }

    /// Of a compare with a branch; the immediate is the compare's.
    pub(super) fn of_fused(code: Code, imm: i16) -> Self {
        let (is_signed, is_word, has_imm) = match code {
            Code::CompareBranch => (true, false, false),
            Code::CompareUnsignedBranch => (false, false, false),
            Code::CompareWordBranch => (true, true, false),
            Code::CompareWordUnsignedBranch => (false, true, false),
            Code::CompareImmediateBranch => (true, false, true),
            Code::CompareUnsignedImmediateBranch => (false, false, true),
            Code::CompareWordImmediateBranch => (true, true, true),
            _ => (false, true, true),
        };
        let imm = if is_signed {
            i64::from(imm)
        } else {
            i64::from(imm as u16)
        };
        Self {
            is_signed,
            is_word,
            with: has_imm.then_some(imm),
        }
    }
}

impl Lowering<'_> {
    /// Makes an operation that computes. `false`: `op` is none.
    pub(super) fn computation(&mut self, op: &Op) -> bool {
        if let Some(compared) = Compared::of(op.code, op.imm) {
            let (left, right) = self.operands(op, compared);
            self.compare(op, compared, left, right);
            return true;
        }
        if let Some(value) = self.value(op) {
            self.set(op.a, value);
            return true;
        }
        match op.code {
            Code::ToCr => {
                let word = self.get(op.b);
                for n in 0..8_u8 {
                    let field = self.f.ins().ushr_imm_u(word, i64::from(28 - 4 * n));
                    let field = self.f.ins().band_imm_u(field, 0xf);
                    self.set(CR + n, field);
                }
            }
            // x86-64 keeps this order by itself, and Cranelift keeps that of guest accesses.
            Code::LightFence => {}
            Code::Require => {
                const { assert!(size_of::<Msr>() == 8) };
                let give_up = self.aside(Aside::Left(self.interpreted()));
                let msr = self.state(types::I64, at::MSR);
                let bit = self.f.ins().band_imm_u(msr, op.imm);
                let is_on = self.f.ins().icmp_imm_u(IntCC::NotEqual, bit, 0);
                self.go_on_if(is_on, give_up);
                self.f.seal_block(give_up);
            }
            Code::Fence => {
                self.f.ins().fence();
            }
            _ => return self.carrying(op),
        }
        true
    }

    /// The value of an operation that sets nothing but `a`.
    fn value(&mut self, op: &Op) -> Option<Value> {
        let imm = op.imm;
        Some(match op.code {
            Code::Immediate => self.number(imm as u64),
            Code::Move => self.get(op.b),
            Code::PcPlus => {
                let pc = self.pc();
                self.f.ins().iadd_imm_s(pc, imm)
            }
            Code::Add => self.two(op, |f, b, c| f.iadd(b, c)),
            Code::AddImmediate => self.one(op, |f, b| f.iadd_imm_s(b, imm)),
            Code::SubtractFrom => self.two(op, |f, b, c| f.isub(c, b)),
            Code::Negate => self.one(op, |f, b| f.ineg(b)),
            Code::Multiply => self.two(op, |f, b, c| f.imul(b, c)),
            Code::MultiplyImmediate => self.one(op, |f, b| f.imul_imm_s(b, imm)),
            Code::MultiplyWord => {
                let (b, c) = (self.signed_word(op.b), self.signed_word(op.c));
                self.f.ins().imul(b, c)
            }
            Code::MultiplyHigh => self.two(op, |f, b, c| f.smulhi(b, c)),
            Code::MultiplyHighUnsigned => self.two(op, |f, b, c| f.umulhi(b, c)),
            Code::MultiplyHighWord => {
                let (b, c) = (self.signed_word(op.b), self.signed_word(op.c));
                self.high_word(b, c)
            }
            Code::MultiplyHighWordUnsigned => {
                let (b, c) = (self.unsigned_word(op.b), self.unsigned_word(op.c));
                self.high_word(b, c)
            }
            Code::Divide => {
                let (b, c) = (self.get(op.b), self.get(op.c));
                self.divide_signed(b, c, i64::MIN)
            }
            Code::DivideWord => {
                let (b, c) = (self.signed_word(op.b), self.signed_word(op.c));
                let quotient = self.divide_signed(b, c, i64::from(i32::MIN));
                self.f.ins().band_imm_u(quotient, 0xffff_ffff)
            }
            Code::DivideUnsigned => {
                let (b, c) = (self.get(op.b), self.get(op.c));
                self.divide_unsigned(b, c)
            }
            Code::DivideWordUnsigned => {
                let (b, c) = (self.unsigned_word(op.b), self.unsigned_word(op.c));
                self.divide_unsigned(b, c)
            }
            Code::And => self.two(op, |f, b, c| f.band(b, c)),
            Code::AndComplement => self.two(op, |f, b, c| f.band_not(b, c)),
            Code::Nand => self.two_inverted(op, |f, b, c| f.band(b, c)),
            Code::Or => self.two(op, |f, b, c| f.bor(b, c)),
            Code::OrComplement => self.two(op, |f, b, c| f.bor_not(b, c)),
            Code::Nor => self.two_inverted(op, |f, b, c| f.bor(b, c)),
            Code::Xor => self.two(op, |f, b, c| f.bxor(b, c)),
            Code::Equivalent => self.two_inverted(op, |f, b, c| f.bxor(b, c)),
            Code::AndImmediate => self.one(op, |f, b| f.band_imm_s(b, imm)),
            Code::OrImmediate => self.one(op, |f, b| f.bor_imm_s(b, imm)),
            Code::XorImmediate => self.one(op, |f, b| f.bxor_imm_s(b, imm)),
            Code::ShiftLeft | Code::ShiftRight | Code::ShiftLeftWord | Code::ShiftRightWord => self.shift(op),
            Code::RotateMask => self.one_masked(op, |f, b| f.rotl_imm_u(b, i64::from(op.d))),
            Code::RotateWordMask => {
                let rotated = self.rotated_word(op);
                self.f.ins().band_imm_s(rotated, imm)
            }
            Code::RotateInsert => {
                let b = self.get(op.b);
                let rotated = self.f.ins().rotl_imm_u(b, i64::from(op.d));
                self.inserted(op, rotated)
            }
            Code::RotateWordInsert => {
                let rotated = self.rotated_word(op);
                self.inserted(op, rotated)
            }
            // The host's rotation counts modulo 64 itself.
            Code::RotateByMask => {
                let rotated = self.two(op, |f, b, c| f.rotl(b, c));
                self.f.ins().band_imm_s(rotated, imm)
            }
            Code::RotateWordByMask => {
                let b = self.doubled_word(op.b);
                let c = self.get(op.c);
                let by = self.f.ins().band_imm_u(c, 31);
                let rotated = self.f.ins().rotl(b, by);
                self.f.ins().band_imm_s(rotated, imm)
            }
            Code::ExtendByte => self.extended(op, types::I8),
            Code::ExtendHalf => self.extended(op, types::I16),
            Code::ExtendWord => self.signed_word(op.b),
            Code::ZeroExtendWord => self.unsigned_word(op.b),
            Code::CountZeros => self.one(op, |f, b| f.clz(b)),
            Code::CountZerosWord => {
                let b = self.get(op.b);
                let word = self.f.ins().ireduce(types::I32, b);
                let zeros = self.f.ins().clz(word);
                self.f.ins().uextend(types::I64, zeros)
            }
            Code::Select => {
                let field = self.get((imm >> 8) as u8);
                let bits = self.f.ins().band_imm_u(field, imm & 0xf);
                let (b, c) = (self.get(op.b), self.get(op.c));
                let is_set = self.f.ins().icmp_imm_u(IntCC::NotEqual, bits, 0);
                self.f.ins().select(is_set, b, c)
            }
            Code::FromCr => {
                let mut word = self.number(0);
                for n in 0..8_u8 {
                    let field = self.get(CR + n);
                    let field = self.f.ins().band_imm_u(field, 0xf);
                    let field = self.f.ins().ishl_imm_u(field, i64::from(28 - 4 * n));
                    word = self.f.ins().bor(word, field);
                }
                word
            }
            _ => return None,
        })
    }

    /// Makes an operation that sets `a` and CA. `false`: `op` is none.
    fn carrying(&mut self, op: &Op) -> bool {
        let (value, carry) = match op.code {
            Code::AddCarrying => {
                let (b, c) = (self.get(op.b), self.get(op.c));
                self.add(b, c, None)
            }
            Code::AddImmediateCarrying => {
                let (b, imm) = (self.get(op.b), self.number(op.imm as u64));
                self.add(b, imm, None)
            }
            Code::AddExtended => {
                let (b, c, carry) = (self.get(op.b), self.get(op.c), self.get(CA));
                self.add(b, c, Some(carry))
            }
            Code::SubtractFromCarrying => {
                let (b, c, one) = (self.inverted(op.b), self.get(op.c), self.number(1));
                self.add(b, c, Some(one))
            }
            Code::SubtractFromImmediateCarrying => {
                let (b, imm, one) = (self.inverted(op.b), self.number(op.imm as u64), self.number(1));
                self.add(b, imm, Some(one))
            }
            Code::SubtractFromExtended => {
                let (b, c, carry) = (self.inverted(op.b), self.get(op.c), self.get(CA));
                self.add(b, c, Some(carry))
            }
            Code::ShiftRightAlgebraicImmediate => {
                let (b, by) = (self.get(op.b), self.number(op.imm as u64));
                self.shift_algebraic(b, by)
            }
            Code::ShiftRightAlgebraicWordImmediate => {
                let (b, by) = (self.signed_word(op.b), self.number(op.imm as u64));
                self.shift_algebraic(b, by)
            }
            Code::ShiftRightAlgebraic => {
                let (b, c) = (self.get(op.b), self.get(op.c));
                let by = self.f.ins().band_imm_u(c, 0x7f);
                self.shift_algebraic(b, by)
            }
            Code::ShiftRightAlgebraicWord => {
                let (b, c) = (self.signed_word(op.b), self.get(op.c));
                // 32 to 63 take away the whole word, as they do of its extension.
                let by = self.f.ins().band_imm_u(c, 0x3f);
                self.shift_algebraic(b, by)
            }
            _ => return false,
        };
        self.set(CA, carry);
        self.set(op.a, value);
        true
    }

    fn one(&mut self, op: &Op, make: impl FnOnce(Ins<'_, '_>, Value) -> Value) -> Value {
        let b = self.get(op.b);
        make(self.f.ins(), b)
    }

    fn one_masked(&mut self, op: &Op, make: impl FnOnce(Ins<'_, '_>, Value) -> Value) -> Value {
        let value = self.one(op, make);
        self.f.ins().band_imm_s(value, op.imm)
    }

    fn two(&mut self, op: &Op, make: impl FnOnce(Ins<'_, '_>, Value, Value) -> Value) -> Value {
        let (b, c) = (self.get(op.b), self.get(op.c));
        make(self.f.ins(), b, c)
    }

    fn two_inverted(&mut self, op: &Op, make: impl FnOnce(Ins<'_, '_>, Value, Value) -> Value) -> Value {
        let value = self.two(op, make);
        self.f.ins().bnot(value)
    }

    fn inverted(&mut self, register: u8) -> Value {
        let value = self.get(register);
        self.f.ins().bnot(value)
    }

    fn extended(&mut self, op: &Op, kind: types::Type) -> Value {
        let b = self.get(op.b);
        let low = self.f.ins().ireduce(kind, b);
        self.f.ins().sextend(types::I64, low)
    }

    /// The low word of a register, sign-extended.
    fn signed_word(&mut self, register: u8) -> Value {
        let value = self.get(register);
        let word = self.f.ins().ireduce(types::I32, value);
        self.f.ins().sextend(types::I64, word)
    }

    /// The low word of a register, zero-extended.
    fn unsigned_word(&mut self, register: u8) -> Value {
        let value = self.get(register);
        let word = self.f.ins().ireduce(types::I32, value);
        self.f.ins().uextend(types::I64, word)
    }

    /// The low word of a register in both halves.
    fn doubled_word(&mut self, register: u8) -> Value {
        let word = self.unsigned_word(register);
        self.doubled(word)
    }

    /// A word, zero-extended, in both halves.
    fn doubled(&mut self, word: Value) -> Value {
        let high = self.f.ins().ishl_imm_u(word, 32);
        self.f.ins().bor(high, word)
    }

    /// The word of `b` in both halves, rotated left by `d`. What the mask leaves of it may be in the low half alone.
    fn rotated_word(&mut self, op: &Op) -> Value {
        let b = self.get(op.b);
        let word = self.f.ins().ireduce(types::I32, b);
        let rotated = self.f.ins().rotl_imm_u(word, i64::from(op.d));
        let rotated = self.f.ins().uextend(types::I64, rotated);
        if op.imm as u64 >> 32 == 0 {
            rotated
        } else {
            self.doubled(rotated)
        }
    }

    /// `a` with the masked bits of `rotated`.
    fn inserted(&mut self, op: &Op, rotated: Value) -> Value {
        let new = self.f.ins().band_imm_s(rotated, op.imm);
        let a = self.get(op.a);
        let old = self.f.ins().band_imm_s(a, !op.imm);
        self.f.ins().bor(new, old)
    }

    /// The high word of a product of extended words, in both halves.
    fn high_word(&mut self, b: Value, c: Value) -> Value {
        let product = self.f.ins().imul(b, c);
        let high = self.f.ins().ushr_imm_u(product, 32);
        self.doubled(high)
    }

    /// A signed quotient; 0 where it is undefined, which is also `least` by -1.
    fn divide_signed(&mut self, b: Value, c: Value, least: i64) -> Value {
        let is_zero = self.f.ins().icmp_imm_u(IntCC::Equal, c, 0);
        let is_least = self.f.ins().icmp_imm_s(IntCC::Equal, b, least);
        let is_minus_one = self.f.ins().icmp_imm_s(IntCC::Equal, c, -1);
        let overflows = self.f.ins().band(is_least, is_minus_one);
        let is_undefined = self.f.ins().bor(is_zero, overflows);
        let (zero, one) = (self.number(0), self.number(1));
        let by = self.f.ins().select(is_undefined, one, c);
        let quotient = self.f.ins().sdiv(b, by);
        self.f.ins().select(is_undefined, zero, quotient)
    }

    /// An unsigned quotient; 0 where it is undefined.
    fn divide_unsigned(&mut self, b: Value, c: Value) -> Value {
        let is_zero = self.f.ins().icmp_imm_u(IntCC::Equal, c, 0);
        let (zero, one) = (self.number(0), self.number(1));
        let by = self.f.ins().select(is_zero, one, c);
        let quotient = self.f.ins().udiv(b, by);
        self.f.ins().select(is_zero, zero, quotient)
    }

    /// `sld`, `srd`, `slw`, `srw`.
    fn shift(&mut self, op: &Op) -> Value {
        let is_word = matches!(op.code, Code::ShiftLeftWord | Code::ShiftRightWord);
        let is_left = matches!(op.code, Code::ShiftLeft | Code::ShiftLeftWord);
        let b = if is_word {
            self.unsigned_word(op.b)
        } else {
            self.get(op.b)
        };
        let c = self.get(op.c);
        // The host counts modulo 64; a word that is shifted so far is gone all the same.
        let shifted = if is_left {
            self.f.ins().ishl(b, c)
        } else {
            self.f.ins().ushr(b, c)
        };
        let shifted = if is_word {
            self.f.ins().band_imm_u(shifted, 0xffff_ffff)
        } else {
            shifted
        };
        let beyond = self.f.ins().band_imm_u(c, if is_word { 0x20 } else { 0x40 });
        let zero = self.number(0);
        let is_beyond = self.f.ins().icmp_imm_u(IntCC::NotEqual, beyond, 0);
        self.f.ins().select(is_beyond, zero, shifted)
    }

    /// A value shifted right algebraically by `by`, up to 127, and whether a negative one lost ones.
    fn shift_algebraic(&mut self, value: Value, by: Value) -> (Value, Value) {
        let most = self.number(63);
        let is_beyond = self.f.ins().icmp(IntCC::UnsignedGreaterThan, by, most);
        let within = self.f.ins().select(is_beyond, most, by);
        let shifted = self.f.ins().sshr(value, within);
        let one = self.number(1);
        let first = self.f.ins().ishl(one, within);
        let lost = self.f.ins().iadd_imm_s(first, -1);
        let all = self.number(u64::MAX);
        let lost = self.f.ins().select(is_beyond, all, lost);
        let lost = self.f.ins().band(value, lost);
        let has_lost = self.f.ins().icmp_imm_u(IntCC::NotEqual, lost, 0);
        let is_negative = self.f.ins().icmp_imm_s(IntCC::SignedLessThan, value, 0);
        let carry = self.f.ins().band(has_lost, is_negative);
        (shifted, self.f.ins().uextend(types::I64, carry))
    }

    /// A sum, and what is carried out of it.
    fn add(&mut self, left: Value, right: Value, carry: Option<Value>) -> (Value, Value) {
        let sum = self.f.ins().iadd(left, right);
        let first = self.f.ins().icmp(IntCC::UnsignedLessThan, sum, right);
        let (sum, carried) = match carry {
            None => (sum, first),
            Some(carry) => {
                let all = self.f.ins().iadd(sum, carry);
                let second = self.f.ins().icmp(IntCC::UnsignedLessThan, all, sum);
                (all, self.f.ins().bor(first, second))
            }
        };
        (sum, self.f.ins().uextend(types::I64, carried))
    }

    /// The operands of a compare, both of the width that it looks at.
    fn operands(&mut self, op: &Op, compared: Compared) -> (Value, Value) {
        let left = self.get(op.b);
        let left = if compared.is_word {
            self.f.ins().ireduce(types::I32, left)
        } else {
            left
        };
        let right = match compared.with {
            Some(with) if compared.is_word => self.f.ins().iconst(types::I32, i64::from(with as u32)),
            Some(with) => self.number(with as u64),
            None => {
                let right = self.get(op.c);
                if compared.is_word {
                    self.f.ins().ireduce(types::I32, right)
                } else {
                    right
                }
            }
        };
        (left, right)
    }

    /// Sets the field of a compare.
    fn compare(&mut self, op: &Op, compared: Compared, left: Value, right: Value) {
        let (less, greater) = compared.conditions();
        let (equal, four, eight) = (self.number(2), self.number(4), self.number(8));
        let is_greater = self.f.ins().icmp(greater, left, right);
        let field = self.f.ins().select(is_greater, four, equal);
        let is_less = self.f.ins().icmp(less, left, right);
        let field = self.f.ins().select(is_less, eight, field);
        let overflow = self.get(SO);
        let field = self.f.ins().bor(field, overflow);
        self.set(op.a, field);
    }

    /// Sets the field of a compare with a branch; whether the branch is taken.
    pub(super) fn compare_and_test(&mut self, op: &Op, compared: Compared) -> Value {
        let (left, right) = self.operands(op, compared);
        self.compare(op, compared, left, right);
        let (less, greater) = compared.conditions();
        let condition = match op.d & 0xf {
            8 => less,
            4 => greater,
            2 => IntCC::Equal,
            bits => {
                let field = self.get(op.a);
                let bits = self.f.ins().band_imm_u(field, i64::from(bits));
                let is_set = op.d & Fused::WHEN_CLEAR == 0;
                let condition = if is_set { IntCC::NotEqual } else { IntCC::Equal };
                return self.f.ins().icmp_imm_u(condition, bits, 0);
            }
        };
        let condition = if op.d & Fused::WHEN_CLEAR == 0 {
            condition
        } else {
            condition.complement()
        };
        self.f.ins().icmp(condition, left, right)
    }
}

impl Compared {
    /// Less, and greater.
    fn conditions(self) -> (IntCC, IntCC) {
        if self.is_signed {
            (IntCC::SignedLessThan, IntCC::SignedGreaterThan)
        } else {
            (IntCC::UnsignedLessThan, IntCC::UnsignedGreaterThan)
        }
    }
}

type Ins<'short, 'long> = cranelift_frontend::FuncInstBuilder<'short, 'long>;
