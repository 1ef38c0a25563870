//! VMX instructions that count, gather and permute single bits.

use power::insn::{Opcode, Word};

use super::lanes::{build, lane};
use super::vmx_arith::{each, each_of_b, two};
use super::{Handler, Outcome, Vsu};

/// `vgbbd`: each doubleword as a matrix of eight by eight bits, transposed.
fn gather(v: &mut Vsu, w: Word) -> Outcome {
    each_of_b(v, w, |matrix: u64| {
        let mut transposed = 0;
        for row in 0..8 {
            for column in 0..8 {
                let bit = matrix >> (63 - (8 * row + column)) & 1;
                transposed |= bit << (63 - (8 * column + row));
            }
        }
        transposed
    })
}

/// `vbpermq`: sixteen bits of VRA, chosen by the bytes of VRB; an index past 127 gives zero.
fn permute(v: &mut Vsu, w: Word) -> Outcome {
    two(v, w, |a, b| {
        let chosen = (0..16).fold(0, |chosen, i| {
            let index = u32::from(lane::<u8>(b, i));
            let bit = if index < 128 { a >> (127 - index) & 1 } else { 0 };
            chosen << 1 | bit
        });
        chosen << 64
    })
}

/// `vbpermd`: eight bits of each doubleword of VRA, chosen by the bytes of the one of VRB; an index past 63 gives zero.
fn permute_doublewords(v: &mut Vsu, w: Word) -> Outcome {
    each(v, w, |a: u64, b| {
        b.to_be_bytes().into_iter().fold(0u64, |chosen, index| {
            let bit = if index < 64 { a >> (63 - index) & 1 } else { 0 };
            chosen << 1 | bit
        })
    })
}

/// The parity of the last bits of all bytes.
fn parity(element: u128) -> u128 {
    const LAST_BITS: u128 = u128::MAX / 0xff;
    u128::from((element & LAST_BITS).count_ones() & 1)
}

/// `vpmsum`: products of polynomials over two elements, added: the width of two elements.
macro_rules! polynomial {
    ($element:ident, $product:ident) => {
        |v, _, w| {
            two(v, w, |a, b| {
                let product = |i| {
                    let a = $product::from(lane::<$element>(a, i));
                    let b = lane::<$element>(b, i);
                    (0..$element::BITS)
                        .filter(|&bit| b >> bit & 1 != 0)
                        .fold(0, |sum, bit| sum ^ (a << bit))
                };
                build::<$product>(|i| product(2 * i) ^ product(2 * i + 1))
            })
        }
    };
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Vgbbd => |v, _, w| gather(v, w),
        Opcode::Vbpermd => |v, _, w| permute_doublewords(v, w),
        Opcode::Vbpermq => |v, _, w| permute(v, w),
        Opcode::Vpmsumb => polynomial!(u8, u16),
        Opcode::Vpmsumh => polynomial!(u16, u32),
        Opcode::Vpmsumw => polynomial!(u32, u64),
        Opcode::Vpmsumd => polynomial!(u64, u128),
        Opcode::Vclzb => |v, _, w| each_of_b(v, w, |b: u8| b.leading_zeros() as u8),
        Opcode::Vclzh => |v, _, w| each_of_b(v, w, |b: u16| b.leading_zeros() as u16),
        Opcode::Vclzw => |v, _, w| each_of_b(v, w, u32::leading_zeros),
        Opcode::Vclzd => |v, _, w| each_of_b(v, w, |b: u64| u64::from(b.leading_zeros())),
        Opcode::Vctzb => |v, _, w| each_of_b(v, w, |b: u8| b.trailing_zeros() as u8),
        Opcode::Vctzh => |v, _, w| each_of_b(v, w, |b: u16| b.trailing_zeros() as u16),
        Opcode::Vctzw => |v, _, w| each_of_b(v, w, u32::trailing_zeros),
        Opcode::Vctzd => |v, _, w| each_of_b(v, w, |b: u64| u64::from(b.trailing_zeros())),
        Opcode::Vprtybw => |v, _, w| each_of_b(v, w, |b: u32| parity(b.into()) as u32),
        Opcode::Vprtybd => |v, _, w| each_of_b(v, w, |b: u64| parity(b.into()) as u64),
        Opcode::Vprtybq => |v, _, w| each_of_b(v, w, parity),
        Opcode::Vpopcntb => |v, _, w| each_of_b(v, w, |b: u8| b.count_ones() as u8),
        Opcode::Vpopcnth => |v, _, w| each_of_b(v, w, |b: u16| b.count_ones() as u16),
        Opcode::Vpopcntw => |v, _, w| each_of_b(v, w, u32::count_ones),
        Opcode::Vpopcntd => |v, _, w| each_of_b(v, w, |b: u64| u64::from(b.count_ones())),
        _ => return None,
    };
    Some(handler)
}
