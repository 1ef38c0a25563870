//! `H_PAGE_INIT`.

use super::{Case, Cases, HERE, THERE};
use crate::programs::hypercalls::words::{COPY_PAGE, H_PAGE_INIT, PARAMETER, SUCCESS, ZERO_PAGE};

const SECTION: &str = "LoPAR, Logical Partitioning Option, 5.4.3.3 H_PAGE_INIT";

/// The same in either byte order.
const PATTERN: u64 = 0x55aa_aa55_55aa_aa55;
const OTHER: u64 = 0x1111_1111_1111_1111;

pub(super) fn add(cases: &mut Cases) {
    let case = |name: &str| Case::new(format!("h_page_init/{name}"), SECTION);
    let fill = |case: &mut Case| {
        for (at, value) in [
            (THERE, PATTERN),
            (HERE - 0x1000, OTHER),
            (HERE, OTHER),
            (HERE + 0x1000, OTHER),
        ] {
            case.call("filling memory", "fill_page", [at, value]);
        }
    };
    // What its doublewords are then; the pages around it stay.
    let is = |case: &mut Case, value: u64| {
        for (at, value) in [
            (HERE - 0x1000, OTHER),
            (HERE, value),
            (HERE + 0x1000, OTHER),
            (THERE, PATTERN),
        ] {
            case.call("doublewords of another value", "count_different", [at, value, 0x1000])
                .is(3, 0);
        }
    };
    for (name, flags, value) in [
        ("zero", ZERO_PAGE, 0),
        ("copy", COPY_PAGE, PATTERN),
        ("nothing", 0, OTHER),
        ("icache", (1 << 23) | (1 << 22), OTHER),
        ("zero_and_icache", ZERO_PAGE | (1 << 22), 0),
        ("copy_and_icache", COPY_PAGE | (1 << 22), PATTERN),
    ] {
        cases.add(case(name), |case| {
            fill(case);
            case.answers("H_PAGE_INIT", H_PAGE_INIT, [flags, HERE, THERE], SUCCESS);
            is(case, value);
        });
    }
    cases.add(case("zero/source_is_ignored"), |case| {
        fill(case);
        case.answers("H_PAGE_INIT", H_PAGE_INIT, [ZERO_PAGE, HERE, u64::MAX], SUCCESS);
        is(case, 0);
    });
    for (name, flags, destination, source) in [
        ("destination_8", ZERO_PAGE, HERE + 8, THERE),
        ("destination_2048", ZERO_PAGE, HERE + 0x800, THERE),
        ("destination_past_memory", ZERO_PAGE, 1 << 50, THERE),
        ("destination_all_ones", ZERO_PAGE, !0xfff, THERE),
        ("source_8", COPY_PAGE, HERE, THERE + 8),
        ("source_2048", COPY_PAGE, HERE, THERE + 0x800),
        ("source_past_memory", COPY_PAGE, HERE, 1 << 50),
        ("source_all_ones", COPY_PAGE, HERE, !0xfff),
    ] {
        cases.add(case(&format!("wrong/{name}")), |case| {
            fill(case);
            case.answers("H_PAGE_INIT", H_PAGE_INIT, [flags, destination, source], PARAMETER);
            is(case, OTHER);
        });
    }
}
