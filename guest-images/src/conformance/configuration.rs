//! What cases are made for: a byte order, a page size and a segment size.

use std::fmt;
use std::str::FromStr;

use power::insn::Endian;

use super::case::{Case, Operand, Step, from_end};
use crate::programs::layout::{ALL_PAGES, Page, Segment, SegmentBytes};

/// A virtual segment whose pages' hashes are, but for bits that no table is large enough for, the pages' numbers: page `n` belongs into group `n`.
const VSID: u64 = 0x100_0000;

/// Groups at each end of the table that cases may use: the engine empties them.
const GROUPS: u64 = 16;

/// MSR of accesses: SF, ME and DR, with instructions by their real addresses.
const DATA: u64 = 0x8000_0000_0000_1010;
/// SF, ME, IR and DR.
const SUPERVISOR: u64 = 0x8000_0000_0000_1030;
/// The same with PR, which forces EE.
const PROBLEM: u64 = 0x8000_0000_0000_d030;

/// Vectors that an access ends with.
const DATA_STORAGE: u64 = 0x300;
const DATA_SEGMENT: u64 = 0x380;
const INSTRUCTION_STORAGE: u64 = 0x400;
const INSTRUCTION_SEGMENT: u64 = 0x480;
/// Of the system call behind an access that succeeds.
const SYSTEM_CALL: u64 = 0xc00;

/// Bits of DSISR, or of SRR1 for a fetch (Power ISA v2.07B, Book III-S, 6.5.3 and 6.5.5).
pub(super) const NOT_FOUND: u64 = 0x4000_0000;
pub(super) const NO_EXECUTE: u64 = 0x1000_0000;
pub(super) const PROTECTION: u64 = 0x0800_0000;
pub(super) const STORE: u64 = 0x0200_0000;

/// Offset of accesses in their page.
const OFFSET: u64 = 0x678;

/// In which order bytes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// The most significant byte first.
    Big,
    /// The least significant byte first.
    Little,
}

impl Order {
    pub(super) fn endian(self) -> Endian {
        match self {
            Self::Big => Endian::Big,
            Self::Little => Endian::Little,
        }
    }
}

/// Sizes of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PageSize {
    /// 4 KiB.
    K4,
    /// 64 KiB.
    K64,
    /// 16 MiB.
    M16,
}

/// Sizes of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SegmentSize {
    /// 256 MiB.
    M256,
    /// 1 TiB.
    T1,
}

/// What cases are made for. It is written `le-4k-256m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Configuration {
    /// The guest's byte order.
    pub order: Order,
    /// Size of its pages.
    pub page: PageSize,
    /// Size of its segments.
    pub segment: SegmentSize,
}

impl Configuration {
    /// Every one.
    pub fn all() -> impl Iterator<Item = Self> {
        [Order::Big, Order::Little].into_iter().flat_map(|order| {
            [PageSize::K4, PageSize::K64, PageSize::M16]
                .into_iter()
                .flat_map(move |page| [SegmentSize::M256, SegmentSize::T1].map(|segment| Self { order, page, segment }))
        })
    }

    /// Whether it has the cases that have nothing to do with pages and segments as well: one of each byte order has.
    pub(super) fn is_first_of_its_order(self) -> bool {
        (self.page, self.segment) == (PageSize::K4, SegmentSize::M256)
    }

    pub(super) fn pages(self) -> Pages {
        let [small, _, _, medium, _, large] = ALL_PAGES;
        let page = match self.page {
            PageSize::K4 => small,
            PageSize::K64 => medium,
            PageSize::M16 => large,
        };
        let segment = match self.segment {
            SegmentSize::M256 => SegmentBytes::Mib256,
            SegmentSize::T1 => SegmentBytes::Tib1,
        };
        Pages {
            page,
            segment: Segment::new(segment, VSID),
        }
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.order {
            Order::Big => "be",
            Order::Little => "le",
        };
        let page = match self.page {
            PageSize::K4 => "4k",
            PageSize::K64 => "64k",
            PageSize::M16 => "16m",
        };
        let segment = match self.segment {
            SegmentSize::M256 => "256m",
            SegmentSize::T1 => "1t",
        };
        write!(f, "{order}-{page}-{segment}")
    }
}

impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "big" => Ok(Self::Big),
            "little" => Ok(Self::Little),
            _ => Err("give big or little".to_owned()),
        }
    }
}

