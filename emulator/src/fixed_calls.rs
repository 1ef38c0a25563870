//! Fixed-point instructions that are too rare for operations of their own: overflow-recording
//! forms, extended division, bit permutation, and the condition register's own instructions
//! (Power ISA v2.07B, Book I, 2.5 and 3.3).
//!
//! POWER9 also says what of a sum carries or overflows in the low word: OV32 and CA32 (v3.0B, Book I, 3.2.2). There all that
//! carries is done here, so that POWER8 pays nothing for it.

use power::insn::{Opcode, Word};
use power::model::Model;

use crate::alu;
use crate::decimal_assist;
use crate::regs::{CA, CA32, CR, OV, OV32, Reg, Regs, SO};
use crate::vsu::{Handler, Outcome};

/// The function for an instruction that is executed by one, in 64-bit mode or not.
pub fn handler(opcode: Opcode, word: Word, wide: bool, model: Model) -> Option<Handler> {
    let words = model >= Model::Power9;
    let records = word.oe() && records_overflow(opcode);
    // Operations carry out of bit 0, which is right in 64-bit mode alone, and say nothing of words.
    if records || carries(opcode) && (!wide || words) {
        let sum = match (wide, words) {
            (true, false) => sums::<64, false>(opcode),
            (false, false) => sums::<32, false>(opcode),
            (true, true) => sums::<64, true>(opcode),
            (false, true) => sums::<32, true>(opcode),
        };
        return sum.or_else(|| {
            if words {
                overflowing::<true>(opcode)
            } else {
                overflowing::<false>(opcode)
            }
        });
    }
    Some(match opcode {
        Opcode::Divde => |_, regs, word| to_rt(regs, word, |a, b| divide_extended(a, b).unwrap_or(0)),
        Opcode::Divdeu => |_, regs, word| to_rt(regs, word, |a, b| divide_extended_unsigned(a, b).unwrap_or(0)),
        Opcode::Divwe => |_, regs, word| to_rt(regs, word, |a, b| divide_word_extended(a, b).unwrap_or(0)),
        Opcode::Divweu => |_, regs, word| to_rt(regs, word, |a, b| divide_word_extended_unsigned(a, b).unwrap_or(0)),
        Opcode::Popcntb => |_, regs, word| to_ra(regs, word, |s, _| each::<8>(s, |byte| u64::from(byte.count_ones()))),
        Opcode::Popcntw => |_, regs, word| to_ra(regs, word, |s, _| each::<32>(s, |word| u64::from(word.count_ones()))),
        Opcode::Popcntd => |_, regs, word| to_ra(regs, word, |s, _| u64::from(s.count_ones())),
        Opcode::Prtyw => |_, regs, word| {
            to_ra(regs, word, |s, _| {
                each::<32>(s, |word| u64::from((word & 0x0101_0101).count_ones() & 1))
            })
        },
        Opcode::Prtyd => |_, regs, word| {
            to_ra(regs, word, |s, _| {
                u64::from((s & 0x0101_0101_0101_0101).count_ones() & 1)
            })
        },
        Opcode::Cmpb => |_, regs, word| to_ra(regs, word, compare_bytes),
        Opcode::Bpermd => |_, regs, word| to_ra(regs, word, bit_permute),
        Opcode::Mfocrf => |_, regs, word| {
            regs[word.rt() as Reg] = u64::from(regs.cr() & field_mask(word.crm()));
            Outcome::Done
        },
        Opcode::Mtcrf | Opcode::Mtocrf => |_, regs, word| {
            let mask = field_mask(word.crm());
            let new = regs[word.rs() as Reg] as u32;
            regs.set_cr((regs.cr() & !mask) | (new & mask));
            Outcome::Done
        },
        Opcode::Crand => |_, regs, word| cr_logic(regs, word, |a, b| a & b),
        Opcode::Cror => |_, regs, word| cr_logic(regs, word, |a, b| a | b),
        Opcode::Crxor => |_, regs, word| cr_logic(regs, word, |a, b| a ^ b),
        Opcode::Crnand => |_, regs, word| cr_logic(regs, word, |a, b| !(a & b)),
        Opcode::Crnor => |_, regs, word| cr_logic(regs, word, |a, b| !(a | b)),
        Opcode::Creqv => |_, regs, word| cr_logic(regs, word, |a, b| a == b),
        Opcode::Crandc => |_, regs, word| cr_logic(regs, word, |a, b| a & !b),
        Opcode::Crorc => |_, regs, word| cr_logic(regs, word, |a, b| a | !b),
        _ => return decimal_assist::handler(opcode),
    })
}

