//! The hypercalls as a guest without translation sees them (LoPAR, Logical Partitioning Option). Numbers are written out
//! here as the manual has them, so that no mistake in `power` can hide.

use super::script::{Operand, Script};

const H_REMOVE: u64 = 0x04;
const H_ENTER: u64 = 0x08;
const H_READ: u64 = 0x0c;
const H_CLEAR_MOD: u64 = 0x10;
const H_CLEAR_REF: u64 = 0x14;
const H_PROTECT: u64 = 0x18;
const H_SET_SPRG0: u64 = 0x24;
const H_PAGE_INIT: u64 = 0x2c;
const H_GET_TERM_CHAR: u64 = 0x54;
const H_PUT_TERM_CHAR: u64 = 0x58;
const H_EOI: u64 = 0x64;
const H_CPPR: u64 = 0x68;
const H_IPI: u64 = 0x6c;
const H_IPOLL: u64 = 0x70;
const H_XIRR: u64 = 0x74;
const H_REGISTER_VPA: u64 = 0xdc;
const H_CEDE: u64 = 0xe0;
const H_CONFER: u64 = 0xe4;
const H_PROD: u64 = 0xe8;
const H_BULK_REMOVE: u64 = 0x124;
const H_GET_CPU_CHARACTERISTICS: u64 = 0x1c8;
const H_RANDOM: u64 = 0x300;
const H_SET_MODE: u64 = 0x31c;

const SUCCESS: u64 = 0;
const FUNCTION: u64 = (-2_i64).cast_unsigned();
const PARAMETER: u64 = (-4_i64).cast_unsigned();
const PTEG_FULL: u64 = (-6_i64).cast_unsigned();
const NOT_FOUND: u64 = (-7_i64).cast_unsigned();
const P2: u64 = (-55_i64).cast_unsigned();
const P3: u64 = (-56_i64).cast_unsigned();
const P4: u64 = (-57_i64).cast_unsigned();
const TOO_BIG: u64 = (-64_i64).cast_unsigned();

/// Flags of the page table's hypercalls.
const EXACT: u64 = 1 << 39;
const READ_4: u64 = 1 << 37;
const AVPN: u64 = 1 << 31;
const ANDCOND: u64 = 1 << 30;
const ZERO_PAGE: u64 = 1 << 15;
const COPY_PAGE: u64 = 1 << 14;

/// Bits of an entry.
const LARGE: u64 = 4;
const BOLTED: u64 = 0x10;
const HYPERVISOR: u64 = 0x60;
const REFERENCED: u64 = 0x100;
const CHANGED: u64 = 0x80;

/// Memory that nobody else uses.
const PAGE: u64 = 0x80_0000;
const OTHER_PAGE: u64 = 0x90_0000;

/// Doubleword 0 of a valid entry for page `n` of a segment: 8 MiB apart, so that each has an AVPN of its own.
fn v(n: u64) -> u64 {
    (0x1234 << 12) | (n << 7) | 1
}

/// Doubleword 1 for 4 KiB at `real`: coherent, read and written by all.
fn r(real: u64) -> u64 {
    real | 0x10 | 2
}

/// The program.
pub(super) fn source() -> String {
    let mut steps = Steps(Script::new());
    steps.numbers();
    steps.enter_and_read();
    steps.wrong_entries();
    steps.remove();
    steps.protect_and_clear();
    steps.bulk_remove();
    steps.modes();
    steps.memory();
    steps.console();
    steps.interrupts();
    steps.processors();
    steps.0.finish(include_str!("hypercalls.s"))
}

struct Steps(Script);

impl Steps {
    /// A hypercall of which only the status matters.
    fn status(&mut self, what: &str, number: u64, arguments: &[u64], status: u64) {
        let arguments: Vec<Operand> = arguments.iter().map(|&argument| argument.into()).collect();
        self.0.hcall(what, number, &arguments);
        self.0.expect("status", 3, status);
    }

    /// A hypercall that succeeds and returns `results` from r4 on.
    fn success(&mut self, what: &str, number: u64, arguments: &[u64], results: &[u64]) {
        self.status(what, number, arguments, SUCCESS);
        self.results(results);
    }

    fn results(&mut self, results: &[u64]) {
        for (register, &result) in (4..).zip(results) {
            self.0.expect(&format!("r{register}"), register, result);
        }
    }

    /// A hypercall that succeeds and returns entries from r4 on. The hypervisor's own bits in doubleword 0 may be any.
    fn entries(&mut self, what: &str, number: u64, arguments: &[u64], entries: &[(u64, u64)]) {
        self.status(what, number, arguments, SUCCESS);
        for (register, &(v, r)) in (4..).step_by(2).zip(entries) {
            self.0.expect_bits(&format!("r{register}"), register, !HYPERVISOR, v);
            self.0.expect(&format!("r{}", register + 1), register + 1, r);
        }
    }

