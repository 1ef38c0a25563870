//! The MSI-X table and its pending bits (PCI Local Bus 3.0, 6.8.2), and when a message goes out.
//!
//! ```text
//!     offset      the window
//!     0           table: address (8), data (4), vector control (4) of each vector
//!     half        pending bits, 64 in a word
//! ```
//!
//! Pure state: which messages are due is told, the port sends them. A vector whose message may not go out is pending; it is due when it may.

use super::registers::msix;

/// Vector control: the vector is masked.
const MASKED: u32 = 1;

/// An entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Bus address that the message is stored to.
    pub(super) address: u64,
    /// What is stored there.
    pub(super) data: u32,
    masked: bool,
}

impl Entry {
    /// As after a reset.
    const FIRST: Self = Self {
        address: 0,
        data: 0,
        masked: true,
    };

    fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.address.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.data.to_le_bytes());
        bytes[12..].copy_from_slice(&u32::from(self.masked).to_le_bytes());
        bytes
    }

    /// The doubleword-aligned address has its two low bits clear; of vector control only the mask bit is kept.
    fn from_bytes(bytes: [u8; 16]) -> Self {
        let [a, b, c, d] = [0, 4, 8, 12].map(|at| u32::from_le_bytes([0, 1, 2, 3].map(|n| bytes[at + n])));
        Self {
            address: u64::from(b) << 32 | u64::from(a & !3),
            data: c,
            masked: d & MASKED != 0,
        }
    }
}

/// The vectors of one function.
#[derive(Debug)]
pub(super) struct Msix {
    entries: Box<[Entry]>,
    /// A bit for each vector that is pending.
    pending: Box<[u64]>,
}

/// Bytes of the window of a function with so many `vectors`: table and pending bits in pages of their own.
pub(super) fn window_bytes(vectors: u16) -> u64 {
    2 * (u64::from(vectors) * msix::ENTRY).next_power_of_two().max(4096)
}

impl Msix {
    /// All of them masked.
    pub(super) fn new(vectors: u16) -> Self {
        Self {
            entries: vec![Entry::FIRST; vectors.into()].into(),
            pending: vec![0; usize::from(vectors).div_ceil(64)].into(),
        }
    }

    /// How many vectors there are.
    pub(super) fn vectors(&self) -> u16 {
        self.entries.len() as u16
    }

    /// Loads 1 to 8 bytes at `offset` of the window: zeros where nothing is.
    pub(super) fn load(&self, offset: u64, into: &mut [u8]) {
        for (at, byte) in (offset..).zip(into) {
            *byte = self.byte(at).unwrap_or(0);
        }
    }

    fn byte(&self, at: u64) -> Option<u8> {
        let half = window_bytes(self.vectors()) / 2;
        if at < half {
            let entry = self.entries.get((at / msix::ENTRY) as usize)?;
            return Some(entry.bytes()[(at % msix::ENTRY) as usize]);
        }
        let at = at - half;
        let word = self.pending.get((at / 8) as usize)?;
        Some(word.to_le_bytes()[(at % 8) as usize])
    }

    /// Stores to the table, as the manual permits: aligned, 4 or 8 bytes. Anything else, and a store to the pending bits, does nothing.
    pub(super) fn store(&mut self, offset: u64, from: &[u8]) {
        let width = from.len() as u64;
        if !matches!(width, 4 | 8) || !offset.is_multiple_of(width) {
            return;
        }
        let Some(entry) = self.entries.get_mut((offset / msix::ENTRY) as usize) else {
            return;
        };
        let mut bytes = entry.bytes();
        bytes[(offset % msix::ENTRY) as usize..][..from.len()].copy_from_slice(from);
        *entry = Entry::from_bytes(bytes);
    }

    /// Puts a message into the table; the vector stays masked or not.
    pub(super) fn set_message(&mut self, vector: u16, address: u64, data: u32) {
        if let Some(entry) = self.entries.get_mut(usize::from(vector)) {
            (entry.address, entry.data) = (address, data);
        }
    }

    /// The function wants `vector` signalled: the message that goes out now. There is none while messages do not go out (`open`
    /// is false), or the vector is masked; it is pending then.
    pub(super) fn signal(&mut self, vector: u16, open: bool) -> Option<Entry> {
        let entry = *self.entries.get(usize::from(vector))?;
        if open && !entry.masked {
            return Some(entry);
        }
        self.pending[usize::from(vector / 64)] |= 1 << (vector % 64);
        None
    }

    /// Takes the messages that are due now that they may go out: of vectors that are pending and not masked.
    pub(super) fn take_due(&mut self) -> Vec<Entry> {
        let mut due = Vec::new();
        for (n, entry) in self.entries.iter().enumerate() {
            let (word, bit) = (n / 64, 1 << (n % 64));
            if self.pending[word] & bit != 0 && !entry.masked {
                self.pending[word] &= !bit;
                due.push(*entry);
            }
        }
        due
    }