impl FromStr for PageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "4k" => Ok(Self::K4),
            "64k" => Ok(Self::K64),
            "16m" => Ok(Self::M16),
            _ => Err("give 4K, 64K or 16M".to_owned()),
        }
    }
}

impl FromStr for SegmentSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "256m" => Ok(Self::M256),
            "1t" => Ok(Self::T1),
            _ => Err("give 256M or 1T".to_owned()),
        }
    }
}

/// The pages of one segment, numbered from 0, and the words for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pages {
    page: Page,
    segment: Segment,
}

/// Who accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Supervisor,
    /// By the code that [`Pages::map_code`] has mapped.
    Problem,
}

impl Pages {
    /// log2 of a page's bytes.
    pub(super) fn shift(self) -> u32 {
        self.page.shifts()[1]
    }

    pub(super) fn bytes(self) -> u64 {
        1 << self.shift()
    }

    /// A case that is not for a machine without such pages.
    pub(super) fn case(self, name: impl Into<String>, section: &'static str) -> Case {
        let mut case = Case::new(name, section);
        let shifts = self.page.shifts().map(u64::from);
        case.call(format!("there is no {}", self.page), "has_page_size", shifts)
            .skip_if(3, 0);
        case
    }

    /// Doubleword 0 of the valid entry for the `n`th page of those that have an AVPN of their own.
    pub(super) fn v(self, n: u64) -> u64 {
        assert!(n < 16, "they are 16 MiB apart");
        self.segment.v(self.page, self.segment.first_address() + (n << 24))
    }

    /// AVPN of that entry, as hypercalls want it.
    pub(super) fn avpn(self, n: u64) -> u64 {
        self.v(n) & !0x7f
    }

    /// Doubleword 1 for memory at `real`, which supervisor and problem state read and write.
    pub(super) fn r(self, real: u64) -> u64 {
        self.r_with(real, 2)
    }

    /// Doubleword 1 for memory at `real` with these PP bits, key, N, R and C.
    pub(super) fn r_with(self, real: u64, bits: u64) -> u64 {
        Segment::r(self.page, real | bits)
    }

    /// Effective address of page `n`.
    pub(super) fn address(self, n: u64) -> u64 {
        assert!(n < GROUPS, "its group is not emptied");
        self.segment.first_address() + (n << self.shift())
    }

    /// Effective address where page `n` is accessed.
    pub(super) fn at(self, n: u64) -> u64 {
        self.address(n) + OFFSET
    }

    /// Doubleword 0 of the valid entry for page `n`.
    pub(super) fn v_of(self, n: u64) -> u64 {
        self.segment.v(self.page, self.address(n))
    }

    /// Index of the first slot of its group by the first hash.
    pub(super) fn slot(self, n: u64) -> u64 {
        let group = self.segment.hash(self.page, self.address(n)) & (VSID - 1);
        assert!(group == n, "no table has more groups");
        group * 8
    }

    /// The same by the second hash.
    pub(super) fn second_slot(self, n: u64) -> Operand {
        from_end(self.slot(n) + 8)
    }

    /// Stores `value` where page `n` is accessed if it is mapped to `real`.
    pub(super) fn put(self, case: &mut Case, real: u64, value: u64) {
        case.call("storing a word in real mode", "poke", [real + OFFSET, value]);
    }

    /// The word there must be `value`.
    pub(super) fn expect_word(self, case: &mut Case, real: u64, value: u64) {
        self.word(case, real).is(3, value);
    }

    /// The word there goes into r3.
    pub(super) fn word(self, case: &mut Case, real: u64) -> &mut Step {
        case.call("the word in memory", "peek", [real + OFFSET])
    }

    /// Puts code there that gives `value`.
    pub(super) fn put_code(self, case: &mut Case, real: u64, value: u64) {
        case.call("planting code", "plant", [real + OFFSET, value]);
    }

    /// Makes the segment.
    pub(super) fn set_segment(self, case: &mut Case) {
        self.set_segment_with_keys(case, false, false);
    }

    /// Makes the segment with Ks and Kp.
    pub(super) fn set_segment_with_keys(self, case: &mut Case, supervisor: bool, problem: bool) {
        let keys = (u64::from(supervisor) << 11) | (u64::from(problem) << 10);
        case.call(
            "slbmte",
            "set_segment",
            [self.segment.rs(self.page) | keys, self.segment.rb()],
        );
    }

    pub(super) fn drop_segment(self, case: &mut Case) {
        case.call("slbie", "drop_segment", [self.segment.rb_of_slbie()]);
    }