/// Whether the instruction has an overflow-recording form. Its result is in RT and may be recorded
/// in CR0 too: the caller does that.
pub fn records_overflow(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Add
            | Opcode::Subf
            | Opcode::Neg
            | Opcode::Addc
            | Opcode::Subfc
            | Opcode::Adde
            | Opcode::Subfe
            | Opcode::Addme
            | Opcode::Subfme
            | Opcode::Addze
            | Opcode::Subfze
            | Opcode::Mullw
            | Opcode::Mulld
            | Opcode::Divw
            | Opcode::Divwu
            | Opcode::Divd
            | Opcode::Divdu
            | Opcode::Divwe
            | Opcode::Divweu
            | Opcode::Divde
            | Opcode::Divdeu
    )
}

/// Whether the instruction is a sum that sets CA.
fn carries(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Addic
            | Opcode::AddicDot
            | Opcode::Subfic
            | Opcode::Addc
            | Opcode::Subfc
            | Opcode::Adde
            | Opcode::Subfe
            | Opcode::Addme
            | Opcode::Subfme
            | Opcode::Addze
            | Opcode::Subfze
    )
}

/// Sums whose carry and overflow are those of the low `BITS` bits: 64, or in 32-bit mode 32; with `WORDS` also those of words.
fn sums<const BITS: u32, const WORDS: bool>(opcode: Opcode) -> Option<Handler> {
    Some(match opcode {
        Opcode::Add => |_, regs, word| sum::<BITS, WORDS>(regs, word, |a, b, _| (a, b, 0), Carry::Keep),
        Opcode::Subf => |_, regs, word| sum::<BITS, WORDS>(regs, word, |a, b, _| (!a, b, 1), Carry::Keep),
        Opcode::Neg => |_, regs, word| sum::<BITS, WORDS>(regs, word, |a, _, _| (!a, 0, 1), Carry::Keep),
        Opcode::Addc => |_, regs, word| sum::<BITS, WORDS>(regs, word, |a, b, _| (a, b, 0), Carry::Set),
        Opcode::Subfc => |_, regs, word| sum::<BITS, WORDS>(regs, word, |a, b, _| (!a, b, 1), Carry::Set),
        Opcode::Adde => |_, regs, word| sum::<BITS, WORDS>(regs, word, |a, b, ca| (a, b, ca), Carry::Set),
        Opcode::Subfe => |_, regs, word| sum::<BITS, WORDS>(regs, word, |a, b, ca| (!a, b, ca), Carry::Set),
        Opcode::Addme => |_, regs, word| sum::<BITS, WORDS>(regs, word, |a, _, ca| (a, u64::MAX, ca), Carry::Set),
        Opcode::Subfme => |_, regs, word| sum::<BITS, WORDS>(regs, word, |a, _, ca| (!a, u64::MAX, ca), Carry::Set),
        Opcode::Addze => |_, regs, word| sum::<BITS, WORDS>(regs, word, |a, _, ca| (a, 0, ca), Carry::Set),
        Opcode::Subfze => |_, regs, word| sum::<BITS, WORDS>(regs, word, |a, _, ca| (!a, 0, ca), Carry::Set),
        Opcode::Addic | Opcode::AddicDot => {
            |_, regs, word| sum_immediate::<BITS, WORDS>(regs, word, |a, si| (a, si, 0))
        }
        Opcode::Subfic => |_, regs, word| sum_immediate::<BITS, WORDS>(regs, word, |a, si| (!a, si, 1)),
        _ => return None,
    })
}

