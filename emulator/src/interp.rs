//! The interpreter of the intermediate form: one function an operation, each of which goes on to the next by itself.
//!
//! An operation holds the function that executes it (`Op::run`), chosen when its block is decoded. The function ends with
//! a call of the next one's in tail position, of which an optimising compiler makes a jump: so there are as many indirect
//! jumps as functions, and the host predicts each by itself. Nothing rests on that: between two looks of [`execute`] at
//! most some hundred instructions and the rest of a block are executed, which bounds the stack where calls stay calls.
//!
//! The value of the last operation that had one travels from function to function in a host register (`last`). An
//! operation that uses it as a source has a function that takes it from there ([`Source`]), and need not wait for memory.
//!
//! `fixed` computes, `memory` loads and stores, `branch` leaves blocks, `pairs` does two at once, `runs` more of a kind, `count` counts blocks, `other` is
//! the rest; `select` chooses.

mod branch;
pub mod compiled;
mod count;
mod fixed;
mod memory;
mod other;
mod pairs;
mod runs;
mod select;

use crate::block::{BlockId, Blocks};
use crate::core::Core;
use crate::ir::Op;
use crate::regs::Reg;

pub use select::{choose, held_after, sets};

/// Operations that follow in the block.
type Rest<'a> = std::slice::Iter<'a, Op>;

/// Executes one operation and those after it. The last argument is the value of the operation before that had one.
pub type Run = fn(&mut Core, &Blocks, &Op, Rest<'_>, u64) -> Left;

/// Execution was left: `core.stop` says how. Only [`stop`] makes one.
pub struct Left(());

/// How execution was left. `core.pc` is the next instruction's address, but for [`Stop::Fault`],
/// where it is still the block's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Through a link to the same page, in the same mode.
    Near(u32),
    /// Through a link to another page, in the same mode.
    Far(u32),
    /// To the address in a register, in the same mode.
    Register,
    /// To wherever `core.pc` is; the mode may be another.
    Jump,
    /// The instruction with this index took the interrupt in `core.trap`.
    Fault(u8),
    /// An interrupt in `core.trap` that returns to `core.pc`.
    Raise,
    /// `sc 1`
    Hypercall,
}

/// A [`Stop`] in one word, which the function that leaves stores at once and [`execute`] loads at once: hosts are slow to load
/// what was stored in parts.
#[derive(Clone, Copy, Debug, Default)]
pub struct PackedStop(u64);

impl Stop {
    /// As the word of a [`PackedStop`], for machine code.
    pub(crate) const fn word(self) -> u64 {
        self.pack().0
    }

    #[inline(always)]
    const fn pack(self) -> PackedStop {
        let (kind, what) = match self {
            Self::Near(link) => (0, link),
            Self::Far(link) => (1, link),
            Self::Register => (2, 0),
            Self::Jump => (3, 0),
            Self::Fault(at) => (4, at as u32),
            Self::Raise => (5, 0),
            Self::Hypercall => (6, 0),
        };
        PackedStop(kind | (what as u64) << 32)
    }
}

impl PackedStop {
    #[inline(always)]
    const fn unpack(self) -> Stop {
        let what = (self.0 >> 32) as u32;
        match self.0 as u32 {
            0 => Stop::Near(what),
            1 => Stop::Far(what),
            2 => Stop::Register,
            3 => Stop::Jump,
            4 => Stop::Fault(what as u8),
            5 => Stop::Raise,
            _ => Stop::Hypercall,
        }
    }
}

