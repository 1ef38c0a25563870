//! VMX integer multiplies, multiply-adds and sums across elements.

use power::insn::{Opcode, Word};

use super::lanes::{Lane, build, lane, map3};
use super::vmx_arith::{Bounded, clamp, each, three, two};
use super::{Handler, Outcome, Vsu};

/// Which element of each pair takes part.
#[derive(Clone, Copy)]
enum Which {
    Even = 0,
    Odd = 1,
}

/// Products of every other element, twice as wide as the elements.
fn every_other<T, R>(v: &mut Vsu, w: Word, which: Which) -> Outcome
where
    T: Lane + Into<i128>,
    R: Lane,
{
    const { assert!(R::BITS == 2 * T::BITS) };
    two(v, w, |a, b| {
        build(|i| {
            let [a, b]: [i128; 2] = [a, b].map(|x| lane::<T>(x, 2 * i + which as u32).into());
            R::from_low((a * b) as u128)
        })
    })
}

/// The sum of the products of those elements of `a` and `b` that word `index` covers.
#[inline(always)]
fn products<A: Lane + Into<i64>, B: Lane + Into<i64>>(a: u128, b: u128, index: u32) -> i64 {
    let count = 32 / A::BITS;
    (index * count..(index + 1) * count)
        .map(|i| lane::<A>(a, i).into() * lane::<B>(b, i).into())
        .sum()
}

/// Adds products to each word of VRC, modulo 2^32.
fn sum_of_products<A, B>(v: &mut Vsu, w: Word) -> Outcome
where
    A: Lane + Into<i64>,
    B: Lane + Into<i64>,
{
    three(v, w, |a, b, c| {
        build(|i| (products::<A, B>(a, b, i) as u32).wrapping_add(lane(c, i)))
    })
}

/// Adds products to each word of VRC and saturates.
fn saturated_sum_of_products<A, R>(v: &mut Vsu, w: Word) -> Outcome
where
    A: Lane + Into<i64>,
    R: Bounded + Into<i64> + TryFrom<i64>,
{
    let mut saturated = false;
    let outcome = three(v, w, |a, b, c| {
        build(|i| clamp::<R>(products::<A, A>(a, b, i) + lane::<R>(c, i).into(), &mut saturated))
    });
    v.vscr.saturate(saturated);
    outcome
}

/// Multiplies, keeps the high half of each doubled product, adds VRC and saturates.
fn high_half(v: &mut Vsu, w: Word, rounding: i64) -> Outcome {
    let mut saturated = false;
    let outcome = three(v, w, |a, b, c| {
        map3(a, b, c, |a: i16, b: i16, c: i16| {
            let high = (i64::from(a) * i64::from(b) + rounding) >> 15;
            clamp::<i16>(high + i64::from(c), &mut saturated)
        })
    });
    v.vscr.saturate(saturated);
    outcome
}

/// Sums `every` words' worth of elements of VRA onto the last word of each such group of VRB; the
/// other words become zero.
fn sum_across<T, R>(v: &mut Vsu, w: Word, every: u32) -> Outcome
where
    T: Lane + Into<i64>,
    R: Bounded + Into<i64> + TryFrom<i64>,
{
    let mut saturated = false;
    let per_word = 32 / T::BITS;
    let outcome = two(v, w, |a, b| {
        build(|word| {
            if (word + 1) % every != 0 {
                return R::from_low(0);
            }
            let elements = (word + 1 - every) * per_word..(word + 1) * per_word;
            let sum: i64 = elements.map(|i| lane::<T>(a, i).into()).sum();
            clamp::<R>(sum + lane::<R>(b, word).into(), &mut saturated)
        })
    });
    v.vscr.saturate(saturated);
    outcome
}

/// `vmsumudm`: the products of both doublewords and VRC, modulo 2^128.
fn sum_of_doublewords(v: &mut Vsu, w: Word) -> Outcome {
    three(v, w, |a, b, c| {
        let product = |i| u128::from(lane::<u64>(a, i)) * u128::from(lane::<u64>(b, i));
        c.wrapping_add(product(0)).wrapping_add(product(1))
    })
}

