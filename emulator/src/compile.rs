//! Machine code for blocks that are executed often, made by Cranelift from the same operations that the interpreter executes.
//!
//! A block becomes one function, which goes on in the functions of the blocks after it by jumps, as the interpreter's operations do. The
//! register file stays the truth: each value is stored there as soon as it is there, so the function may give up before any operation, and the
//! interpreter goes on with that one. It gives up for everything that is rare: what the translation cache does not have, accesses to two pages,
//! instructions that end blocks in other ways than a branch. What is often and not simple (floating point, vectors, reservations) it calls.
//!
//! `lower` makes Cranelift's form of a block, in `fixed` what computes, in `memory` loads and stores, in `exits` branches; `code` keeps the machine code.

use crate::block::BlockId;
use crate::ir::Op;
use crate::regs::Reg;

#[cfg(target_arch = "x86_64")]
mod code;
#[cfg(target_arch = "x86_64")]
mod exits;
#[cfg(target_arch = "x86_64")]
mod fixed;
#[cfg(target_arch = "x86_64")]
mod lower;
#[cfg(target_arch = "x86_64")]
mod memory;
#[cfg(target_arch = "x86_64")]
mod native;
#[cfg(not(target_arch = "x86_64"))]
#[path = "compile/absent.rs"]
mod native;

pub use native::Compiler;

/// What a host has for machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineCode {
    /// What is executed often is compiled.
    Possible,
    /// There is a compiler for it, and the host gives no memory that can be executed: everything is interpreted.
    Refused,
    /// There is no compiler for it: everything is interpreted.
    NoCompiler,
}

impl MachineCode {
    /// Of this host, as it is now.
    pub fn here() -> Self {
        Compiler::here()
    }
}

/// What a block is compiled for.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Addresses have 64 bits.
    pub is_wide: bool,
    /// Bytes from the start of its page to the block.
    pub offset: u64,
    /// Also exits that were never taken so far.
    pub all_exits: bool,
}

/// What is compiled.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// All operations of the block.
    pub ops: &'a [Op],
    /// Number of the first of them where the interpreter finds them.
    pub first: BlockId,
    /// What for.
    pub setting: Setting,
    /// Whether the exit with the link of this number is made.
    pub has_exit: &'a dyn Fn(u32) -> bool,
}

/// How machine code was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The processor's state says how.
    Stopped,
    /// The interpreter goes on with operation number `op`; the value of the one before stands in register `held`, if it had one.
    Interpret {
        /// Number of the operation.
        op: BlockId,
        /// The register.
        held: Option<Reg>,
    },
    /// Operation number `op` took an interrupt, or cannot go on.
    Fault {
        /// Number of the operation.
        op: BlockId,
    },
}

/// What comes after an operation that machine code called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The next one.
    Next,
    /// The interpreter executes the operation, which has not done anything that is not done again.
    Interpret,
    /// The operation took an interrupt, or cannot go on.
    Fault,
}

impl Left {
    const KINDS: u64 = 3;

    /// As one word, as machine code returns it.
    fn pack(self) -> u64 {
        match self {
            Self::Stopped => 0,
            Self::Interpret { op, held } => 1 | u64::from(held.unwrap_or(crate::regs::ZERO)) << 8 | u64::from(op) << 32,
            Self::Fault { op } => 2 | u64::from(op) << 32,
        }
    }

    #[inline(always)]
    fn unpack(word: u64) -> Self {
        let op = (word >> 32) as BlockId;
        match word & Self::KINDS {
            0 => Self::Stopped,
            1 => Self::Interpret {
                op,
                held: Some((word >> 8) as Reg),
            },
            _ => Self::Fault { op },
        }
    }
}
