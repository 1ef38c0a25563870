//! Entries that one processor enters, changes and removes, and others use: what a call has done is done for all when it returns.

use super::translation::{REMOVALS, remove};
use super::{Case, Cases, HERE, Pages, THERE};
use crate::conformance::case::{Who, cell};
use crate::conformance::configuration::{Access, NO_EXECUTE, NOT_FOUND, PROTECTION, STORE};
use crate::programs::hypercalls::words::{
    CHANGED, FUNCTION, H_BLOCK_REMOVE, H_CLEAR_MOD, H_CLEAR_REF, H_PROTECT, H_READ, H_REMOVE, HYPERVISOR, REFERENCED,
    SUCCESS,
};

const RECORDING: &str = "Power ISA v2.07B, Book III-S, 5.7.8 Reference and Change Recording";
const UPDATES: &str = "LoPAR, Logical Partitioning Option, 5.4.1 Page Frame Table Access";
const ENTER: &str = "LoPAR, Logical Partitioning Option, 5.4.1.2 H_ENTER";
const PROTECT: &str = "LoPAR, Logical Partitioning Option, 5.4.1.6 H_PROTECT";

/// How often others must have touched a page before something is done to it.
const TOUCHES: u64 = 16;

pub(super) fn add(cases: &mut Cases, pages: Pages) {
    entries(cases, pages);
    removals(cases, pages);
    protection(cases, pages);
    recording(cases, pages);
}

/// A word at either place, and the segment on all processors.
fn prepare(case: &mut Case, pages: Pages) {
    pages.put(case, HERE, 0x1111);
    pages.put(case, THERE, 0x2222);
    pages.set_segment(case);
    case.by(Who::Others, |case| pages.set_segment(case));
}

