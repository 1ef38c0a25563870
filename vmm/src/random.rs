//! Randomness: the host's, or a function of a seed.

use std::io;
use std::sync::Mutex;

use rustix::rand::{GetRandomFlags, getrandom};

/// Where what is random in a machine comes from.
#[derive(Debug, Default)]
pub(crate) enum Randomness {
    /// The host.
    #[default]
    Host,
    /// A seed: the same each time, and no secret.
    Seed(Mutex<Stream>),
}

impl Randomness {
    /// That of a machine which is the same for each `seed`, if there is one.
    pub(crate) fn of(seed: Option<u64>) -> Self {
        // Others draw from the seed itself.
        seed.map_or(Self::Host, |seed| Self::Seed(Mutex::new(Stream(!seed))))
    }

    /// Fills `bytes`.
    ///
    /// # Errors
    /// The host has none.
    pub(crate) fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Host => fill(bytes),
            Self::Seed(stream) => {
                let mut stream = stream.lock().expect(UNPOISONED);
                for part in bytes.chunks_mut(8) {
                    part.copy_from_slice(&stream.next().to_le_bytes()[..part.len()]);
                }
                Ok(())
            }
        }
    }

    /// The next number of a seed's.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Host => None,
            Self::Seed(stream) => Some(stream.lock().expect(UNPOISONED).next()),
        }
    }
}

const UNPOISONED: &str = "nothing panics with it locked";

/// Numbers that follow from a seed (SplitMix64).
#[derive(Debug)]
pub(crate) struct Stream(pub(crate) u64);

impl Stream {
    /// 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `bound`, which is not zero; small bounds have all numbers about equally often.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Fills `bytes` from the host's generator.
pub(crate) fn fill(bytes: &mut [u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match getrandom(&mut *rest, GetRandomFlags::empty()) {
            Ok(count) => rest = &mut rest[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_always_the_same_numbers_and_another_others() {
        let bytes = |seed| {
            let mut bytes = [0; 19];
            Randomness::of(Some(seed)).fill(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(bytes(7), bytes(7));
        assert_ne!(bytes(7), bytes(8));
        assert!(Randomness::of(None).number().is_none());
    }
}
