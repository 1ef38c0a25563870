//! The numbers of the ioctls that `kvm-ioctls` keeps to itself or leaves out (Linux, include/uapi/linux/kvm.h).

use kvm_bindings::{
    KVMIO, kvm_enable_cap, kvm_interrupt, kvm_irq_level, kvm_one_reg, kvm_ppc_cpu_char, kvm_ppc_smmu_info, kvm_regs,
    kvm_rtas_token_args, kvm_sregs,
};
use vmm_sys_util::{ioctl_ior_nr, ioctl_iow_nr};

ioctl_iow_nr!(KVM_IRQ_LINE, KVMIO, 0x61, kvm_irq_level);
ioctl_iow_nr!(KVM_SET_REGS, KVMIO, 0x82, kvm_regs);
ioctl_ior_nr!(KVM_GET_SREGS, KVMIO, 0x83, kvm_sregs);
ioctl_iow_nr!(KVM_SET_SREGS, KVMIO, 0x84, kvm_sregs);
ioctl_iow_nr!(KVM_INTERRUPT, KVMIO, 0x86, kvm_interrupt);
ioctl_iow_nr!(KVM_ENABLE_CAP, KVMIO, 0xa3, kvm_enable_cap);
ioctl_ior_nr!(KVM_PPC_GET_SMMU_INFO, KVMIO, 0xa6, kvm_ppc_smmu_info);
ioctl_iow_nr!(KVM_SET_ONE_REG, KVMIO, 0xac, kvm_one_reg);
ioctl_ior_nr!(KVM_PPC_GET_CPU_CHAR, KVMIO, 0xb1, kvm_ppc_cpu_char);
ioctl_iow_nr!(KVM_PPC_RTAS_DEFINE_TOKEN, KVMIO, 0xac, kvm_rtas_token_args);
