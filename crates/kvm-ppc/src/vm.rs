//! A virtual machine's part.

use std::ffi::c_char;
use std::mem;
use std::sync::Arc;

use kvm_bindings::{
    KVM_CAP_PPC_ENABLE_HCALL, KVM_MEM_LOG_DIRTY_PAGES, kvm_enable_cap, kvm_irq_level, kvm_irq_level__bindgen_ty_1,
    kvm_ppc_cpu_char, kvm_ppc_smmu_info, kvm_rtas_token_args, kvm_userspace_memory_region,
};
use kvm_ioctls::{Error, VmFd};
use vmm_sys_util::ioctl::{ioctl_with_mut_ref, ioctl_with_ref};

use crate::{INVALID, KvmMemory, Result, checked, requests};

/// What `VmFd` lacks.
pub trait PpcVm {
    /// Page and segment sizes that guests may use, and the number of SLB entries. Some of it is known only once a
    /// vCPU exists: `KVM_PPC_GET_SMMU_INFO`.
    fn smmu_info(&self) -> Result<kvm_ppc_smmu_info>;

    /// What the host's processors do ahead of what they may, and what a guest should do about it, as far as the kernel
    /// knows: `KVM_PPC_GET_CPU_CHAR`.
    fn cpu_char(&self) -> Result<kvm_ppc_cpu_char>;

    /// Whether the kernel answers hypercall `number` itself; otherwise each is an exit. The kernel refuses numbers
    /// that it has no code for: `KVM_CAP_PPC_ENABLE_HCALL`.
    fn enable_hcall(&self, number: u64, in_kernel: bool) -> Result<()>;

    /// Makes `memory` the guest's memory from real address `real` on, in slot `slot`: `KVM_SET_USER_MEMORY_REGION`.
    ///
    /// The mapping stays until the process ends, as the kernel goes on using its addresses for as long as the machine is there.
    fn add_memory(&self, slot: u32, real: u64, memory: &Arc<KvmMemory>) -> Result<()>;

    /// Begins to note the pages of the host that the guest stores to in `memory`, which is in slot `slot` from real address `real` on, or ends
    /// it; `VmFd::get_dirty_log` says which: `KVM_SET_USER_MEMORY_REGION`, `KVM_MEM_LOG_DIRTY_PAGES`.
    fn log_stores(&self, slot: u32, real: u64, memory: &Arc<KvmMemory>, on: bool) -> Result<()>;

    /// Lets the kernel's interrupt controller serve the RTAS call `name` under `token`; token 0 takes the name away.
    /// A name of more than 119 bytes is `EINVAL`: `KVM_PPC_RTAS_DEFINE_TOKEN`.
    fn rtas_define_token(&self, name: &str, token: u64) -> Result<()>;

    /// Sets the line of interrupt source `source` of the kernel's interrupt controller: `KVM_IRQ_LINE`.
    fn irq_line(&self, source: u32, high: bool) -> Result<()>;
}

impl PpcVm for VmFd {
    fn smmu_info(&self) -> Result<kvm_ppc_smmu_info> {
        let mut info = kvm_ppc_smmu_info::default();
        // SAFETY: the number names the type that the kernel writes, and `info` is one, for any bits.
        let answer = unsafe { ioctl_with_mut_ref(self, requests::KVM_PPC_GET_SMMU_INFO(), &mut info) };
        checked(answer).map(|_| info)
    }

    fn cpu_char(&self) -> Result<kvm_ppc_cpu_char> {
        let mut char = kvm_ppc_cpu_char::default();
        // SAFETY: the number names the type that the kernel writes, and `char` is one, for any bits.
        let answer = unsafe { ioctl_with_mut_ref(self, requests::KVM_PPC_GET_CPU_CHAR(), &mut char) };
        checked(answer).map(|_| char)
    }

    fn enable_hcall(&self, number: u64, in_kernel: bool) -> Result<()> {
        self.enable_cap(&kvm_enable_cap {
            cap: KVM_CAP_PPC_ENABLE_HCALL,
            args: [number, in_kernel.into(), 0, 0],
            ..Default::default()
        })
    }

    fn add_memory(&self, slot: u32, real: u64, memory: &Arc<KvmMemory>) -> Result<()> {
        // Never taken back, so that nothing else is ever mapped there.
        mem::forget(Arc::clone(memory));
        let region = region(slot, real, memory);
        // SAFETY: all of the region is one mapping, which stays for good (above) and is KVM's alone, so no reference points
        // there; what reaches the same memory elsewhere must expect the guest's accesses, as `KvmMemory::new` says.
        unsafe { self.set_user_memory_region(region) }
    }

    fn log_stores(&self, slot: u32, real: u64, memory: &Arc<KvmMemory>, on: bool) -> Result<()> {
        // Should the slot be new, as with `add_memory`.
        mem::forget(Arc::clone(memory));
        let region = kvm_userspace_memory_region {
            flags: if on { KVM_MEM_LOG_DIRTY_PAGES } else { 0 },
            ..region(slot, real, memory)
        };
        // SAFETY: as in `add_memory`; only the flags differ.
        unsafe { self.set_user_memory_region(region) }
    }

    fn rtas_define_token(&self, name: &str, token: u64) -> Result<()> {
        let mut args = kvm_rtas_token_args {
            token,
            ..Default::default()
        };
        // The kernel wants a zero at the end.
        if name.len() >= args.name.len() {
            return Err(Error::new(INVALID));
        }
        for (to, from) in args.name.iter_mut().zip(name.bytes()) {
            *to = from as c_char;
        }
        // SAFETY: the number names the type that the kernel reads, and `args` is one.
        let answer = unsafe { ioctl_with_ref(self, requests::KVM_PPC_RTAS_DEFINE_TOKEN(), &args) };
        checked(answer).map(drop)
    }

    fn irq_line(&self, source: u32, high: bool) -> Result<()> {
        let line = kvm_irq_level {
            __bindgen_anon_1: kvm_irq_level__bindgen_ty_1 { irq: source },
            level: high.into(),
        };
        // SAFETY: the number names the type that the kernel reads, and `line` is one.
        let answer = unsafe { ioctl_with_ref(self, requests::KVM_IRQ_LINE(), &line) };
        checked(answer).map(drop)
    }
}

fn region(slot: u32, real: u64, memory: &KvmMemory) -> kvm_userspace_memory_region {
    kvm_userspace_memory_region {
        slot,
        guest_phys_addr: real,
        memory_size: memory.size(),
        userspace_addr: memory.host_address(),
        ..Default::default()
    }
}
