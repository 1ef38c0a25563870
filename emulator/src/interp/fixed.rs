//! Operations that compute: `a` from `b`, `c` and the immediate.

use super::{Left, Rest, Source, go_on};
use crate::alu;
use crate::block::Blocks;
use crate::core::Core;
use crate::ir::Op;
use crate::regs::{CA, SO};

/// Sets `a`, and goes on with its value.
#[inline(always)]
fn set(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, value: u64) -> Left {
    core.regs[op.a] = value;
    go_on(core, blocks, rest, value)
}

/// Sets `a` and CA.
#[inline(always)]
fn set_carry(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, (value, carry): (u64, u64)) -> Left {
    core.regs[CA] = carry;
    set(core, blocks, op, rest, value)
}

/// Operations on `b`: from its value (and the operation, where the processor's state counts, too) to that of `a`.
macro_rules! unary {
    ($($name:ident($b:ident, $op:ident) = $value:expr;)*) => {
        $(pub(super) fn $name<B: Source>(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
            let ($b, $op) = (B::take(core, op.b, last), op);
            set(core, blocks, op, rest, $value)
        })*
    };
}

/// Operations on `b` and `c`.
macro_rules! binary {
    ($($name:ident($b:ident, $c:ident) = $value:expr;)*) => {
        $(pub(super) fn $name<B: Source, C: Source>(
            core: &mut Core,
            blocks: &Blocks,
            op: &Op,
            rest: Rest<'_>,
            last: u64,
        ) -> Left {
            let ($b, $c) = (B::take(core, op.b, last), C::take(core, op.c, last));
            set(core, blocks, op, rest, $value)
        })*
    };
}

/// Operations on `b` whose value goes with a carry.
macro_rules! unary_carrying {
    ($($name:ident($b:ident, $op:ident) = $value:expr;)*) => {
        $(pub(super) fn $name<B: Source>(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
            let ($b, $op) = (B::take(core, op.b, last), op);
            set_carry(core, blocks, op, rest, $value)
        })*
    };
}

/// Operations on `b`, `c` and the carry, whose value goes with a carry.
macro_rules! binary_carrying {
    ($($name:ident($b:ident, $c:ident, $ca:ident) = $value:expr;)*) => {
        $(pub(super) fn $name<B: Source, C: Source>(
            core: &mut Core,
            blocks: &Blocks,
            op: &Op,
            rest: Rest<'_>,
            last: u64,
        ) -> Left {
            let ($b, $c, $ca) = (B::take(core, op.b, last), C::take(core, op.c, last), core.regs[CA]);
            set_carry(core, blocks, op, rest, $value)
        })*
    };
}

/// Compares of `b` with `c`.
macro_rules! compare {
    ($($name:ident($int:ty);)*) => {
        $(pub(super) fn $name<B: Source, C: Source>(
            core: &mut Core,
            blocks: &Blocks,
            op: &Op,
            rest: Rest<'_>,
            last: u64,
        ) -> Left {
            let (b, c) = (B::take(core, op.b, last), C::take(core, op.c, last));
            let field = alu::compare(b as $int, c as $int, core.regs[SO]);
            set(core, blocks, op, rest, field)
        })*
    };
}

/// Compares of `b` with the immediate.
macro_rules! compare_immediate {
    ($($name:ident($int:ty);)*) => {
        $(pub(super) fn $name<B: Source>(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
            let b = B::take(core, op.b, last);
            let field = alu::compare(b as $int, op.imm as $int, core.regs[SO]);
            set(core, blocks, op, rest, field)
        })*
    };
}

pub(super) fn immediate(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, _last: u64) -> Left {
    set(core, blocks, op, rest, op.imm as u64)
}

pub(super) fn pc_plus(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, _last: u64) -> Left {
    let value = core.pc.wrapping_add(op.imm as u64);
    set(core, blocks, op, rest, value)
}

unary! {
    move_register(b, _op) = b;
    add_immediate(b, op) = b.wrapping_add(op.imm as u64);
    negate(b, _op) = b.wrapping_neg();
    multiply_immediate(b, op) = b.wrapping_mul(op.imm as u64);
    and_immediate(b, op) = b & op.imm as u64;
    or_immediate(b, op) = b | op.imm as u64;
    xor_immediate(b, op) = b ^ op.imm as u64;
    rotate_mask(b, op) = b.rotate_left(u32::from(op.d)) & op.imm as u64;
    rotate_word_mask(b, op) = alu::rotate_word(b, u32::from(op.d)) & op.imm as u64;
    extend_byte(b, _op) = b as i8 as u64;
    extend_half(b, _op) = b as i16 as u64;
    extend_word(b, _op) = b as i32 as u64;
    zero_extend_word(b, _op) = u64::from(b as u32);
    count_zeros(b, _op) = u64::from(b.leading_zeros());
    count_zeros_word(b, _op) = u64::from((b as u32).leading_zeros());
}

