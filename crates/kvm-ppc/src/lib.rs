//! What KVM offers on powerpc64 beyond `kvm-ioctls`.
//!
//! `kvm-ioctls` leaves out on powerpc64 what it has not been tried with. `PpcVm` and `PpcVcpu` add it to its
//! `VmFd` and `VcpuFd`; `Interrupter` and `ImmediateExit` reach a vCPU from other threads than the one that runs it,
//! and a signal (`Thread`) gets it out of the guest. `Bed` is where a vCPU waits for an interrupt outside the guest,
//! `KvmMemory` is guest memory as KVM has it, of which `Faults` tells what is needed and not there; `KernelXics` the kernel's interrupt controller.
//! `timebase` and `synchronize_instructions` are the host processor's own. What the numbers mean is the caller's
//! business. Empty on other architectures.

#![cfg(target_arch = "powerpc64")]

#[expect(unsafe_code, reason = "an ioctl on words that other threads change")]
mod bed;
#[expect(unsafe_code, reason = "an atomic byte in memory that the kernel shares")]
mod immediate_exit;
#[expect(unsafe_code, reason = "ioctls")]
mod interrupter;
#[expect(unsafe_code, reason = "pages of a mapping that come and go")]
mod memory;
mod pow;
#[expect(unsafe_code, reason = "instructions that Rust has no name for")]
mod processor;
mod requests;
#[expect(unsafe_code, reason = "a union of C's")]
mod segments;
#[expect(unsafe_code, reason = "a signal to a thread")]
mod thread;
#[expect(unsafe_code, reason = "ioctls, and the union that says why a vCPU exited")]
mod vcpu;
#[expect(unsafe_code, reason = "ioctls")]
mod vm;
mod xics;

pub use bed::{Bed, MSR_PLAIN};
pub use immediate_exit::ImmediateExit;
pub use interrupter::{Interrupter, Line};
pub use memory::{CodeMemory, Faults, KvmMemory, PageFault};
pub use pow::MSR_POW;
pub use processor::{synchronize_instructions, timebase};
pub use segments::{clear_slb, sdr1, set_sdr1};
pub use thread::{Thread, catch_signal};
pub use vcpu::{Hypercall, PpcVcpu};
pub use vm::{PpcVm, Slot};
pub use xics::KernelXics;

use kvm_ioctls::Error;

/// What an ioctl has returned.
type Result<T> = std::result::Result<T, Error>;

/// The kernel's answer to an ioctl: a negative one is an error, whose number is in `errno`.
fn checked(answer: i32) -> Result<i32> {
    if answer < 0 { Err(Error::last()) } else { Ok(answer) }
}

/// `EINVAL`, for arguments that the kernel would refuse.
const INVALID: i32 = 22;
