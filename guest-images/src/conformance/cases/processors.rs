//! `H_PROD`, `H_CEDE` and `H_CONFER`: what a processor can do alone, and what another one does for it.

use super::{Case, Cases, Operand, cell, of_two_processors, second_processor};
use crate::conformance::case::Who;
use crate::programs::hypercalls::words::{H_CEDE, H_CONFER, H_PROD, PARAMETER, SUCCESS};

const PROD: &str = "LoPAR, Shared Processor LPAR Option, 11.3.5 H_PROD";
const PROD_REGISTERS: &str = "LoPAR, Shared Processor LPAR Option, 11.3.5 H_PROD: only r3";
const CONFER_REGISTERS: &str = "LoPAR, Shared Processor LPAR Option, 11.3.4 H_CONFER: only r3";
const STOPPED: &str = "LoPAR, RTAS, 8.1 stop-self: only responsive to start-cpu";
const CEDE: &str = "LoPAR, Shared Processor LPAR Option, 11.3.3 H_CEDE";
const CONFER: &str = "LoPAR, Shared Processor LPAR Option, 11.3.4 H_CONFER";

/// For the decrementer: far more ticks of the time base than a hypercall takes.
const A_MOMENT: u64 = 0x10_0000;

pub(super) fn add(cases: &mut Cases) {
    cases.add(Case::new("h_prod/itself_then_h_cede", CEDE), |case| {
        cedes_after_prods(case, 1);
    });
    cases.add(Case::new("h_prod/twice_is_once", PROD), |case| {
        cedes_after_prods(case, 2);
        cedes_until_the_decrementer(case);
    });
    cases.add(Case::new("h_cede/until_the_decrementer", CEDE), |case| {
        // It has been prodded in other cases, perhaps.
        case.call("H_CEDE", "cede_for", [A_MOMENT]).status(SUCCESS);
        cedes_until_the_decrementer(case);
    });
    for (name, processor) in [("nobody", 0x1234), ("all_ones", u64::MAX)] {
        cases.add(Case::new(format!("h_prod/{name}"), PROD), |case| {
            case.answers("H_PROD", H_PROD, [processor], PARAMETER);
        });
    }
    cases.add(Case::new("h_prod/keeps_registers", PROD_REGISTERS), |case| {
        keeps_registers(case, "H_PROD", H_PROD, cell("servers"));
        // So that no other case finds it prodded.
        case.call("H_CEDE", "cede_for", [A_MOMENT]);
    });
    cases.add(Case::new("h_confer/keeps_registers", CONFER_REGISTERS), |case| {
        keeps_registers(case, "H_CONFER", H_CONFER, u64::MAX.into());
    });
    cases.add(Case::new("h_confer/to_all", CONFER), |case| {
        case.answers("H_CONFER", H_CONFER, [u64::MAX, 0], SUCCESS);
    });
    cases.add(Case::new("h_confer/nobody", CONFER), |case| {
        case.answers("H_CONFER", H_CONFER, [0x1234, 0], PARAMETER);
    });
}

/// The first processor prods itself `times`, and H_CEDE comes back at once, or because others prod it: not for the decrementer, which has seconds to go.
fn cedes_after_prods(case: &mut Case, times: u64) {
    case.call("H_CEDE", "cede_after_prods", [times])
        .is(3, 1)
        .is(4, SUCCESS)
        .is(5, SUCCESS);
}

/// The first processor, which nobody has prodded, sleeps until the decrementer has run out.
fn cedes_until_the_decrementer(case: &mut Case) {
    case.call("H_CEDE", "cede_for", [A_MOMENT]).status(SUCCESS).is(4, 1);
}

