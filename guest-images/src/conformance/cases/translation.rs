//! Accesses through entries that come, go and change (Power ISA v2.07B, Book III-S, 5.7 and 5.10; what each call owes is its own section's).

use super::{Case, Cases, HERE, Pages, THERE, from_end};
use crate::conformance::configuration::{NO_EXECUTE, NOT_FOUND, PROTECTION};
use crate::programs::hypercalls::words::{
    AVPN, CHANGED, FUNCTION, H_BLOCK_REMOVE, H_BULK_REMOVE, H_CLEAR_MOD, H_CLEAR_REF, H_PROTECT, H_REMOVE, HYPERVISOR,
    REFERENCED, SECONDARY, SUCCESS,
};

const TRANSLATION: &str = "Power ISA v2.07B, Book III-S, 5.7.7 Virtual to Real Translation";
const RECORDING: &str = "Power ISA v2.07B, Book III-S, 5.7.8 Reference and Change Recording";
const UPDATES: &str = "LoPAR, Logical Partitioning Option, 5.4.1 Page Frame Table Access";

pub(super) fn add(cases: &mut Cases, pages: Pages) {
    nothing(cases, pages);
    slots(cases, pages);
    other_entries(cases, pages);
    after_calls(cases, pages);
    recording(cases, pages);
}

/// A word at either place, code behind none, and the segment.
fn prepare(case: &mut Case, pages: Pages) {
    pages.put(case, HERE, 0x1111);
    pages.put(case, THERE, 0x2222);
    pages.set_segment(case);
}

fn misses(case: &mut Case, pages: Pages, n: u64) {
    pages.load(case, n).faults(NOT_FOUND);
    pages.store(case, n, 0x3333).faults(NOT_FOUND);
    pages.fetch(case, n).faults(NOT_FOUND);
}

fn nothing(cases: &mut Cases, pages: Pages) {
    let case = |name: &str| pages.case(format!("translation/{name}"), TRANSLATION);
    cases.add(case("no_segment"), |case| {
        pages.map(case, 1, pages.r(HERE));
        pages.load(case, 1).has_no_segment();
        pages.store(case, 1, 1).has_no_segment();
        pages.fetch(case, 1).has_no_segment();
    });
    cases.add(case("no_entry"), |case| {
        pages.set_segment(case);
        misses(case, pages, 1);
    });
    cases.add(case("segment_gone"), |case| {
        prepare(case, pages);
        pages.map(case, 1, pages.r(HERE));
        pages.load(case, 1).gives(0x1111);
        pages.drop_segment(case);
        pages.load(case, 1).has_no_segment();
        pages.store(case, 1, 1).has_no_segment();
    });
    for n in [0, 1, 7, 15] {
        cases.add(case(&format!("page_{n}")), |case| {
            prepare(case, pages);
            pages.map(case, n, pages.r(HERE));
            pages.load(case, n).gives(0x1111);
            pages.store(case, n, 0x4444).succeeds();
            pages.expect_word(case, HERE, 0x4444);
            pages.put_code(case, HERE, 0x55);
            pages.fetch(case, n).gives(0x55);
        });
    }
}

/// Each of the places where an entry is looked for.
fn slots(cases: &mut Cases, pages: Pages) {
    for slot in 0..8 {
        cases.add(
            pages.case(format!("translation/primary/slot_{slot}"), TRANSLATION),
            |case| {
                prepare(case, pages);
                case.enters(pages.slot(2) + slot, pages.v_of(2), pages.r(HERE));
                pages.load(case, 2).gives(0x1111);
                pages.store(case, 2, 0x4444).succeeds();
            },
        );
        cases.add(
            pages.case(format!("translation/secondary/slot_{slot}"), TRANSLATION),
            |case| {
                prepare(case, pages);
                let at = from_end(pages.slot(2) + 8 - slot);
                case.enters(at, pages.v_of(2) | SECONDARY, pages.r(HERE));
                pages.load(case, 2).gives(0x1111);
                pages.store(case, 2, 0x4444).succeeds();
            },
        );
    }
}

