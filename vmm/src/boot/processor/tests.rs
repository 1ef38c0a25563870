//! Kinds of processors, from what KVM-PR was seen to answer.

use super::kvm::SmmuBase;
use super::*;
use crate::host::tests::power8;

/// What KVM-PR says of segments and pages once a processor is there (Linux 6.12).
pub(in crate::boot) fn smmu() -> Translation {
    let base = |page_shift, slb_enc, pte_enc| SmmuBase {
        page_shift,
        slb_enc,
        enc: std::array::from_fn(|i| if i == 0 { (page_shift, pte_enc) } else { (0, 0) }),
    };
    let unused = SmmuBase::default();
    Translation::of_kvm(2, 64, &[base(12, 0, 0), base(16, 0x110, 1), base(24, 0x100, 0), unused])
}

#[test]
fn pages_of_kvm_are_those_it_names() {
    let smmu = smmu();
    assert_eq!((smmu.slb_entries, smmu.has_1t_segments), (64, true));
    let pages: Vec<_> = smmu
        .bases
        .iter()
        .map(|base| (base.shift, base.actual.clone()))
        .collect();
    assert_eq!(pages, [(12, vec![(12, 0)]), (16, vec![(16, 1)]), (24, vec![(24, 0)])]);
}

#[test]
fn pages_that_the_table_does_not_take_are_not_offered() {
    let strange = SmmuBase {
        page_shift: 12,
        slb_enc: 0,
        enc: [(12, 0), (16, 7), (16, 9), (34, 3), (0, 0), (24, 0x38), (0, 0), (0, 0)],
    };
    let huge = SmmuBase {
        page_shift: 34,
        slb_enc: 0x120,
        enc: [(34, 0); 8],
    };
    let other_encoding = SmmuBase {
        page_shift: 16,
        slb_enc: 0x130,
        enc: [(16, 1); 8],
    };
    let translation = Translation::of_kvm(1, 32, &[huge, other_encoding, strange]);
    assert!(!translation.has_1t_segments);
    let [four_kib] = &translation.bases[..] else {
        panic!("{translation:?}");
    };
    assert_eq!(four_kib.actual, [(12, 0), (16, 7)]);
}

#[test]
fn each_processor_has_its_name_and_the_times_of_its_host() {
    for (pvr, name, cpu_version) in [
        (0x004b_0201, "PowerPC,POWER8E", 0x004b_0201),
        (0x004c_0100, "PowerPC,POWER8NVL", 0x004c_0100),
        (0x004d_0200, "PowerPC,POWER8", 0x004d_0200),
        (0x004e_1202, "PowerPC,POWER9", 0x0f00_0004),
    ] {
        let kind = ProcessorKind::of_kvm(pvr, smmu(), &power8()).unwrap();
        assert_eq!((kind.pvr, kind.name, kind.cpu_version), (pvr, name, cpu_version));
        assert_eq!((kind.timebase_hz, kind.clock_hz), (512_000_000, 3_500_000_000));
        assert!(ProcessorKind::check_version(pvr).is_ok());
    }
}

#[test]
fn other_processors_are_refused() {
    for pvr in [0, 0x003f_0201, 0x0080_0200, u32::MAX] {
        let refused = ProcessorKind::of_kvm(pvr, smmu(), &power8());
        assert_eq!(refused, Err(UnknownProcessor::Version(pvr)));
        assert!(ProcessorKind::check_version(pvr).is_err());
    }
    let no_pages = Translation::of_kvm(0, 64, &[]);
    let refused = ProcessorKind::of_kvm(0x004d_0200, no_pages, &power8());
    assert_eq!(refused, Err(UnknownProcessor::No4K));
}

#[test]
fn kvm_offers_no_transactional_memory_and_no_run_latch() {
    let kind = ProcessorKind::of_kvm(0x004d_0200, smmu(), &power8()).unwrap();
    let attributes = &kind.pa_features[2..];
    assert_eq!(attributes.len(), usize::from(kind.pa_features[0]));
    assert_eq!(attributes[22], 0);
    // MMU, FPU, SLB and no-execute stay.
    assert_eq!(attributes[0], 0b1110_0010);
    assert_eq!(attributes[5] & 0x80, 0x80, "little-endian guests");
}
