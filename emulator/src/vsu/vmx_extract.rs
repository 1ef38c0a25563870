//! VMX instructions of Power ISA v3.0B that take elements out of a register, put them in, extend them, and count bytes by their
//! last bits. Book I, chapter 6. Where an element would reach past the register's end, which leaves the
//! result undefined, it goes on at its start.

use power::insn::{Opcode, Word};

use super::vmx_arith::each_of_b;
use super::{Handler, Outcome, Vsu};
use crate::regs::Regs;

/// The last bit of every byte.
const LAST_BITS: u128 = u128::MAX / 0xff;

/// The element of `bits` bits whose first byte is `byte`.
fn element(vector: u128, byte: u32, bits: u32) -> u128 {
    vector.rotate_left(8 * byte) >> (128 - bits)
}

/// An element of VRB at the end of doubleword 0 of VRT, and zeros.
fn extract(v: &mut Vsu, w: Word, bits: u32) -> Outcome {
    v.set_vr(w.vrt(), element(v.vr(w.vrb()), w.uim4(), bits) << 64)
}

/// The end of doubleword 0 of VRB into VRT, from byte UIM on.
fn insert(v: &mut Vsu, w: Word, bits: u32) -> Outcome {
    let to_place = |low: u128| (low << (128 - bits)).rotate_right(8 * w.uim4());
    let kept = v.vr(w.vrt()) & !to_place(u128::MAX);
    v.set_vr(w.vrt(), kept | to_place(v.vr(w.vrb()) >> 64))
}

/// The element of VRB to a general register whose first byte RA numbers from the left.
fn from_left(v: &Vsu, regs: &mut Regs, w: Word, bits: u32) -> Outcome {
    let byte = regs[w.ra() as u8] as u32 & 15;
    regs[w.rt() as u8] = element(v.vr(w.vrb()), byte, bits) as u64;
    Outcome::Done
}

/// The element of VRB to a general register whose last byte RA numbers from the right.
fn from_right(v: &Vsu, regs: &mut Regs, w: Word, bits: u32) -> Outcome {
    let byte = regs[w.ra() as u8] as u32 & 15;
    regs[w.rt() as u8] = element(v.vr(w.vrb()).rotate_right(8 * byte), 16 - bits / 8, bits) as u64;
    Outcome::Done
}

fn count(v: &Vsu, regs: &mut Regs, w: Word, zeros: fn(u128) -> u32) -> Outcome {
    regs[w.rt() as u8] = u64::from(zeros(v.vr(w.vrb()) & LAST_BITS) / 8);
    Outcome::Done
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Vextractub => |v, _, w| extract(v, w, 8),
        Opcode::Vextractuh => |v, _, w| extract(v, w, 16),
        Opcode::Vextractuw => |v, _, w| extract(v, w, 32),
        Opcode::Vextractd => |v, _, w| extract(v, w, 64),
        Opcode::Vinsertb => |v, _, w| insert(v, w, 8),
        Opcode::Vinserth => |v, _, w| insert(v, w, 16),
        Opcode::Vinsertw => |v, _, w| insert(v, w, 32),
        Opcode::Vinsertd => |v, _, w| insert(v, w, 64),
        Opcode::Vextublx => |v, r, w| from_left(v, r, w, 8),
        Opcode::Vextuhlx => |v, r, w| from_left(v, r, w, 16),
        Opcode::Vextuwlx => |v, r, w| from_left(v, r, w, 32),
        Opcode::Vextubrx => |v, r, w| from_right(v, r, w, 8),
        Opcode::Vextuhrx => |v, r, w| from_right(v, r, w, 16),
        Opcode::Vextuwrx => |v, r, w| from_right(v, r, w, 32),
        Opcode::Vextsb2w => |v, _, w| each_of_b(v, w, |b: i32| i32::from(b as i8)),
        Opcode::Vextsh2w => |v, _, w| each_of_b(v, w, |b: i32| i32::from(b as i16)),
        Opcode::Vextsb2d => |v, _, w| each_of_b(v, w, |b: i64| i64::from(b as i8)),
        Opcode::Vextsh2d => |v, _, w| each_of_b(v, w, |b: i64| i64::from(b as i16)),
        Opcode::Vextsw2d => |v, _, w| each_of_b(v, w, |b: i64| i64::from(b as i32)),
        Opcode::Vclzlsbb => |v, r, w| count(v, r, w, u128::leading_zeros),
        Opcode::Vctzlsbb => |v, r, w| count(v, r, w, u128::trailing_zeros),
        _ => return None,
    };
    Some(handler)
}
