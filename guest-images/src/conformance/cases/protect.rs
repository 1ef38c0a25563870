//! `H_PROTECT`: what it changes in an entry. What comes of it for accesses is `translation`'s and `protection`'s.

use super::{Cases, GROUP, HERE, Operand, Pages, indices_outside};
use crate::programs::hypercalls::words::{
    AVPN, BOLTED, CHANGED, H_PROTECT, NOT_FOUND, PARAMETER, REFERENCED, SECONDARY, SUCCESS,
};

const SECTION: &str = "LoPAR, Logical Partitioning Option, 5.4.1.6 H_PROTECT";

/// A flag and its bit in doubleword 1.
const BITS: [(&str, u64, u64); 10] = [
    ("pp_0", 0, 0),
    ("pp_1", 1, 1),
    ("pp_2", 2, 2),
    ("pp_3", 3, 3),
    ("n", 1 << 2, 1 << 2),
    ("pp0", 1 << 8, 1 << 63),
    ("key_0", 1 << 13, 1 << 61),
    ("key_1", 1 << 12, 1 << 60),
    ("key_2", 1 << 11, 1 << 11),
    ("key_3", 1 << 10, 1 << 10),
];
const KEY_4: (&str, u64, u64) = ("key_4", 1 << 9, 1 << 9);
const ALL: (&str, u64, u64) = ("all", 0x3f07, (1 << 63) | (3 << 60) | 0xe07);

pub(super) fn add(cases: &mut Cases, pages: Pages) {
    let case = |name: &str| pages.case(format!("h_protect/{name}"), SECTION);
    let (v, none) = (pages.v(2), pages.r_with(HERE, 0));
    for (name, flags, bits) in BITS.into_iter().chain([KEY_4, ALL]) {
        cases.add(case(&format!("bits/{name}/set")), |case| {
            case.enters(GROUP, v, none);
            case.answers("H_PROTECT", H_PROTECT, [flags, GROUP, 0], SUCCESS);
            case.reads(GROUP, v, none | bits);
        });
        cases.add(case(&format!("bits/{name}/in_place_of_all")), |case| {
            case.enters(GROUP, v, none | ALL.2);
            case.answers("H_PROTECT", H_PROTECT, [flags, GROUP, 0], SUCCESS);
            case.reads(GROUP, v, none | bits);
        });
    }
    for (name, bits) in [("bolted", BOLTED), ("secondary", SECONDARY), ("software_60", 8)] {
        cases.add(case(&format!("keeps/{name}")), |case| {
            case.enters(GROUP, v | bits, none | 2);
            case.answers("H_PROTECT", H_PROTECT, [3, GROUP, 0], SUCCESS);
            case.reads(GROUP, v | bits, none | 3);
        });
    }
    cases.add(case("keeps/c"), |case| {
        case.enters(GROUP, v, none | CHANGED | 2);
        case.answers("H_PROTECT", H_PROTECT, [3, GROUP, 0], SUCCESS);
        case.reads(GROUP, v, none | CHANGED | 3);
    });
    cases.add(case("clears_r"), |case| {
        case.enters(GROUP, v, none | REFERENCED | 2);
        case.answers("H_PROTECT", H_PROTECT, [3, GROUP, 0], SUCCESS);
        case.reads(GROUP, v, none | 3);
    });
    cases.add(case("avpn/same"), |case| {
        case.enters(GROUP, v, none | 2);
        case.answers("H_PROTECT", H_PROTECT, [AVPN | 3, GROUP, pages.avpn(2)], SUCCESS);
        case.reads(GROUP, v, none | 3);
    });
    cases.add(case("avpn/ignored_without_flag"), |case| {
        case.enters(GROUP, v, none | 2);
        case.answers("H_PROTECT", H_PROTECT, [3, GROUP, pages.avpn(3)], SUCCESS);
        case.reads(GROUP, v, none | 3);
    });
    for (name, bit) in [
        ("lowest_bit", 1 << 7),
        ("middle_bit", 1 << 40),
        ("high_bit", 1 << 58),
        ("segment_size", 1 << 62),
    ] {
        cases.add(case(&format!("avpn/other_{name}")), |case| {
            case.enters(GROUP, v, none | 2);
            case.answers(
                "H_PROTECT",
                H_PROTECT,
                [AVPN | 3, GROUP, pages.avpn(2) ^ bit],
                NOT_FOUND,
            );
            case.reads(GROUP, v, none | 2);
        });
    }
    cases.add(case("empty"), |case| {
        case.answers("H_PROTECT", H_PROTECT, [3, GROUP, 0], NOT_FOUND);
        case.reads_nothing(GROUP);
    });
    for (index, at) in indices_outside() {
        cases.add(case(&format!("index_{index}")), |case| {
            let arguments: [Operand; 3] = [3.into(), at, 0.into()];
            case.answers("H_PROTECT", H_PROTECT, arguments, PARAMETER);
        });
    }
}
