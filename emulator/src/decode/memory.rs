//! Loads and stores of general registers (Power ISA v2.07B, Book I, 3.3.2 to 3.3.4).

use power::insn::{Opcode, Word};
use power::msr::program;

use super::{Builder, Flow, or_zero};
use crate::ir::{Code, Op};
use crate::regs::{Reg, TEMP, ZERO};

/// What an access moves.
#[derive(Clone, Copy)]
enum Move {
    Load(u8),
    LoadSigned(u8),
    Store(u8),
}

/// How its address is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    D,
    Ds,
    X,
}

/// Whether RA takes the address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Update {
    No,
    Yes,
}

/// Whether the bytes are in the other order than the mode's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bytes {
    InOrder,
    Reversed,
}

fn kind(opcode: Opcode) -> Option<(Move, Form, Update, Bytes)> {
    use Bytes::{InOrder, Reversed};
    use Form::{D, Ds, X};
    use Move::{Load, LoadSigned, Store};
    use Update::{No, Yes};
    Some(match opcode {
        Opcode::Lbz => (Load(1), D, No, InOrder),
        Opcode::Lbzu => (Load(1), D, Yes, InOrder),
        Opcode::Lbzx => (Load(1), X, No, InOrder),
        Opcode::Lbzux => (Load(1), X, Yes, InOrder),
        Opcode::Lhz => (Load(2), D, No, InOrder),
        Opcode::Lhzu => (Load(2), D, Yes, InOrder),
        Opcode::Lhzx => (Load(2), X, No, InOrder),
        Opcode::Lhzux => (Load(2), X, Yes, InOrder),
        Opcode::Lha => (LoadSigned(2), D, No, InOrder),
        Opcode::Lhau => (LoadSigned(2), D, Yes, InOrder),
        Opcode::Lhax => (LoadSigned(2), X, No, InOrder),
        Opcode::Lhaux => (LoadSigned(2), X, Yes, InOrder),
        Opcode::Lwz => (Load(4), D, No, InOrder),
        Opcode::Lwzu => (Load(4), D, Yes, InOrder),
        Opcode::Lwzx => (Load(4), X, No, InOrder),
        Opcode::Lwzux => (Load(4), X, Yes, InOrder),
        Opcode::Lwa => (LoadSigned(4), Ds, No, InOrder),
        Opcode::Lwax => (LoadSigned(4), X, No, InOrder),
        Opcode::Lwaux => (LoadSigned(4), X, Yes, InOrder),
        Opcode::Ld => (Load(8), Ds, No, InOrder),
        Opcode::Ldu => (Load(8), Ds, Yes, InOrder),
        Opcode::Ldx => (Load(8), X, No, InOrder),
        Opcode::Ldux => (Load(8), X, Yes, InOrder),
        Opcode::Lhbrx => (Load(2), X, No, Reversed),
        Opcode::Lwbrx => (Load(4), X, No, Reversed),
        Opcode::Ldbrx => (Load(8), X, No, Reversed),
        Opcode::Stb => (Store(1), D, No, InOrder),
        Opcode::Stbu => (Store(1), D, Yes, InOrder),
        Opcode::Stbx => (Store(1), X, No, InOrder),
        Opcode::Stbux => (Store(1), X, Yes, InOrder),
        Opcode::Sth => (Store(2), D, No, InOrder),
        Opcode::Sthu => (Store(2), D, Yes, InOrder),
        Opcode::Sthx => (Store(2), X, No, InOrder),
        Opcode::Sthux => (Store(2), X, Yes, InOrder),
        Opcode::Stw => (Store(4), D, No, InOrder),
        Opcode::Stwu => (Store(4), D, Yes, InOrder),
        Opcode::Stwx => (Store(4), X, No, InOrder),
        Opcode::Stwux => (Store(4), X, Yes, InOrder),
        Opcode::Std => (Store(8), Ds, No, InOrder),
        Opcode::Stdu => (Store(8), Ds, Yes, InOrder),
        Opcode::Stdx => (Store(8), X, No, InOrder),
        Opcode::Stdux => (Store(8), X, Yes, InOrder),
        Opcode::Sthbrx => (Store(2), X, No, Reversed),
        Opcode::Stwbrx => (Store(4), X, No, Reversed),
        Opcode::Stdbrx => (Store(8), X, No, Reversed),
        _ => return None,
    })
}

fn code(what: Move, reversed: bool) -> Code {
    match (what, reversed) {
        (Move::Load(1), _) => Code::Load8,
        (Move::Load(2), false) => Code::Load16,
        (Move::Load(2), true) => Code::Load16Reversed,
        (Move::Load(4), false) => Code::Load32,
        (Move::Load(4), true) => Code::Load32Reversed,
        (Move::Load(_), false) => Code::Load64,
        (Move::Load(_), true) => Code::Load64Reversed,
        (Move::LoadSigned(2), false) => Code::Load16Signed,
        (Move::LoadSigned(2), true) => Code::Load16SignedReversed,
        (Move::LoadSigned(_), false) => Code::Load32Signed,
        (Move::LoadSigned(_), true) => Code::Load32SignedReversed,
        (Move::Store(1), _) => Code::Store8,
        (Move::Store(2), false) => Code::Store16,
        (Move::Store(2), true) => Code::Store16Reversed,
        (Move::Store(4), false) => Code::Store32,
        (Move::Store(4), true) => Code::Store32Reversed,
        (Move::Store(_), false) => Code::Store64,
        (Move::Store(_), true) => Code::Store64Reversed,
    }
}

impl Builder {
    /// `None`: not an instruction of this kind.
    pub(super) fn memory(&mut self, opcode: Opcode, word: Word) -> Option<Flow> {
        let (what, form, update, bytes) = kind(opcode)?;
        let ra = word.ra() as Reg;
        // Invalid forms: the base would be both 0 and updated, or loaded and updated.
        if update == Update::Yes && (ra == 0 || (!matches!(what, Move::Store(_)) && ra == word.rt() as Reg)) {
            return Some(self.program(program::ILLEGAL));
        }
        let displacement = if form == Form::Ds { word.ds() } else { word.d() };
        let (base, index, offset) = match form {
            Form::X if self.mode.is_wide() && update == Update::No => (or_zero(word.ra()), word.rb() as Reg, 0),
            Form::X => (self.indexed_address(word), ZERO, 0),
            Form::D | Form::Ds => {
                let (base, offset) = self.address(or_zero(word.ra()), displacement);
                (base, ZERO, offset)
            }
        };
        let other_order = self.mode.is_little() != cfg!(target_endian = "little");
        let reversed = other_order != (bytes == Bytes::Reversed);
        self.push(Op {
            a: word.rt() as Reg,
            b: base,
            c: index,
            imm: offset,
            ..self.op(code(what, reversed))
        });
        if update == Update::Yes {
            // After the access: a fault leaves RA as it was.
            if base == TEMP {
                self.three(Code::Move, ra, TEMP, 0);
            } else {
                self.immediate(Code::AddImmediate, ra, ra, displacement);
            }
        }
        Some(Flow::Next)
    }
}