/// All processors load from page `n`, the first one last.
fn all_load(case: &mut Case, pages: Pages, n: u64, look: impl Fn(Access<'_>)) {
    case.by(Who::Others, |case| look(pages.load(case, n)));
    look(pages.load(case, n));
}

/// They find nothing there for any access.
fn all_miss(case: &mut Case, pages: Pages, n: u64) {
    let misses = |case: &mut Case| {
        pages.load(case, n).faults(NOT_FOUND);
        pages.store(case, n, 0x3333).faults(NOT_FOUND);
        pages.fetch(case, n).faults(NOT_FOUND);
    };
    case.by(Who::Others, misses);
    misses(case);
}

/// The others begin to load from page `n`, where `value` is, again and again.
pub(super) fn others_load(case: &mut Case, pages: Pages, n: u64, value: u64) {
    case.begins(Who::Others, "loads", "touch_by_loads", [pages.at(n), value]);
    touched_again(case);
}

/// The others begin to store to page `n` again and again.
fn others_store(case: &mut Case, pages: Pages, n: u64) {
    case.begins(Who::Others, "stores", "touch_by_stores", [pages.at(n), 0]);
    touched_again(case);
}

/// The same while the entry changes by the general sequence of the architecture, in which it may be missed for a while: whoever misses it tries again.
fn others_store_or_miss(case: &mut Case, pages: Pages, n: u64) {
    case.begins(Who::Others, "stores", "touch_by_stores", [pages.at(n), 1]);
    touched_again(case);
}

/// Each of the others has touched its page from here on.
pub(super) fn touched_again(case: &mut Case) {
    case.call("touches within a minute", "wait_for_more", [TOUCHES])
        .is(3, 1);
}

/// The others have loaded what they expect, and stop it.
pub(super) fn end_of_loads(case: &mut Case) {
    case.call("ending loads", "say_enough", [0; 0]);
    case.ends(Who::Others, "loads").is(3, 0xc00).is(8, 0);
}

fn entries(cases: &mut Cases, pages: Pages) {
    let case = |name: &str| pages.case(format!("others/{name}"), ENTER);
    cases.add(case("entered_by_the_first"), |case| {
        prepare(case, pages);
        pages.map(case, 2, pages.r(HERE));
        case.by(Who::Others, |case| pages.load(case, 2).gives(0x1111));
    });
    cases.add(case("entered_by_another"), |case| {
        prepare(case, pages);
        case.by(Who::Another(1), |case| pages.map(case, 2, pages.r(HERE)));
        all_load(case, pages, 2, |load| load.gives(0x1111));
    });
    cases.add(case("entered_while_it_is_missed"), |case| {
        prepare(case, pages);
        case.begins(Who::Others, "loads", "load_until_there", [pages.at(2)]);
        touched_again(case);
        pages.map(case, 2, pages.r(HERE));
        case.ends(Who::Others, "load").is(3, 0xc00).is(8, 0x1111);
    });
    cases.add(case("each_has_its_segments"), |case| {
        pages.put(case, HERE, 0x1111);
        pages.map(case, 2, pages.r(HERE));
        pages.set_segment(case);
        case.by(Who::Others, |case| pages.load(case, 2).has_no_segment());
        case.by(Who::Others, |case| pages.set_segment(case));
        pages.drop_segment(case);
        case.by(Who::Others, |case| pages.load(case, 2).gives(0x1111));
        pages.load(case, 2).has_no_segment();
    });
}

fn removals(cases: &mut Cases, pages: Pages) {
    for how in REMOVALS {
        let is_block = how == "h_block_remove";
        if is_block && pages.shift() != 12 {
            continue;
        }
        let case = |name: &str| {
            let mut case = pages.case(format!("others/after_{how}/{name}"), UPDATES);
            if is_block {
                case.hcall("there is no H_BLOCK_REMOVE", H_BLOCK_REMOVE, [0, 3 << 62])
                    .skip_if(3, FUNCTION);
            }
            case
        };
        for (name, who) in [("by_the_first", Who::First), ("by_another", Who::Another(1))] {
            cases.add(case(name), |case| {
                prepare(case, pages);
                pages.map(case, 2, pages.r(HERE));
                all_load(case, pages, 2, |load| load.gives(0x1111));
                case.by(Who::Others, |case| pages.store(case, 2, 0x1111).succeeds());
                case.by(who, |case| remove(case, pages, how, 2));
                all_miss(case, pages, 2);
                // The page is somewhere else.
                pages.map(case, 2, pages.r(THERE));
                all_load(case, pages, 2, |load| load.gives(0x2222));
            });
        }
        cases.add(case("while_loaded"), |case| {
            prepare(case, pages);
            pages.map(case, 2, pages.r(HERE));
            others_load(case, pages, 2, 0x1111);
            remove(case, pages, how, 2);
            // Its memory is somebody else's now, and nobody may see that.
            pages.put(case, HERE, 0x5555);
            case.ends(Who::Others, "loads").is(3, 0x300).is(7, NOT_FOUND).is(8, 0);
        });
        cases.add(case("while_stored"), |case| {
            prepare(case, pages);
            pages.map(case, 2, pages.r(HERE));
            others_store(case, pages, 2);
            remove(case, pages, how, 2);
            pages.word(case, HERE).save(3, "saved");
            case.ends(Who::Others, "stores").is(3, 0x300).is(7, NOT_FOUND | STORE);
            pages.word(case, HERE).is(3, cell("saved"));
        });
        cases.add(case("another_page_stays"), |case| {
            prepare(case, pages);
            pages.map(case, 3, pages.r(THERE));
            others_load(case, pages, 3, 0x2222);
            pages.map(case, 2, pages.r(HERE));
            remove(case, pages, how, 2);
            touched_again(case);
            end_of_loads(case);
        });
    }
}

fn protection(cases: &mut Cases, pages: Pages) {
    let case = |name: &str| pages.case(format!("others/after_h_protect/{name}"), PROTECT);
    let protect = |case: &mut Case, bits: u64| {
        case.answers("H_PROTECT", H_PROTECT, [bits, pages.slot(2), 0], SUCCESS);
    };
    for (name, who) in [("by_the_first", Who::First), ("by_another", Who::Another(1))] {
        cases.add(case(&format!("read_only/{name}")), |case| {
            prepare(case, pages);
            pages.map(case, 2, pages.r(HERE));
            case.by(Who::Others, |case| pages.store(case, 2, 0x1112).succeeds());
            case.by(who, |case| protect(case, 3));
            case.by(Who::Others, |case| pages.store(case, 2, 0x7777).faults(PROTECTION));
            pages.store(case, 2, 0x7777).faults(PROTECTION);
            all_load(case, pages, 2, |load| load.gives(0x1112));
        });
    }
    cases.add(case("read_only/while_stored"), |case| {
        prepare(case, pages);
        pages.map(case, 2, pages.r(HERE));
        others_store_or_miss(case, pages, 2);
        protect(case, 3);
        pages.word(case, HERE).save(3, "saved");
        case.ends(Who::Others, "stores").is(3, 0x300).is(7, PROTECTION | STORE);
        case.by(Who::Others, |case| pages.store(case, 2, 0x7777).faults(PROTECTION));
        pages.word(case, HERE).is(3, cell("saved"));
    });
    cases.add(case("read_and_write_again"), |case| {
        prepare(case, pages);
        pages.map(case, 2, pages.r_with(HERE, 3));
        case.by(Who::Others, |case| pages.store(case, 2, 0x7777).faults(PROTECTION));
        protect(case, 2);
        case.by(Who::Others, |case| pages.store(case, 2, 0x1112).succeeds());
        pages.expect_word(case, HERE, 0x1112);
    });
    cases.add(case("no_execute"), |case| {
        prepare(case, pages);
        pages.put_code(case, HERE, 0x55);
        pages.map(case, 2, pages.r(HERE));
        case.by(Who::Others, |case| pages.fetch(case, 2).gives(0x55));
        protect(case, 4 | 2);
        case.by(Who::Others, |case| pages.fetch(case, 2).faults(NO_EXECUTE));
        protect(case, 2);
        case.by(Who::Others, |case| pages.fetch(case, 2).gives(0x55));
    });
}

fn recording(cases: &mut Cases, pages: Pages) {
    let case = |name: &str| pages.case(format!("others/recording/{name}"), RECORDING);
    let (at, v, r) = (pages.slot(2), pages.v_of(2), pages.r(HERE));
    let both = REFERENCED | CHANGED;
    let start = |case: &mut Case| {
        prepare(case, pages);
        pages.map(case, 2, r);
    };
    let read = |case: &mut Case, bits: u64| {
        case.hcall("H_READ", H_READ, [0, at])
            .status(SUCCESS)
            .bits(5, bits, bits);
    };
    cases.add(case("load_sets_r"), |case| {
        start(case);
        case.by(Who::Another(1), |case| pages.load(case, 2).gives(0x1111));
        read(case, REFERENCED);
    });
    cases.add(case("store_sets_r_and_c"), |case| {
        start(case);
        case.by(Who::Another(1), |case| pages.store(case, 2, 1).succeeds());
        case.reads(at, v, r | both);
    });
    cases.add(case("h_remove_returns_both"), |case| {
        start(case);
        case.by(Who::Another(1), |case| pages.store(case, 2, 1).succeeds());
        case.hcall("H_REMOVE", H_REMOVE, [0, at, 0])
            .status(SUCCESS)
            .bits(4, !HYPERVISOR, v)
            .is(5, r | both);
    });
    cases.add(case("c_again_after_h_clear_mod"), |case| {
        start(case);
        case.by(Who::Others, |case| pages.store(case, 2, 1).succeeds());
        case.hcall("H_CLEAR_MOD", H_CLEAR_MOD, [0, at])
            .status(SUCCESS)
            .is(4, r | both);
        case.reads(at, v, r | REFERENCED);
        case.by(Who::Another(1), |case| pages.store(case, 2, 2).succeeds());
        case.reads(at, v, r | both);
    });
    // That the entry may be missed meanwhile, as with H_CLEAR_MOD, is nowhere said.
    cases.add(case("h_clear_ref_while_stored"), |case| {
        start(case);
        others_store(case, pages, 2);
        case.hcall("H_CLEAR_REF", H_CLEAR_REF, [0, at])
            .status(SUCCESS)
            .is(4, r | both);
        touched_again(case);
        case.reads(at, v, r | both);
        case.call("ending stores", "say_enough", [0; 0]);
        case.ends(Who::Others, "stores").is(3, 0xc00);
    });
    cases.add(case("h_clear_mod_while_stored"), |case| {
        start(case);
        others_store_or_miss(case, pages, 2);
        case.hcall("H_CLEAR_MOD", H_CLEAR_MOD, [0, at])
            .status(SUCCESS)
            .is(4, r | both);
        touched_again(case);
        case.reads(at, v, r | both);
        case.call("ending stores", "say_enough", [0; 0]);
        case.ends(Who::Others, "stores").is(3, 0xc00);
    });
}