/// Products and quotients, whose overflow does not depend on the mode; OV32 is the same.
fn overflowing<const WORDS: bool>(opcode: Opcode) -> Option<Handler> {
    Some(match opcode {
        Opcode::Mulld => |_, regs, word| {
            checked::<WORDS>(
                regs,
                word,
                |a, b| (a as i64).checked_mul(b as i64).map(|v| v as u64),
                u64::wrapping_mul,
            )
        },
        Opcode::Mullw => |_, regs, word| {
            let product = |a: u64, b: u64| i64::from(a as i32) * i64::from(b as i32);
            checked::<WORDS>(
                regs,
                word,
                |a, b| i32::try_from(product(a, b)).ok().map(|_| product(a, b) as u64),
                |a, b| product(a, b) as u64,
            )
        },
        Opcode::Divd => |_, regs, word| {
            checked::<WORDS>(
                regs,
                word,
                |a, b| (a as i64).checked_div(b as i64).map(|v| v as u64),
                |_, _| 0,
            )
        },
        Opcode::Divdu => |_, regs, word| checked::<WORDS>(regs, word, u64::checked_div, |_, _| 0),
        Opcode::Divw => |_, regs, word| {
            checked::<WORDS>(
                regs,
                word,
                |a, b| (a as i32).checked_div(b as i32).map(|v| u64::from(v as u32)),
                |_, _| 0,
            )
        },
        Opcode::Divwu => |_, regs, word| {
            checked::<WORDS>(
                regs,
                word,
                |a, b| (a as u32).checked_div(b as u32).map(u64::from),
                |_, _| 0,
            )
        },
        Opcode::Divde => |_, regs, word| checked::<WORDS>(regs, word, divide_extended, |_, _| 0),
        Opcode::Divdeu => |_, regs, word| checked::<WORDS>(regs, word, divide_extended_unsigned, |_, _| 0),
        Opcode::Divwe => |_, regs, word| checked::<WORDS>(regs, word, divide_word_extended, |_, _| 0),
        Opcode::Divweu => |_, regs, word| checked::<WORDS>(regs, word, divide_word_extended_unsigned, |_, _| 0),
        _ => return None,
    })
}

fn to_rt(regs: &mut Regs, word: Word, compute: fn(u64, u64) -> u64) -> Outcome {
    regs[word.rt() as Reg] = compute(regs[word.ra() as Reg], regs[word.rb() as Reg]);
    Outcome::Done
}

fn to_ra(regs: &mut Regs, word: Word, compute: fn(u64, u64) -> u64) -> Outcome {
    regs[word.ra() as Reg] = compute(regs[word.rs() as Reg], regs[word.rb() as Reg]);
    Outcome::Done
}

