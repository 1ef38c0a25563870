//! The interpreter of the intermediate form.

use std::sync::atomic::{Ordering, compiler_fence, fence};

use power::msr::Msr;

use crate::alu;
use crate::block::{BlockId, Blocks};
use crate::core::Core;
use crate::ir::{Call, Code, Fused, Off, Op, Target, When};
use crate::ram::Scalar;
use crate::regs::{CA, CTR, LR, SO};
use crate::trap::Trap;
use crate::vsu::Outcome;

/// How a block was left. `core.pc` is the next instruction's address, but for [`Stop::Fault`],
/// where it is still the block's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Through a link, in the same mode.
    Link(u32),
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

/// Executes blocks, the first and those that known ways lead to, until something else is to be done
/// than to go on to the next.
#[inline(never)]
pub fn execute(core: &mut Core, blocks: &Blocks, first: BlockId) -> Stop {
    let mut block = first;
    loop {
        let stop = execute_one(core, blocks, block);
        let next = match stop {
            _ if !core.may_go_on() => None,
            Stop::Link(link) => blocks.follow(link, core.pc, &core.fetch),
            Stop::Register => blocks.jump(core.pc, core.mode(), &core.fetch),
            _ => None,
        };
        match next {
            Some(next) => block = next,
            None => return stop,
        }
    }
}

