//! Page and segment sizes, and how HPTEs and SLB entries encode them (Power ISA v2.07B, Book III-S, 5.7).

use crate::bits::field;

/// A page size that a POWER8 partition is offered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageSize {
    /// 4 KiB
    Size4K,
    /// 64 KiB
    Size64K,
    /// 16 MiB
    Size16M,
}

impl PageSize {
    /// Every size, smallest first.
    pub const ALL: [Self; 3] = [Self::Size4K, Self::Size64K, Self::Size16M];

    /// log2 of the size in bytes.
    pub const fn shift(self) -> u32 {
        match self {
            Self::Size4K => 12,
            Self::Size64K => 16,
            Self::Size16M => 24,
        }
    }

    /// The size in bytes.
    pub const fn bytes(self) -> u64 {
        1 << self.shift()
    }

    /// The offset bits of an address inside a page of this size.
    pub const fn offset_mask(self) -> u64 {
        self.bytes() - 1
    }

    /// The L and LP bits of an SLB entry whose segment has this base page size, as `slbmte` takes
    /// them in RS (`0x100` is L, `0x030` is LP).
    pub const fn slb_encoding(self) -> u64 {
        match self {
            Self::Size4K => 0,
            Self::Size64K => 0x110,
            Self::Size16M => 0x100,
        }
    }

    /// The base page size that the L and LP bits of `slbmte`'s RS name; `None` where this
    /// processor has no such size.
    pub const fn from_slb_encoding(rs: u64) -> Option<Self> {
        match rs & 0x130 {
            0 => Some(Self::Size4K),
            0x110 => Some(Self::Size64K),
            0x100 => Some(Self::Size16M),
            _ => None,
        }
    }
}

/// A legal pair of a segment's base page size and an HPTE's actual page size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PagePair {
    base: PageSize,
    actual: PageSize,
}

impl PagePair {
    /// Every pair that this processor offers, as `ibm,segment-page-sizes` lists them.
    pub const ALL: [Self; 6] = [
        Self {
            base: PageSize::Size4K,
            actual: PageSize::Size4K,
        },
        Self {
            base: PageSize::Size4K,
            actual: PageSize::Size64K,
        },
        Self {
            base: PageSize::Size4K,
            actual: PageSize::Size16M,
        },
        Self {
            base: PageSize::Size64K,
            actual: PageSize::Size64K,
        },
        Self {
            base: PageSize::Size64K,
            actual: PageSize::Size16M,
        },
        Self {
            base: PageSize::Size16M,
            actual: PageSize::Size16M,
        },
    ];

    /// The page size of the segment: the hash counts pages of this size.
    pub const fn base(self) -> PageSize {
        self.base
    }

    /// The page size of the entry: how much it maps.
    pub const fn actual(self) -> PageSize {
        self.actual
    }

    /// The value of the LP field of an HPTE with L = 1 (the low bits of the page number that the
    /// actual size leaves free); 0 for 4 KiB in 4 KiB, where L is 0.
    pub const fn encoding(self) -> u64 {
        match (self.base, self.actual) {
            (PageSize::Size4K, PageSize::Size64K) => 0x07,
            (PageSize::Size4K, PageSize::Size16M) => 0x38,
            (PageSize::Size64K, PageSize::Size64K) => 0x01,
            (PageSize::Size64K, PageSize::Size16M) => 0x08,
            _ => 0,
        }
    }

    /// Whether an HPTE of this pair has its L bit set.
    pub const fn is_large(self) -> bool {
        !matches!((self.base, self.actual), (PageSize::Size4K, PageSize::Size4K))
    }

    /// Decodes the L bit of doubleword 0 and the LP field (8 bits) of doubleword 1. `None` is a
    /// reserved encoding.
    pub const fn decode(large: bool, lp: u8) -> Option<Self> {
        if !large {
            return Some(Self::ALL[0]);
        }
        // 64 KiB pages leave four bits of LP to the encoding, 16 MiB pages all eight.
        match (lp, lp & 0xf) {
            (_, 0x7) => Some(Self::ALL[1]),
            (0x38, _) => Some(Self::ALL[2]),
            (_, 0x1) => Some(Self::ALL[3]),
            (0x08, _) => Some(Self::ALL[4]),
            (0x00, _) => Some(Self::ALL[5]),
            _ => None,
        }
    }
}

/// A segment size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SegmentSize {
    /// 256 MiB, B = 0b00
    Size256M,
    /// 1 TiB, B = 0b01
    Size1T,
}

