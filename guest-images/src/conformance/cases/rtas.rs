//! RTAS calls about processors.

use super::{Case, Cases, cell, of_two_processors, second_processor};

const QUERY: &str = "LoPAR, RTAS, 8.3 query-cpu-stopped-state";
const START: &str = "LoPAR, RTAS, 8.2 start-cpu";

/// Statuses.
const SUCCESS: u64 = 0;
const PARAMETER: u64 = (-3_i64).cast_unsigned();

/// What processors do.
const STOPPED: u64 = 0;
const RUNNING: u64 = 2;

pub(super) fn add(cases: &mut Cases) {
    cases.add(Case::new("rtas/query_cpu_stopped_state/itself", QUERY), |case| {
        case.call("query-cpu-stopped-state", "query_cpu_stopped_state", [cell("servers")])
            .status(SUCCESS)
            .is(4, RUNNING);
    });
    cases.add(
        of_two_processors("rtas/query_cpu_stopped_state/another", QUERY),
        |case| {
            case.call(
                "query-cpu-stopped-state",
                "query_cpu_stopped_state",
                [second_processor()],
            )
            .status(SUCCESS)
            .is(4, STOPPED);
        },
    );
    cases.add(Case::new("rtas/start_cpu/nobody", START), |case| {
        case.call("start-cpu", "start_cpu", [0x1234]).status(PARAMETER);
    });
}
