//! Calls of the interrupt controller: what a processor sends itself, with external interrupts disabled.

use super::{Case, Cases, Operand, cell, of_two_processors, second_processor};
use crate::conformance::case::Who;
use crate::programs::hypercalls::words::{H_CEDE, H_CPPR, H_EOI, H_IPI, H_IPOLL, H_XIRR, PARAMETER, SUCCESS};

const CPPR: &str = "LoPAR, Logical Partitioning Option, 5.4.7.2 H_CPPR";
const IPI: &str = "LoPAR, Logical Partitioning Option, 5.4.7.3 H_IPI";
const IPOLL: &str = "LoPAR, Logical Partitioning Option, 5.4.7.4 H_IPOLL";
const XIRR: &str = "LoPAR, Logical Partitioning Option, 5.4.7.5 H_XIRR";
const EOI: &str = "LoPAR, Logical Partitioning Option, 5.4.7.1 H_EOI";

/// The source of interrupts between processors.
const BETWEEN_PROCESSORS: u64 = 2;

fn ipi(case: &mut Case, priority: u64) {
    case.hcall("H_IPI", H_IPI, [cell("servers"), priority.into()])
        .status(SUCCESS);
}

fn cppr(case: &mut Case, priority: u64) {
    case.answers("H_CPPR", H_CPPR, [priority], SUCCESS);
}

fn xirr(case: &mut Case, expected: u64) {
    case.hcall("H_XIRR", H_XIRR, [0_u64; 0])
        .status(SUCCESS)
        .bits(4, 0xffff_ffff, expected);
}

fn ipoll(case: &mut Case, expected: u64, mfrr: u64) {
    case.hcall("H_IPOLL", H_IPOLL, [cell("servers")])
        .status(SUCCESS)
        .bits(4, 0xffff_ffff, expected)
        .bits(5, 0xff, mfrr);
}

/// A case that begins and ends with nothing pending and nothing accepted. Whether a request that is presented already goes when MFRR is taken
/// back is nowhere said; a CPPR of 0 rejects it.
fn add_case(cases: &mut Cases, name: String, section: &'static str, steps: impl FnOnce(&mut Case)) {
    cases.add(Case::new(name, section), |case| {
        ipi(case, 0xff);
        cppr(case, 0xff);
        steps(case);
        ipi(case, 0xff);
        cppr(case, 0);
    });
}

pub(super) fn add(cases: &mut Cases) {
    add_case(cases, "h_xirr/nothing".to_owned(), XIRR, |case| {
        xirr(case, 0xff00_0000);
        ipoll(case, 0xff00_0000, 0xff);
    });
    for priority in [0, 1, 5, 0xfe] {
        let pending = 0xff00_0000 | BETWEEN_PROCESSORS;
        let name = |what: &str| format!("h_ipi/priority_{priority}/{what}");
        add_case(cases, name("is_seen_by_h_ipoll"), IPOLL, |case| {
            ipi(case, priority);
            ipoll(case, pending, priority);
            // Looking changes nothing.
            ipoll(case, pending, priority);
        });
        add_case(cases, name("is_accepted_by_h_xirr"), XIRR, |case| {
            ipi(case, priority);
            xirr(case, pending);
            // The processor has its priority now.
            xirr(case, priority << 24);
            ipi(case, 0xff);
            case.answers("H_EOI", H_EOI, [pending], SUCCESS);
            xirr(case, 0xff00_0000);
        });
        add_case(cases, name("comes_again_after_h_eoi"), EOI, |case| {
            ipi(case, priority);
            xirr(case, pending);
            case.answers("H_EOI", H_EOI, [pending], SUCCESS);
            xirr(case, pending);
            ipi(case, 0xff);
            case.answers("H_EOI", H_EOI, [pending], SUCCESS);
        });
        add_case(cases, name("waits_for_h_cppr"), CPPR, |case| {
            cppr(case, priority);
            ipi(case, priority);
            ipoll(case, priority << 24, priority);
            cppr(case, priority + 1);
            ipoll(case, ((priority + 1) << 24) | BETWEEN_PROCESSORS, priority);
            xirr(case, ((priority + 1) << 24) | BETWEEN_PROCESSORS);
            ipi(case, 0xff);
            case.answers("H_EOI", H_EOI, [pending], SUCCESS);
        });
        add_case(cases, name("is_rejected_by_h_cppr"), CPPR, |case| {
            ipi(case, priority);
            cppr(case, priority);
            ipoll(case, priority << 24, priority);
            xirr(case, priority << 24);
        });
    }
    add_case(cases, "h_ipi/more_favoured_while_accepted".to_owned(), IPI, |case| {
        ipi(case, 5);
        xirr(case, 0xff00_0002);
        ipi(case, 3);
        xirr(case, 0x0500_0002);
        xirr(case, 0x0300_0000);
        ipi(case, 0xff);
        case.answers("H_EOI of the second", H_EOI, [0x0500_0002], SUCCESS);
        case.answers("H_EOI of the first", H_EOI, [0xff00_0002], SUCCESS);
        xirr(case, 0xff00_0000);
    });
    cases.add(of_two_processors("h_ipi/another", IPI), |case| {
        for priority in [5, 0xff] {
            case.hcall("H_IPI", H_IPI, [second_processor(), priority.into()])
                .status(SUCCESS);
            case.hcall("H_IPOLL", H_IPOLL, [second_processor()])
                .status(SUCCESS)
                .bits(5, 0xff, priority);
        }
    });
    between(cases);
    for (name, server) in [("nobody", 0x1234), ("all_ones", u64::MAX)] {
        cases.add(Case::new(format!("h_ipi/{name}"), IPI), |case| {
            case.answers("H_IPI", H_IPI, [server, 5], PARAMETER);
        });
        cases.add(Case::new(format!("h_ipoll/{name}"), IPOLL), |case| {
            case.answers("H_IPOLL", H_IPOLL, [server], PARAMETER);
        });
    }
}

