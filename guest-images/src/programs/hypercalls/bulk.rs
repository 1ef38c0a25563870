//! `H_BULK_REMOVE` (LoPAR, Logical Partitioning Option, 5.4.1.7).

use super::steps::Steps;
use super::words::{CHANGED, H_BULK_REMOVE, PAGE, PARAMETER, REFERENCED, SUCCESS, r, v};

impl Steps {
    pub(super) fn bulk_remove(&mut self) {
        const REQUEST: u64 = 1 << 62;
        const RESPONSE: u64 = 1 << 63;
        const END: u64 = 3 << 62;
        const GONE: u64 = RESPONSE | (1 << 60);
        const WRONG: u64 = RESPONSE | (2 << 60);
        const BY_AVPN: u64 = 2 << 56;
        const BY_ANDCOND: u64 = 1 << 56;
        /// R and C of the entry, in a response.
        const R: u64 = 1 << 59;
        const C: u64 = 1 << 58;
        /// All of a response but the condition of its request.
        const RESULT: u64 = !(3 << 56);
        let at = |n: u64| 72 + n;
        let fill = |steps: &mut Self| {
            for (n, bits) in [0, REFERENCED, CHANGED, REFERENCED | CHANGED].into_iter().enumerate() {
                steps.exactly(at(n as u64), v(n as u64), r(PAGE) | bits);
            }
        };

        fill(self);
        let request = [
            REQUEST | at(0),
            0,
            REQUEST | at(1),
            0,
            REQUEST | at(2),
            0,
            REQUEST | at(3),
            0,
        ];
        self.status("H_BULK_REMOVE of four", H_BULK_REMOVE, &request, SUCCESS);
        for (register, response) in [(4, at(0)), (6, R | at(1)), (8, C | at(2)), (10, R | C | at(3))] {
            self.0.expect(&format!("r{register}"), register, RESPONSE | response);
        }
        for n in 0..4 {
            self.reads_nothing("of four that are gone", at(n));
        }

        fill(self);
        let request = [REQUEST | 64, 0, END, 0, REQUEST | at(0), 0, REQUEST | at(1), 0];
        self.success(
            "H_BULK_REMOVE that ends after one",
            H_BULK_REMOVE,
            &request,
            &[GONE | 64, 0, END, 0, REQUEST | at(0)],
        );
        let avpn = |n| v(n) & !0x7f;
        let request = [
            REQUEST | BY_AVPN | at(0),
            avpn(1),
            REQUEST | BY_AVPN | at(1),
            avpn(1),
            REQUEST | BY_ANDCOND | at(2),
            avpn(2),
            REQUEST | BY_ANDCOND | at(3),
            1 << 50,
        ];
        self.status("H_BULK_REMOVE on conditions", H_BULK_REMOVE, &request, SUCCESS);
        for (register, response) in [
            (4, GONE | at(0)),
            (6, RESPONSE | R | at(1)),
            (8, GONE | at(2)),
            (10, RESPONSE | R | C | at(3)),
        ] {
            self.0.expect_bits(&format!("r{register}"), register, RESULT, response);
        }

        let outside = (1 << 56) - 1;
        let request = [REQUEST | at(0), 0, REQUEST | outside, 0, REQUEST | at(2), 0, END, 0];
        self.status(
            "H_BULK_REMOVE with an index outside",
            H_BULK_REMOVE,
            &request,
            PARAMETER,
        );
        for (register, word) in [(4, RESPONSE | at(0)), (6, WRONG | outside), (8, REQUEST | at(2))] {
            self.0.expect(&format!("r{register}"), register, word);
        }
        self.reads_nothing("of what was removed before the mistake", at(0));
        self.reads("of what came after it", at(2), v(2), r(PAGE) | CHANGED);
        self.status(
            "H_BULK_REMOVE of an unused type",
            H_BULK_REMOVE,
            &[at(2), 0, END],
            PARAMETER,
        );
        let both = REQUEST | BY_AVPN | BY_ANDCOND | at(2);
        self.status(
            "H_BULK_REMOVE on both conditions",
            H_BULK_REMOVE,
            &[both, 0, END],
            PARAMETER,
        );
        self.reads("of what none of them removed", at(2), v(2), r(PAGE) | CHANGED);
    }
}
