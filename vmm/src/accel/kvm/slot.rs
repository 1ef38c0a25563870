//! Guest memory's slot: what KVM maps at which real address.

use std::sync::Arc;

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{Error, VmFd};
use kvm_ppc::KvmMemory;

use super::shared::Shared;

/// The only one.
const NUMBER: u32 = 0;

/// Gives the guest the memory of `shared`, from real address 0. The slot stays as long as the guest does: were it taken away before
/// the memory, old shadows would lead to whatever comes there.
pub(super) fn fill(vm: &VmFd, shared: &Arc<Shared>) -> Result<(), Error> {
    let memory: &KvmMemory = &shared.memory;
    let slot = kvm_userspace_memory_region {
        slot: NUMBER,
        guest_phys_addr: 0,
        memory_size: memory.size(),
        userspace_addr: memory.host_address(),
        flags: 0,
    };
    // SAFETY: the mapping is the kernel's alone, and whole. The guest reaches it when one of its processors runs; each of these
    // holds `shared` (`KvmProcessor`), and with it the mapping.
    unsafe { vm.set_user_memory_region(slot) }
}
