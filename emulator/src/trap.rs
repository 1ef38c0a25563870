//! The interrupts that a processor takes, and what they leave in its registers
//! (Power ISA v2.07B, Book III-S, 6.5).

use power::msr::{Msr, lpcr};

/// An interrupt and what distinguishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// A load or store of a real address that is not there.
    MachineCheck {
        /// The address.
        dar: u64,
    },
    /// A fetch from a real address that is not there.
    FetchMachineCheck,
    /// Data storage.
    DataStorage {
        /// The address.
        dar: u64,
        /// What was wrong.
        dsisr: u64,
    },
    /// Data segment: no SLB entry.
    DataSegment {
        /// The address.
        dar: u64,
    },
    /// Instruction storage, with its SRR1 bits.
    InstructionStorage(u64),
    /// Instruction segment: no SLB entry.
    InstructionSegment,
    /// External.
    External,
    /// Alignment.
    Alignment {
        /// The address.
        dar: u64,
        /// What the instruction is.
        dsisr: u64,
    },
    /// Program, with its SRR1 bit.
    Program(u64),
    /// Floating point unavailable.
    FloatUnavailable,
    /// Decrementer.
    Decrementer,
    /// Directed privileged doorbell.
    Doorbell,
    /// System call.
    SystemCall,
    /// Trace, with its SRR1 bits.
    Trace(u64),
    /// Performance monitor.
    PerformanceMonitor,
    /// Vector unavailable.
    VectorUnavailable,
    /// VSX unavailable.
    VsxUnavailable,
    /// Facility unavailable, with the number that FSCR's upper byte takes.
    FacilityUnavailable(u8),
}

/// The vectors, with their names.
pub const VECTORS: [(u64, &str); 18] = [
    (0x200, "machine check"),
    (0x300, "data storage"),
    (0x380, "data segment"),
    (0x400, "instruction storage"),
    (0x480, "instruction segment"),
    (0x500, "external"),
    (0x600, "alignment"),
    (0x700, "program"),
    (0x800, "floating point unavailable"),
    (0x900, "decrementer"),
    (0xa00, "doorbell"),
    (0xc00, "system call"),
    (0xd00, "trace"),
    (0xf00, "performance monitor"),
    (0xf20, "vector unavailable"),
    (0xf40, "VSX unavailable"),
    (0xf60, "facility unavailable"),
    (0x1_7000, "system call vectored"),
];

/// Place of [`vectored_call`] in them; all others are those of a [`Trap`].
pub const VECTORED_CALL: usize = 17;

impl Trap {
    /// Place in [`VECTORS`].
    pub const fn number(self) -> usize {
        match self {
            Self::MachineCheck { .. } | Self::FetchMachineCheck => 0,
            Self::DataStorage { .. } => 1,
            Self::DataSegment { .. } => 2,
            Self::InstructionStorage(_) => 3,
            Self::InstructionSegment => 4,
            Self::External => 5,
            Self::Alignment { .. } => 6,
            Self::Program(_) => 7,
            Self::FloatUnavailable => 8,
            Self::Decrementer => 9,
            Self::Doorbell => 10,
            Self::SystemCall => 11,
            Self::Trace(_) => 12,
            Self::PerformanceMonitor => 13,
            Self::VectorUnavailable => 14,
            Self::VsxUnavailable => 15,
            Self::FacilityUnavailable(_) => 16,
        }
    }

    /// Offset of the vector.
    pub const fn vector(self) -> u64 {
        VECTORS[self.number()].0
    }

    /// The bits of SRR1 that say what happened.
    pub const fn srr1(self) -> u64 {
        match self {
            // SRR1[42]: a load or store, of which DSISR says more; else SRR1[43:45]: a fetch that found no memory
            // (POWER8 Processor User's Manual, Machine Check Interrupt).
            Self::MachineCheck { .. } => 0x20_0000,
            Self::FetchMachineCheck => 0x4_0000,
            Self::InstructionStorage(bits) | Self::Program(bits) | Self::Trace(bits) => bits,
            _ => 0,
        }
    }

    /// What the interrupt leaves in DAR and DSISR. `None`: they stay.
    pub const fn data(self) -> Option<(u64, u64)> {
        match self {
            Self::DataStorage { dar, dsisr } | Self::Alignment { dar, dsisr } => Some((dar, dsisr)),
            Self::DataSegment { dar } => Some((dar, 0)),
            Self::MachineCheck { dar } => Some((dar, UNCORRECTABLE)),
            _ => None,
        }
    }

