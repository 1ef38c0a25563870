//! `H_READ`.

use super::{Cases, GROUP, HERE, Operand, Pages, from_end, indices_outside};
use crate::programs::hypercalls::words::{H_READ, HYPERVISOR, PARAMETER, READ_4, SUCCESS};

const SECTION: &str = "LoPAR, Logical Partitioning Option, 5.4.1.3 H_READ";

pub(super) fn add(cases: &mut Cases, pages: Pages) {
    let case = |name: &str| pages.case(format!("h_read/{name}"), SECTION);
    let r = pages.r(HERE);
    cases.add(case("one/valid"), |case| {
        for n in 0..8 {
            case.enters(GROUP + n, pages.v(n), r);
        }
        for n in 0..8 {
            case.reads(GROUP + n, pages.v(n), r);
        }
    });
    cases.add(case("one/empty"), |case| case.reads_nothing(GROUP));
    cases.add(case("one/last_entry"), |case| {
        case.enters(from_end(1), pages.v(1), r);
        case.reads(from_end(1), pages.v(1), r);
    });
    for low in 0..4 {
        cases.add(case(&format!("four/index_plus_{low}")), |case| {
            for n in 0..8 {
                case.enters(GROUP + n, pages.v(n), r);
            }
            let step = case.hcall("H_READ", H_READ, [READ_4, GROUP + 4 + low]).status(SUCCESS);
            for n in 0..4 {
                step.bits(4 + 2 * n, !HYPERVISOR, pages.v(4 + n)).is(5 + 2 * n, r);
            }
        });
    }
    cases.add(case("four/some_empty"), |case| {
        case.enters(GROUP + 1, pages.v(1), r);
        case.enters(GROUP + 3, pages.v(3), r);
        case.hcall("H_READ", H_READ, [READ_4, GROUP])
            .status(SUCCESS)
            .bits(4, !HYPERVISOR, 0)
            .bits(6, !HYPERVISOR, pages.v(1))
            .is(7, r)
            .bits(8, !HYPERVISOR, 0)
            .bits(10, !HYPERVISOR, pages.v(3))
            .is(11, r);
    });
    cases.add(case("four/last_entries"), |case| {
        case.enters(from_end(1), pages.v(1), r);
        let arguments: [Operand; 2] = [READ_4.into(), from_end(1)];
        case.hcall("H_READ", H_READ, arguments)
            .status(SUCCESS)
            .bits(4, !HYPERVISOR, 0)
            .bits(10, !HYPERVISOR, pages.v(1))
            .is(11, r);
    });
    for (name, flags) in [("one", 0), ("four", READ_4)] {
        for (index, at) in indices_outside() {
            cases.add(case(&format!("{name}/index_{index}")), |case| {
                case.answers("H_READ", H_READ, [flags.into(), at], PARAMETER);
            });
        }
    }
}
