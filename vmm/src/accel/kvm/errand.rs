//! Errands: instructions of ours that a processor executes inside the guest, in real mode, from a page that the guest can
//! only read.
//!
//! *Flush.* `tlbie` is the one way to make KVM-PR drop the shadows of a page, on all processors, that costs the same however many
//! shadows there are: `madvise` on the page looks at each of them, and takes the page from the host's own table as well. KVM-PR
//! emulates `tlbie` for whoever executes it in the guest. So the processor in whose hypercall a page goes can be sent to execute one
//! for each page, and comes back by a hypercall of ours. `prices` knows when that is the better way.
//!
//! *Return.* Given registers with MSR\[FP\] or MSR\[TM\], `KVM_SET_REGS` loads the guest's floating-point and vector registers over
//! those of the calling thread. So a processor whose MSR has more than [`MSR_PLAIN`] is sent to an `rfid` that takes it there. SRR0 and
//! SRR1 are then what `sc 1` leaves in them on any machine (Power ISA v2.07B, Book III-S, 6.5.14).
//!
//! In real mode the kernel does not walk the table, so a processor on an errand counts as outside the guest. MSR\[EE\] is clear, and
//! the guest cannot store to the page. It has one way to get a processor off its errand: to map KVM's "magic page" over it, which
//! we do not see. Whoever comes back with another hypercall than ours is given up, and so is who has not come back when somebody rings
//! later; the guest harms itself alone.
//!
//! *Where.* `KVM_SET_REGS` leaves the segments of the translated guest in the processor, so the errand must not use an effective address
//! that the guest may have used. Real mode drops the four highest bits of an address; with [`ALIAS`] in them it is one that no
//! operating system uses.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::iter;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use hpt::{Batch, Grace, Invalidation, Shadow as _};
use kvm_bindings::kvm_regs;
use kvm_ioctls::{Error, VcpuExit, VcpuFd};
use kvm_ppc::{KvmMemory, MSR_PLAIN, MSR_POW, PpcVcpu as _};
use power::msr::Msr;
use power::page::PageSize;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use vm_memory::{Bytes as _, FileOffset, MmapRegion, VolatileMemory as _};

use super::engine::{Engine, is_interruption, lock};
use super::prices::{Prices, Way};
use super::shared::Shared;
use super::wire::KvmWire;

/// Real address of the page, far above any memory.
const PAGE: u64 = 1 << 46;
/// The highest bits of its effective address.
const ALIAS: u64 = 7 << 60;
/// `tlbie`s of one errand at most.
const MOST: usize = 64;
/// Where the lists of operands begin, in the page; one of [`MOST`] doublewords for each processor.
const LISTS: usize = 0x1000;
/// The page's size: lists for 64 processors, and a whole page of any host.
const BYTES: usize = 0x1_0000;

/// `ld r0, offset(r12)`.
const fn ld_r0_from_r12(offset: u32) -> u32 {
    0xe80c_0000 | offset
}
/// `tlbie r0, r0`.
const TLBIE_R0: u32 = 0x7c00_0264;
/// What KVM-PR takes for `sc 1` on every host.
const SC1: u32 = 0x7c00_0268;
const RFID: u32 = 0x4c00_0024;

/// The hypercall at the end of a flush: a number that nobody has given a meaning.
const DONE: u64 = 0xf7f4;

/// An errand takes microseconds; a host that runs others may make it seconds. Who rings after that finds a processor that has strayed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Address of the instructions for `count` `tlbie`s.
const fn flush(count: usize) -> u64 {
    (ALIAS | PAGE) + 8 * (MOST - count) as u64
}
/// Address of `rfid`.
const RETURN: u64 = flush(0) + 4;

/// The page.
#[derive(Debug)]
pub(super) struct Errands {
    ours: MmapRegion,
    guests: Arc<KvmMemory>,
}

