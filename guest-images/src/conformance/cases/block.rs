//! `H_BLOCK_REMOVE`. Specifiers go in from r5 on and come back from r4 on, which is where Linux looks for them. The entries lie where their pages'
//! first hashes have them, as only so a page's number can be told from its entry.

use super::{Case, Cases, HERE, Operand, Pages};
use crate::conformance::case::cell;
use crate::programs::hypercalls::words::{
    BOLTED, CHANGED, FUNCTION, H_BLOCK_REMOVE, PARAMETER, PARTIAL, REFERENCED, SUCCESS,
};

const SECTION: &str = "LoPAR, Logical Partitioning Option, 5.4.1.8 H_BLOCK_REMOVE";

/// Types of a specifier, and the condition of a request.
const REQUEST: u64 = 1 << 62;
const END: u64 = 3 << 62;
const BY_AVPN: u64 = 1 << 56;

/// Responses; R and C of the removed entry are two more bits of the first.
const DONE: u64 = 0x80 << 56;
const GONE: u64 = 0x88 << 56;
const WRONG: u64 = 0x90 << 56;
const INCONSISTENT: u64 = 0x98 << 56;
const ACROSS: u64 = 0xa8 << 56;
const R: u64 = 4 << 56;
const C: u64 = 2 << 56;

/// All of a response but the condition of its request.
const RESULT: u64 = !BY_AVPN;

/// The call with `specifiers`, what it answers, and with what status.
fn block(case: &mut Case, pages: Pages, specifiers: &[u64], status: u64, responses: &[u64]) {
    let arguments = [&[pages.v_of(0) & !0x7f], specifiers].concat();
    let step = case.hcall("H_BLOCK_REMOVE", H_BLOCK_REMOVE, arguments).status(status);
    for (register, &response) in (4..).zip(responses) {
        step.bits(register, RESULT, response & RESULT);
    }
}

/// Which sizes of pages a machine removes in blocks is its own affair; these cases are of pages that every one has that has the call.
pub(super) fn add(cases: &mut Cases, pages: Pages) {
    if pages.shift() != 12 {
        return;
    }
    let new_case = |name: &str| {
        let mut case = pages.case(format!("h_block_remove/{name}"), SECTION);
        case.hcall("there is no H_BLOCK_REMOVE", H_BLOCK_REMOVE, [0, END])
            .skip_if(3, FUNCTION);
        case
    };
    let (r, at) = (pages.r(HERE), |n| pages.slot(n));
    let map = |case: &mut Case, n| pages.map(case, n, r);
    for (condition, by) in [("absolute", 0), ("avpn", BY_AVPN)] {
        for count in 1..=8 {
            cases.add(new_case(&format!("{condition}/first_{count}_of_eight")), |case| {
                for n in 0..8 {
                    map(case, n);
                }
                let specifiers: Vec<u64> = (0..8)
                    .map(|n| if n < count { REQUEST | by | at(n) } else { END })
                    .collect();
                let responses: Vec<u64> = (0..count).map(|n| DONE | at(n)).collect();
                block(case, pages, &specifiers, SUCCESS, &responses);
                for n in 0..8 {
                    if n < count {
                        case.reads_nothing(at(n));
                    } else {
                        case.reads(at(n), pages.v_of(n), r);
                    }
                }
            });
        }
    }
    cases.add(new_case("nothing"), |case| block(case, pages, &[END], SUCCESS, &[END]));
    cases.add(new_case("order_of_pages_is_free"), |case| {
        let order = [5, 0, 7, 2];
        order.into_iter().for_each(|n| map(case, n));
        let specifiers: Vec<u64> = order.iter().map(|&n| REQUEST | at(n)).chain([END]).collect();
        let responses: Vec<u64> = order.iter().map(|&n| DONE | at(n)).collect();
        block(case, pages, &specifiers, SUCCESS, &responses);
    });
    for (name, bits, response) in [
        ("r", REFERENCED, R),
        ("c", CHANGED, C),
        ("r_and_c", REFERENCED | CHANGED, R | C),
    ] {
        cases.add(new_case(&format!("returns_{name}")), |case| {
            pages.map(case, 0, r | bits);
            block(
                case,
                pages,
                &[REQUEST | at(0), END],
                SUCCESS,
                &[DONE | response | at(0)],
            );
        });
    }
    for (name, specifier) in [("unused_type", at(0)), ("response", DONE | at(0))] {
        cases.add(new_case(&format!("wrong/{name}")), |case| {
            map(case, 0);
            block(case, pages, &[specifier, END], PARAMETER, &[]);
            case.reads(at(0), pages.v_of(0), r);
        });
    }

    // One that stays does not keep the next from going.
    let mut stays = |name: &str, map_it: &dyn Fn(&mut Case), specifier: Operand, response: Operand| {
        cases.add(new_case(&format!("stays/{name}")), |case| {
            map(case, 0);
            map_it(case);
            map(case, 3);
            let arguments: [Operand; 5] = [
                (pages.v_of(0) & !0x7f).into(),
                (REQUEST | at(0)).into(),
                specifier,
                (REQUEST | at(3)).into(),
                END.into(),
            ];
            case.hcall("H_BLOCK_REMOVE", H_BLOCK_REMOVE, arguments)
                .status(PARTIAL)
                .bits(4, RESULT, DONE | at(0))
                .bits(5, RESULT, response)
                .bits(6, RESULT, DONE | at(3));
            case.reads_nothing(at(0));
            case.reads_nothing(at(3));
        });
    };
    let one = |n: u64| Operand::from(REQUEST | at(n));
    stays("empty", &|_| {}, one(1), (GONE | at(1)).into());
    stays(
        "bolted",
        &|case| case.enters(at(1), pages.v_of(1) | BOLTED, r),
        one(1),
        (GONE | at(1)).into(),
    );
    stays(
        "other_avpn",
        &|case| case.enters(at(1), pages.v_of(1) ^ (1 << 7), r),
        (REQUEST | BY_AVPN | at(1)).into(),
        (GONE | at(1)).into(),
    );
    stays(
        "other_segment_size",
        &|case| case.enters(at(1), pages.v_of(1) ^ (1 << 62), r),
        one(1),
        (INCONSISTENT | at(1)).into(),
    );
    stays(
        "another_block",
        &|case| pages.map(case, 8, r),
        one(8),
        (ACROSS | at(8)).into(),
    );
    let outside = |control: u64| Operand {
        number: control,
        ..cell("table_entries")
    };
    stays("index_end", &|_| {}, outside(REQUEST), outside(WRONG));
}
