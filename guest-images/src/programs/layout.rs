//! Segments and pages, and the words that stand for them: SLB entries, HPTEs and hashes
//! (Power ISA v2.07B, Book III-S, 5.7.6, 5.7.7 and 5.9.3.1).

use std::fmt;

/// Sizes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SegmentBytes {
    Mib256,
    Tib1,
}

/// Every segment size.
pub(crate) const SEGMENT_SIZES: [SegmentBytes; 2] = [SegmentBytes::Mib256, SegmentBytes::Tib1];

/// A page by its segment's page size, its own, and the encodings of both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    base_shift: u32,
    actual_shift: u32,
    /// L and LP of `slbmte`'s RS.
    in_segment: u64,
    /// LP of an HPTE, from bit 51 on.
    in_entry: u64,
}

const fn page(base_shift: u32, actual_shift: u32, in_segment: u64, in_entry: u64) -> Page {
    Page {
        base_shift,
        actual_shift,
        in_segment,
        in_entry,
    }
}

/// Every pair of sizes.
pub(crate) const ALL_PAGES: [Page; 6] = [
    page(12, 12, 0, 0),
    page(12, 16, 0, 0x7000),
    page(12, 24, 0, 0x3_8000),
    page(16, 16, 0x110, 0x1000),
    page(16, 24, 0x110, 0x8000),
    page(24, 24, 0x100, 0),
];

impl Page {
    /// Where in its segment the page is accessed: in the third page of its own size, and there in the second of its
    /// segment's, if it has a second one.
    pub(crate) fn place(self) -> u64 {
        (2 << self.actual_shift) + self.offset_of_access()
    }

    /// The same from the page's first byte.
    pub(crate) fn offset_of_access(self) -> u64 {
        let second = if self.actual_shift > self.base_shift {
            1 << self.base_shift
        } else {
            0
        };
        second + 0x678
    }

    /// log2 of its segment's page size and of its own.
    pub(crate) fn shifts(self) -> [u32; 2] {
        [self.base_shift, self.actual_shift]
    }

    fn is_large(self) -> bool {
        self.actual_shift > 12
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |shift: u32| {
            if shift < 20 {
                format!("{}K", 1 << (shift - 10))
            } else {
                format!("{}M", 1 << (shift - 20))
            }
        };
        write!(
            f,
            "page of {} (base {})",
            size(self.actual_shift),
            size(self.base_shift)
        )
    }
}

/// A virtual segment, and the place among the effective ones where the program puts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    size: SegmentBytes,
    vsid: u64,
}

impl Segment {
    pub(crate) fn new(size: SegmentBytes, vsid: u64) -> Self {
        Self { size, vsid }
    }

    fn shift(self) -> u32 {
        match self.size {
            SegmentBytes::Mib256 => 28,
            SegmentBytes::Tib1 => 40,
        }
    }

    /// B: the two bits that name the size.
    fn b(self) -> u64 {
        match self.size {
            SegmentBytes::Mib256 => 0,
            SegmentBytes::Tib1 => 1,
        }
    }

    /// Effective address of its first byte: one for each size.
    pub(crate) fn first_address(self) -> u64 {
        match self.size {
            SegmentBytes::Mib256 => 0x0000_1234_5000_0000,
            SegmentBytes::Tib1 => 0xd000_4500_0000_0000,
        }
    }

    /// RS of `slbmte` without keys and N.
    pub(crate) fn rs(self, page: Page) -> u64 {
        (self.b() << 62) | (self.vsid << (self.shift() - 16)) | page.in_segment
    }

    /// RB of `slbmte`: valid, at an index of its own for each size.
    pub(crate) fn rb(self) -> u64 {
        self.first_address() | (1 << 27) | (3 + self.b())
    }

    /// RB of `slbie`.
    pub(crate) fn rb_of_slbie(self) -> u64 {
        self.first_address() | (self.b() << 25)
    }

    fn offset(self, address: u64) -> u64 {
        address & ((1 << self.shift()) - 1)
    }

    /// Primary hash of the page at `address`.
    pub(crate) fn hash(self, page: Page, address: u64) -> u64 {
        let number = self.offset(address) >> page.base_shift;
        let vsid = match self.size {
            SegmentBytes::Mib256 => self.vsid,
            SegmentBytes::Tib1 => self.vsid ^ (self.vsid << 25),
        };
        (vsid ^ number) & ((1 << 39) - 1)
    }

    /// Doubleword 0 of the valid entry for the page at `address`.
    pub(crate) fn v(self, page: Page, address: u64) -> u64 {
        let virtual_address = (u128::from(self.vsid) << self.shift()) | u128::from(self.offset(address));
        let whole_pages = virtual_address & !((1 << page.base_shift) - 1);
        let avpn = ((whole_pages >> 23) as u64) << 7;
        let large = if page.is_large() { 4 } else { 0 };
        (self.b() << 62) | avpn | large | 1
    }

    /// Doubleword 1 for memory: `r` has the real address of the page and its PP bits.
    pub(crate) fn r(page: Page, r: u64) -> u64 {
        r | page.in_entry | 0x10
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.size {
            SegmentBytes::Mib256 => "a segment of 256M",
            SegmentBytes::Tib1 => "a segment of 1T",
        })
    }
}