    /// `H_READ` of an entry.
    fn reads(&mut self, what: &str, at: u64, v: u64, r: u64) {
        self.entries(&format!("H_READ {what}"), H_READ, &[0, at], &[(v, r)]);
    }

    /// `H_READ` of an entry that is not valid.
    fn reads_nothing(&mut self, what: &str, at: u64) {
        self.status(&format!("H_READ {what}"), H_READ, &[0, at], SUCCESS);
        self.0.expect_bits("r4", 4, !HYPERVISOR, 0);
    }

    /// The hypercall with the first index behind the table, and with one that has all bits set.
    fn bounds(&mut self, name: &str, number: u64, rest: &[u64]) {
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

    fn exactly(&mut self, at: u64, v: u64, r: u64) {
        self.success(&format!("H_ENTER exactly at {at}"), H_ENTER, &[EXACT, at, v, r], &[at]);
    }

    fn numbers(&mut self) {
        self.status("the number 0x3ffc", 0x3ffc, &[], FUNCTION);
        self.status("the number 0", 0, &[], FUNCTION);
        self.0.call("counting the table's entries", "count_entries", &[]);
        self.0.save(3, "table_entries");
    }

    fn enter_and_read(&mut self) {
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

    fn wrong_entries(&mut self) {
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

    fn remove(&mut self) {
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

    fn protect_and_clear(&mut self) {
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

    fn bulk_remove(&mut self) {
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

    fn modes(&mut self) {
        self.status("H_SET_MODE of resource 99", H_SET_MODE, &[0, 99, 0, 0], P2);
        self.status(
            "H_SET_MODE, interrupt location, with a first value",
            H_SET_MODE,
            &[0, 3, 1, 0],
            P3,
        );
        self.status(
            "H_SET_MODE, interrupt location, with a second value",
            H_SET_MODE,
            &[0, 3, 0, 1],
            P4,
        );
        self.status(
            "H_SET_MODE, byte order, with a first value",
            H_SET_MODE,
            &[0, 4, 1, 0],
            P3,
        );
        self.status(
            "H_SET_MODE, byte order, with a second value",
            H_SET_MODE,
            &[0, 4, 0, 1],
            P4,
        );
        self.status(
            "H_SET_MODE, interrupts in real mode",
            H_SET_MODE,
            &[0, 3, 0, 0],
            SUCCESS,
        );
        self.status("H_SET_SPRG0", H_SET_SPRG0, &[0x0123_4567_89ab_cdef], SUCCESS);
        self.0.call("after H_SET_SPRG0", "read_sprg0", &[]);
        self.0.expect("SPRG0", 3, 0x0123_4567_89ab_cdef);
        self.status("H_GET_CPU_CHARACTERISTICS", H_GET_CPU_CHARACTERISTICS, &[], SUCCESS);
        self.status("H_RANDOM", H_RANDOM, &[], SUCCESS);
    }

    /// Contents of pages; the pattern is the same in either byte order.
    fn memory(&mut self) {
        const PATTERN: u64 = 0x55aa_aa55_55aa_aa55;
        let sum = |steps: &mut Self, what: &str, at: u64, different: u64| {
            steps.0.call(what, "count_different", &[at.into(), PATTERN.into()]);
            steps.0.expect("doublewords of another value", 3, different);
        };
        self.0
            .call("filling a page", "fill_page", &[PAGE.into(), PATTERN.into()]);
        self.0
            .call("filling another page", "fill_page", &[OTHER_PAGE.into(), 0.into()]);
        self.success("H_PAGE_INIT, copy", H_PAGE_INIT, &[COPY_PAGE, OTHER_PAGE, PAGE], &[]);
        sum(self, "the copy", OTHER_PAGE, 0);
        self.success("H_PAGE_INIT, zero", H_PAGE_INIT, &[ZERO_PAGE, OTHER_PAGE, 0], &[]);
        sum(self, "the page of zeros", OTHER_PAGE, 512);
        self.status(
            "H_PAGE_INIT of half a page",
            H_PAGE_INIT,
            &[ZERO_PAGE, OTHER_PAGE + 8, 0],
            PARAMETER,
        );
        self.status(
            "H_PAGE_INIT of no memory",
            H_PAGE_INIT,
            &[ZERO_PAGE, 1 << 50, 0],
            PARAMETER,
        );
        self.status(
            "H_PAGE_INIT from no memory",
            H_PAGE_INIT,
            &[COPY_PAGE, OTHER_PAGE, 1 << 50],
            PARAMETER,
        );
        self.success(
            "H_ENTER with zeroing",
            H_ENTER,
            &[ZERO_PAGE | EXACT, 80, v(6), r(PAGE)],
            &[80],
        );
        sum(self, "the page that was zeroed", PAGE, 512);
    }

    fn console(&mut self) {
        let terminal = Operand::Cell("terminal");
        let put = |steps: &mut Self, what: &str, terminal: Operand, length: u64, status: u64| {
            let text = u64::from_be_bytes(*b"console\n").into();
            steps
                .0
                .hcall(what, H_PUT_TERM_CHAR, &[terminal, length.into(), text, text]);
            steps.0.expect("status", 3, status);
        };
        put(self, "H_PUT_TERM_CHAR of nothing", terminal, 0, SUCCESS);
        put(self, "H_PUT_TERM_CHAR of 17 bytes", terminal, 17, PARAMETER);
        put(
            self,
            "H_PUT_TERM_CHAR of all bytes there are",
            terminal,
            u64::MAX,
            PARAMETER,
        );
        put(self, "H_PUT_TERM_CHAR to another terminal", 0x1234.into(), 1, PARAMETER);
        self.0.hcall("H_GET_TERM_CHAR", H_GET_TERM_CHAR, &[terminal]);
        self.0.expect("status", 3, SUCCESS);
        self.0.expect("r4", 4, 0);
        self.status(
            "H_GET_TERM_CHAR from another terminal",
            H_GET_TERM_CHAR,
            &[0x1234],
            PARAMETER,
        );
    }

    /// An interrupt that the processor sends itself, with interrupts disabled.
    fn interrupts(&mut self) {
        let me = Operand::Cell("servers");
        self.success("H_CPPR, accept all", H_CPPR, &[0xff], &[]);
        self.success("H_XIRR with nothing there", H_XIRR, &[], &[0xff00_0000]);
        self.0.hcall("H_IPI to itself", H_IPI, &[me, 5.into()]);
        self.0.expect("status", 3, SUCCESS);
        self.0.hcall("H_IPOLL of itself", H_IPOLL, &[me]);
        self.0.expect("status", 3, SUCCESS);
        self.results(&[0xff00_0002, 5]);
        self.success("H_XIRR", H_XIRR, &[], &[0xff00_0002]);
        self.success("H_XIRR of what has been accepted", H_XIRR, &[], &[0x0500_0000]);
        self.0.hcall("H_IPI that takes it back", H_IPI, &[me, 0xff.into()]);
        self.0.expect("status", 3, SUCCESS);
        self.success("H_EOI", H_EOI, &[0xff00_0002], &[]);
        self.success("H_XIRR after H_EOI", H_XIRR, &[], &[0xff00_0000]);
        self.success("H_CPPR, accept none", H_CPPR, &[0], &[]);
        self.0.hcall("H_IPI that is not accepted", H_IPI, &[me, 5.into()]);
        self.0.expect("status", 3, SUCCESS);
        self.success("H_XIRR of what is not accepted", H_XIRR, &[], &[0]);
        self.0.hcall("H_IPI that takes that back", H_IPI, &[me, 0xff.into()]);
        self.0.expect("status", 3, SUCCESS);
        self.status("H_IPI to nobody", H_IPI, &[0x1234, 5], PARAMETER);
        self.status("H_IPOLL of nobody", H_IPOLL, &[0x1234], PARAMETER);
    }

    fn processors(&mut self) {
        let me = Operand::Cell("servers");
        self.0
            .call("making an area for H_REGISTER_VPA", "make_vpa", &[PAGE.into()]);
        for (what, function) in [
            ("H_REGISTER_VPA", 1 << 45),
            ("H_REGISTER_VPA that takes it back", 5 << 45),
        ] {
            self.0.hcall(what, H_REGISTER_VPA, &[function.into(), me, PAGE.into()]);
            self.0.expect("status", 3, SUCCESS);
        }
        self.status(
            "H_REGISTER_VPA of nobody",
            H_REGISTER_VPA,
            &[1 << 45, 0x1234, PAGE],
            PARAMETER,
        );
        self.status("H_PROD of nobody", H_PROD, &[0x1234], PARAMETER);
        self.status("H_CONFER to all", H_CONFER, &[u64::MAX, 0], SUCCESS);
        self.0.hcall("H_PROD of itself", H_PROD, &[me]);
        self.0.expect("status", 3, SUCCESS);
        // It would sleep for ever.
        self.status("H_CEDE after H_PROD", H_CEDE, &[], SUCCESS);
    }
}
