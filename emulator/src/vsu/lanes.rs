//! Vector registers seen as elements: one element-wise map per number of operands, generic over
//! the elements' types, so that an instruction names its element operation and nothing else.

/// An element of a vector register: an integer of 8 to 64 bits, or all 128.
pub(super) trait Lane: Copy {
    /// Width in bits.
    const BITS: u32;
    /// The lowest bits of `raw`.
    fn from_low(raw: u128) -> Self;
    /// The element's bits, zero-extended.
    fn to_low(self) -> u128;
}

macro_rules! lane {
    ($($element:ident as $unsigned:ident),*) => {$(
        impl Lane for $element {
            const BITS: u32 = $element::BITS;
            #[inline(always)]
            fn from_low(raw: u128) -> Self {
                raw as Self
            }
            #[inline(always)]
            fn to_low(self) -> u128 {
                u128::from(self as $unsigned)
            }
        }
    )*};
}

lane!(u8 as u8, u16 as u16, u32 as u32, u64 as u64, u128 as u128);
lane!(i8 as u8, i16 as u16, i32 as u32, i64 as u64);

/// Element `index` of `vector`, counted from the most significant as the manuals do.
#[inline(always)]
pub(super) fn lane<T: Lane>(vector: u128, index: u32) -> T {
    T::from_low(vector >> (128 - T::BITS * (index + 1)))
}

/// The vector whose element `index` is `element(index)`.
#[inline(always)]
pub(super) fn build<T: Lane>(mut element: impl FnMut(u32) -> T) -> u128 {
    let mut vector = 0;
    for index in 0..128 / T::BITS {
        vector |= element(index).to_low() << (128 - T::BITS * (index + 1));
    }
    vector
}

/// `f` of every element.
#[inline(always)]
pub(super) fn map<T: Lane, R: Lane>(a: u128, mut f: impl FnMut(T) -> R) -> u128 {
    const { assert!(T::BITS == R::BITS) };
    build(|i| f(lane(a, i)))
}

/// `f` of every pair of elements in the same place.
#[inline(always)]
pub(super) fn map2<T: Lane, R: Lane>(a: u128, b: u128, mut f: impl FnMut(T, T) -> R) -> u128 {
    const { assert!(T::BITS == R::BITS) };
    build(|i| f(lane(a, i), lane(b, i)))
}

/// `f` of every triple of elements in the same place.
#[inline(always)]
pub(super) fn map3<T: Lane, R: Lane>(a: u128, b: u128, c: u128, mut f: impl FnMut(T, T, T) -> R) -> u128 {
    const { assert!(T::BITS == R::BITS) };
    build(|i| f(lane(a, i), lane(b, i), lane(c, i)))
}

/// All ones where `truth` holds, zero elsewhere: what the vector compares write.
#[inline(always)]
pub(super) fn mask<T: Lane>(truth: bool) -> T {
    T::from_low(if truth { u128::MAX } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_count_from_the_most_significant() {
        let vector = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f;
        assert_eq!(lane::<u8>(vector, 3), 3);
        assert_eq!(lane::<u64>(vector, 1), 0x0809_0a0b_0c0d_0e0f);
        assert_eq!(build(|i| i as u8), vector);
    }

    #[test]
    fn a_map_keeps_every_element_in_its_place() {
        assert_eq!(
            map2(1, 2 << 96, u32::wrapping_sub),
            0xffff_fffe_0000_0000_0000_0000_0000_0001
        );
        assert_eq!(map(0x80, |x: i8| x >> 7), 0xff);
    }
}