/// Entries that are not the page's, each where its own would be.
fn other_entries(cases: &mut Cases, pages: Pages) {
    let v = pages.v_of(2);
    // Bits of the AVPN that lie within a page do not count.
    let lowest = (1 << 7).max(pages.bytes() >> 16);
    for (name, other) in [
        ("avpn_lowest_bit", v ^ lowest),
        ("avpn_high_bit", v ^ (1 << 45)),
        ("segment_size", v ^ (1 << 62)),
        ("secondary_in_primary_group", v | SECONDARY),
    ] {
        cases.add(
            pages.case(format!("translation/other_entry/{name}"), TRANSLATION),
            |case| {
                prepare(case, pages);
                case.enters(pages.slot(2), other, pages.r(HERE));
                pages.load(case, 2).faults(NOT_FOUND);
                pages.store(case, 2, 1).faults(NOT_FOUND);
            },
        );
    }
    cases.add(
        pages.case("translation/other_entry/primary_in_secondary_group", TRANSLATION),
        |case| {
            prepare(case, pages);
            pages.enter_at(case, pages.second_slot(2), v, pages.r(HERE));
            pages.load(case, 2).faults(NOT_FOUND);
        },
    );
}

/// What is accessed before a call that takes the entry away.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    Load,
    Store,
    Fetch,
}

/// Ways in which an entry goes.
pub(super) const REMOVALS: [&str; 4] = ["h_remove", "h_remove_avpn", "h_bulk_remove", "h_block_remove"];

/// Removes the entry of page `n`.
pub(super) fn remove(case: &mut Case, pages: Pages, how: &str, n: u64) {
    let at = pages.slot(n);
    let avpn = pages.v_of(n) & !0x7f;
    match how {
        "h_remove" => case.answers("H_REMOVE", H_REMOVE, [0, at, 0], SUCCESS),
        "h_remove_avpn" => case.answers("H_REMOVE", H_REMOVE, [AVPN, at, avpn], SUCCESS),
        "h_bulk_remove" => case.answers("H_BULK_REMOVE", H_BULK_REMOVE, [(1 << 62) | at, 0, 3 << 62, 0], SUCCESS),
        _ => case.answers(
            "H_BLOCK_REMOVE",
            H_BLOCK_REMOVE,
            [avpn, (1 << 62) | at, 3 << 62],
            SUCCESS,
        ),
    }
}

