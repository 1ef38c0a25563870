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
    /// The user has been told that the kernel refuses to ring.
    told_of_hanging: Once,
    /// Or to cease to.
    told_of_taking_down: Once,
}

impl Porter {
    /// That of `vm`, if it rings for stores of any size.
    pub(super) fn new(vm: Arc<VmFd>) -> Option<Self> {
        let rings =
            vm.check_extension(Cap::Ioeventfd) && vm.check_extension_raw(KVM_CAP_IOEVENTFD_ANY_LENGTH.into()) > 0;
        rings.then(|| Self {
            vm,
            told_of_hanging: Once::new(),
            told_of_taking_down: Once::new(),
        })
    }
}

/// Whether it is done; if not, `what` is said `once`.
fn tell(once: &Once, what: &str, done: Result<(), errno::Error>) -> bool {
    if let Err(error) = done {
        once.call_once(|| terminal::say(&format!("pteg: {what}: {error} (said once)")));
    }
    done.is_ok()
}

impl pci::Porter for Porter {
    fn hang(&self, real: u64, event: &EventFd) -> bool {
        // The type without a size: any value, of any size.
        let hung = self
            .vm
            .register_ioevent(event, &IoEventAddress::Mmio(real), NoDatamatch);
        tell(
            &self.told_of_hanging,
            "KVM does not take the notifications of a device, and the guest may be slower",
            hung,
        )
    }

    fn take_down(&self, real: u64, event: &EventFd) -> bool {
        let down = self
            .vm
            .unregister_ioevent(event, &IoEventAddress::Mmio(real), NoDatamatch);
        tell(
            &self.told_of_taking_down,
            "KVM does not give back the notifications of a device, and may ring for a device that is there no more",
            down,
        )
    }
}
