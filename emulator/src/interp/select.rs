//! Which function executes an operation, chosen when its block is decoded.

use super::branch::{self, Far, Near};
use super::memory::{self, Plain, Reversed, Signed, SignedReversed};
use super::{File, Last, Run, compiled, count, fixed, other, pairs, runs};
use crate::ir::{Code, Fused, Op, Target, When};
use crate::regs::Reg;

/// Which source of an operation is the value of the one before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    Nothing,
    A,
    B,
    C,
}

/// Chooses the functions of a block, whose first operation stands `offset` bytes after the start of a page of `page`
/// bytes.
pub fn choose(ops: &mut [Op], offset: u64, page: u64) {
    // The register whose value goes from function to function.
    let mut held: Option<Reg> = None;
    let mut is_second = false;
    for at in 0..ops.len() {
        let op = ops[at];
        let given = match held {
            Some(register) if register == op.b => Given::B,
            Some(register) if register == op.c => Given::C,
            Some(register) if register == op.a => Given::A,
            _ => Given::Nothing,
        };
        let is_near = displacement(&op).is_some_and(|to| offset.wrapping_add_signed(to.into()) < page);
        // Those that the first of a run does have functions as well: for when it does not come to them.
        if let Some(run) = runs::choose(&ops[at..], given == Given::B) {
            ops[at].run = run;
            is_second = false;
        } else {
            // The second of a pair likewise.
            let both = if is_second {
                None
            } else {
                ops.get(at + 1).and_then(|next| pairs::choose(&op, next, given))
            };
            is_second = both.is_some();
            ops[at].run = both.unwrap_or_else(|| function(&op, given, is_near));
        }
        held = held_after(held, &op);
    }
}

/// The register whose value goes from function to function, after one that found `held` there.
pub fn held_after(held: Option<Reg>, op: &Op) -> Option<Reg> {
    match op.code {
        code if sets_a(code) => Some(op.a),
        code if code as u8 >= Code::LoadReserve8 as u8 && (code as u8) < Code::Branch as u8 => None,
        Code::Compute | Code::System => None,
        // Machine code that calls these may have the interpreter do them again, and has no value at hand for what comes after.
        Code::Isync | Code::SetInterrupts => None,
        // A fused compare, a branch, ToCr and ToXer set no general register, but these.
        _ => held.filter(|register| !CTR_CR_AND_XER.contains(register)),
    }
}

/// CTR, the fields of CR, and the parts of XER.
const CTR_CR_AND_XER: std::ops::Range<Reg> = crate::regs::CTR..crate::regs::TEMP;

/// Whether the value of the operation is that of register `a`.
fn sets_a(code: Code) -> bool {
    let number = code as u8;
    number <= Code::FromXer as u8 || (Code::Load8 as u8..=Code::Load32SignedReversed as u8).contains(&number)
}

/// The general register, or field of CR, that an operation sets, if it sets one.
pub fn sets(op: &Op) -> Option<Reg> {
    sets_a(op.code).then_some(op.a)
}

/// Where an operation leaves its block to, in bytes from its start.
fn displacement(op: &Op) -> Option<i32> {
    let number = op.code as u8;
    if (Code::CompareBranch as u8..=Code::CompareWordUnsignedImmediateBranch as u8).contains(&number) {
        Some(Fused::unpack(op.imm).target.displacement)
    } else if matches!(
        op.code,
        Code::Branch | Code::BranchAndLink | Code::BranchIf | Code::BranchCount | Code::BranchCountIf | Code::End
    ) {
        Some(Target::unpack(op.imm).displacement)
    } else {
        None
    }
}