    /// Enters `r` for page `n` into the first slot of its group.
    pub(super) fn map(self, case: &mut Case, n: u64, r: u64) {
        self.enter_at(case, self.slot(n).into(), self.v_of(n), r);
    }

    /// `H_ENTER` exactly at `slot`, which must succeed.
    pub(super) fn enter_at(self, case: &mut Case, slot: Operand, v: u64, r: u64) {
        const H_ENTER: u64 = 8;
        const EXACT: u64 = 1 << 39;
        let arguments: [Operand; 4] = [EXACT.into(), slot, v.into(), r.into()];
        case.hcall("H_ENTER", H_ENTER, arguments).status(0).is(4, slot);
    }

    /// Maps page `n` to `real` with code that makes accesses in problem state.
    pub(super) fn map_code(self, case: &mut Case, n: u64, real: u64) {
        case.call("planting code", "plant_accesses", [real]);
        self.map(case, n, self.r(real));
    }

    /// A load from page `n`.
    pub(super) fn load(self, case: &mut Case, n: u64) -> Access<'_> {
        let step = case.call(format!("load from page {n}"), "load", [self.at(n), DATA]);
        Access {
            step,
            at: self.at(n),
            bits: 0,
        }
    }

    /// A store of `value` to page `n`.
    pub(super) fn store(self, case: &mut Case, n: u64, value: u64) -> Access<'_> {
        let step = case.call(format!("store to page {n}"), "store", [self.at(n), value, DATA]);
        Access {
            step,
            at: self.at(n),
            bits: STORE,
        }
    }

    /// A load or store in problem state by the code in page `code`.
    pub(super) fn access_in_problem_state(self, case: &mut Case, code: u64, n: u64, store: Option<u64>) -> Access<'_> {
        let (what, offset, bits) = match store {
            Some(_) => ("store to", 16, STORE),
            None => ("load from", 0, 0),
        };
        let what = format!("{what} page {n} in problem state");
        let (from, value) = (self.address(code) + offset, store.unwrap_or(0));
        let step = case.call(what, "probe", [from, self.at(n), value, PROBLEM]);
        Access {
            step,
            at: self.at(n),
            bits,
        }
    }

    /// A hypercall in problem state by the code at this offset of page `code`.
    pub(super) fn in_problem_state(self, case: &mut Case, code: u64, offset: u64) -> Access<'_> {
        let at = self.address(code) + offset;
        let step = case.call("hypercall in problem state", "probe", [at, 0, 0, PROBLEM]);
        Access { step, at, bits: 0 }
    }

    /// The execution of code in page `n`.
    pub(super) fn fetch(self, case: &mut Case, n: u64) -> Fetch<'_> {
        let step = case.call(format!("fetch from page {n}"), "fetch", [self.at(n), SUPERVISOR]);
        Fetch { step, at: self.at(n) }
    }
}

/// A load or store, of which something is to be expected.
pub(super) struct Access<'a> {
    step: &'a mut Step,
    at: u64,
    bits: u64,
}

impl Access<'_> {
    /// It is done; a load gives `value`.
    pub(super) fn gives(self, value: u64) {
        self.step.is(3, SYSTEM_CALL).is(8, value);
    }

    /// A store is done.
    pub(super) fn succeeds(self) {
        self.step.is(3, SYSTEM_CALL);
    }

    /// It is a data storage interrupt with these bits of DSISR, and that of a store.
    pub(super) fn faults(self, dsisr: u64) {
        let bits = dsisr | self.bits;
        self.step.is(3, DATA_STORAGE).is(6, self.at).is(7, bits);
    }

    /// There is no segment.
    pub(super) fn has_no_segment(self) {
        self.step.is(3, DATA_SEGMENT).is(6, self.at);
    }
}

/// The execution of code that gives a number, of which something is to be expected.
pub(super) struct Fetch<'a> {
    step: &'a mut Step,
    at: u64,
}

impl Fetch<'_> {
    /// It is executed and gives `value`.
    pub(super) fn gives(self, value: u64) {
        self.step.is(3, SYSTEM_CALL).is(8, value);
    }

    /// It is an instruction storage interrupt with these bits in SRR1.
    pub(super) fn faults(self, bits: u64) {
        self.step
            .is(3, INSTRUCTION_STORAGE)
            .is(4, self.at)
            .bits(5, 0x7800_0000, bits);
    }

    /// There is no segment.
    pub(super) fn has_no_segment(self) {
        self.step.is(3, INSTRUCTION_SEGMENT).is(4, self.at);
    }
}