    /// Whether it is a machine check, which does not relocate.
    pub const fn is_machine_check(self) -> bool {
        matches!(self, Self::MachineCheck { .. } | Self::FetchMachineCheck)
    }
}

/// DSISR of a machine check: memory did not answer a load or store.
const UNCORRECTABLE: u64 = 0x8000;

/// The bits of the MSR that SRR1 keeps: 0 to 32, 37 to 41 and 48 to 63.
pub const SRR1_KEEPS: u64 = !0x783f_0000;

/// Where `scv` of this level goes from `msr`, and the MSR there: interrupts stay as enabled as they are (Power ISA v3.0B,
/// Book III, 6.5.27).
pub fn vectored_call(level: u32, msr: Msr, lpcr_bits: u64) -> (u64, Msr) {
    let (_, entered) = entry(Trap::SystemCall, msr, lpcr_bits);
    let kept = msr.raw() & (Msr::EE | Msr::RI);
    let relocated = entered.has(Msr::IR) && lpcr_bits & lpcr::AIL == lpcr::AIL_3;
    let first = if relocated { 0xc000_0000_0000_3000 } else { 0x1_7000 };
    (first + 0x20 * u64::from(level), Msr::from_raw(entered.raw() | kept))
}

/// Where an interrupt at `vector` goes from `msr`, and the MSR there.
#[inline]
pub fn entry(trap: Trap, msr: Msr, lpcr_bits: u64) -> (u64, Msr) {
    // Also of machine checks, though a processor clears ME there: they are the hypervisor's to take, who reflects them, and a partition
    // could not set it again (4.3.1: rfid keeps it).
    let mut new = Msr::SF | (msr.raw() & Msr::ME);
    if lpcr_bits & lpcr::ILE != 0 {
        new |= Msr::LE;
    }
    let translated = msr.raw() & (Msr::IR | Msr::DR) == Msr::IR | Msr::DR;
    let offset = match lpcr_bits & lpcr::AIL {
        lpcr::AIL_3 if translated && !trap.is_machine_check() => 0xc000_0000_0000_4000,
        lpcr::AIL_2 if translated && !trap.is_machine_check() => 0x1_8000,
        _ => return (trap.vector(), Msr::from_raw(new)),
    };
    (offset + trap.vector(), Msr::from_raw(new | Msr::IR | Msr::DR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ail_3_applies_only_to_translated_contexts() {
        let on = Msr::from_raw(Msr::SF | Msr::IR | Msr::DR | Msr::ME | Msr::EE);
        let (at, msr) = entry(Trap::Decrementer, on, lpcr::AIL_3 | lpcr::ILE);
        assert_eq!(at, 0xc000_0000_0000_4900);
        assert_eq!(msr.raw(), Msr::SF | Msr::ME | Msr::IR | Msr::DR | Msr::LE);
        let (at, msr) = entry(Trap::Decrementer, Msr::from_raw(Msr::SF | Msr::DR), lpcr::AIL_3);
        assert_eq!(at, 0x900);
        assert_eq!(msr.raw(), Msr::SF);
        assert_eq!(entry(Trap::MachineCheck { dar: 0 }, on, lpcr::AIL_3).0, 0x200);
    }

    #[test]
    fn a_vectored_call_has_vectors_of_its_own_and_leaves_interrupts_enabled() {
        let on = Msr::from_raw(Msr::SF | Msr::IR | Msr::DR | Msr::ME | Msr::EE | Msr::PR | Msr::RI);
        let (at, msr) = vectored_call(0, on, lpcr::AIL_3 | lpcr::ILE);
        assert_eq!(at, 0xc000_0000_0000_3000);
        let entered = Msr::SF | Msr::ME | Msr::EE | Msr::RI | Msr::IR | Msr::DR;
        assert_eq!(msr.raw(), entered | Msr::LE);
        let (at, msr) = vectored_call(1, on, lpcr::AIL_2);
        assert_eq!((at, msr.raw()), (0x1_7020, entered));
        let (at, msr) = vectored_call(127, on, 0);
        assert_eq!((at, msr.raw()), (0x1_7fe0, entered & !(Msr::IR | Msr::DR)));
        let real = Msr::from_raw(Msr::SF);
        assert_eq!(vectored_call(0, real, lpcr::AIL_3), (0x1_7000, real));
    }
}