fn after_calls(cases: &mut Cases, pages: Pages) {
    let new_case = |name: String| pages.case(format!("translation/{name}"), UPDATES);
    for how in REMOVALS {
        if how == "h_block_remove" && pages.shift() != 12 {
            continue;
        }
        for (name, before) in [
            ("untouched", Before::Nothing),
            ("loaded", Before::Load),
            ("stored", Before::Store),
            ("fetched", Before::Fetch),
        ] {
            let mut case = new_case(format!("after_{how}/{name}"));
            if how == "h_block_remove" {
                case.hcall("there is no H_BLOCK_REMOVE", H_BLOCK_REMOVE, [0, 3 << 62])
                    .skip_if(3, FUNCTION);
            }
            cases.add(case, |case| {
                prepare(case, pages);
                pages.map(case, 2, pages.r(HERE));
                match before {
                    Before::Nothing => {}
                    Before::Load => pages.load(case, 2).gives(0x1111),
                    Before::Store => pages.store(case, 2, 0x1112).succeeds(),
                    Before::Fetch => {
                        pages.put_code(case, HERE, 0x55);
                        pages.fetch(case, 2).gives(0x55);
                    }
                }
                remove(case, pages, how, 2);
                misses(case, pages, 2);
                // The page is somewhere else.
                pages.map(case, 2, pages.r(THERE));
                pages.load(case, 2).gives(0x2222);
                pages.store(case, 2, 0x6666).succeeds();
                pages.expect_word(case, THERE, 0x6666);
            });
        }
    }
    cases.add(new_case("after_h_protect/read_only".to_owned()), |case| {
        prepare(case, pages);
        pages.map(case, 2, pages.r(HERE));
        pages.store(case, 2, 0x1112).succeeds();
        case.answers("H_PROTECT", H_PROTECT, [3, pages.slot(2), 0], SUCCESS);
        pages.store(case, 2, 0x7777).faults(PROTECTION);
        pages.load(case, 2).gives(0x1112);
        pages.expect_word(case, HERE, 0x1112);
    });
    cases.add(new_case("after_h_protect/read_and_write_again".to_owned()), |case| {
        prepare(case, pages);
        pages.map(case, 2, pages.r_with(HERE, 3));
        pages.store(case, 2, 0x7777).faults(PROTECTION);
        case.answers("H_PROTECT", H_PROTECT, [2, pages.slot(2), 0], SUCCESS);
        pages.store(case, 2, 0x1112).succeeds();
        pages.expect_word(case, HERE, 0x1112);
    });
    cases.add(new_case("after_h_protect/no_execute".to_owned()), |case| {
        prepare(case, pages);
        pages.put_code(case, HERE, 0x55);
        pages.map(case, 2, pages.r(HERE));
        pages.fetch(case, 2).gives(0x55);
        case.answers("H_PROTECT", H_PROTECT, [4 | 2, pages.slot(2), 0], SUCCESS);
        pages.fetch(case, 2).faults(NO_EXECUTE);
        case.answers("H_PROTECT", H_PROTECT, [2, pages.slot(2), 0], SUCCESS);
        pages.fetch(case, 2).gives(0x55);
    });
    cases.add(new_case("after_h_remove/other_pages_stay".to_owned()), |case| {
        prepare(case, pages);
        pages.map(case, 2, pages.r(HERE));
        pages.map(case, 3, pages.r(THERE));
        pages.load(case, 2).gives(0x1111);
        pages.load(case, 3).gives(0x2222);
        remove(case, pages, "h_remove", 2);
        pages.load(case, 3).gives(0x2222);
        pages.load(case, 2).faults(NOT_FOUND);
    });
    cases.add(new_case("two_pages_of_one_memory".to_owned()), |case| {
        prepare(case, pages);
        pages.map(case, 2, pages.r(HERE));
        pages.map(case, 3, pages.r(HERE));
        pages.store(case, 2, 0x1234).succeeds();
        pages.load(case, 3).gives(0x1234);
        remove(case, pages, "h_remove", 2);
        pages.store(case, 3, 0x5678).succeeds();
        pages.expect_word(case, HERE, 0x5678);
    });
}

