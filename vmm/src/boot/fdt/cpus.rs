//! The processors' nodes: LoPAR, Device Tree, CPU bindings.

use power::page::{PagePair, PageSize, SegmentSize};
use vm_fdt::FdtWriter;

/// Processor version register of POWER8 (DD2.0).
const POWER8: u32 = 0x004d_0200;

/// Ticks of the time base in a second.
const TIMEBASE_HZ: u32 = 512_000_000;

/// What programs show as the clock; nothing depends on it.
const CLOCK_HZ: u32 = 3_000_000_000;

/// Bytes in a cache block, which is what `dcbz` clears.
const CACHE_BLOCK: u32 = 128;

/// Entries of the segment lookaside buffer.
const SLB_ENTRIES: u32 = 32;

/// A level 1 cache of POWER8, for programs that tune by it.
struct Cache {
    name: &'static str,
    bytes: u32,
    ways: u32,
}

const CACHES: [Cache; 2] = [
    Cache {
        name: "d-cache",
        bytes: 64 << 10,
        ways: 8,
    },
    Cache {
        name: "i-cache",
        bytes: 32 << 10,
        ways: 8,
    },
];

/// Attributes of the architecture (LoPAR, Device Tree, CPU bindings, "ibm,pa-features", specifier type 0).
/// Not offered: data breakpoints (DABR), pages without coherence, strong storage order, transactional memory, and
/// quadword loads and stores: `lq`, `stq`, `lqarx` and `stqcx.` raise the illegal-instruction interrupt here.
const PA_FEATURES: [u8; 26] = {
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

/// Writes `/cpus` with `processors` processors and a table of `hpt_order`.
pub(super) fn write(fdt: &mut FdtWriter, processors: u32, hpt_order: u32) -> Result<(), vm_fdt::Error> {
    let cpus = fdt.begin_node("cpus")?;
    fdt.property_u32("#address-cells", 1)?;
    fdt.property_u32("#size-cells", 0)?;
    for server in 0..processors {
        processor(fdt, server, hpt_order)?;
    }
    fdt.end_node(cpus)
}

fn processor(fdt: &mut FdtWriter, server: u32, hpt_order: u32) -> Result<(), vm_fdt::Error> {
    let node = fdt.begin_node(&format!("PowerPC,POWER8@{server:x}"))?;
    fdt.property_string("device_type", "cpu")?;
    fdt.property_string("status", "okay")?;
    fdt.property_u32("reg", server)?;
    fdt.property_u32("cpu-version", POWER8)?;
    fdt.property_null("64-bit")?;
    fdt.property_u32("timebase-frequency", TIMEBASE_HZ)?;
    fdt.property_u32("clock-frequency", CLOCK_HZ)?;
    // One thread a core; the second cell of a pair is the global queue, which here is server 0.
    fdt.property_array_u32("ibm,ppc-interrupt-server#s", &[server])?;
    fdt.property_array_u32("ibm,ppc-interrupt-gserver#s", &[server, 0])?;
    for cache in CACHES {
        let name = cache.name;
        fdt.property_u32(&format!("{name}-block-size"), CACHE_BLOCK)?;
        fdt.property_u32(&format!("{name}-line-size"), CACHE_BLOCK)?;
        fdt.property_u32(&format!("{name}-size"), cache.bytes)?;
        fdt.property_u32(&format!("{name}-sets"), cache.bytes / CACHE_BLOCK / cache.ways)?;
    }
    fdt.property_array_u32("ibm,pft-size", &[0, hpt_order])?;
    fdt.property_u32("slb-size", SLB_ENTRIES)?;
    fdt.property_u32("ibm,slb-size", SLB_ENTRIES)?;
    fdt.property_array_u32("ibm,segment-page-sizes", &segment_page_sizes())?;
    fdt.property_array_u32("ibm,processor-segment-sizes", &segment_sizes())?;
    fdt.property("ibm,pa-features", &PA_FEATURES)?;
    // 2: VMX and VSX.
    fdt.property_u32("ibm,vmx", 2)?;
    fdt.end_node(node)
}

/// For each base page size: its shift, its SLB encoding, the number of actual sizes, and for each of
/// them its shift and its encoding in an HPTE.
fn segment_page_sizes() -> Vec<u32> {
    let mut cells = Vec::new();
    for base in PageSize::ALL {
        let pairs: Vec<PagePair> = PagePair::ALL.into_iter().filter(|pair| pair.base() == base).collect();
        cells.extend([base.shift(), base.slb_encoding() as u32, pairs.len() as u32]);
        for pair in pairs {
            cells.extend([pair.actual().shift(), pair.encoding() as u32]);
        }
    }
    cells
}

/// log2 of the segment sizes in the order of their encodings; all ones where there is none.
fn segment_sizes() -> Vec<u32> {
    (0..4)
        .map(|b| SegmentSize::from_encoding(b).map_or(u32::MAX, SegmentSize::shift))
        .collect()
}
