//! What fixed-point operations compute, apart from where operands are (Power ISA v2.07B, Book I, 3.3).

/// A condition-register field: LT 8, GT 4, EQ 2, and SO as it stands.
#[inline(always)]
pub fn compare<T: Ord + Copy>(left: T, right: T, so: u64) -> u64 {
    (u64::from(left < right) << 3) | (u64::from(left > right) << 2) | (u64::from(left == right) << 1) | so
}

/// High half of a signed product.
#[inline(always)]
pub fn multiply_high(left: u64, right: u64) -> u64 {
    ((i128::from(left as i64) * i128::from(right as i64)) >> 64) as u64
}

/// High half of an unsigned product.
#[inline(always)]
pub fn multiply_high_unsigned(left: u64, right: u64) -> u64 {
    ((u128::from(left) * u128::from(right)) >> 64) as u64
}

/// High word of the product of signed words. The upper half of the result is undefined; as on
/// POWER8 it repeats the lower.
#[inline(always)]
pub fn multiply_high_word(left: u64, right: u64) -> u64 {
    double_word(((i64::from(left as i32) * i64::from(right as i32)) >> 32) as u32)
}

/// High word of the product of unsigned words, doubled as above.
#[inline(always)]
pub fn multiply_high_word_unsigned(left: u64, right: u64) -> u64 {
    double_word(((u64::from(left as u32) * u64::from(right as u32)) >> 32) as u32)
}

#[inline(always)]
fn double_word(word: u32) -> u64 {
    u64::from(word) << 32 | u64::from(word)
}

/// Signed quotient; 0 where it is undefined.
#[inline(always)]
pub fn divide(left: u64, right: u64) -> u64 {
    (left as i64).checked_div(right as i64).unwrap_or(0) as u64
}

/// Signed quotient of words, zero-extended; 0 where it is undefined.
#[inline(always)]
pub fn divide_word(left: u64, right: u64) -> u64 {
    u64::from((left as i32).checked_div(right as i32).unwrap_or(0) as u32)
}

/// `sld`: 64 and more give 0.
#[inline(always)]
pub fn shift_left(value: u64, by: u64) -> u64 {
    if by & 0x40 != 0 { 0 } else { value << (by & 0x3f) }
}

/// `srd`: 64 and more give 0.
#[inline(always)]
pub fn shift_right(value: u64, by: u64) -> u64 {
    if by & 0x40 != 0 { 0 } else { value >> (by & 0x3f) }
}

/// `slw`: 32 and more give 0.
#[inline(always)]
pub fn shift_left_word(value: u64, by: u64) -> u64 {
    if by & 0x20 != 0 {
        0
    } else {
        u64::from((value as u32) << (by & 0x1f))
    }
}

/// `srw`: 32 and more give 0.
#[inline(always)]
pub fn shift_right_word(value: u64, by: u64) -> u64 {
    if by & 0x20 != 0 {
        0
    } else {
        u64::from((value as u32) >> (by & 0x1f))
    }
}

/// `srad`: the result and CA, which says that a negative value lost ones. `by` is at most 127.
#[inline(always)]
pub fn shift_right_algebraic(value: u64, by: u64) -> (u64, u64) {
    let signed = value as i64;
    if by >= 64 {
        return ((signed >> 63) as u64, (value >> 63));
    }
    let lost = value & ((1 << by) - 1) != 0;
    ((signed >> by) as u64, u64::from(signed < 0 && lost))
}

/// `sraw`: the result and CA. `by` is at most 63.
#[inline(always)]
pub fn shift_right_algebraic_word(value: u64, by: u64) -> (u64, u64) {
    shift_right_algebraic(value as i32 as u64, if by >= 32 { 64 } else { by })
}

/// The word of `value` in both halves, rotated left.
#[inline(always)]
pub fn rotate_word(value: u64, by: u32) -> u64 {
    double_word((value as u32).rotate_left(by))
}

/// Sum, and the carry out of its low `BITS` bits: 64, or in 32-bit mode 32.
#[inline(always)]
pub fn add_with_carry<const BITS: u32>(left: u64, right: u64, carry: u64) -> (u64, u64) {
    let (sum, first) = left.overflowing_add(right);
    let (sum, second) = sum.overflowing_add(carry);
    if BITS == 64 {
        return (sum, u64::from(first | second));
    }
    // What was carried into the next bit.
    (sum, (left ^ right ^ sum) >> BITS & 1)
}

/// The carry out of the low word of a sum of two terms and a carry.
#[inline(always)]
pub fn carry_of_words(left: u64, right: u64, sum: u64) -> u64 {
    // What was carried into the next bit.
    (left ^ right ^ sum) >> 32 & 1
}

/// MASK(first, last) of the manual: ones from bit `first` to bit `last`, around the end if `first`
/// comes after `last`.
pub const fn mask(first: u32, last: u32) -> u64 {
    let from = u64::MAX >> first;
    let to = u64::MAX << (63 - last);
    if first <= last { from & to } else { from | to }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_wrap_around() {
        assert_eq!(mask(0, 63), u64::MAX);
        assert_eq!(mask(32, 63), 0xffff_ffff);
        assert_eq!(mask(63, 0), 0x8000_0000_0000_0001);
    }

    #[test]
    fn an_algebraic_shift_carries_only_lost_ones_of_negative_values() {
        assert_eq!(shift_right_algebraic((-3i64) as u64, 1), ((-2i64) as u64, 1));
        assert_eq!(shift_right_algebraic((-4i64) as u64, 1), ((-2i64) as u64, 0));
        assert_eq!(shift_right_algebraic(3, 1), (1, 0));
        assert_eq!(shift_right_algebraic(u64::MAX, 64), (u64::MAX, 1));
        assert_eq!(shift_right_algebraic_word(0x8000_0000, 32), (u64::MAX, 1));
    }
}
