//! VMX integer addition, subtraction, average, maximum and minimum, and the logical operations.

use power::insn::{Opcode, Word};

use super::lanes::{Lane, map, map2};
use super::{Handler, Outcome, Vsu};

/// An instruction on VRA and VRB.
#[inline(always)]
pub(super) fn two(v: &mut Vsu, w: Word, f: impl FnOnce(u128, u128) -> u128) -> Outcome {
    let result = f(v.vr(w.vra()), v.vr(w.vrb()));
    v.set_vr(w.vrt(), result)
}

/// An instruction on VRA, VRB and VRC.
#[inline(always)]
pub(super) fn three(v: &mut Vsu, w: Word, f: impl FnOnce(u128, u128, u128) -> u128) -> Outcome {
    let result = f(v.vr(w.vra()), v.vr(w.vrb()), v.vr(w.vrc()));
    v.set_vr(w.vrt(), result)
}

/// An instruction on each pair of elements.
#[inline(always)]
pub(super) fn each<T: Lane, R: Lane>(v: &mut Vsu, w: Word, f: impl FnMut(T, T) -> R) -> Outcome {
    two(v, w, |a, b| map2(a, b, f))
}

/// An instruction on each element of VRB.
#[inline(always)]
pub(super) fn each_of_b<T: Lane, R: Lane>(v: &mut Vsu, w: Word, f: impl FnMut(T) -> R) -> Outcome {
    let result = map(v.vr(w.vrb()), f);
    v.set_vr(w.vrt(), result)
}

/// A saturating instruction on each pair of elements: `f` computes without bounds.
#[inline(always)]
fn saturating<T>(v: &mut Vsu, w: Word, f: impl Fn(i64, i64) -> i64) -> Outcome
where
    T: Lane + Into<i64> + TryFrom<i64> + Bounded,
{
    let mut saturated = false;
    let result = map2(v.vr(w.vra()), v.vr(w.vrb()), |a: T, b: T| {
        clamp::<T>(f(a.into(), b.into()), &mut saturated)
    });
    v.vscr.saturate(saturated);
    v.set_vr(w.vrt(), result)
}

/// The bounds of an element type.
pub(super) trait Bounded: Lane {
    /// The least value.
    const LEAST: Self;
    /// The greatest value.
    const GREATEST: Self;
}

macro_rules! bounded {
    ($($element:ident)*) => {$(
        impl Bounded for $element {
            const LEAST: Self = $element::MIN;
            const GREATEST: Self = $element::MAX;
        }
    )*};
}

bounded!(u8 u16 u32 u64 i8 i16 i32 i64);

/// The value, or the nearest bound; tells whether it was cut.
#[inline(always)]
pub(super) fn clamp<T: Bounded + TryFrom<i64>>(value: i64, saturated: &mut bool) -> T {
    T::try_from(value).unwrap_or_else(|_| {
        *saturated = true;
        if value < 0 { T::LEAST } else { T::GREATEST }
    })
}

/// The mean, rounded up.
#[inline(always)]
fn average(a: i64, b: i64) -> i64 {
    (a + b + 1) >> 1
}

