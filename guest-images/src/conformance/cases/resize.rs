//! `H_RESIZE_HPT_PREPARE` and `H_RESIZE_HPT_COMMIT`. The engine gives the table its first size again before each case.

use super::others::{end_of_loads, others_load, touched_again};
use super::{CODE, Case, Cases, HERE, Operand, Pages, THERE, cell};
use crate::conformance::case::Who;
use crate::programs::hypercalls::words::{
    BOLTED, CHANGED, CLOSED, FUNCTION, H_READ, H_RESIZE_HPT_COMMIT, H_RESIZE_HPT_PREPARE, PARAMETER, PTEG_FULL,
    REFERENCED, SECONDARY, SUCCESS, v,
};

const PREPARE: &str = "LoPAR, Logical Partitioning Option, 5.4.1.9.1 H_RESIZE_HPT_PREPARE";
const COMMIT: &str = "LoPAR, Logical Partitioning Option, 5.4.1.9.2 H_RESIZE_HPT_COMMIT";

/// log2 of the bytes of half the first table, and of the first table.
fn half() -> Operand {
    Operand {
        number: 1_u64.wrapping_neg(),
        ..cell("first_order")
    }
}

fn first() -> Operand {
    cell("first_order")
}

/// Without a pending table, `H_RESIZE_HPT_PREPARE` of size 0 does nothing.
fn needs_the_calls(mut case: Case) -> Case {
    case.hcall("the table has one size", H_RESIZE_HPT_PREPARE, [0, 0])
        .skip_if(3, FUNCTION);
    case
}

fn prepare(case: &mut Case, order: Operand, status: u64) {
    case.call("H_RESIZE_HPT_PREPARE", "prepare_table", [order])
        .status(status);
}

fn commit(case: &mut Case, order: Operand, status: u64) {
    case.call("H_RESIZE_HPT_COMMIT", "commit_table", [0.into(), order])
        .status(status);
}

/// Half the table and, if `and_back`, twice that again.
fn resize(case: &mut Case, and_back: bool) {
    prepare(case, half(), SUCCESS);
    commit(case, half(), SUCCESS);
    if and_back {
        prepare(case, first(), SUCCESS);
        commit(case, first(), SUCCESS);
    }
}

/// What becomes of entries.
pub(super) fn add(cases: &mut Cases, pages: Pages) {
    let case = |name: &str| needs_the_calls(pages.case(format!("h_resize_hpt/{name}"), COMMIT));
    for (direction, and_back) in [("halved", false), ("halved_and_doubled", true)] {
        for slot in [0, 5, 7] {
            cases.add(case(&format!("{direction}/bolted_in_slot_{slot}")), |case| {
                let (at, v, r) = (pages.slot(3) + slot, pages.v_of(3) | BOLTED, pages.r(HERE));
                case.enters(at, v, r);
                resize(case, and_back);
                case.reads(at, v, r);
            });
        }
        cases.add(case(&format!("{direction}/bolted_with_r_and_c")), |case| {
            let (at, v, r) = (
                pages.slot(3),
                pages.v_of(3) | BOLTED,
                pages.r(HERE) | REFERENCED | CHANGED,
            );
            case.enters(at, v, r);
            resize(case, and_back);
            case.reads(at, v, r);
        });
        cases.add(case(&format!("{direction}/bolted_secondary")), |case| {
            let (at, v, r) = (pages.second_slot(3), pages.v_of(3) | BOLTED | SECONDARY, pages.r(HERE));
            case.enters(at, v, r);
            resize(case, and_back);
            case.reads(at, v, r);
        });
        cases.add(case(&format!("{direction}/bolted_is_translated")), |case| {
            pages.put(case, HERE, 0x1111);
            pages.set_segment(case);
            case.enters(pages.slot(3), pages.v_of(3) | BOLTED, pages.r(HERE));
            pages.load(case, 3).gives(0x1111);
            resize(case, and_back);
            pages.load(case, 3).gives(0x1111);
            pages.store(case, 3, 0x2222).succeeds();
            pages.expect_word(case, HERE, 0x2222);
        });
        cases.add(case(&format!("{direction}/removed_is_not_translated")), |case| {
            pages.set_segment(case);
            case.enters(pages.slot(3), pages.v_of(3) | BOLTED, pages.r(HERE));
            pages.put(case, HERE, 0x1111);
            pages.load(case, 3).gives(0x1111);
            resize(case, and_back);
            case.answers("H_REMOVE", 0x04, [0, pages.slot(3), 0], SUCCESS);
            pages.load(case, 3).faults(0x4000_0000);
        });
        cases.add(case(&format!("{direction}/entered_afterwards")), |case| {
            pages.put(case, THERE, 0x3333);
            pages.set_segment(case);
            resize(case, and_back);
            pages.map(case, 4, pages.r(THERE));
            pages.load(case, 4).gives(0x3333);
            pages.enter_at(case, pages.second_slot(5), pages.v_of(5) | SECONDARY, pages.r(CODE));
            pages.store(case, 5, 0x4444).succeeds();
            pages.expect_word(case, CODE, 0x4444);
        });
    }
}

