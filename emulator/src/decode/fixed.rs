//! Fixed-point arithmetic, logic, comparison and rotation (Power ISA v2.07B, Book I, 3.3).

use power::insn::{Opcode, Word};
use power::model::Model;
use power::msr::program;

use super::{Builder, Flow, or_zero};
use crate::alu::mask;
use crate::ir::{Call, Code, Op};
use crate::regs::{CA, CA32, CR, Reg, TEMP, ZERO};
use crate::{fixed_calls, fixed_v3, priority};

impl Builder {
    /// `None`: not an instruction of this kind.
    pub(super) fn fixed(&mut self, opcode: Opcode, word: Word) -> Option<Flow> {
        if self.moves_condition(opcode, word) {
            return Some(Flow::Next);
        }
        if let Some(handler) = fixed_calls::handler(opcode, word, self.mode.is_wide(), self.model) {
            self.call(Code::Compute, Call::Compute(handler, word));
            if fixed_calls::records_overflow(opcode) {
                self.record(word, word.rt() as Reg);
            } else if opcode == Opcode::AddicDot {
                self.record(Word(word.0 | 1), word.rt() as Reg);
            }
            return Some(Flow::Next);
        }
        let (rt, ra, rb) = (word.rt() as Reg, word.ra() as Reg, word.rb() as Reg);
        let (si, ui) = (word.si(), word.ui() as i64);
        match opcode {
            Opcode::Addpcis => {
                let next = self.offset() + 4;
                self.immediate(Code::PcPlus, rt, 0, next + (word.si_pieces() << 16));
            }
            // Other carries are reserved.
            Opcode::Addex if word.bits(21, 22) != 0 => return Some(self.program(program::ILLEGAL)),
            Opcode::Addi if ra == 0 => self.immediate(Code::Immediate, rt, 0, si),
            Opcode::Addis if ra == 0 => self.immediate(Code::Immediate, rt, 0, si << 16),
            Opcode::Addi => self.immediate(Code::AddImmediate, rt, ra, si),
            Opcode::Addis => self.immediate(Code::AddImmediate, rt, ra, si << 16),
            Opcode::Mulli => self.immediate(Code::MultiplyImmediate, rt, ra, si),
            Opcode::Addic => self.immediate(Code::AddImmediateCarrying, rt, ra, si),
            Opcode::AddicDot => {
                self.immediate(Code::AddImmediateCarrying, rt, ra, si);
                self.record(Word(word.0 | 1), rt);
            }
            Opcode::Subfic => self.immediate(Code::SubtractFromImmediateCarrying, rt, ra, si),
            Opcode::Cmpi | Opcode::Cmp | Opcode::Cmpli | Opcode::Cmpl => self.compare(opcode, word),
            Opcode::Isel => {
                let field = CR + (word.bc() / 4) as Reg;
                let bit = 8 >> (word.bc() % 4);
                let imm = (i64::from(field) << 8) | bit;
                self.push(Op {
                    a: rt,
                    b: or_zero(word.ra()),
                    c: rb,
                    imm,
                    ..self.op(Code::Select)
                });
            }
            Opcode::Andi => self.logic_immediate(Code::AndImmediate, Word(word.0 | 1), ui),
            Opcode::Andis => self.logic_immediate(Code::AndImmediate, Word(word.0 | 1), ui << 16),
            Opcode::Ori => self.logic_immediate(Code::OrImmediate, Word(word.0 & !1), ui),
            Opcode::Oris => self.logic_immediate(Code::OrImmediate, Word(word.0 & !1), ui << 16),
            Opcode::Xori => self.logic_immediate(Code::XorImmediate, Word(word.0 & !1), ui),
            Opcode::Xoris => self.logic_immediate(Code::XorImmediate, Word(word.0 & !1), ui << 16),
            _ => {
                return self
                    .arithmetic(opcode, word)
                    .or_else(|| self.logic(opcode, word))
                    .or_else(|| self.later(opcode, word));
            }
        }
        Some(Flow::Next)
    }

    /// What came with POWER9.
    fn later(&mut self, opcode: Opcode, word: Word) -> Option<Flow> {
        let handler = fixed_v3::handler(opcode, self.mode.is_wide())?;
        self.call(Code::Compute, Call::Compute(handler, word));
        if matches!(opcode, Opcode::Cnttzw | Opcode::Cnttzd | Opcode::Extswsli) {
            self.record(word, word.ra() as Reg);
        }
        Some(Flow::Next)
    }

