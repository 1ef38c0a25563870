//! What is compared. Headers of Linux 6.1 have all of it.

use std::mem::offset_of;

use kvm_bindings::*;
use vmm_sys_util::{ioctl_io_nr, ioctl_ior_nr, ioctl_iow_nr, ioctl_iowr_nr};

use crate::{Fact, requests};

// What `kvm-ioctls` uses on powerpc64 and keeps to itself, declared as it does.
ioctl_io_nr!(KVM_GET_API_VERSION, KVMIO, 0x00);
ioctl_io_nr!(KVM_CREATE_VM, KVMIO, 0x01);
ioctl_io_nr!(KVM_CHECK_EXTENSION, KVMIO, 0x03);
ioctl_io_nr!(KVM_GET_VCPU_MMAP_SIZE, KVMIO, 0x04);
ioctl_io_nr!(KVM_CREATE_VCPU, KVMIO, 0x41);
ioctl_iow_nr!(KVM_GET_DIRTY_LOG, KVMIO, 0x42, kvm_dirty_log);
ioctl_iow_nr!(KVM_SET_USER_MEMORY_REGION, KVMIO, 0x46, kvm_userspace_memory_region);
ioctl_iow_nr!(KVM_REGISTER_COALESCED_MMIO, KVMIO, 0x67, kvm_coalesced_mmio_zone);
ioctl_iow_nr!(KVM_IOEVENTFD, KVMIO, 0x79, kvm_ioeventfd);
ioctl_io_nr!(KVM_RUN, KVMIO, 0x80);
ioctl_ior_nr!(KVM_GET_REGS, KVMIO, 0x81, kvm_regs);
ioctl_iow_nr!(KVM_GET_ONE_REG, KVMIO, 0xab, kvm_one_reg);
ioctl_iow_nr!(KVM_SET_ONE_REG, KVMIO, 0xac, kvm_one_reg);
ioctl_iowr_nr!(KVM_CREATE_DEVICE, KVMIO, 0xe0, kvm_create_device);
ioctl_iow_nr!(KVM_SET_DEVICE_ATTR, KVMIO, 0xe1, kvm_device_attr);
ioctl_iow_nr!(KVM_GET_DEVICE_ATTR, KVMIO, 0xe2, kvm_device_attr);
ioctl_iow_nr!(KVM_HAS_DEVICE_ATTR, KVMIO, 0xe3, kvm_device_attr);

macro_rules! numbers {
    ($($name:path => $c:ident),* $(,)?) => { [$(Fact { c: stringify!($c), ours: $name() }),*] };
}

macro_rules! constants {
    ($($name:ident),* $(,)?) => { [$(Fact { c: stringify!($name), ours: u64::from($name) }),*] };
}

macro_rules! sizes {
    ($($name:ident),* $(,)?) => {
        [$(Fact { c: concat!("sizeof(struct ", stringify!($name), ")"), ours: size_of::<$name>() as u64 }),*]
    };
}

/// Fields as C names them; those inside of what has no name in C are followed by what they are here.
macro_rules! fields {
    ($($name:ident { $($($field:ident).+ $(= $($ours:ident).+)?),* $(,)? })*) => {
        [$($(Fact {
            c: concat!("offsetof(struct ", stringify!($name), ", ", stringify!($($field).+), ")"),
            ours: fields!(@ $name, $($field).+ $(, $($ours).+)?) as u64,
        }),*),*]
    };
    (@ $name:ident, $($field:ident).+) => { offset_of!($name, $($field).+) };
    (@ $name:ident, $($field:ident).+, $($ours:ident).+) => { offset_of!($name, $($ours).+) };
}

/// All of it.
pub fn all() -> Vec<Fact> {
    let mut all: Vec<Fact> = of_ioctls().into();
    all.extend(of_sizes());
    all.extend(of_fields());
    all.extend(of_constants());
    all
}

