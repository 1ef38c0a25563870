//! Guest memory that knows where a device may write.
//!
//! An input's memory is the next one's, with what was used of it put back: new memory takes longer than most inputs.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use devices::dma::{BadAddress, Dma, DmaError};

use crate::blank::Blank;

/// Bus address of its first byte.
pub const BASE: u64 = 0x10_0000;

/// Guest memory.
pub struct Memory(Mutex<State>);

struct State {
    bytes: Blank<u8>,
    /// For each byte whether a device may write it.
    is_writable: Blank<bool>,
    /// Whether devices may come here at all.
    is_open: bool,
}

thread_local! {
    /// What the last memory was made of.
    static SPARE: RefCell<Option<(Blank<u8>, Blank<bool>)>> = const { RefCell::new(None) };
}

impl Memory {
    /// So many bytes, all zero, of which no device may write any.
    pub fn new(bytes: usize) -> Arc<Self> {
        let spare = SPARE.take().filter(|(spare, _)| spare.all().len() == bytes);
        let (bytes, is_writable) = spare.unwrap_or_else(|| (Blank::new(bytes, 0), Blank::new(bytes, false)));
        Arc::new(Self(Mutex::new(State {
            bytes,
            is_writable,
            is_open: true,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("a fuzzer ends with the first panic")
    }

    /// From here on a device may write there, as far as there is memory, or may not.
    pub fn permit(&self, range: Range<u64>, may: bool) {
        let mut state = self.lock();
        let end = state.bytes.all().len() as u64;
        let index = |at: u64| at.saturating_sub(BASE).min(end) as usize;
        let range = index(range.start)..index(range.end);
        if range.start < range.end {
            state.is_writable.change(range).fill(may);
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
            state.bytes.change(place).copy_from_slice(from);
        }
    }

    /// What the guest finds; `None` where there is no memory.
    pub fn get<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let state = self.lock();
        let place = state.place(at, N)?;
        state.bytes.all()[place].first_chunk().copied()
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
        (end <= self.bytes.all().len()).then_some(start..end)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // After a panic, the first, nothing is used again.
        let Ok(state) = self.0.get_mut() else { return };
        let bytes = std::mem::replace(&mut state.bytes, Blank::new(0, 0)).wiped();
        let is_writable = std::mem::replace(&mut state.is_writable, Blank::new(0, false)).wiped();
        SPARE.set(Some((bytes, is_writable)));
    }
}

impl Dma for Memory {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), DmaError> {
        let state = self.lock();
        assert!(state.is_open, "a device reads at {at:#x}, and may use no memory");
        let bytes = into.len() as u64;
        let place = state.place(at, into.len()).ok_or(BadAddress { at, bytes })?;
        into.copy_from_slice(&state.bytes.all()[place]);
        Ok(())
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), DmaError> {
        let mut state = self.lock();
        assert!(state.is_open, "a device writes at {at:#x}, and may use no memory");
        let bytes = from.len() as u64;
        let place = state.place(at, from.len()).ok_or(BadAddress { at, bytes })?;
        let may = &state.is_writable.all()[place.clone()];
        // All of them, as that is quicker than to stop at the first.
        if !may.iter().fold(true, |all, may| all & may) {
            let which = may.iter().position(|may| !may).unwrap_or_default();
            panic!("a device writes to {:#x}, which nobody gave it", at + which as u64);
        }
        state.bytes.change(place).copy_from_slice(from);
        Ok(())
    }
}
