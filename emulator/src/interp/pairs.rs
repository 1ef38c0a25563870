//! Pairs of operations that one function executes, where the first stands: an address and the load from it, an access
//! and the update of its base, two loads, two stores. The second operation stays in its place. If the translation
//! cache does not have what the pair needs, the first is done as if alone, or not at all, and the rest goes its own way:
//! so a fault finds the processor as it was before the instruction.

use super::memory::{Kind, Plain, Reversed, load, store};
use super::select::Given;
use super::{File, Last, Left, Rest, Run, Source, go_on};
use crate::block::Blocks;
use crate::core::Core;
use crate::ir::{Code, Op};
use crate::regs::ZERO;

/// The function that executes an operation and the next.
pub(super) fn choose(op: &Op, next: &Op, given: Given) -> Option<Run> {
    macro_rules! one {
        ($name:ident, $kind:ty) => {
            if given == Given::B {
                $name::<$kind, Last>
            } else {
                $name::<$kind, File>
            }
        };
    }
    macro_rules! two {
        ($name:ident, $kind:ty) => {
            match given {
                Given::A => $name::<$kind, Last, File>,
                Given::B => $name::<$kind, File, Last>,
                _ => $name::<$kind, File, File>,
            }
        };
    }
    let is_same = op.code == next.code;
    if op.code == Code::AddImmediate && next.b == op.a && next.c == ZERO {
        return Some(match next.code {
            Code::Load8 => one!(add_load, Plain<u8>),
            Code::Load32 => one!(add_load, Plain<u32>),
            Code::Load64 => one!(add_load, Plain<u64>),
            Code::Load32Reversed => one!(add_load, Reversed<u32>),
            Code::Load64Reversed => one!(add_load, Reversed<u64>),
            _ => return None,
        });
    }
    let updates = next.code == Code::AddImmediate && next.a == op.b && next.b == op.b && next.imm == op.imm;
    let is_store = (Code::Store8 as u8..=Code::Store64Reversed as u8).contains(&(op.code as u8));
    // Not a load into its own base, which the addition goes on from.
    if updates && op.c == ZERO && (op.a != op.b || is_store) {
        return Some(match op.code {
            Code::Load8 => one!(load_update, Plain<u8>),
            Code::Load32 => one!(load_update, Plain<u32>),
            Code::Load64 => one!(load_update, Plain<u64>),
            Code::Load32Reversed => one!(load_update, Reversed<u32>),
            Code::Load64Reversed => one!(load_update, Reversed<u64>),
            Code::Store8 => two!(store_update, Plain<u8>),
            Code::Store32 => two!(store_update, Plain<u32>),
            Code::Store64 => two!(store_update, Plain<u64>),
            Code::Store32Reversed => two!(store_update, Reversed<u32>),
            Code::Store64Reversed => two!(store_update, Reversed<u64>),
            _ => return None,
        });
    }
    // Better let a value travel to the address that it is in than load twice at once.
    let is_chain = next.b == op.a || next.c == op.a;
    Some(match op.code {
        Code::Load32 if is_same && !is_chain => one!(load_load, Plain<u32>),
        Code::Load64 if is_same && !is_chain => one!(load_load, Plain<u64>),
        Code::Load32Reversed if is_same && !is_chain => one!(load_load, Reversed<u32>),
        Code::Load64Reversed if is_same && !is_chain => one!(load_load, Reversed<u64>),
        Code::Store32 if is_same => two!(store_store, Plain<u32>),
        Code::Store64 if is_same => two!(store_store, Plain<u64>),
        Code::Store32Reversed if is_same => two!(store_store, Reversed<u32>),
        Code::Store64Reversed if is_same => two!(store_store, Reversed<u64>),
        _ => return None,
    })
}

/// Address of an access by one register.
#[inline(always)]
fn based<B: Source>(core: &Core, op: &Op, last: u64) -> u64 {
    B::take(core, op.b, last).wrapping_add(op.imm as u64)
}

/// Address of an access.
#[inline(always)]
fn address(core: &Core, op: &Op) -> u64 {
    core.regs[op.b]
        .wrapping_add(core.regs[op.c])
        .wrapping_add(op.imm as u64)
}

/// a = b + i, then a load at the sum + i.
fn add_load<K: Kind, B: Source>(core: &mut Core, blocks: &Blocks, op: &Op, mut rest: Rest<'_>, last: u64) -> Left {
    let sum = based::<B>(core, op, last);
    core.regs[op.a] = sum;
    if let Some(second) = rest.as_slice().first()
        && let Some(value) = core.load_straight::<K::Int>(sum.wrapping_add(second.imm as u64))
    {
        rest.next();
        let value = K::loaded(value);
        core.regs[second.a] = value;
        return go_on(core, blocks, rest, value);
    }
    go_on(core, blocks, rest, sum)
}

/// A load at b + i, then b = b + i.
fn load_update<K: Kind, B: Source>(core: &mut Core, blocks: &Blocks, op: &Op, mut rest: Rest<'_>, last: u64) -> Left {
    let ea = based::<B>(core, op, last);
    match core.load_straight::<K::Int>(ea) {
        Some(value) => {
            rest.next();
            core.regs[op.a] = K::loaded(value);
            core.regs[op.b] = ea;
            go_on(core, blocks, rest, ea)
        }
        None => load::<K, B, File>(core, blocks, op, rest, last),
    }
}

/// A store at b + i, then b = b + i.
fn store_update<K: Kind, A: Source, B: Source>(
    core: &mut Core,
    blocks: &Blocks,
    op: &Op,
    mut rest: Rest<'_>,
    last: u64,
) -> Left {
    let ea = based::<B>(core, op, last);
    let value = K::stored(A::take(core, op.a, last));
    match core.store_straight(ea, value) {
        Some(()) => {
            rest.next();
            core.regs[op.b] = ea;
            go_on(core, blocks, rest, ea)
        }
        None => store::<K, A, B, File>(core, blocks, op, rest, last),
    }
}

/// Two loads of a kind, the second of which does not use the first's value.
fn load_load<K: Kind, B: Source>(core: &mut Core, blocks: &Blocks, op: &Op, mut rest: Rest<'_>, last: u64) -> Left {
    let ea = based::<B>(core, op, last).wrapping_add(core.regs[op.c]);
    let Some(first) = core.load_straight::<K::Int>(ea) else {
        return load::<K, B, File>(core, blocks, op, rest, last);
    };
    let first = K::loaded(first);
    core.regs[op.a] = first;
    if let Some(second) = rest.as_slice().first()
        && let Some(value) = core.load_straight::<K::Int>(address(core, second))
    {
        rest.next();
        let value = K::loaded(value);
        core.regs[second.a] = value;
        return go_on(core, blocks, rest, value);
    }
    go_on(core, blocks, rest, first)
}

/// Two stores of a kind.
fn store_store<K: Kind, A: Source, B: Source>(
    core: &mut Core,
    blocks: &Blocks,
    op: &Op,
    mut rest: Rest<'_>,
    last: u64,
) -> Left {
    let ea = based::<B>(core, op, last).wrapping_add(core.regs[op.c]);
    let value = K::stored(A::take(core, op.a, last));
    if core.store_straight(ea, value).is_none() {
        return store::<K, A, B, File>(core, blocks, op, rest, last);
    }
    if let Some(second) = rest.as_slice().first() {
        let value = K::stored(core.regs[second.a]);
        if core.store_straight(address(core, second), value).is_some() {
            rest.next();
        }
    }
    go_on(core, blocks, rest, last)
}
