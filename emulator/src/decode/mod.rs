//! From instruction words to blocks of the intermediate form.
//!
//! A block is a run of instructions in one page: conditional branches leave it when they are taken
//! and go on in it when they are not. It ends at a branch that is always taken, at an instruction
//! that may change the context, at the page's end, or after [`MOST_INSTRUCTIONS`].

mod branch;
mod fixed;
mod memory;
mod system;
mod vector;

use power::insn::{Word, decode, is_reserved_no_operation};
use power::model::Model;
use power::msr::program;

use crate::block::Draft;
use crate::core::Mode;
use crate::interp;
use crate::ir::{Call, Code, Op, Target};
use crate::regs::{CR, Reg, TEMP, ZERO};

/// Instructions of a block, at most: an operation counts them in 8 bits.
pub const MOST_INSTRUCTIONS: u64 = 64;

/// Whether the block goes on after an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flow {
    Next,
    Over,
}

/// What decoding one block needs.
struct Builder {
    draft: Draft,
    mode: Mode,
    model: Model,
    /// Index of the instruction that is decoded.
    at: u8,
    first_call: usize,
    /// Bits of the MSR that the block has been found to need.
    required: u64,
}

/// Bytes of the pages that blocks end at.
pub const PAGE: u64 = 1 << crate::code_pages::SHIFT;

/// What a block is decoded for.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The state of the processor that decoding depends on.
    pub mode: Mode,
    /// The processor: an arm for what came with a later one asks `self.model >= Model::Power9`, and the table gives
    /// opcodes of that model alone.
    pub model: Model,
    /// Bytes from the start of its page to the block.
    pub offset: u64,
    /// The number of the block's first call.
    pub first_call: usize,
}

/// Decodes the block whose instructions `fetch` gives by their index.
pub fn block(draft: Draft, setting: Setting, fetch: impl FnMut(u64) -> Word) -> Draft {
    let offset = setting.offset;
    let mut draft = instructions(draft, setting, (PAGE - offset) / 4, fetch);
    interp::choose(&mut draft.ops, offset, PAGE);
    draft
}

/// Decodes `instructions` (one or more) at most.
fn instructions(draft: Draft, setting: Setting, instructions: u64, mut fetch: impl FnMut(u64) -> Word) -> Draft {
    let mut builder = Builder {
        draft,
        mode: setting.mode,
        model: setting.model,
        at: 0,
        first_call: setting.first_call,
        required: 0,
    };
    // In traced mode something happens after each.
    let most = if setting.mode.is_traced() {
        1
    } else {
        instructions.min(MOST_INSTRUCTIONS)
    };
    for at in 0..most {
        builder.at = at as u8;
        if builder.instruction(fetch(at)) == Flow::Over {
            return builder.draft;
        }
    }
    let imm = builder.target(4 * most as i64);
    builder.push(Op {
        imm,
        ..builder.op(Code::End)
    });
    builder.draft
}

/// `RA|0`: the register, or the one that is always zero.
fn or_zero(ra: usize) -> Reg {
    if ra == 0 { ZERO } else { ra as Reg }
}

impl Builder {
    fn op(&self, code: Code) -> Op {
        Op {
            run: interp::UNCHOSEN,
            code,
            at: self.at,
            a: 0,
            b: 0,
            c: 0,
            d: 0,
            imm: 0,
        }
    }

    fn push(&mut self, op: Op) {
        self.draft.ops.push(op);
    }

    /// a = b … c
    fn three(&mut self, code: Code, a: Reg, b: Reg, c: Reg) {
        self.push(Op {
            a,
            b,
            c,
            ..self.op(code)
        });
    }

    /// a = b … imm
    fn immediate(&mut self, code: Code, a: Reg, b: Reg, imm: i64) {
        self.push(Op {
            a,
            b,
            imm,
            ..self.op(code)
        });
    }

    /// A target `offset` bytes from the block's start, with a link of its own.
    fn target(&mut self, offset: i64) -> i64 {
        let link = self.draft.links;
        self.draft.links += 1;
        // A branch reaches 32 MiB, a block is 256 bytes long.
        Target {
            displacement: offset as i32,
            link,
        }
        .pack()
    }

    /// Offset of the instruction from the block's start.
    fn offset(&self) -> i64 {
        4 * i64::from(self.at)
    }

    fn call(&mut self, code: Code, call: Call) {
        let imm = (self.first_call + self.draft.calls.len()) as i64;
        self.draft.calls.push(call);
        self.push(Op { imm, ..self.op(code) });
    }

    fn program(&mut self, reason: u64) -> Flow {
        self.push(Op {
            imm: reason as i64,
            ..self.op(Code::Program)
        });
        Flow::Over
    }

    fn unknown(&mut self, word: Word) -> Flow {
        self.push(Op {
            imm: i64::from(word.0),
            ..self.op(Code::Unknown)
        });
        Flow::Over
    }

    /// Rc = 1: CR0 from the result in `reg`.
    fn record(&mut self, word: Word, reg: Reg) {
        if word.record() {
            let code = if self.mode.is_wide() {
                Code::CompareImmediate
            } else {
                Code::CompareWordImmediate
            };
            self.immediate(code, CR, reg, 0);
        }
    }

    /// Base and displacement of an access, so that their sum needs no more masking: in 32-bit mode
    /// the sum is made here.
    fn address(&mut self, base: Reg, displacement: i64) -> (Reg, i64) {
        if self.mode.is_wide() {
            return (base, displacement);
        }
        self.immediate(Code::AddImmediate, TEMP, base, displacement);
        self.three(Code::ZeroExtendWord, TEMP, TEMP, 0);
        (TEMP, 0)
    }

    /// Makes `(RA|0) + (RB)`; the register with it.
    fn indexed_address(&mut self, word: Word) -> Reg {
        self.three(Code::Add, TEMP, or_zero(word.ra()), word.rb() as Reg);
        if !self.mode.is_wide() {
            self.three(Code::ZeroExtendWord, TEMP, TEMP, 0);
        }
        TEMP
    }

    fn instruction(&mut self, word: Word) -> Flow {
        let opcode = match decode(word.0, self.model) {
            Some(opcode) => opcode,
            None if is_reserved_no_operation(word.0) => return Flow::Next,
            None => return self.unknown(word),
        };
        if self.mode.is_problem() && system::is_privileged(opcode) {
            return self.program(program::PRIVILEGED);
        }
        if let Some(flow) = self.fixed(opcode, word) {
            return flow;
        }
        if let Some(flow) = self.memory(opcode, word) {
            return flow;
        }
        if let Some(flow) = self.branch(opcode, word) {
            return flow;
        }
        if let Some(flow) = self.system(opcode, word) {
            return flow;
        }
        self.vector(opcode, word)
    }
}
