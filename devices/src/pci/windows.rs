//! Where the bridge lies: the windows through which processors reach its bus, and where BARs lie at the start.
//!
//! ```text
//!     real address             bus address
//!     1_0000_0000_0000         I/O 0                     64 KiB
//!     1_0000_8000_0000         memory 8000_0000          1 GiB
//!     1_0100_0000_0000         the same                  1 TiB
//! ```
//!
//! All of it lies above any RAM. The window for registers of 32 bits lies above the bus addresses that are translated for DMA (up to
//! 1 GiB), so the two are never mistaken for each other. Nothing runs before the guest that could give BARs their places, so the bridge
//! does; a guest may move them.

use std::ops::Range;

/// A kind of bus address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// I/O space.
    Io,
    /// Memory below 4 GiB, not prefetchable.
    Memory32,
    /// Memory anywhere, prefetchable.
    Memory64,
}

/// All of them.
pub const SPACES: [Space; 3] = [Space::Io, Space::Memory32, Space::Memory64];

/// Real addresses that lead to the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first real address.
    pub real: u64,
    /// The bus address there.
    pub bus: u64,
    /// Its size.
    pub bytes: u64,
}

/// Where a BAR was put at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the (first) register.
    pub bar: usize,
    /// Kind of address.
    pub space: Space,
    /// Bus address.
    pub at: u64,
    /// Its size.
    pub bytes: u64,
}

/// Guests map pages of up to so many bytes: no two BARs share one, so that each can be given to somebody else alone. In I/O space they
/// do, which is no larger than that.
const PAGE: u64 = 64 << 10;

/// I/O addresses below belong to devices of the first PCs by tradition, and Linux leaves them alone.
const FIRST_IO: u64 = 0x1000;

impl Space {
    /// The window that leads there.
    pub const fn window(self) -> Window {
        match self {
            Self::Io => Window {
                real: 0x1_0000_0000_0000,
                bus: 0,
                bytes: 64 << 10,
            },
            Self::Memory32 => Window {
                real: 0x1_0000_8000_0000,
                bus: 0x8000_0000,
                bytes: 1 << 30,
            },
            Self::Memory64 => Window {
                real: 0x1_0100_0000_0000,
                bus: 0x1_0100_0000_0000,
                bytes: 1 << 40,
            },
        }
    }

    /// Sizes that a BAR of this kind can have.
    const fn sizes(self) -> Range<u64> {
        match self {
            Self::Io => 4..257,
            Self::Memory32 => 4096..(1 << 29) + 1,
            Self::Memory64 => 4096..(1 << 39) + 1,
        }
    }

    /// Whether a BAR of this kind can have `bytes`.
    pub(super) fn takes(self, bytes: u64) -> bool {
        bytes.is_power_of_two() && self.sizes().contains(&bytes)
    }
}

impl Window {
    /// The real addresses.
    pub const fn range(self) -> Range<u64> {
        self.real..self.real + self.bytes
    }

    /// The real address that leads to bus address `at`, if this window does.
    pub(super) fn real_of(self, at: u64) -> Option<u64> {
        let offset = at.checked_sub(self.bus).filter(|&offset| offset < self.bytes)?;
        Some(self.real + offset)
    }

    /// Bus address of the one at `offset` of the window.
    pub(super) const fn bus_at(self, offset: u64) -> u64 {
        self.bus + offset
    }
}

/// What is free of each window, from here up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Free([u64; 3]);

impl Free {
    /// All of it.
    pub(super) fn all() -> Self {
        Self([FIRST_IO, Space::Memory32.window().bus, Space::Memory64.window().bus])
    }

    /// A place for `bytes` in `space`, aligned as a BAR must be. `None`: the window is full.
    pub(super) fn take(&mut self, space: Space, bytes: u64) -> Option<u64> {
        let window = space.window();
        let alignment = if space == Space::Io { bytes } else { bytes.max(PAGE) };
        let free = &mut self.0[space as usize];
        let at = free.checked_next_multiple_of(alignment)?;
        let end = at.checked_add(bytes)?;
        if end > window.bus + window.bytes {
            return None;
        }
        *free = end;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_windows_do_not_overlap() {
        let ranges = SPACES.map(|space| space.window().range());
        assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
        let memory = Space::Memory32.window();
        assert!(memory.bus + memory.bytes <= 1 << 32);
    }

    proptest! {
        #[test]
        fn places_are_aligned_inside_their_window_and_apart(
            wishes in proptest::collection::vec((0_usize..3, 2_u32..40), 0..60),
        ) {
            let mut free = Free::all();
            let mut places: Vec<(Space, Range<u64>)> = Vec::new();
            for (space, shift) in wishes {
                let (space, bytes) = (SPACES[space], 1_u64 << shift);
                if !space.takes(bytes) {
                    continue;
                }
                let Some(at) = free.take(space, bytes) else { continue };
                let window = space.window();
                prop_assert_eq!(at % bytes, 0);
                prop_assert!(window.bus <= at && at + bytes <= window.bus + window.bytes);
                let apart = |(other, range): &(Space, Range<u64>)| {
                    *other != space || range.end <= at || at + bytes <= range.start
                };
                prop_assert!(places.iter().all(apart));
                places.push((space, at..at + bytes));
            }
        }
    }
}
