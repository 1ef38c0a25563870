//! `H_RESIZE_HPT_PREPARE` and `H_RESIZE_HPT_COMMIT` (LoPAR, Logical Partitioning Option, 5.4.1.9).
//!
//! The pages are chosen by their hashes: bits 11 and up are all zeros, whose group is the same in a table of any size, or all
//! ones, whose group is one of the last 2048 in a table of any size.

use super::steps::Steps;
use super::words::{
    BOLTED, CHANGED, CLOSED, EXACT, H_ENTER, H_READ, H_REMOVE, H_RESIZE_HPT_COMMIT, H_RESIZE_HPT_PREPARE, HYPERVISOR,
    PAGE, PARAMETER, PTEG_FULL, REFERENCED, RESOURCE, SECONDARY, SUCCESS, r, v,
};
use crate::programs::script::Operand;

/// The page whose hash has zeros from bit 11 on: 0x1234 and its page number are the same there.
const FIRST: u64 = 2;

/// Doubleword 0 of a page whose hash has ones from bit 11 on, up to bit 38.
const LAST: u64 = ((1 << 39) - (1 << 11)) << 12 | 1;

/// Index from which entries lie at the same place in tables of all sizes, and, counted from the first of the last 2048
/// groups, another.
const AT: u64 = 96;

const LARGER: Operand = Operand::Cell("larger_order");
const SMALLER: Operand = Operand::Cell("smaller_order");

/// A bolted entry: where it lies, and its doublewords.
struct Bolted {
    at: Operand,
    v: u64,
    r: u64,
}

/// Each has its own slot.
fn bolted() -> [Bolted; 4] {
    [
        (AT.into(), v(FIRST) | BOLTED, r(PAGE)),
        ((AT + 1).into(), v(FIRST) | BOLTED, r(PAGE) | REFERENCED | CHANGED),
        (Operand::Cell("last_2"), LAST | BOLTED, r(PAGE) | CHANGED),
        (
            Operand::Cell("last_3"),
            v(FIRST) | BOLTED | SECONDARY,
            r(PAGE) | REFERENCED,
        ),
    ]
    .map(|(at, v, r)| Bolted { at, v, r })
}

impl Steps {
    pub(super) fn resize(&mut self) {
        self.0.call("choosing sizes", "choose_orders", &[]);
        self.0.save(3, "larger_order");
        self.0.save(4, "smaller_order");
        self.wrong_sizes();
        self.prepare("a size to begin with", LARGER, SUCCESS);
        self.commit("a size to begin with", LARGER);

        for Bolted { at, v, r } in bolted() {
            self.enter(at, v.into(), r);
        }
        // Not bolted: guests enter such a page again when they miss it.
        self.enter((AT + 4).into(), v(FIRST).into(), r(PAGE));
        self.collision();
        self.prepare("half the size", SMALLER, SUCCESS);
        self.refused("H_RESIZE_HPT_COMMIT of another size", [0.into(), LARGER], CLOSED);
        self.refused("H_RESIZE_HPT_COMMIT with a flag", [1.into(), SMALLER], CLOSED);
        self.commit("half the size", SMALLER);
        self.bolted_are_there("in half the size");
        self.reads_nothing("of what was not bolted", AT + 4);
        self.refused("H_RESIZE_HPT_COMMIT again", [0.into(), SMALLER], CLOSED);

        self.prepare("twice the size", LARGER, SUCCESS);
        self.commit("twice the size", LARGER);
        self.bolted_are_there("in twice the size");
        self.bounds("H_READ", H_READ, &[]);
        for Bolted { at, v, .. } in bolted() {
            self.0.hcall("H_REMOVE of what was moved", H_REMOVE, &[0.into(), at]);
            self.0.expect("status", 3, SUCCESS);
            self.0.expect_bits("r4", 4, !HYPERVISOR, v);
        }
    }

