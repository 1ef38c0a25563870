//! pteg on a POWER host: a list of cases, and an emulated host with KVM-PR that runs them where there is no real one.
//!
//! - `cases` is the list. A `case` is a command line, the files it needs, what it must say; `judge` compares.
//! - `figures` is the list of what is measured there, and `qemu` brings what emulates a host, and what pteg is compared with.
//! - `place` names the hosts: a machine of QEMU's with pages of one size, or the machine itself.
//! - `root` packs what stands in the emulated host, `host` boots it and has it run one case after another, and `protocol`
//!   is what the two ends of its console say to each other.
//!
//! `cargo xtask power-host` makes what this crate needs (the host's kernel, a `pteg` for POWER) and runs its test.

#![forbid(unsafe_code)]

mod case;
mod cases;
mod figures;
mod host;
mod judge;
mod place;
mod protocol;
mod qemu;
mod root;

/// What the kernel of an emulated host has; the size of its pages is added. All else is left out.
pub const KERNEL_CONFIG: &str = include_str!("../kernel.config");

pub use case::{Accelerator, Case, Effort, File, On, Run};
pub use cases::CASES;
pub use figures::{FIGURES, Figure, Side};
pub use host::{Error, Host, Setup};
pub use judge::{Ran, judge, shown};
pub use place::{Machine, Pages, Place};
pub use qemu::Qemu;
pub use root::{PROGRAMS, Packed, Root};
