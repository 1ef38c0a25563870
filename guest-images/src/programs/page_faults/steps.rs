//! The steps that lists of page faults are made of: accesses with their outcomes, and hypercalls.

use crate::programs::layout::{ALL_PAGES, Page, Segment, SegmentBytes};
use crate::programs::script::{Operand, Script};

/// Where the page of code is mapped: in a segment of its own, which `slbia` spares.
const CODE: u64 = 0x1_0000;
const CODE_VSID: u64 = 0x99;
const STORE: u64 = CODE + 0x10;
/// Where a load lies at its real address.
const REAL_CODE: u64 = 0x2ff_0000;

/// An MSR to access memory with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode(u64);

/// SF, ME, IR and DR.
pub(super) const MODE_SUPERVISOR: Mode = Mode(0x8000_0000_0000_1030);
/// The same with PR, which forces EE.
pub(super) const MODE_PROBLEM: Mode = Mode(0x8000_0000_0000_d030);

/// Data by their effective addresses, instructions by their real ones.
pub(super) const MODE_DATA: Mode = Mode(0x8000_0000_0000_1010);

impl Mode {
    pub(super) fn name(self) -> &'static str {
        if self == MODE_PROBLEM {
            "problem state"
        } else {
            "supervisor"
        }
    }
}

/// What is done at an address.
#[derive(Clone, Copy, Debug)]
pub(super) enum Access {
    Load,
    /// Of this word.
    Store(u64),
    Fetch,
}

/// What comes of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// A load or an instruction gives this value.
    Done(u64),
    /// A store is done.
    Stored,
    /// A segment interrupt.
    Segment,
    /// A storage interrupt: no entry.
    NotFound,
    /// A storage interrupt: not permitted.
    Protection,
    /// A storage interrupt: not executable.
    NoExecute,
    /// A storage interrupt: denied to the page's class.
    Key,
}

/// What a store that is permitted comes to.
pub(super) const FOUND: Outcome = Outcome::Stored;

impl Outcome {
    /// The bits of DSISR, or of SRR1 for a fetch (6.5.3 and 6.5.5).
    fn bits(self) -> u64 {
        match self {
            Self::Done(_) | Self::Stored | Self::Segment => 0,
            Self::NotFound => 0x4000_0000,
            Self::NoExecute => 0x1000_0000,
            Self::Protection => 0x0800_0000,
            Self::Key => 0x0020_0000,
        }
    }
}

/// The steps so far. The entry that hypercalls are about is the one that was entered last.
pub(super) struct Steps(Script);

impl Steps {
    pub(super) fn new() -> Self {
        let mut script = Script::new();
        script.call("preparing", "prepare", &[]);
        script.save(3, "code_page_real");
        script.save(4, "group_mask");
        let (segment, page) = (Segment::new(SegmentBytes::Mib256, CODE_VSID), ALL_PAGES[0]);
        // Effective segment 0, entry 0.
        script.call(
            "the segment of the code",
            "set_segment",
            &[segment.rs(page).into(), (1 << 27).into()],
        );
        let arguments = [segment.hash(page, CODE), segment.v(page, CODE), Segment::r(page, 2)].map(Operand::Number);
        let arguments = [&arguments[..], &[Operand::Cell("code_page_real")]].concat();
        script.call("the page of the code", "enter_at", &arguments);
        script.expect("status", 3, 0);
        Self(script)
    }

    /// Prepares accesses in [`MODE_DATA`].
    pub(super) fn prepare_real_code(&mut self) {
        const LWZ_R3_R4: u64 = 0x8064_0000;
        const SC: u64 = 0x4400_0002;
        self.poke(REAL_CODE, LWZ_R3_R4);
        self.poke(REAL_CODE + 4, SC);
    }

    /// Does these steps only where the processor has such pages.
    pub(super) fn only_with(&mut self, page: Page, steps: impl FnOnce(&mut Self)) {
        let shifts = page.shifts().map(|shift| Operand::Number(shift.into()));
        self.0.call(&format!("asking for a {page}"), "has_page_size", &shifts);
        self.0.save(3, "has_this_page_size");
        self.only_if("has_this_page_size", steps);
    }

