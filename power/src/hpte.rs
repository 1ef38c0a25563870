//! The two doublewords of a hashed page table entry (Power ISA v2.07B, Book III-S, 5.7.7.1).

use crate::bits::{bit, extract, field};
use crate::page::{PagePair, PageSize, SegmentSize, Vpn};

/// Number of entries in a PTE group: the bucket of the table.
pub const HPTES_PER_GROUP: u64 = 8;

/// Bytes of one entry.
pub const HPTE_BYTES: u64 = 16;

/// First doubleword of an HPTE: which virtual page this is.
///
/// ```text
///      0  1 2                                56 57  60 61 62 63
///     | B  |               AVPN               |  SW  | L| H| V|
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct HpteV(u64);

impl HpteV {
    /// Software bit that Linux calls *bolted*: entries that must survive eviction and a resize.
    pub const BOLTED: u64 = bit(59);
    const SOFTWARE: u64 = field(57, 60);
    /// Software bit that locks the entry for the hypervisor (LoPAR, Logical Partitioning Option,
    /// "Page Frame Table Access": bits 57 and 58 are the hypervisor's, 59 and 60 the guest's).
    pub const LOCK: u64 = bit(57);
    /// Software bit that keeps the guest's own C beside the one that walkers set in doubleword 1.
    pub const GUEST_C: u64 = bit(58);
    const HYPERVISOR: u64 = Self::LOCK | Self::GUEST_C;
    /// Bits 0 to 56: what the AVPN argument of a hypercall is compared with.
    pub const AVPN_AND_SEGMENT: u64 = field(0, 56);
    const LARGE: u64 = bit(61);
    const SECONDARY: u64 = bit(62);
    const VALID: u64 = bit(63);

    /// Takes the doubleword as it stands in a table or a register.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// Takes the doubleword as a guest gives it or may see it: without the hypervisor's software
    /// bits (57 and 58).
    pub const fn from_guest(raw: u64) -> Self {
        Self(raw & !Self::HYPERVISOR)
    }

    /// Whether the hypervisor's lock bit is set.
    pub const fn is_locked(self) -> bool {
        self.0 & Self::LOCK != 0
    }

    /// What decides whether an entry found under the primary (or `secondary`) hash maps `page`, as
    /// (mask, value) of doubleword 0. L tells nothing where the base size is 4 KiB: the entry may
    /// map a larger page.
    pub const fn matching(page: Vpn, secondary: bool) -> (u64, u64) {
        let large = if matches!(page.base(), PageSize::Size4K) {
            0
        } else {
            Self::LARGE
        };
        let hash = if secondary { Self::SECONDARY } else { 0 };
        let mask = Vpn::avpn_mask(page.base()) | Self::SECONDARY | Self::VALID | large;
        (mask, page.avpn() | hash | large | Self::VALID)
    }

    /// A valid entry for `page`, mapped by an entry of `pair`'s size.
    pub const fn new(page: Vpn, pair: PagePair, secondary: bool) -> Self {
        let large = if pair.is_large() { Self::LARGE } else { 0 };
        let hash = if secondary { Self::SECONDARY } else { 0 };
        Self(page.avpn() | large | hash | Self::VALID)
    }

    /// The doubleword.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// V: the entry may be used.
    pub const fn is_valid(self) -> bool {
        self.0 & Self::VALID != 0
    }

    /// H: the entry lies in the group of the secondary hash.
    pub const fn is_secondary(self) -> bool {
        self.0 & Self::SECONDARY != 0
    }

    /// L: the page is not 4 KiB in a 4 KiB segment.
    pub const fn is_large(self) -> bool {
        self.0 & Self::LARGE != 0
    }

    /// Linux's software bit for entries that must not be evicted.
    pub const fn is_bolted(self) -> bool {
        self.0 & Self::BOLTED != 0
    }

    /// B: the segment size; `None` for the reserved encodings.
    pub const fn segment(self) -> Option<SegmentSize> {
        SegmentSize::from_encoding(extract(self.0, 0, 1))
    }

    /// B and AVPN in place (bits 0 to 56).
    pub const fn avpn(self) -> u64 {
        self.0 & Self::AVPN_AND_SEGMENT
    }

    /// The software bits in place (bits 57 to 60).
    pub const fn software(self) -> u64 {
        self.0 & Self::SOFTWARE
    }

    /// The same with the bits of `mask` set.
    pub const fn with_set(self, mask: u64) -> Self {
        Self(self.0 | mask)
    }

    /// The same with the bits of `mask` clear.
    pub const fn with_clear(self, mask: u64) -> Self {
        Self(self.0 & !mask)
    }

