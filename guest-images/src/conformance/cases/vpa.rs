//! `H_REGISTER_VPA`: areas of a processor.

use super::{Case, Cases, HERE, Operand, cell, of_two_processors, second_processor};
use crate::conformance::case::Who;
use crate::programs::hypercalls::words::{H_REGISTER_VPA, PARAMETER, RESOURCE, STATE, SUCCESS};

const SECTION: &str = "LoPAR, Shared Processor LPAR Option, 11.3.2 H_REGISTER_VPA";
const SECTION_OF_OTHERS: &str =
    "LoPAR, Shared Processor LPAR Option, 11.3.1 Virtual Processor Preempt/Dispatch: H_STATE";

/// Functions: what is registered or taken back.
const VPA: u64 = 1 << 45;
const TRACE_LOG: u64 = 2 << 45;
const SLB_SHADOW: u64 = 3 << 45;
const NO_VPA: u64 = 5 << 45;
const NO_TRACE_LOG: u64 = 6 << 45;
const NO_SLB_SHADOW: u64 = 7 << 45;

/// An area's bytes from its beginning on, of its size: two bytes for a VPA, four for others, at 4.
fn size(case: &mut Case, at: u64, bytes: u32) {
    for (offset, byte) in (4..).zip(bytes.to_be_bytes()) {
        case.call("the size of an area", "poke_byte", [at + offset, byte.into()]);
    }
}

/// A VPA's size is in the first two of those bytes.
fn vpa_size(case: &mut Case, at: u64, bytes: u16) {
    size(case, at, u32::from(bytes) << 16);
}

fn call(case: &mut Case, function: u64, at: u64, status: u64) {
    let arguments: [Operand; 3] = [function.into(), cell("servers"), at.into()];
    case.answers("H_REGISTER_VPA", H_REGISTER_VPA, arguments, status);
}

/// A case that begins with nothing registered.
fn new_case(name: &str) -> Case {
    let mut case = Case::new(format!("h_register_vpa/{name}"), SECTION);
    for function in [NO_SLB_SHADOW, NO_TRACE_LOG, NO_VPA] {
        call(&mut case, function, 0, SUCCESS);
    }
    case
}

pub(super) fn add(cases: &mut Cases) {
    let (at, other) = (HERE, HERE + 0x1000);
    cases.add(new_case("vpa/and_back"), |case| {
        vpa_size(case, at, 640);
        call(case, VPA, at, SUCCESS);
        call(case, NO_VPA, 0, SUCCESS);
    });
    cases.add(new_case("vpa/twice"), |case| {
        for at in [at, other] {
            vpa_size(case, at, 640);
            call(case, VPA, at, SUCCESS);
        }
        call(case, NO_VPA, 0, SUCCESS);
    });
    cases.add(new_case("vpa/up_to_the_end_of_4k"), |case| {
        vpa_size(case, at + 0x1000 - 640, 640);
        call(case, VPA, at + 0x1000 - 640, SUCCESS);
        call(case, NO_VPA, 0, SUCCESS);
    });
    for (name, at, bytes) in [
        ("too_small", at, 639),
        ("size_0", at, 0),
        ("across_4k", at + 0x1000 - 512, 640),
        ("larger_than_4k", at, 4097),
        ("alignment", at + 8, 640),
    ] {
        cases.add(new_case(&format!("vpa/{name}")), |case| {
            vpa_size(case, at, bytes);
            call(case, VPA, at, PARAMETER);
        });
    }
    for (name, function) in [("vpa", VPA), ("trace_log", TRACE_LOG), ("slb_shadow", SLB_SHADOW)] {
        cases.add(new_case(&format!("{name}/past_memory")), |case| {
            call(case, function, 1 << 50, PARAMETER);
        });
        cases.add(new_case(&format!("{name}/of_nobody")), |case| {
            vpa_size(case, at, 640);
            case.answers("H_REGISTER_VPA", H_REGISTER_VPA, [function, 0x1234, at], PARAMETER);
        });
    }
    for (name, function, taken_back, bytes) in [
        ("trace_log", TRACE_LOG, NO_TRACE_LOG, 48),
        ("slb_shadow", SLB_SHADOW, NO_SLB_SHADOW, 16),
    ] {
        cases.add(new_case(&format!("{name}/without_vpa")), |case| {
            size(case, other, bytes);
            call(case, function, other, RESOURCE);
        });
        cases.add(new_case(&format!("{name}/keeps_vpa")), |case| {
            vpa_size(case, at, 640);
            call(case, VPA, at, SUCCESS);
            size(case, other, bytes);
            call(case, function, other, SUCCESS);
            call(case, NO_VPA, 0, RESOURCE);
            call(case, taken_back, 0, SUCCESS);
            call(case, NO_VPA, 0, SUCCESS);
        });
        cases.add(new_case(&format!("{name}/too_small")), |case| {
            vpa_size(case, at, 640);
            call(case, VPA, at, SUCCESS);
            size(case, other, if function == TRACE_LOG { 47 } else { 7 });
            call(case, function, other, PARAMETER);
            call(case, NO_VPA, 0, SUCCESS);
        });
    }
    for (name, function) in [("reserved_0", 0), ("reserved_4", 4 << 45)] {
        cases.add(new_case(&format!("function/{name}")), |case| {
            vpa_size(case, at, 640);
            call(case, function, at, PARAMETER);
        });
    }
    of_others(cases);
}

