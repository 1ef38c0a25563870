//! The kernel's interrupt controller (XICS): a device of a virtual machine, with a presenter for each vCPU and sources by number
//! (Linux, Documentation/virt/kvm/devices/xics.rst). What fires a source is `PpcVm`'s, and so are the RTAS calls.

use std::os::fd::AsRawFd;

use kvm_bindings::{
    KVM_CAP_IRQ_XICS, KVM_DEV_TYPE_XICS, KVM_DEV_XICS_GRP_CTRL, KVM_DEV_XICS_GRP_SOURCES, KVM_DEV_XICS_NR_SERVERS,
    KVM_XICS_LEVEL_SENSITIVE, KVM_XICS_MASKED, KVM_XICS_PRIORITY_SHIFT, kvm_create_device, kvm_device_attr,
};
use kvm_ioctls::{DeviceFd, VcpuFd, VmFd};

use crate::{PpcVcpu as _, Result};

/// An interrupt controller. Dropped while its machine lives, it takes the vCPUs' presenters with it.
#[derive(Debug)]
pub struct KernelXics {
    device: DeviceFd,
}

impl KernelXics {
    /// Gives `vm` one; it can have no other.
    pub fn new(vm: &VmFd) -> Result<Self> {
        let mut create = kvm_create_device {
            type_: KVM_DEV_TYPE_XICS,
            ..Default::default()
        };
        vm.create_device(&mut create).map(|device| Self { device })
    }

    /// Whether guests of KVM-PR can use it, found out with `vm`, a machine without vCPUs that is of no other use afterwards.
    ///
    /// They cannot on a host that runs with XIVE. A kernel that has KVM-HV then makes a device of another kind under the same
    /// name, which answers KVM-HV's guests only; that kind can be told the number of servers, and the real one cannot. A kernel
    /// without makes the real one and lets no vCPU connect.
    pub fn is_for_pr(&self, vm: &VmFd) -> bool {
        let servers = kvm_device_attr {
            group: KVM_DEV_XICS_GRP_CTRL,
            attr: KVM_DEV_XICS_NR_SERVERS.into(),
            ..Default::default()
        };
        let connects = || vm.create_vcpu(0).and_then(|vcpu| self.connect(&vcpu, 0));
        self.device.has_device_attr(&servers).is_err() && connects().is_ok()
    }

    /// Makes `vcpu`, which has not run, the server `server`: from here on the kernel answers its interrupt hypercalls, and
    /// [`Interrupter::set`](crate::Interrupter::set) is not for it.
    pub fn connect(&self, vcpu: &VcpuFd, server: u32) -> Result<()> {
        // A descriptor is not negative.
        let device = self.device.as_raw_fd() as u64;
        vcpu.enable_cap(KVM_CAP_IRQ_XICS, [device, server.into(), 0, 0])
    }

    /// Adds the source `number`, from 16 on: edge-triggered, or level-triggered if `is_level`; at the least favoured priority, and
    /// masked.
    pub fn add_source(&self, number: u32, is_level: bool) -> Result<()> {
        let trigger = if is_level { KVM_XICS_LEVEL_SENSITIVE } else { 0 };
        let state = trigger | KVM_XICS_MASKED | u64::from(u8::MAX) << KVM_XICS_PRIORITY_SHIFT;
        self.device.set_device_attr(&kvm_device_attr {
            group: KVM_DEV_XICS_GRP_SOURCES,
            attr: number.into(),
            addr: (&raw const state).expose_provenance() as u64,
            ..Default::default()
        })
    }
}
