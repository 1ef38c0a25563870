//! Loads and stores: at `b` + `c` + the immediate. What the translation cache does not have goes the long way, which is a
//! function of its own, so that the straight one needs no room on the stack.

use std::marker::PhantomData;

use super::{Left, Rest, Source, fault, go_on};
use crate::block::Blocks;
use crate::core::Core;
use crate::ir::Op;
use crate::ram::Scalar;

/// What becomes of the bytes of an integer on their way between memory and a register.
pub(super) trait Kind {
    /// What memory holds.
    type Int: Scalar;
    /// From memory to the register.
    fn loaded(value: Self::Int) -> u64;
    /// From the register to memory.
    fn stored(value: u64) -> Self::Int;
}

/// In order, zero-extended.
pub(super) struct Plain<T>(PhantomData<T>);
/// Bytes reversed, zero-extended.
pub(super) struct Reversed<T>(PhantomData<T>);
/// In order, sign-extended.
pub(super) struct Signed<T>(PhantomData<T>);
/// Bytes reversed, sign-extended.
pub(super) struct SignedReversed<T>(PhantomData<T>);

/// The integer's value as that of a signed one.
fn extended<T: Scalar>(value: T) -> u64 {
    let unused = 64 - 8 * T::BYTES;
    (((value.into() << unused) as i64) >> unused) as u64
}

macro_rules! kind {
    ($kind:ident, $value:ident => $loaded:expr, $stored:expr) => {
        impl<T: Scalar> Kind for $kind<T> {
            type Int = T;
            #[inline(always)]
            fn loaded($value: T) -> u64 {
                $loaded
            }
            #[inline(always)]
            fn stored(value: u64) -> T {
                let $value = T::truncate(value);
                $stored
            }
        }
    };
}

kind!(Plain, value => value.into(), value);
kind!(Reversed, value => value.reverse().into(), value.reverse());
kind!(Signed, value => extended(value), value);
kind!(SignedReversed, value => extended(value.reverse()), value.reverse());

#[inline(always)]
fn address<B: Source, C: Source>(core: &Core, op: &Op, last: u64) -> u64 {
    let (b, c) = (B::take(core, op.b, last), C::take(core, op.c, last));
    b.wrapping_add(c).wrapping_add(op.imm as u64)
}

pub(super) fn load<K: Kind, B: Source, C: Source>(
    core: &mut Core,
    blocks: &Blocks,
    op: &Op,
    rest: Rest<'_>,
    last: u64,
) -> Left {
    let ea = address::<B, C>(core, op, last);
    match core.load_straight::<K::Int>(ea) {
        Some(value) => {
            let value = K::loaded(value);
            core.regs[op.a] = value;
            go_on(core, blocks, rest, value)
        }
        None => load_slowly::<K>(core, blocks, op, rest, ea),
    }
}

#[cold]
#[inline(never)]
fn load_slowly<K: Kind>(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, ea: u64) -> Left {
    core.counts.data.slow_loads += 1;
    if ea & (K::Int::BYTES - 1) != 0 {
        core.counts.data.unaligned += 1;
    }
    match core.load_slowly::<K::Int>(ea) {
        Ok(value) => {
            let value = K::loaded(value);
            core.regs[op.a] = value;
            go_on(core, blocks, rest, value)
        }
        Err(_) => {
            core.counts.data.failed_loads += 1;
            fault(core, blocks, op)
        }
    }
}

pub(super) fn store<K: Kind, A: Source, B: Source, C: Source>(
    core: &mut Core,
    blocks: &Blocks,
    op: &Op,
    rest: Rest<'_>,
    last: u64,
) -> Left {
    let ea = address::<B, C>(core, op, last);
    let value = K::stored(A::take(core, op.a, last));
    match core.store_straight(ea, value) {
        Some(()) => go_on(core, blocks, rest, last),
        None => store_slowly::<K>(core, blocks, op, rest, last),
    }
}

#[cold]
#[inline(never)]
fn store_slowly<K: Kind>(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
    let ea = core.regs[op.b]
        .wrapping_add(core.regs[op.c])
        .wrapping_add(op.imm as u64);
    core.counts.data.slow_stores += 1;
    if ea & (K::Int::BYTES - 1) != 0 {
        core.counts.data.unaligned += 1;
    }
    match core.store_slowly(ea, K::stored(core.regs[op.a])) {
        Ok(()) => go_on(core, blocks, rest, last),
        Err(_) => {
            core.counts.data.failed_stores += 1;
            fault(core, blocks, op)
        }
    }
}
