//! `H_ENTER`: adds an entry (LoPAR, Logical Partitioning Option, H_ENTER).

use power::hcall::{Status, access};
use power::hpte::{HpteR, HpteV};
use power::page::{PagePair, PageSize};

use crate::flags::{self, CHECKSUM, COMPRESSION, ENTER_HINTS, USAGE_HINTS};
use crate::table::Hpte;
use crate::{Port, PteIndex, RealKind};

/// Not "copy page", which LoPAR lists for H_PAGE_INIT only: this call has no operand for what to copy.
const KNOWN: u64 = access::EXACT
    | access::ICACHE_INVALIDATE
    | access::ICACHE_SYNCHRONIZE
    | access::ZERO_PAGE
    | COMPRESSION
    | CHECKSUM
    | ENTER_HINTS
    | USAGE_HINTS;

/// Flags that work on the page's content, which only pages up to 64 KiB allow.
const CONTENT: u64 = access::ZERO_PAGE | access::ICACHE_INVALIDATE | access::ICACHE_SYNCHRONIZE;

/// W, I, M and G of memory: coherent and cached. Strong access order (1110) is an option that this platform does
/// not have.
const WIMG_MEMORY: u64 = 0b0010;
/// What the WIMG of a device must be: not W, but I.
const WIMG_DEVICE: (u64, u64) = (0b1100, 0b0100);

impl Port {
    /// `H_ENTER`: puts an entry of doublewords `v` and `r` into the group of `ptex`, or with
    /// [`access::EXACT`] at `ptex`; returns where.
    ///
    /// # Errors
    /// `Parameter` for arguments that are out of range or contradict each other, `TooBig` for work on
    /// the content of a page over 64 KiB, `PtegFull` without a free slot, `Function` for compression.
    pub fn enter(&mut self, flags: u64, ptex: u64, v: u64, r: u64) -> Result<PteIndex, Status> {
        let port = self.begin();
        flags::check(flags, KNOWN)?;
        let at = port.index(ptex)?;
        let new = Hpte {
            v: HpteV::from_guest(v).with_valid(true),
            r: HpteR::from_guest(r),
        };
        let page = port.check_entry(new)?;
        if flags & CONTENT != 0 && page.size > PageSize::Size64K {
            return Err(Status::TooBig);
        }
        flags::refuse_compression(flags)?;
        if page.kind == RealKind::Ram {
            port.prepare(flags, page);
        }
        let slot = if flags & access::EXACT != 0 {
            port.table().try_claim(at)
        } else {
            port.table().try_claim_first(&at.block::<8>())
        };
        let Some(slot) = slot else {
            port.counters.group_full.add(1);
            return Err(Status::PtegFull);
        };
        let at = slot.at();
        slot.fill(new);
        port.counters.entered.add(1);
        port.counters.entered_secondary.add(u64::from(new.v.is_secondary()));
        if let Some(report) = &port.hpt.duplicates {
            port.check_duplicates(at, report);
        }
        Ok(at)
    }

    /// Whether [`Self::enter`] with these `flags` waits for nobody, so that a processor in its [`Seat`](crate::Seat) may call it: whoever it
    /// waited for might wait for it to leave.
    ///
    /// A free slot is only tried, and the locks of a head of the reverse map and of the current table are held for a few steps. What may
    /// wait is work on the content of a page, and the search for duplicates.
    pub fn enters_inside(&self, flags: u64) -> bool {
        flags & !access::EXACT == 0 && self.hpt.duplicates.is_none()
    }

    /// Works on the content of a page of memory as the flags ask.
    fn prepare(&self, flags: u64, page: RealPage) {
        let bytes = page.size.bytes();
        if flags & access::ZERO_PAGE != 0 {
            self.hpt.real.zero(page.real, bytes);
        }
        if flags & (access::ICACHE_INVALIDATE | access::ICACHE_SYNCHRONIZE) != 0 {
            self.hpt.real.synchronize_instructions(page.real, bytes);
        }
    }

