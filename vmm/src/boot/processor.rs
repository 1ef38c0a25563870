//! What a processor is, as the device tree tells the guest: here the emulated POWER8; the processors of a POWER machine as
//! KVM-PR passes them on are `kvm`'s.

#[cfg_attr(
    not(any(test, target_arch = "powerpc64")),
    expect(dead_code, reason = "nobody passes processors on elsewhere")
)]
mod kvm;

pub(crate) use kvm::UnknownProcessor;
use power::page::{PagePair, PageSize, SegmentSize};

/// Ticks of the time base in a second, on every POWER8 and POWER9 (and on the emulated one).
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

#[cfg(test)]
pub(super) mod tests;
