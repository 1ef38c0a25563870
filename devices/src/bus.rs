//! Real addresses that are no memory: which device's registers are there.
//!
//! Bytes are in the order of their addresses, so a device has one byte order whatever a guest's is.

use std::ops::Range;
use std::sync::{Arc, RwLock};

/// Registers of a device. Called by processors' threads: it returns soon, and what takes long it leaves to a thread of its own.
pub trait Registers: Send + Sync {
    /// Loads 1, 2, 4, 8 or 16 bytes at `offset`, which need not be aligned.
    fn load(&self, offset: u64, into: &mut [u8]);

    /// Stores as many.
    fn store(&self, offset: u64, from: &[u8]);
}

/// A device's place is another one's already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("real addresses {0:#x?} overlap another device's")]
pub struct Overlap(pub Range<u64>);

/// A place and what is there.
type Place = (Range<u64>, Arc<dyn Registers>);

/// The devices' registers by real address.
#[derive(Default)]
pub struct Bus {
    /// In the order of their addresses; they do not overlap.
    places: RwLock<Vec<Place>>,
}

impl Bus {
    /// Puts `registers` at `range`.
    ///
    /// # Errors
    /// Something is there; nothing has changed.
    pub fn map(&self, range: Range<u64>, registers: Arc<dyn Registers>) -> Result<(), Overlap> {
        let mut places = self.places.write().expect("nothing panics with the places locked");
        let at = places.partition_point(|(place, _)| place.end <= range.start);
        if places.get(at).is_some_and(|(place, _)| place.start < range.end) {
            return Err(Overlap(range));
        }
        places.insert(at, (range, registers));
        Ok(())
    }

    /// Whether all of the `bytes` bytes at `real` are one device's.
    pub fn contains(&self, real: u64, bytes: u64) -> bool {
        self.find(real, bytes).is_some()
    }

    /// Loads at `real`: ones, as from a bus on which nobody answers, unless all of it is one device's.
    pub fn load(&self, real: u64, into: &mut [u8]) {
        match self.find(real, into.len() as u64) {
            Some((registers, offset)) => registers.load(offset, into),
            None => into.fill(0xff),
        }
    }

    /// Stores at `real`; nowhere unless all of it is one device's.
    pub fn store(&self, real: u64, from: &[u8]) {
        if let Some((registers, offset)) = self.find(real, from.len() as u64) {
            registers.store(offset, from);
        }
    }

    /// Who is at `real`, and the offset there.
    fn find(&self, real: u64, bytes: u64) -> Option<(Arc<dyn Registers>, u64)> {
        let end = real.checked_add(bytes)?;
        let places = self.places.read().expect("nothing panics with the places locked");
        let at = places.partition_point(|(place, _)| place.end <= real);
        let (place, registers) = places.get(at)?;
        (place.start <= real && end <= place.end).then(|| (Arc::clone(registers), real - place.start))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;

    /// Registers that stay as they are stored, and note what is done to them.
    struct Bytes {
        bytes: Mutex<Vec<u8>>,
        seen: Mutex<Vec<(u64, usize)>>,
    }

    impl Bytes {
        fn new(len: u64, fill: u8) -> Arc<Self> {
            Arc::new(Self {
                bytes: Mutex::new(vec![fill; len as usize]),
                seen: Mutex::default(),
            })
        }
    }

    impl Registers for Bytes {
        fn load(&self, offset: u64, into: &mut [u8]) {
            let at = offset as usize;
            into.copy_from_slice(&self.bytes.lock().unwrap()[at..at + into.len()]);
            self.seen.lock().unwrap().push((offset, into.len()));
        }

        fn store(&self, offset: u64, from: &[u8]) {
            let at = offset as usize;
            self.bytes.lock().unwrap()[at..at + from.len()].copy_from_slice(from);
            self.seen.lock().unwrap().push((offset, from.len()));
        }
    }

    #[test]
    fn an_access_is_one_devices_or_nobodys() {
        let bus = Bus::default();
        let (low, high) = (Bytes::new(0x10, 1), Bytes::new(0x10, 2));
        bus.map(0x100..0x110, Arc::clone(&low) as _).unwrap();
        bus.map(0x110..0x120, Arc::clone(&high) as _).unwrap();
        let load = |real| {
            let mut bytes = [0; 4];
            bus.load(real, &mut bytes);
            bytes
        };
        assert_eq!((load(0x10c), load(0x110)), ([1; 4], [2; 4]));
        assert_eq!([0xfe, 0x10e, 0x11e, 0x120, u64::MAX].map(load), [[0xff; 4]; 5]);
        bus.store(0x10e, &[7; 4]);
        bus.store(u64::MAX - 2, &[7; 4]);
        assert_eq!((load(0x10c), load(0x110)), ([1; 4], [2; 4]), "stored nowhere");
        assert!(bus.contains(0x100, 0x10) && !bus.contains(0x100, 0x20) && !bus.contains(0x108, u64::MAX));
        assert_eq!(*high.seen.lock().unwrap(), [(0, 4); 2]);
    }

    #[test]
    fn a_place_is_taken_once() {
        let bus = Bus::default();
        let map = |range: Range<u64>| bus.map(range, Bytes::new(1, 0) as _);
        map(0x100..0x200).unwrap();
        map(u64::MAX - 1..u64::MAX).unwrap();
        for range in [0..0x101, 0x1ff..0x300, 0x100..0x200, 0x140..0x150, 0..u64::MAX] {
            assert_eq!(map(range.clone()), Err(Overlap(range)));
        }
        map(0..0x100).unwrap();
        map(0x200..0x201).unwrap();
    }

    /// Real addresses of the property: below this.
    const SPACE: u64 = 0x80;

    proptest! {
        /// Judged by a model that has an owner and a value for each byte.
        #[test]
        fn each_byte_is_its_owners(
            places in prop::collection::vec((0..SPACE, 1..0x20_u64), 0..8),
            accesses in prop::collection::vec((0..SPACE, prop::sample::select(vec![1_usize, 2, 4, 8, 16]), any::<Option<u8>>()), 0..64),
        ) {
            let bus = Bus::default();
            let mut owners = [None; 2 * SPACE as usize];
            let mut values = [0xff; 2 * SPACE as usize];
            for (owner, (start, len)) in places.into_iter().enumerate() {
                let range = start as usize..(start + len) as usize;
                let is_free = owners[range.clone()].iter().all(Option::is_none);
                let mapped = bus.map(start..start + len, Bytes::new(len, owner as u8) as _);
                prop_assert_eq!(mapped.is_ok(), is_free);
                if is_free {
                    owners[range.clone()].fill(Some(owner));
                    values[range].fill(owner as u8);
                }
            }
            for (real, len, stored) in accesses {
                let range = real as usize..real as usize + len;
                let owner = owners[range.start];
                let is_one = owner.is_some() && owners[range.clone()].iter().all(|&other| other == owner);
                prop_assert_eq!(bus.contains(real, len as u64), is_one);
                if let Some(value) = stored {
                    bus.store(real, &vec![value; len]);
                    if is_one {
                        values[range.clone()].fill(value);
                    }
                }
                let mut loaded = vec![0; len];
                bus.load(real, &mut loaded);
                let expected = if is_one { values[range].to_vec() } else { vec![0xff; len] };
                prop_assert_eq!(loaded, expected);
            }
        }
    }
}
