//! Base address registers (PCI Local Bus 3.0, 6.2.5.1): which of their bits say what they are, which a guest may store to, and where
//! they decode.

use super::windows::Space;
use super::{Bar, registers};

/// The bits that say what it is.
const fn kind(space: Space) -> u64 {
    match space {
        Space::Io => 0b1,
        Space::Memory32 => 0b0000,
        // Anywhere in 64 bits, prefetchable.
        Space::Memory64 => 0b1100,
    }
}

/// A BAR of a function, and whose accesses it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decoder {
    /// Number of the (first) register.
    pub(super) number: usize,
    /// How large it is, and where.
    pub(super) bar: Bar,
}

impl Decoder {
    /// Where its register is in configuration space, and how many bytes it has.
    pub(super) fn register(self) -> (usize, usize) {
        let width = if self.bar.space == Space::Memory64 { 8 } else { 4 };
        (registers::FIRST_BAR + 4 * self.number, width)
    }

    /// The bits that hold the address: the only ones that a guest may change. So all ones, stored and loaded, tell the size.
    pub(super) const fn writable(self) -> u64 {
        !(self.bar.bytes - 1)
    }

    /// What the register holds for the bus address `at`.
    pub(super) const fn with_address(self, at: u64) -> u64 {
        at | kind(self.bar.space)
    }

    /// The bus address that `register` holds.
    pub(super) const fn address(self, register: u64) -> u64 {
        register & self.writable()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoder(space: Space, bytes: u64) -> Decoder {
        Decoder {
            number: 2,
            bar: Bar { bytes, space },
        }
    }

    /// 6.2.5.1: software stores all ones, loads, clears the bits of the kind, inverts and adds one.
    #[test]
    fn all_ones_tell_the_size() {
        for (space, bytes, kind_bits) in [
            (Space::Io, 32, 0b11),
            (Space::Memory32, 1 << 16, 0b1111),
            (Space::Memory64, 1 << 34, 0b1111),
        ] {
            let decoder = decoder(space, bytes);
            let stored = decoder.with_address(decoder.writable());
            assert_eq!((!(stored & !kind_bits)).wrapping_add(1), bytes);
            assert_eq!(decoder.address(stored), !(bytes - 1));
        }
    }

    #[test]
    fn a_wide_one_takes_two_registers() {
        assert_eq!(decoder(Space::Memory64, 4096).register(), (0x18, 8));
        assert_eq!(decoder(Space::Memory32, 4096).register(), (0x18, 4));
        assert_eq!(decoder(Space::Memory64, 4096).with_address(0x5000), 0x500c);
        assert_eq!(decoder(Space::Io, 4).with_address(0x40), 0x41);
    }
}
