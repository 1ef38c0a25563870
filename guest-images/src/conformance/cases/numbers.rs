//! Hypercalls that there are not, and who may make those that there are.

use super::{CODE, Case, Cases, Pages};
use crate::programs::hypercalls::words::FUNCTION;

const SECTION: &str = "LoPAR, Logical Partitioning Option, 5.3 Hypervisor Call Interrupt";

/// Status: the caller is in problem state.
const PRIVILEGE: u64 = (-3_i64).cast_unsigned();

pub(super) fn add(cases: &mut Cases, pages: Pages) {
    for (name, number) in [
        ("zero", 0),
        ("low_bits", 0x09),
        ("reserved", 0x3ffc),
        ("all_ones", u64::MAX),
    ] {
        cases.add(Case::new(format!("hcall/unknown/{name}"), SECTION), |case| {
            case.answers("a hypercall that there is not", number, [0; 0], FUNCTION);
        });
    }
    for (name, offset) in [("unknown", 32), ("h_read", 48)] {
        cases.add(pages.case(format!("hcall/problem_state/{name}"), SECTION), |case| {
            case.is_exact_or_skipped("sc 1 may be a system call in problem state on this machine");
            pages.set_segment(case);
            pages.map_code(case, 1, CODE);
            pages.in_problem_state(case, 1, offset).gives(PRIVILEGE);
        });
    }
}
