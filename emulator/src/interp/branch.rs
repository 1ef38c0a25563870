//! Operations that leave a block, always or when a condition holds. They go on in the next block at once if the way to it
//! is known, nobody rang, and neither the burst nor the slice of instructions is over.

use super::{Left, Rest, Source, Stop, enter, go_on, stop};
use crate::alu;
use crate::block::{BlockId, Blocks};
use crate::core::Core;
use crate::ir::{Fused, Op, Target, When};
use crate::regs::{CTR, LR, Reg, SO};
use crate::spr_place::CFAR;

/// How far a branch goes.
pub(super) trait Reach {
    /// The address `displacement` bytes from the block's start.
    fn target(core: &Core, displacement: i32) -> u64;
    fn follow(core: &Core, blocks: &Blocks, link: u32) -> Option<BlockId>;
    fn stop(link: u32) -> Stop;
}

/// To the page that the block is in.
pub(super) struct Near;
/// To another page.
pub(super) struct Far;

impl Reach for Near {
    #[inline(always)]
    fn target(core: &Core, displacement: i32) -> u64 {
        // No page has bits that are dropped in one part of it alone.
        core.pc.wrapping_add(displacement as i64 as u64)
    }
    #[inline(always)]
    fn follow(core: &Core, blocks: &Blocks, link: u32) -> Option<BlockId> {
        blocks.follow_near(link, &core.fetch)
    }
    #[inline(always)]
    fn stop(link: u32) -> Stop {
        Stop::Near(link)
    }
}

impl Reach for Far {
    #[inline(always)]
    fn target(core: &Core, displacement: i32) -> u64 {
        core.pc.wrapping_add(displacement as i64 as u64) & core.pc_mask
    }
    #[inline(always)]
    fn follow(core: &Core, blocks: &Blocks, link: u32) -> Option<BlockId> {
        blocks.follow(link, core.pc, &core.fetch)
    }
    #[inline(always)]
    fn stop(link: u32) -> Stop {
        Stop::Far(link)
    }
}

/// The branch is taken.
#[inline(always)]
fn take(core: &mut Core, op: &Op) {
    core.regs[CFAR] = core.pc.wrapping_add(4 * u64::from(op.at));
}

/// Leaves the block to `target` by a branch.
#[inline(always)]
fn go<R: Reach>(core: &mut Core, blocks: &Blocks, op: &Op, target: Target) -> Left {
    take(core, op);
    leave_to::<R>(core, blocks, op, target)
}

/// Leaves the block to `target`.
#[inline(always)]
fn leave_to<R: Reach>(core: &mut Core, blocks: &Blocks, op: &Op, target: Target) -> Left {
    core.pc = R::target(core, target.displacement);
    core.count(u32::from(op.at) + 1);
    if core.is_in_burst()
        && let Some(block) = R::follow(core, blocks, target.link)
    {
        return enter(core, blocks, block);
    }
    stop(core, R::stop(target.link))
}

/// The block is over, and the next instruction's is another.
pub(super) fn end<R: Reach>(core: &mut Core, blocks: &Blocks, op: &Op, _rest: Rest<'_>, _last: u64) -> Left {
    leave_to::<R>(core, blocks, op, Target::unpack(op.imm))
}

pub(super) fn branch<R: Reach>(core: &mut Core, blocks: &Blocks, op: &Op, _rest: Rest<'_>, _last: u64) -> Left {
    go::<R>(core, blocks, op, Target::unpack(op.imm))
}

pub(super) fn branch_and_link<R: Reach>(
    core: &mut Core,
    blocks: &Blocks,
    op: &Op,
    _rest: Rest<'_>,
    _last: u64,
) -> Left {
    core.regs[LR] = core.pc.wrapping_add(4 * (u64::from(op.at) + 1));
    go::<R>(core, blocks, op, Target::unpack(op.imm))
}

pub(super) fn branch_if<R: Reach>(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
    if (core.regs[op.b] & u64::from(op.c) != 0) == (op.d & When::SET != 0) {
        return go::<R>(core, blocks, op, Target::unpack(op.imm));
    }
    go_on(core, blocks, rest, last)
}

pub(super) fn branch_count<R: Reach>(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
    let count = core.regs[CTR].wrapping_sub(1);
    core.regs[CTR] = count;
    if (count & core.pc_mask == 0) == (op.d & When::ZERO != 0) {
        return go::<R>(core, blocks, op, Target::unpack(op.imm));
    }
    go_on(core, blocks, rest, last)
}