binary! {
    add(b, c) = b.wrapping_add(c);
    subtract_from(b, c) = c.wrapping_sub(b);
    multiply(b, c) = b.wrapping_mul(c);
    multiply_word(b, c) = (i64::from(b as i32) * i64::from(c as i32)) as u64;
    multiply_high(b, c) = alu::multiply_high(b, c);
    multiply_high_unsigned(b, c) = alu::multiply_high_unsigned(b, c);
    multiply_high_word(b, c) = alu::multiply_high_word(b, c);
    multiply_high_word_unsigned(b, c) = alu::multiply_high_word_unsigned(b, c);
    divide(b, c) = alu::divide(b, c);
    divide_unsigned(b, c) = b.checked_div(c).unwrap_or(0);
    divide_word(b, c) = alu::divide_word(b, c);
    divide_word_unsigned(b, c) = u64::from((b as u32).checked_div(c as u32).unwrap_or(0));
    and(b, c) = b & c;
    and_complement(b, c) = b & !c;
    nand(b, c) = !(b & c);
    or(b, c) = b | c;
    or_complement(b, c) = b | !c;
    nor(b, c) = !(b | c);
    xor(b, c) = b ^ c;
    equivalent(b, c) = !(b ^ c);
    shift_left(b, c) = alu::shift_left(b, c);
    shift_right(b, c) = alu::shift_right(b, c);
    shift_left_word(b, c) = alu::shift_left_word(b, c);
    shift_right_word(b, c) = alu::shift_right_word(b, c);
}

unary_carrying! {
    shift_right_algebraic_immediate(b, op) = alu::shift_right_algebraic(b, op.imm as u64);
    shift_right_algebraic_word_immediate(b, op) = alu::shift_right_algebraic_word(b, op.imm as u64);
    add_immediate_carrying(b, op) = alu::add_with_carry::<64>(b, op.imm as u64, 0);
    subtract_from_immediate_carrying(b, op) = alu::add_with_carry::<64>(!b, op.imm as u64, 1);
}

binary_carrying! {
    shift_right_algebraic(b, c, _ca) = alu::shift_right_algebraic(b, c & 0x7f);
    shift_right_algebraic_word(b, c, _ca) = alu::shift_right_algebraic_word(b, c & 0x3f);
    add_carrying(b, c, _ca) = alu::add_with_carry::<64>(b, c, 0);
    add_extended(b, c, ca) = alu::add_with_carry::<64>(b, c, ca);
    subtract_from_carrying(b, c, _ca) = alu::add_with_carry::<64>(!b, c, 1);
    subtract_from_extended(b, c, ca) = alu::add_with_carry::<64>(!b, c, ca);
}

compare! {
    compare(i64);
    compare_unsigned(u64);
    compare_word(i32);
    compare_word_unsigned(u32);
}

compare_immediate! {
    compare_immediate(i64);
    compare_unsigned_immediate(u64);
    compare_word_immediate(i32);
    compare_word_unsigned_immediate(u32);
}

/// Puts bits of `rotated` into `a`.
#[inline(always)]
fn insert(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, rotated: u64) -> Left {
    let mask = op.imm as u64;
    let value = (rotated & mask) | (core.regs[op.a] & !mask);
    set(core, blocks, op, rest, value)
}

pub(super) fn rotate_insert<B: Source>(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
    let rotated = B::take(core, op.b, last).rotate_left(u32::from(op.d));
    insert(core, blocks, op, rest, rotated)
}

pub(super) fn rotate_word_insert<B: Source>(
    core: &mut Core,
    blocks: &Blocks,
    op: &Op,
    rest: Rest<'_>,
    last: u64,
) -> Left {
    let rotated = alu::rotate_word(B::take(core, op.b, last), u32::from(op.d));
    insert(core, blocks, op, rest, rotated)
}

pub(super) fn rotate_by_mask(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, _last: u64) -> Left {
    let rotated = core.regs[op.b].rotate_left(core.regs[op.c] as u32 & 63);
    set(core, blocks, op, rest, rotated & op.imm as u64)
}

pub(super) fn rotate_word_by_mask(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, _last: u64) -> Left {
    let rotated = alu::rotate_word(core.regs[op.b], core.regs[op.c] as u32 & 31);
    set(core, blocks, op, rest, rotated & op.imm as u64)
}

pub(super) fn select<B: Source, C: Source>(
    core: &mut Core,
    blocks: &Blocks,
    op: &Op,
    rest: Rest<'_>,
    last: u64,
) -> Left {
    let (b, c) = (B::take(core, op.b, last), C::take(core, op.c, last));
    let field = core.regs[(op.imm >> 8) as u8];
    let value = if field & op.imm as u64 & 0xf != 0 { b } else { c };
    set(core, blocks, op, rest, value)
}

pub(super) fn from_cr(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, _last: u64) -> Left {
    let value = u64::from(core.regs.cr());
    set(core, blocks, op, rest, value)
}

pub(super) fn to_cr(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
    core.regs.set_cr(core.regs[op.b] as u32);
    go_on(core, blocks, rest, last)
}

pub(super) fn from_xer(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, _last: u64) -> Left {
    let value = core.regs.xer();
    set(core, blocks, op, rest, value)
}

pub(super) fn to_xer(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
    core.regs.set_xer(core.regs[op.b] & op.imm as u64);
    go_on(core, blocks, rest, last)
}
