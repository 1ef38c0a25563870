//! Fixed-point instructions that came with Power ISA v3.0B (Book I, 3.3.9 to 3.3.19): sums that carry through OV,
//! multiply-adds, remainders, comparisons of bytes, and the condition register as a number.

use power::insn::{Opcode, Word};

use crate::alu;
use crate::regs::{CA, CA32, CR, OV, OV32, Reg, Regs};
use crate::vsu::{Handler, Outcome};

/// The function for an instruction of this kind, in 64-bit mode or not. Those with a record form have their result in RA:
/// the caller records it.
pub fn handler(opcode: Opcode, wide: bool) -> Option<Handler> {
    Some(match opcode {
        Opcode::Addex if wide => |_, regs, word| add_through_overflow::<64>(regs, word),
        Opcode::Addex => |_, regs, word| add_through_overflow::<32>(regs, word),
        Opcode::Maddhd => |_, regs, word| multiply_add(regs, word, |sum, _| (sum >> 64) as u64),
        Opcode::Maddhdu => |_, regs, word| multiply_add(regs, word, |_, sum| (sum >> 64) as u64),
        Opcode::Maddld => |_, regs, word| multiply_add(regs, word, |_, sum| sum as u64),
        Opcode::Modsd => |_, regs, word| {
            remainder(regs, word, |a, b| {
                (a as i64).checked_rem(b as i64).map(|remainder| remainder as u64)
            })
        },
        Opcode::Modud => |_, regs, word| remainder(regs, word, u64::checked_rem),
        Opcode::Modsw => |_, regs, word| {
            remainder(regs, word, |a, b| {
                let remainder = (a as i32).checked_rem(b as i32)?;
                Some(i64::from(remainder) as u64)
            })
        },
        Opcode::Moduw => |_, regs, word| remainder(regs, word, |a, b| (a as u32).checked_rem(b as u32).map(u64::from)),
        Opcode::Cmprb => |_, regs, word| compare_bytes(regs, word, is_in_ranges),
        Opcode::Cmpeqb => |_, regs, word| compare_bytes(regs, word, |byte, b, _| b.to_ne_bytes().contains(&byte)),
        Opcode::Setb => |_, regs, word| {
            // LT is 8, GT is 4.
            regs[word.rt() as Reg] = match regs[CR + word.bfa() as Reg] {
                8.. => u64::MAX,
                4.. => 1,
                _ => 0,
            };
            Outcome::Done
        },
        Opcode::Mcrxrx => |_, regs, word| {
            regs[CR + word.bf() as Reg] = regs[OV] << 3 | regs[OV32] << 2 | regs[CA] << 1 | regs[CA32];
            Outcome::Done
        },
        Opcode::Cnttzw => |_, regs, word| to_ra(regs, word, |s| u64::from((s as u32).trailing_zeros())),
        Opcode::Cnttzd => |_, regs, word| to_ra(regs, word, |s| u64::from(s.trailing_zeros())),
        Opcode::Extswsli => |_, regs, word| to_ra(regs, word, |s| (i64::from(s as i32) as u64) << word.sh6()),
        _ => return None,
    })
}

fn to_ra(regs: &mut Regs, word: Word, compute: impl Fn(u64) -> u64) -> Outcome {
    regs[word.ra() as Reg] = compute(regs[word.rs() as Reg]);
    Outcome::Done
}

/// `addex` with CY = 0: OV is the carry, in and out; SO stays.
fn add_through_overflow<const BITS: u32>(regs: &mut Regs, word: Word) -> Outcome {
    let (left, right) = (regs[word.ra() as Reg], regs[word.rb() as Reg]);
    let (sum, out) = alu::add_with_carry::<BITS>(left, right, regs[OV]);
    regs[OV] = out;
    regs[OV32] = alu::carry_of_words(left, right, sum);
    regs[word.rt() as Reg] = sum;
    Outcome::Done
}

/// RT = a part of RA times RB plus RC, of which `part` is given the signed and the unsigned one.
fn multiply_add(regs: &mut Regs, word: Word, part: fn(i128, u128) -> u64) -> Outcome {
    let [a, b, c] = [word.ra(), word.rb(), word.rc()].map(|register| regs[register as Reg]);
    // Neither leaves 128 bits: the product of two 64-bit numbers leaves room for one more.
    let signed = i128::from(a as i64) * i128::from(b as i64) + i128::from(c as i64);
    let unsigned = u128::from(a) * u128::from(b) + u128::from(c);
    regs[word.rt() as Reg] = part(signed, unsigned);
    Outcome::Done
}

/// 0 where it is undefined, as of quotients.
fn remainder(regs: &mut Regs, word: Word, compute: fn(u64, u64) -> Option<u64>) -> Outcome {
    regs[word.rt() as Reg] = compute(regs[word.ra() as Reg], regs[word.rb() as Reg]).unwrap_or(0);
    Outcome::Done
}

/// GT of the field says whether the low byte of RA and RB go together; `test` is also given L.
fn compare_bytes(regs: &mut Regs, word: Word, test: fn(u8, u64, bool) -> bool) -> Outcome {
    let both = word.bits(10, 10) != 0;
    let holds = test(regs[word.ra() as Reg] as u8, regs[word.rb() as Reg], both);
    regs[CR + word.bf() as Reg] = u64::from(holds) << 2;
    Outcome::Done
}

/// Whether the byte is in the range of the low halfword of `ranges`, or in that of the next: from the low byte to the high
/// one.
fn is_in_ranges(byte: u8, ranges: u64, both: bool) -> bool {
    let [first_low, first_high, second_low, second_high, ..] = ranges.to_le_bytes();
    (first_low..=first_high).contains(&byte) || both && (second_low..=second_high).contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_from_its_low_byte_to_its_high_byte() {
        assert!(is_in_ranges(b'0', 0x3930, false) && is_in_ranges(b'9', 0x3930, false));
        assert!(!is_in_ranges(b'/', 0x3930, false) && !is_in_ranges(b':', 0x3930, false));
        assert!(is_in_ranges(b'a', 0x7a61_3930, true) && !is_in_ranges(b'a', 0x7a61_3930, false));
        assert!(!is_in_ranges(0x35, 0x3039, true), "a range that ends before it begins");
    }
}
