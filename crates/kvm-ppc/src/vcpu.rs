//! A vCPU's part, and the hypercall that it has stopped at.

use kvm_bindings::{
    KVM_EXIT_MMIO, KVM_EXIT_PAPR_HCALL, KVM_REG_SIZE_MASK, KVM_REG_SIZE_U32, KVM_REG_SIZE_U64, kvm_enable_cap,
    kvm_run__bindgen_ty_1__bindgen_ty_16 as papr_hcall, kvm_sregs,
};
use kvm_ioctls::{Error, VcpuFd};
use vmm_sys_util::ioctl::{ioctl_with_mut_ref, ioctl_with_ref};

use crate::{INVALID, ImmediateExit, Interrupter, Result, checked, requests};

/// What `VcpuFd` lacks.
pub trait PpcVcpu {
    /// Switches capability `cap` on for this vCPU: `KVM_ENABLE_CAP`.
    fn enable_cap(&self, cap: u32, args: [u64; 4]) -> Result<()>;

    /// SDR1, the SLB and the segment registers: `KVM_GET_SREGS`.
    fn get_sregs(&self) -> Result<kvm_sregs>;

    /// Sets SDR1, the SLB and the segment registers, and drops every translation of this vCPU that the kernel keeps:
    /// `KVM_SET_SREGS`. Waits until the vCPU has left the guest.
    ///
    /// # Safety
    ///
    /// Under `KVM_CAP_PPC_PAPR`, SDR1 is an address in this process. The kernel reads and *writes* a table of the size
    /// that SDR1 says there, as long as this vCPU may run with it: all of that memory must be there for it, and
    /// only be used as memory that others write.
    unsafe fn set_sregs(&self, sregs: &kvm_sregs) -> Result<()>;

    /// A register of 4 or 8 bytes; `EINVAL` for others: `KVM_GET_ONE_REG`.
    fn read_one_reg(&self, id: u64) -> Result<u64>;

    /// Sets a register of 4 (the low half of `value`) or 8 bytes; `EINVAL` for others: `KVM_SET_ONE_REG`.
    fn write_one_reg(&self, id: u64, value: u64) -> Result<()>;

    /// The hypercall that the last `run` has stopped at, if that is why it returned.
    fn papr_hcall(&mut self) -> Option<Hypercall<'_>>;

    /// What the load of an address without memory finds at which the last `run` has stopped, in the order of addresses; no more than it
    /// wanted. If that is not why it returned, nothing happens. The guest has it when the vCPU next enters `run`, also with
    /// `immediate_exit` set.
    fn answer_load(&mut self, bytes: &[u8]);

    /// Raises and lowers this vCPU's external interrupt, from any thread. Fails when there is no descriptor left.
    fn interrupter(&self) -> std::io::Result<Interrupter>;

    /// Makes this vCPU's `run` return, from any thread. Fails when there is no memory left to map.
    fn immediate_exit(&self) -> std::io::Result<ImmediateExit>;
}

impl PpcVcpu for VcpuFd {
    fn enable_cap(&self, cap: u32, args: [u64; 4]) -> Result<()> {
        let cap = kvm_enable_cap {
            cap,
            args,
            ..Default::default()
        };
        // SAFETY: the number names the type that the kernel reads, and `cap` is one.
        let answer = unsafe { ioctl_with_ref(self, requests::KVM_ENABLE_CAP(), &cap) };
        checked(answer).map(drop)
    }

    fn get_sregs(&self) -> Result<kvm_sregs> {
        let mut sregs = kvm_sregs::default();
        // SAFETY: the number names the type that the kernel writes, and `sregs` is one, for any bits.
        let answer = unsafe { ioctl_with_mut_ref(self, requests::KVM_GET_SREGS(), &mut sregs) };
        checked(answer).map(|_| sregs)
    }

    unsafe fn set_sregs(&self, sregs: &kvm_sregs) -> Result<()> {
        // SAFETY: the number names the type that the kernel reads, and `sregs` is one; what the kernel does at
        // SDR1 the caller answers for.
        let answer = unsafe { ioctl_with_ref(self, requests::KVM_SET_SREGS(), sregs) };
        checked(answer).map(drop)
    }

    fn read_one_reg(&self, id: u64) -> Result<u64> {
        match id & KVM_REG_SIZE_MASK {
            KVM_REG_SIZE_U32 => {
                let mut bytes = [0; 4];
                self.get_one_reg(id, &mut bytes)?;
                Ok(u32::from_ne_bytes(bytes).into())
            }
            KVM_REG_SIZE_U64 => {
                let mut bytes = [0; 8];
                self.get_one_reg(id, &mut bytes)?;
                Ok(u64::from_ne_bytes(bytes))
            }
            _ => Err(Error::new(INVALID)),
        }
    }

    fn write_one_reg(&self, id: u64, value: u64) -> Result<()> {
        match id & KVM_REG_SIZE_MASK {
            KVM_REG_SIZE_U32 => self.set_one_reg(id, &(value as u32).to_ne_bytes()).map(drop),
            KVM_REG_SIZE_U64 => self.set_one_reg(id, &value.to_ne_bytes()).map(drop),
            _ => Err(Error::new(INVALID)),
        }
    }

    fn papr_hcall(&mut self) -> Option<Hypercall<'_>> {
        let run = self.get_kvm_run();
        if run.exit_reason != KVM_EXIT_PAPR_HCALL {
            return None;
        }
        // SAFETY: the member has only integers in it, so it is good with any bits.
        let call = unsafe { &mut run.__bindgen_anon_1.papr_hcall };
        Some(Hypercall { call })
    }

    fn answer_load(&mut self, bytes: &[u8]) {
        let run = self.get_kvm_run();
        if run.exit_reason != KVM_EXIT_MMIO {
            return;
        }
        // SAFETY: the member has only integers in it, so it is good with any bits.
        let mmio = unsafe { &mut run.__bindgen_anon_1.mmio };
        if mmio.is_write == 0 {
            let wanted = mmio.data.iter_mut().take(mmio.len as usize);
            wanted.zip(bytes).for_each(|(place, byte)| *place = *byte);
        }
    }

    fn interrupter(&self) -> std::io::Result<Interrupter> {
        Interrupter::new(self)
    }

    fn immediate_exit(&self) -> std::io::Result<ImmediateExit> {
        ImmediateExit::new(self)
    }
}

/// A hypercall that a vCPU has stopped at, in the page that it shares with the kernel.
///
/// The answer reaches the guest when the vCPU next enters `run`, also with `immediate_exit` set: not through
/// `KVM_SET_REGS`, which the kernel would overwrite.
#[derive(Debug)]
pub struct Hypercall<'a> {
    call: &'a mut papr_hcall,
}

impl Hypercall<'_> {
    /// What the guest had in r3.
    pub fn number(&self) -> u64 {
        self.call.nr
    }

    /// What the guest had in r4 to r12.
    pub fn args(&self) -> [u64; 9] {
        self.call.args
    }

    /// Has the guest go on with `status` in r3 and `results` in r4 and the registers after it. Of the nine registers
    /// up to r12, those without a result keep what they had.
    pub fn answer(self, status: u64, results: &[u64]) {
        self.call.ret = status;
        for (register, result) in self.call.args.iter_mut().zip(results) {
            *register = *result;
        }
    }
}
