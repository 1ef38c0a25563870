//! A vCPU's external interrupt, from any thread, and what the kernel's interrupt controller has for it.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use kvm_bindings::{
    KVM_INTERRUPT_SET_LEVEL, KVM_INTERRUPT_UNSET, KVM_REG_PPC_ICP_MFRR_SHIFT, KVM_REG_PPC_ICP_PPRI_SHIFT,
    KVM_REG_PPC_ICP_STATE, kvm_interrupt, kvm_one_reg,
};
use kvm_ioctls::VcpuFd;
use vmm_sys_util::ioctl::ioctl_with_ref;

use crate::{Result, checked, requests};

/// The state of a vCPU's external interrupt, which has levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// An interrupt waits until the line is low again, whether the guest takes it or not.
    High,
    /// None waits.
    Low,
}

/// Sets the external interrupt of one vCPU, from any thread, also while the vCPU runs or sleeps in the kernel: the
/// kernel takes this ioctl without the vCPU's lock, and wakes it.
///
/// It has a descriptor of its own, so the kernel keeps the vCPU and its machine as long as one of these is there.
#[derive(Clone, Debug)]
pub struct Interrupter {
    vcpu: Arc<OwnedFd>,
}

impl Interrupter {
    pub(crate) fn new(vcpu: &VcpuFd) -> io::Result<Self> {
        // SAFETY: `vcpu` has the descriptor open, and is borrowed for longer than this is.
        let borrowed = unsafe { BorrowedFd::borrow_raw(vcpu.as_raw_fd()) };
        Ok(Self {
            vcpu: Arc::new(borrowed.try_clone_to_owned()?),
        })
    }

    /// Sets the line: `KVM_INTERRUPT`.
    pub fn set(&self, line: Line) -> Result<()> {
        let number = match line {
            Line::High => KVM_INTERRUPT_SET_LEVEL,
            Line::Low => KVM_INTERRUPT_UNSET,
        };
        let interrupt = kvm_interrupt {
            irq: number.cast_unsigned(),
        };
        // SAFETY: the number names the type that the kernel reads, and `interrupt` is one.
        let answer = unsafe { ioctl_with_ref(&*self.vcpu, requests::KVM_INTERRUPT(), &interrupt) };
        checked(answer).map(drop)
    }

    /// Has the vCPU's presenter in the kernel's interrupt controller forget what it has and what it was sent: nothing pending, nothing in
    /// service, no message, every priority masked, as when it was made. `KVM_SET_ONE_REG`, which waits until no other thread is in an ioctl of the vCPU's.
    pub fn reset_presenter(&self) -> Result<()> {
        let least = u64::from(u8::MAX);
        let state = least << KVM_REG_PPC_ICP_MFRR_SHIFT | least << KVM_REG_PPC_ICP_PPRI_SHIFT;
        let register = kvm_one_reg {
            id: KVM_REG_PPC_ICP_STATE,
            addr: (&raw const state).expose_provenance() as u64,
        };
        // SAFETY: the number names the type that the kernel reads, and `register` is one; at `addr` it reads the 8 bytes that `id` says, which
        // are `state`'s.
        let answer = unsafe { ioctl_with_ref(&*self.vcpu, requests::KVM_SET_ONE_REG(), &register) };
        checked(answer).map(drop)
    }
}