pub(super) fn branch_count_if<R: Reach>(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
    if is_allowed(core, op.b, op) {
        return go::<R>(core, blocks, op, Target::unpack(op.imm));
    }
    go_on(core, blocks, rest, last)
}

/// Leaves the block to the address `to` by a branch.
#[inline(always)]
fn go_to(core: &mut Core, blocks: &Blocks, op: &Op, to: u64) -> Left {
    take(core, op);
    core.pc = to & !3 & core.pc_mask;
    core.count(u32::from(op.at) + 1);
    if core.is_in_burst()
        && let Some(block) = blocks.jump(core.pc, core.mode(), &core.fetch)
    {
        return enter(core, blocks, block);
    }
    stop(core, Stop::Register)
}

/// Goes on at the program counter in a mode that may be another, if nothing is to be done before that. The instructions up to here
/// have been counted.
#[inline(always)]
pub(super) fn resume(core: &mut Core, blocks: &Blocks) -> Left {
    if core.is_in_burst()
        && !core.mode().is_traced()
        && !core.interrupt_due()
        && let Some(block) = blocks.jump(core.pc, core.mode(), &core.fetch)
    {
        return enter(core, blocks, block);
    }
    stop(core, Stop::Jump)
}

pub(super) fn branch_register_if(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
    if is_allowed(core, op.a, op) {
        return go_to(core, blocks, op, core.regs[op.b]);
    }
    go_on(core, blocks, rest, last)
}

/// The same without a condition: the return from a function, and most calls through a register.
pub(super) fn branch_register<B: Source>(
    core: &mut Core,
    blocks: &Blocks,
    op: &Op,
    _rest: Rest<'_>,
    last: u64,
) -> Left {
    let to = B::take(core, op.b, last);
    go_to(core, blocks, op, to)
}

/// Counts CTR down where the branch asks for it; whether both conditions hold.
#[inline(always)]
fn is_allowed(core: &mut Core, field: Reg, op: &Op) -> bool {
    let mut allowed = op.c == 0 || (core.regs[field] & u64::from(op.c) != 0) == (op.d & When::SET != 0);
    if op.d & When::COUNT != 0 {
        let count = core.regs[CTR].wrapping_sub(1);
        core.regs[CTR] = count;
        allowed &= (count & core.pc_mask == 0) == (op.d & When::ZERO != 0);
    }
    allowed
}

/// Sets the field of a compare, and branches on it or does not.
#[inline(always)]
fn test<R: Reach>(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64, field: u64) -> Left {
    core.regs[op.a] = field;
    if (field & u64::from(op.d) != 0) != (op.d & Fused::WHEN_CLEAR != 0) {
        return go::<R>(core, blocks, op, Fused::unpack(op.imm).target);
    }
    go_on(core, blocks, rest, last)
}

/// Compares of `b` with `c`, and the branch.
macro_rules! compare {
    ($($name:ident($int:ty);)*) => {
        $(pub(super) fn $name<R: Reach, B: Source, C: Source>(
            core: &mut Core,
            blocks: &Blocks,
            op: &Op,
            rest: Rest<'_>,
            last: u64,
        ) -> Left {
            let (b, c) = (B::take(core, op.b, last), C::take(core, op.c, last));
            let field = alu::compare(b as $int, c as $int, core.regs[SO]);
            test::<R>(core, blocks, op, rest, last, field)
        })*
    };
}

/// Compares of `b` with the immediate, and the branch.
macro_rules! compare_immediate {
    ($($name:ident($int:ty, $imm:ident => $right:expr);)*) => {
        $(pub(super) fn $name<R: Reach, B: Source>(
            core: &mut Core,
            blocks: &Blocks,
            op: &Op,
            rest: Rest<'_>,
            last: u64,
        ) -> Left {
            let (b, $imm) = (B::take(core, op.b, last), Fused::unpack(op.imm).imm);
            let field = alu::compare(b as $int, $right, core.regs[SO]);
            test::<R>(core, blocks, op, rest, last, field)
        })*
    };
}

compare! {
    compare(i64);
    compare_unsigned(u64);
    compare_word(i32);
    compare_word_unsigned(u32);
}

compare_immediate! {
    compare_immediate(i64, imm => i64::from(imm));
    compare_unsigned_immediate(u64, imm => u64::from(imm as u16));
    compare_word_immediate(i32, imm => i32::from(imm));
    compare_word_unsigned_immediate(u32, imm => u32::from(imm as u16));
}
