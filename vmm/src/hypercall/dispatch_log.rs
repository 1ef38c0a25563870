//! The dispatch trace log: a ring of entries, one for each wait of a kind that the guest asks for (LoPAR, Logical
//! Partitioning Option, 11.1.2).

use crate::memory::GuestRam;

/// Bytes of an entry.
const ENTRY: u64 = 48;

/// Offsets in the virtual processor area, in bytes.
mod vpa {
    /// Which waits are logged.
    pub(super) const ENABLED: u64 = 0xb8;
    /// In it: those that the guest began itself. (The other kinds do not happen here: processors have
    /// no time slices, and guest memory is never paged out under them.)
    pub(super) const VOLUNTARY: u8 = 1;
    /// Number of entries ever made.
    pub(super) const INDEX: u64 = 0x218;
}

/// Offsets in an entry, in bytes.
mod entry {
    pub(super) const DISPATCH_REASON: usize = 0x00;
    pub(super) const PREEMPT_REASON: usize = 0x01;
    pub(super) const WAITING_TO_READY: usize = 0x0c;
    pub(super) const TIMEBASE: usize = 0x10;
}

/// How a wait began, as the preemption reason tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// With `H_CEDE`.
    Ceded = 2,
    /// With `H_CONFER`.
    Conferred = 3,
}

/// A registered log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DispatchLog {
    at: u64,
    entries: u64,
}

impl DispatchLog {
    /// The log in the `bytes` bytes at `at`, which has room for an entry at least.
    pub(super) fn new(at: u64, bytes: u64) -> Self {
        Self {
            at,
            entries: bytes / ENTRY,
        }
    }

    /// Adds an entry for a wait from `began` to `ended` (time base), if the area at `vpa` asks for it.
    /// `None`: the areas do not lie in RAM.
    pub(super) fn note(&self, ram: &GuestRam, vpa: u64, wait: Wait, began: u64, ended: u64) -> Option<()> {
        /// The processor goes on at its next instruction, for its own time.
        const OWN_TIME: u8 = 7;
        let [enabled] = ram.read(vpa + vpa::ENABLED)?;
        if enabled & vpa::VOLUNTARY == 0 {
            return Some(());
        }
        let mut bytes = [0; ENTRY as usize];
        bytes[entry::DISPATCH_REASON] = OWN_TIME;
        bytes[entry::PREEMPT_REASON] = wait as u8;
        let waited = u32::try_from(ended - began).unwrap_or(u32::MAX);
        bytes[entry::WAITING_TO_READY..][..4].copy_from_slice(&waited.to_be_bytes());
        bytes[entry::TIMEBASE..][..8].copy_from_slice(&ended.to_be_bytes());
        let index = u64::from_be_bytes(ram.read(vpa + vpa::INDEX)?);
        ram.write(self.at + index % self.entries * ENTRY, &bytes)?;
        ram.write(vpa + vpa::INDEX, &index.wrapping_add(1).to_be_bytes())
    }
}