/// What others see: they may use the table while another is prepared, and must not while it is committed.
pub(super) fn add_several(cases: &mut Cases, pages: Pages) {
    for (direction, and_back) in [("halved", false), ("halved_and_doubled", true)] {
        let name = format!("others/h_resize_hpt/{direction}");
        cases.add(needs_the_calls(pages.case(name, COMMIT)), |case| {
            pages.put(case, HERE, 0x1111);
            pages.put(case, THERE, 0x2222);
            case.by(Who::Others, |case| pages.set_segment(case));
            case.enters(pages.slot(3), pages.v_of(3) | BOLTED, pages.r(HERE));
            others_load(case, pages, 3, 0x1111);
            prepare(case, half(), SUCCESS);
            touched_again(case);
            end_of_loads(case);
            commit(case, half(), SUCCESS);
            if and_back {
                prepare(case, first(), SUCCESS);
                commit(case, first(), SUCCESS);
            }
            case.by(Who::Others, |case| pages.load(case, 3).gives(0x1111));
            case.answers("H_REMOVE", 0x04, [0, pages.slot(3), 0], SUCCESS);
            case.by(Who::Others, |case| pages.load(case, 3).faults(0x4000_0000));
            pages.map(case, 4, pages.r(THERE));
            case.by(Who::Others, |case| pages.load(case, 4).gives(0x2222));
        });
    }
}

/// The calls themselves, and what depends on the number of groups.
pub(super) fn add_general(cases: &mut Cases) {
    let prepared = |name: &str| needs_the_calls(Case::new(format!("h_resize_hpt_prepare/{name}"), PREPARE));
    let committed = |name: &str| needs_the_calls(Case::new(format!("h_resize_hpt_commit/{name}"), COMMIT));
    for (name, flags, order, status) in [
        ("flag_0", 1 << 63, 18, PARAMETER),
        ("flag_63", 1, 18, PARAMETER),
        ("order_1", 0, 1, PARAMETER),
        ("order_17", 0, 17, PARAMETER),
        ("order_47", 0, 47, PARAMETER),
        ("order_0", 0, 0, SUCCESS),
    ] {
        cases.add(prepared(name), |case| {
            case.answers("H_RESIZE_HPT_PREPARE", H_RESIZE_HPT_PREPARE, [flags, order], status);
        });
    }
    cases.add(prepared("twice"), |case| {
        prepare(case, half(), SUCCESS);
        case.hcall("H_RESIZE_HPT_PREPARE", H_RESIZE_HPT_PREPARE, [0.into(), half()])
            .status(SUCCESS);
    });
    cases.add(prepared("order_0_gives_up"), |case| {
        prepare(case, half(), SUCCESS);
        case.answers("H_RESIZE_HPT_PREPARE", H_RESIZE_HPT_PREPARE, [0, 0], SUCCESS);
        commit(case, half(), CLOSED);
    });
    cases.add(prepared("wrong_order_gives_up"), |case| {
        prepare(case, half(), SUCCESS);
        case.answers("H_RESIZE_HPT_PREPARE", H_RESIZE_HPT_PREPARE, [0, 17], PARAMETER);
        commit(case, half(), CLOSED);
    });
    cases.add(committed("nothing_pending"), |case| commit(case, half(), CLOSED));
    cases.add(committed("another_order"), |case| {
        prepare(case, half(), SUCCESS);
        commit(case, first(), CLOSED);
    });
    cases.add(committed("flag"), |case| {
        prepare(case, half(), SUCCESS);
        case.hcall("H_RESIZE_HPT_COMMIT", H_RESIZE_HPT_COMMIT, [1.into(), half()])
            .status(CLOSED);
    });
    cases.add(committed("twice"), |case| {
        resize(case, false);
        commit(case, half(), CLOSED);
    });
    cases.add(committed("indices_of_the_new_table"), |case| {
        case.hcall("H_READ of the last", H_READ, [0.into(), super::from_end(1)])
            .status(SUCCESS);
        case.call("the first index of the upper half", "half_the_table_from", [0])
            .save(3, "saved");
        resize(case, false);
        case.hcall("H_READ of the last", H_READ, [0.into(), super::from_end(1)])
            .status(SUCCESS);
        case.hcall("H_READ behind it", H_READ, [0.into(), cell("saved")])
            .status(PARAMETER);
        prepare(case, first(), SUCCESS);
        commit(case, first(), SUCCESS);
        case.hcall("H_READ in twice the size", H_READ, [0.into(), cell("saved")])
            .status(SUCCESS);
    });
    cases.add(committed("two_bolted_for_one_slot"), |case| {
        // Two pages whose hashes differ in the highest bit that chooses a group: bits 11 and up of the first one's are zeros, and the others
        // are told from the group.
        let (at, r) = (96 + 5, (HERE | 0x10) | 2);
        case.enters(at, v(2) | BOLTED, r);
        case.call("a page of the other half", "other_half", [v(2) | BOLTED])
            .save(3, "saved_2");
        case.call("its place", "half_the_table_from", [at]).save(3, "saved");
        let arguments: [Operand; 4] = [(1_u64 << 39).into(), cell("saved"), cell("saved_2"), r.into()];
        case.hcall("H_ENTER", 0x08, arguments).status(SUCCESS);
        case.call("H_RESIZE_HPT_PREPARE", "prepare_table", [half()]);
        commit(case, half(), PTEG_FULL);
        case.reads(at, v(2) | BOLTED, r);
        case.hcall("H_REMOVE", 0x04, [0.into(), cell("saved"), 0.into()])
            .status(SUCCESS);
    });
}
