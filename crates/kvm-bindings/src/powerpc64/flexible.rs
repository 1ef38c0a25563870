//! Safe access to structures that end in an array of any length.

use vmm_sys_util::fam::{FamStruct, FamStructWrapper};
use vmm_sys_util::generate_fam_struct_impl;

use super::{kvm_irq_routing, kvm_irq_routing_entry};

/// The most routes that the kernel takes: `KVM_MAX_IRQ_ROUTES` in include/linux/kvm_host.h.
pub const KVM_MAX_IRQ_ROUTES: usize = 4096;

generate_fam_struct_impl!(
    kvm_irq_routing,
    kvm_irq_routing_entry,
    entries,
    u32,
    nr,
    KVM_MAX_IRQ_ROUTES
);

/// A [`kvm_irq_routing`] with its entries.
pub type KvmIrqRouting = FamStructWrapper<kvm_irq_routing>;
