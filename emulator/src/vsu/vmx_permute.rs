//! VMX instructions that place elements: merges, splats, permutes, selects; the control vectors
//! of `lvsl` and `lvsr`; and the moves of the VSCR.

use power::insn::{Opcode, Word};

use super::lanes::{Lane, build, lane};
use super::vmx_arith::{three, two};
use super::{Handler, Outcome, Vscr, Vsu};
use crate::regs::Regs;

/// Elements of VRA and VRB in turn, from element `first` on, `step` apart.
fn merge<T: Lane>(v: &mut Vsu, w: Word, first: u32, step: u32) -> Outcome {
    two(v, w, |a, b| {
        build(|i| {
            let from = first + i / 2 * step;
            if i % 2 == 0 { lane::<T>(a, from) } else { lane(b, from) }
        })
    })
}

/// One element of VRB everywhere.
fn splat<T: Lane>(v: &mut Vsu, w: Word) -> Outcome {
    let index = w.uim4() % (128 / T::BITS);
    let element: T = lane(v.vr(w.vrb()), index);
    v.set_vr(w.vrt(), build(|_| element))
}

/// The five-bit signed immediate everywhere.
fn splat_immediate<T: Lane>(v: &mut Vsu, w: Word) -> Outcome {
    let immediate = i128::from(w.sim());
    v.set_vr(w.vrt(), build(|_| T::from_low(immediate as u128)))
}

/// `vperm` and `vpermr`: each byte of VRC picks one of the 32 of VRA and VRB joined: `pick` makes its place of the number.
#[inline(always)]
fn permute(v: &mut Vsu, w: Word, pick: impl Fn(usize) -> usize) -> Outcome {
    let mut table = [0; 32];
    table[..16].copy_from_slice(&v.vr(w.vra()).to_be_bytes());
    table[16..].copy_from_slice(&v.vr(w.vrb()).to_be_bytes());
    let chosen = v
        .vr(w.vrc())
        .to_be_bytes()
        .map(|index| table[pick(usize::from(index & 31))]);
    v.set_vr(w.vrt(), u128::from_be_bytes(chosen))
}

/// `vpermxor`: each byte of VRC picks a byte of VRA and one of VRB.
fn permute_xor(v: &mut Vsu, w: Word) -> Outcome {
    let a = v.vr(w.vra()).to_be_bytes();
    let b = v.vr(w.vrb()).to_be_bytes();
    let chosen = v
        .vr(w.vrc())
        .to_be_bytes()
        .map(|index| a[usize::from(index >> 4)] ^ b[usize::from(index & 15)]);
    v.set_vr(w.vrt(), u128::from_be_bytes(chosen))
}

/// The bytes `first`, `first + 1`, …: a control vector for `vperm`.
fn ramp(v: &mut Vsu, regs: &Regs, w: Word, first: impl Fn(u8) -> u8) -> Outcome {
    let base = if w.ra() == 0 { 0 } else { regs[w.ra() as u8] };
    let address = base.wrapping_add(regs[w.rb() as u8]);
    let first = first(address as u8 & 15);
    v.set_vr(w.vrt(), build(|i| first + i as u8))
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Vmrghb => |v, _, w| merge::<u8>(v, w, 0, 1),
        Opcode::Vmrghh => |v, _, w| merge::<u16>(v, w, 0, 1),
        Opcode::Vmrghw => |v, _, w| merge::<u32>(v, w, 0, 1),
        Opcode::Vmrglb => |v, _, w| merge::<u8>(v, w, 8, 1),
        Opcode::Vmrglh => |v, _, w| merge::<u16>(v, w, 4, 1),
        Opcode::Vmrglw => |v, _, w| merge::<u32>(v, w, 2, 1),
        Opcode::Vmrgew => |v, _, w| merge::<u32>(v, w, 0, 2),
        Opcode::Vmrgow => |v, _, w| merge::<u32>(v, w, 1, 2),
        Opcode::Vspltb => |v, _, w| splat::<u8>(v, w),
        Opcode::Vsplth => |v, _, w| splat::<u16>(v, w),
        Opcode::Vspltw => |v, _, w| splat::<u32>(v, w),
        Opcode::Vspltisb => |v, _, w| splat_immediate::<u8>(v, w),
        Opcode::Vspltish => |v, _, w| splat_immediate::<u16>(v, w),
        Opcode::Vspltisw => |v, _, w| splat_immediate::<u32>(v, w),
        Opcode::Vperm => |v, _, w| permute(v, w, |index| index),
        Opcode::Vpermr => |v, _, w| permute(v, w, |index| 31 - index),
        Opcode::Vpermxor => |v, _, w| permute_xor(v, w),
        Opcode::Vsel => |v, _, w| three(v, w, |a, b, c| b & c | a & !c),
        Opcode::Lvsl => |v, r, w| ramp(v, r, w, |offset| offset),
        Opcode::Lvsr => |v, r, w| ramp(v, r, w, |offset| 16 - offset),
        Opcode::Mfvscr => |v, _, w| v.set_vr(w.vrt(), v.vscr.raw().into()),
        Opcode::Mtvscr => |v, _, w| {
            v.vscr = Vscr::new(v.vr(w.vrb()) as u32);
            Outcome::Done
        },
        _ => return None,
    };
    Some(handler)
}
