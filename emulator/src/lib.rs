//! A POWER8 or POWER9 in software: decodes instructions once into blocks of a compact intermediate form and
//! executes those.
//!
//! - [`Cpu`] is one processor; [`Shared`] is what the processors of a partition share; [`Line`] are
//!   the wires into a running one.
//! - An instruction goes through `decode` (words to `ir`), `block` (finding decoded blocks) and
//!   `interp` (executing them); on x86-64 hosts `compile` makes machine code of those that `heat` finds to be executed often.
//! - An access goes through `tlb` (by effective address), then `mmu` (SLB, virtual pages, the
//!   table's lock-free walk); one to a device through `outside`.
//!
//! Knows nothing of KVM, and of devices no more than where they are ([`Outside`]). Hypercalls and accesses to devices end [`Cpu::run`]; who
//! runs the processor answers them.

// What only machine code and its compiler use is there on every host, so that it is one processor everywhere.
#![cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, unused_imports, reason = "no code is compiled on this host")
)]

mod access;
mod alignment;
mod alu;
mod atomic;
mod authority;
mod block;
mod breakpoints;
mod code_pages;
mod compile;
mod copy_paste;
pub mod core;
mod counts;
mod cpu;
mod decimal_assist;
mod decode;
mod doorbell;
mod dump;
mod event_branch;
mod fault;
mod fetch;
mod fixed_calls;
mod fixed_v3;
mod float_pairs;
mod heat;
mod interp;
mod ir;
mod kicks;
mod line;
mod mmu;
mod multiple;
mod outside;
mod pending;
mod performance_monitor;
mod priority;
mod profile;
mod quadword;
mod ram;
mod random;
pub mod regs;
mod reservation;
mod revoke;
mod self_check;
mod shared;
mod slb;
mod special;
mod spr_access;
mod spr_place;
mod system;
mod timebase;
mod tlb;
mod trail;
mod trap;
mod vector_memory;
mod vectored_call;
pub mod vsu;
mod vsx_memory;

pub use compile::MachineCode;
pub use counts::{Cache, Code, Counts, Data, Drops, Interrupts, Lookups};
pub use cpu::{Cpu, Exit};
pub use heat::Compile;
pub use kicks::Kicks;
pub use line::Line;
pub use outside::{Operand, Outside};
pub use profile::{Executed, HotBlock, Sums};
pub use self_check::{Stale, StaleReport};
pub use shared::Shared;
pub use timebase::{TICKS_PER_SECOND, Timebase};
