//! The byte that keeps a vCPU from entering the guest, from any thread.

use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use kvm_bindings::kvm_run;
use kvm_ioctls::VcpuFd;
use memmap2::{MmapOptions, MmapRaw};

/// The `immediate_exit` of one vCPU, for any thread: while it is set, `run` finishes what the last exit has left to
/// do and returns `EINTR` without entering the guest.
///
/// A vCPU that is in the guest already does not look at it: send its thread a signal afterwards.
///
/// This maps the page that the vCPU shares with the kernel once more, for itself, so it may outlive the `VcpuFd`; the
/// kernel keeps the vCPU and its machine as long as one of these is there. The `VcpuFd` has a mapping at another
/// address, and its `set_kvm_immediate_exit` is not to be used besides.
#[derive(Clone, Debug)]
pub struct ImmediateExit {
    page: Arc<MmapRaw>,
}

impl ImmediateExit {
    pub(crate) fn new(vcpu: &VcpuFd) -> io::Result<Self> {
        let page = MmapOptions::new().len(size_of::<kvm_run>()).map_raw(vcpu.as_raw_fd())?;
        Ok(Self { page: Arc::new(page) })
    }

    /// Keeps the vCPU out of the guest from now on. Sequentially consistent: it comes before a signal sent after it.
    pub fn set(&self) {
        self.byte().store(1, Ordering::SeqCst);
    }

    /// Lets the vCPU enter again. What whoever set it had stored before is visible afterwards.
    pub fn clear(&self) {
        // Not a store: only who reads the 1 is behind the one who wrote it.
        self.byte().swap(0, Ordering::SeqCst);
    }

    fn byte(&self) -> &AtomicU8 {
        let byte = self.page.as_mut_ptr().wrapping_add(offset_of!(kvm_run, immediate_exit));
        // SAFETY: the mapping has a whole `kvm_run`, can be written, and lives as long as `self`. In this process it
        // is reached only here, atomically; the kernel only reads the byte.
        unsafe { AtomicU8::from_ptr(byte) }
    }
}
