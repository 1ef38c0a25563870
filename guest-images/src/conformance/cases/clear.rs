//! `H_CLEAR_REF` and `H_CLEAR_MOD`.

use super::{Cases, GROUP, HERE, Pages, indices_outside};
use crate::programs::hypercalls::words::{
    CHANGED, H_CLEAR_MOD, H_CLEAR_REF, NOT_FOUND, PARAMETER, REFERENCED, SUCCESS,
};

/// A call: what it is called, its number, what it clears, and its section.
const CALLS: [(&str, u64, u64, &str); 2] = [
    (
        "h_clear_ref",
        H_CLEAR_REF,
        REFERENCED,
        "LoPAR, Logical Partitioning Option, 5.4.1.5 H_CLEAR_REF",
    ),
    (
        "h_clear_mod",
        H_CLEAR_MOD,
        CHANGED,
        "LoPAR, Logical Partitioning Option, 5.4.1.4 H_CLEAR_MOD",
    ),
];

pub(super) fn add(cases: &mut Cases, pages: Pages) {
    for (name, number, bit, section) in CALLS {
        let case = |what: &str| pages.case(format!("{name}/{what}"), section);
        let (v, r) = (pages.v(2), pages.r(HERE));
        for (what, bits) in [
            ("none", 0),
            ("r", REFERENCED),
            ("c", CHANGED),
            ("r_and_c", REFERENCED | CHANGED),
        ] {
            cases.add(case(&format!("of_{what}")), |case| {
                case.enters(GROUP, v, r | bits);
                case.hcall(name, number, [0, GROUP]).status(SUCCESS).is(4, r | bits);
                case.reads(GROUP, v, r | (bits & !bit));
            });
        }
        cases.add(case("empty"), |case| case.answers(name, number, [0, GROUP], NOT_FOUND));
        for (index, at) in indices_outside() {
            cases.add(case(&format!("index_{index}")), |case| {
                case.answers(name, number, [0.into(), at], PARAMETER);
            });
        }
    }
}
