//! Guest memory that knows where a device may write.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use devices::dma::{BadAddress, Dma, DmaError};

/// Bus address of its first byte.
pub const BASE: u64 = 0x10_0000;
/// Its size.
pub const BYTES: usize = 1 << 18;

/// Guest memory.
pub struct Memory {
    state: Mutex<State>,
}

struct State {
    bytes: Vec<u8>,
    /// Where a device may write.
    writable: Vec<Range<u64>>,
}

impl Memory {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                bytes: vec![0; BYTES],
                writable: Vec::new(),
            }),
        })
    }

    /// From here on a device may write there.
    pub fn permit(&self, range: Range<u64>) {
        self.state.lock().unwrap().writable.push(range);
    }

    /// The guest stores `from`, as far as there is memory.
    pub fn set(&self, at: u64, from: &[u8]) {
        if let Some(place) = place(at, from.len()) {
            self.state.lock().unwrap().bytes[place].copy_from_slice(from);
        }
    }

    /// What the guest finds.
    pub fn get_u16(&self, at: u64) -> u16 {
        let bytes = &self.state.lock().unwrap().bytes;
        u16::from_le_bytes(*bytes[(at - BASE) as usize..].first_chunk().unwrap())
    }
}

fn place(at: u64, bytes: usize) -> Option<Range<usize>> {
    let start = usize::try_from(at.checked_sub(BASE)?).ok()?;
    let end = start.checked_add(bytes)?;
    (end <= BYTES).then_some(start..end)
}

impl Dma for Memory {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), DmaError> {
        let bytes = into.len() as u64;
        let place = place(at, into.len()).ok_or(BadAddress { at, bytes })?;
        into.copy_from_slice(&self.state.lock().unwrap().bytes[place]);
        Ok(())
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), DmaError> {
        let bytes = from.len() as u64;
        let place = place(at, from.len()).ok_or(BadAddress { at, bytes })?;
        let mut state = self.state.lock().unwrap();
        let mut next = at;
        while next < at + bytes {
            let reached = state
                .writable
                .iter()
                .filter(|range| range.contains(&next))
                .map(|range| range.end)
                .max();
            next = reached.unwrap_or_else(|| panic!("the device writes to {next:#x}, which nobody gave it"));
        }
        state.bytes[place].copy_from_slice(from);
        Ok(())
    }
}