/// Executes blocks, the first and those that known ways lead to, until something else is to be done
/// than to go on to the next.
pub fn execute(core: &mut Core, blocks: &Blocks, first: BlockId) -> Stop {
    let mut block = first;
    core.anchors.tables = blocks.tables();
    loop {
        // What is left of a burst goes on: only its end is a sample of what is executed.
        if !core.has_burst() {
            let burst = core.heat.next_burst();
            core.begin_burst(burst);
        }
        let Left(()) = enter(core, blocks, block);
        let stop = core.stop.unpack();
        if !core.may_go_on() {
            return stop;
        }
        // A burst was over, or the way is not known.
        let next = match stop {
            Stop::Near(link) => blocks
                .follow_near(link, &core.fetch)
                .filter(|_| !blocks.is_link_behind(link)),
            Stop::Far(link) => blocks
                .follow(link, core.pc, &core.fetch)
                .filter(|_| !blocks.is_link_behind(link)),
            Stop::Register => blocks
                .jump(core.pc, core.mode(), &core.fetch)
                .filter(|_| !blocks.is_jump_behind(core.pc, core.mode())),
            _ => None,
        };
        match next {
            Some(next) => block = next,
            None => return stop,
        }
        if !core.has_burst() && !blocks.is_compiled(block) && core.heat.note(block) {
            return stop;
        }
    }
}

/// Executes one block, and none that a known way leads to.
pub fn execute_one(core: &mut Core, blocks: &Blocks, block: BlockId) -> Stop {
    core.begin_burst(0);
    let Left(()) = enter(core, blocks, block);
    core.stop.unpack()
}

/// Executes a block from its first operation on.
#[inline(always)]
fn enter(core: &mut Core, blocks: &Blocks, block: BlockId) -> Left {
    go_on(core, blocks, blocks.ops(block).iter(), 0)
}

/// Executes the next operation; `last` is the value of the last one that had one.
#[inline(always)]
fn go_on(core: &mut Core, blocks: &Blocks, mut rest: Rest<'_>, last: u64) -> Left {
    match rest.next() {
        Some(op) => (op.run)(core, blocks, op, rest, last),
        None => endless(core),
    }
}

/// Every block ends with an operation that leaves it.
#[cold]
#[inline(never)]
fn endless(_core: &Core) -> Left {
    unreachable!("a block without an end")
}

/// What an operation holds until [`choose`] has seen its block.
pub const UNCHOSEN: Run = |core, _, _, _, _| endless(core);

/// The instruction that `op` belongs to took an interrupt, or cannot go on. The interrupt is taken at once, unless somebody else
/// has to look at it first: whether the processor gets anywhere, what stops it, what traces it.
#[inline(never)]
fn fault(core: &mut Core, blocks: &Blocks, op: &Op) -> Left {
    core.count(u32::from(op.at));
    if op.at > 0
        && core.is_in_burst()
        && let Some(trap) = core.trap
        && !trap.is_machine_check()
    {
        core.trap = None;
        let pc = core.pc.wrapping_add(4 * u64::from(op.at)) & core.pc_mask;
        core.deliver(trap, pc);
        return branch::resume(core, blocks);
    }
    stop(core, Stop::Fault(op.at))
}

/// The instruction that `op` belongs to is the last of the block.
#[inline(always)]
fn leave(core: &mut Core, op: &Op, how: Stop) -> Left {
    core.count(u32::from(op.at) + 1);
    stop(core, how)
}

/// Ends the execution.
#[inline(always)]
fn stop(core: &mut Core, how: Stop) -> Left {
    core.stop = how.pack();
    Left(())
}

/// Address of the instruction after the one that `op` belongs to.
#[inline(always)]
fn following(core: &Core, op: &Op) -> u64 {
    core.pc.wrapping_add(4 * (u64::from(op.at) + 1)) & core.pc_mask
}

/// Where an operation finds a source.
trait Source {
    /// The value of the register, which is also `last` if that is where it comes from.
    fn take(core: &Core, register: Reg, last: u64) -> u64;
}

/// In the register file.
struct File;

/// In the host's register: the operation before set it.
struct Last;

impl Source for File {
    #[inline(always)]
    fn take(core: &Core, register: Reg, _last: u64) -> u64 {
        core.regs[register]
    }
}

impl Source for Last {
    #[inline(always)]
    fn take(_core: &Core, _register: Reg, last: u64) -> u64 {
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_comes_out_of_its_word_as_it_went_in() {
        for stop in [
            Stop::Near(u32::MAX),
            Stop::Far(7),
            Stop::Register,
            Stop::Jump,
            Stop::Fault(63),
            Stop::Raise,
            Stop::Hypercall,
        ] {
            assert_eq!(stop.pack().unpack(), stop);
        }
    }
}