    /// Does these steps only if nothing is to be otherwise than the architecture has it.
    pub(super) fn only_if_exact(&mut self, steps: impl FnOnce(&mut Self)) {
        self.only_if("is_exact", steps);
    }

    fn only_if(&mut self, cell: &'static str, steps: impl FnOnce(&mut Self)) {
        let condition = self.0.begin_if(cell);
        steps(self);
        self.0.end(condition);
    }

    pub(super) fn finish(self, routines: &str) -> String {
        self.0.finish(routines)
    }

    /// One access, and all that it leaves in the registers.
    pub(super) fn access(&mut self, what: &str, access: Access, at: u64, mode: Mode, outcome: Outcome) {
        let (name, from, value) = match access {
            Access::Load if mode == MODE_DATA => ("load", REAL_CODE, 0),
            Access::Load => ("load", CODE, 0),
            Access::Store(value) => ("store", STORE, value),
            Access::Fetch => ("fetch", at, 0),
        };
        let arguments = [from, at, value, mode.0].map(Operand::Number);
        self.0.call(&format!("{what}: {name}"), "probe", &arguments);
        let is_fetch = matches!(access, Access::Fetch);
        let (vector, srr0) = match outcome {
            // The system call behind the access, or behind the planted instruction.
            Outcome::Done(_) | Outcome::Stored => (0xc00, from + 8),
            Outcome::Segment => (if is_fetch { 0x480 } else { 0x380 }, from),
            _ => (if is_fetch { 0x400 } else { 0x300 }, from),
        };
        self.0.expect("vector", 3, vector);
        self.0.expect("SRR0", 4, srr0);
        self.0
            .expect("SRR1", 5, mode.0 | if is_fetch { outcome.bits() } else { 0 });
        match outcome {
            Outcome::Done(value) => self.0.expect("value", 8, value),
            Outcome::Stored => {}
            _ if is_fetch => {}
            Outcome::Segment => self.0.expect("DAR", 6, at),
            _ => {
                let store = if matches!(access, Access::Store(_)) {
                    0x0200_0000
                } else {
                    0
                };
                self.0.expect("DAR", 6, at);
                self.0.expect("DSISR", 7, outcome.bits() | store);
            }
        }
    }

    /// Stores a word in real mode.
    pub(super) fn poke(&mut self, real: u64, value: u64) {
        self.0.call("storing a word", "poke", &[real.into(), value.into()]);
    }

    /// Puts code that gives a number at a real address.
    pub(super) fn plant(&mut self, real: u64, value: u64) {
        self.0.call("planting code", "plant", &[real.into(), value.into()]);
    }

    /// Compares a word in real mode.
    pub(super) fn expect_word(&mut self, what: &str, real: u64, value: u64) {
        self.0.call(&format!("{what}: memory"), "peek", &[real.into()]);
        self.0.expect("word", 3, value);
    }

    pub(super) fn set_segment(&mut self, segment: &Segment, page: Page) {
        self.slbmte(segment, segment.rs(page));
    }

    /// With Ks and Kp.
    pub(super) fn set_segment_with_keys(&mut self, segment: &Segment, page: Page, supervisor: bool, problem: bool) {
        let keys = (u64::from(supervisor) << 11) | (u64::from(problem) << 10);
        self.slbmte(segment, segment.rs(page) | keys);
    }

    /// With N.
    pub(super) fn set_no_execute_segment(&mut self, segment: &Segment, page: Page) {
        self.slbmte(segment, segment.rs(page) | 0x200);
    }

    fn slbmte(&mut self, segment: &Segment, rs: u64) {
        self.0.call("slbmte", "set_segment", &[rs.into(), segment.rb().into()]);
    }

    /// Sets AMR and IAMR.
    pub(super) fn set_authority(&mut self, amr: u64, iamr: u64) {
        self.0.call("AMR and IAMR", "set_authority", &[amr.into(), iamr.into()]);
    }

    pub(super) fn drop_segment(&mut self, segment: &Segment) {
        self.0.call("slbie", "drop_segment", &[segment.rb_of_slbie().into()]);
    }

