//! The words of the architecture, without state: page table entries, page and segment sizes,
//! registers, instructions, hypercalls and RTAS calls. Every other crate speaks in these.
//!
//! Manuals are cited by section; `docs/specs.md` lists the editions.

#![forbid(unsafe_code)]

pub mod bits;
pub mod error_log;
pub mod hcall;
pub mod hpte;
pub mod insn;
pub mod model;
pub mod msr;
pub mod page;
pub mod rtas;
pub mod slb;
pub mod spr;
