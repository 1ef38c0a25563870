//! Bits and fields in the manuals' numbering: bit 0 is the most significant of 64.

/// The 64-bit mask of bit `n` (0 = most significant).
pub const fn bit(n: u32) -> u64 {
    1 << (63 - n)
}

/// The 64-bit mask of bits `first` to `last`, both included (0 = most significant).
pub const fn field(first: u32, last: u32) -> u64 {
    (u64::MAX >> first) & (u64::MAX << (63 - last))
}

/// The value in bits `first` to `last` of `word`, moved down to bit 63.
pub const fn extract(word: u64, first: u32, last: u32) -> u64 {
    (word & field(first, last)) >> (63 - last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manuals_bit_zero_is_the_most_significant() {
        assert_eq!(bit(0), 1 << 63);
        assert_eq!(bit(63), 1);
    }

    #[test]
    fn a_field_includes_both_ends() {
        assert_eq!(field(0, 63), u64::MAX);
        assert_eq!(field(0, 1), 0xc000_0000_0000_0000);
        assert_eq!(field(56, 62), 0xfe);
        assert_eq!(extract(0x1234, 52, 55), 2);
    }
}
