//! Stores through mappings that were made once, in pages of every size and in real mode, and never touches the page table again:
//! whoever takes guest memory away must reach each of these. For tests that look into guest memory from outside.
//!
//! There is a window of [`WINDOW_BYTES`] for each way to reach memory ([`WAYS`]), and in each window a piece of [`PIECE_BYTES`]
//! for each processor. Processor 0 watches and leaves its pieces alone. Each of the others goes round its [`places`] in order, and stores the number of
//! the round in the doubleword there, in its own byte order; so the first place that it has reached last has the
//! highest number, and from there on they never rise, and fall by one at most. The last place rests once it has stored [`LAST_STORE`].
//!
//! Words of the command line: `tries=` rounds, or none for as long as nobody types; `pause=` ticks of the time base between two places.

use std::fmt::Write as _;

/// Ways to reach memory, each with a window of its own: pages of 4K, 64K, 16M, and in real mode. A size that the device tree does
/// not have is replaced with 4K.
pub const WAYS: usize = 4;

/// Real address of the first window; they lie one behind the other.
pub const WINDOWS: u64 = 0x200_0000;

/// Bytes of a window.
pub const WINDOW_BYTES: u64 = 16 << 20;

/// Bytes of a processor's piece of a window.
pub const PIECE_BYTES: u64 = 0x1_0000;

/// Places of one processor.
const PLACES: u64 = 16;

/// The number that rests in the last place.
pub const LAST_STORE: u64 = 64;

/// Real addresses of the places of `processor`, in the order in which it stores there: each in another window than the one before, and in a
/// frame of its own. The last one rests.
pub fn places(processor: u64) -> impl Iterator<Item = u64> {
    (0..PLACES).map(move |n| WINDOWS + way(n) * WINDOW_BYTES + processor * PIECE_BYTES + offset(n))
}

fn way(n: u64) -> u64 {
    n % WAYS as u64
}

/// In the piece: frames 0, 5, 10 and 15 of it.
fn offset(n: u64) -> u64 {
    (n / 4) * 5 * 4096 + 0x88 * (n + 1)
}

/// The program but for what it has in common with others.
pub(super) fn source() -> String {
    let mut text = format!(
        ".equ WINDOWS,{WINDOWS:#x}\n.equ WINDOW_SHIFT,{}\n.equ PIECE_SHIFT,{}\n.equ LAST_STORE,{LAST_STORE}\n.equ WAYS,{WAYS}\n",
        WINDOW_BYTES.trailing_zeros(),
        PIECE_BYTES.trailing_zeros(),
    );
    text += include_str!("old_mappings.s");
    text += include_str!("old_mappings/store.s");
    // Address of the place in the piece of processor 0, and whether it is reached in real mode.
    text += "    .balign 8\nplaces:\n";
    for n in 0..PLACES {
        if n == PLACES - 1 {
            text += "last_place:\n";
        }
        let line = match way(n) {
            3 => format!("    .quad WINDOWS+(3<<WINDOW_SHIFT)+{:#x},1\n", offset(n)),
            way => format!("    .quad EFFECTIVE+({way}<<28)+{:#x},0\n", offset(n)),
        };
        text.write_str(&line).expect("a string takes all");
    }
    text + "places_end:\n"
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_place_has_a_frame_of_its_own_in_its_processors_piece() {
        let all: Vec<u64> = (1..64).flat_map(places).collect();
        let frames: HashSet<u64> = all.iter().map(|place| place / 4096).collect();
        assert_eq!(frames.len(), all.len());
        for place in all {
            assert!(place % 8 == 0 && (WINDOWS..WINDOWS + WAYS as u64 * WINDOW_BYTES).contains(&place));
        }
        assert!(places(5).all(|place| place % WINDOW_BYTES / PIECE_BYTES == 5));
    }
}