    /// Whether any vector is pending.
    pub(super) fn is_pending(&self) -> bool {
        self.pending.iter().any(|&word| word != 0)
    }

    /// As after power-on.
    pub(super) fn reset(&mut self) {
        self.entries.fill(Entry::FIRST);
        self.pending.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table_and_pending_bits_have_pages_of_their_own() {
        assert_eq!(window_bytes(1), 8192);
        assert_eq!(window_bytes(256), 8192);
        assert_eq!(window_bytes(257), 16384);
        assert_eq!(window_bytes(2048), 65536);
    }

    #[test]
    fn an_entry_is_loaded_as_it_was_stored() {
        let mut msix = Msix::new(2);
        msix.store(16, &0x1122_3344_5566_7788_u64.to_le_bytes());
        msix.store(24, &0xffff_ffff_0000_1005_u64.to_le_bytes());
        let mut bytes = [0; 8];
        msix.load(16, &mut bytes);
        assert_eq!(u64::from_le_bytes(bytes), 0x1122_3344_5566_7788);
        msix.load(24, &mut bytes);
        assert_eq!(
            u64::from_le_bytes(bytes),
            0x1_0000_1005,
            "of vector control the mask bit alone"
        );
    }

    /// What the manual says of a vector: a register file, and a pending bit.
    #[derive(Clone, Default)]
    struct Model {
        words: [u32; 4],
        pending: bool,
    }

    #[derive(Clone, Debug)]
    enum Step {
        Store(u64, Vec<u8>),
        Signal(u16, bool),
        Due,
    }

    fn step() -> impl Strategy<Value = Step> {
        let store = (0_u64..9000, 1_usize..9, any::<[u8; 8]>(), any::<bool>()).prop_map(|(at, width, bytes, table)| {
            let (at, width) = if table { (at % 72 / 4 * 4, 4) } else { (at, width) };
            Step::Store(at, bytes[..width].to_vec())
        });
        prop_oneof![4 => store, 2 => (0_u16..6, any::<bool>()).prop_map(|(vector, open)| Step::Signal(vector, open)), 2 => Just(Step::Due)]
    }

    proptest! {
        #[test]
        fn it_is_the_manuals_register_file(steps in proptest::collection::vec(step(), 0..100)) {
            const VECTORS: usize = 4;
            let mut msix = Msix::new(VECTORS as u16);
            let mut model: Vec<Model> = vec![Model { words: [0, 0, 0, 1], pending: false }; VECTORS];
            for step in steps {
                match step {
                    Step::Store(at, bytes) => {
                        msix.store(at, &bytes);
                        let whole = [4, 8].contains(&bytes.len()) && at % bytes.len() as u64 == 0;
                        for (n, word) in bytes.chunks(4).enumerate().filter(|_| whole) {
                            let index = at as usize / 4 + n;
                            let keeps = [!3, u32::MAX, u32::MAX, 1][index % 4];
                            if let Some(vector) = model.get_mut(index / 4) {
                                vector.words[index % 4] = u32::from_le_bytes(word.try_into().unwrap()) & keeps;
                            }
                        }
                    }
                    Step::Signal(vector, open) => {
                        let sent = msix.signal(vector, open).map(|entry| entry.data);
                        let mut expected = None;
                        if let Some(vector) = model.get_mut(usize::from(vector)) {
                            if open && vector.words[3] & 1 == 0 {
                                expected = Some(vector.words[2]);
                            } else {
                                vector.pending = true;
                            }
                        }
                        prop_assert_eq!(sent, expected);
                    }
                    Step::Due => {
                        let due: Vec<u32> = msix.take_due().iter().map(|entry| entry.data).collect();
                        let mut expected = Vec::new();
                        for vector in model.iter_mut().filter(|vector| vector.words[3] & 1 == 0) {
                            if std::mem::take(&mut vector.pending) {
                                expected.push(vector.words[2]);
                            }
                        }
                        prop_assert_eq!(due, expected);
                    }
                }
                prop_assert_eq!(msix.is_pending(), model.iter().any(|vector| vector.pending));
                for (n, vector) in model.iter().enumerate() {
                    let mut bytes = [0; 4];
                    for (k, &word) in vector.words.iter().enumerate() {
                        msix.load((16 * n + 4 * k) as u64, &mut bytes);
                        prop_assert_eq!(u32::from_le_bytes(bytes), word);
                    }
                    let mut byte = [0];
                    msix.load(4096, &mut byte);
                    prop_assert_eq!(byte[0] >> n & 1 == 1, vector.pending);
                }
            }
        }
    }
}
