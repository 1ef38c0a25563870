//! What this machine is and can do, as plain data. [`Host::look`] alone asks the kernel; whoever judges the answers
//! (`accel::choose`, `doctor`) is a pure function of them.

mod cpuinfo;
mod kernel;
#[cfg(target_arch = "powerpc64")]
mod kvm;
#[cfg_attr(
    not(any(test, target_arch = "powerpc64")),
    expect(dead_code, reason = "nobody asks KVM on other machines")
)]
pub(crate) mod kvm_answers;
mod limits;
mod network;
mod userfaultfd;

pub(crate) use cpuinfo::{CpuInfo, Mmu, Platform};
use emulator::MachineCode;
pub(crate) use kernel::Kernel;
pub(crate) use kvm_answers::{Capability, Kvm, Refusal};
pub(crate) use limits::{Limits, Overcommit};
pub(crate) use network::Network;
use power::insn::Endian;
pub(crate) use userfaultfd::Userfaultfd;

/// The architecture that this program runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    /// 64-bit POWER.
    Power(Endian),
    /// Another one, by name.
    Other(&'static str),
}

impl Architecture {
    /// That of this program.
    const OURS: Self = match () {
        () if !cfg!(target_arch = "powerpc64") => Self::Other(std::env::consts::ARCH),
        () if cfg!(target_endian = "big") => Self::Power(Endian::Big),
        () => Self::Power(Endian::Little),
    };
}

/// A machine, as far as it matters to a hypervisor.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// Its architecture.
    pub(crate) architecture: Architecture,
    /// Size of its own pages in bytes.
    pub(crate) page_bytes: u64,
    /// What its kernel says of the processors.
    pub(crate) cpu: CpuInfo,
    /// Its kernel.
    pub(crate) kernel: Kernel,
    /// What KVM is there.
    pub(crate) kvm: Kvm,
    /// Memory, and what a process may have of it.
    pub(crate) limits: Limits,
    /// What networks can be connected to.
    pub(crate) network: Network,
    /// Whether emulated processors compile what is executed often.
    pub(crate) machine_code: MachineCode,
}

impl Host {
    /// This machine. What it does not say is missing from the answer, which is none the worse for it.
    pub(crate) fn look() -> Self {
        Self {
            architecture: Architecture::OURS,
            page_bytes: rustix::param::page_size() as u64,
            cpu: CpuInfo::read(),
            kernel: Kernel::look(),
            kvm: look_at_kvm(),
            limits: Limits::look(),
            network: Network::look(),
            machine_code: MachineCode::here(),
        }
    }
}

#[cfg(target_arch = "powerpc64")]
fn look_at_kvm() -> Kvm {
    kvm::ask()
}

/// KVM of other architectures runs other guests: nobody asks it.
#[cfg(not(target_arch = "powerpc64"))]
const fn look_at_kvm() -> Kvm {
    Kvm::NotAsked
}

#[cfg(test)]
pub(crate) mod tests;
