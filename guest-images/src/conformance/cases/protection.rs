//! PP bits and storage keys, in either state.

use super::{CODE, Cases, HERE, Pages};
use crate::conformance::configuration::{NO_EXECUTE, PROTECTION, State};

const SECTION: &str = "Power ISA v2.07B, Book III-S, 5.7.9 Storage Protection";

/// Whether loads are permitted, and stores.
type Permitted = (bool, bool);

/// PP as its three bits, as bits of doubleword 1, and what is permitted with key 0 and with key 1.
const PERMISSIONS: [(&str, u64, [Permitted; 2]); 5] = [
    ("000", 0, [(true, true), (false, false)]),
    ("001", 1, [(true, true), (true, false)]),
    ("010", 2, [(true, true), (true, true)]),
    ("011", 3, [(true, false), (true, false)]),
    ("110", (1 << 63) | 2, [(true, false), (false, false)]),
];

pub(super) fn add(cases: &mut Cases, pages: Pages) {
    for (state_name, state) in [("supervisor", State::Supervisor), ("problem", State::Problem)] {
        for (pp, bits, permitted) in PERMISSIONS {
            for (key, (load, store)) in permitted.into_iter().enumerate() {
                let name = format!("protection/{state_name}/pp_{pp}/key_{key}");
                cases.add(pages.case(name, SECTION), |case| {
                    let (supervisor, problem) = match state {
                        State::Supervisor => (key == 1, false),
                        State::Problem => (false, key == 1),
                    };
                    pages.put(case, HERE, 0x1111);
                    pages.set_segment_with_keys(case, supervisor, problem);
                    pages.map(case, 2, pages.r_with(HERE, bits));
                    if state == State::Problem {
                        pages.map_code(case, 1, CODE);
                    }
                    let access = match state {
                        State::Supervisor => pages.load(case, 2),
                        State::Problem => pages.access_in_problem_state(case, 1, 2, None),
                    };
                    if load {
                        access.gives(0x1111);
                    } else {
                        access.faults(PROTECTION);
                    }
                    let access = match state {
                        State::Supervisor => pages.store(case, 2, 0x2222),
                        State::Problem => pages.access_in_problem_state(case, 1, 2, Some(0x2222)),
                    };
                    if store {
                        access.succeeds();
                    } else {
                        access.faults(PROTECTION);
                    }
                    pages.expect_word(case, HERE, if store { 0x2222 } else { 0x1111 });
                });
            }
        }
    }
    cases.add(pages.case("protection/n/fetch", SECTION), |case| {
        pages.put_code(case, HERE, 0x55);
        pages.set_segment(case);
        pages.map(case, 2, pages.r_with(HERE, 4 | 2));
        pages.fetch(case, 2).faults(NO_EXECUTE);
    });
    cases.add(pages.case("protection/n/load_and_store", SECTION), |case| {
        pages.put(case, HERE, 0x1111);
        pages.set_segment(case);
        pages.map(case, 2, pages.r_with(HERE, 4 | 2));
        pages.load(case, 2).gives(0x1111);
        pages.store(case, 2, 0x2222).succeeds();
    });
}
