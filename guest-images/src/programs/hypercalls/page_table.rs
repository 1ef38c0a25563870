//! The page table's hypercalls, one entry at a time (LoPAR, Logical Partitioning Option, 5.4.1).

use super::steps::Steps;
use super::words::{
    ANDCOND, AVPN, BOLTED, CHANGED, EXACT, FUNCTION, H_CLEAR_MOD, H_CLEAR_REF, H_ENTER, H_PROTECT, H_READ, H_REMOVE,
    LARGE, NOT_FOUND, PAGE, PARAMETER, PTEG_FULL, READ_4, REFERENCED, TOO_BIG, ZERO_PAGE, r, v,
};

impl Steps {
    pub(super) fn numbers(&mut self) {
        self.status("the number 0x3ffc", 0x3ffc, &[], FUNCTION);
        self.status("the number 0", 0, &[], FUNCTION);
        self.0.call("counting the table's entries", "count_entries", &[]);
        self.0.save(3, "table_entries");
    }

    pub(super) fn enter_and_read(&mut self) {
        for n in 0..8 {
            let what = format!("H_ENTER number {n} into group 2");
            self.success(&what, H_ENTER, &[0, 16 + 5, v(n), r(PAGE)], &[16 + n]);
        }
        self.status("H_ENTER into a full group", H_ENTER, &[0, 16, v(9), r(PAGE)], PTEG_FULL);
        self.status(
            "H_ENTER exactly where an entry is",
            H_ENTER,
            &[EXACT, 18, v(9), r(PAGE)],
            PTEG_FULL,
        );
        self.reads("of one", 18, v(2), r(PAGE));
        let four: Vec<(u64, u64)> = (0..4).map(|n| (v(n), r(PAGE))).collect();
        self.entries("H_READ of four", H_READ, &[READ_4, 18], &four);
        self.exactly(45, v(1), r(PAGE));
        self.bounds("H_READ", H_READ, &[]);
        self.exactly(56, v(3) | 0x78, r(PAGE) | (1 << 62));
        self.reads("of reserved bits", 56, v(3) | 0x18, r(PAGE));
    }

    pub(super) fn wrong_entries(&mut self) {
        self.bounds("H_ENTER", H_ENTER, &[v(1), r(PAGE)]);
        for (what, v, r) in [
            ("a reserved page size", v(1) | LARGE, r(PAGE) | 0x3000),
            ("real memory that is not there", v(1), r(1 << 50)),
            ("no coherence", v(1), PAGE | 2),
            ("memory as a device", v(1), r(PAGE) | 0x20),
            ("a reserved segment size", v(1) | (2 << 62), r(PAGE)),
            ("the other reserved segment size", v(1) | (3 << 62), r(PAGE)),
            ("16 MiB at 1 MiB", v(0) | LARGE, r(0x10_0000)),
        ] {
            self.status(&format!("H_ENTER with {what}"), H_ENTER, &[0, 64, v, r], PARAMETER);
        }
        self.status(
            "H_ENTER with zeroing of 16 MiB",
            H_ENTER,
            &[ZERO_PAGE, 64, v(0) | LARGE, r(0)],
            TOO_BIG,
        );
        self.reads_nothing("where nothing could be entered", 64);
    }

    pub(super) fn remove(&mut self) {
        self.entries("H_REMOVE", H_REMOVE, &[0, 18, 0], &[(v(2), r(PAGE))]);
        self.status("H_REMOVE of what is gone", H_REMOVE, &[0, 18, 0], NOT_FOUND);
        self.reads_nothing("of what is gone", 18);
        self.success(
            "H_ENTER into the slot that is free",
            H_ENTER,
            &[0, 16, v(9), r(PAGE)],
            &[18],
        );
        self.bounds("H_REMOVE", H_REMOVE, &[0]);
        let avpn = v(9) & !0x7f;
        self.status(
            "H_REMOVE with another AVPN",
            H_REMOVE,
            &[AVPN, 18, avpn ^ 0x80],
            NOT_FOUND,
        );
        self.entries(
            "H_REMOVE with its AVPN",
            H_REMOVE,
            &[AVPN, 18, avpn],
            &[(v(9), r(PAGE))],
        );
        self.exactly(18, v(9) | BOLTED, r(PAGE) | REFERENCED | CHANGED);
        self.status("H_REMOVE unless bolted", H_REMOVE, &[ANDCOND, 18, BOLTED], NOT_FOUND);
        let old = [(v(9) | BOLTED, r(PAGE) | REFERENCED | CHANGED)];
        self.entries(
            "H_REMOVE unless in another segment",
            H_REMOVE,
            &[ANDCOND, 18, 1 << 50],
            &old,
        );
    }

    pub(super) fn protect_and_clear(&mut self) {
        let avpn = v(1) & !0x7f;
        self.success("H_PROTECT with its AVPN", H_PROTECT, &[AVPN | 3, 45, avpn], &[]);
        self.reads("of a page made read-only", 45, v(1), PAGE | 0x10 | 3);
        self.status(
            "H_PROTECT with another AVPN",
            H_PROTECT,
            &[AVPN | 2, 45, avpn ^ 0x80],
            NOT_FOUND,
        );
        self.status("H_PROTECT of nothing", H_PROTECT, &[2, 64, 0], NOT_FOUND);
        self.bounds("H_PROTECT", H_PROTECT, &[0]);
        // PP0, the key's five bits, N and PP; R goes, C stays.
        self.exactly(46, v(4), r(PAGE) | REFERENCED | CHANGED);
        self.success("H_PROTECT with every flag", H_PROTECT, &[0x3f07, 46, 0], &[]);
        let all = PAGE | (1 << 63) | (3 << 60) | 0xe00 | CHANGED | 0x10 | 7;
        self.reads("of every protection bit", 46, v(4), all);
        self.success("H_PROTECT with none", H_PROTECT, &[0, 46, 0], &[]);
        self.reads("of no protection bit", 46, v(4), PAGE | CHANGED | 0x10);

        let (both, c, none) = (r(PAGE) | REFERENCED | CHANGED, r(PAGE) | CHANGED, r(PAGE));
        self.exactly(47, v(5), both);
        self.success("H_CLEAR_REF", H_CLEAR_REF, &[0, 47], &[both]);
        self.reads("after H_CLEAR_REF", 47, v(5), c);
        self.success("H_CLEAR_MOD", H_CLEAR_MOD, &[0, 47], &[c]);
        self.success("H_CLEAR_MOD again", H_CLEAR_MOD, &[0, 47], &[none]);
        self.reads("after H_CLEAR_MOD", 47, v(5), none);
        for (name, number) in [("H_CLEAR_REF", H_CLEAR_REF), ("H_CLEAR_MOD", H_CLEAR_MOD)] {
            self.status(&format!("{name} of nothing"), number, &[0, 64], NOT_FOUND);
            self.bounds(name, number, &[]);
        }
    }
}