fn function(op: &Op, given: Given, is_near: bool) -> Run {
    macro_rules! one {
        ($name:ident) => {
            if given == Given::B {
                fixed::$name::<Last>
            } else {
                fixed::$name::<File>
            }
        };
    }
    macro_rules! two {
        ($name:ident) => {
            match given {
                Given::B => fixed::$name::<Last, File>,
                Given::C => fixed::$name::<File, Last>,
                _ => fixed::$name::<File, File>,
            }
        };
    }
    macro_rules! load {
        ($kind:ty) => {
            match given {
                Given::B => memory::load::<$kind, Last, File>,
                Given::C => memory::load::<$kind, File, Last>,
                _ => memory::load::<$kind, File, File>,
            }
        };
    }
    macro_rules! store {
        ($kind:ty) => {
            match given {
                Given::A => memory::store::<$kind, Last, File, File>,
                Given::B => memory::store::<$kind, File, Last, File>,
                Given::C => memory::store::<$kind, File, File, Last>,
                Given::Nothing => memory::store::<$kind, File, File, File>,
            }
        };
    }
    macro_rules! exit {
        ($name:ident) => {
            if is_near {
                branch::$name::<Near>
            } else {
                branch::$name::<Far>
            }
        };
    }
    macro_rules! exit_one {
        ($name:ident) => {
            match (is_near, given) {
                (true, Given::B) => branch::$name::<Near, Last>,
                (true, _) => branch::$name::<Near, File>,
                (false, Given::B) => branch::$name::<Far, Last>,
                (false, _) => branch::$name::<Far, File>,
            }
        };
    }
    macro_rules! exit_two {
        ($name:ident) => {
            match (is_near, given) {
                (true, Given::B) => branch::$name::<Near, Last, File>,
                (true, Given::C) => branch::$name::<Near, File, Last>,
                (true, _) => branch::$name::<Near, File, File>,
                (false, Given::B) => branch::$name::<Far, Last, File>,
                (false, Given::C) => branch::$name::<Far, File, Last>,
                (false, _) => branch::$name::<Far, File, File>,
            }
        };
    }
    match op.code {
        Code::Immediate => fixed::immediate,
        Code::Move => one!(move_register),
        Code::PcPlus => fixed::pc_plus,
        Code::Add => two!(add),
        Code::AddImmediate => one!(add_immediate),
        Code::SubtractFrom => two!(subtract_from),
        Code::Negate => one!(negate),
        Code::Multiply => two!(multiply),
        Code::MultiplyImmediate => one!(multiply_immediate),
        Code::MultiplyWord => two!(multiply_word),
        Code::MultiplyHigh => two!(multiply_high),
        Code::MultiplyHighUnsigned => two!(multiply_high_unsigned),
        Code::MultiplyHighWord => two!(multiply_high_word),
        Code::MultiplyHighWordUnsigned => two!(multiply_high_word_unsigned),
        Code::Divide => two!(divide),
        Code::DivideUnsigned => two!(divide_unsigned),
        Code::DivideWord => two!(divide_word),
        Code::DivideWordUnsigned => two!(divide_word_unsigned),
        Code::And => two!(and),
        Code::AndComplement => two!(and_complement),
        Code::Nand => two!(nand),
        Code::Or => two!(or),
        Code::OrComplement => two!(or_complement),
        Code::Nor => two!(nor),
        Code::Xor => two!(xor),
        Code::Equivalent => two!(equivalent),
        Code::AndImmediate => one!(and_immediate),
        Code::OrImmediate => one!(or_immediate),
        Code::XorImmediate => one!(xor_immediate),
        Code::ShiftLeft => two!(shift_left),
        Code::ShiftRight => two!(shift_right),
        Code::ShiftLeftWord => two!(shift_left_word),
        Code::ShiftRightWord => two!(shift_right_word),
        Code::ShiftRightAlgebraic => two!(shift_right_algebraic),
        Code::ShiftRightAlgebraicWord => two!(shift_right_algebraic_word),
        Code::ShiftRightAlgebraicImmediate => one!(shift_right_algebraic_immediate),
        Code::ShiftRightAlgebraicWordImmediate => one!(shift_right_algebraic_word_immediate),
        Code::RotateMask => one!(rotate_mask),
        Code::RotateWordMask => one!(rotate_word_mask),
        Code::RotateInsert => one!(rotate_insert),
        Code::RotateWordInsert => one!(rotate_word_insert),
        Code::RotateByMask => fixed::rotate_by_mask,
        Code::RotateWordByMask => fixed::rotate_word_by_mask,
        Code::ExtendByte => one!(extend_byte),
        Code::ExtendHalf => one!(extend_half),
        Code::ExtendWord => one!(extend_word),
        Code::ZeroExtendWord => one!(zero_extend_word),
        Code::CountZeros => one!(count_zeros),
        Code::CountZerosWord => one!(count_zeros_word),
        Code::AddCarrying => two!(add_carrying),
        Code::AddImmediateCarrying => one!(add_immediate_carrying),
        Code::AddExtended => two!(add_extended),
        Code::SubtractFromCarrying => two!(subtract_from_carrying),
        Code::SubtractFromImmediateCarrying => one!(subtract_from_immediate_carrying),
        Code::SubtractFromExtended => two!(subtract_from_extended),
        Code::Compare => two!(compare),
        Code::CompareUnsigned => two!(compare_unsigned),
        Code::CompareWord => two!(compare_word),
        Code::CompareWordUnsigned => two!(compare_word_unsigned),
        Code::CompareImmediate => one!(compare_immediate),
        Code::CompareUnsignedImmediate => one!(compare_unsigned_immediate),
        Code::CompareWordImmediate => one!(compare_word_immediate),
        Code::CompareWordUnsignedImmediate => one!(compare_word_unsigned_immediate),
        Code::Select => two!(select),
        Code::FromCr => fixed::from_cr,
        Code::FromXer => fixed::from_xer,
        Code::CompareBranch => exit_two!(compare),
        Code::CompareUnsignedBranch => exit_two!(compare_unsigned),
        Code::CompareWordBranch => exit_two!(compare_word),
        Code::CompareWordUnsignedBranch => exit_two!(compare_word_unsigned),
        Code::CompareImmediateBranch => exit_one!(compare_immediate),
        Code::CompareUnsignedImmediateBranch => exit_one!(compare_unsigned_immediate),
        Code::CompareWordImmediateBranch => exit_one!(compare_word_immediate),
        Code::CompareWordUnsignedImmediateBranch => exit_one!(compare_word_unsigned_immediate),
        Code::Load8 => load!(Plain<u8>),
        Code::Load16 => load!(Plain<u16>),
        Code::Load32 => load!(Plain<u32>),
        Code::Load64 => load!(Plain<u64>),
        Code::Load16Reversed => load!(Reversed<u16>),
        Code::Load32Reversed => load!(Reversed<u32>),
        Code::Load64Reversed => load!(Reversed<u64>),
        Code::Load16Signed => load!(Signed<u16>),
        Code::Load32Signed => load!(Signed<u32>),
        Code::Load16SignedReversed => load!(SignedReversed<u16>),
        Code::Load32SignedReversed => load!(SignedReversed<u32>),
        Code::Store8 => store!(Plain<u8>),
        Code::Store16 => store!(Plain<u16>),
        Code::Store32 => store!(Plain<u32>),
        Code::Store64 => store!(Plain<u64>),
        Code::Store16Reversed => store!(Reversed<u16>),
        Code::Store32Reversed => store!(Reversed<u32>),
        Code::Store64Reversed => store!(Reversed<u64>),
        Code::LoadReserve8 => other::reserve::<u8>,
        Code::LoadReserve16 => other::reserve::<u16>,
        Code::LoadReserve32 => other::reserve::<u32>,
        Code::LoadReserve64 => other::reserve::<u64>,
        Code::StoreConditional8 => other::conditional::<u8>,
        Code::StoreConditional16 => other::conditional::<u16>,
        Code::StoreConditional32 => other::conditional::<u32>,
        Code::StoreConditional64 => other::conditional::<u64>,
        Code::Branch => exit!(branch),
        Code::BranchAndLink => exit!(branch_and_link),
        Code::BranchIf => exit!(branch_if),
        Code::BranchCount => exit!(branch_count),
        Code::BranchCountIf => exit!(branch_count_if),
        Code::BranchRegister if op.c != 0 || op.d & When::COUNT != 0 => branch::branch_register_if,
        Code::BranchRegister if given == Given::B => branch::branch_register::<Last>,
        Code::BranchRegister => branch::branch_register::<File>,
        Code::End => exit!(end),
        Code::ToCr => fixed::to_cr,
        Code::ToXer => fixed::to_xer,
        Code::Fence => other::full_fence,
        Code::LightFence => other::light_fence,
        Code::Isync => other::isync,
        Code::SetInterrupts => other::set_interrupts,
        Code::Compute | Code::System => other::call,
        Code::Synchronize => other::synchronize,
        Code::SystemCall => other::system_call,
        Code::Hypercall => other::hypercall,
        Code::Program => other::program,
        Code::Unknown => other::unknown,
        Code::Require => other::require,
        Code::Count => count::count,
        Code::Compiled => compiled::ENTER,
    }
}
