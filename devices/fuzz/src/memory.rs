//! Guest memory that knows where a device may write.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use devices::dma::{BadAddress, Dma, DmaError};

/// Bus address of its first byte.
pub const BASE: u64 = 0x10_0000;

/// Guest memory.
pub struct Memory(Mutex<State>);

struct State {
    bytes: Vec<u8>,
    /// For each byte whether a device may write it.
    is_writable: Vec<bool>,
    /// Whether devices may come here at all.
    is_open: bool,
}

impl Memory {
    /// So many bytes, all zero, of which no device may write any.
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            bytes: vec![0; bytes],
            is_writable: vec![false; bytes],
            is_open: true,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("a fuzzer ends with the first panic")
    }

    /// From here on a device may write there, as far as there is memory, or may not.
    pub fn permit(&self, range: Range<u64>, may: bool) {
        let mut state = self.lock();
        let end = state.bytes.len() as u64;
        let index = |at: u64| at.saturating_sub(BASE).min(end) as usize;
        let range = index(range.start)..index(range.end);
        if range.start < range.end {
            state.is_writable[range].fill(may);
        }
    }

    /// From here on devices may come here, or may not.
    pub fn open(&self, is_open: bool) {
        self.lock().is_open = is_open;
    }

    /// The guest stores `from`, as far as there is memory for all of it.
    pub fn set(&self, at: u64, from: &[u8]) {
        let mut state = self.lock();
        if let Some(place) = state.place(at, from.len()) {
            state.bytes[place].copy_from_slice(from);
        }
    }

    /// What the guest finds; `None` where there is no memory.
    pub fn get<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let state = self.lock();
        let place = state.place(at, N)?;
        state.bytes[place].first_chunk().copied()
    }

    /// A word of the rings.
    pub fn get_u16(&self, at: u64) -> u16 {
        u16::from_le_bytes(self.get(at).expect("rings lie in memory"))
    }

    /// The other one.
    pub fn get_u32(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.get(at).expect("rings lie in memory"))
    }
}

impl State {
    fn place(&self, at: u64, bytes: usize) -> Option<Range<usize>> {
        let start = usize::try_from(at.checked_sub(BASE)?).ok()?;
        let end = start.checked_add(bytes)?;
        (end <= self.bytes.len()).then_some(start..end)
    }
}

impl Dma for Memory {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), DmaError> {
        let state = self.lock();
        assert!(state.is_open, "a device reads at {at:#x}, and may use no memory");
        let bytes = into.len() as u64;
        let place = state.place(at, into.len()).ok_or(BadAddress { at, bytes })?;
        into.copy_from_slice(&state.bytes[place]);
        Ok(())
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), DmaError> {
        let mut state = self.lock();
        assert!(state.is_open, "a device writes at {at:#x}, and may use no memory");
        let bytes = from.len() as u64;
        let place = state.place(at, from.len()).ok_or(BadAddress { at, bytes })?;
        if let Some(which) = state.is_writable[place.clone()].iter().position(|may| !may) {
            panic!("a device writes to {:#x}, which nobody gave it", at + which as u64);
        }
        state.bytes[place].copy_from_slice(from);
        Ok(())
    }
}
