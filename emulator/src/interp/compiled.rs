//! The way between the interpreter and machine code: into a block that has been compiled, out of it where it gives up, and what it calls.

use power::msr::{Msr, program};

use super::{Left, Rest, Run, endless, fault, go_on};
use crate::block::Blocks;
use crate::compile::{After, Left as Return};
use crate::core::Core;
use crate::ir::{Call, Code, Op};
use crate::ram::Scalar;
use crate::regs::ZERO;
use crate::reservation;
use crate::trap::Trap;
use crate::vsu::Outcome;
use power::insn::Word;

/// Executes the machine code of a block, and of those that known ways lead to.
pub const ENTER: Run = enter;

fn enter(core: &mut Core, blocks: &Blocks, op: &Op, _rest: Rest<'_>, _last: u64) -> Left {
    match blocks.compiler().execute(core, blocks, op.imm) {
        Return::Stopped => Left(()),
        Return::Interpret { op, held } => {
            let last = core.regs[held.unwrap_or(ZERO)];
            go_on(core, blocks, blocks.ops(op).iter(), last)
        }
        Return::Fault { op } => match blocks.ops(op).first() {
            Some(op) => fault(core, blocks, op),
            None => endless(core),
        },
    }
}

/// Does what `op`, an operation that has no machine code of its own, does.
#[inline(always)]
pub fn call(core: &mut Core, blocks: &Blocks, op: &Op) -> After {
    match op.code {
        Code::Compute | Code::System => match blocks.call(op.imm) {
            Some(&Call::Compute(handler, word)) => {
                if handler(&mut core.vsu, &mut core.regs, word) == Outcome::FloatException
                    && core.msr().has(Msr::FE0 | Msr::FE1)
                {
                    core.trap = Some(Trap::Program(program::FLOATING_POINT));
                    return After::Fault;
                }
                After::Next
            }
            Some(&Call::System(handler, word)) => after(handler(core, word).is_ok()),
            None => After::Interpret,
        },
        Code::LoadReserve8 => reserve::<u8>(core, op),
        Code::LoadReserve16 => reserve::<u16>(core, op),
        Code::LoadReserve32 => reserve::<u32>(core, op),
        Code::LoadReserve64 => reserve::<u64>(core, op),
        Code::StoreConditional8 => conditional::<u8>(core, op),
        Code::StoreConditional16 => conditional::<u16>(core, op),
        Code::StoreConditional32 => conditional::<u32>(core, op),
        Code::StoreConditional64 => conditional::<u64>(core, op),
        // What these find decides whether the block is left, which is the interpreter's to do.
        Code::Isync if core.shared.code.epoch() == core.epoch && !core.line.attention() => After::Next,
        Code::SetInterrupts => {
            let bits = Msr::EE | Msr::RI;
            let msr = (core.msr().raw() & !bits) | (core.regs[op.b] & bits);
            core.set_interrupt_bits(Msr::from_raw(msr));
            if core.interrupt_due() {
                After::Interpret
            } else {
                After::Next
            }
        }
        Code::Count => {
            let executed = core.instructions();
            core.profile.enter(op.imm as u32, executed);
            After::Next
        }
        Code::FromXer => {
            core.regs[op.a] = core.regs.xer();
            After::Next
        }
        Code::ToXer => {
            core.regs.set_xer(core.regs[op.b] & op.imm as u64);
            After::Next
        }
        _ => After::Interpret,
    }
}

/// Whether it comes in groups, which are called together.
pub fn is_grouped(code: Code) -> bool {
    matches!(code, Code::Compute | Code::System)
}

/// Whether [`call`] can do what an operation does.
pub fn can_call(code: Code) -> bool {
    let number = code as u8;
    (Code::LoadReserve8 as u8..=Code::StoreConditional64 as u8).contains(&number)
        || matches!(
            code,
            Code::Compute
                | Code::System
                | Code::Isync
                | Code::SetInterrupts
                | Code::Count
                | Code::FromXer
                | Code::ToXer
        )
}

fn after(is_done: bool) -> After {
    if is_done { After::Next } else { After::Fault }
}

fn reserve<T: Scalar>(core: &mut Core, op: &Op) -> After {
    after(reservation::load::<T>(core, Word(op.imm as u32)).is_ok())
}

fn conditional<T: Scalar>(core: &mut Core, op: &Op) -> After {
    after(reservation::store::<T>(core, Word(op.imm as u32)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interp::{UNCHOSEN, held_after};

    #[test]
    fn what_the_interpreter_may_have_to_do_again_hands_nothing_over() {
        let codes = [
            Code::LoadReserve32,
            Code::StoreConditional64,
            Code::Compute,
            Code::System,
            Code::Isync,
            Code::SetInterrupts,
        ];
        for code in codes {
            let op = Op {
                run: UNCHOSEN,
                code,
                at: 0,
                a: 5,
                b: 3,
                c: 0,
                d: 0,
                imm: 0,
            };
            assert!(can_call(code), "{code:?}");
            assert_eq!(held_after(Some(3), &op), None, "{code:?}");
        }
    }
}