/// `a + b + carry` and the carry out of it.
fn add_with_carry(a: u128, b: u128, carry: u128) -> (u128, u128) {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(carry & 1);
    (sum, u128::from(first || second))
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Vaddubm => |v, _, w| each(v, w, u8::wrapping_add),
        Opcode::Vadduhm => |v, _, w| each(v, w, u16::wrapping_add),
        Opcode::Vadduwm => |v, _, w| each(v, w, u32::wrapping_add),
        Opcode::Vaddudm => |v, _, w| each(v, w, u64::wrapping_add),
        Opcode::Vadduqm => |v, _, w| two(v, w, u128::wrapping_add),
        Opcode::Vaddcuw => |v, _, w| each(v, w, |a: u32, b| u32::from(a.checked_add(b).is_none())),
        Opcode::Vaddcuq => |v, _, w| two(v, w, |a, b| add_with_carry(a, b, 0).1),
        Opcode::Vaddeuqm => |v, _, w| three(v, w, |a, b, c| add_with_carry(a, b, c).0),
        Opcode::Vaddecuq => |v, _, w| three(v, w, |a, b, c| add_with_carry(a, b, c).1),
        Opcode::Vsububm => |v, _, w| each(v, w, u8::wrapping_sub),
        Opcode::Vsubuhm => |v, _, w| each(v, w, u16::wrapping_sub),
        Opcode::Vsubuwm => |v, _, w| each(v, w, u32::wrapping_sub),
        Opcode::Vsubudm => |v, _, w| each(v, w, u64::wrapping_sub),
        Opcode::Vsubuqm => |v, _, w| two(v, w, u128::wrapping_sub),
        Opcode::Vsubcuw => |v, _, w| each(v, w, |a: u32, b| u32::from(a >= b)),
        Opcode::Vsubcuq => |v, _, w| two(v, w, |a, b| add_with_carry(a, !b, 1).1),
        Opcode::Vsubeuqm => |v, _, w| three(v, w, |a, b, c| add_with_carry(a, !b, c).0),
        Opcode::Vsubecuq => |v, _, w| three(v, w, |a, b, c| add_with_carry(a, !b, c).1),

        Opcode::Vaddubs => |v, _, w| saturating::<u8>(v, w, |a, b| a + b),
        Opcode::Vadduhs => |v, _, w| saturating::<u16>(v, w, |a, b| a + b),
        Opcode::Vadduws => |v, _, w| saturating::<u32>(v, w, |a, b| a + b),
        Opcode::Vaddsbs => |v, _, w| saturating::<i8>(v, w, |a, b| a + b),
        Opcode::Vaddshs => |v, _, w| saturating::<i16>(v, w, |a, b| a + b),
        Opcode::Vaddsws => |v, _, w| saturating::<i32>(v, w, |a, b| a + b),
        Opcode::Vsububs => |v, _, w| saturating::<u8>(v, w, |a, b| a - b),
        Opcode::Vsubuhs => |v, _, w| saturating::<u16>(v, w, |a, b| a - b),
        Opcode::Vsubuws => |v, _, w| saturating::<u32>(v, w, |a, b| a - b),
        Opcode::Vsubsbs => |v, _, w| saturating::<i8>(v, w, |a, b| a - b),
        Opcode::Vsubshs => |v, _, w| saturating::<i16>(v, w, |a, b| a - b),
        Opcode::Vsubsws => |v, _, w| saturating::<i32>(v, w, |a, b| a - b),

        Opcode::Vavgub => |v, _, w| each(v, w, |a: u8, b| average(a.into(), b.into()) as u8),
        Opcode::Vavguh => |v, _, w| each(v, w, |a: u16, b| average(a.into(), b.into()) as u16),
        Opcode::Vavguw => |v, _, w| each(v, w, |a: u32, b| average(a.into(), b.into()) as u32),
        Opcode::Vavgsb => |v, _, w| each(v, w, |a: i8, b| average(a.into(), b.into()) as i8),
        Opcode::Vavgsh => |v, _, w| each(v, w, |a: i16, b| average(a.into(), b.into()) as i16),
        Opcode::Vavgsw => |v, _, w| each(v, w, |a: i32, b| average(a.into(), b.into()) as i32),

        Opcode::Vmaxub => |v, _, w| each(v, w, u8::max),
        Opcode::Vmaxuh => |v, _, w| each(v, w, u16::max),
        Opcode::Vmaxuw => |v, _, w| each(v, w, u32::max),
        Opcode::Vmaxud => |v, _, w| each(v, w, u64::max),
        Opcode::Vmaxsb => |v, _, w| each(v, w, i8::max),
        Opcode::Vmaxsh => |v, _, w| each(v, w, i16::max),
        Opcode::Vmaxsw => |v, _, w| each(v, w, i32::max),
        Opcode::Vmaxsd => |v, _, w| each(v, w, i64::max),
        Opcode::Vminub => |v, _, w| each(v, w, u8::min),
        Opcode::Vminuh => |v, _, w| each(v, w, u16::min),
        Opcode::Vminuw => |v, _, w| each(v, w, u32::min),
        Opcode::Vminud => |v, _, w| each(v, w, u64::min),
        Opcode::Vminsb => |v, _, w| each(v, w, i8::min),
        Opcode::Vminsh => |v, _, w| each(v, w, i16::min),
        Opcode::Vminsw => |v, _, w| each(v, w, i32::min),
        Opcode::Vminsd => |v, _, w| each(v, w, i64::min),

        Opcode::Vabsdub => |v, _, w| each(v, w, u8::abs_diff),
        Opcode::Vabsduh => |v, _, w| each(v, w, u16::abs_diff),
        Opcode::Vabsduw => |v, _, w| each(v, w, u32::abs_diff),
        Opcode::Vnegw => |v, _, w| each_of_b(v, w, i32::wrapping_neg),
        Opcode::Vnegd => |v, _, w| each_of_b(v, w, i64::wrapping_neg),

        Opcode::Vand => |v, _, w| two(v, w, |a, b| a & b),
        Opcode::Vandc => |v, _, w| two(v, w, |a, b| a & !b),
        Opcode::Veqv => |v, _, w| two(v, w, |a, b| !(a ^ b)),
        Opcode::Vnand => |v, _, w| two(v, w, |a, b| !(a & b)),
        Opcode::Vnor => |v, _, w| two(v, w, |a, b| !(a | b)),
        Opcode::Vor => |v, _, w| two(v, w, |a, b| a | b),
        Opcode::Vorc => |v, _, w| two(v, w, |a, b| a | !b),
        Opcode::Vxor => |v, _, w| two(v, w, |a, b| a ^ b),
        _ => return None,
    };
    Some(handler)
}