fn of_ioctls() -> [Fact; 27] {
    numbers! {
        KVM_GET_API_VERSION => KVM_GET_API_VERSION,
        KVM_CREATE_VM => KVM_CREATE_VM,
        KVM_CHECK_EXTENSION => KVM_CHECK_EXTENSION,
        KVM_GET_VCPU_MMAP_SIZE => KVM_GET_VCPU_MMAP_SIZE,
        KVM_CREATE_VCPU => KVM_CREATE_VCPU,
        KVM_GET_DIRTY_LOG => KVM_GET_DIRTY_LOG,
        KVM_SET_USER_MEMORY_REGION => KVM_SET_USER_MEMORY_REGION,
        KVM_REGISTER_COALESCED_MMIO => KVM_REGISTER_COALESCED_MMIO,
        KVM_IOEVENTFD => KVM_IOEVENTFD,
        KVM_RUN => KVM_RUN,
        KVM_GET_REGS => KVM_GET_REGS,
        KVM_GET_ONE_REG => KVM_GET_ONE_REG,
        KVM_SET_ONE_REG => KVM_SET_ONE_REG,
        KVM_CREATE_DEVICE => KVM_CREATE_DEVICE,
        KVM_SET_DEVICE_ATTR => KVM_SET_DEVICE_ATTR,
        KVM_GET_DEVICE_ATTR => KVM_GET_DEVICE_ATTR,
        KVM_HAS_DEVICE_ATTR => KVM_HAS_DEVICE_ATTR,
        requests::KVM_IRQ_LINE => KVM_IRQ_LINE,
        requests::KVM_SET_REGS => KVM_SET_REGS,
        requests::KVM_GET_SREGS => KVM_GET_SREGS,
        requests::KVM_SET_SREGS => KVM_SET_SREGS,
        requests::KVM_INTERRUPT => KVM_INTERRUPT,
        requests::KVM_SET_ONE_REG => KVM_SET_ONE_REG,
        requests::KVM_ENABLE_CAP => KVM_ENABLE_CAP,
        requests::KVM_PPC_GET_SMMU_INFO => KVM_PPC_GET_SMMU_INFO,
        requests::KVM_PPC_GET_CPU_CHAR => KVM_PPC_GET_CPU_CHAR,
        requests::KVM_PPC_RTAS_DEFINE_TOKEN => KVM_PPC_RTAS_DEFINE_TOKEN,
    }
}

fn of_sizes() -> impl IntoIterator<Item = Fact> {
    sizes! {
        kvm_run, kvm_regs, kvm_sregs, kvm_fpu, kvm_one_reg, kvm_interrupt, kvm_enable_cap, kvm_guest_debug,
        kvm_guest_debug_arch, kvm_debug_exit_arch, kvm_sync_regs, kvm_userspace_memory_region, kvm_dirty_log,
        kvm_ppc_smmu_info, kvm_ppc_one_seg_page_size, kvm_ppc_one_page_size, kvm_rtas_token_args, kvm_irq_level, kvm_irqfd,
        kvm_irq_routing, kvm_irq_routing_entry, kvm_ioeventfd, kvm_coalesced_mmio_zone, kvm_create_device,
        kvm_device_attr, kvm_signal_mask, kvm_msi, kvm_ppc_resize_hpt, kvm_get_htab_fd,
    }
}