    /// `slbia`.
    pub(super) fn drop_segments(&mut self) {
        self.0.call("slbia", "drop_segments", &[]);
    }

    /// `H_ENTER` for the page at `at`; `r` has its real address and PP.
    pub(super) fn enter(&mut self, what: &str, segment: &Segment, page: Page, at: u64, r: u64) {
        self.enter_by(what, segment.hash(page, at), segment.v(page, at), Segment::r(page, r));
    }

    /// The same by the secondary hash.
    pub(super) fn enter_secondary(&mut self, what: &str, segment: &Segment, page: Page, at: u64, r: u64) {
        self.enter_by(
            what,
            !segment.hash(page, at),
            segment.v(page, at) | 2,
            Segment::r(page, r),
        );
    }

    fn enter_by(&mut self, what: &str, hash: u64, v: u64, r: u64) {
        self.0
            .call(&format!("{what}: H_ENTER"), "enter", &[hash.into(), v.into(), r.into()]);
        self.0.expect("status", 3, 0);
        self.0.save(4, "last_entry");
    }

    /// `H_PROTECT` with these flags.
    pub(super) fn protect(&mut self, what: &str, flags: u64) {
        self.0.hcall(
            &format!("{what}: H_PROTECT"),
            0x18,
            &[flags.into(), Operand::Cell("last_entry"), 0.into()],
        );
        self.0.expect("status", 3, 0);
    }

    /// `H_REMOVE` with the AVPN.
    pub(super) fn remove(&mut self, what: &str, segment: &Segment, page: Page, at: u64) {
        let avpn = segment.v(page, at) & !0x7f;
        self.0.hcall(
            &format!("{what}: H_REMOVE"),
            0x04,
            &[(1 << 31).into(), Operand::Cell("last_entry"), avpn.into()],
        );
        self.0.expect("status", 3, 0);
    }

    /// `H_CLEAR_REF` or `H_CLEAR_MOD`.
    pub(super) fn clear(&mut self, what: &str, number: u64) {
        self.0.hcall(what, number, &[0.into(), Operand::Cell("last_entry")]);
        self.0.expect("status", 3, 0);
    }

    pub(super) fn expect_reference_and_change(&mut self, what: &str, referenced: bool, changed: bool) {
        self.read(what);
        self.0.expect_bits(
            "R and C",
            5,
            0x180,
            (u64::from(referenced) << 8) | (u64::from(changed) << 7),
        );
    }

    /// After loads, but no store, through an entry that permits stores: C is clear, unless a load may set it.
    pub(super) fn expect_no_change(&mut self, what: &str) {
        self.read(what);
        self.0.expect_bits("C", 5, Operand::Cell("change_of_loads"), 0);
    }

    /// The same, and what R is.
    pub(super) fn expect_reference_without_change(&mut self, what: &str, referenced: bool) {
        self.expect_no_change(what);
        self.0.expect_bits("R", 5, 0x100, u64::from(referenced) << 8);
    }

    fn read(&mut self, what: &str) {
        self.0.hcall(
            &format!("{what}: H_READ"),
            0x0c,
            &[0.into(), Operand::Cell("last_entry")],
        );
        self.0.expect("status", 3, 0);
    }

    /// Makes a request of `H_BULK_REMOVE` for the entry.
    pub(super) fn keep_request(&mut self, cell: &'static str) {
        self.0.call("a request", "make_request", &[Operand::Cell("last_entry")]);
        self.0.save(3, cell);
    }

    /// `H_BULK_REMOVE` of four requests.
    pub(super) fn bulk_remove(&mut self, requests: [&'static str; 4]) {
        let arguments = requests.map(|cell| [Operand::Cell(cell), 0.into()]).concat();
        self.0.hcall("H_BULK_REMOVE", 0x124, &arguments);
        self.0.expect("status", 3, 0);
        for register in [4, 6, 8, 10] {
            // Done; R is set, C is not, after a load.
            self.0
                .expect_bits("status byte", register, Operand::Cell("status_of_loads"), 0x88 << 56);
        }
    }
}