impl SegmentSize {
    /// log2 of the size in bytes.
    pub const fn shift(self) -> u32 {
        match self {
            Self::Size256M => 28,
            Self::Size1T => 40,
        }
    }

    /// The two-bit B field.
    pub const fn encoding(self) -> u64 {
        match self {
            Self::Size256M => 0,
            Self::Size1T => 1,
        }
    }

    /// The size that the two-bit B field names; `None` for the reserved 0b10 and 0b11.
    pub const fn from_encoding(b: u64) -> Option<Self> {
        match b {
            0 => Some(Self::Size256M),
            1 => Some(Self::Size1T),
            _ => None,
        }
    }

    /// Width of a virtual segment identifier in bits: 78 bits of virtual address less the offset.
    pub const fn vsid_bits(self) -> u32 {
        Vpn::VA_BITS - self.shift()
    }
}

/// A virtual page of a segment's base size: neither an effective address (that needs the SLB) nor
/// a real one (that needs the table), so no arithmetic exists between the three.
///
/// Two words, which compilers keep in registers: every walk and every change of the table has one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Vpn {
    ///     0            49 50 55 56 58 59 60 61 62 63
    ///     |     VSID     |  0  |  0  | B |  0 | base |
    name: u64,
    /// Byte offset of the page in its segment.
    offset: u64,
}

impl Vpn {
    /// Width of a virtual address.
    pub const VA_BITS: u32 = 78;

    const VSID_SHIFT: u32 = 8;
    const SIZE_1T: u64 = 0x10;
    const BASE: u64 = 3;

    /// The page at `offset` bytes into the segment `vsid`. Bits of `vsid` and `offset` beyond
    /// their widths are dropped.
    pub const fn new(vsid: u64, segment: SegmentSize, base: PageSize, offset: u64) -> Self {
        let vsid = vsid & ((1 << segment.vsid_bits()) - 1);
        let size = match segment {
            SegmentSize::Size256M => 0,
            SegmentSize::Size1T => Self::SIZE_1T,
        };
        Self {
            name: vsid << Self::VSID_SHIFT | size | base as u64,
            offset: offset & ((1 << segment.shift()) - 1) & !base.offset_mask(),
        }
    }

    /// The segment's size.
    pub const fn segment(self) -> SegmentSize {
        if self.name & Self::SIZE_1T == 0 {
            SegmentSize::Size256M
        } else {
            SegmentSize::Size1T
        }
    }

    /// The segment's base page size.
    pub const fn base(self) -> PageSize {
        match self.name & Self::BASE {
            0 => PageSize::Size4K,
            1 => PageSize::Size64K,
            _ => PageSize::Size16M,
        }
    }

    /// The virtual address divided by 4 KiB (66 bits).
    pub const fn va_over_4k(self) -> u128 {
        (self.vsid() as u128) << (self.segment().shift() - 12) | (self.offset >> 12) as u128
    }

    /// Virtual segment identifier.
    pub const fn vsid(self) -> u64 {
        self.name >> Self::VSID_SHIFT
    }

    /// Byte offset of the page in its segment.
    pub const fn offset(self) -> u64 {
        self.offset
    }

    /// The primary hash; the secondary one is its complement (Power ISA v2.07B, Book III-S, 5.7.7.2).
    pub const fn hash(self) -> u64 {
        let page = self.offset >> self.base().shift();
        let vsid = self.vsid();
        let mixed = match self.segment() {
            SegmentSize::Size256M => vsid,
            SegmentSize::Size1T => vsid ^ (vsid << 25),
        };
        (mixed ^ page) & field(25, 63)
    }

    /// The abbreviated virtual page number as doubleword 0 of an HPTE holds it, with B, in place:
    /// bits 0 to 56, everything below zero.
    pub const fn avpn(self) -> u64 {
        // A virtual address without its low 23 bits has 55.
        let ava = self.vsid() << (self.segment().shift() - 23) | self.offset >> 23;
        (self.segment().encoding() << 62) | ((ava << 7) & field(2, 56) & Self::avpn_mask(self.base()))
    }

