//! The kernel's interrupt controller in the guest's service: it answers the interrupt hypercalls inside the kernel, and four RTAS
//! calls under our tokens. What is left to us are the pins of devices.
//!
//! A processor that dozes needs nothing more: the controller wakes it as it wakes one that is in the guest.

use std::sync::{Arc, Once};

use devices::interrupt::Sources;
use devices::reset::Reset;
use devices::xics::{FIRST_SOURCE, Trigger};
use kvm_ioctls::{VcpuFd, VmFd};
use kvm_ppc::{KernelXics, PpcVm as _};
use power::rtas::RtasCall;
use vmm_sys_util::errno;

use super::{KvmError, refused};
use crate::terminal;

/// The RTAS calls of the interrupt sources. The kernel answers them where it can read and write the 88 bytes that its own
/// form of an argument buffer has; the others come to us.
const CALLS: [RtasCall; 4] = [RtasCall::SetXive, RtasCall::GetXive, RtasCall::IntOff, RtasCall::IntOn];

/// The controller of one guest, there as long as somebody has it.
pub(super) struct Irqchip {
    xics: KernelXics,
    vm: Arc<VmFd>,
    triggers: Box<[Trigger]>,
}

impl Irqchip {
    /// Gives the guest `vm` a controller with a source for each of `triggers`, masked as a guest expects to find them.
    pub(super) fn new(vm: Arc<VmFd>, triggers: &[Trigger]) -> Result<Self, KvmError> {
        let xics = KernelXics::new(&vm).map_err(refused("making the kernel's interrupt controller"))?;
        add_sources(&xics, triggers).map_err(refused("making an interrupt source"))?;
        for call in CALLS {
            vm.rtas_define_token(call.name(), call.token().into())
                .map_err(refused("giving the kernel the RTAS calls of interrupt sources"))?;
        }
        let triggers = triggers.into();
        Ok(Self { xics, vm, triggers })
    }

    /// Makes `vcpu`, which has not run, the server `server`.
    pub(super) fn connect(&self, vcpu: &VcpuFd, server: u32) -> Result<(), KvmError> {
        self.xics
            .connect(vcpu, server)
            .map_err(refused("connecting a processor to the kernel's interrupt controller"))
    }
}

/// Each source is added again as it was the first time: masked, with nothing to tell. What processors have been shown is forgotten after that, when they are reset
/// ([`Wire::forget_interrupts`](crate::accel::Wire::forget_interrupts)).
impl Reset for Irqchip {
    fn reset(&self) {
        if let Err(error) = add_sources(&self.xics, &self.triggers) {
            terminal::say(&format!("pteg: KVM does not reset its interrupt controller: {error}"));
        }
    }
}

fn add_sources(xics: &KernelXics, triggers: &[Trigger]) -> Result<(), errno::Error> {
    (FIRST_SOURCE..)
        .zip(triggers)
        .try_for_each(|(number, trigger)| xics.add_source(number, *trigger == Trigger::Level))
}

/// The pins of its sources.
pub(super) struct Pins {
    irqchip: Arc<Irqchip>,
    /// The user has been told that the kernel refuses one.
    told: Once,
}

impl Pins {
    /// Those of `irqchip`.
    pub(super) fn new(irqchip: &Arc<Irqchip>) -> Self {
        Self {
            irqchip: Arc::clone(irqchip),
            told: Once::new(),
        }
    }

    fn set(&self, number: u32, up: bool) {
        if let Err(error) = self.irqchip.vm.irq_line(number, up) {
            self.told.call_once(|| {
                terminal::say(&format!(
                    "pteg: KVM does not raise interrupt {number:#x}: {error}; the guest may not notice what is typed, or that a \
                     device is done; try --irqchip user"
                ));
            });
        }
    }
}

impl Sources for Pins {
    fn pulse(&self, number: u32) {
        // Of an edge-triggered source this is an edge, whatever it was before.
        self.set(number, true);
    }

    fn set_level(&self, number: u32, up: bool) {
        self.set(number, up);
    }
}
