//! VMX shifts and rotates, by element and of the whole register.

use power::insn::{Opcode, Word};

use super::lanes::{build, map3};
use super::vmx_arith::{each, two};
use super::{Handler, Outcome, Vsu};

/// `vsldoi`: sixteen bytes of VRA and VRB joined, from byte SHB on.
fn double_by_octet(v: &mut Vsu, w: Word) -> Outcome {
    let shift = w.shb() * 8;
    two(v, w, |a, b| a << shift | b.checked_shr(128 - shift).unwrap_or(0))
}

/// `vslv`: each byte takes the bits that come up from the next, by its own count in VRB.
fn left_by_bytes(v: &mut Vsu, w: Word) -> Outcome {
    two(v, w, |a, b| {
        let (a, b) = (a.to_be_bytes(), b.to_be_bytes());
        build(|i| {
            let i = i as usize;
            let pair = u16::from_be_bytes([a[i], a.get(i + 1).copied().unwrap_or(0)]);
            (pair << (b[i] & 7) >> 8) as u8
        })
    })
}

/// `vsrv`: each byte takes the bits that come down from the one before, by its own count in VRB.
fn right_by_bytes(v: &mut Vsu, w: Word) -> Outcome {
    two(v, w, |a, b| {
        let (a, b) = (a.to_be_bytes(), b.to_be_bytes());
        build(|i| {
            let i = i as usize;
            let pair = u16::from_be_bytes([if i == 0 { 0 } else { a[i - 1] }, a[i]]);
            (pair >> (b[i] & 7)) as u8
        })
    })
}

/// The mask from bit `first` to bit `last`, bit 0 being the most significant of `bits`; round the end if `first` is past `last`.
fn mask(bits: u32, first: u32, last: u32) -> u64 {
    let ones = u64::MAX >> (64 - bits);
    let (from, to) = (ones >> first, ones << (bits - 1 - last) & ones);
    if first <= last { from & to } else { from | to }
}

/// Each word of VRA rotated under a mask, as the word of VRB says; what the mask leaves out is that of `outside`.
fn rotate_words(v: &mut Vsu, w: Word, outside: u128) -> Outcome {
    two(v, w, |a, b| {
        map3(a, b, outside, |a: u32, b, outside| {
            let mask = mask(32, b >> 16 & 31, b >> 8 & 31) as u32;
            a.rotate_left(b & 31) & mask | outside & !mask
        })
    })
}

/// The same for doublewords.
fn rotate_doublewords(v: &mut Vsu, w: Word, outside: u128) -> Outcome {
    two(v, w, |a, b| {
        map3(a, b, outside, |a: u64, b, outside| {
            let field = |shift: u32| (b >> shift) as u32 & 63;
            let mask = mask(64, field(16), field(8));
            a.rotate_left(field(0)) & mask | outside & !mask
        })
    })
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
        Opcode::Vslv => |v, _, w| left_by_bytes(v, w),
        Opcode::Vsrv => |v, _, w| right_by_bytes(v, w),
        Opcode::Vrlwnm => |v, _, w| rotate_words(v, w, 0),
        Opcode::Vrlwmi => |v, _, w| rotate_words(v, w, v.vr(w.vrt())),
        Opcode::Vrldnm => |v, _, w| rotate_doublewords(v, w, 0),
        Opcode::Vrldmi => |v, _, w| rotate_doublewords(v, w, v.vr(w.vrt())),
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