    fn wrong_sizes(&mut self) {
        for (what, flags, shift, status) in [
            ("a flag", 1, 18, PARAMETER),
            ("2^17 bytes", 0, 17, PARAMETER),
            ("2^47 bytes", 0, 47, PARAMETER),
            ("more bytes than there are", 0, 46, RESOURCE),
            ("nothing", 0, 0, SUCCESS),
        ] {
            let what = format!("H_RESIZE_HPT_PREPARE with {what}");
            self.status(&what, H_RESIZE_HPT_PREPARE, &[flags, shift], status);
        }
        self.refused("H_RESIZE_HPT_COMMIT of nothing", [0.into(), SMALLER], CLOSED);
        self.prepare("a size that is given up", SMALLER, SUCCESS);
        self.status(
            "H_RESIZE_HPT_PREPARE that gives up",
            H_RESIZE_HPT_PREPARE,
            &[0, 0],
            SUCCESS,
        );
        self.refused("H_RESIZE_HPT_COMMIT of what was given up", [0.into(), SMALLER], CLOSED);
    }

    /// Two bolted entries that half the table has one slot for.
    fn collision(&mut self) {
        self.0.call(
            "another page of that slot",
            "other_page",
            &[(LAST | BOLTED).into(), LARGER],
        );
        self.0.save(3, "other_page_v");
        self.0.call("its place", "half_before", &[Operand::Cell("last_2")]);
        self.0.save(3, "other_page_at");
        let at = Operand::Cell("other_page_at");
        self.enter(at, Operand::Cell("other_page_v"), r(PAGE));
        self.prepare("half the size with two entries for a slot", SMALLER, PTEG_FULL);
        self.refused(
            "H_RESIZE_HPT_COMMIT with two entries for a slot",
            [0.into(), SMALLER],
            PTEG_FULL,
        );
        self.bolted_are_there("after it was refused");
        self.0.hcall("H_REMOVE of one of two", H_REMOVE, &[0.into(), at]);
        self.0.expect("status", 3, SUCCESS);
        // The verdict was of the table as it was.
        self.status(
            "H_RESIZE_HPT_PREPARE that forgets it",
            H_RESIZE_HPT_PREPARE,
            &[0, 0],
            SUCCESS,
        );
    }

    fn enter(&mut self, at: Operand, v: Operand, r: u64) {
        self.0
            .hcall("H_ENTER before a resize", H_ENTER, &[EXACT.into(), at, v, r.into()]);
        self.0.expect("status", 3, SUCCESS);
    }

    /// Asks until it is ready.
    fn prepare(&mut self, what: &str, order: Operand, status: u64) {
        self.0
            .call(&format!("H_RESIZE_HPT_PREPARE, {what}"), "prepare_table", &[order]);
        self.0.expect("status", 3, status);
    }

    /// From here on places at the end are those of the new table.
    fn commit(&mut self, what: &str, order: Operand) {
        self.refused(&format!("H_RESIZE_HPT_COMMIT, {what}"), [0.into(), order], SUCCESS);
        self.0
            .call("counting the new table's entries", "entries_of_order", &[order]);
        self.0.save(3, "table_entries");
        for (slot, cell) in [(2, "last_2"), (3, "last_3")] {
            self.0.call(
                "a place at the end",
                "from_last",
                &[Operand::Cell("table_entries"), (AT + slot).into()],
            );
            self.0.save(3, cell);
        }
    }

    fn refused(&mut self, what: &str, arguments: [Operand; 2], status: u64) {
        self.0.hcall(what, H_RESIZE_HPT_COMMIT, &arguments);
        self.0.expect("status", 3, status);
    }

    fn bolted_are_there(&mut self, when: &str) {
        for Bolted { at, v, r } in bolted() {
            self.0
                .hcall(&format!("H_READ of a bolted entry {when}"), H_READ, &[0.into(), at]);
            self.0.expect("status", 3, SUCCESS);
            self.0.expect_bits("r4", 4, !HYPERVISOR, v);
            self.0.expect("r5", 5, r);
        }
    }
}