    /// The same with V set or clear.
    pub const fn with_valid(self, valid: bool) -> Self {
        Self(if valid {
            self.0 | Self::VALID
        } else {
            self.0 & !Self::VALID
        })
    }
}

impl std::fmt::Debug for HpteV {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HpteV")
            .field("valid", &self.is_valid())
            .field("segment", &self.segment())
            .field("avpn", &format_args!("{:#x}", self.avpn()))
            .field("software", &format_args!("{:#x}", self.software()))
            .field("large", &self.is_large())
            .field("secondary", &self.is_secondary())
            .finish()
    }
}

/// Second doubleword of an HPTE: which real page, with what rights.
///
/// ```text
///      0   1  2   3 4              43 44    51 52  54 55 56 57   60 61 62 63
///     |PP0| / | KEY|      ARPN       |   LP   |  KEY | R| C| WIMG  | N|  PP |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct HpteR(u64);

impl HpteR {
    const PP0: u64 = bit(0);
    const REAL_PAGE: u64 = field(4, 51);
    const REFERENCED: u64 = bit(55);
    const CHANGED: u64 = bit(56);
    const NO_EXECUTE: u64 = bit(61);
    const GUARDED: u64 = bit(60);
    const PP: u64 = field(62, 63);

    /// Takes the doubleword as it stands in a table or a register.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The doubleword.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// R: the page has been used.
    pub const fn is_referenced(self) -> bool {
        self.0 & Self::REFERENCED != 0
    }

    /// C: the page has been stored to.
    pub const fn is_changed(self) -> bool {
        self.0 & Self::CHANGED != 0
    }

    /// Takes the doubleword as a guest gives it or may see it: without the reserved bit 1 (LoPAR, H_ENTER).
    pub const fn from_guest(raw: u64) -> Self {
        Self(raw & !Self::GUEST_R)
    }

    /// The reserved bit 1, which keeps the guest's own R beside the one that walkers set.
    pub const GUEST_R: u64 = bit(1);

    /// W, I, M and G in place (bits 57 to 60). No legal entry has all of them clear.
    pub const WIMG: u64 = field(57, 60);

    /// R and C in place (bits 55 and 56).
    pub const fn reference_and_change(self) -> u64 {
        self.0 & (Self::REFERENCED | Self::CHANGED)
    }

    /// The same with the bits of `mask` (a combination of [`Self::R_AND_C`]) set.
    pub const fn with_set(self, mask: u64) -> Self {
        Self(self.0 | mask)
    }

    /// R in place.
    pub const R: u64 = Self::REFERENCED;
    /// C in place.
    pub const C: u64 = Self::CHANGED;
    /// R and C in place.
    pub const R_AND_C: u64 = Self::REFERENCED | Self::CHANGED;

    /// N: no instruction is fetched from the page.
    pub const fn is_no_execute(self) -> bool {
        self.0 & Self::NO_EXECUTE != 0
    }

    /// G: guarded storage, from which nothing is fetched either.
    pub const fn is_guarded(self) -> bool {
        self.0 & Self::GUARDED != 0
    }

    /// W, I, M and G as a four-bit number, W most significant.
    pub const fn wimg(self) -> u64 {
        extract(self.0, 57, 60)
    }

    /// What no translation comes of: W, I, M and G are all clear, which they are in no legal entry, and no access is allowed
    /// under either key (PP = 0b100).
    pub const CLOSED: Self = Self(Self::PP0);

    /// The same, closed: whoever reads it, and checks what it allows, gets nothing of it.
    pub const fn closed(self) -> Self {
        Self(self.0 & !(Self::WIMG | Self::PP) | Self::CLOSED.0)
    }

    /// Whether W, I, M and G are all clear, which they are in no legal entry.
    pub const fn is_closed(self) -> bool {
        self.0 & Self::WIMG == 0
    }

    /// PP with PP0 as its most significant bit: three bits.
    pub const fn protection(self) -> Protection {
        Protection((((self.0 & Self::PP0) >> 61) | (self.0 & Self::PP)) as u8)
    }

    /// The five-bit virtual page class key.
    pub const fn key(self) -> u8 {
        ((extract(self.0, 2, 3) << 3) | extract(self.0, 52, 54)) as u8
    }

    /// The same with the bits of `mask` clear.
    pub const fn with_clear(self, mask: u64) -> Self {
        Self(self.0 & !mask)
    }

    /// Whether the real page number is a multiple of the page size of `pair`: bits between the LP
    /// field and the page number must be zero.
    pub const fn is_aligned(self, pair: PagePair) -> bool {
        // LP is free for the size encoding where L is set; without L it is part of the number.
        let lp = if pair.is_large() { field(44, 51) } else { 0 };
        self.0 & Self::REAL_PAGE & pair.actual().offset_mask() & !lp == 0
    }

