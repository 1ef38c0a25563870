//! VMX shifts and rotates, by element and of the whole register.

use power::insn::{Opcode, Word};

use super::vmx_arith::{each, two};
use super::{Handler, Outcome, Vsu};

/// `vsldoi`: sixteen bytes of VRA and VRB joined, from byte SHB on.
fn double_by_octet(v: &mut Vsu, w: Word) -> Outcome {
    let shift = w.shb() * 8;
    two(v, w, |a, b| a << shift | b.checked_shr(128 - shift).unwrap_or(0))
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Vrlb => |v, _, w| each(v, w, |a: u8, b| a.rotate_left(u32::from(b) & 7)),
        Opcode::Vrlh => |v, _, w| each(v, w, |a: u16, b| a.rotate_left(u32::from(b) & 15)),
        Opcode::Vrlw => |v, _, w| each(v, w, |a: u32, b| a.rotate_left(b & 31)),
        Opcode::Vrld => |v, _, w| each(v, w, |a: u64, b| a.rotate_left(b as u32 & 63)),
        Opcode::Vslb => |v, _, w| each(v, w, |a: u8, b| a.wrapping_shl(b.into())),
        Opcode::Vslh => |v, _, w| each(v, w, |a: u16, b| a.wrapping_shl(b.into())),
        Opcode::Vslw => |v, _, w| each(v, w, |a: u32, b| a.wrapping_shl(b)),
        Opcode::Vsld => |v, _, w| each(v, w, |a: u64, b| a.wrapping_shl(b as u32)),
        Opcode::Vsrb => |v, _, w| each(v, w, |a: u8, b| a.wrapping_shr(b.into())),
        Opcode::Vsrh => |v, _, w| each(v, w, |a: u16, b| a.wrapping_shr(b.into())),
        Opcode::Vsrw => |v, _, w| each(v, w, |a: u32, b| a.wrapping_shr(b)),
        Opcode::Vsrd => |v, _, w| each(v, w, |a: u64, b| a.wrapping_shr(b as u32)),
        Opcode::Vsrab => |v, _, w| each(v, w, |a: i8, b| a.wrapping_shr(b as u32)),
        Opcode::Vsrah => |v, _, w| each(v, w, |a: i16, b| a.wrapping_shr(b as u32)),
        Opcode::Vsraw => |v, _, w| each(v, w, |a: i32, b| a.wrapping_shr(b as u32)),
        Opcode::Vsrad => |v, _, w| each(v, w, |a: i64, b| a.wrapping_shr(b as u32)),
        // The manual wants the same count in every byte of VRB; the last one is taken.
        Opcode::Vsl => |v, _, w| two(v, w, |a, b| a << (b & 7)),
        Opcode::Vsr => |v, _, w| two(v, w, |a, b| a >> (b & 7)),
        Opcode::Vslo => |v, _, w| two(v, w, |a, b| a << (b & 0x78)),
        Opcode::Vsro => |v, _, w| two(v, w, |a, b| a >> (b & 0x78)),
        Opcode::Vsldoi => |v, _, w| double_by_octet(v, w),
        _ => return None,
    };
    Some(handler)
}
