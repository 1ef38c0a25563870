//! Floating point and vectors: the facility first, then a call.

use power::insn::{Opcode, Word};
use power::model::Model;
use power::msr::{Msr, program};

use super::{Builder, Flow};
use crate::ir::{Call, Code, Op};
use crate::vsu::{self, Facility};
use crate::{float_pairs, vector_memory};

impl Builder {
    /// What is left: an instruction of the vector-scalar unit, or one that this processor does not have.
    pub(super) fn vector(&mut self, opcode: Opcode, word: Word) -> Flow {
        // The field that `mffs` ignored became a part of its opcode, by which other moves from the FPSCR differ.
        if opcode == Opcode::Mffs && self.model >= Model::Power9 && word.fra() != 0 {
            return self.unknown(word);
        }
        let call = match (vsu::handler(opcode), vector_memory::handler(opcode)) {
            (Some(handler), _) => (Code::Compute, Call::Compute(handler, word)),
            (None, Some(handler)) => (Code::System, Call::System(handler, word)),
            (None, None) => match float_pairs::handler(opcode) {
                Some(handler) => (Code::System, Call::System(handler, word)),
                None => return self.unknown(word),
            },
        };
        let facility = match vsu::facility(opcode, word) {
            Facility::None => 0,
            Facility::Float => Msr::FP,
            Facility::Vector => Msr::VEC,
            Facility::Vsx => Msr::VSX,
        };
        // What changes the MSR so far ends a block: one look is enough for it.
        if facility & !self.required != 0 {
            self.required |= facility;
            self.push(Op {
                imm: facility as i64,
                ..self.op(Code::Require)
            });
        }
        if vector_memory::updates(opcode) && word.ra() == 0 {
            return self.program(program::ILLEGAL);
        }
        self.call(call.0, call.1);
        Flow::Next
    }
}