/// `H_IPI` of the second processor.
fn ipi_of_second(case: &mut Case, priority: u64) {
    let arguments: [Operand; 2] = [second_processor(), priority.into()];
    case.hcall("H_IPI of another", H_IPI, arguments).status(SUCCESS);
}

/// A case in which the second processor has nothing pending and nothing accepted at first, and in the end.
fn add_case_of_two(cases: &mut Cases, name: &str, section: &'static str, steps: impl FnOnce(&mut Case)) {
    cases.add(of_two_processors(name, section), |case| {
        ipi_of_second(case, 0xff);
        second(case, |case| cppr(case, 0xff));
        steps(case);
        ipi_of_second(case, 0xff);
        second(case, |case| cppr(case, 0));
    });
}

fn second(case: &mut Case, steps: impl FnOnce(&mut Case)) {
    case.by(Who::Another(1), steps);
}

/// What one processor sends another.
fn between(cases: &mut Cases) {
    let pending = 0xff00_0000 | BETWEEN_PROCESSORS;
    for priority in [0, 5, 0xfe] {
        let name = format!("h_ipi/another/priority_{priority}/is_accepted_there");
        add_case_of_two(cases, &name, XIRR, |case| {
            ipi_of_second(case, priority);
            case.hcall("H_IPOLL of another", H_IPOLL, [second_processor()])
                .status(SUCCESS)
                .bits(4, 0xffff_ffff, pending)
                .bits(5, 0xff, priority);
            // It is not this processor's.
            xirr_of_nothing(case);
            second(case, |case| {
                xirr(case, pending);
                xirr(case, priority << 24);
            });
            ipi_of_second(case, 0xff);
            second(case, |case| {
                case.answers("H_EOI", H_EOI, [pending], SUCCESS);
                xirr(case, 0xff00_0000);
            });
        });
        let name = format!("h_ipi/another/priority_{priority}/waits_for_h_cppr");
        add_case_of_two(cases, &name, CPPR, |case| {
            second(case, |case| cppr(case, priority));
            ipi_of_second(case, priority);
            second(case, |case| {
                case.hcall("H_IPOLL", H_IPOLL, [second_processor()])
                    .status(SUCCESS)
                    .bits(4, 0xffff_ffff, priority << 24);
                cppr(case, priority + 1);
                xirr(case, ((priority + 1) << 24) | BETWEEN_PROCESSORS);
            });
            ipi_of_second(case, 0xff);
            second(case, |case| case.answers("H_EOI", H_EOI, [pending], SUCCESS));
        });
        let name = format!("h_ipi/another/priority_{priority}/interrupts_its_sleep");
        add_case_of_two(cases, &name, IPI, |case| {
            let arguments: [Operand; 5] = [1.into(), H_IPI.into(), priority.into(), 0.into(), H_CEDE.into()];
            case.call("H_IPI", "wake", arguments)
                .is(3, 1)
                .is(4, 0x500)
                .is(6, SUCCESS);
            second(case, |case| xirr(case, pending));
            ipi_of_second(case, 0xff);
            second(case, |case| case.answers("H_EOI", H_EOI, [pending], SUCCESS));
        });
    }
    add_case_of_two(cases, "h_ipi/another/both_ways", IPI, |case| {
        ipi(case, 0xff);
        cppr(case, 0xff);
        second(case, |case| {
            ipi(case, 5);
        });
        xirr(case, pending);
        ipi_of_second(case, 6);
        second(case, |case| xirr(case, pending));
        ipi(case, 0xff);
        ipi_of_second(case, 0xff);
        case.answers("H_EOI", H_EOI, [pending], SUCCESS);
        second(case, |case| case.answers("H_EOI", H_EOI, [pending], SUCCESS));
        xirr(case, 0xff00_0000);
        cppr(case, 0);
    });
    add_case_of_two(cases, "h_cppr/of_each_processor", CPPR, |case| {
        ipi(case, 0xff);
        cppr(case, 3);
        second(case, |case| cppr(case, 7));
        xirr(case, 0x0300_0000);
        second(case, |case| xirr(case, 0x0700_0000));
        cppr(case, 0);
    });
}

/// Nothing is pending at the first processor, whatever its priority.
fn xirr_of_nothing(case: &mut Case) {
    case.hcall("H_XIRR", H_XIRR, [0_u64; 0])
        .status(SUCCESS)
        .bits(4, 0xff_ffff, 0);
}
