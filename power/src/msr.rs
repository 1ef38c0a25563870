//! The machine state register and the bits that interrupts put beside it (Power ISA v2.07B, Book III-S, 3.2.1, 6.5).

use crate::bits::bit;

/// Machine state register.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Msr(u64);

impl Msr {
    /// 64-bit mode.
    pub const SF: u64 = bit(0);
    /// Hypervisor state; always 0 for a partition.
    pub const HV: u64 = bit(3);
    /// Vector facility available.
    pub const VEC: u64 = bit(38);
    /// VSX facility available.
    pub const VSX: u64 = bit(40);
    /// External interrupts (and the decrementer) enabled.
    pub const EE: u64 = bit(48);
    /// Problem state.
    pub const PR: u64 = bit(49);
    /// Floating point available.
    pub const FP: u64 = bit(50);
    /// Machine check enabled.
    pub const ME: u64 = bit(51);
    /// Floating-point exception mode 0.
    pub const FE0: u64 = bit(52);
    /// Single-step trace.
    pub const SE: u64 = bit(53);
    /// Branch trace.
    pub const BE: u64 = bit(54);
    /// Floating-point exception mode 1.
    pub const FE1: u64 = bit(55);
    /// Instruction relocation.
    pub const IR: u64 = bit(58);
    /// Data relocation.
    pub const DR: u64 = bit(59);
    /// Performance monitor mark.
    pub const PMM: u64 = bit(61);
    /// Recoverable interrupt.
    pub const RI: u64 = bit(62);
    /// Little-endian.
    pub const LE: u64 = bit(63);

    /// Every bit that a partition of this processor may set.
    pub const WRITABLE: u64 = Self::SF
        | Self::VEC
        | Self::VSX
        | Self::EE
        | Self::PR
        | Self::FP
        | Self::ME
        | Self::FE0
        | Self::SE
        | Self::BE
        | Self::FE1
        | Self::IR
        | Self::DR
        | Self::PMM
        | Self::RI
        | Self::LE;

    /// Takes the register's value as it is.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The register's value.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Whether any bit of `mask` is set.
    pub const fn has(self, mask: u64) -> bool {
        self.0 & mask != 0
    }
}

impl std::fmt::Debug for Msr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            (Self::SF, "SF"),
            (Self::VEC, "VEC"),
            (Self::VSX, "VSX"),
            (Self::EE, "EE"),
            (Self::PR, "PR"),
            (Self::FP, "FP"),
            (Self::ME, "ME"),
            (Self::SE, "SE"),
            (Self::BE, "BE"),
            (Self::IR, "IR"),
            (Self::DR, "DR"),
            (Self::RI, "RI"),
            (Self::LE, "LE"),
        ];
        write!(f, "Msr({:#x}", self.0)?;
        for (mask, name) in names {
            if self.has(mask) {
                write!(f, " {name}")?;
            }
        }
        write!(f, ")")
    }
}

/// DSISR bits of a data storage interrupt, and the SRR1 bits of an instruction storage interrupt
/// (which stand at the same places): Power ISA v2.07B, Book III-S, 6.5.3 and 6.5.5.
pub mod storage_fault {
    /// No entry of the table translates the address (bit 33 of 64).
    pub const NOT_FOUND: u64 = 0x4000_0000;
    /// Fetch from no-execute or guarded storage (SRR1 bit 35).
    pub const NO_EXECUTE: u64 = 0x1000_0000;
    /// The access is not permitted by the protection bits (bit 36).
    pub const PROTECTION: u64 = 0x0800_0000;
    /// A reservation, a quadword or an atomic operation in storage that is not cached (DSISR bit 37).
    pub const INHIBITED: u64 = 0x0400_0000;
    /// The access was a store or `dcbz` (DSISR bit 38).
    pub const STORE: u64 = 0x0200_0000;
    /// The access matched the data address watchpoint (bit 41).
    pub const WATCHPOINT: u64 = 0x0040_0000;
    /// The access is not permitted by the virtual page class key (bit 42).
    pub const KEY: u64 = 0x0020_0000;
    /// `copy` or `paste.` of storage that it does not go with (DSISR bit 60; Power ISA v3.0B).
    pub const COPY_PASTE: u64 = 0x8;
    /// An atomic memory operation with a function that there is none of (DSISR bit 61; Power ISA v3.0B).
    pub const ATOMIC_FUNCTION: u64 = 0x4;
}

/// SRR1 bits of a program interrupt (Power ISA v2.07B, Book III-S, 6.5.9).
pub mod program {
    /// Enabled floating-point exception (bit 43).
    pub const FLOATING_POINT: u64 = 0x10_0000;
    /// Illegal instruction (bit 44).
    pub const ILLEGAL: u64 = 0x8_0000;
    /// Privileged instruction in problem state (bit 45).
    pub const PRIVILEGED: u64 = 0x4_0000;
    /// Trap (bit 46).
    pub const TRAP: u64 = 0x2_0000;
    /// SRR0 is not the instruction that caused it, but a later one (bit 47).
    pub const LATER: u64 = 0x1_0000;
}

/// LPCR bits that a partition sees through H_SET_MODE (Power ISA v2.07B, Book III-S, 2.2).
pub mod lpcr {
    use crate::bits::{bit, field};

    /// Interrupts are taken in little-endian mode (bit 38).
    pub const ILE: u64 = bit(38);
    /// Alternate interrupt location (bits 39 and 40).
    pub const AIL: u64 = field(39, 40);
    /// AIL = 3: relocation stays on, vectors at 0xc000_0000_0000_4000.
    pub const AIL_3: u64 = field(39, 40);
    /// AIL = 2: relocation stays on, vectors at 0x1_8000.
    pub const AIL_2: u64 = bit(39);
}
