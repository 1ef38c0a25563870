//! VSX instructions of Power ISA v3.0B that move bytes: reversals, permutes, splats, single words, and moves between one general
//! register or two and all of a vector-scalar register. Book I, 7.6.3.

use power::insn::{Opcode, Word};

use super::lanes::{build, lane, map};
use super::vsx_move::one;
use super::{Handler, Outcome, Vsu};
use crate::regs::Regs;

/// Each byte of XB picks one of the 32 of XA and XT joined: `pick` makes its place of the number.
fn permute(v: &mut Vsu, w: Word, pick: impl Fn(usize) -> usize) -> Outcome {
    let mut table = [0; 32];
    table[..16].copy_from_slice(&v.get(w.xa()).to_be_bytes());
    table[16..].copy_from_slice(&v.get(w.xt()).to_be_bytes());
    let chosen = v
        .get(w.xb())
        .to_be_bytes()
        .map(|index| table[pick(usize::from(index & 31))]);
    v.set(w.xt(), u128::from_be_bytes(chosen))
}

/// Word 1 of XB into XT, from byte UIM on. Past byte 12 the result is undefined.
fn insert_word(v: &mut Vsu, w: Word) -> Outcome {
    let place = 8 * w.uim4();
    let word = u128::from(lane::<u32>(v.get(w.xb()), 1)) << 96;
    let kept = v.get(w.xt()) & !(u128::from(u32::MAX) << 96).rotate_right(place);
    v.set(w.xt(), kept | word.rotate_right(place))
}

fn from_pair(v: &mut Vsu, regs: &Regs, w: Word) -> Outcome {
    let high = if w.ra() == 0 { 0 } else { regs[w.ra() as u8] };
    v.set(w.xt(), u128::from(high) << 64 | u128::from(regs[w.rb() as u8]))
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Xxbrh => |v, _, w| one(v, w, |b| map(b, u16::swap_bytes)),
        Opcode::Xxbrw => |v, _, w| one(v, w, |b| map(b, u32::swap_bytes)),
        Opcode::Xxbrd => |v, _, w| one(v, w, |b| map(b, u64::swap_bytes)),
        Opcode::Xxbrq => |v, _, w| one(v, w, u128::swap_bytes),
        Opcode::Xxperm => |v, _, w| permute(v, w, |index| index),
        Opcode::Xxpermr => |v, _, w| permute(v, w, |index| 31 - index),
        // Word from byte UIM on; past byte 12 the result is undefined.
        Opcode::Xxextractuw => |v, _, w| one(v, w, |b| b.rotate_left(8 * w.uim4()) >> 96 << 64),
        Opcode::Xxinsertw => |v, _, w| insert_word(v, w),
        Opcode::Xxspltib => |v, _, w| v.set(w.xt(), build(|_| w.imm8() as u8)),
        Opcode::Mfvsrld => |v, r, w| {
            r[w.ra() as u8] = v.get(w.xt()) as u64;
            Outcome::Done
        },
        Opcode::Mtvsrws => |v, r, w| {
            let word = r[w.ra() as u8] as u32;
            v.set(w.xt(), build(|_| word))
        },
        Opcode::Mtvsrdd => |v, r, w| from_pair(v, r, w),
        _ => return None,
    };
    Some(handler)
}
