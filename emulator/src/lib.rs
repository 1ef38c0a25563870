//! A POWER8 in software: decodes instructions once into blocks of a compact intermediate form and
//! interprets those.
//!
//! - [`Cpu`] is one processor; [`Shared`] is what the processors of a partition share; [`Line`] are
//!   the wires into a running one.
//! - An instruction goes through `decode` (words to `ir`), `block` (finding decoded blocks) and
//!   `interp` (executing them).
//! - An access goes through `tlb` (by effective address), then `mmu` (SLB, virtual pages, the
//!   table's lock-free walk).
//!
//! Knows nothing of KVM or devices. Hypercalls end [`Cpu::run`]; who runs the processor answers them.

mod access;
mod alu;
mod block;
mod code_pages;
pub mod core;
mod cpu;
mod decode;
mod dump;
mod fault;
mod fetch;
mod fixed_calls;
mod interp;
mod ir;
mod line;
mod mmu;
mod ram;
pub mod regs;
mod reservation;
mod revoke;
mod self_check;
mod shared;
mod slb;
mod special;
mod system;
mod timebase;
mod tlb;
mod trap;
mod vector_memory;
pub mod vsu;

pub use cpu::{Cpu, Exit};
pub use line::Line;
pub use self_check::{Stale, StaleReport};
pub use shared::Shared;
pub use special::PVR;
pub use timebase::{TICKS_PER_SECOND, Timebase};
