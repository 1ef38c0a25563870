//! Segment lookaside buffer entries as `slbmte` takes them (Power ISA v2.07B, Book III-S, 5.9.3.1).

use crate::bits::{bit, extract, field};
use crate::page::{PageSize, SegmentSize, Vpn};

/// One SLB entry: an effective segment and the virtual one it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlbEntry {
    esid: u64,
    vsid: u64,
    segment: SegmentSize,
    base: PageSize,
    key_privileged: bool,
    key_problem: bool,
    no_execute: bool,
    rb: u64,
    rs: u64,
}

impl SlbEntry {
    const VALID: u64 = bit(36);
    const KS: u64 = bit(52);
    const KP: u64 = bit(53);
    const N: u64 = bit(54);
    const C: u64 = bit(56);

    /// The entry that `slbmte RS,RB` makes; `None` for a cleared V bit, a reserved segment size or
    /// an unknown page size: such an entry never translates.
    pub const fn from_registers(rs: u64, rb: u64) -> Option<Self> {
        if rb & Self::VALID == 0 {
            return None;
        }
        let Some(segment) = SegmentSize::from_encoding(extract(rs, 0, 1)) else {
            return None;
        };
        let Some(base) = PageSize::from_slb_encoding(rs) else {
            return None;
        };
        let vsid = match segment {
            SegmentSize::Size256M => extract(rs, 2, 51),
            SegmentSize::Size1T => extract(rs, 2, 39),
        };
        Some(Self {
            esid: rb & Self::esid_mask(segment),
            vsid,
            segment,
            base,
            key_privileged: rs & Self::KS != 0,
            key_problem: rs & Self::KP != 0,
            no_execute: rs & Self::N != 0,
            rb,
            rs,
        })
    }

    const fn esid_mask(segment: SegmentSize) -> u64 {
        match segment {
            SegmentSize::Size256M => field(0, 35),
            SegmentSize::Size1T => field(0, 23),
        }
    }

    /// Whether the entry translates `ea`.
    pub const fn matches(&self, ea: u64) -> bool {
        ea & Self::esid_mask(self.segment) == self.esid
    }

    /// The virtual page of `ea`, which the entry must match.
    pub const fn page(&self, ea: u64) -> Vpn {
        Vpn::new(self.vsid, self.segment, self.base, ea)
    }

    /// First effective address of the segment.
    pub const fn esid(&self) -> u64 {
        self.esid
    }

    /// Class: 0 or 1.
    pub const fn class(&self) -> u64 {
        (self.rs & Self::C != 0) as u64
    }

    /// Virtual segment identifier.
    pub const fn vsid(&self) -> u64 {
        self.vsid
    }

    /// Segment size.
    pub const fn segment(&self) -> SegmentSize {
        self.segment
    }

    /// Base page size of the segment.
    pub const fn base(&self) -> PageSize {
        self.base
    }

    /// The storage key that applies: Kp in problem state, Ks otherwise.
    pub const fn key(&self, problem_state: bool) -> bool {
        if problem_state {
            self.key_problem
        } else {
            self.key_privileged
        }
    }

    /// N: nothing is fetched from the segment.
    pub const fn is_no_execute(&self) -> bool {
        self.no_execute
    }

    /// What `slbmfee` gives.
    pub const fn rb(&self) -> u64 {
        self.rb & (field(0, 35) | Self::VALID)
    }

    /// What `slbmfev` gives.
    pub const fn rs(&self) -> u64 {
        self.rs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terabyte_segment_matches_its_terabyte() {
        let rs = (1 << 62) | (0x123 << 24) | SlbEntry::KP | PageSize::Size64K.slb_encoding();
        let entry = SlbEntry::from_registers(rs, 0xc000_0000_0000_0000 | SlbEntry::VALID | 1).unwrap();
        assert!(entry.matches(0xc000_00ff_ffff_ffff));
        assert!(!entry.matches(0xc000_0100_0000_0000));
        assert_eq!(entry.page(0xc000_0012_3456_789a).vsid(), 0x123);
        assert_eq!(entry.page(0xc000_0012_3456_789a).offset(), 0x12_3456_0000);
        assert!(entry.key(true));
        assert!(!entry.key(false));
    }

    #[test]
    fn a_reserved_segment_size_never_translates() {
        assert_eq!(SlbEntry::from_registers(1 << 63, SlbEntry::VALID), None);
    }
}
