//! The fixed-point instructions that help with decimal numbers (Power ISA v2.07B, Book I, 3.3.9).
//!
//! A *declet* is three decimal digits in ten bits; the way between the two is that of IEEE 754's densely packed decimals.

use power::insn::{Opcode, Word};

use crate::regs::{Reg, Regs};
use crate::vsu::{Handler, Outcome};

/// The function for an instruction of this kind.
pub(crate) fn handler(opcode: Opcode) -> Option<Handler> {
    Some(match opcode {
        Opcode::Addg6s => |_, regs, word| {
            regs[word.rt() as Reg] = sixes(regs[word.ra() as Reg], regs[word.rb() as Reg]);
            Outcome::Done
        },
        Opcode::Cdtbcd => |_, regs, word| each_word(regs, word, |s| two(s, 10, 12, digits)),
        Opcode::Cbcdtd => |_, regs, word| each_word(regs, word, |s| two(s, 12, 10, declet)),
        _ => return None,
    })
}

/// A six in each digit that has no carry out of it when `a` and `b` are added.
fn sixes(a: u64, b: u64) -> u64 {
    const TOP: u64 = 0x8888_8888_8888_8888;
    let sum = a.wrapping_add(b);
    // Out of a place: both have it, or one has it and the sum does not.
    let carries = (a & b | (a | b) & !sum) & TOP;
    // 8 becomes 4 + 2.
    let without = !carries & TOP;
    without >> 1 | without >> 2
}

fn each_word(regs: &mut Regs, word: Word, map: fn(u64) -> u64) -> Outcome {
    let s = regs[word.rs() as Reg];
    regs[word.ra() as Reg] = map(s >> 32) << 32 | map(s & 0xffff_ffff);
    Outcome::Done
}

/// Maps the low two groups of `from` bits to groups of `to` bits.
fn two(value: u64, from: u32, to: u32, map: fn(u64) -> u64) -> u64 {
    let mask = (1 << from) - 1;
    map(value >> from & mask) << to | map(value & mask)
}

/// Three digits of a declet. Each is small (0 to 7, three bits of its own) or large (8 or 9, one bit of its own).
fn digits(declet: u64) -> u64 {
    let bits = |shift: u32, count: u32| declet >> shift & ((1 << count) - 1);
    let (pq, r, st, u, m) = (bits(8, 2), bits(7, 1), bits(5, 2), bits(4, 1), bits(0, 1));
    let (wx, y) = (bits(1, 2), m);
    let small = |high: u64, low: u64| high << 1 | low;
    let large = |low: u64| 8 | low;
    let (first, second, third) = match (bits(3, 1), wx, st) {
        (0, ..) => (small(pq, r), small(st, u), small(wx, y)),
        (_, 0, _) => (small(pq, r), small(st, u), large(y)),
        (_, 1, _) => (small(pq, r), large(u), small(st, y)),
        (_, 2, _) => (large(r), small(st, u), small(pq, y)),
        (_, _, 0) => (large(r), large(u), small(pq, y)),
        (_, _, 1) => (large(r), small(pq, u), large(y)),
        (_, _, 2) => (small(pq, r), large(u), large(y)),
        _ => (large(r), large(u), large(y)),
    };
    first << 8 | second << 4 | third
}

/// The declet of three digits.
fn declet(digits: u64) -> u64 {
    let digit = |shift: u32| {
        let digit = digits >> shift & 0xf;
        (digit & 8 != 0, digit >> 1 & 3, digit & 1)
    };
    let [(a, bc, d), (e, fg, h), (i, jk, m)] = [digit(8), digit(4), digit(0)];
    // What stands in bits 0:1, 3:4, and 6:8 (V, W and X) of the ten.
    let (pq, st, vwx) = match (a, e, i) {
        (false, false, false) => (bc, fg, jk),
        (false, false, true) => (bc, fg, 4),
        (false, true, false) => (bc, jk, 5),
        (true, false, false) => (jk, fg, 6),
        (true, true, false) => (jk, 0, 7),
        (true, false, true) => (fg, 1, 7),
        (false, true, true) => (bc, 2, 7),
        (true, true, true) => (0, 3, 7),
    };
    pq << 8 | d << 7 | st << 5 | h << 4 | vwx << 1 | m
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_three_digits_come_back_from_their_declet() {
        for number in 0..1000u64 {
            let bcd = (number / 100) << 8 | (number / 10 % 10) << 4 | (number % 10);
            assert_eq!(digits(declet(bcd)), bcd, "{number}");
        }
    }

    #[test]
    fn declets_are_those_of_the_standard() {
        // IEEE 754-2008, 3.5.2: 005, 009, 055, 079, 080, 099, 555, 999.
        for (bcd, packed) in [
            (0x005, 0x005),
            (0x009, 0x009),
            (0x055, 0x055),
            (0x079, 0x079),
            (0x080, 0x00a),
            (0x099, 0x05f),
            (0x555, 0x2d5),
            (0x999, 0x0ff),
        ] {
            assert_eq!(declet(bcd), packed, "{bcd:03x}");
        }
    }

    #[test]
    fn sixes_stand_where_there_is_no_carry() {
        assert_eq!(sixes(0, 0), 0x6666_6666_6666_6666);
        assert_eq!(sixes(u64::MAX, 1), 0);
        assert_eq!(sixes(0x8, 0x8), 0x6666_6666_6666_6660);
    }
}
