//! What a guest says of its memory (virtio 1.2, 5.5.6.3).

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::numbers::STATISTIC_BYTES;

/// The guest's memory, by its own account. What it did not say is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuestMemory {
    /// Bytes that were swapped in.
    pub swapped_in: Option<u64>,
    /// Bytes that were swapped out.
    pub swapped_out: Option<u64>,
    /// Page faults that took a read from a disk.
    pub major_faults: Option<u64>,
    /// Those that did not.
    pub minor_faults: Option<u64>,
    /// Bytes that are used for nothing.
    pub free: Option<u64>,
    /// Bytes of all memory.
    pub total: Option<u64>,
    /// Bytes that programs could get without swapping.
    pub available: Option<u64>,
    /// Bytes that hold parts of files.
    pub caches: Option<u64>,
}

impl GuestMemory {
    /// What `report` says: pairs of a tag and a value. What is not known, or not whole, is left aside.
    pub(super) fn of(report: &[u8]) -> Self {
        let mut all = Self::default();
        for statistic in report.chunks_exact(STATISTIC_BYTES) {
            let (tag, value) = statistic.split_at(2);
            let into = match u16::from_le_bytes([tag[0], tag[1]]) {
                0 => &mut all.swapped_in,
                1 => &mut all.swapped_out,
                2 => &mut all.major_faults,
                3 => &mut all.minor_faults,
                4 => &mut all.free,
                5 => &mut all.total,
                6 => &mut all.available,
                7 => &mut all.caches,
                _ => continue,
            };
            let value = u64::from_le_bytes(value.try_into().expect("ten bytes less two"));
            // A guest that does not know says so with ones.
            *into = (value != u64::MAX).then_some(value);
        }
        all
    }
}

/// A report, and when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What it says.
    pub memory: GuestMemory,
    /// When it came.
    pub at: Instant,
}

/// The reports of one device.
#[derive(Default)]
pub(super) struct Reports {
    state: Mutex<(u64, Option<Told>)>,
    changed: Condvar,
}

impl Reports {
    /// How many have come.
    pub(super) fn count(&self) -> u64 {
        self.lock().0
    }

    /// One has come.
    pub(super) fn note(&self, memory: GuestMemory) {
        let mut state = self.lock();
        *state = (
            state.0 + 1,
            Some(Told {
                memory,
                at: Instant::now(),
            }),
        );
        self.changed.notify_all();
    }

    /// Those that have come are of a guest that is gone.
    pub(super) fn forget(&self) {
        self.lock().1 = None;
    }

    /// The last one, when there are more than `before`, or `patience` is over.
    pub(super) fn wait(&self, before: u64, patience: Duration) -> Option<Told> {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), patience, |state| state.0 <= before);
        waited.expect(UNPOISONED).0.1
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Option<Told>)> {
        self.state.lock().expect(UNPOISONED)
    }
}

const UNPOISONED: &str = "nothing panics with reports locked";
