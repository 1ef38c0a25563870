//! What all processors of a guest under KVM share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hpt::{Current, Shootdown};
use kvm_ppc::KvmMemory;

use super::errand::Errands;
use crate::accel::Partition;

/// What all processors share.
pub(super) struct Shared {
    /// The table that the kernel walks.
    pub(super) table: Arc<Current>,
    /// Their seats.
    pub(super) shootdown: Arc<Shootdown>,
    /// Their modes.
    pub(super) modes: Arc<Modes>,
    /// Guest memory as the kernel has it.
    pub(super) memory: Arc<KvmMemory>,
    /// What processors do for us inside the guest.
    pub(super) errands: Errands,
}

/// The modes. Each processor takes them over when it enters the guest: a register of KVM's can be set only while its processor is
/// outside.
pub(super) struct Modes {
    lpcr: AtomicU64,
    /// Held while a part of LPCR is changed.
    changing: Mutex<()>,
    memory: Arc<KvmMemory>,
}

impl Modes {
    /// Those after a start.
    pub(super) fn new(memory: Arc<KvmMemory>) -> Self {
        Self {
            lpcr: AtomicU64::new(0),
            changing: Mutex::new(()),
            memory,
        }
    }
}

impl Partition for Modes {
    fn lpcr(&self) -> u64 {
        self.lpcr.load(Ordering::Acquire)
    }

    fn change_lpcr(&self, mask: u64, value: u64) {
        let _changing = self.changing.lock().expect("nothing panics while LPCR is changed");
        self.lpcr.store((self.lpcr() & !mask) | (value & mask), Ordering::Release);
    }

    fn timebase(&self) -> u64 {
        kvm_ppc::timebase()
    }

    fn wrote(&self, real: u64, bytes: u64) {
        self.memory.synchronize_instructions(real..real.saturating_add(bytes));
    }
}
