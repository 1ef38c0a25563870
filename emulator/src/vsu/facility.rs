//! Which facility, and so which bit of the MSR, an instruction needs.

use power::insn::{Class, Opcode, Word};

/// A facility that the MSR makes available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facility {
    /// None of these.
    None,
    /// `MSR[FP]`.
    Float,
    /// `MSR[VEC]`.
    Vector,
    /// `MSR[VSX]`.
    Vsx,
}

/// The facility that the instruction needs, loads and stores included.
/// Power ISA v2.07B, Book III-S, 3.2.1, and for the moves to and from general registers Book I, 7.6.
pub fn facility(op: Opcode, word: Word) -> Facility {
    match op {
        // These reach the vector registers with VSX off if they name the half that VMX has.
        Opcode::Mfvsrd | Opcode::Mfvsrwz | Opcode::Mtvsrd | Opcode::Mtvsrwa | Opcode::Mtvsrwz => {
            if word.xt() < 32 {
                Facility::Float
            } else {
                Facility::Vector
            }
        }
        Opcode::Mcrfs | Opcode::Mtfsb0 | Opcode::Mtfsb1 | Opcode::Mtfsfi => Facility::Float,
        Opcode::Mfvscr | Opcode::Mtvscr => Facility::Vector,
        _ => op
            .row()
            .operands
            .iter()
            .find_map(|operand| match operand.layout().class {
                Class::Fpr | Class::FprPair => Some(Facility::Float),
                Class::Vr => Some(Facility::Vector),
                Class::Vsr => Some(Facility::Vsx),
                _ => None,
            })
            .unwrap_or(Facility::None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_needs_the_facility_of_its_registers() {
        let at = |op| facility(op, Word(0));
        assert_eq!(at(Opcode::Lfd), Facility::Float);
        assert_eq!(at(Opcode::Fcmpu), Facility::Float);
        assert_eq!(at(Opcode::Lvx), Facility::Vector);
        assert_eq!(at(Opcode::Lxvd2x), Facility::Vsx);
        assert_eq!(at(Opcode::Xscmpudp), Facility::Vsx);
        assert_eq!(at(Opcode::Addi), Facility::None);
        assert_eq!(facility(Opcode::Mfvsrd, Word(0)), Facility::Float);
        assert_eq!(facility(Opcode::Mfvsrd, Word(1)), Facility::Vector);
    }
}
