//! Memory slots: what KVM maps at which real address.

use std::sync::Arc;

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{Error, VmFd};

use super::shared::Shared;

/// Gives the guest its memory, from real address 0, and the page of errands. The slots stay as long as the guest does: were one taken
/// away before the memory behind it, old shadows would lead to whatever comes there.
pub(super) fn fill(vm: &VmFd, shared: &Arc<Shared>) -> Result<(), Error> {
    let (errands, real) = shared.errands.place();
    let slots = [
        (0, shared.memory.host_address(), shared.memory.size()),
        (real, errands.as_ptr().expose_provenance() as u64, errands.size() as u64),
    ];
    for (slot, (guest_phys_addr, userspace_addr, memory_size)) in (0..).zip(slots) {
        let slot = kvm_userspace_memory_region {
            slot,
            guest_phys_addr,
            memory_size,
            userspace_addr,
            flags: 0,
        };
        // SAFETY: the mapping is whole, and nobody in this process relies on what it holds. The guest reaches it when one of its
        // processors runs; each of these holds `shared` (`KvmProcessor`), and with it the mapping.
        unsafe { vm.set_user_memory_region(slot) }?;
    }
    Ok(())
}
