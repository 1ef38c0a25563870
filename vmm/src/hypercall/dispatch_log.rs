//! The dispatch trace log: a ring of entries, one for each wait of a kind that the guest asks for (LoPAR, Logical
//! Partitioning Option, 11.1.2).

use std::ops::AddAssign;

use crate::memory::GuestRam;

/// Bytes of an entry.
const ENTRY: u64 = 48;

/// Offsets in the virtual processor area, in bytes.
mod vpa {
    /// Which waits are logged.
    pub(super) const ENABLED: u64 = 0xb8;
    /// In it: those that the guest began itself.
    pub(super) const VOLUNTARY: u8 = 1;
    /// In it: those at the end of a time slice. (The third kind does not happen here: guest memory is never paged out
    /// under a processor.)
    pub(super) const PREEMPTED: u8 = 2;
    /// Number of entries ever made.
    pub(super) const INDEX: u64 = 0x218;
}

/// Offsets in an entry, in bytes.
mod entry {
    pub(super) const DISPATCH_REASON: usize = 0x00;
    pub(super) const PREEMPT_REASON: usize = 0x01;
    pub(super) const READY_TO_DISPATCHED: usize = 0x04;
    pub(super) const WAITING_TO_READY: usize = 0x0c;
    pub(super) const TIMEBASE: usize = 0x10;
}

/// How a wait began, as the preemption reason tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// With `H_CEDE`.
    Ceded = 2,
    /// With `H_CONFER`.
    Conferred = 3,
    /// With the end of the processor's turn.
    Preempted = 4,
}

impl Wait {
    /// The bit of [`vpa::ENABLED`] by which a guest asks for its kind.
    fn kind(self) -> u8 {
        match self {
            Self::Ceded | Self::Conferred => vpa::VOLUNTARY,
            Self::Preempted => vpa::PREEMPTED,
        }
    }
}

/// A wait of a processor. Times are those of the time base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waited {
    wait: Wait,
    began: u64,
    /// When it was first seen that the processor could run again.
    ready: Option<u64>,
}

impl Waited {
    /// A wait that begins now. A processor that is preempted could run all the time.
    pub(crate) fn since(now: u64, wait: Wait) -> Self {
        Self {
            wait,
            began: now,
            ready: (wait == Wait::Preempted).then_some(now),
        }
    }

    /// The processor could run now.
    pub(crate) fn note_ready(&mut self, now: u64) {
        self.ready.get_or_insert(now);
    }

    /// Its parts, if it is over at `now`.
    pub(super) fn intervals(&self, now: u64) -> Intervals {
        let ready = self.ready.unwrap_or(now);
        Intervals {
            waiting_to_ready: ready.saturating_sub(self.began),
            ready_to_dispatched: now.saturating_sub(ready),
        }
    }

    /// Whether it began in this way.
    pub(crate) fn is(&self, wait: Wait) -> bool {
        self.wait == wait
    }
}

/// The parts of a wait, or sums of them, in time base ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Intervals {
    /// Until the processor could run again.
    pub(super) waiting_to_ready: u64,
    /// From then until it did.
    pub(super) ready_to_dispatched: u64,
}

impl AddAssign for Intervals {
    fn add_assign(&mut self, more: Self) {
        self.waiting_to_ready = self.waiting_to_ready.wrapping_add(more.waiting_to_ready);
        self.ready_to_dispatched = self.ready_to_dispatched.wrapping_add(more.ready_to_dispatched);
    }
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

    /// Adds an entry for a wait that is over at `now` (time base), if the area at `vpa` asks for it. `None`: the areas
    /// do not lie in RAM.
    ///
    /// A guest takes the time in which a processor could run and did not as stolen from it.
    pub(super) fn note(&self, ram: &GuestRam, vpa: u64, waited: &Waited, now: u64) -> Option<()> {
        /// The processor goes on at its next instruction, for its own time.
        const OWN_TIME: u8 = 7;
        let [enabled] = ram.read(vpa + vpa::ENABLED)?;
        if enabled & waited.wait.kind() == 0 {
            return Some(());
        }
        let mut bytes = [0; ENTRY as usize];
        bytes[entry::DISPATCH_REASON] = OWN_TIME;
        bytes[entry::PREEMPT_REASON] = waited.wait as u8;
        let intervals = waited.intervals(now);
        let mut put = |at: usize, ticks: u64| {
            let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
            bytes[at..][..4].copy_from_slice(&ticks.to_be_bytes());
        };
        put(entry::WAITING_TO_READY, intervals.waiting_to_ready);
        put(entry::READY_TO_DISPATCHED, intervals.ready_to_dispatched);
        bytes[entry::TIMEBASE..][..8].copy_from_slice(&now.to_be_bytes());
        let index = u64::from_be_bytes(ram.read(vpa + vpa::INDEX)?);
        ram.write(self.at + index % self.entries * ENTRY, &bytes)?;
        ram.write(vpa + vpa::INDEX, &index.wrapping_add(1).to_be_bytes())
    }
}
