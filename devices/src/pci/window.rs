//! Memory through the guest's table of translations: what devices use when the guest asks for it.
//!
//! Each page is looked up for itself, with its permission; pages that follow one another in memory are copied together.

use std::sync::Arc;

use super::tce::{Tce, TceTable};
use crate::dma::{BadAddress, Dma, DmaError, Epoch};

/// Bytes that an entry translates.
const PAGE: u64 = 4096;

/// Memory by bus address.
pub struct Translated {
    table: Arc<TceTable>,
    below: Arc<dyn Dma>,
}

/// A piece of a transfer whose pages follow one another.
struct Piece {
    /// Where it begins in the transfer.
    offset: usize,
    /// Its length.
    bytes: usize,
    /// Where it is in memory.
    real: u64,
}

impl Translated {
    /// What is `below`, by the addresses of `table`.
    pub fn new(table: Arc<TceTable>, below: Arc<dyn Dma>) -> Self {
        Self { table, below }
    }

    /// The first piece of the `bytes` bytes at bus address `at`, which is at `offset` of the transfer.
    fn piece(&self, at: u64, offset: usize, bytes: usize, permits: fn(Tce) -> bool) -> Result<Piece, BadAddress> {
        let bad = || BadAddress {
            at,
            bytes: bytes as u64,
        };
        let page = |at| self.table.find(at).filter(|&tce| permits(tce)).map(Tce::page);
        let real = page(at).ok_or_else(bad)? + at % PAGE;
        let mut end = (PAGE - at % PAGE).min(bytes as u64);
        while end < bytes as u64 && at.checked_add(end).and_then(page) == Some(real + end) {
            end = (end + PAGE).min(bytes as u64);
        }
        let bytes = end as usize;
        Ok(Piece { offset, bytes, real })
    }

    /// Does `work` on each piece of the `bytes` bytes at `at`.
    fn pieces(
        &self,
        at: u64,
        bytes: usize,
        permits: fn(Tce) -> bool,
        mut work: impl FnMut(Piece) -> Result<(), DmaError>,
    ) -> Result<(), DmaError> {
        let whole = BadAddress {
            at,
            bytes: bytes as u64,
        };
        let mut done = 0;
        while done < bytes {
            let next = at.checked_add(done as u64).ok_or(whole)?;
            let piece = self.piece(next, done, bytes - done, permits)?;
            done += piece.bytes;
            work(piece)?;
        }
        Ok(())
    }
}

impl Dma for Translated {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), DmaError> {
        self.pieces(at, into.len(), Tce::permits_read, |piece| {
            let into = &mut into[piece.offset..piece.offset + piece.bytes];
            self.below
                .read(piece.real, into)
                .map_err(|error| by_bus(error, at, &piece))
        })
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), DmaError> {
        // Nothing is written if the guest has not permitted all of it.
        self.pieces(at, from.len(), Tce::permits_write, |_| Ok(()))?;
        self.pieces(at, from.len(), Tce::permits_write, |piece| {
            let from = &from[piece.offset..piece.offset + piece.bytes];
            self.below
                .write(piece.real, from)
                .map_err(|error| by_bus(error, at, &piece))
        })
    }

    fn for_life(&self) -> Option<Arc<dyn Dma>> {
        let below = self.below.for_life()?;
        Some(Arc::new(Self::new(Arc::clone(&self.table), below)))
    }

    fn epoch(&self) -> Epoch {
        self.below.epoch()
    }
}

