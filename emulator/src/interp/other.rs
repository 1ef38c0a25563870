//! Barriers, context synchronisation, calls, and what ends in an interrupt.

use std::sync::atomic::{Ordering, compiler_fence, fence};

use power::insn::Word;
use power::msr::{Msr, program};

use super::branch::resume;
use super::{Left, Rest, Stop, endless, fault, following, go_on, leave, stop};
use crate::block::Blocks;
use crate::core::Core;
use crate::ir::{Call, Code, Op};
use crate::ram::Scalar;
use crate::reservation;
use crate::trap::Trap;
use crate::vsu::Outcome;

pub(super) fn full_fence(core: &mut Core, blocks: &Blocks, _op: &Op, rest: Rest<'_>, last: u64) -> Left {
    fence(Ordering::SeqCst);
    go_on(core, blocks, rest, last)
}

pub(super) fn light_fence(core: &mut Core, blocks: &Blocks, _op: &Op, rest: Rest<'_>, last: u64) -> Left {
    // What x86-64 does by itself is left to it; the compiler must not reorder either.
    if cfg!(target_arch = "x86_64") {
        compiler_fence(Ordering::AcqRel);
    } else {
        fence(Ordering::AcqRel);
    }
    go_on(core, blocks, rest, last)
}

pub(super) fn isync(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
    // After a conditional branch, what is loaded from here on is loaded after what the branch
    // tested: x86-64 orders loads by itself.
    if !cfg!(target_arch = "x86_64") {
        fence(Ordering::Acquire);
    }
    // A ring may be a revocation: what this processor publishes from here on is published after it
    // has been taken.
    if core.shared.code.epoch() != core.epoch || core.line.attention() {
        core.look_at_code();
        core.pc = following(core, op);
        return leave(core, op, Stop::Jump);
    }
    go_on(core, blocks, rest, last)
}

pub(super) fn set_interrupts(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
    let bits = Msr::EE | Msr::RI;
    let msr = (core.msr().raw() & !bits) | (core.regs[op.b] & bits);
    core.set_interrupt_bits(Msr::from_raw(msr));
    if core.interrupt_due() {
        core.pc = following(core, op);
        return leave(core, op, Stop::Jump);
    }
    go_on(core, blocks, rest, last)
}

/// A call, and those that follow it without another operation between: they come in groups, and share what it takes to
/// call.
pub(super) fn call(core: &mut Core, blocks: &Blocks, op: &Op, mut rest: Rest<'_>, _last: u64) -> Left {
    let mut op = op;
    loop {
        match blocks.call(op.imm) {
            Some(&Call::Compute(handler, word)) => {
                if handler(&mut core.vsu, &mut core.regs, word) == Outcome::FloatException
                    && core.msr().has(Msr::FE0 | Msr::FE1)
                {
                    core.trap = Some(Trap::Program(program::FLOATING_POINT));
                    return fault(core, blocks, op);
                }
            }
            Some(&Call::System(handler, word)) => {
                if handler(core, word).is_err() {
                    return fault(core, blocks, op);
                }
            }
            None => return endless(core),
        }
        match rest.next() {
            Some(next) if matches!(next.code, Code::Compute | Code::System) => op = next,
            Some(next) => return (next.run)(core, blocks, next, rest, 0),
            None => return endless(core),
        }
    }
}

/// A load that reserves.
pub(super) fn reserve<T: Scalar>(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, _last: u64) -> Left {
    match reservation::load::<T>(core, Word(op.imm as u32)) {
        Ok(()) => go_on(core, blocks, rest, 0),
        Err(_) => fault(core, blocks, op),
    }
}

/// A store on condition of the reservation.
pub(super) fn conditional<T: Scalar>(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, _last: u64) -> Left {
    match reservation::store::<T>(core, Word(op.imm as u32)) {
        Ok(()) => go_on(core, blocks, rest, 0),
        Err(_) => fault(core, blocks, op),
    }
}

pub(super) fn synchronize(core: &mut Core, blocks: &Blocks, op: &Op, _rest: Rest<'_>, _last: u64) -> Left {
    if let Some(&Call::System(handler, word)) = blocks.call(op.imm) {
        let block = core.pc;
        // The handler sees the next instruction's address, and may set another.
        core.pc = following(core, op);
        if handler(core, word).is_err() {
            core.pc = block;
            return fault(core, blocks, op);
        }
    }
    core.count(u32::from(op.at) + 1);
    resume(core, blocks)
}

pub(super) fn system_call(core: &mut Core, blocks: &Blocks, op: &Op, _rest: Rest<'_>, _last: u64) -> Left {
    core.pc = following(core, op);
    core.count(u32::from(op.at) + 1);
    // A traced processor is in no burst any more.
    if core.is_in_burst() {
        core.deliver(Trap::SystemCall, core.pc);
        return resume(core, blocks);
    }
    core.trap = Some(Trap::SystemCall);
    stop(core, Stop::Raise)
}

pub(super) fn hypercall(core: &mut Core, _blocks: &Blocks, op: &Op, _rest: Rest<'_>, _last: u64) -> Left {
    core.pc = following(core, op);
    leave(core, op, Stop::Hypercall)
}

pub(super) fn program(core: &mut Core, blocks: &Blocks, op: &Op, _rest: Rest<'_>, _last: u64) -> Left {
    core.trap = Some(Trap::Program(op.imm as u64));
    fault(core, blocks, op)
}

pub(super) fn unknown(core: &mut Core, blocks: &Blocks, op: &Op, _rest: Rest<'_>, _last: u64) -> Left {
    core.count_unknown(op.imm as u32);
    core.trap = Some(Trap::Program(program::ILLEGAL));
    fault(core, blocks, op)
}

pub(super) fn require(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
    if core.msr().has(op.imm as u64) {
        return go_on(core, blocks, rest, last);
    }
    unavailable(core, blocks, op)
}

#[cold]
#[inline(never)]
fn unavailable(core: &mut Core, blocks: &Blocks, op: &Op) -> Left {
    core.trap = Some(match op.imm as u64 {
        Msr::FP => Trap::FloatUnavailable,
        Msr::VEC => Trap::VectorUnavailable,
        _ => Trap::VsxUnavailable,
    });
    fault(core, blocks, op)
}