    /// The page of a segment with base size `base` whose HPTE has `avpn` (bits 2 to 56 of doubleword
    /// 0, in place) and lies where the primary hash `hash` leads. The AVPN lacks the virtual
    /// address's low 23 bits; the hash gives them back. Only its low 11 bits are looked at, which
    /// every table is large enough to know.
    pub const fn from_entry(segment: SegmentSize, base: PageSize, avpn: u64, hash: u64) -> Self {
        let va = (((avpn & field(2, 56)) >> 7) as u128) << 23;
        let vsid = (va >> segment.shift()) as u64;
        let offset = va as u64 & ((1 << segment.shift()) - 1);
        // Both segment sizes mix the VSID's low 11 bits, as they are, with the page's.
        let low = ((hash ^ vsid ^ (offset >> base.shift())) << base.shift()) & ((1 << 23) - 1);
        Self::new(vsid, segment, base, offset | low)
    }

    /// The page of the same segment at the start of the page of size `actual` around this one.
    pub const fn align_to(self, actual: PageSize) -> Self {
        Self {
            offset: self.offset & !actual.offset_mask(),
            ..self
        }
    }

    /// The bits of doubleword 0 that decide whether an entry maps a page of a segment with this
    /// base size: pages over 8 MiB do not compare the offset's bits.
    pub const fn avpn_mask(base: PageSize) -> u64 {
        let ignored = base.shift().saturating_sub(23);
        field(0, 56 - ignored)
    }
}

impl std::fmt::Debug for Vpn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Vpn({:?} vsid {:#x} offset {:#x}, {:?})",
            self.segment(),
            self.vsid(),
            self.offset(),
            self.base()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_decodes_from_its_own_encoding() {
        for pair in PagePair::ALL {
            assert_eq!(PagePair::decode(pair.is_large(), pair.encoding() as u8), Some(pair));
        }
    }

    #[test]
    fn the_high_bits_of_lp_belong_to_the_page_number_of_a_64k_page() {
        assert_eq!(PagePair::decode(true, 0xf1), Some(PagePair::ALL[3]));
        assert_eq!(PagePair::decode(true, 0xf7), Some(PagePair::ALL[1]));
        assert_eq!(PagePair::decode(true, 0xf8), None);
    }

    #[test]
    fn a_vpn_gives_its_parts_back() {
        let page = Vpn::new(0x3_1234_5678, SegmentSize::Size1T, PageSize::Size64K, 0xab_cdef_1234);
        assert_eq!(page.vsid(), 0x3_1234_5678);
        assert_eq!(page.offset(), 0xab_cdef_0000);
    }

    #[test]
    fn a_virtual_address_is_the_vsid_before_the_offset() {
        for segment in [SegmentSize::Size256M, SegmentSize::Size1T] {
            for base in PageSize::ALL {
                let (vsid, offset) = ((1 << segment.vsid_bits()) - 3, (1 << segment.shift()) - base.bytes());
                let page = Vpn::new(vsid | 1 << 60, segment, base, offset + 1);
                assert_eq!((page.segment(), page.base(), page.vsid()), (segment, base, vsid));
                let va = u128::from(vsid) << segment.shift() | u128::from(offset);
                assert_eq!(page.va_over_4k(), va >> 12);
                let ava = (va >> 23) as u64 & !(base.offset_mask() >> 23);
                assert_eq!(page.avpn(), segment.encoding() << 62 | ava << 7);
            }
        }
    }

    #[test]
    fn a_page_is_found_again_from_its_entry_and_its_hash() {
        for segment in [SegmentSize::Size256M, SegmentSize::Size1T] {
            for base in PageSize::ALL {
                for i in 0..2000_u64 {
                    let random = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    let page = Vpn::new(random, segment, base, random.rotate_left(29));
                    for hash in [page.hash(), page.hash() & 0x7ff] {
                        assert_eq!(Vpn::from_entry(segment, base, page.avpn(), hash), page);
                    }
                }
            }
        }
    }

    #[test]
    fn a_page_is_aligned_to_the_larger_page_around_it() {
        let page = Vpn::new(7, SegmentSize::Size256M, PageSize::Size64K, 0x0345_0000);
        assert_eq!(page.align_to(PageSize::Size16M).offset(), 0x0300_0000);
        assert_eq!(page.align_to(PageSize::Size16M).base(), PageSize::Size64K);
        assert_eq!(page.align_to(PageSize::Size64K), page);
    }

    #[test]
    fn a_16m_page_ignores_one_bit_of_the_avpn() {
        assert_eq!(Vpn::avpn_mask(PageSize::Size4K), 0xffff_ffff_ffff_ff80);
        assert_eq!(Vpn::avpn_mask(PageSize::Size16M), 0xffff_ffff_ffff_ff00);
    }
}
