//! `H_BULK_REMOVE`.

use super::{Cases, GROUP, HERE, Operand, Pages};
use crate::conformance::case::cell;
use crate::programs::hypercalls::words::{BOLTED, CHANGED, H_BULK_REMOVE, PARAMETER, REFERENCED, SUCCESS};

const SECTION: &str = "LoPAR, Logical Partitioning Option, 5.4.1.7 H_BULK_REMOVE";

/// Types of a specifier, and codes of a response.
const REQUEST: u64 = 1 << 62;
const RESPONSE: u64 = 1 << 63;
const END: u64 = 3 << 62;
const GONE: u64 = RESPONSE | (1 << 60);
const WRONG: u64 = RESPONSE | (2 << 60);
/// Conditions of a request.
const BY_ANDCOND: u64 = 1 << 56;
const BY_AVPN: u64 = 2 << 56;
/// R and C of the removed entry, in a response.
const R: u64 = 1 << 59;
const C: u64 = 1 << 58;
/// All of a response but the condition of its request, which nobody says what becomes of.
const RESULT: u64 = !(3 << 56);

pub(super) fn add(cases: &mut Cases, pages: Pages) {
    removals(cases, pages);
    conditions(cases, pages);
    wrong_requests(cases, pages);
}

fn at(n: u64) -> u64 {
    GROUP + n
}

fn removals(cases: &mut Cases, pages: Pages) {
    let case = |name: &str| pages.case(format!("h_bulk_remove/{name}"), SECTION);
    let (r, request) = (pages.r(HERE), |n| REQUEST | at(n));
    for count in 0..=4 {
        cases.add(case(&format!("first_{count}_of_four")), |case| {
            for n in 0..4 {
                case.enters(at(n), pages.v(n), r);
            }
            let requests = (0..4).flat_map(|n| [if n < count { request(n) } else { END }, 0]);
            let step = case.hcall("H_BULK_REMOVE", H_BULK_REMOVE, requests).status(SUCCESS);
            for n in 0..count {
                step.bits(4 + 2 * n, RESULT, RESPONSE | at(n));
            }
            for n in 0..4 {
                if n < count {
                    case.reads_nothing(at(n));
                } else {
                    case.reads(at(n), pages.v(n), r);
                }
            }
        });
    }
    for (name, bits, response) in [
        ("r", REFERENCED, R),
        ("c", CHANGED, C),
        ("r_and_c", REFERENCED | CHANGED, R | C),
    ] {
        cases.add(case(&format!("returns_{name}")), |case| {
            case.enters(at(0), pages.v(0), r | bits);
            case.hcall("H_BULK_REMOVE", H_BULK_REMOVE, [request(0), 0, END, 0])
                .status(SUCCESS)
                .bits(4, RESULT, RESPONSE | response | at(0));
        });
    }
    cases.add(case("empty"), |case| {
        case.enters(at(1), pages.v(1), r);
        case.hcall("H_BULK_REMOVE", H_BULK_REMOVE, [request(0), 0, request(1), 0, END, 0])
            .status(SUCCESS)
            .bits(4, RESULT, GONE | at(0))
            .bits(6, RESULT, RESPONSE | at(1));
        case.reads_nothing(at(1));
    });
    cases.add(case("same_entry_twice"), |case| {
        case.enters(at(0), pages.v(0), r);
        case.hcall("H_BULK_REMOVE", H_BULK_REMOVE, [request(0), 0, request(0), 0, END, 0])
            .status(SUCCESS)
            .bits(4, RESULT, RESPONSE | at(0))
            .bits(6, RESULT, GONE | at(0));
    });
    cases.add(case("bolted"), |case| {
        case.enters(at(0), pages.v(0) | BOLTED, r);
        case.hcall("H_BULK_REMOVE", H_BULK_REMOVE, [request(0), 0, END, 0])
            .status(SUCCESS)
            .bits(4, RESULT, RESPONSE | at(0));
        case.reads_nothing(at(0));
    });
    cases.add(case("low_word_is_ignored"), |case| {
        case.enters(at(0), pages.v(0), r);
        case.hcall("H_BULK_REMOVE", H_BULK_REMOVE, [request(0), u64::MAX, END, 0])
            .status(SUCCESS)
            .bits(4, RESULT, RESPONSE | at(0));
        case.reads_nothing(at(0));
    });
}

fn conditions(cases: &mut Cases, pages: Pages) {
    let avpn = pages.avpn(2);
    for (name, by, word, goes) in [
        ("avpn/same", BY_AVPN, avpn, true),
        ("avpn/other_lowest_bit", BY_AVPN, avpn ^ (1 << 7), false),
        ("avpn/other_high_bit", BY_AVPN, avpn ^ (1 << 58), false),
        ("avpn/other_segment_size", BY_AVPN, avpn ^ (1 << 62), false),
        ("andcond/bit_of_avpn", BY_ANDCOND, avpn & avpn.wrapping_neg(), false),
        ("andcond/bit_not_of_avpn", BY_ANDCOND, 1 << 58, true),
        ("andcond/no_bit", BY_ANDCOND, 0, true),
    ] {
        cases.add(pages.case(format!("h_bulk_remove/{name}"), SECTION), |case| {
            let r = pages.r(HERE);
            case.enters(at(0), pages.v(2), r);
            case.enters(at(1), pages.v(3), r);
            let requests = [REQUEST | by | at(0), word, REQUEST | at(1), 0, END, 0];
            let response = if goes { RESPONSE } else { GONE };
            case.hcall("H_BULK_REMOVE", H_BULK_REMOVE, requests)
                .status(SUCCESS)
                .bits(4, RESULT, response | at(0))
                .bits(6, RESULT, RESPONSE | at(1));
            if goes {
                case.reads_nothing(at(0));
            } else {
                case.reads(at(0), pages.v(2), r);
            }
        });
    }
}

/// What ends the call with `H_Parameter`: what comes before it has been done, and what comes after it has not.
fn wrong_requests(cases: &mut Cases, pages: Pages) {
    let outside = |index: Operand| {
        let number = index.number.wrapping_add(REQUEST);
        Operand { number, ..index }
    };
    let marked = |index: Operand| {
        let number = index.number.wrapping_add(WRONG);
        Operand { number, ..index }
    };
    // Seven bytes are an index.
    let ones = (1 << 56) - 1;
    for (name, specifier, response) in [
        (
            "index_end",
            outside(cell("table_entries")),
            Some(marked(cell("table_entries"))),
        ),
        ("index_all_ones", outside(ones.into()), Some(marked(ones.into()))),
        ("unused_type", at(1).into(), None),
        ("both_conditions", (REQUEST | BY_AVPN | BY_ANDCOND | at(1)).into(), None),
    ] {
        cases.add(pages.case(format!("h_bulk_remove/wrong/{name}"), SECTION), |case| {
            let r = pages.r(HERE);
            for n in 0..3 {
                case.enters(at(n), pages.v(n), r);
            }
            let (before, after) = (REQUEST | at(0), REQUEST | at(2));
            let requests: [Operand; 8] = [
                before.into(),
                0.into(),
                specifier,
                0.into(),
                after.into(),
                0.into(),
                END.into(),
                0.into(),
            ];
            let step = case.hcall("H_BULK_REMOVE", H_BULK_REMOVE, requests).status(PARAMETER);
            step.bits(4, RESULT, RESPONSE | at(0));
            if let Some(response) = response {
                step.bits(6, RESULT, response);
            }
            case.reads_nothing(at(0));
            case.reads(at(1), pages.v(1), r);
            case.reads(at(2), pages.v(2), r);
        });
    }
}
