//! Branches (Power ISA v2.07B, Book I, 2.4).

use power::insn::{Opcode, Word};

use super::{Builder, Flow};
use crate::ir::{Call, Code, Fused, Op, Target, When};
use crate::regs::{CR, CTR, LR, Reg, TEMP};
use crate::spr_place::TAR;

/// The fields of BO.
struct Conditions {
    /// CR field register, mask of the bit (0: none is tested).
    field: Reg,
    bit: u8,
    /// [`When`]'s flags.
    when: u8,
}

impl Conditions {
    fn of(word: Word) -> Self {
        let bo = word.bo();
        let bit = if bo & 0x10 != 0 { 0 } else { 8 >> (word.bi() % 4) };
        let mut when = 0;
        if bo & 0x08 != 0 {
            when |= When::SET;
        }
        if bo & 0x04 == 0 {
            when |= When::COUNT;
        }
        if bo & 0x02 != 0 {
            when |= When::ZERO;
        }
        Self {
            field: CR + (word.bi() / 4) as Reg,
            bit,
            when,
        }
    }

    fn counts(&self) -> bool {
        self.when & When::COUNT != 0
    }

    fn always(&self) -> bool {
        self.bit == 0 && !self.counts()
    }
}

impl Builder {
    /// `None`: not a branch.
    pub(super) fn branch(&mut self, opcode: Opcode, word: Word) -> Option<Flow> {
        match opcode {
            Opcode::B => {
                if word.aa() {
                    self.link_register(word);
                    return Some(self.absolute(word.li()));
                }
                let imm = self.target(self.offset() + word.li());
                let code = if word.lk() { Code::BranchAndLink } else { Code::Branch };
                self.push(Op { imm, ..self.op(code) });
                Some(Flow::Over)
            }
            Opcode::Bc => Some(self.conditional(word)),
            Opcode::Bclr => Some(self.register_form(word, LR)),
            Opcode::Bcctr => Some(self.register_form(word, CTR)),
            Opcode::Bctar => {
                if self.mode.is_problem() {
                    self.call(Code::System, Call::System(|core, _| core.check_tar(), word));
                }
                Some(self.register_form(word, TAR))
            }
            _ => None,
        }
    }

    /// LK = 1: LR is the address of the next instruction.
    fn link_register(&mut self, word: Word) {
        if word.lk() {
            self.immediate(Code::PcPlus, LR, 0, self.offset() + 4);
        }
    }

    fn absolute(&mut self, address: i64) -> Flow {
        self.immediate(Code::Immediate, TEMP, 0, address);
        self.push(Op {
            b: TEMP,
            ..self.op(Code::BranchRegister)
        });
        Flow::Over
    }

    fn conditional(&mut self, word: Word) -> Flow {
        let conditions = Conditions::of(word);
        if word.aa() {
            self.link_register(word);
            self.immediate(Code::Immediate, TEMP, 0, word.bd());
            return self.register_branch(&conditions, TEMP);
        }
        let offset = self.offset() + word.bd();
        if word.lk() {
            self.link_register(word);
        } else if !conditions.counts() && conditions.bit != 0 && self.fuse(&conditions, offset) {
            return Flow::Next;
        }
        let Conditions { field, bit, when } = conditions;
        let imm = self.target(offset);
        let (code, flow) = match (conditions.always(), conditions.counts(), bit) {
            (true, ..) => (Code::Branch, Flow::Over),
            (_, false, _) => (Code::BranchIf, Flow::Next),
            (_, true, 0) => (Code::BranchCount, Flow::Next),
            (_, true, _) => (Code::BranchCountIf, Flow::Next),
        };
        self.push(Op {
            b: field,
            c: bit,
            d: when,
            imm,
            ..self.op(code)
        });
        flow
    }

    /// Makes one operation of the branch and the compare just before it, when the branch tests what
    /// the compare sets and both fit; whether it did.
    fn fuse(&mut self, conditions: &Conditions, offset: i64) -> bool {
        let Some(compare) = self.draft.ops.last().copied() else {
            return false;
        };
        let code = match compare.code {
            Code::Compare => Code::CompareBranch,
            Code::CompareUnsigned => Code::CompareUnsignedBranch,
            Code::CompareWord => Code::CompareWordBranch,
            Code::CompareWordUnsigned => Code::CompareWordUnsignedBranch,
            Code::CompareImmediate => Code::CompareImmediateBranch,
            Code::CompareUnsignedImmediate => Code::CompareUnsignedImmediateBranch,
            Code::CompareWordImmediate => Code::CompareWordImmediateBranch,
            Code::CompareWordUnsignedImmediate => Code::CompareWordUnsignedImmediateBranch,
            _ => return false,
        };
        if compare.a != conditions.field {
            return false;
        }
        let target = Target {
            displacement: offset as i32,
            link: self.draft.links,
        };
        let Some(imm) = (Fused {
            imm: compare.imm as i16,
            target,
        })
        .pack() else {
            return false;
        };
        let clear = if conditions.when & When::SET == 0 {
            Fused::WHEN_CLEAR
        } else {
            0
        };
        self.draft.links += 1;
        self.draft.ops.pop();
        self.push(Op {
            code,
            at: self.at,
            d: conditions.bit | clear,
            imm,
            ..compare
        });
        true
    }

    fn register_form(&mut self, word: Word, register: Reg) -> Flow {
        let conditions = Conditions::of(word);
        let mut target = register;
        if word.lk() {
            if register == LR {
                self.three(Code::Move, TEMP, LR, 0);
                target = TEMP;
            }
            self.link_register(word);
        }
        self.register_branch(&conditions, target)
    }

    fn register_branch(&mut self, conditions: &Conditions, target: Reg) -> Flow {
        let Conditions { field, bit, when } = *conditions;
        self.push(Op {
            a: field,
            b: target,
            c: bit,
            d: when,
            ..self.op(Code::BranchRegister)
        });
        if conditions.always() { Flow::Over } else { Flow::Next }
    }
}
