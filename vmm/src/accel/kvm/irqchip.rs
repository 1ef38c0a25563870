//! The kernel's interrupt controller in the guest's service: it answers the interrupt hypercalls inside the kernel, and four RTAS
//! calls under our tokens. What is left to us is the console's pin.
//!
//! A processor that dozes needs nothing more: the controller wakes it as it wakes one that is in the guest.

use std::sync::Arc;

use devices::interrupt::Interrupt;
use kvm_ioctls::{VcpuFd, VmFd};
use kvm_ppc::{KernelXics, PpcVm as _};
use power::rtas::RtasCall;

use super::{KvmError, refused};
use crate::machine::CONSOLE_INTERRUPT;

/// The RTAS calls of the interrupt sources. The kernel answers them where it can read and write the 88 bytes that its own
/// form of an argument buffer has; the others come to us.
const CALLS: [RtasCall; 4] = [RtasCall::SetXive, RtasCall::GetXive, RtasCall::IntOff, RtasCall::IntOn];

/// The controller of one guest, there as long as somebody has it.
pub(super) struct Irqchip {
    xics: KernelXics,
    vm: Arc<VmFd>,
}

impl Irqchip {
    /// Gives the guest `vm` a controller with a source for the console, masked as a guest expects to find it.
    pub(super) fn new(vm: Arc<VmFd>) -> Result<Self, KvmError> {
        let xics = KernelXics::new(&vm).map_err(refused("making the kernel's interrupt controller"))?;
        xics.add_source(CONSOLE_INTERRUPT)
            .map_err(refused("making the console's interrupt source"))?;
        for call in CALLS {
            vm.rtas_define_token(call.name(), call.token().into())
                .map_err(refused("giving the kernel the RTAS calls of interrupt sources"))?;
        }
        Ok(Self { xics, vm })
    }

    /// Makes `vcpu`, which has not run, the server `server`.
    pub(super) fn connect(&self, vcpu: &VcpuFd, server: u32) -> Result<(), KvmError> {
        self.xics
            .connect(vcpu, server)
            .map_err(refused("connecting a processor to the kernel's interrupt controller"))
    }
}

/// The console's pin.
pub(super) struct ConsolePin(pub(super) Arc<Irqchip>);

impl Interrupt for ConsolePin {
    fn raise(&self) {
        // An edge. The kernel refuses it to nobody who has made the source.
        let _ = self.0.vm.irq_line(CONSOLE_INTERRUPT, true);
    }
}