    /// CA32 is CA after an algebraic shift, where there is CA32.
    fn carry_of_shift(&mut self, opcode: Opcode) {
        let shifts = matches!(opcode, Opcode::Srad | Opcode::Sraw | Opcode::Sradi | Opcode::Srawi);
        if shifts && self.model >= Model::Power9 {
            self.three(Code::Move, CA32, CA, 0);
        }
    }

    /// A move between a general register and the condition register, or one field of it, which is a rotation; whether it was
    /// one.
    fn moves_condition(&mut self, opcode: Opcode, word: Word) -> bool {
        let crm = word.crm();
        match opcode {
            Opcode::Mfcr => {
                self.three(Code::FromCr, word.rt() as Reg, 0, 0);
                return true;
            }
            Opcode::Mtcrf if crm == 0xff => {
                self.three(Code::ToCr, 0, word.rs() as Reg, 0);
                return true;
            }
            Opcode::Mcrf => {
                self.three(Code::Move, CR + word.bf() as Reg, CR + word.bfa() as Reg, 0);
                return true;
            }
            _ => {}
        }
        if !crm.is_power_of_two() {
            return false;
        }
        let n = crm.leading_zeros() - 24;
        let (field, shift) = (CR + n as Reg, 28 - 4 * n);
        let op = match opcode {
            Opcode::Mfocrf => Op {
                a: word.rt() as Reg,
                b: field,
                d: shift as u8,
                imm: 0xf << shift,
                ..self.op(Code::RotateMask)
            },
            Opcode::Mtcrf | Opcode::Mtocrf => Op {
                a: field,
                b: word.rs() as Reg,
                d: (64 - shift) as u8 % 64,
                imm: 0xf,
                ..self.op(Code::RotateMask)
            },
            _ => return false,
        };
        self.push(op);
        true
    }

    /// RT = RA op RB.
    fn arithmetic(&mut self, opcode: Opcode, word: Word) -> Option<Flow> {
        let (rt, ra, rb) = (word.rt() as Reg, word.ra() as Reg, word.rb() as Reg);
        let code = match opcode {
            Opcode::Add => Code::Add,
            Opcode::Subf => Code::SubtractFrom,
            Opcode::Neg => Code::Negate,
            Opcode::Mulld => Code::Multiply,
            Opcode::Mullw => Code::MultiplyWord,
            Opcode::Mulhd => Code::MultiplyHigh,
            Opcode::Mulhdu => Code::MultiplyHighUnsigned,
            Opcode::Mulhw => Code::MultiplyHighWord,
            Opcode::Mulhwu => Code::MultiplyHighWordUnsigned,
            Opcode::Divd => Code::Divide,
            Opcode::Divdu => Code::DivideUnsigned,
            Opcode::Divw => Code::DivideWord,
            Opcode::Divwu => Code::DivideWordUnsigned,
            Opcode::Addc => Code::AddCarrying,
            Opcode::Subfc => Code::SubtractFromCarrying,
            Opcode::Adde | Opcode::Addze | Opcode::Addme => Code::AddExtended,
            Opcode::Subfe | Opcode::Subfze | Opcode::Subfme => Code::SubtractFromExtended,
            _ => return None,
        };
        let second = match opcode {
            Opcode::Addze | Opcode::Subfze => ZERO,
            Opcode::Addme | Opcode::Subfme => {
                self.immediate(Code::Immediate, TEMP, 0, -1);
                TEMP
            }
            _ => rb,
        };
        self.three(code, rt, ra, second);
        self.record(word, rt);
        Some(Flow::Next)
    }

    fn compare(&mut self, opcode: Opcode, word: Word) {
        let field = CR + word.bf() as Reg;
        let (ra, rb) = (word.ra() as Reg, word.rb() as Reg);
        let wide = word.l_compare() != 0;
        match opcode {
            Opcode::Cmp => self.three(if wide { Code::Compare } else { Code::CompareWord }, field, ra, rb),
            Opcode::Cmpl => {
                self.three(
                    if wide {
                        Code::CompareUnsigned
                    } else {
                        Code::CompareWordUnsigned
                    },
                    field,
                    ra,
                    rb,
                );
            }
            Opcode::Cmpi => {
                let code = if wide {
                    Code::CompareImmediate
                } else {
                    Code::CompareWordImmediate
                };
                self.immediate(code, field, ra, word.si());
            }
            _ => {
                let code = if wide {
                    Code::CompareUnsignedImmediate
                } else {
                    Code::CompareWordUnsignedImmediate
                };
                self.immediate(code, field, ra, word.ui() as i64);
            }
        }
    }