fn call_of_second(case: &mut Case, function: u64, at: u64, status: u64) {
    let arguments: [Operand; 3] = [function.into(), second_processor(), at.into()];
    case.answers("H_REGISTER_VPA of another", H_REGISTER_VPA, arguments, status);
}

/// The second processor's own call.
fn call_by_second(case: &mut Case, function: u64, at: u64, status: u64) {
    case.by(Who::Another(1), |case| call_of_second(case, function, at, status));
}

/// Areas of another processor, which runs: but for its trace log it alone may register them and take them back (11.3.1). The case begins with none
/// registered, and ends so.
fn of_others(cases: &mut Cases) {
    let (at, other) = (HERE, HERE + 0x1000);
    let mut add = |name: &str, steps: &dyn Fn(&mut Case)| {
        cases.add(
            of_two_processors(format!("h_register_vpa/{name}"), SECTION_OF_OTHERS),
            |case| {
                let nothing = |case: &mut Case| {
                    for function in [NO_SLB_SHADOW, NO_TRACE_LOG, NO_VPA] {
                        call(case, function, 0, SUCCESS);
                        call_by_second(case, function, 0, SUCCESS);
                    }
                };
                nothing(case);
                steps(case);
                nothing(case);
            },
        );
    };
    add("vpa/of_another", &|case| {
        vpa_size(case, at, 640);
        call_of_second(case, VPA, at, STATE);
    });
    add("vpa/by_itself_and_back_by_another", &|case| {
        vpa_size(case, at, 640);
        call_by_second(case, VPA, at, SUCCESS);
        call_of_second(case, NO_VPA, 0, STATE);
    });
    add("vpa/one_area_of_two", &|case| {
        vpa_size(case, at, 640);
        call(case, VPA, at, SUCCESS);
        vpa_size(case, at, 640);
        call_by_second(case, VPA, at, SUCCESS);
    });
    add("vpa/by_itself_too_small", &|case| {
        vpa_size(case, at, 639);
        call_by_second(case, VPA, at, PARAMETER);
    });
    add("vpa/is_not_written_when_it_is_gone", &|case| {
        vpa_size(case, at, 640);
        call_by_second(case, VPA, at, SUCCESS);
        call_by_second(case, NO_VPA, 0, SUCCESS);
        case.call("filling memory", "fill_page", [at, 0x5555]);
        case.by(Who::Another(1), |case| {
            case.call("H_CEDE", "cede_for", [0x1000]).status(SUCCESS);
        });
        case.call("doublewords that have changed", "count_different", [at, 0x5555, 0x1000])
            .is(3, 0);
    });
    for (name, function, taken_back, bytes, of_running) in [
        ("trace_log", TRACE_LOG, NO_TRACE_LOG, 48, SUCCESS),
        ("slb_shadow", SLB_SHADOW, NO_SLB_SHADOW, 16, STATE),
    ] {
        add(&format!("{name}/of_another_needs_its_vpa"), &|case| {
            vpa_size(case, at, 640);
            call(case, VPA, at, SUCCESS);
            size(case, other, bytes);
            call_by_second(case, function, other, RESOURCE);
        });
        add(&format!("{name}/of_another_keeps_its_vpa"), &|case| {
            vpa_size(case, at, 640);
            call(case, VPA, at, SUCCESS);
            vpa_size(case, at + 0x2000, 640);
            call_by_second(case, VPA, at + 0x2000, SUCCESS);
            size(case, other, bytes);
            call_of_second(case, function, other, of_running);
            call_by_second(case, function, other, SUCCESS);
            call_by_second(case, NO_VPA, 0, RESOURCE);
            call(case, NO_VPA, 0, SUCCESS);
            call_of_second(case, taken_back, 0, of_running);
            call_by_second(case, taken_back, 0, SUCCESS);
            call_by_second(case, NO_VPA, 0, SUCCESS);
        });
    }
}