/// What is carried out of the 128 bits of `a * 10 + digit`.
fn carry_of_ten_times(a: u128, digit: u128) -> u128 {
    let low = (a & u128::from(u64::MAX)) * 10 + digit;
    ((a >> 64) * 10 + (low >> 64)) >> 64
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    use Which::{Even, Odd};
    let handler: Handler = match op {
        Opcode::Vmuleub => |v, _, w| every_other::<u8, u16>(v, w, Even),
        Opcode::Vmuleuh => |v, _, w| every_other::<u16, u32>(v, w, Even),
        Opcode::Vmuleuw => |v, _, w| every_other::<u32, u64>(v, w, Even),
        Opcode::Vmulesb => |v, _, w| every_other::<i8, i16>(v, w, Even),
        Opcode::Vmulesh => |v, _, w| every_other::<i16, i32>(v, w, Even),
        Opcode::Vmulesw => |v, _, w| every_other::<i32, i64>(v, w, Even),
        Opcode::Vmuloub => |v, _, w| every_other::<u8, u16>(v, w, Odd),
        Opcode::Vmulouh => |v, _, w| every_other::<u16, u32>(v, w, Odd),
        Opcode::Vmulouw => |v, _, w| every_other::<u32, u64>(v, w, Odd),
        Opcode::Vmulosb => |v, _, w| every_other::<i8, i16>(v, w, Odd),
        Opcode::Vmulosh => |v, _, w| every_other::<i16, i32>(v, w, Odd),
        Opcode::Vmulosw => |v, _, w| every_other::<i32, i64>(v, w, Odd),
        Opcode::Vmuluwm => |v, _, w| each(v, w, u32::wrapping_mul),
        Opcode::Vmhaddshs => |v, _, w| high_half(v, w, 0),
        Opcode::Vmhraddshs => |v, _, w| high_half(v, w, 0x4000),
        Opcode::Vmladduhm => |v, _, w| {
            three(v, w, |a, b, c| {
                map3(a, b, c, |a: u16, b: u16, c| a.wrapping_mul(b).wrapping_add(c))
            })
        },
        Opcode::Vmsumubm => |v, _, w| sum_of_products::<u8, u8>(v, w),
        Opcode::Vmsummbm => |v, _, w| sum_of_products::<i8, u8>(v, w),
        Opcode::Vmsumuhm => |v, _, w| sum_of_products::<u16, u16>(v, w),
        Opcode::Vmsumshm => |v, _, w| sum_of_products::<i16, i16>(v, w),
        Opcode::Vmsumuhs => |v, _, w| saturated_sum_of_products::<u16, u32>(v, w),
        Opcode::Vmsumshs => |v, _, w| saturated_sum_of_products::<i16, i32>(v, w),
        Opcode::Vmsumudm => |v, _, w| sum_of_doublewords(v, w),
        // A digit of VRB past 9 leaves the result undefined.
        Opcode::Vmul10uq => |v, _, w| two(v, w, |a, _| a.wrapping_mul(10)),
        Opcode::Vmul10cuq => |v, _, w| two(v, w, |a, _| carry_of_ten_times(a, 0)),
        Opcode::Vmul10euq => |v, _, w| two(v, w, |a, b| a.wrapping_mul(10).wrapping_add(b & 15)),
        Opcode::Vmul10ecuq => |v, _, w| two(v, w, |a, b| carry_of_ten_times(a, b & 15)),
        Opcode::Vsumsws => |v, _, w| sum_across::<i32, i32>(v, w, 4),
        Opcode::Vsum2sws => |v, _, w| sum_across::<i32, i32>(v, w, 2),
        Opcode::Vsum4sbs => |v, _, w| sum_across::<i8, i32>(v, w, 1),
        Opcode::Vsum4shs => |v, _, w| sum_across::<i16, i32>(v, w, 1),
        Opcode::Vsum4ubs => |v, _, w| sum_across::<u8, u32>(v, w, 1),
        _ => return None,
    };
    Some(handler)
}
