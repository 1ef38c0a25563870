//! Asks `/dev/kvm` of a POWER machine what it can do. It makes a machine without memory and, for one question,
//! with a processor, and drops it.

use std::ffi::c_ulong;
use std::io;

use kvm_ioctls::{Cap, Kvm as Device, VmFd};
use kvm_ppc::KernelXics;

use super::kvm_answers::Answers;
use super::{Capability, Kvm, Refusal};

/// The kind of machine that KVM-PR makes (`KVM_VM_PPC_PR`).
const PR: u64 = 2;

/// What KVM answers.
pub(super) fn ask() -> Kvm {
    let device = match Device::new() {
        Ok(device) => device,
        Err(error) => return Kvm::unopened(&io::Error::from_raw_os_error(error.errno())),
    };
    let machine = device
        .create_vm_with_type(PR)
        .map_err(|error| io::Error::from_raw_os_error(error.errno()));
    // With two KVMs in the kernel, only a machine knows which of them answers.
    let has = |&capability: &Capability| {
        let number = number(capability);
        match &machine {
            Ok(machine) if capability == Capability::Xics => has_xics(machine, number),
            Ok(machine) => machine.check_extension_raw(number) > 0,
            Err(_) => device.check_extension_raw(number) > 0,
        }
    };
    Kvm::Opens(Answers {
        capabilities: Capability::ALL.into_iter().filter(has).collect(),
        most_processors: u32::try_from(device.get_max_vcpus()).unwrap_or(u32::MAX),
        pr_machine: machine.as_ref().map(|_| ()).map_err(Refusal::of),
    })
}

/// Whether the interrupt controller that the kernel says it has works on `machine`, which is of no other use afterwards.
fn has_xics(machine: &VmFd, number: c_ulong) -> bool {
    machine.check_extension_raw(number) > 0 && KernelXics::new(machine).is_ok_and(|xics| xics.is_for_pr(machine))
}

/// Its number in the kernel's interface.
fn number(capability: Capability) -> c_ulong {
    let cap = match capability {
        Capability::Papr => Cap::PpcPapr,
        Capability::EnableHcall => Cap::PpcEnableHcall,
        Capability::SmmuInfo => Cap::PpcGetSmmuInfo,
        Capability::UnsetIrq => Cap::PpcUnsetIrq,
        Capability::IrqLevel => Cap::PpcIrqLevel,
        Capability::OneReg => Cap::OneReg,
        Capability::Hior => Cap::PpcHior,
        Capability::ImmediateExit => Cap::ImmediateExit,
        Capability::SyncMmu => Cap::SyncMmu,
        Capability::Xics => Cap::IrqXics,
    };
    cap as c_ulong
}