impl Errands {
    /// The page, which is not part of a guest yet.
    pub(super) fn new() -> io::Result<Self> {
        let file = File::from(memfd_create("pteg-errands", MemfdFlags::CLOEXEC)?);
        file.set_len(BYTES as u64)?;
        let file = Arc::new(file);
        let map = |protection: ProtFlags| {
            let offset = FileOffset::from_arc(Arc::clone(&file), 0);
            let (protection, flags) = (protection.bits().cast_signed(), MapFlags::SHARED.bits().cast_signed());
            MmapRegion::<()>::build(Some(offset), BYTES, protection, flags).map_err(io::Error::other)
        };
        let ours = map(ProtFlags::READ | ProtFlags::WRITE)?;
        let flushes = (0..MOST as u32).flat_map(|number| [ld_r0_from_r12(8 * number), TLBIE_R0]);
        for (number, word) in flushes.chain([SC1, RFID]).enumerate() {
            store(&ours, 4 * number, &word.to_be_bytes());
        }
        Ok(Self {
            ours,
            guests: Arc::new(KvmMemory::new(map(ProtFlags::READ)?)),
        })
    }

    /// The page as the guest gets it, which cannot store to it, and the real address where it belongs.
    pub(super) fn place(&self) -> (&Arc<KvmMemory>, u64) {
        (&self.guests, PAGE)
    }

    /// Makes `operands` the last of the list of processor `server`; returns where the list begins.
    fn list(&self, server: usize, operands: &[u64]) -> u64 {
        let list = LISTS + 8 * MOST * server;
        for (place, operand) in (MOST - operands.len()..).zip(operands) {
            store(&self.ours, list + 8 * place, &operand.to_be_bytes());
        }
        (ALIAS | PAGE) + list as u64
    }
}

fn store(page: &MmapRegion, offset: usize, bytes: &[u8]) {
    let place = page.as_volatile_slice();
    place
        .write_slice(bytes, offset)
        .expect("the page has room for all processors");
}

/// Registers for a processor that is to go on with `regs`, but for POW, in which it would halt.
pub(super) fn going_on(regs: kvm_regs) -> kvm_regs {
    let msr = regs.msr & !MSR_POW;
    if msr & !MSR_PLAIN == 0 {
        return kvm_regs { msr, ..regs };
    }
    kvm_regs {
        pc: RETURN,
        msr: REAL_MODE,
        srr0: regs.pc,
        srr1: msr,
        ..regs
    }
}

/// Big-endian, without interrupts.
const REAL_MODE: u64 = Msr::SF | Msr::ME;

/// One processor's flushes by errand.
pub(super) struct Flusher {
    pub(super) shared: Arc<Shared>,
    pub(super) engine: Arc<Mutex<Engine>>,
    pub(super) wire: Arc<KvmWire>,
    pub(super) server: usize,
    pub(super) prices: RefCell<Prices>,
}

impl Flusher {
    /// Drops what `batch` names for all processors, in a hypercall of this one: by an errand, or as others do.
    pub(super) fn flush(&self, batch: &Batch) -> Grace {
        let pages = batch.len();
        let ram_bytes = self.shared.memory.size();
        let is_for_errands = batch.items().all(|item| can_be_named(item, ram_bytes));
        let way = if is_for_errands {
            self.prices.borrow_mut().choose(pages)
        } else {
            Way::Discard
        };
        let since = Instant::now();
        let grace = match way {
            Way::Errand if self.send(batch) => Grace {
                by_errand: true,
                ..Grace::default()
            },
            _ => self.shared.shootdown.flush(batch),
        };
        if is_for_errands {
            self.prices.borrow_mut().note(way, pages, since.elapsed());
        }
        grace
    }

    /// Has the processor execute a `tlbie` for each page of `batch`; whether it has done them all.
    fn send(&self, batch: &Batch) -> bool {
        let mut engine = lock(&self.engine);
        let mut operands = operands(batch);
        loop {
            let some: ArrayVec<_, MOST> = operands.by_ref().take(MOST).collect();
            if some.is_empty() {
                return true;
            }
            let list = self.shared.errands.list(self.server, &some);
            let done = self.run(&mut engine.vcpu, flush(some.len()), list);
            if engine.note("an errand", done).is_none() {
                return false;
            }
        }
    }

