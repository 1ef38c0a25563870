//! The interrupts that a processor takes, and what they leave in its registers
//! (Power ISA v2.07B, Book III-S, 6.5).

use power::msr::{Msr, lpcr};

/// An interrupt and what distinguishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// A real address that is not there.
    MachineCheck {
        /// The address.
        dar: u64,
    },
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
    },
    /// Program, with its SRR1 bit.
    Program(u64),
    /// Floating point unavailable.
    FloatUnavailable,
    /// Decrementer.
    Decrementer,
    /// System call.
    SystemCall,
    /// Vector unavailable.
    VectorUnavailable,
    /// VSX unavailable.
    VsxUnavailable,
    /// Facility unavailable, with the number that FSCR's upper byte takes.
    FacilityUnavailable(u8),
}

impl Trap {
    /// Offset of the vector.
    pub const fn vector(self) -> u64 {
        match self {
            Self::MachineCheck { .. } => 0x200,
            Self::DataStorage { .. } => 0x300,
            Self::DataSegment { .. } => 0x380,
            Self::InstructionStorage(_) => 0x400,
            Self::InstructionSegment => 0x480,
            Self::External => 0x500,
            Self::Alignment { .. } => 0x600,
            Self::Program(_) => 0x700,
            Self::FloatUnavailable => 0x800,
            Self::Decrementer => 0x900,
            Self::SystemCall => 0xc00,
            Self::VectorUnavailable => 0xf20,
            Self::VsxUnavailable => 0xf40,
            Self::FacilityUnavailable(_) => 0xf60,
        }
    }

    /// The bits of SRR1 that say what happened.
    pub const fn srr1(self) -> u64 {
        match self {
            // SRR1[42..47] of a load or store that found no memory.
            Self::MachineCheck { .. } => 0x20_0000,
            Self::InstructionStorage(bits) | Self::Program(bits) => bits,
            _ => 0,
        }
    }

    /// Whether relocation may stay on: not for machine checks.
    pub const fn may_relocate(self) -> bool {
        !matches!(self, Self::MachineCheck { .. })
    }
}

/// The bits of the MSR that SRR1 keeps: 0 to 32, 37 to 41 and 48 to 63.
pub const SRR1_KEEPS: u64 = !0x783f_0000;

/// Where an interrupt at `vector` goes from `msr`, and the MSR there.
pub fn entry(trap: Trap, msr: Msr, lpcr_bits: u64) -> (u64, Msr) {
    let mut new = Msr::SF | (msr.raw() & Msr::ME);
    if lpcr_bits & lpcr::ILE != 0 {
        new |= Msr::LE;
    }
    let translated = msr.raw() & (Msr::IR | Msr::DR) == Msr::IR | Msr::DR;
    let offset = match lpcr_bits & lpcr::AIL {
        lpcr::AIL_3 if translated && trap.may_relocate() => 0xc000_0000_0000_4000,
        lpcr::AIL_2 if translated && trap.may_relocate() => 0x1_8000,
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
}