    /// Whether an entry may be in the table, and what it maps.
    fn check_entry(&self, new: Hpte) -> Result<RealPage, Status> {
        let Hpte { v, r } = new;
        v.segment().ok_or(Status::Parameter)?;
        let pair = PagePair::decode(v.is_large(), r.lp()).ok_or(Status::Parameter)?;
        if !r.is_aligned(pair) {
            return Err(Status::Parameter);
        }
        let (real, size) = (r.real_address(pair), pair.actual());
        let kind = self.hpt.real.kind(real, size.bytes()).ok_or(Status::Parameter)?;
        let legal = match kind {
            RealKind::Ram => r.wimg() == WIMG_MEMORY,
            RealKind::Device => r.wimg() & WIMG_DEVICE.0 == WIMG_DEVICE.1,
        };
        if legal {
            Ok(RealPage { real, size, kind })
        } else {
            Err(Status::Parameter)
        }
    }
}

/// What an entry maps.
#[derive(Clone, Copy)]
struct RealPage {
    real: u64,
    size: PageSize,
    kind: RealKind,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Asked, DEVICE, Machine, RAM_END, page, r, v};

    const SMALL: PagePair = PagePair::ALL[0];
    const MIDDLE: PagePair = PagePair::ALL[3];
    const LARGE: PagePair = PagePair::ALL[5];

    fn enter(machine: &Machine, flags: u64, ptex: u64, v: u64, r: u64) -> Result<u64, Status> {
        machine.port().enter(flags, ptex, v, r).map(PteIndex::to_register)
    }

    #[test]
    fn the_first_free_slot_of_the_group_is_taken() {
        let machine = Machine::new();
        let (v, r) = (v(page(1, SMALL), SMALL), r(0x5000, SMALL));
        for slot in 0..8 {
            assert_eq!(enter(&machine, 0, 16 + 5, v, r), Ok(16 + slot));
        }
        assert_eq!(enter(&machine, 0, 16, v, r), Err(Status::PtegFull));
        machine.port().remove(0, 18, 0).unwrap();
        assert_eq!(enter(&machine, 0, 16, v, r), Ok(18));
    }

    #[test]
    fn exact_means_this_slot_or_none() {
        let machine = Machine::new();
        let (v, r) = (v(page(1, SMALL), SMALL), r(0x5000, SMALL));
        assert_eq!(enter(&machine, access::EXACT, 21, v, r), Ok(21));
        assert_eq!(enter(&machine, access::EXACT, 21, v, r), Err(Status::PtegFull));
    }

    #[test]
    fn the_entry_is_valid_and_without_the_hypervisors_bits() {
        let machine = Machine::new();
        let plain = v(page(1, SMALL), SMALL);
        let at = machine
            .port()
            .enter(0, 0, (plain & !1) | 0x78, r(0x5000, SMALL) | (1 << 62))
            .unwrap();
        let entry = machine.hpt.table().read(at);
        assert_eq!(entry.v.raw(), plain | 0x18);
        assert_eq!(entry.r.raw(), r(0x5000, SMALL));
    }

    #[test]
    fn a_ptex_past_the_end_is_h_parameter() {
        let machine = Machine::new();
        let (v, r) = (v(page(1, SMALL), SMALL), r(0x5000, SMALL));
        assert_eq!(enter(&machine, 0, 1 << 14, v, r), Err(Status::Parameter));
        assert_eq!(enter(&machine, 0, u64::MAX, v, r), Err(Status::Parameter));
    }

    #[test]
    fn a_reserved_segment_or_page_size_is_h_parameter() {
        let machine = Machine::new();
        let (v, r) = (v(page(1, MIDDLE), MIDDLE), r(0x1_0000, MIDDLE));
        for b in [2, 3] {
            let v = (v & !(3 << 62)) | (b << 62);
            assert_eq!(enter(&machine, 0, 0, v, r), Err(Status::Parameter));
        }
        assert_eq!(enter(&machine, 0, 0, v, r ^ 0x3000), Err(Status::Parameter));
    }

    #[test]
    fn every_byte_of_the_page_must_be_there() {
        let machine = Machine::new();
        let cases = [(SMALL, 0x1000), (MIDDLE, 0x1_0000), (LARGE, 0x100_0000)];
        for (pair, bytes) in cases {
            let v = v(page(0, pair), pair);
            assert!(enter(&machine, 0, 0, v, r(RAM_END - bytes, pair)).is_ok());
            assert_eq!(enter(&machine, 0, 0, v, r(RAM_END, pair)), Err(Status::Parameter));
        }
        let v = v(page(0, LARGE), LARGE);
        assert_eq!(
            enter(&machine, 0, 0, v, r(0x10_0000, LARGE)),
            Err(Status::Parameter),
            "unaligned"
        );
        let device = (DEVICE | 0x28) | (LARGE.encoding() << 12);
        assert_eq!(
            enter(&machine, 0, 0, v, device),
            Err(Status::Parameter),
            "1 MiB of device"
        );
    }

    /// LoPAR: memory 0010 (1110 would be strong access order, which is not offered); I/O 01**.
    #[test]
    fn wimg_must_suit_what_is_there() {
        let machine = Machine::new();
        let v = v(page(1, SMALL), SMALL);
        for wimg in 0..16_u64 {
            let memory = enter(&machine, access::EXACT, wimg, v, 0x5002 | (wimg << 3));
            assert_eq!(memory.is_ok(), wimg == 0b0010, "memory {wimg:04b}");
            let device = enter(&machine, access::EXACT, 16 + wimg, v, DEVICE | 2 | (wimg << 3));
            assert_eq!(device.is_ok(), (4..8).contains(&wimg), "device {wimg:04b}");
        }
    }

    #[test]
    fn the_content_of_memory_is_prepared_as_asked() {
        let machine = Machine::new();
        let (v, real) = (v(page(1, MIDDLE), MIDDLE), r(0x3_0000, MIDDLE));
        let flags = access::ZERO_PAGE | access::ICACHE_SYNCHRONIZE;
        enter(&machine, flags, 0, v, real).unwrap();
        let expected = [Asked::Zero(0x3_0000, 0x1_0000), Asked::Synchronize(0x3_0000, 0x1_0000)];
        assert_eq!(machine.asked(), expected);
        let small = crate::testing::v(page(1, SMALL), SMALL);
        enter(&machine, flags, 0, small, DEVICE | 0x2a).unwrap();
        assert_eq!(machine.asked(), [], "a device has no content");
    }

    #[test]
    fn the_content_of_a_16m_page_is_too_big() {
        let machine = Machine::new();
        let (v, r) = (v(page(0, LARGE), LARGE), r(0, LARGE));
        for flag in [access::ZERO_PAGE, access::ICACHE_INVALIDATE, access::ICACHE_SYNCHRONIZE] {
            assert_eq!(enter(&machine, flag, 0, v, r), Err(Status::TooBig));
        }
        assert_eq!(machine.asked(), []);
    }

    #[test]
    fn unknown_flags_are_refused_and_hints_are_not() {
        let machine = Machine::new();
        let (v, r) = (v(page(1, SMALL), SMALL), r(0x5000, SMALL));
        for flag in [1_u64 << 63, access::AVPN, access::READ_4, access::COPY_PAGE, 1] {
            assert_eq!(enter(&machine, flag, 0, v, r), Err(Status::Parameter), "{flag:#x}");
        }
        assert_eq!(enter(&machine, COMPRESSION, 0, v, r), Err(Status::Function));
        assert_eq!(enter(&machine, ENTER_HINTS | USAGE_HINTS | CHECKSUM, 0, v, r), Ok(0));
    }
}
