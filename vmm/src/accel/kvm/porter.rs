//! The kernel rings devices' doorbells (`KVM_IOEVENTFD`): a processor that stores to one stays in the guest, and no thread of ours runs for it but the
//! device's.
//!
//! To hang one or to take it down the kernel waits for what processors do inside of it. One of these may have met withheld memory there: that it gets
//! away needs the thread that hears of it (`withheld`), which waits for nobody who hangs doorbells.

use std::sync::{Arc, Once};

use devices::pci;
use kvm_bindings::KVM_CAP_IOEVENTFD_ANY_LENGTH;
use kvm_ioctls::{Cap, IoEventAddress, NoDatamatch, VmFd};
use vmm_sys_util::errno;
use vmm_sys_util::eventfd::EventFd;

use crate::terminal;

/// The kernel of a guest, as it can ring.
pub(super) struct Porter {
    vm: Arc<VmFd>,
    /// The user has been told that the kernel refuses it.
    told: Once,
}

impl Porter {
    /// That of `vm`, if it rings for stores of any size.
    pub(super) fn new(vm: Arc<VmFd>) -> Option<Self> {
        let rings =
            vm.check_extension(Cap::Ioeventfd) && vm.check_extension_raw(KVM_CAP_IOEVENTFD_ANY_LENGTH.into()) > 0;
        rings.then(|| Self { vm, told: Once::new() })
    }

    /// Whether it is done.
    fn tell(&self, what: &str, done: Result<(), errno::Error>) -> bool {
        if let Err(error) = done {
            self.told.call_once(|| {
                terminal::say(&format!(
                    "pteg: KVM does not {what} the notifications of a device: {error}; the guest may be slower (said once)"
                ));
            });
        }
        done.is_ok()
    }
}

impl pci::Porter for Porter {
    fn hang(&self, real: u64, event: &EventFd) -> bool {
        // The type without a size: any value, of any size.
        let hung = self
            .vm
            .register_ioevent(event, &IoEventAddress::Mmio(real), NoDatamatch);
        self.tell("take", hung)
    }

    fn take_down(&self, real: u64, event: &EventFd) {
        let down = self
            .vm
            .unregister_ioevent(event, &IoEventAddress::Mmio(real), NoDatamatch);
        self.tell("give back", down);
    }
}