/// Executes one block from its first operation.
#[inline(always)]
fn execute_one(core: &mut Core, blocks: &Blocks, block: BlockId) -> Stop {
    macro_rules! reg {
        ($index:expr) => {
            core.regs[$index]
        };
    }
    for op in blocks.ops(block) {
        macro_rules! leave {
            ($stop:expr) => {{
                core.count(u32::from(op.at) + 1);
                return $stop;
            }};
        }
        macro_rules! fault {
            () => {{
                core.count(u32::from(op.at));
                return Stop::Fault(op.at);
            }};
        }
        macro_rules! set {
            ($value:expr) => {
                core.regs[op.a] = $value
            };
        }
        macro_rules! ok {
            ($result:expr) => {
                match $result {
                    Ok(value) => value,
                    Err(crate::fault::Fault) => fault!(),
                }
            };
        }
        macro_rules! load {
            ($int:ty, $value:ident => $result:expr) => {{
                let ea = reg!(op.b).wrapping_add(reg!(op.c)).wrapping_add(op.imm as u64);
                let $value = ok!(core.load::<$int>(ea));
                set!($result)
            }};
        }
        macro_rules! store {
            ($int:ty, $value:ident => $result:expr) => {{
                let ea = reg!(op.b).wrapping_add(reg!(op.c)).wrapping_add(op.imm as u64);
                let $value = <$int as Scalar>::truncate(reg!(op.a));
                ok!(core.store::<$int>(ea, $result))
            }};
        }
        macro_rules! go {
            ($target:expr) => {{
                let target: Target = $target;
                core.pc = core.pc.wrapping_add(target.displacement as i64 as u64) & core.pc_mask;
                leave!(Stop::Link(target.link))
            }};
        }
        macro_rules! fused {
            ($int:ty, $imm:ident => $right:expr) => {{
                let fused = Fused::unpack(op.imm);
                let $imm = fused.imm;
                let field = alu::compare(reg!(op.b) as $int, $right, reg!(SO));
                set!(field);
                if (field & u64::from(op.d) != 0) != (op.d & Fused::WHEN_CLEAR != 0) {
                    go!(fused.target);
                }
            }};
        }
        match op.code {
            Code::Immediate => set!(op.imm as u64),
            Code::Move => set!(reg!(op.b)),
            Code::PcPlus => set!(core.pc.wrapping_add(op.imm as u64)),
            Code::Add => set!(reg!(op.b).wrapping_add(reg!(op.c))),
            Code::AddImmediate => set!(reg!(op.b).wrapping_add(op.imm as u64)),
            Code::SubtractFrom => set!(reg!(op.c).wrapping_sub(reg!(op.b))),
            Code::Negate => set!(reg!(op.b).wrapping_neg()),
            Code::Multiply => set!(reg!(op.b).wrapping_mul(reg!(op.c))),
            Code::MultiplyImmediate => set!(reg!(op.b).wrapping_mul(op.imm as u64)),
            Code::MultiplyWord => set!((i64::from(reg!(op.b) as i32) * i64::from(reg!(op.c) as i32)) as u64),
            Code::MultiplyHigh => set!(alu::multiply_high(reg!(op.b), reg!(op.c))),
            Code::MultiplyHighUnsigned => set!(alu::multiply_high_unsigned(reg!(op.b), reg!(op.c))),
            Code::MultiplyHighWord => set!(alu::multiply_high_word(reg!(op.b), reg!(op.c))),
            Code::MultiplyHighWordUnsigned => set!(alu::multiply_high_word_unsigned(reg!(op.b), reg!(op.c))),
            Code::Divide => set!(alu::divide(reg!(op.b), reg!(op.c))),
            Code::DivideUnsigned => set!(reg!(op.b).checked_div(reg!(op.c)).unwrap_or(0)),
            Code::DivideWord => set!(alu::divide_word(reg!(op.b), reg!(op.c))),
            Code::DivideWordUnsigned => {
                set!(u64::from(
                    (reg!(op.b) as u32).checked_div(reg!(op.c) as u32).unwrap_or(0)
                ));
            }
            Code::And => set!(reg!(op.b) & reg!(op.c)),
            Code::AndComplement => set!(reg!(op.b) & !reg!(op.c)),
            Code::Nand => set!(!(reg!(op.b) & reg!(op.c))),
            Code::Or => set!(reg!(op.b) | reg!(op.c)),
            Code::OrComplement => set!(reg!(op.b) | !reg!(op.c)),
            Code::Nor => set!(!(reg!(op.b) | reg!(op.c))),
            Code::Xor => set!(reg!(op.b) ^ reg!(op.c)),
            Code::Equivalent => set!(!(reg!(op.b) ^ reg!(op.c))),
            Code::AndImmediate => set!(reg!(op.b) & op.imm as u64),
            Code::OrImmediate => set!(reg!(op.b) | op.imm as u64),
            Code::XorImmediate => set!(reg!(op.b) ^ op.imm as u64),
            Code::ShiftLeft => set!(alu::shift_left(reg!(op.b), reg!(op.c))),
            Code::ShiftRight => set!(alu::shift_right(reg!(op.b), reg!(op.c))),
            Code::ShiftLeftWord => set!(alu::shift_left_word(reg!(op.b), reg!(op.c))),
            Code::ShiftRightWord => set!(alu::shift_right_word(reg!(op.b), reg!(op.c))),
            Code::ShiftRightAlgebraic => {
                let (value, carry) = alu::shift_right_algebraic(reg!(op.b), reg!(op.c) & 0x7f);
                set!(value);
                reg!(CA) = carry;
            }
            Code::ShiftRightAlgebraicImmediate => {
                let (value, carry) = alu::shift_right_algebraic(reg!(op.b), op.imm as u64);
                set!(value);
                reg!(CA) = carry;
            }
            Code::ShiftRightAlgebraicWord => {
                let (value, carry) = alu::shift_right_algebraic_word(reg!(op.b), reg!(op.c) & 0x3f);
                set!(value);
                reg!(CA) = carry;
            }
            Code::ShiftRightAlgebraicWordImmediate => {
                let (value, carry) = alu::shift_right_algebraic_word(reg!(op.b), op.imm as u64);
                set!(value);
                reg!(CA) = carry;
            }
            Code::RotateMask => set!(reg!(op.b).rotate_left(u32::from(op.d)) & op.imm as u64),
            Code::RotateWordMask => set!(alu::rotate_word(reg!(op.b), u32::from(op.d)) & op.imm as u64),
            Code::RotateInsert => {
                let rotated = reg!(op.b).rotate_left(u32::from(op.d));
                set!((rotated & op.imm as u64) | (reg!(op.a) & !op.imm as u64));
            }
            Code::RotateWordInsert => {
                let rotated = alu::rotate_word(reg!(op.b), u32::from(op.d));
                set!((rotated & op.imm as u64) | (reg!(op.a) & !op.imm as u64));
            }
            Code::RotateByMask => set!(reg!(op.b).rotate_left(reg!(op.c) as u32 & 63) & op.imm as u64),
            Code::RotateWordByMask => set!(alu::rotate_word(reg!(op.b), reg!(op.c) as u32 & 31) & op.imm as u64),
            Code::ExtendByte => set!(reg!(op.b) as i8 as u64),
            Code::ExtendHalf => set!(reg!(op.b) as i16 as u64),
            Code::ExtendWord => set!(reg!(op.b) as i32 as u64),
            Code::ZeroExtendWord => set!(u64::from(reg!(op.b) as u32)),
            Code::CountZeros => set!(u64::from(reg!(op.b).leading_zeros())),
            Code::CountZerosWord => set!(u64::from((reg!(op.b) as u32).leading_zeros())),
            Code::AddCarrying => {
                let (sum, carry) = reg!(op.b).overflowing_add(reg!(op.c));
                set!(sum);
                reg!(CA) = u64::from(carry);
            }
            Code::AddImmediateCarrying => {
                let (sum, carry) = reg!(op.b).overflowing_add(op.imm as u64);
                set!(sum);
                reg!(CA) = u64::from(carry);
            }
            Code::AddExtended => {
                let (sum, carry) = alu::add_with_carry::<64>(reg!(op.b), reg!(op.c), reg!(CA));
                set!(sum);
                reg!(CA) = carry;
            }
            Code::SubtractFromCarrying => {
                let (difference, borrow) = reg!(op.c).overflowing_sub(reg!(op.b));
                set!(difference);
                reg!(CA) = u64::from(!borrow);
            }
            Code::SubtractFromImmediateCarrying => {
                let (difference, borrow) = (op.imm as u64).overflowing_sub(reg!(op.b));
                set!(difference);
                reg!(CA) = u64::from(!borrow);
            }
            Code::SubtractFromExtended => {
                let (sum, carry) = alu::add_with_carry::<64>(!reg!(op.b), reg!(op.c), reg!(CA));
                set!(sum);
                reg!(CA) = carry;
            }

            Code::Compare => set!(alu::compare(reg!(op.b) as i64, reg!(op.c) as i64, reg!(SO))),
            Code::CompareUnsigned => set!(alu::compare(reg!(op.b), reg!(op.c), reg!(SO))),
            Code::CompareWord => set!(alu::compare(reg!(op.b) as i32, reg!(op.c) as i32, reg!(SO))),
            Code::CompareWordUnsigned => set!(alu::compare(reg!(op.b) as u32, reg!(op.c) as u32, reg!(SO))),
            Code::CompareImmediate => set!(alu::compare(reg!(op.b) as i64, op.imm, reg!(SO))),
            Code::CompareUnsignedImmediate => set!(alu::compare(reg!(op.b), op.imm as u64, reg!(SO))),
            Code::CompareWordImmediate => set!(alu::compare(reg!(op.b) as i32, op.imm as i32, reg!(SO))),
            Code::CompareWordUnsignedImmediate => set!(alu::compare(reg!(op.b) as u32, op.imm as u32, reg!(SO))),
            Code::Select => {
                let field = reg!((op.imm >> 8) as u8);
                set!(if field & op.imm as u64 & 0xf != 0 {
                    reg!(op.b)
                } else {
                    reg!(op.c)
                });
            }
            Code::CompareBranch => fused!(i64, _imm => reg!(op.c) as i64),
            Code::CompareUnsignedBranch => fused!(u64, _imm => reg!(op.c)),
            Code::CompareWordBranch => fused!(i32, _imm => reg!(op.c) as i32),
            Code::CompareWordUnsignedBranch => fused!(u32, _imm => reg!(op.c) as u32),
            Code::CompareImmediateBranch => fused!(i64, imm => i64::from(imm)),
            Code::CompareUnsignedImmediateBranch => fused!(u64, imm => u64::from(imm as u16)),
            Code::CompareWordImmediateBranch => fused!(i32, imm => i32::from(imm)),
            Code::CompareWordUnsignedImmediateBranch => fused!(u32, imm => u32::from(imm as u16)),

            Code::Load8 => load!(u8, value => value.into()),
            Code::Load16 => load!(u16, value => value.into()),
            Code::Load32 => load!(u32, value => value.into()),
            Code::Load64 => load!(u64, value => value),
            Code::Load16Reversed => load!(u16, value => value.swap_bytes().into()),
            Code::Load32Reversed => load!(u32, value => value.swap_bytes().into()),
            Code::Load64Reversed => load!(u64, value => value.swap_bytes()),
            Code::Load16Signed => load!(u16, value => value as i16 as u64),
            Code::Load32Signed => load!(u32, value => value as i32 as u64),
            Code::Load16SignedReversed => load!(u16, value => value.swap_bytes() as i16 as u64),
            Code::Load32SignedReversed => load!(u32, value => value.swap_bytes() as i32 as u64),
            Code::Store8 => store!(u8, value => value),
            Code::Store16 => store!(u16, value => value),
            Code::Store32 => store!(u32, value => value),
            Code::Store64 => store!(u64, value => value),
            Code::Store16Reversed => store!(u16, value => value.swap_bytes()),
            Code::Store32Reversed => store!(u32, value => value.swap_bytes()),
            Code::Store64Reversed => store!(u64, value => value.swap_bytes()),

            Code::Branch | Code::End => go!(Target::unpack(op.imm)),
            Code::BranchAndLink => {
                reg!(LR) = core.pc.wrapping_add(4 * (u64::from(op.at) + 1));
                go!(Target::unpack(op.imm));
            }
            Code::BranchIf => {
                if (reg!(op.b) & u64::from(op.c) != 0) == (op.d & When::SET != 0) {
                    go!(Target::unpack(op.imm));
                }
            }
            Code::BranchCount => {
                let count = reg!(CTR).wrapping_sub(1);
                reg!(CTR) = count;
                if (count & core.pc_mask == 0) == (op.d & When::ZERO != 0) {
                    go!(Target::unpack(op.imm));
                }
            }
            Code::BranchCountIf => {
                if branch_allowed(core, op.b, op) {
                    go!(Target::unpack(op.imm));
                }
            }
            Code::BranchRegister => {
                if branch_allowed(core, op.a, op) {
                    core.pc = reg!(op.b) & !3 & core.pc_mask;
                    leave!(Stop::Register);
                }
            }

            Code::Fence => fence(Ordering::SeqCst),
            Code::LightFence => {
                // What x86-64 does by itself is left to it; the compiler must not reorder either.
                if cfg!(target_arch = "x86_64") {
                    compiler_fence(Ordering::AcqRel);
                } else {
                    fence(Ordering::AcqRel);
                }
            }
            Code::Isync => {
                // After a conditional branch, what is loaded from here on is loaded after what the branch
                // tested: x86-64 orders loads by itself.
                if !cfg!(target_arch = "x86_64") {
                    fence(Ordering::Acquire);
                }
                // A ring may be a revocation: what this processor publishes from here on is published after it
                // has been taken.
                if core.shared.code.epoch() != core.epoch || core.line.attention() {
                    core.look_at_code();
                    core.pc = next(core, op);
                    leave!(Stop::Jump);
                }
            }
            Code::SetInterrupts => {
                let bits = Msr::EE | Msr::RI;
                let msr = (core.msr().raw() & !bits) | (reg!(op.b) & bits);
                core.set_interrupt_bits(Msr::from_raw(msr));
                if core.interrupt_due() {
                    core.pc = next(core, op);
                    leave!(Stop::Jump);
                }
            }
            Code::Compute => {
                if let Call::Compute(handler, word) = blocks.call(op.imm)
                    && handler(&mut core.vsu, &mut core.regs, word) == Outcome::FloatException
                    && core.msr().has(Msr::FE0 | Msr::FE1)
                {
                    core.trap = Some(Trap::Program(power::msr::program::FLOATING_POINT));
                    fault!();
                }
            }
            Code::System => {
                if let Call::System(handler, word) = blocks.call(op.imm) {
                    ok!(handler(core, word));
                }
            }
            Code::Synchronize => {
                if let Call::System(handler, word) = blocks.call(op.imm) {
                    let block = core.pc;
                    let after = next(core, op);
                    // The handler sees the next instruction's address, and may set another.
                    core.pc = after;
                    if handler(core, word).is_err() {
                        core.pc = block;
                        fault!();
                    }
                    leave!(Stop::Jump);
                }
            }
            Code::SystemCall => {
                core.pc = next(core, op);
                core.trap = Some(Trap::SystemCall);
                leave!(Stop::Raise);
            }
            Code::Hypercall => {
                core.pc = next(core, op);
                leave!(Stop::Hypercall);
            }
            Code::Program => {
                core.trap = Some(Trap::Program(op.imm as u64));
                fault!();
            }
            Code::Unknown => {
                core.count_unknown(op.imm as u32);
                core.trap = Some(Trap::Program(power::msr::program::ILLEGAL));
                fault!();
            }
            Code::Unavailable => {
                core.trap = Some(match op.imm {
                    Off::FLOAT => Trap::FloatUnavailable,
                    Off::VECTOR => Trap::VectorUnavailable,
                    _ => Trap::VsxUnavailable,
                });
                fault!();
            }
        }
    }
    // Every block ends with an operation that leaves it.
    unreachable!("a block without an end")
}

/// Address of the instruction after the one that `op` belongs to.
fn next(core: &Core, op: &Op) -> u64 {
    core.pc.wrapping_add(4 * (u64::from(op.at) + 1)) & core.pc_mask
}

/// Counts CTR down where the branch asks for it; whether both conditions hold.
#[inline(always)]
fn branch_allowed(core: &mut Core, field: u8, op: &Op) -> bool {
    let mut allowed = op.c == 0 || (core.regs[field] & u64::from(op.c) != 0) == (op.d & When::SET != 0);
    if op.d & When::COUNT != 0 {
        let count = core.regs[CTR].wrapping_sub(1);
        core.regs[CTR] = count;
        allowed &= (count & core.pc_mask == 0) == (op.d & When::ZERO != 0);
    }
    allowed
}
