//! The floating-point, vector (VMX) and vector-scalar (VSX) facilities: their registers, and what
//! each computational instruction of Power ISA v2.07B and v3.0B does to them. Loads and stores, and whether
//! the MSR lets an instruction run at all, are the caller's; [`facility()`] says what to ask.

mod arith;
#[cfg(test)]
mod arith_tests;
mod compare;
mod convert;
mod crypto;
mod data_class;
mod decimal;
mod decimal_digits;
mod decimal_format;
mod estimate;
mod facility;
mod fp;
mod fp_status;
mod fpscr;
mod half;
mod host;
mod lanes;
mod quad;
mod quad_arith;
mod quad_convert;
mod quad_handler;
mod quad_root;
mod round;
mod scalar_compare;
mod soft;
mod value;
mod vmx_arith;
mod vmx_bits;
mod vmx_compare;
mod vmx_extract;
mod vmx_float;
mod vmx_multiply;
mod vmx_pack;
mod vmx_permute;
mod vmx_shift;
mod vsx_bytes;
mod vsx_convert;
mod vsx_move;
mod vsx_scalar;
mod vsx_vector;

use power::insn::{Opcode, Word};

use crate::regs::{CR, Regs};
pub use facility::{Facility, facility};
pub use fpscr::{Fpscr, Rounding};
use round::Computed;
use value::{Precision, fprf};
pub use value::{double_to_single, single_to_double};

/// What running an instruction led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It completed.
    Done,
    /// It completed, as far as an enabled exception lets it, and `FPSCR[FEX]` is set: a program
    /// interrupt if `MSR[FE0]` or `MSR[FE1]` asks for one.
    FloatException,
}

impl Outcome {
    /// The outcome of an instruction that did or did not meet an enabled exception.
    fn trapped(trapped: bool) -> Self {
        if trapped { Self::FloatException } else { Self::Done }
    }
}

/// Runs one instruction.
pub type Handler = fn(&mut Vsu, &mut Regs, Word) -> Outcome;

/// What runs this instruction, if it is a computational one of these facilities.
pub fn handler(op: Opcode) -> Option<Handler> {
    [
        fp::handler,
        fp_status::handler,
        compare::handler,
        vmx_arith::handler,
        vmx_multiply::handler,
        vmx_compare::handler,
        vmx_shift::handler,
        vmx_bits::handler,
        vmx_pack::handler,
        vmx_permute::handler,
        vmx_extract::handler,
        vmx_float::handler,
        crypto::handler,
        scalar_compare::handler,
        data_class::handler,
        half::handler,
        quad_handler::handler,
        decimal::handler,
        decimal_digits::handler,
        decimal_format::handler,
        vsx_move::handler,
        vsx_bytes::handler,
        vsx_scalar::handler,
        vsx_vector::handler,
        vsx_convert::handler,
    ]
    .into_iter()
    .find_map(|subject| subject(op))
}

/// VSCR: the vector status and control register. Power ISA v2.07B, Book I, 6.3.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vscr(u32);

impl Vscr {
    const NJ: u32 = 1 << 16;
    const SAT: u32 = 1;

    /// Takes the bits that exist.
    pub fn new(raw: u32) -> Self {
        Self(raw & (Self::NJ | Self::SAT))
    }

    /// The register's 32 bits.
    pub fn raw(self) -> u32 {
        self.0
    }

    /// Denormals count as zeros in the vector single-precision instructions of VMX.
    pub fn is_non_java(self) -> bool {
        self.0 & Self::NJ != 0
    }

    /// Notes that a result was saturated.
    pub(crate) fn saturate(&mut self, saturated: bool) {
        self.0 |= u32::from(saturated);
    }
}

/// The registers. Bit 0 of the manuals is the most significant of each `u128`.
#[derive(Clone)]
pub struct Vsu {
    /// The VSRs. FPR n is the upper half of VSR n, VR n is VSR 32 + n.
    pub vsr: [u128; 64],
    /// Floating-point status and control.
    pub fpscr: Fpscr,
    /// Vector status and control.
    pub vscr: Vscr,
    /// Which vector registers software says it uses; nothing here reads it.
    pub vrsave: u32,
}

impl Default for Vsu {
    fn default() -> Self {
        Self {
            vsr: [0; 64],
            fpscr: Fpscr::default(),
            vscr: Vscr::default(),
            vrsave: 0,
        }
    }
}

impl Vsu {
    /// Floating-point register `n`, or doubleword 0 of VSR `n`.
    #[inline(always)]
    pub fn scalar(&self, n: usize) -> u64 {
        (self.vsr[n & 63] >> 64) as u64
    }

    /// Sets floating-point register `n`, or doubleword 0 of VSR `n`. Doubleword 1, which the
    /// architecture leaves undefined, becomes zero.
    #[inline(always)]
    pub fn set_scalar(&mut self, n: usize, bits: u64) {
        self.vsr[n & 63] = u128::from(bits) << 64;
    }

    #[inline(always)]
    fn get(&self, n: usize) -> u128 {
        self.vsr[n & 63]
    }

    #[inline(always)]
    fn set(&mut self, n: usize, value: u128) -> Outcome {
        self.vsr[n & 63] = value;
        Outcome::Done
    }

    /// Vector register `n`.
    #[inline(always)]
    pub fn vr(&self, n: usize) -> u128 {
        self.vsr[32 + (n & 31)]
    }

    /// Sets vector register `n`: the last thing that an instruction does.
    #[inline(always)]
    fn set_vr(&mut self, n: usize, value: u128) -> Outcome {
        self.vsr[32 + (n & 31)] = value;
        Outcome::Done
    }

    /// Ends a scalar operation: records what it found and, unless an enabled exception forbids
    /// it, writes the result and its class.
    fn deliver(&mut self, target: usize, precision: Precision, result: Computed) -> Outcome {
        if !self.fpscr.suppresses(result.found) {
            self.fpscr.set_fprf(fprf(result.bits, precision));
        }
        self.deliver_unclassified(target, result)
    }

    /// As [`Self::deliver`], for results whose class FPRF does not tell: it stays.
    fn deliver_unclassified(&mut self, target: usize, result: Computed) -> Outcome {
        let suppressed = self.fpscr.suppresses(result.found);
        self.fpscr.set_rounded(if suppressed { 0 } else { result.found });
        let trapped = self.fpscr.raise(result.found);
        if !suppressed {
            self.set_scalar(target, result.bits);
        }
        Outcome::trapped(trapped)
    }

    /// Copies the exception summary to CR field 1 if the instruction has its Rc bit set.
    fn record(&self, regs: &mut Regs, record: bool) {
        if record {
            regs[CR + 1] = self.fpscr.cr1();
        }
    }
}
