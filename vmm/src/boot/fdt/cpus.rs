//! The processors' nodes: LoPAR, Device Tree, CPU bindings.

use power::page::SegmentSize;
use vm_fdt::FdtWriter;

use crate::boot::processor::{ProcessorKind, Translation};

/// Bytes in a cache block, which is what `dcbz` clears.
const CACHE_BLOCK: u32 = 128;

/// Writes `/cpus` with `processors` processors of one `kind` and a table of `hpt_order`.
pub(super) fn write(
    fdt: &mut FdtWriter,
    processors: u32,
    kind: &ProcessorKind,
    hpt_order: u32,
) -> Result<(), vm_fdt::Error> {
    let cpus = fdt.begin_node("cpus")?;
    fdt.property_u32("#address-cells", 1)?;
    fdt.property_u32("#size-cells", 0)?;
    for server in 0..processors {
        processor(fdt, server, kind, hpt_order)?;
    }
    fdt.end_node(cpus)
}

fn processor(fdt: &mut FdtWriter, server: u32, kind: &ProcessorKind, hpt_order: u32) -> Result<(), vm_fdt::Error> {
    let node = fdt.begin_node(&format!("{}@{server:x}", kind.name))?;
    fdt.property_string("device_type", "cpu")?;
    fdt.property_string("status", "okay")?;
    fdt.property_u32("reg", server)?;
    fdt.property_u32("cpu-version", kind.cpu_version)?;
    fdt.property_null("64-bit")?;
    fdt.property_u32("timebase-frequency", kind.timebase_hz)?;
    fdt.property_u32("clock-frequency", kind.clock_hz)?;
    // One thread a core; the second cell of a pair is the global queue, which here is server 0.
    fdt.property_array_u32("ibm,ppc-interrupt-server#s", &[server])?;
    fdt.property_array_u32("ibm,ppc-interrupt-gserver#s", &[server, 0])?;
    for (name, cache) in ["d-cache", "i-cache"].into_iter().zip(kind.caches) {
        fdt.property_u32(&format!("{name}-block-size"), CACHE_BLOCK)?;
        fdt.property_u32(&format!("{name}-line-size"), CACHE_BLOCK)?;
        fdt.property_u32(&format!("{name}-size"), cache.bytes)?;
        fdt.property_u32(&format!("{name}-sets"), cache.bytes / CACHE_BLOCK / cache.ways)?;
    }
    fdt.property_array_u32("ibm,pft-size", &[0, hpt_order])?;
    fdt.property_u32("slb-size", kind.translation.slb_entries)?;
    fdt.property_u32("ibm,slb-size", kind.translation.slb_entries)?;
    fdt.property_array_u32("ibm,segment-page-sizes", &segment_page_sizes(&kind.translation))?;
    fdt.property_array_u32("ibm,processor-segment-sizes", &segment_sizes(&kind.translation))?;
    if kind.storage_keys != [0, 0] {
        fdt.property_array_u32("ibm,processor-storage-keys", &kind.storage_keys)?;
    }
    fdt.property("ibm,pa-features", &kind.pa_features)?;
    // 2: VMX and VSX.
    fdt.property_u32("ibm,vmx", 2)?;
    if kind.has_decimal {
        fdt.property_u32("ibm,dfp", 1)?;
    }
    fdt.end_node(node)
}

/// For each base page size: its shift, its SLB encoding, the number of actual sizes, and for each of
/// them its shift and its encoding in an HPTE.
fn segment_page_sizes(translation: &Translation) -> Vec<u32> {
    let mut cells = Vec::new();
    for base in &translation.bases {
        cells.extend([base.shift, base.slb_encoding, base.actual.len() as u32]);
        for &(shift, encoding) in &base.actual {
            cells.extend([shift, encoding]);
        }
    }
    cells
}

/// log2 of the segment sizes in the order of their encodings; all ones where there is none.
fn segment_sizes(translation: &Translation) -> Vec<u32> {
    let has = |size: &SegmentSize| *size != SegmentSize::Size1T || translation.has_1t_segments;
    (0..4)
        .map(|b| {
            SegmentSize::from_encoding(b)
                .filter(has)
                .map_or(u32::MAX, SegmentSize::shift)
        })
        .collect()
}
