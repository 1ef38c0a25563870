//! Hypercalls that there are not.

use super::{Case, Cases};
use crate::programs::hypercalls::words::FUNCTION;

const SECTION: &str = "LoPAR, Logical Partitioning Option, 5.3 Hypervisor Call Interrupt";

pub(super) fn add(cases: &mut Cases) {
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
}
