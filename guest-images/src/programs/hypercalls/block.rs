//! `H_BLOCK_REMOVE` (LoPAR, Logical Partitioning Option, 5.4.1.8). Specifiers go in from r5 on and come back from r4 on, which is
//! where Linux looks for them.

use super::steps::Steps;
use super::words::{
    BOLTED, CHANGED, H_BLOCK_REMOVE, H_REMOVE, LARGE, PAGE, PARAMETER, PARTIAL, REFERENCED, SUCCESS, r, v,
};

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

/// Index of the first slot of the `n`th group from group 24 on. Groups 24 to 31 are those of a block of eight pages.
fn at(n: u64) -> u64 {
    192 + 8 * n
}

impl Steps {
    /// The call with `requests` for entries of the pages of `avpn`; what it answers, and with what status.
    fn block(&mut self, what: &str, requests: &[u64], status: u64, responses: &[u64]) {
        let arguments = [&[v(0) & !0x7f], requests].concat();
        self.status(&format!("H_BLOCK_REMOVE {what}"), H_BLOCK_REMOVE, &arguments, status);
        for (register, &response) in (4..).zip(responses) {
            self.0
                .expect_bits(&format!("r{register}"), register, RESULT, response & RESULT);
        }
    }

    pub(super) fn block_remove(&mut self) {
        self.whole_blocks();
        self.entries_that_stay();
        self.entries_of_another_block();
    }

    fn whole_blocks(&mut self) {
        let bits = |n: u64| [0, REFERENCED, CHANGED, REFERENCED | CHANGED][n as usize % 4];
        let response = |n: u64| DONE | [0, R, C, R | C][n as usize % 4] | at(n);
        for (what, mode) in [("of eight by their AVPN", BY_AVPN), ("of eight", 0)] {
            for n in 0..8 {
                self.exactly(at(n), v(0), r(PAGE) | bits(n));
            }
            let requests: Vec<u64> = (0..8).map(|n| REQUEST | mode | at(n)).collect();
            let responses: Vec<u64> = (0..8).map(response).collect();
            self.block(what, &requests, SUCCESS, &responses);
            for n in 0..8 {
                self.reads_nothing("of a block that is gone", at(n));
            }
        }
        self.exactly(at(0), v(0), r(PAGE));
        self.exactly(at(1), v(0), r(PAGE));
        let requests = [REQUEST | at(0), END, REQUEST | at(1)];
        self.block(
            "that ends after one",
            &requests,
            SUCCESS,
            &[DONE | at(0), END, requests[2]],
        );
        self.reads("of what comes after the end", at(1), v(0), r(PAGE));
        self.block("of nothing", &[END], SUCCESS, &[END]);
        for (what, specifier) in [("an unused type", at(1)), ("a response", DONE | at(1))] {
            self.block(&format!("of {what}"), &[specifier, END], PARAMETER, &[]);
        }
        self.reads("of what none of them removed", at(1), v(0), r(PAGE));
    }

    fn entries_that_stay(&mut self) {
        self.exactly(at(2), v(0) | BOLTED, r(PAGE));
        self.exactly(at(3), v(1), r(PAGE));
        self.exactly(at(4), v(0), r(PAGE));
        let outside = (1 << 56) - 1;
        let requests = [
            REQUEST | at(0),
            REQUEST | at(2),
            REQUEST | BY_AVPN | at(3),
            REQUEST | outside,
            REQUEST | at(4),
            END,
        ];
        let responses = [
            GONE | at(0),
            GONE | at(2),
            GONE | at(3),
            WRONG | outside,
            DONE | at(4),
            END,
        ];
        self.block("of one among others", &requests, PARTIAL, &responses);
        self.entries(
            "H_REMOVE of a bolted entry",
            H_REMOVE,
            &[0, at(2), 0],
            &[(v(0) | BOLTED, r(PAGE))],
        );
        self.reads("of an entry with another AVPN", at(3), v(1), r(PAGE));

        self.exactly(at(5), LARGE | v(0), r(0));
        self.block("of 16 MiB", &[REQUEST | at(5), END], PARTIAL, &[WRONG | at(5)]);
        self.reads("of 16 MiB", at(5), LARGE | v(0), r(0));
    }

    /// The first that is removed says what the others must be like: here the page of 4 KiB at `at(1)`.
    fn entries_of_another_block(&mut self) {
        let large = (v(0) | LARGE, r(PAGE) | 0x7000);
        let other_segment = (v(0) | (1 << 62), r(PAGE));
        self.exactly(at(6), large.0, large.1);
        self.exactly(at(7), other_segment.0, other_segment.1);
        // The next block's first group.
        self.exactly(at(8), v(0), r(PAGE));
        let requests = [1, 6, 7, 3, 8].map(|n| REQUEST | at(n));
        let responses = [
            DONE | at(1),
            INCONSISTENT | at(6),
            INCONSISTENT | at(7),
            ACROSS | at(3),
            ACROSS | at(8),
            END,
        ];
        self.block(
            "of unlike pages",
            &[&requests[..], &[END]].concat(),
            PARTIAL,
            &responses,
        );
        self.reads_nothing("of the first", at(1));
        self.reads("of 64 KiB", at(6), large.0, large.1);
        self.reads("of another segment size", at(7), other_segment.0, other_segment.1);
        self.reads("of another AVPN", at(3), v(1), r(PAGE));
        self.reads("of another block", at(8), v(0), r(PAGE));
        self.block("of 64 KiB", &[REQUEST | at(6), END], SUCCESS, &[DONE | at(6)]);
    }
}
