//! RTAS calls about processors.

use super::{Case, Cases, cell, of_two_processors, second_processor};
use crate::conformance::case::Who;

const QUERY: &str = "LoPAR, RTAS, 8.3 query-cpu-stopped-state";
const STOP: &str = "LoPAR, RTAS, 8.1 stop-self";
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
    let state = |case: &mut Case, expected: u64| {
        case.call(
            "query-cpu-stopped-state",
            "query_cpu_stopped_state",
            [second_processor()],
        )
        .status(SUCCESS)
        .is(4, expected);
    };
    cases.add(
        of_two_processors("rtas/query_cpu_stopped_state/running", QUERY),
        |case| {
            case.by(Who::Another(1), |case| {
                case.call("its index", "index_of_processor", [0; 0]).is(3, 1);
            });
            state(case, RUNNING);
        },
    );
    cases.add(
        of_two_processors("rtas/query_cpu_stopped_state/by_another", QUERY),
        |case| {
            case.by(Who::Another(1), |case| {
                case.call("query-cpu-stopped-state", "query_cpu_stopped_state", [cell("servers")])
                    .status(SUCCESS)
                    .is(4, RUNNING);
            });
        },
    );
    cases.add(of_two_processors("rtas/start_cpu/all", START), |case| {
        case.call("stop-self of all", "stop_others", [0; 0]);
        case.by(Who::Others, |case| {
            // As after a system reset interrupt: SF, as nobody has instantiated RTAS in 32-bit mode, and ME. The manual's table leaves FP, FE0 and FE1 to the
            // platform. It has 0 for LE, which an interrupt makes that of interrupts; the program has changed it to its own by now.
            let (sf, me) = (1 << 63, 0x1000);
            let (fp, fe0, fe1, le) = (0x2000, 0x800, 0x100, 1);
            case.call("MSR", "read_msr", [0; 0])
                .bits(3, !(fp | fe0 | fe1 | le), sf | me);
        });
    });
    cases.add(of_two_processors("rtas/stop_self/is_seen", STOP), |case| {
        for _ in 0..3 {
            case.by(Who::Others, |case| {
                case.call("its server number", "same", [0x1234]).is(3, 0x1234);
            });
            state(case, RUNNING);
            // This waits for query-cpu-stopped-state to say that they are stopped.
            case.call("stop-self of all", "stop_others", [0; 0]);
            state(case, STOPPED);
        }
    });
    cases.add(Case::new("rtas/start_cpu/nobody", START), |case| {
        case.call("start-cpu", "start_cpu", [0x1234]).status(PARAMETER);
    });
}
