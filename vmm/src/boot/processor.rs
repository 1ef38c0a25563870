//! What a processor is, as the device tree tells the guest: the emulated POWER8, and the processors of a POWER machine as
//! KVM-PR passes them on.

use power::page::{PagePair, PageSize, SegmentSize};

use crate::host::Host;

/// Ticks of the time base in a second, on every POWER8 and POWER9 (and on the emulated one).
const TIMEBASE_HZ: u32 = 512_000_000;

/// What programs show as the clock where nobody knows better; nothing depends on it.
const CLOCK_HZ: u32 = 3_000_000_000;

/// Architecture level ISA 2.07 as a logical processor version (LoPAR, Device Tree, CPU bindings, "cpu-version").
const ISA_2_07: u32 = 0x0f00_0004;

/// A kind of processor. The tree calls all processors of a machine the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessorKind {
    /// Processor version register, as the guest reads it.
    pub(crate) pvr: u32,
    /// What the guest is to take it for: the same, or an architecture level.
    pub(crate) cpu_version: u32,
    /// Name of its nodes, without the unit address.
    pub(crate) name: &'static str,
    /// Ticks of the time base in a second.
    pub(crate) timebase_hz: u32,
    /// What programs show as the clock.
    pub(crate) clock_hz: u32,
    /// Level 1 caches, data first.
    pub(crate) caches: [Cache; 2],
    /// Segments and pages.
    pub(crate) translation: Translation,
    /// Attributes of the architecture (LoPAR, Device Tree, CPU bindings, "ibm,pa-features", specifier type 0).
    pub(crate) pa_features: Vec<u8>,
    /// Whether it has decimal floating point.
    pub(crate) has_decimal: bool,
}

/// A level 1 cache, for programs that tune by it. Blocks have 128 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cache {
    /// Its size.
    pub(crate) bytes: u32,
    /// Blocks of one set.
    pub(crate) ways: u32,
}

const fn cache(kib: u32) -> Cache {
    Cache {
        bytes: kib << 10,
        ways: 8,
    }
}

/// Segments and pages that a processor knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Translation {
    /// Entries of the segment lookaside buffer.
    pub(crate) slb_entries: u32,
    /// Whether there are segments of 1 TiB beside those of 256 MiB.
    pub(crate) has_1t_segments: bool,
    /// Pages, by the base size of the segment.
    pub(crate) bases: Vec<BasePages>,
}

/// Pages in segments of one base size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BasePages {
    /// log2 of the base size.
    pub(crate) shift: u32,
    /// How an SLB entry says it.
    pub(crate) slb_encoding: u32,
    /// log2 of each actual size, and how an entry of the table says it.
    pub(crate) actual: Vec<(u32, u32)>,
}

/// One base size of `KVM_PPC_GET_SMMU_INFO` (`struct kvm_ppc_one_seg_page_size`). A shift of 0 is an unused place, and the
/// end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SmmuBase {
    /// log2 of the base size.
    pub(crate) page_shift: u32,
    /// How an SLB entry says it.
    pub(crate) slb_enc: u32,
    /// log2 of each actual size, and how an entry of the table says it.
    pub(crate) enc: [(u32, u32); 8],
}

/// The host's processor is none that pteg can describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnknownProcessor {
    /// Another version.
    #[error("the processor (pvr {0:#010x}) is neither a POWER8 nor a POWER9")]
    Version(u32),
    /// It lacks what every guest begins with.
    #[error("KVM offers its guests no pages of 4 KiB")]
    No4K,
}

impl Translation {
    /// What the table's hypercalls take: all that POWER8 has.
    fn of_table() -> Self {
        let base = |base: PageSize| BasePages {
            shift: base.shift(),
            slb_encoding: base.slb_encoding() as u32,
            actual: PagePair::ALL
                .into_iter()
                .filter(|pair| pair.base() == base)
                .map(|pair| (pair.actual().shift(), pair.encoding() as u32))
                .collect(),
        };
        Self {
            slb_entries: 32,
            has_1t_segments: SegmentSize::from_encoding(1).is_some(),
            bases: PageSize::ALL.into_iter().map(base).collect(),
        }
    }

    /// What `KVM_PPC_GET_SMMU_INFO` answered, once a processor is there: `flags`, `slb_size` and `sps` of
    /// `struct kvm_ppc_smmu_info`. What the table's hypercalls do not take is left out.
    pub(crate) fn of_kvm(flags: u64, slb_size: u32, sps: &[SmmuBase]) -> Self {
        const KVM_PPC_1T_SEGMENTS: u64 = 0x2;
        let ours = Self::of_table();
        let base = |theirs: &SmmuBase| {
            let same = |ours: &&BasePages| (ours.shift, ours.slb_encoding) == (theirs.page_shift, theirs.slb_enc);
            let ours = ours.bases.iter().find(same)?;
            let used = theirs.enc.iter().take_while(|(shift, _)| *shift != 0);
            let actual: Vec<_> = used.filter(|pair| ours.actual.contains(pair)).copied().collect();
            (!actual.is_empty()).then_some(BasePages {
                actual,
                ..ours.clone()
            })
        };
        let used = sps.iter().take_while(|base| base.page_shift != 0);
        Self {
            slb_entries: slb_size,
            has_1t_segments: flags & KVM_PPC_1T_SEGMENTS != 0,
            bases: used.filter_map(base).collect(),
        }
    }
}