fn set_overflow(regs: &mut Regs, overflow: bool) {
    regs[OV] = overflow.into();
    regs[SO] |= u64::from(overflow);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Carry {
    Keep,
    Set,
}

/// The three terms of a sum from RA, RB and CA.
type Terms = fn(u64, u64, u64) -> (u64, u64, u64);

fn sum<const BITS: u32, const WORDS: bool>(regs: &mut Regs, word: Word, terms: Terms, carry: Carry) -> Outcome {
    let (left, right, extra) = terms(regs[word.ra() as Reg], regs[word.rb() as Reg], regs[CA]);
    let (result, out) = alu::add_with_carry::<BITS>(left, right, extra);
    if word.oe() {
        // Terms of one sign and a sum of the other.
        let signs = (left ^ result) & (right ^ result);
        set_overflow(regs, signs >> (BITS - 1) & 1 != 0);
        if WORDS {
            regs[OV32] = signs >> 31 & 1;
        }
    }
    if carry == Carry::Set {
        regs[CA] = out;
        if WORDS {
            regs[CA32] = alu::carry_of_words(left, right, result);
        }
    }
    regs[word.rt() as Reg] = result;
    Outcome::Done
}

fn sum_immediate<const BITS: u32, const WORDS: bool>(
    regs: &mut Regs,
    word: Word,
    terms: fn(u64, u64) -> (u64, u64, u64),
) -> Outcome {
    let (left, right, extra) = terms(regs[word.ra() as Reg], word.si() as u64);
    let (result, out) = alu::add_with_carry::<BITS>(left, right, extra);
    regs[CA] = out;
    if WORDS {
        regs[CA32] = alu::carry_of_words(left, right, result);
    }
    regs[word.rt() as Reg] = result;
    Outcome::Done
}

fn checked<const WORDS: bool>(
    regs: &mut Regs,
    word: Word,
    compute: impl Fn(u64, u64) -> Option<u64>,
    otherwise: impl Fn(u64, u64) -> u64,
) -> Outcome {
    let (ra, rb) = (regs[word.ra() as Reg], regs[word.rb() as Reg]);
    let result = compute(ra, rb);
    set_overflow(regs, result.is_none());
    if WORDS {
        regs[OV32] = regs[OV];
    }
    regs[word.rt() as Reg] = result.unwrap_or_else(|| otherwise(ra, rb));
    Outcome::Done
}

fn divide_extended(a: u64, b: u64) -> Option<u64> {
    let quotient = (i128::from(a as i64) << 64).checked_div(i128::from(b as i64))?;
    i64::try_from(quotient).ok().map(|quotient| quotient as u64)
}

fn divide_extended_unsigned(a: u64, b: u64) -> Option<u64> {
    u64::try_from((u128::from(a) << 64).checked_div(u128::from(b))?).ok()
}

fn divide_word_extended(a: u64, b: u64) -> Option<u64> {
    let quotient = (i64::from(a as i32) << 32).checked_div(i64::from(b as i32))?;
    i32::try_from(quotient).ok().map(|quotient| u64::from(quotient as u32))
}

fn divide_word_extended_unsigned(a: u64, b: u64) -> Option<u64> {
    let quotient = (u64::from(a as u32) << 32).checked_div(u64::from(b as u32))?;
    u32::try_from(quotient).ok().map(u64::from)
}

/// Maps every element of `BITS` bits.
fn each<const BITS: u32>(value: u64, map: impl Fn(u64) -> u64) -> u64 {
    let mask = u64::MAX >> (64 - BITS);
    (0..64 / BITS).fold(0, |all, n| all | (map((value >> (n * BITS)) & mask) << (n * BITS)))
}

fn compare_bytes(s: u64, b: u64) -> u64 {
    each::<8>(s ^ b, |byte| if byte == 0 { 0xff } else { 0 })
}

/// Byte n of `s`, counted from the most significant, selects bit n of the result's low byte.
fn bit_permute(s: u64, b: u64) -> u64 {
    (0..8).fold(0, |result, n| {
        let index = (s >> (8 * n)) & 0xff;
        let bit = if index < 64 { (b >> (63 - index)) & 1 } else { 0 };
        result | (bit << n)
    })
}

/// The CR bits that a field mask names.
fn field_mask(crm: u32) -> u32 {
    (0..8)
        .filter(|n| crm & (0x80 >> n) != 0)
        .fold(0, |mask, n| mask | (0xf000_0000 >> (4 * n)))
}

fn cr_logic(regs: &mut Regs, word: Word, compute: fn(bool, bool) -> bool) -> Outcome {
    let bit = |n: usize| regs[CR + (n / 4) as Reg] & (8 >> (n % 4)) != 0;
    let result = compute(bit(word.ba()), bit(word.bb()));
    let (field, mask) = (CR + (word.bt() / 4) as Reg, 8 >> (word.bt() % 4));
    regs[field] = if result {
        regs[field] | mask
    } else {
        regs[field] & !mask
    };
    Outcome::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_division_overflows_when_the_quotient_does_not_fit() {
        assert_eq!(divide_extended_unsigned(1, 2), Some(1 << 63));
        assert_eq!(divide_extended_unsigned(2, 2), None);
        assert_eq!(divide_extended(1, 0), None);
        assert_eq!(divide_word_extended(1, 2), None);
        assert_eq!(divide_word_extended(1, 4), Some(0x4000_0000));
    }

    #[test]
    fn bits_are_permuted_by_index() {
        assert_eq!(bit_permute(0x00ff_ffff_ffff_ff3f, 0x8000_0000_0000_0001), 0x81);
        assert_eq!(compare_bytes(0x11_22, 0x11_33), 0xffff_ffff_ffff_ff00);
    }
}