    /// Sends `vcpu` to `pc` with the `list`, and sets it back where it was.
    fn run(&self, vcpu: &mut VcpuFd, pc: u64, list: u64) -> Result<(), Error> {
        let regs = vcpu.get_regs()?;
        let there = kvm_regs {
            pc,
            msr: REAL_MODE,
            ..regs
        };
        vcpu.set_regs(&there)?;
        let call = vcpu.papr_hcall().ok_or_else(strayed)?;
        // The kernel completes the guest's hypercall first: r3 to r12 come from its answer.
        let mut results = [0; 9];
        results[8] = list;
        call.answer(DONE, &results);
        let since = Instant::now();
        loop {
            match vcpu.run() {
                Ok(VcpuExit::PaprHcall) => break,
                Ok(VcpuExit::Intr) => {}
                Err(error) if is_interruption(error) => {}
                Err(error) => return Err(error),
                Ok(_) => return Err(strayed()),
            }
            if since.elapsed() > PATIENCE {
                return Err(strayed());
            }
            // Whoever has rung has left a reason where it is found later.
            self.wire.answer();
        }
        let number = vcpu.papr_hcall().map(|call| call.number());
        if number != Some(DONE) {
            return Err(strayed());
        }
        vcpu.set_regs(&going_on(regs))
    }
}

/// The processor is not where it was sent.
fn strayed() -> Error {
    Error::new(Errno::NOEXEC.raw_os_error())
}

/// Whether a `tlbie` drops `item` and nothing that any processor needs, where guest memory has `ram_bytes`. It names pages; what was made without the
/// table goes by its real address.
///
/// KVM-PR compares the low 36 bits of the numbers of pages, where those of real mode have their real address, and nothing else: the first pages of
/// one in 256 segments of 1 TiB are called the same. The others would lose what they execute in real mode, interrupt handlers and errands, in whatever moment,
/// and Linux 6.12 may then take an instruction there for 0xffffffff (`CAVEATS.md`).
fn can_be_named(item: &Invalidation, ram_bytes: u64) -> bool {
    const COMPARED: u128 = (1 << 36) - 1;
    /// Within the largest page that a `tlbie` drops.
    const WITHIN: u128 = (1 << 12) - 1;
    let Invalidation::Page { page, .. } = item else {
        return false;
    };
    let real = (page.va_over_4k() & COMPARED & !WITHIN) << 12;
    real >= u128::from(ram_bytes) && real != u128::from(PAGE)
}

/// Pages of 4 KiB in what a `tlbie` of 64 KiB drops.
const NEIGHBOURS: usize = 16;
/// From so many of them on one `tlbie` drops them all, and others beside them. That many cost more than to map some others again.
const WORTH_IT: usize = 4;

/// The operands that drop what `batch` names. Pages of 4 KiB that follow each other in a batch, as Linux removes them, often lie in one
/// 64 KiB.
fn operands(batch: &Batch) -> impl Iterator<Item = u64> {
    let mut pages = batch.items().map(number_and_size).peekable();
    iter::from_fn(move || {
        let first = pages.next()?;
        let mut run = ArrayVec::<_, NEIGHBOURS>::from_iter([first]);
        while let Some(next) = pages.next_if(|&next| !run.is_full() && are_neighbours(first, next)) {
            run.push(next);
        }
        if run.len() >= WORTH_IT {
            run.clear();
            run.push((first.0, PageSize::Size64K));
        }
        Some(run.into_iter().flat_map(|(number, size)| of_page(number, size)))
    })
    .flatten()
}

/// The number of a page of 4 KiB, and how much around it goes.
fn number_and_size(page: &Invalidation) -> (u128, PageSize) {
    let Invalidation::Page { page, actual, .. } = page else {
        unreachable!("only pages are sent")
    };
    (page.va_over_4k(), *actual)
}

fn are_neighbours(one: (u128, PageSize), other: (u128, PageSize)) -> bool {
    let large = |(number, size)| (size == PageSize::Size4K).then_some(number / NEIGHBOURS as u128);
    large(one).is_some() && large(one) == large(other)
}