impl ProcessorKind {
    /// The processor of the `emulator` crate.
    pub(crate) fn emulated_power8() -> Self {
        Self {
            pvr: 0x004d_0200,
            cpu_version: 0x004d_0200,
            name: "PowerPC,POWER8",
            timebase_hz: TIMEBASE_HZ,
            clock_hz: CLOCK_HZ,
            caches: [cache(64), cache(32)],
            translation: Translation::of_table(),
            pa_features: EMULATED.to_vec(),
            has_decimal: false,
        }
    }

    /// The processor of a POWER machine, as a guest of KVM-PR meets it: `pvr` as KVM has set it, and what KVM says of
    /// `translation`.
    ///
    /// # Errors
    /// When it is none that guests of pteg know.
    pub(crate) fn of_kvm(pvr: u32, translation: Translation, host: &Host) -> Result<Self, UnknownProcessor> {
        let family = Family::of(pvr)?;
        if !translation.bases.iter().any(|base| base.shift == PageSize::Size4K.shift()) {
            return Err(UnknownProcessor::No4K);
        }
        Ok(Self {
            pvr,
            cpu_version: match family {
                // A POWER9 is to be taken for what KVM-PR makes of it: a hashed page table as POWER8 has it, no process table, no `scv`.
                Family::Power9 => ISA_2_07,
                Family::Power8 | Family::Power8E | Family::Power8Nvl => pvr,
            },
            name: family.node_name(),
            timebase_hz: host.cpu.timebase_hz.unwrap_or(TIMEBASE_HZ),
            clock_hz: host.cpu.clock_hz.unwrap_or(CLOCK_HZ),
            caches: match family {
                Family::Power9 => [cache(32), cache(32)],
                Family::Power8 | Family::Power8E | Family::Power8Nvl => [cache(64), cache(32)],
            },
            translation,
            pa_features: KVM_PR.to_vec(),
            has_decimal: true,
        })
    }

    /// Whether [`Self::of_kvm`] knows processors of this version.
    pub(crate) fn check_version(pvr: u32) -> Result<(), UnknownProcessor> {
        Family::of(pvr).map(|_| ())
    }
}

/// Processors that KVM-PR gives segments of 1 TiB and pages of 64 KiB, and that the tree has words for.
#[derive(Clone, Copy)]
enum Family {
    Power8,
    Power8E,
    Power8Nvl,
    Power9,
}

impl Family {
    fn of(pvr: u32) -> Result<Self, UnknownProcessor> {
        match pvr >> 16 {
            0x004b => Ok(Self::Power8E),
            0x004c => Ok(Self::Power8Nvl),
            0x004d => Ok(Self::Power8),
            0x004e => Ok(Self::Power9),
            _ => Err(UnknownProcessor::Version(pvr)),
        }
    }

    const fn node_name(self) -> &'static str {
        match self {
            Self::Power8 => "PowerPC,POWER8",
            Self::Power8E => "PowerPC,POWER8E",
            Self::Power8Nvl => "PowerPC,POWER8NVL",
            Self::Power9 => "PowerPC,POWER9",
        }
    }
}

/// Attributes of the emulated POWER8.
/// Not offered: data breakpoints (DABR), pages without coherence, strong storage order, transactional memory, and
/// quadword loads and stores: `lq`, `stq`, `lqarx` and `stqcx.` raise the illegal-instruction interrupt here.
const EMULATED: [u8; 26] = {
    let mut bytes = [0; 26];
    bytes[0] = 24; // attribute bytes that follow the header
    bytes[2] = 0b1111_0010; // MMU, FPU, SLB, run latch, no-execute
    bytes[3] = 0b0011_0111; // cache-inhibited large pages, round to integer, SPRG3 for users, empty SLB entries read 0, PP 110
    bytes[4] = 0b0101_0111; // data streams, DAR on alignment interrupts, PPR
    bytes[5] = 0b1100_0000; // DSCR with LSD and URG
    bytes[7] = 0b1110_0000; // little-endian, CFAR, elemental barriers
    bytes[8] = 0b1000_0000; // data streams of ISA 2.07
    bytes[18] = 0b1000_0000; // vectors of ISA 2.07
    bytes[20] = 0b1000_0000; // VSX of ISA 2.07
    bytes[22] = 0b1000_0000; // vector crypto of ISA 2.07
    bytes
};

/// Attributes of ISA 2.07 under KVM-PR: the same, less what KVM-PR takes writes of and forgets them (the run latch,
/// DSCR), or reads as 0 (CFAR). A guest that does without the run latch also leaves it alone, which saves it two exits an interrupt.
const KVM_PR: [u8; 26] = {
    let mut bytes = EMULATED;
    bytes[2] &= !0b0001_0000;
    bytes[5] = 0;
    bytes[7] &= !0b0100_0000;
    bytes
};

#[cfg(test)]
mod tests;
