//! Messages of a userfaultfd, as the kernel writes them (userfaultfd(2), `struct uffd_msg`).
//!
//! Read by hand: the crate for it needs libclang to be built.

use std::ops::Range;

/// Bytes of one message.
pub(super) const BYTES: usize = 32;

/// What happened to a process's address space. Addresses are that process's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Memory is being removed: `madvise` with `MADV_REMOVE` or `MADV_DONTNEED`.
    Removed(Range<u64>),
    /// A mapping goes: `munmap`, or another mapping in its place.
    Unmapped(Range<u64>),
    /// A mapping moves: `mremap`.
    Moved {
        /// Where it was.
        from: u64,
        /// Where it is.
        to: u64,
        /// How long it is.
        bytes: u64,
    },
    /// Something that is not to be asked for, as a page that somebody waits for. By its number. Forks are none: who reads of one has got a
    /// file descriptor by that (`descriptor.rs`).
    Unasked(u8),
}

const REMAP: u8 = 0x14;
const REMOVE: u8 = 0x15;
const UNMAP: u8 = 0x16;

impl Event {
    /// The event of one message.
    pub(super) fn decode(message: &[u8; BYTES]) -> Self {
        let word = |at: usize| {
            let bytes = message[at..at + 8].try_into().expect("eight bytes are eight");
            u64::from_ne_bytes(bytes)
        };
        match message[0] {
            REMOVE => Self::Removed(word(8)..word(16)),
            UNMAP => Self::Unmapped(word(8)..word(16)),
            REMAP => Self::Moved {
                from: word(8),
                to: word(16),
                bytes: word(24),
            },
            other => Self::Unasked(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(event: u8, words: [u64; 3]) -> [u8; BYTES] {
        let mut message = [0; BYTES];
        message[0] = event;
        for (n, word) in words.into_iter().enumerate() {
            message[8 + n * 8..16 + n * 8].copy_from_slice(&word.to_ne_bytes());
        }
        message
    }

    #[test]
    fn events_are_what_the_kernels_header_says() {
        let cases = [
            (0x15, Event::Removed(0x1000..0x3000)),
            (0x16, Event::Unmapped(0x1000..0x3000)),
            (
                0x14,
                Event::Moved {
                    from: 0x1000,
                    to: 0x3000,
                    bytes: 0x5000,
                },
            ),
            (0x12, Event::Unasked(0x12)),
            (0x13, Event::Unasked(0x13)),
            (0, Event::Unasked(0)),
        ];
        for (number, expected) in cases {
            assert_eq!(Event::decode(&message(number, [0x1000, 0x3000, 0x5000])), expected);
        }
    }
}