/// Numbers of the other processors that have cases of their own: the second and the last one.
fn others() -> [(&'static str, Operand); 2] {
    [("the_second", 1.into()), ("the_last", cell("last_processor"))]
}

/// `other` sleeps by `sleep`, and H_PROD wakes it: it is called once it sleeps, most likely, or before it does.
fn prods(case: &mut Case, other: Operand, is_before: bool, sleep: u64) {
    let arguments: [Operand; 5] = [
        other,
        H_PROD.into(),
        0.into(),
        u64::from(is_before).into(),
        sleep.into(),
    ];
    case.call("H_PROD", "wake", arguments)
        .is(3, 1)
        .is(4, 0xc00)
        .is(5, SUCCESS)
        .is(6, SUCCESS);
}

/// What takes two processors or more.
pub(super) fn add_several(cases: &mut Cases) {
    for (name, other) in others() {
        cases.add(of_two_processors(format!("h_prod/{name}/ceded"), PROD), |case| {
            prods(case, other, false, H_CEDE);
        });
        cases.add(
            of_two_processors(format!("h_prod/{name}/running_then_h_cede"), CEDE),
            |case| {
                prods(case, other, true, H_CEDE);
            },
        );
        cases.add(
            of_two_processors(format!("h_prod/{name}/conferred_to_itself"), CONFER),
            |case| {
                prods(case, other, false, H_CONFER);
            },
        );
        cases.add(of_two_processors(format!("h_prod/{name}/ceded_again"), PROD), |case| {
            for _ in 0..3 {
                prods(case, other, false, H_CEDE);
            }
        });
    }
    cases.add(of_two_processors("h_prod/others_prod_the_first", PROD), |case| {
        case.begins(Who::Others, "H_PROD of the first", "prod_until_enough", [0; 0]);
        for _ in 0..3 {
            case.call("calls within a minute", "wait_for_more", [16]).is(3, 1);
            cedes_after_prods(case, 0);
        }
        case.call("ending it", "say_enough", [0; 0]);
        case.ends(Who::Others, "H_PROD of the first").status(SUCCESS);
        case.call("H_CEDE", "cede_for", [A_MOMENT]);
    });
    // Whichever dispatch number the other one has, most of these are not it, and the call gives up nothing then; an even one is that of a processor
    // that runs. With the right one it gives up its time, and comes back.
    for dispatches in [0, 1, 2, 3, 0x7fff_ffff, 0xffff_ffff] {
        let name = format!("h_confer/running_processor/dispatch_{dispatches:x}");
        cases.add(of_two_processors(name, CONFER), |case| {
            case.begins(Who::Another(1), "waiting", "wait_until_enough", [0; 0]);
            let arguments: [Operand; 2] = [second_processor(), dispatches.into()];
            case.hcall("H_CONFER", H_CONFER, arguments).status(SUCCESS);
            case.call("ending it", "say_enough", [0; 0]);
            case.ends(Who::Another(1), "waiting").is(3, 1);
        });
        // Whether such a processor has a dispatch number, and whether it is odd, the manual does not say.
        let name = format!("h_confer/stopped_processor/dispatch_{dispatches:x}");
        cases.add(of_two_processors(name, CONFER), |case| {
            let arguments: [Operand; 2] = [second_processor(), dispatches.into()];
            case.hcall("H_CONFER", H_CONFER, arguments).status(SUCCESS);
        });
    }
    cases.add(of_two_processors("h_confer/all_to_all", CONFER), |case| {
        case.begins(Who::Others, "H_CONFER to all", "confer_until_enough", [0; 0]);
        case.call("calls within a minute", "wait_for_more", [16]).is(3, 1);
        for _ in 0..16 {
            case.hcall("H_CONFER", H_CONFER, [u64::MAX, 0]);
        }
        case.call("calls within a minute", "wait_for_more", [16]).is(3, 1);
        case.call("ending it", "say_enough", [0; 0]);
        case.ends(Who::Others, "H_CONFER to all").is(3, 1);
    });
}

/// The call changes r3 alone.
fn keeps_registers(case: &mut Case, name: &str, number: u64, target: Operand) {
    let rest = (5..=12).map(|register| Operand::from(register << 8));
    let step = case.hcall(name, number, [target].into_iter().chain(rest));
    step.is(4, target);
    for register in 5..=12 {
        step.is(register, register << 8);
    }
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
