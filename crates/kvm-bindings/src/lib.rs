//! rust-vmm's `kvm-bindings`, with the interface that the kernel has on powerpc64.
//!
//! The published crate is empty there. On other architectures this one hands on what is published.
//! `[patch.crates-io]` puts this crate in its place. `generate.sh` makes the bindings.

#[cfg(target_arch = "powerpc64")]
mod powerpc64;

#[cfg(target_arch = "powerpc64")]
pub use powerpc64::*;
#[cfg(not(target_arch = "powerpc64"))]
pub use upstream::*;
