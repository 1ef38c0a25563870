//! The steps that lists of hypercalls are made of.

use super::words::{EXACT, H_ENTER, H_READ, HYPERVISOR, PARAMETER, SUCCESS};
use crate::programs::script::{Operand, Script};

/// The steps so far.
pub(super) struct Steps(pub(super) Script);

impl Steps {
    /// A hypercall of which only the status matters.
    pub(super) fn status(&mut self, what: &str, number: u64, arguments: &[u64], status: u64) {
        let arguments: Vec<Operand> = arguments.iter().map(|&argument| argument.into()).collect();
        self.0.hcall(what, number, &arguments);
        self.0.expect("status", 3, status);
    }

    /// A hypercall that succeeds and returns `results` from r4 on.
    pub(super) fn success(&mut self, what: &str, number: u64, arguments: &[u64], results: &[u64]) {
        self.status(what, number, arguments, SUCCESS);
        self.results(results);
    }

    pub(super) fn results(&mut self, results: &[u64]) {
        for (register, &result) in (4..).zip(results) {
            self.0.expect(&format!("r{register}"), register, result);
        }
    }

    /// A hypercall that succeeds and returns entries from r4 on. The hypervisor's own bits in doubleword 0 may be any.
    pub(super) fn entries(&mut self, what: &str, number: u64, arguments: &[u64], entries: &[(u64, u64)]) {
        self.status(what, number, arguments, SUCCESS);
        for (register, &(v, r)) in (4..).step_by(2).zip(entries) {
            self.0.expect_bits(&format!("r{register}"), register, !HYPERVISOR, v);
            self.0.expect(&format!("r{}", register + 1), register + 1, r);
        }
    }

    /// `H_READ` of an entry.
    pub(super) fn reads(&mut self, what: &str, at: u64, v: u64, r: u64) {
        self.entries(&format!("H_READ {what}"), H_READ, &[0, at], &[(v, r)]);
    }

    /// `H_READ` of an entry that is not valid.
    pub(super) fn reads_nothing(&mut self, what: &str, at: u64) {
        self.status(&format!("H_READ {what}"), H_READ, &[0, at], SUCCESS);
        self.0.expect_bits("r4", 4, !HYPERVISOR, 0);
    }

    /// The hypercall with the first index behind the table, and with one that has all bits set.
    pub(super) fn bounds(&mut self, name: &str, number: u64, rest: &[u64]) {
        let rest: Vec<Operand> = rest.iter().map(|&argument| argument.into()).collect();
        for (which, index) in [
            ("the end", Operand::Cell("table_entries")),
            ("all ones", u64::MAX.into()),
        ] {
            let arguments = [&[Operand::Number(0), index], &rest[..]].concat();
            self.0.hcall(&format!("{name} at index {which}"), number, &arguments);
            self.0.expect("status", 3, PARAMETER);
        }
    }

    pub(super) fn exactly(&mut self, at: u64, v: u64, r: u64) {
        self.success(&format!("H_ENTER exactly at {at}"), H_ENTER, &[EXACT, at, v, r], &[at]);
    }
}