/// R and C.
fn recording(cases: &mut Cases, pages: Pages) {
    let case = |name: &str| pages.case(format!("recording/{name}"), RECORDING);
    let (at, v, r) = (pages.slot(2), pages.v_of(2), pages.r(HERE));
    let both = REFERENCED | CHANGED;
    let start = |case: &mut Case| {
        prepare(case, pages);
        pages.map(case, 2, r);
    };
    cases.add(case("untouched"), |case| {
        start(case);
        case.reads(at, v, r);
    });
    cases.add(case("load_sets_r"), |case| {
        start(case);
        pages.load(case, 2).gives(0x1111);
        case.hcall("H_READ", 0x0c, [0, at])
            .status(SUCCESS)
            .bits(5, REFERENCED, REFERENCED);
    });
    let mut exact = case("load_leaves_c");
    exact.is_exact_or_skipped("loads may set C on this machine");
    cases.add(exact, |case| {
        start(case);
        pages.load(case, 2).gives(0x1111);
        case.reads(at, v, r | REFERENCED);
    });
    cases.add(case("load_of_a_read_only_page_leaves_c"), |case| {
        prepare(case, pages);
        pages.map(case, 2, pages.r_with(HERE, 3));
        pages.load(case, 2).gives(0x1111);
        case.reads(at, v, pages.r_with(HERE, 3) | REFERENCED);
    });
    cases.add(case("store_sets_r_and_c"), |case| {
        start(case);
        pages.store(case, 2, 1).succeeds();
        case.reads(at, v, r | both);
    });
    cases.add(case("fetch_sets_r"), |case| {
        start(case);
        pages.put_code(case, HERE, 0x55);
        pages.fetch(case, 2).gives(0x55);
        case.hcall("H_READ", 0x0c, [0, at])
            .status(SUCCESS)
            .bits(5, REFERENCED, REFERENCED);
    });
    cases.add(case("store_that_is_denied_leaves_c"), |case| {
        prepare(case, pages);
        pages.map(case, 2, pages.r_with(HERE, 3));
        pages.store(case, 2, 1).faults(PROTECTION);
        case.hcall("H_READ", 0x0c, [0, at]).status(SUCCESS).bits(5, CHANGED, 0);
    });
    cases.add(case("h_remove_returns_both"), |case| {
        start(case);
        pages.store(case, 2, 1).succeeds();
        case.hcall("H_REMOVE", H_REMOVE, [0, at, 0])
            .status(SUCCESS)
            .bits(4, !HYPERVISOR, v)
            .is(5, r | both);
    });
    cases.add(case("h_bulk_remove_returns_both"), |case| {
        start(case);
        pages.store(case, 2, 1).succeeds();
        case.hcall("H_BULK_REMOVE", H_BULK_REMOVE, [(1 << 62) | at, 0, 3 << 62, 0])
            .status(SUCCESS)
            .bits(4, !(3 << 56), (0x8c << 56) | at);
    });
    cases.add(case("c_again_after_h_clear_mod"), |case| {
        start(case);
        pages.store(case, 2, 1).succeeds();
        case.hcall("H_CLEAR_MOD", H_CLEAR_MOD, [0, at])
            .status(SUCCESS)
            .is(4, r | both);
        case.reads(at, v, r | REFERENCED);
        pages.store(case, 2, 2).succeeds();
        case.reads(at, v, r | both);
    });
    cases.add(case("r_again_after_h_clear_ref"), |case| {
        start(case);
        pages.load(case, 2).gives(0x1111);
        case.hcall("H_CLEAR_REF", H_CLEAR_REF, [0, at])
            .status(SUCCESS)
            .bits(4, REFERENCED, REFERENCED);
        case.hcall("H_READ", 0x0c, [0, at])
            .status(SUCCESS)
            .bits(5, REFERENCED, 0);
        pages.load(case, 2).gives(0x1111);
        case.hcall("H_READ", 0x0c, [0, at])
            .status(SUCCESS)
            .bits(5, REFERENCED, REFERENCED);
    });
    cases.add(case("c_stays_in_h_protect"), |case| {
        start(case);
        pages.store(case, 2, 1).succeeds();
        case.answers("H_PROTECT", H_PROTECT, [3, at, 0], SUCCESS);
        case.hcall("H_READ", 0x0c, [0, at])
            .status(SUCCESS)
            .bits(5, CHANGED, CHANGED);
    });
    cases.add(case("r_again_after_h_protect"), |case| {
        start(case);
        pages.load(case, 2).gives(0x1111);
        case.answers("H_PROTECT", H_PROTECT, [3, at, 0], SUCCESS);
        pages.load(case, 2).gives(0x1111);
        case.hcall("H_READ", 0x0c, [0, at])
            .status(SUCCESS)
            .bits(5, REFERENCED, REFERENCED);
    });
    cases.add(case("large_page_by_its_last_bytes"), |case| {
        start(case);
        let address = pages.address(2) + pages.bytes() - 4;
        case.call("storing a word", "store", [address, 0x1357, 0x8000_0000_0000_1010])
            .is(3, 0xc00);
        case.call("the word in memory", "peek", [HERE + pages.bytes() - 4])
            .is(3, 0x1357);
        case.reads(at, v, r | both);
    });
}