/// RB for a page as KVM-PR reads it (Power ISA v2.07B, Book III-S, 5.9.3.3, as far as it goes there): the low 64 bits of the virtual
/// address, L, and for 64 KiB an LP of 1 above it. And once more as the page is called when MSR\[IR\] and MSR\[DR\] differ: KVM-PR puts the
/// number of its 256 MiB into the lowest bits of its virtual page number then.
fn of_page(number: u128, size: PageSize) -> [u64; 2] {
    const L: u64 = 1;
    const LP_64K: u64 = 0x1000;
    [number, number | number >> 16].map(|number| {
        let address = (number as u64) << 12;
        match size {
            PageSize::Size4K => address,
            PageSize::Size64K => address & !0xffff | LP_64K | L,
            PageSize::Size16M => address & !0xff_ffff | L,
        }
    })
}

#[cfg(test)]
mod tests {
    use power::page::{SegmentSize, Vpn};

    use super::*;

    fn words(errands: &Errands) -> Vec<u32> {
        let word = |number: usize| {
            let mut bytes = [0; 4];
            errands
                .ours
                .as_volatile_slice()
                .read_slice(&mut bytes, 4 * number)
                .unwrap();
            u32::from_be_bytes(bytes)
        };
        (0..2 * MOST + 2).map(word).collect()
    }

    #[test]
    fn a_flush_begins_so_far_before_its_end_as_it_has_pages() {
        let words = words(&Errands::new().unwrap());
        assert_eq!(flush(MOST), ALIAS | PAGE);
        for count in [0, 1, MOST] {
            let first = ((flush(count) - flush(MOST)) / 4) as usize;
            assert_eq!(words[first..].iter().filter(|&&word| word == TLBIE_R0).count(), count);
        }
        assert_eq!(words[((RETURN - flush(MOST)) / 4) as usize], RFID);
    }

    #[test]
    fn a_list_ends_where_the_instructions_expect_it() {
        let errands = Errands::new().unwrap();
        for server in [0, 63] {
            let list = errands.list(server, &[7, 8]);
            let mut last = [0; 16];
            let offset = (list - flush(MOST)) as usize + 8 * (MOST - 2);
            errands.ours.as_volatile_slice().read_slice(&mut last, offset).unwrap();
            assert_eq!(u128::from_be_bytes(last), 7 << 64 | 8);
            assert!(offset + 16 <= BYTES && list >= flush(MOST) + LISTS as u64);
        }
    }

    fn batch(pages: &[(PageSize, PageSize, u64)]) -> Batch {
        let mut batch = Batch::new();
        for &(base, actual, offset) in pages {
            batch.push(Invalidation::Page {
                page: Vpn::new(0x12_3456_789a, SegmentSize::Size256M, base, offset).align_to(actual),
                actual,
                real: 0,
            });
        }
        batch
    }

    #[test]
    fn the_operands_have_the_low_part_of_the_virtual_address_and_the_size() {
        let names = |base, actual, offset| operands(&batch(&[(base, actual, offset)])).collect::<Vec<_>>();
        use PageSize::{Size4K, Size16M, Size64K};
        // 78 bits of which 14 do not fit; and the segment's number over that of the page.
        let expected = [0x2345_6789_a123_5000, (0x12_3456_789a_1235_u64 | 0x12_3456_789a) << 12];
        assert_eq!(names(Size4K, Size4K, 0x123_5000), expected);
        assert_eq!(names(Size64K, Size64K, 0x123_5000)[0], 0x2345_6789_a123_1001);
        assert_eq!(names(Size16M, Size16M, 0x123_5000)[0], 0x2345_6789_a100_0001);
        assert_eq!(names(Size16M, Size16M, 0x123_5000)[1], expected[1] & !0xff_ffff | 1);
    }

