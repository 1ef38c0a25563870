//! How large a table is: the base-2 logarithm of its bytes, as `ibm,pft-size` tells the guest.

use std::fmt;
use std::str::FromStr;

use power::hpte::{HPTE_BYTES, HPTES_PER_GROUP};

/// log2 of a table's size in bytes, 18 to 46 (LoPAR, Hash Page Table Resize Option; Power ISA v2.07B,
/// Book III-S, 5.7.7.2, HTABSIZE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order(u32);

impl Order {
    /// 256 KiB
    pub const MIN: Self = Self(18);
    /// 64 TiB
    pub const MAX: Self = Self(46);

    /// The order `log2_bytes`; `None` outside 18 to 46.
    pub const fn new(log2_bytes: u32) -> Option<Self> {
        if log2_bytes < Self::MIN.0 || log2_bytes > Self::MAX.0 {
            return None;
        }
        Some(Self(log2_bytes))
    }

    /// The order for a guest with this much RAM: a table of 1/128 of it, rounded up to a power of two.
    pub const fn for_ram(ram_bytes: u64) -> Self {
        let log2 = match ram_bytes {
            0 | 1 => 0,
            more => (more - 1).ilog2() + 1,
        };
        match log2.saturating_sub(7) {
            small if small < Self::MIN.0 => Self::MIN,
            large if large > Self::MAX.0 => Self::MAX,
            order => Self(order),
        }
    }

    /// log2 of the table's bytes.
    pub const fn log2_bytes(self) -> u32 {
        self.0
    }

    /// The table's bytes.
    pub const fn bytes(self) -> u64 {
        1 << self.0
    }

    /// Entries of the table.
    pub const fn entries(self) -> u64 {
        self.bytes() / HPTE_BYTES
    }

    /// Groups of the table.
    pub const fn groups(self) -> u64 {
        self.entries() / HPTES_PER_GROUP
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that is not an [`Order`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("table order {text:?} is not a number from 18 (256 KiB) to 46 (64 TiB)")]
pub struct ParseOrderError {
    text: String,
}

impl FromStr for Order {
    type Err = ParseOrderError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let order = text.parse().ok().and_then(Self::new);
        order.ok_or_else(|| ParseOrderError { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_of_1_gib_gets_8_mib() {
        assert_eq!(Order::for_ram(1 << 30).log2_bytes(), 23);
        assert_eq!(Order::for_ram((1 << 30) + 1).log2_bytes(), 24);
    }

    #[test]
    fn the_order_for_ram_stays_in_range() {
        assert_eq!(Order::for_ram(0), Order::MIN);
        assert_eq!(Order::for_ram(1024), Order::MIN);
        assert_eq!(Order::for_ram(32 << 20), Order::MIN);
        assert_eq!(Order::for_ram((32 << 20) + 1).log2_bytes(), 19);
        assert_eq!(Order::for_ram(u64::MAX), Order::MAX);
    }

    #[test]
    fn text_outside_the_range_is_told_the_range() {
        assert_eq!("18".parse(), Ok(Order::MIN));
        assert_eq!("46".parse(), Ok(Order::MAX));
        for text in ["17", "47", "", "-18", "1e2", "99999999999999999999"] {
            let error = text.parse::<Order>().unwrap_err();
            assert!(error.to_string().contains("18 (256 KiB) to 46 (64 TiB)"), "{error}");
        }
    }

    #[test]
    fn the_smallest_table_knows_eleven_bits_of_hash() {
        assert_eq!(Order::MIN.groups(), 1 << 11);
    }
}