    /// The LP field (bits 44 to 51): page size encoding and low bits of the real page number.
    pub const fn lp(self) -> u8 {
        extract(self.0, 44, 51) as u8
    }

    /// Real address of the first byte of the page, for an entry of `pair`'s size.
    pub const fn real_address(self, pair: PagePair) -> u64 {
        self.0 & Self::REAL_PAGE & !pair.actual().offset_mask()
    }
}

impl std::fmt::Debug for HpteR {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HpteR")
            .field("real_page", &format_args!("{:#x}", self.0 & Self::REAL_PAGE))
            .field("protection", &self.protection())
            .field("key", &self.key())
            .field("referenced", &self.is_referenced())
            .field("changed", &self.is_changed())
            .field("wimg", &format_args!("{:#06b}", self.wimg()))
            .field("no_execute", &self.is_no_execute())
            .finish()
    }
}

/// Page protection bits PP (three bits, PP0 most significant) of an HPTE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Protection(u8);

impl Protection {
    /// Whether a load is allowed under storage key `key` (Ks or Kp of the segment, as MSR\[PR\]
    /// chooses): Power ISA v2.07B, Book III-S, 5.7.9.1.
    pub const fn allows_load(self, key: bool) -> bool {
        if key {
            matches!(self.0, 1..=3)
        } else {
            matches!(self.0, 0..=3 | 6)
        }
    }

    /// Whether a store is allowed under storage key `key`.
    pub const fn allows_store(self, key: bool) -> bool {
        if key { self.0 == 2 } else { matches!(self.0, 0..=2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figure "PP bit protection states" of the manual, written out: (PP, key) -> load, store.
    #[test]
    fn protection_follows_the_manuals_table() {
        let table: [(u64, bool, bool, bool); 12] = [
            (0, false, true, true),
            (1, false, true, true),
            (2, false, true, true),
            (3, false, true, false),
            (6, false, true, false),
            (0, true, false, false),
            (1, true, true, false),
            (2, true, true, true),
            (3, true, true, false),
            (6, true, false, false),
            (4, false, false, false),
            (5, true, false, false),
        ];
        for (pp, key, load, store) in table {
            let r = HpteR::from_raw(((pp & 4) << 61) | (pp & 3));
            assert_eq!(r.protection().allows_load(key), load, "load, pp {pp} key {key}");
            assert_eq!(r.protection().allows_store(key), store, "store, pp {pp} key {key}");
        }
    }

    #[test]
    fn a_closed_entry_allows_nothing_and_keeps_the_rest() {
        for raw in [0x5012, 0x8000_0000_0000_5011, u64::MAX, 0] {
            let closed = HpteR::from_raw(raw).closed();
            assert!(closed.is_closed());
            for key in [false, true] {
                assert!(!closed.protection().allows_load(key) && !closed.protection().allows_store(key));
            }
            assert_eq!((closed.raw() ^ raw) & !(1 << 63 | 0x7b), 0, "{raw:#x}");
        }
        assert_eq!(HpteR::CLOSED, HpteR::default().closed());
    }

    #[test]
    fn the_real_address_leaves_out_the_size_encoding() {
        let r = HpteR::from_raw(0x1234_5000 | 0x1000);
        let in_64k = PagePair::decode(true, 0x51).unwrap();
        assert_eq!(in_64k.actual(), PageSize::Size64K);
        assert_eq!(HpteR::from_raw(0x1234_1000).real_address(in_64k), 0x1234_0000);
        assert_eq!(r.real_address(PagePair::ALL[0]), 0x1234_5000);
    }

    #[test]
    fn a_16m_page_must_lie_on_a_16m_boundary() {
        let [.., in_64k, in_16m] = PagePair::ALL;
        assert!(HpteR::from_raw(0x0300_0000).is_aligned(in_16m));
        assert!(!HpteR::from_raw(0x0310_0000).is_aligned(in_16m));
        assert!(HpteR::from_raw(0x0300_8000).is_aligned(in_64k));
        assert!(HpteR::from_raw(0x0300_f000).is_aligned(PagePair::ALL[0]));
    }

    #[test]
    fn a_new_entry_matches_its_page_under_its_own_hash_only() {
        for pair in PagePair::ALL {
            let page = Vpn::new(0x1234, SegmentSize::Size1T, pair.base(), 0x12_3456_7000);
            for secondary in [false, true] {
                let v = HpteV::new(page, pair, secondary);
                let (mask, value) = HpteV::matching(page, secondary);
                assert_eq!(v.raw() & mask, value);
                assert_ne!(v.raw() & mask, HpteV::matching(page, !secondary).1);
                assert_ne!(v.with_valid(false).raw() & mask, value);
            }
        }
    }
}
