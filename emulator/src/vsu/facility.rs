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
        // Power ISA v3.0B, Book I, 7.6.3: so do these, but need VSX for the other half.
        Opcode::Lxv | Opcode::Stxv => half(word.xt_dq()),
        Opcode::Lxvx
        | Opcode::Lxvl
        | Opcode::Lxvll
        | Opcode::Lxvwsx
        | Opcode::Lxvh8x
        | Opcode::Lxvb16x
        | Opcode::Lxsibzx
        | Opcode::Lxsihzx
        | Opcode::Stxvx
        | Opcode::Stxvl
        | Opcode::Stxvll
        | Opcode::Stxvh8x
        | Opcode::Stxvb16x
        | Opcode::Stxsibx
        | Opcode::Stxsihx
        | Opcode::Mfvsrld
        | Opcode::Mtvsrws
        | Opcode::Mtvsrdd
        | Opcode::Xxspltib => half(word.xt()),
        Opcode::Mcrfs | Opcode::Mtfsb0 | Opcode::Mtfsb1 | Opcode::Mtfsfi => Facility::Float,
        Opcode::Mfvscr | Opcode::Mtvscr => Facility::Vector,
        // Quadruple precision names vector registers, and is VSX's.
        _ if op.row().pattern.value >> 26 == 63 && names_vr(op) => Facility::Vsx,
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

fn names_vr(op: Opcode) -> bool {
    let operands = op.row().operands;
    operands.iter().any(|operand| operand.layout().class == Class::Vr)
}

/// The facility for a vector-scalar register where it is the half that decides.
fn half(register: usize) -> Facility {
    if register < 32 { Facility::Vsx } else { Facility::Vector }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_on_the_half_of_vmx_may_do_without_vsx() {
        for (op, low, high) in [
            (Opcode::Lxv, 0, 8),
            (Opcode::Stxvl, 0, 1),
            (Opcode::Mtvsrdd, 0, 1),
            (Opcode::Xxspltib, 0, 1),
            (Opcode::Lxvh8x, 0, 1),
            (Opcode::Stxsibx, 0, 1),
        ] {
            assert_eq!(facility(op, Word(low)), Facility::Vsx, "{op:?}");
            assert_eq!(facility(op, Word(high)), Facility::Vector, "{op:?}");
        }
        assert_eq!(facility(Opcode::Xxperm, Word(1)), Facility::Vsx);
        assert_eq!(facility(Opcode::Lxsd, Word(0)), Facility::Vector);
        assert_eq!(facility(Opcode::Vextublx, Word(0)), Facility::Vector);
        assert_eq!(facility(Opcode::Xsxexpdp, Word(0)), Facility::Vsx);
        assert_eq!(facility(Opcode::Mffsl, Word(0)), Facility::Float);
        for op in [Opcode::Xsaddqp, Opcode::Xscmpuqp, Opcode::Xststdcqp, Opcode::Xsrqpi] {
            assert_eq!(facility(op, Word(0)), Facility::Vsx, "{op:?}");
        }
    }

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