    fn logic_immediate(&mut self, code: Code, word: Word, imm: i64) {
        let (ra, rs) = (word.ra() as Reg, word.rs() as Reg);
        // `ori r,r,0` is the preferred no-op; other registers with themselves are priority hints.
        if ra == rs && imm == 0 && !word.record() {
            return;
        }
        self.immediate(code, ra, rs, imm);
        self.record(word, ra);
    }

    /// RA = RS op RB, extensions and rotations.
    fn logic(&mut self, opcode: Opcode, word: Word) -> Option<Flow> {
        let (rs, ra, rb) = (word.rs() as Reg, word.ra() as Reg, word.rb() as Reg);
        let three = match opcode {
            Opcode::And => Some(Code::And),
            Opcode::Or if rs == rb => {
                if ra != rs || word.record() {
                    self.three(Code::Move, ra, rs, 0);
                    self.record(word, ra);
                } else if priority::is_hint(word.rs()) {
                    self.call(Code::System, Call::System(priority::hint, word));
                }
                return Some(Flow::Next);
            }
            Opcode::Or => Some(Code::Or),
            Opcode::Xor => Some(Code::Xor),
            Opcode::Nand => Some(Code::Nand),
            Opcode::Nor => Some(Code::Nor),
            Opcode::Eqv => Some(Code::Equivalent),
            Opcode::Andc => Some(Code::AndComplement),
            Opcode::Orc => Some(Code::OrComplement),
            Opcode::Sld => Some(Code::ShiftLeft),
            Opcode::Srd => Some(Code::ShiftRight),
            Opcode::Slw => Some(Code::ShiftLeftWord),
            Opcode::Srw => Some(Code::ShiftRightWord),
            Opcode::Srad => Some(Code::ShiftRightAlgebraic),
            Opcode::Sraw => Some(Code::ShiftRightAlgebraicWord),
            Opcode::Extsb => Some(Code::ExtendByte),
            Opcode::Extsh => Some(Code::ExtendHalf),
            Opcode::Extsw => Some(Code::ExtendWord),
            Opcode::Cntlzd => Some(Code::CountZeros),
            Opcode::Cntlzw => Some(Code::CountZerosWord),
            _ => None,
        };
        if let Some(code) = three {
            self.three(code, ra, rs, rb);
            self.carry_of_shift(opcode);
            self.record(word, ra);
            return Some(Flow::Next);
        }
        let (sh6, mb6) = (word.sh6(), word.mb6());
        let word_mask = mask(word.mb5() + 32, word.me5() + 32);
        let (code, by, imm) = match opcode {
            Opcode::Srawi => (Code::ShiftRightAlgebraicWordImmediate, 0, u64::from(word.sh())),
            Opcode::Sradi => (Code::ShiftRightAlgebraicImmediate, 0, u64::from(sh6)),
            Opcode::Rlwinm => (Code::RotateWordMask, word.sh(), word_mask),
            Opcode::Rlwimi => (Code::RotateWordInsert, word.sh(), word_mask),
            Opcode::Rlwnm => (Code::RotateWordByMask, 0, word_mask),
            Opcode::Rldicl => (Code::RotateMask, sh6, mask(mb6, 63)),
            Opcode::Rldicr => (Code::RotateMask, sh6, mask(0, mb6)),
            Opcode::Rldic => (Code::RotateMask, sh6, mask(mb6, 63 - sh6)),
            Opcode::Rldimi => (Code::RotateInsert, sh6, mask(mb6, 63 - sh6)),
            Opcode::Rldcl => (Code::RotateByMask, 0, mask(mb6, 63)),
            Opcode::Rldcr => (Code::RotateByMask, 0, mask(0, mb6)),
            _ => return None,
        };
        self.push(Op {
            a: ra,
            b: rs,
            c: rb,
            d: by as u8,
            imm: imm as i64,
            ..self.op(code)
        });
        self.carry_of_shift(opcode);
        self.record(word, ra);
        Some(Flow::Next)
    }
}
