//! VMX integer compares: all ones where the relation holds, and CR field 6 in the record forms.

use power::insn::{Opcode, Word};

use super::compare::all_or_none;
use super::lanes::{Lane, map2, mask};
use super::{Handler, Outcome, Vsu};
use crate::regs::{CR, Regs};

/// Writes the result of a vector compare, and CR field 6 if the Rc bit is set.
pub(super) fn write_compared(v: &mut Vsu, regs: &mut Regs, w: Word, result: u128, cr6: u64) -> Outcome {
    if w.record_vector() {
        regs[CR + 6] = cr6;
    }
    v.set_vr(w.vrt(), result)
}

fn compare<T: Lane>(v: &mut Vsu, regs: &mut Regs, w: Word, holds: impl Fn(&T, &T) -> bool) -> Outcome {
    let result = map2(v.vr(w.vra()), v.vr(w.vrb()), |a: T, b: T| mask::<T>(holds(&a, &b)));
    write_compared(v, regs, w, result, all_or_none(result))
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Vcmpequb => |v, r, w| compare(v, r, w, u8::eq),
        Opcode::Vcmpequh => |v, r, w| compare(v, r, w, u16::eq),
        Opcode::Vcmpequw => |v, r, w| compare(v, r, w, u32::eq),
        Opcode::Vcmpequd => |v, r, w| compare(v, r, w, u64::eq),
        Opcode::Vcmpneb => |v, r, w| compare(v, r, w, u8::ne),
        Opcode::Vcmpneh => |v, r, w| compare(v, r, w, u16::ne),
        Opcode::Vcmpnew => |v, r, w| compare(v, r, w, u32::ne),
        Opcode::Vcmpnezb => |v, r, w| compare(v, r, w, |a: &u8, b| a != b || *a == 0),
        Opcode::Vcmpnezh => |v, r, w| compare(v, r, w, |a: &u16, b| a != b || *a == 0),
        Opcode::Vcmpnezw => |v, r, w| compare(v, r, w, |a: &u32, b| a != b || *a == 0),
        Opcode::Vcmpgtub => |v, r, w| compare(v, r, w, u8::gt),
        Opcode::Vcmpgtuh => |v, r, w| compare(v, r, w, u16::gt),
        Opcode::Vcmpgtuw => |v, r, w| compare(v, r, w, u32::gt),
        Opcode::Vcmpgtud => |v, r, w| compare(v, r, w, u64::gt),
        Opcode::Vcmpgtsb => |v, r, w| compare(v, r, w, i8::gt),
        Opcode::Vcmpgtsh => |v, r, w| compare(v, r, w, i16::gt),
        Opcode::Vcmpgtsw => |v, r, w| compare(v, r, w, i32::gt),
        Opcode::Vcmpgtsd => |v, r, w| compare(v, r, w, i64::gt),
        _ => return None,
    };
    Some(handler)
}