fn of_fields() -> impl IntoIterator<Item = Fact> {
    fields! {
        kvm_run {
            request_interrupt_window, immediate_exit, exit_reason, ready_for_interrupt_injection,
            mmio.phys_addr = __bindgen_anon_1.mmio.phys_addr,
            mmio.data = __bindgen_anon_1.mmio.data,
            mmio.len = __bindgen_anon_1.mmio.len,
            mmio.is_write = __bindgen_anon_1.mmio.is_write,
            papr_hcall.nr = __bindgen_anon_1.papr_hcall.nr,
            papr_hcall.ret = __bindgen_anon_1.papr_hcall.ret,
            papr_hcall.args = __bindgen_anon_1.papr_hcall.args,
            debug.arch = __bindgen_anon_1.debug.arch,
            internal.suberror = __bindgen_anon_1.internal.suberror,
            internal.data = __bindgen_anon_1.internal.data,
            fail_entry.hardware_entry_failure_reason = __bindgen_anon_1.fail_entry.hardware_entry_failure_reason,
        }
        kvm_regs { pc, cr, ctr, lr, xer, msr, srr0, srr1, pid, sprg0, sprg7, gpr }
        kvm_sregs { pvr, u.s.sdr1, u.s.ppc64.slb, u.s.ppc32, u.e }
        kvm_one_reg { id, addr }
        kvm_interrupt { irq }
        kvm_enable_cap { cap, flags, args }
        kvm_guest_debug { control, arch }
        kvm_userspace_memory_region { slot, flags, guest_phys_addr, memory_size, userspace_addr }
        kvm_ppc_smmu_info { flags, slb_size, sps }
        kvm_ppc_one_seg_page_size { page_shift, slb_enc, enc }
        kvm_ppc_one_page_size { page_shift, pte_enc }
        kvm_rtas_token_args { name, token }
        kvm_irq_level { irq = __bindgen_anon_1.irq, level }
        kvm_irqfd { fd, gsi, flags, resamplefd }
        kvm_create_device { type = type_, fd, flags }
        kvm_device_attr { flags, group, attr, addr }
    }
}

fn of_constants() -> impl IntoIterator<Item = Fact> {
    let interrupts = [
        ("KVM_INTERRUPT_SET", KVM_INTERRUPT_SET),
        ("KVM_INTERRUPT_UNSET", KVM_INTERRUPT_UNSET),
        ("KVM_INTERRUPT_SET_LEVEL", KVM_INTERRUPT_SET_LEVEL),
    ];
    // Unsigned in C.
    let interrupts = interrupts.map(|(c, ours)| Fact {
        c,
        ours: ours.cast_unsigned().into(),
    });
    let others = constants! {
        KVM_CAP_PPC_PAPR, KVM_CAP_PPC_ENABLE_HCALL, KVM_CAP_PPC_GET_SMMU_INFO, KVM_CAP_IRQ_XICS, KVM_CAP_PPC_HTAB_FD,
        KVM_CAP_IMMEDIATE_EXIT, KVM_EXIT_MMIO, KVM_EXIT_PAPR_HCALL, KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_DEBUG,
        KVM_EXIT_SYSTEM_EVENT, KVM_IRQFD_FLAG_DEASSIGN, KVM_DEV_TYPE_XICS, KVM_PPC_PAGE_SIZES_REAL, KVM_PPC_1T_SEGMENTS,
        KVM_REG_SIZE_MASK, KVM_REG_SIZE_U32, KVM_REG_SIZE_U64, KVM_REG_PPC_HIOR, KVM_REG_PPC_LPCR_64,
        KVM_REG_PPC_ICP_STATE, KVM_REG_PPC_ICP_MFRR_SHIFT, KVM_REG_PPC_ICP_PPRI_SHIFT, KVM_REG_PPC_DEC_EXPIRY, KVM_REG_PPC_TB_OFFSET, KVM_REG_PPC_FPR0, KVM_REG_PPC_VSR0,
        KVM_REG_PPC_VR0, KVM_REG_PPC_VSCR, KVM_REG_PPC_FPSCR, KVM_REG_PPC_ARCH_COMPAT, KVM_DEV_XICS_GRP_SOURCES,
        KVM_DEV_XICS_GRP_CTRL, KVM_DEV_XICS_NR_SERVERS, KVM_XICS_MASKED, KVM_XICS_PRIORITY_SHIFT,
    };
    interrupts.into_iter().chain(others)
}
