//! What a processor is, as the device tree tells the guest: here the emulated ones; the processors of a POWER machine as
//! KVM-PR passes them on are `kvm`'s.

#[cfg_attr(
    not(any(test, target_arch = "powerpc64")),
    expect(dead_code, reason = "nobody passes processors on elsewhere")
)]
mod kvm;

pub(crate) use kvm::UnknownProcessor;
use power::model::Model;
use power::page::{PagePair, PageSize, SegmentSize};

/// Ticks of the time base in a second, on every POWER8 and POWER9 (and on the emulated ones).
const TIMEBASE_HZ: u32 = 512_000_000;

/// What programs show as the clock where nobody knows better; nothing depends on it.
const CLOCK_HZ: u32 = 3_000_000_000;

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
    /// How many virtual page class keys it looks at: for loads and stores, and for fetches.
    pub(crate) storage_keys: [u32; 2],
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

impl Translation {
    /// What the table's hypercalls take: all that POWER8 has, and POWER9 with a hashed table.
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
}

impl ProcessorKind {
    /// The processor of the `emulator` crate.
    pub(crate) fn emulated(model: Model) -> Self {
        let (name, caches, pa_features) = match model {
            Model::Power8 => ("PowerPC,POWER8", [cache(64), cache(32)], EMULATED_POWER8.to_vec()),
            Model::Power9 => ("PowerPC,POWER9", [cache(32), cache(32)], EMULATED_POWER9.to_vec()),
        };
        Self {
            pvr: model.pvr(),
            cpu_version: model.pvr(),
            name,
            timebase_hz: TIMEBASE_HZ,
            clock_hz: CLOCK_HZ,
            caches,
            translation: Translation::of_table(),
            pa_features,
            has_decimal: false,
            storage_keys: [32, 32],
        }
    }
}

/// Attributes of the emulated POWER8.
/// Not offered: data breakpoints (DABR), pages without coherence, strong storage order, and transactional memory.
const EMULATED_POWER8: [u8; 26] = {
    let mut bytes = [0; 26];
    bytes[0] = 24; // attribute bytes that follow the header
    bytes[2] = 0b1111_0010; // MMU, FPU, SLB, run latch, no-execute
    bytes[3] = 0b0011_0111; // cache-inhibited large pages, round to integer, SPRG3 for users, empty SLB entries read 0, PP 110
    bytes[4] = 0b0101_0111; // data streams, DAR on alignment interrupts, PPR
    bytes[5] = 0b1100_0000; // DSCR with LSD and URG
    bytes[7] = 0b1111_0000; // little-endian, CFAR, elemental barriers, quadword loads and stores
    bytes[8] = 0b1000_0000; // data streams of ISA 2.07
    bytes[18] = 0b1000_0000; // vectors of ISA 2.07
    bytes[20] = 0b1000_0000; // VSX of ISA 2.07
    bytes[22] = 0b1000_0000; // vector crypto of ISA 2.07
    bytes
};

/// Attributes of the emulated POWER9: those of the POWER8, and what ISA 3.0 adds.
/// Not offered: radix trees, the large decrementer, copies to accelerators, and decimal floating point.
const EMULATED_POWER9: [u8; 68] = {
    let mut bytes = [0; 68];
    let mut at = 0;
    while at < EMULATED_POWER8.len() {
        bytes[at] = EMULATED_POWER8[at];
        at += 1;
    }
    bytes[0] = 66;
    bytes[28] = 0b1000_0000; // fixed point of ISA 3.0
    bytes[34] = 0b1000_0000; // little-endian atomic memory operations
    bytes[46] = 0b1000_0000; // addresses relative to the instruction
    bytes[48] = 0b1000_0000; // scv
    bytes[50] = 0b1000_0000; // vectors of ISA 3.0
    bytes[52] = 0b1000_0000; // quad precision
    bytes[54] = 0b1000_0000; // vector strings
    bytes[58] = 0b1000_0000; // decimal integers
    bytes[60] = 0b1000_0000; // secure hashes
    bytes[62] = 0b1000_0000; // atomic memory operations
    bytes[64] = 0b1000_0000; // random numbers
    bytes
};

#[cfg(test)]
pub(super) mod tests;
