//! VMX packs and unpacks: elements to half their width, with or without saturation, and back.

use power::insn::{Opcode, Word};

use super::lanes::{Lane, build, lane};
use super::vmx_arith::{Bounded, clamp, two};
use super::{Handler, Outcome, Vsu};

/// `f` of the elements of VRA and then VRB, each half as wide as it was.
fn pack<W: Lane, N: Lane>(v: &mut Vsu, w: Word, mut f: impl FnMut(W) -> N) -> Outcome {
    const { assert!(W::BITS == 2 * N::BITS) };
    let each = 128 / W::BITS;
    two(v, w, |a, b| {
        build(|i| f(if i < each { lane(a, i) } else { lane(b, i - each) }))
    })
}

/// Packs what fits and saturates the rest.
fn saturating<W, N>(v: &mut Vsu, w: Word) -> Outcome
where
    W: Lane + Into<i128>,
    N: Bounded + TryFrom<i64>,
{
    let mut saturated = false;
    let outcome = pack(v, w, |x: W| {
        // Nothing an element holds beyond 63 bits changes to which bound it is cut.
        let bounded = x.into().clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        clamp::<N>(bounded, &mut saturated)
    });
    v.vscr.saturate(saturated);
    outcome
}

/// Which half of VRB is unpacked.
#[derive(Clone, Copy)]
enum Half {
    High = 0,
    Low = 1,
}

/// `f` of half of the elements, each twice as wide as it was.
fn unpack<N: Lane, W: Lane>(v: &mut Vsu, w: Word, half: Half, f: impl Fn(N) -> W) -> Outcome {
    const { assert!(W::BITS == 2 * N::BITS) };
    let first = half as u32 * (128 / W::BITS);
    let b = v.vr(w.vrb());
    v.set_vr(w.vrt(), build(|i| f(lane(b, first + i))))
}

/// A 32-bit pixel as one bit and three times five.
fn to_pixel(word: u32) -> u16 {
    let field = |from: u32, to: u32, mask: u32| (word >> from & mask) << to;
    (field(24, 15, 1) | field(19, 10, 31) | field(11, 5, 31) | field(3, 0, 31)) as u16
}

/// The pixel as 32 bits: the first repeated, the others extended with zeros.
fn from_pixel(pixel: u16) -> u32 {
    let alpha = if pixel >> 15 != 0 { 0xff00_0000 } else { 0 };
    let field = |from: u32, to: u32| (u32::from(pixel) >> from & 31) << to;
    alpha | field(10, 16) | field(5, 8) | field(0, 0)
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    use Half::{High, Low};
    let handler: Handler = match op {
        Opcode::Vpkpx => |v, _, w| pack(v, w, to_pixel),
        Opcode::Vpkuhum => |v, _, w| pack(v, w, |x: u16| x as u8),
        Opcode::Vpkuwum => |v, _, w| pack(v, w, |x: u32| x as u16),
        Opcode::Vpkudum => |v, _, w| pack(v, w, |x: u64| x as u32),
        Opcode::Vpkuhus => |v, _, w| saturating::<u16, u8>(v, w),
        Opcode::Vpkuwus => |v, _, w| saturating::<u32, u16>(v, w),
        Opcode::Vpkudus => |v, _, w| saturating::<u64, u32>(v, w),
        Opcode::Vpkshus => |v, _, w| saturating::<i16, u8>(v, w),
        Opcode::Vpkswus => |v, _, w| saturating::<i32, u16>(v, w),
        Opcode::Vpksdus => |v, _, w| saturating::<i64, u32>(v, w),
        Opcode::Vpkshss => |v, _, w| saturating::<i16, i8>(v, w),
        Opcode::Vpkswss => |v, _, w| saturating::<i32, i16>(v, w),
        Opcode::Vpksdss => |v, _, w| saturating::<i64, i32>(v, w),
        Opcode::Vupkhpx => |v, _, w| unpack(v, w, High, from_pixel),
        Opcode::Vupklpx => |v, _, w| unpack(v, w, Low, from_pixel),
        Opcode::Vupkhsb => |v, _, w| unpack(v, w, High, |x: i8| i16::from(x)),
        Opcode::Vupklsb => |v, _, w| unpack(v, w, Low, |x: i8| i16::from(x)),
        Opcode::Vupkhsh => |v, _, w| unpack(v, w, High, |x: i16| i32::from(x)),
        Opcode::Vupklsh => |v, _, w| unpack(v, w, Low, |x: i16| i32::from(x)),
        Opcode::Vupkhsw => |v, _, w| unpack(v, w, High, |x: i32| i64::from(x)),
        Opcode::Vupklsw => |v, _, w| unpack(v, w, Low, |x: i32| i64::from(x)),
        _ => return None,
    };
    Some(handler)
}
