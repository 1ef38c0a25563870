//! rust-vmm's `vmm-sys-util`, with the request numbers of ioctls that powerpc has.
//!
//! The published crate makes all of them as most architectures do. Everything else is taken from it unchanged, and
//! on other architectures that is all there is. `[patch.crates-io]` puts this crate in its place.

pub use upstream::*;

// Both stand before what the line above brings in under the same names.
#[cfg(any(target_arch = "powerpc", target_arch = "powerpc64"))]
pub mod ioctl;
#[cfg(any(target_arch = "powerpc", target_arch = "powerpc64"))]
mod numbers;