    #[test]
    fn what_real_mode_calls_the_same_is_not_named() {
        const RAM: u64 = 128 << 20;
        let of = |vsid, segment, offset| Invalidation::Page {
            page: Vpn::new(vsid, segment, PageSize::Size4K, offset),
            actual: PageSize::Size4K,
            real: 0,
        };
        use SegmentSize::{Size1T, Size256M};
        for (item, expected) in [
            (of(0x1000, Size1T, 0), false),
            (of(0x1000, Size1T, RAM - 0x1000), false),
            (of(0x1000, Size1T, RAM), true),
            (of(0x1001, Size1T, 0), true),
            (of(0x1040, Size1T, 0), false),
            (of(0x1000, Size256M, 0), true),
            (of(0x10_0000, Size256M, 0), false),
            (Invalidation::All, false),
        ] {
            assert_eq!(can_be_named(&item, RAM), expected, "{item:?}");
            // As does any other operand for the same page.
            if let Invalidation::Page { page, .. } = item
                && expected
            {
                let sizes = [PageSize::Size4K, PageSize::Size64K, PageSize::Size16M];
                for operand in sizes.into_iter().flat_map(|size| of_page(page.va_over_4k(), size)) {
                    let (number, _) = number_and_mask(operand);
                    assert!(number << 12 >= RAM && number << 12 & !0xffff != PAGE, "{operand:#x}");
                }
            }
        }
    }

    /// KVM-PR's `tlbie`: the number of a page of 4 KiB and the bits of it that count.
    fn number_and_mask(operand: u64) -> (u64, u64) {
        let mask = match (operand & 1, operand & 0xf000) {
            (0, _) => 0xf_ffff_ffff,
            (_, 0x1000) => 0xf_ffff_fff0,
            _ => 0xf_ffff_f000,
        };
        (operand >> 12 & mask, mask)
    }

    #[test]
    fn every_page_of_a_batch_is_dropped_by_either_of_its_numbers() {
        use PageSize::{Size4K, Size64K};
        let small = |number: u64| (Size4K, Size4K, number << 12);
        let cases: [(Vec<_>, usize); 6] = [
            ((0..8).map(small).collect(), 2),
            ((5..24).map(small).collect(), 4),
            ([0, 1, 2, 16, 17, 18, 19, 3].map(small).to_vec(), 10),
            ([7; 40].map(small).to_vec(), 6),
            (
                vec![
                    small(0),
                    (Size64K, Size64K, 0),
                    small(1),
                    (Size4K, Size64K, 0x2_0000),
                    small(2),
                    small(3),
                ],
                12,
            ),
            (vec![small(0xffff), small(0x1_0000)], 4),
        ];
        for (run, count) in cases {
            let batch = batch(&run);
            let operands: Vec<_> = operands(&batch).collect();
            assert_eq!(operands.len(), count, "{run:?}");
            let drops = |page: u128| {
                let is_it = |&operand: &u64| {
                    let (number, mask) = number_and_mask(operand);
                    page as u64 & mask == number
                };
                operands.iter().any(is_it)
            };
            for (first, size) in batch.items().map(number_and_size) {
                for number in first..first + u128::from(size.bytes() >> 12) {
                    assert!(drops(number) && drops(number | number >> 16), "{run:?} {number:#x}");
                }
            }
        }
    }

    #[test]
    fn registers_that_the_kernel_may_not_be_given_go_another_way() {
        let plain = kvm_regs {
            pc: 0x1234,
            msr: MSR_PLAIN,
            srr0: 5,
            ..Default::default()
        };
        assert_eq!(going_on(plain), plain);
        let dozing = kvm_regs {
            msr: MSR_PLAIN | MSR_POW,
            ..plain
        };
        assert_eq!(going_on(dozing), plain);
        const TM: u64 = 1 << 32;
        for bit in [Msr::FP, TM] {
            let more = kvm_regs {
                msr: plain.msr | bit,
                ..plain
            };
            let there = going_on(more);
            assert_eq!((there.pc, there.msr & !MSR_PLAIN), (RETURN, 0));
            assert_eq!((there.srr0, there.srr1), (more.pc, more.msr));
        }
    }
}
