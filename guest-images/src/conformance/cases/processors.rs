//! `H_PROD`, `H_CEDE` and `H_CONFER`, as far as a processor can do them alone.

use super::{Case, Cases, cell, of_two_processors, second_processor};
use crate::programs::hypercalls::words::{H_CEDE, H_CONFER, H_PROD, PARAMETER, SUCCESS};

const PROD: &str = "LoPAR, Shared Processor LPAR Option, 11.3.5 H_PROD";
const STOPPED: &str = "LoPAR, RTAS, 8.1 stop-self: only responsive to start-cpu";
const CEDE: &str = "LoPAR, Shared Processor LPAR Option, 11.3.3 H_CEDE";
const CONFER: &str = "LoPAR, Shared Processor LPAR Option, 11.3.4 H_CONFER";

pub(super) fn add(cases: &mut Cases) {
    cases.add(Case::new("h_prod/itself_then_h_cede", CEDE), |case| {
        case.hcall("H_PROD", H_PROD, [cell("servers")]).status(SUCCESS);
        // It would sleep for ever.
        case.answers("H_CEDE", H_CEDE, [0; 0], SUCCESS);
    });
    cases.add(Case::new("h_prod/twice_is_once", PROD), |case| {
        for _ in 0..2 {
            case.hcall("H_PROD", H_PROD, [cell("servers")]).status(SUCCESS);
        }
        case.answers("H_CEDE", H_CEDE, [0; 0], SUCCESS);
    });
    cases.add(Case::new("h_cede/until_the_decrementer", CEDE), |case| {
        case.call("H_CEDE", "cede_for", [0x1000]).status(SUCCESS);
    });
    for (name, processor) in [("nobody", 0x1234), ("all_ones", u64::MAX)] {
        cases.add(Case::new(format!("h_prod/{name}"), PROD), |case| {
            case.answers("H_PROD", H_PROD, [processor], PARAMETER);
        });
    }
    cases.add(Case::new("h_confer/to_all", CONFER), |case| {
        case.answers("H_CONFER", H_CONFER, [u64::MAX, 0], SUCCESS);
    });
    cases.add(Case::new("h_confer/nobody", CONFER), |case| {
        case.answers("H_CONFER", H_CONFER, [0x1234, 0], PARAMETER);
    });
}

/// The last of all cases: a processor that it sets going, by a hypervisor's mistake, executes whatever is there.
pub(super) fn add_last(cases: &mut Cases) {
    cases.add(of_two_processors("h_prod/stopped_processor", STOPPED), |case| {
        case.hcall("H_PROD", H_PROD, [second_processor()]).status(SUCCESS);
        case.call(
            "query-cpu-stopped-state",
            "query_cpu_stopped_state",
            [second_processor()],
        )
        .status(0)
        .is(4, 0);
    });
}
