//! `H_SET_MODE` and `H_SET_SPRG0`.

use super::{Case, Cases, cell, of_two_processors};
use crate::conformance::case::Who;
use crate::programs::hypercalls::words::{H_SET_MODE, H_SET_SPRG0, P2, P3, P4, SUCCESS};

const SECTION: &str = "LoPAR, Logical Partitioning Option, 5.4.3.5 H_SET_MODE";
const SPRG0: &str = "LoPAR, Logical Partitioning Option, 5.4.3.1 H_SET_SPRG0";

/// Resources.
const BREAKPOINT: u64 = 1;
const WATCHPOINT: u64 = 2;

/// bad_mode, which has no other name.
const BAD_MODE: u64 = (-5_i64).cast_unsigned();

/// H_UNSUPPORTED_FLAG of this bit.
const fn unsupported(bit: u64) -> u64 {
    (-256_i64).cast_unsigned().wrapping_sub(bit)
}

pub(super) fn add(cases: &mut Cases) {
    let case = |name: &str| Case::new(format!("h_set_mode/{name}"), SECTION);
    let mut answers = |name: &str, [flags, resource, first, second]: [u64; 4], status: u64| {
        cases.add(case(name), |case| {
            if [BREAKPOINT, WATCHPOINT].contains(&resource) {
                case.is_exact_or_skipped("there may be neither breakpoints nor watchpoints on this machine");
            }
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
    answers("interrupt_location/flag", [4, 3, 0, 0], unsupported(61));
    answers("interrupt_location/all_wrong", [4, 3, 1, 1], P3);
    answers("byte_order/first_value", [0, 4, 1, 0], P3);
    answers("byte_order/second_value", [0, 4, 0, 1], P4);
    answers("byte_order/flag", [2, 4, 0, 0], unsupported(62));
    answers("byte_order/all_wrong", [2, 4, 1, 1], P3);
    answers("breakpoint/none", [0, BREAKPOINT, 0, 0], SUCCESS);
    answers("breakpoint/second_value", [0, BREAKPOINT, 0, 1], P4);
    answers("breakpoint/hypervisor", [0, BREAKPOINT, 3, 0], P3);
    answers("breakpoint/flag", [1, BREAKPOINT, 0, 0], unsupported(63));
    answers("breakpoint/flag_and_hypervisor", [1, BREAKPOINT, 3, 0], unsupported(63));
    answers("breakpoint/all_wrong", [1, BREAKPOINT, 3, 1], P4);
    answers("watchpoint/none", [0, WATCHPOINT, 0, 0], SUCCESS);
    answers("watchpoint/hypervisor", [0, WATCHPOINT, 0, 4], P4);
    answers("watchpoint/flag", [1, WATCHPOINT, 0, 0], unsupported(63));
    answers("watchpoint/all_wrong", [1, WATCHPOINT, 0, 4], unsupported(63));
    cases.add(case("byte_order/interrupts_enabled"), |case| {
        case.call("H_SET_MODE", "set_byte_order_in_the_open", [0])
            .status(BAD_MODE);
    });
    for value in [0, u64::MAX, 0x0123_4567_89ab_cdef] {
        cases.add(Case::new(format!("h_set_sprg0/{value:x}"), SPRG0), |case| {
            case.answers("H_SET_SPRG0", H_SET_SPRG0, [value], SUCCESS);
            case.call("SPRG0", "read_sprg0", [0_u64; 0]).is(3, value);
        });
    }
    cases.add(of_two_processors("h_set_sprg0/of_each_processor", SPRG0), |case| {
        case.by(Who::Others, |case| {
            case.answers("H_SET_SPRG0", H_SET_SPRG0, [0x2222], SUCCESS);
        });
        case.answers("H_SET_SPRG0", H_SET_SPRG0, [0x1111], SUCCESS);
        let sprg0 = |case: &mut Case, value| {
            case.call("SPRG0", "read_sprg0", [0_u64; 0]).is(3, value);
        };
        case.by(Who::Others, |case| sprg0(case, 0x2222));
        sprg0(case, 0x1111);
    });
    for (name, who) in [("by_the_first", Who::First), ("by_another", Who::Another(1))] {
        // All that is looked at comes after the byte order is what it was: nobody could go on in the other.
        cases.add(
            of_two_processors(format!("h_set_mode/byte_order/of_all_processors/{name}"), SECTION),
            |case| {
                case.by(Who::Others, |case| {
                    case.call("making an order", "same", [1]).is(3, 1);
                });
                case.call("planting code", "plant_orders", [0; 0]);
                case.by(who, |case| {
                    case.call("H_SET_MODE", "set_byte_order", [1]).save(3, "saved");
                });
                case.begins(Who::Others, "system call", "order_of_interrupts", [0; 0]);
                case.call("waiting for it", "wait_for_progress", [1]).save(3, "saved_2");
                case.call("H_SET_MODE", "set_byte_order", [0]);
                case.ends(Who::Others, "byte order of a system call").is(3, 2);
                case.call("H_SET_MODE", "same", [cell("saved")]).status(SUCCESS);
                case.call("system calls within a minute", "same", [cell("saved_2")])
                    .is(3, 1);
                case.by(Who::Others, |case| {
                    case.call("byte order of a system call", "order_of_interrupts", [0; 0])
                        .is(3, 1);
                });
            },
        );
    }
    // What is refused, by which status is for other cases, changes nothing for anybody.
    cases.add(
        of_two_processors("h_set_mode/byte_order/refused_to_another", SECTION),
        |case| {
            case.by(Who::Others, |case| {
                case.call("making an order", "same", [1]).is(3, 1);
            });
            case.call("planting code", "plant_orders", [0; 0]);
            case.by(Who::Another(1), |case| {
                for arguments in [
                    [2, 4, 0, 0],
                    [3, 4, 0, 0],
                    [0, 4, 1, 0],
                    [1, 4, 1, 0],
                    [0, 4, 0, 1],
                    [1, 4, 0, 1],
                ] {
                    case.hcall("H_SET_MODE", H_SET_MODE, arguments);
                }
            });
            case.by(Who::Others, |case| {
                case.call("byte order of a system call", "order_of_interrupts", [0; 0])
                    .is(3, 1);
            });
            case.call("byte order of a system call", "order_of_interrupts", [0; 0])
                .is(3, 1);
        },
    );
}
