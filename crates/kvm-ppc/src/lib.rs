//! What KVM offers on powerpc64 beyond `kvm-ioctls`.
//!
//! `kvm-ioctls` leaves out on powerpc64 what it has not been tried with. [`PpcVm`] and [`PpcVcpu`] add it to its
//! `VmFd` and `VcpuFd`; [`Interrupter`] and [`ImmediateExit`] reach a vCPU from other threads than the one that runs it.
//! [`timebase`] and [`synchronize_instructions`] are the host processor's own. What the numbers mean is the caller's
//! business. Empty on other architectures.

#![cfg(target_arch = "powerpc64")]

#[allow(unsafe_code)]
mod bed;
#[allow(unsafe_code)]
mod memory;
#[allow(unsafe_code)]
mod segments;
#[allow(unsafe_code)]
mod thread;
pub use bed::*;
pub use memory::*;
pub use segments::*;
pub use thread::*;
#[expect(unsafe_code, reason = "an atomic byte in memory that the kernel shares")]
mod immediate_exit;
#[expect(unsafe_code, reason = "ioctls")]
mod interrupter;
#[expect(unsafe_code, reason = "instructions that Rust has no name for")]
mod processor;
mod requests;
#[expect(unsafe_code, reason = "ioctls, and the union that says why a vCPU exited")]
mod vcpu;
#[expect(unsafe_code, reason = "ioctls")]
mod vm;

pub use immediate_exit::ImmediateExit;
pub use interrupter::{Interrupter, Line};
pub use processor::{synchronize_instructions, timebase};
pub use vcpu::{Hypercall, PpcVcpu};
pub use vm::PpcVm;

use kvm_ioctls::Error;

/// What an ioctl has returned.
type Result<T> = std::result::Result<T, Error>;

/// The kernel's answer to an ioctl: a negative one is an error, whose number is in `errno`.
fn checked(answer: i32) -> Result<i32> {
    if answer < 0 { Err(Error::last()) } else { Ok(answer) }
}

/// `EINVAL`, for arguments that the kernel would refuse.
const INVALID: i32 = 22;
