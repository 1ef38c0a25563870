//! The hypercalls of a partition's processors, memory, console and interrupts.

use super::steps::Steps;
use super::words::{
    COPY_PAGE, EXACT, H_CEDE, H_CONFER, H_CPPR, H_ENTER, H_EOI, H_GET_CPU_CHARACTERISTICS, H_GET_TERM_CHAR, H_IPI,
    H_IPOLL, H_PAGE_INIT, H_PROD, H_PUT_TERM_CHAR, H_RANDOM, H_REGISTER_VPA, H_SET_MODE, H_SET_SPRG0, H_XIRR,
    OTHER_PAGE, P2, P3, P4, PAGE, PARAMETER, SUCCESS, ZERO_PAGE, r, v,
};
use crate::programs::script::Operand;

impl Steps {
    pub(super) fn modes(&mut self) {
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
        self.0
            .call("H_SET_MODE, interrupts with translation", "translated_interrupts", &[]);
        self.0.expect("status, unless there are none", 3, SUCCESS);
        self.status("H_SET_SPRG0", H_SET_SPRG0, &[0x0123_4567_89ab_cdef], SUCCESS);
        self.0.call("after H_SET_SPRG0", "read_sprg0", &[]);
        self.0.expect("SPRG0", 3, 0x0123_4567_89ab_cdef);
        self.status("H_GET_CPU_CHARACTERISTICS", H_GET_CPU_CHARACTERISTICS, &[], SUCCESS);
        self.status("H_RANDOM", H_RANDOM, &[], SUCCESS);
    }

    /// Contents of pages; the pattern is the same in either byte order.
    pub(super) fn memory(&mut self) {
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

    pub(super) fn console(&mut self) {
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
    pub(super) fn interrupts(&mut self) {
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

    pub(super) fn processors(&mut self) {
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
