//! Runs of loads or of stores at one base, as where registers are saved and restored: one function executes them, where the
//! first stands, with one look into the translation cache. Each operation stays in its place. The run ends before an operation that
//! needs another page, or the long way, and that one goes on as if alone: so a fault finds the processor as it was before the instruction.

use super::memory::{Kind, Plain, Reversed, load, store};
use super::{File, Last, Left, Rest, Run, Source, go_on};
use crate::block::Blocks;
use crate::core::Core;
use crate::ir::{Code, Op};
use crate::ram::Scalar;
use crate::regs::ZERO;

/// The function that executes the first of these operations and those that are in a run with it. Runs have few lengths, which the
/// compiler knows: a loop would end where the host does not foresee it. `is_base_given`: the base is the value of the operation before.
pub(super) fn choose(ops: &[Op], is_base_given: bool) -> Option<Run> {
    macro_rules! one {
        ($name:ident, $kind:ty) => {
            match (length(ops), is_base_given) {
                (8.., true) => $name::<$kind, Last, 7>,
                (8.., false) => $name::<$kind, File, 7>,
                (4..8, true) => $name::<$kind, Last, 3>,
                (4..8, false) => $name::<$kind, File, 3>,
                (3, true) => $name::<$kind, Last, 2>,
                (3, false) => $name::<$kind, File, 2>,
                // A pair, or a single one.
                _ => return None,
            }
        };
    }
    Some(match ops.first()?.code {
        Code::Load32 => one!(load_run, Plain<u32>),
        Code::Load64 => one!(load_run, Plain<u64>),
        Code::Load32Reversed => one!(load_run, Reversed<u32>),
        Code::Load64Reversed => one!(load_run, Reversed<u64>),
        Code::Store32 => one!(store_run, Plain<u32>),
        Code::Store64 => one!(store_run, Plain<u64>),
        Code::Store32Reversed => one!(store_run, Reversed<u32>),
        Code::Store64Reversed => one!(store_run, Reversed<u64>),
        _ => return None,
    })
}

/// How many operations the run has that begins with the first: of one kind, at one base, which a load changes for those after it.
fn length(ops: &[Op]) -> usize {
    let Some(first) = ops.first() else { return 0 };
    let is_in_run = |op: &&Op| op.code == first.code && op.b == first.b && op.c == ZERO;
    let length = ops.iter().take_while(is_in_run).count();
    let is_store = (Code::Store8 as u8..=Code::Store64Reversed as u8).contains(&(first.code as u8));
    let into_base = ops[..length].iter().position(|op| !is_store && op.a == op.b);
    into_base.map_or(length, |at| at + 1)
}

/// Loads at b + i, and `MORE` after it.
fn load_run<K: Kind, B: Source, const MORE: usize>(
    core: &mut Core,
    blocks: &Blocks,
    op: &Op,
    rest: Rest<'_>,
    last: u64,
) -> Left {
    let base = B::take(core, op.b, last);
    let page = core.tlb.loads(core.data, base.wrapping_add(op.imm as u64));
    let loaded = |core: &Core, op: &Op| {
        let real = page.real(base.wrapping_add(op.imm as u64), K::Int::BYTES)?;
        core.ram.load::<K::Int>(real).map(K::loaded)
    };
    let (Some(mut value), Some((run, after))) = (loaded(core, op), rest.as_slice().split_first_chunk::<MORE>()) else {
        return load::<K, B, File>(core, blocks, op, rest, last);
    };
    core.regs[op.a] = value;
    for (at, next) in run.iter().enumerate() {
        match loaded(core, next) {
            Some(loaded) => value = loaded,
            None => return go_on(core, blocks, rest.as_slice()[at..].iter(), value),
        }
        core.regs[next.a] = value;
    }
    go_on(core, blocks, after.iter(), value)
}

/// Stores at b + i, and `MORE` after it.
fn store_run<K: Kind, B: Source, const MORE: usize>(
    core: &mut Core,
    blocks: &Blocks,
    op: &Op,
    rest: Rest<'_>,
    last: u64,
) -> Left {
    let base = B::take(core, op.b, last);
    let page = core.tlb.stores(core.data, base.wrapping_add(op.imm as u64));
    let store_one = |core: &Core, op: &Op| {
        let real = page.real(base.wrapping_add(op.imm as u64), K::Int::BYTES)?;
        core.ram.store(real, K::stored(core.regs[op.a]))
    };
    let (Some(()), Some((run, after))) = (store_one(core, op), rest.as_slice().split_first_chunk::<MORE>()) else {
        return store::<K, File, B, File>(core, blocks, op, rest, last);
    };
    for (at, next) in run.iter().enumerate() {
        if store_one(core, next).is_none() {
            return go_on(core, blocks, rest.as_slice()[at..].iter(), last);
        }
    }
    go_on(core, blocks, after.iter(), last)
}
