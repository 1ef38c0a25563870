//! What the kernel does for those who take guest memory away, withhold it, or want to know who stores there.
//!
//! *Taken away.* When memory goes from the file behind it, or a mapping changes, the kernel drops the translations by itself, and a processor that was
//! about to map what has gone looks again.
//!
//! *Stores.* The kernel notes a page of the host when a processor maps it for stores, which it does for each access where the guest may
//! store. It begins without a look at what is mapped already, and when it is asked it copies the log first and clears it last, with
//! processors at work in between. So both are done while none is in the guest, and all drop everything: what one has stored before is in the
//! log, and what it stores later it must map first, which is noted.
//!
//! *Withheld.* Pages of KVM's mapping are absent (`withheld`), which the kernel tells of before it maps them for a processor.
//!
//! Nobody has a say before a store *alone*. The kernel has no userfaultfd write protection on this architecture, and no read-only slots; where the host
//! forbids what the guest's entry permits, KVM-PR tries again without end, and tells nobody where.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use hpt::{Frames, Shadow as _};
use kvm_ioctls::{Error, VmFd};
use kvm_ppc::{PpcVm as _, Slot};

use super::shared::Shared;
#[cfg(feature = "comparisons")]
use super::ways;
use super::wire::KvmWire;
use crate::accel::{KernelMemory, NotWithheld};

/// The guest's RAM as the kernel has it.
pub(super) struct Ram {
    pub(super) vm: Arc<VmFd>,
    pub(super) slot: Slot,
    pub(super) shared: Arc<Shared>,
    pub(super) frames: Arc<Frames>,
    pub(super) wires: Vec<Arc<KvmWire>>,
}

impl Ram {
    /// Does `work` while no processor is in the guest, nor has anything mapped when it enters again.
    fn alone<T>(&self, mut work: impl FnMut() -> Result<T, Error>) -> io::Result<T> {
        let mut done = None;
        self.shared.shootdown.exclusively(&mut || done = Some(work()));
        let done = done.expect("work is done once");
        done.map_err(|error| io::Error::from_raw_os_error(error.errno()))
    }
}

impl KernelMemory for Ram {
    /// Alone: where KVM-PR is about to emulate an instruction whose page goes at that moment, Linux 6.12 gives the guest a program interrupt.
    fn unmap(&self, range: &Range<u64>) {
        #[cfg(feature = "comparisons")]
        if let Some(way) = ways::Way::chosen() {
            return way.unmap(self, range);
        }
        self.shared.shootdown.exclusively(&mut || {
            // Processors drop all that they hold before they go on. What the host refuses here (`mlockall`) is what it would have
            // kept for itself.
            let _ = self.shared.memory.discard(range.clone());
        });
    }

    fn log_stores(&self, on: bool) -> io::Result<()> {
        self.alone(|| self.vm.log_stores(&self.slot, on))
    }

    fn stored(&self) -> io::Result<Vec<u64>> {
        self.alone(|| self.vm.stored(&self.slot))
    }

    /// Alone, as [`Self::unmap`]; and a page that goes while a processor is in the guest could not be told from one that it may have.
    fn withhold(&self, ranges: &[Range<u64>]) -> Result<(), NotWithheld> {
        let Shared {
            memory,
            withheld,
            shootdown,
            ..
        } = &*self.shared;
        let absent = withheld.begin(memory, &self.frames, &self.wires)?;
        let mut done = Ok(());
        shootdown.exclusively(&mut || done = absent.take_away(ranges));
        done
    }

    fn settle(&self, ranges: &[Range<u64>]) -> io::Result<()> {
        self.shared
            .withheld
            .get()
            .map_or(Ok(()), |absent| absent.settle(ranges))
    }
}
