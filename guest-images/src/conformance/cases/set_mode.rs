//! `H_SET_MODE` and `H_SET_SPRG0`.

use super::{Case, Cases};
use crate::programs::hypercalls::words::{H_SET_MODE, H_SET_SPRG0, P2, P3, P4, SUCCESS};

const SECTION: &str = "LoPAR, Logical Partitioning Option, 5.4.3.5 H_SET_MODE";
const SPRG0: &str = "LoPAR, Logical Partitioning Option, 5.4.3.1 H_SET_SPRG0";

/// H_UNSUPPORTED_FLAG of this bit.
const fn unsupported(bit: u64) -> u64 {
    (-256_i64).cast_unsigned().wrapping_sub(bit)
}

pub(super) fn add(cases: &mut Cases) {
    let case = |name: &str| Case::new(format!("h_set_mode/{name}"), SECTION);
    let mut answers = |name: &str, [flags, resource, first, second]: [u64; 4], status: u64| {
        cases.add(case(name), |case| {
            case.answers("H_SET_MODE", H_SET_MODE, [flags, resource, first, second], status);
        });
    };
    for resource in [0, 6, 99, u64::MAX] {
        let name = if resource == u64::MAX {
            "all_ones".to_owned()
        } else {
            resource.to_string()
        };
        answers(&format!("resource_{name}"), [0, resource, 0, 0], P2);
    }
    answers("interrupt_location/real_mode", [0, 3, 0, 0], SUCCESS);
    answers("interrupt_location/first_value", [0, 3, 1, 0], P3);
    answers("interrupt_location/second_value", [0, 3, 0, 1], P4);
    answers("interrupt_location/reserved", [1, 3, 0, 0], unsupported(62));
    answers("byte_order/first_value", [0, 4, 1, 0], P3);
    answers("byte_order/second_value", [0, 4, 0, 1], P4);
    answers("breakpoint/none", [0, 1, 0, 0], SUCCESS);
    answers("breakpoint/second_value", [0, 1, 0, 1], P4);
    answers("breakpoint/hypervisor", [0, 1, 3, 0], P3);
    answers("watchpoint/none", [0, 2, 0, 0], SUCCESS);
    answers("watchpoint/hypervisor", [0, 2, 0, 4], P4);
    for value in [0, u64::MAX, 0x0123_4567_89ab_cdef] {
        cases.add(Case::new(format!("h_set_sprg0/{value:x}"), SPRG0), |case| {
            case.answers("H_SET_SPRG0", H_SET_SPRG0, [value], SUCCESS);
            case.call("SPRG0", "read_sprg0", [0_u64; 0]).is(3, value);
        });
    }
}
