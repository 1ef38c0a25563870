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

/// Memory of a virtual machine.
#[derive(Debug)]
pub struct Slot {
    number: u32,
    real: u64,
    memory: Arc<KvmMemory>,
}

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
    fn add_memory(&self, slot: u32, real: u64, memory: &Arc<KvmMemory>) -> Result<Slot>;

    /// Takes the memory of `slot` from the guest and gives it back at once, as who unmaps by slots does: `KVM_SET_USER_MEMORY_REGION` with
    /// a size of 0, then as before. KVM-PR drops no translation for it; a vCPU that is in the guest meanwhile may find nothing there.
    #[cfg(feature = "comparisons")]
    fn take_and_give_back(&self, slot: &Slot) -> Result<()>;

    /// Begins to note which pages of `slot`, a slot of this machine, are stored to, or ends it: `KVM_SET_USER_MEMORY_REGION`.
    ///
    /// KVM-PR notes a page when it maps it for stores, and drops nothing here: a vCPU that has a page mapped already, or is about to map it,
    /// stores there unnoticed. So every vCPU must be outside the guest, and drop what it has mapped before it enters.
    fn log_stores(&self, slot: &Slot, on: bool) -> Result<()>;

    /// The pages of the host in `slot` that were stored to since the last call: one bit for each, the first in the lowest bit of the first word.
    /// Every vCPU's mapping of them is dropped. `ENOENT` if nobody notes them: `KVM_GET_DIRTY_LOG`.
    ///
    /// KVM-PR copies the log, drops the mappings, and clears the log after that. What is mapped meanwhile is lost: every vCPU must be outside the
    /// guest. It maps a page for stores also when it is only loaded from, if the guest may store there: such pages are in the log, too.
    fn stored(&self, slot: &Slot) -> Result<Vec<u64>>;

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

    fn add_memory(&self, number: u32, real: u64, memory: &Arc<KvmMemory>) -> Result<Slot> {
        // Never taken back, so that nothing else is ever mapped there.
        mem::forget(Arc::clone(memory));
        let slot = Slot {
            number,
            real,
            memory: Arc::clone(memory),
        };
        set(self, &slot, 0).map(|()| slot)
    }

    fn log_stores(&self, slot: &Slot, on: bool) -> Result<()> {
        set(self, slot, if on { KVM_MEM_LOG_DIRTY_PAGES } else { 0 })
    }

    #[cfg(feature = "comparisons")]
    fn take_and_give_back(&self, slot: &Slot) -> Result<()> {
        let nothing = kvm_userspace_memory_region {
            slot: slot.number,
            ..Default::default()
        };
        // SAFETY: the kernel is told of no memory. What it goes on using of the old stays mapped for good (`add_memory`).
        unsafe { self.set_user_memory_region(nothing) }?;
        set(self, slot, 0)
    }

    fn stored(&self, slot: &Slot) -> Result<Vec<u64>> {
        let mut words = self.get_dirty_log(slot.number, slot.memory.size() as usize)?;
        for word in &mut words {
            // In this order on any host.
            *word = u64::from_le(*word);
        }
        Ok(words)
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

/// Gives `vm` the memory of `slot`, which [`PpcVm::add_memory`] has kept, or changes the flags of that.
fn set(vm: &VmFd, slot: &Slot, flags: u32) -> Result<()> {
    let region = kvm_userspace_memory_region {
        slot: slot.number,
        flags,
        guest_phys_addr: slot.real,
        memory_size: slot.memory.size(),
        userspace_addr: slot.memory.host_address(),
    };
    // SAFETY: all of the region is one mapping, which stays for good (`add_memory`) and is KVM's alone, so no reference points
    // there; what reaches the same memory elsewhere must expect the guest's accesses, as `KvmMemory::new` says.
    unsafe { vm.set_user_memory_region(region) }
}