/// What came from below for `piece` of a transfer at `at`, with its bus address.
fn by_bus(error: DmaError, at: u64, piece: &Piece) -> DmaError {
    match error {
        DmaError::Address(_) => DmaError::Address(BadAddress {
            at: at + piece.offset as u64,
            bytes: piece.bytes as u64,
        }),
        DmaError::Over => DmaError::Over,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use power::hcall::Status;
    use proptest::prelude::*;

    use super::*;

    const MEMORY: usize = 32 << 10;

    /// Memory, and the accesses that were made to it.
    struct Memory {
        bytes: Mutex<Vec<u8>>,
        made: Mutex<Vec<(u64, usize)>>,
    }

    impl Memory {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                bytes: Mutex::new((0..MEMORY).map(|n| (n / 7) as u8).collect()),
                made: Mutex::default(),
            })
        }

        fn range(&self, at: u64, bytes: usize) -> Result<std::ops::Range<usize>, BadAddress> {
            self.made.lock().unwrap().push((at, bytes));
            let end = at as usize + bytes;
            let bad = BadAddress {
                at,
                bytes: bytes as u64,
            };
            if end <= MEMORY { Ok(at as usize..end) } else { Err(bad) }
        }
    }

    impl Dma for Memory {
        fn read(&self, at: u64, into: &mut [u8]) -> Result<(), DmaError> {
            let range = self.range(at, into.len())?;
            into.copy_from_slice(&self.bytes.lock().unwrap()[range]);
            Ok(())
        }

        fn write(&self, at: u64, from: &[u8]) -> Result<(), DmaError> {
            let range = self.range(at, from.len())?;
            self.bytes.lock().unwrap()[range].copy_from_slice(from);
            Ok(())
        }
    }

    fn table(entries: &[u64]) -> Arc<TceTable> {
        let table = TceTable::new(2 << 20);
        for (n, &tce) in (0..).zip(entries) {
            assert_eq!(table.put(n * PAGE, Tce::from_raw(tce), |_| true), Status::Success);
        }
        Arc::new(table)
    }

    #[test]
    fn pages_that_follow_one_another_are_copied_together() {
        let memory = Memory::new();
        let window = Translated::new(table(&[0x2001, 0x3001, 0x1001]), Arc::clone(&memory) as Arc<_>);
        let mut into = vec![0; 0x2800];
        window.read(0x800, &mut into).unwrap();
        assert_eq!(*memory.made.lock().unwrap(), [(0x2800, 0x1800), (0x1000, 0x1000)]);
        assert_eq!(into[0x1800], memory.bytes.lock().unwrap()[0x1000]);
    }

    #[test]
    fn a_transfer_past_the_end_or_round_it_is_refused() {
        let window = Translated::new(table(&[0x2003]), Memory::new());
        let bad = |at, bytes| Err(BadAddress { at, bytes }.into());
        assert_eq!(window.read((2 << 20) - 4, &mut [0; 8]), bad((2 << 20) - 4, 8));
        assert_eq!(window.write(u64::MAX - 3, &[0; 8]), bad(u64::MAX - 3, 8));
        assert_eq!(window.write(0xffc, &[0; 8]), bad(0x1000, 4));
        assert_eq!(window.read(u64::MAX, &mut []), Ok(()));
    }

    #[test]
    fn what_is_no_memory_below_has_its_bus_address() {
        let window = Translated::new(table(&[0x1003, MEMORY as u64 | 3]), Memory::new());
        let bad = Err(BadAddress { at: 0x1000, bytes: 4 }.into());
        assert_eq!(window.read(0xffc, &mut [0; 8]), bad);
    }

    proptest! {
        /// Byte by byte through the same table.
        #[test]
        fn it_is_a_translation_of_each_byte(
            entries in proptest::collection::vec((0_u64..8, 0_u64..4), 8),
            transfers in proptest::collection::vec((any::<bool>(), 0_u64..0x8000, 0_usize..0x3000, any::<u8>()), 1..12),
        ) {
            let entries: Vec<u64> = entries.into_iter().map(|(page, rights)| page << 12 | rights).collect();
            let memory = Memory::new();
            let window = Translated::new(table(&entries), Arc::clone(&memory) as Arc<_>);
            let mut model = memory.bytes.lock().unwrap().clone();
            for (write, at, bytes, value) in transfers {
                let right = if write { 2 } else { 1 };
                let place = |at: u64| {
                    let tce = entries.get((at >> 12) as usize)?;
                    (tce & right != 0).then_some((tce & !0xfff | at & 0xfff) as usize)
                };
                let places: Option<Vec<usize>> = (at..at + bytes as u64).map(place).collect();
                if write {
                    let from: Vec<u8> = (0..bytes).map(|n| value.wrapping_add(n as u8)).collect();
                    prop_assert_eq!(window.write(at, &from).is_ok(), places.is_some());
                    for (place, byte) in places.into_iter().flatten().zip(from) {
                        model[place] = byte;
                    }
                } else {
                    let mut into = vec![0; bytes];
                    prop_assert_eq!(window.read(at, &mut into).is_ok(), places.is_some());
                    if let Some(places) = places {
                        let expected: Vec<u8> = places.into_iter().map(|place| model[place]).collect();
                        prop_assert_eq!(into, expected);
                    }
                }
                prop_assert_eq!(&*memory.bytes.lock().unwrap(), &model);
            }
        }
    }
}
