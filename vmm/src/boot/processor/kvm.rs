//! Processors of a POWER machine as KVM-PR passes them on to a guest: which of them, with what pages, and what they offer.

use power::model::Model;
use power::page::PageSize;

use super::{BasePages, CLOCK_HZ, EMULATED_POWER8, ProcessorKind, TIMEBASE_HZ, Translation, cache};
use crate::host::Host;

/// Architecture level ISA 2.07 as a logical processor version (LoPAR, Device Tree, CPU bindings, "cpu-version").
const ISA_2_07: u32 = 0x0f00_0004;

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
    /// The same as [`Self::of_kvm`], from the kernel's own structure.
    #[cfg(target_arch = "powerpc64")]
    pub(crate) fn of_smmu_info(info: &kvm_bindings::kvm_ppc_smmu_info) -> Self {
        let bases = info.sps.map(|base| SmmuBase {
            page_shift: base.page_shift,
            slb_enc: base.slb_enc,
            enc: base.enc.map(|actual| (actual.page_shift, actual.pte_enc)),
        });
        Self::of_kvm(info.flags, info.slb_size, &bases)
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
            (!actual.is_empty()).then_some(BasePages { actual, ..ours.clone() })
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
    /// The processor of a POWER machine, as a guest of KVM-PR meets it: `pvr` as KVM has set it, and what KVM says of
    /// `translation`.
    ///
    /// # Errors
    /// When it is none that guests of pteg know.
    pub(crate) fn of_kvm(pvr: u32, translation: Translation, host: &Host) -> Result<Self, UnknownProcessor> {
        let family = Family::of(pvr)?;
        if !translation
            .bases
            .iter()
            .any(|base| base.shift == PageSize::Size4K.shift())
        {
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
            // KVM-PR's pages have no class.
            storage_keys: [0, 0],
        })
    }

    /// The model of a processor of this version, if it is known.
    pub(crate) fn model_of(pvr: u32) -> Option<Model> {
        Some(match Family::of(pvr).ok()? {
            Family::Power9 => Model::Power9,
            Family::Power8 | Family::Power8E | Family::Power8Nvl => Model::Power8,
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

/// Attributes of ISA 2.07 under KVM-PR: the same, less what KVM-PR takes writes of and forgets them (the run latch,
/// DSCR), or reads as 0 (CFAR), and less quadword loads and stores, which nobody has tried there. A guest that does without the run latch also leaves it alone, which saves it two exits an interrupt.
const KVM_PR: [u8; 26] = {
    let mut bytes = EMULATED_POWER8;
    bytes[2] &= !0b0001_0000;
    bytes[5] = 0;
    bytes[7] &= !0b0101_0000;
    bytes
};
