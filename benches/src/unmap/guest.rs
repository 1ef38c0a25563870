//! A guest whose emulated processors load from each page of its memory in turn, round and round.
//!
//! Its table is filled from here, and it makes no hypercalls. Each processor has a record of its own in memory, which it writes
//! after every load: how many it has made, and the longest time by its time base from one to the next. The memory that is unmapped
//! is not that of its code and records.

use std::iter::once;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use emulator::{Cpu, Exit, Line, Shared, TICKS_PER_SECOND, Timebase};
use hpt::{Current, Footprint, Frames, Hpt, Invalidation, Kick, Notifier, Order, Shootdown, Table};
use power::hpte::HpteV;
use power::insn::{Endian, assemble};
use power::msr::Msr;
use power::page::{PagePair, PageSize, SegmentSize, Vpn};
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryMmap};

use super::GIB;
use super::processor::Processor;
use super::world::{AllMemory, doubleword_1, pages_of};
use crate::pinning;

/// What is mapped, and unmapped: real addresses.
pub(super) const DATA: Range<u64> = 16 << 20..(16 << 20) + GIB;
const RAM: u64 = DATA.end;
/// The table of a guest with 1 GiB.
const ORDER: Order = Order::new(23).expect("it is in range");

/// Where the program is, and what makes its segments.
const CODE: u64 = 0x8000;
const MAKE_SEGMENT: u64 = 0x7000;
/// The first processor's record; each has a page for itself.
const RECORDS: u64 = 0x1_0000;
const RECORD_BYTES: u64 = 0x1000;

/// Effective addresses: of the segment with program and records, and of that with the data.
const CODE_SEGMENT: u64 = 0x1000_0000;
const DATA_SEGMENT: u64 = 1 << 40;
const CODE_VSID: u64 = 1;
const DATA_VSID: u64 = 2;

/// What a record has: loads made; the longest time between two; pages to load from, read before each round.
const LOADS: u64 = 0;
const LONGEST: u64 = 8;
const PAGES: u64 = 16;

/// r5 = the data, r6 = bytes of a page, r7 = rounds until a hypercall, or 0 for none, r8 = the record, r9 = the first page of the first
/// round, r10 = its pages.
const PROGRAM: &str = "
    mftb    13
    mtctr   10
    b       1f
2:  addic.  7,7,-1
    bne     4f
    sc      1
4:  mr      9,5
    ld      10,16(8)
    mtctr   10
1:  ld      11,0(9)
    add     9,9,6
    addi    15,15,1
    std     15,0(8)
    mftb    11
    subf    12,13,11
    mr      13,11
    ld      14,8(8)
    cmpld   12,14
    ble     3f
    std     12,8(8)
3:  bdnz    1b
    b       2b
";

/// The machine.
pub(super) struct Guest {
    memory: Arc<GuestMemoryMmap<()>>,
    shared: Arc<Shared>,
    pub(super) hpt: Arc<Hpt>,
    pub(super) shootdown: Arc<Shootdown>,
    lines: Vec<Arc<Line>>,
    footprints: Vec<Arc<Footprint>>,
    pair: PagePair,
    /// A processor will make no more loads.
    is_broken: AtomicBool,
}

struct Ring(Arc<Line>);

impl Kick for Ring {
    fn kick(&self) {
        self.0.ring();
    }
}

impl Guest {
    /// A machine with so many processors, all of whose [`DATA`] is mapped by pages of `size`.
    ///
    /// # Panics
    /// The host has no address space for it.
    pub(super) fn new(size: PageSize, processors: usize) -> Self {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), RAM as usize)]);
        let memory = Arc::new(memory.expect("the host has address space for it"));
        let notifier = Notifier::new(once(0..RAM).collect());
        let frames = Arc::new(Frames::new(RAM, notifier));
        let table = Table::new(ORDER).and_then(|table| table.with_reverse_map(RAM));
        let table = Current::new(table.expect("the host has address space for it"));
        let shared = Shared::new(Arc::clone(&memory), frames, Arc::clone(&table), Timebase::new());
        let lines: Vec<Arc<Line>> = (0..processors).map(|_| Arc::default()).collect();
        let footprints: Vec<Arc<Footprint>> = (0..processors).map(|_| Arc::default()).collect();
        let kicked = lines.iter().zip(&footprints).map(|(line, footprint)| {
            let kick: Box<dyn Kick> = Box::new(Ring(Arc::clone(line)));
            (kick, Arc::clone(footprint))
        });
        let shootdown = Arc::new(Shootdown::with_footprints(kicked.collect()));
        let hpt = Hpt::new(table, Box::new(AllMemory), Box::new(Arc::clone(&shootdown)));
        let guest = Self {
            memory,
            shared,
            hpt: Arc::new(hpt),
            shootdown,
            lines,
            footprints,
            pair: pages_of(size),
            is_broken: AtomicBool::new(false),
        };
        guest.write_code(CODE, PROGRAM);
        guest.write_code(MAKE_SEGMENT, "slbmte 3,4; sc 1");
        guest.map_all();
        guest
    }

    fn write_code(&self, real: u64, text: &str) {
        let program = assemble(text, real, Endian::Big).expect("the source is part of this program");
        let written = self.memory.write_slice(&program.bytes, GuestAddress(real));
        written.expect("there is memory");
    }

    fn map_all(&self) {
        let small = pages_of(PageSize::Size4K);
        for real in (0..RECORDS + RECORD_BYTES * self.lines.len() as u64).step_by(0x1000) {
            let page = Vpn::new(CODE_VSID, SegmentSize::Size256M, small.base(), real);
            self.enter(page, small, real);
        }
        for (number, real) in self.reals().enumerate() {
            self.enter(self.page(number as u64), self.pair, real);
        }
    }

    fn enter(&self, page: Vpn, pair: PagePair, real: u64) {
        let ptex = (page.hash() & (ORDER.groups() - 1)) * 8;
        let v = HpteV::new(page, pair, false).raw();
        let entered = self.hpt.port().enter(0, ptex, v, doubleword_1(pair, real));
        entered.expect("there is room");
    }

    /// How many pages the data has.
    pub(super) fn pages(&self) -> u64 {
        GIB >> self.pair.actual().shift()
    }

    /// Bytes of a page.
    pub(super) fn page_bytes(&self) -> u64 {
        self.pair.actual().bytes()
    }

    /// Real addresses of the data's pages.
    fn reals(&self) -> impl Iterator<Item = u64> + use<> {
        DATA.step_by(self.pair.actual().bytes() as usize)
    }

    fn page(&self, number: u64) -> Vpn {
        let offset = number << self.pair.base().shift();
        Vpn::new(DATA_VSID, SegmentSize::Size1T, self.pair.base(), offset)
    }

    /// The names of the data's pages, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = Invalidation> + '_ {
        self.reals().enumerate().map(|(number, real)| Invalidation::Page {
            page: self.page(number as u64),
            actual: self.pair.actual(),
            real,
        })
    }

    fn record(&self, processor: usize, field: u64) -> GuestAddress {
        GuestAddress(RECORDS + RECORD_BYTES * processor as u64 + field)
    }

    fn read(&self, processor: usize, field: u64) -> u64 {
        let value = self
            .memory
            .load::<u64>(self.record(processor, field), Ordering::Relaxed);
        u64::from_be(value.expect("there is memory"))
    }

    fn write(&self, processor: usize, field: u64, value: u64) {
        let at = self.record(processor, field);
        let written = self.memory.store(value.to_be(), at, Ordering::Relaxed);
        written.expect("there is memory");
    }

    /// Loads that a processor has made.
    fn loads(&self, processor: usize) -> u64 {
        self.read(processor, LOADS)
    }

    /// Loads that all have made.
    pub(super) fn all_loads(&self) -> u64 {
        (0..self.lines.len()).map(|processor| self.loads(processor)).sum()
    }

    /// From the next round on a processor loads from the first `pages` pages.
    pub(super) fn set_pages(&self, processor: usize, pages: u64) {
        self.write(processor, PAGES, pages);
    }

    /// The longest time between two loads of a processor since the last call, or else the start.
    pub(super) fn take_longest(&self) -> Duration {
        let of = |processor| {
            let ticks = self.read(processor, LONGEST);
            self.write(processor, LONGEST, 0);
            Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND as f64)
        };
        (0..self.lines.len()).map(of).max().unwrap_or_default()
    }

    /// Calls `work` while the processors run, each of which has been everywhere once. A single one has a processor of the host for itself, if
    /// there are two.
    pub(super) fn run<T>(&self, host: &[usize], work: impl FnOnce(&Self) -> T) -> T {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let _ending = Ending(self, &over);
            for processor in 0..self.lines.len() {
                self.set_pages(processor, self.pages());
                let over = &over;
                scope.spawn(move || {
                    if self.lines.len() == 1 {
                        pinning::stay_on(host[host.len() - 1]);
                    }
                    self.be(processor, over);
                });
            }
            for processor in 0..self.lines.len() {
                self.wait_for(processor, self.pages());
            }
            work(self)
        })
    }

    /// Returns when a processor has made so many loads since its start.
    fn wait_for(&self, processor: usize, loads: u64) {
        while self.loads(processor) < loads {
            assert!(!self.is_broken.load(Ordering::Relaxed), "a processor has failed");
            // Each look takes the record from the processor's cache.
            for _ in 0..256 {
                std::hint::spin_loop();
            }
            thread::yield_now();
        }
    }

    /// Is a processor until `over`.
    fn be(&self, number: usize, over: &AtomicBool) {
        let _noticed = Noticed(&self.is_broken);
        let mut processor = self.processor(number);
        while !over.load(Ordering::Relaxed) {
            let exit = processor.visit();
            assert!(exit == Exit::Attention, "processor {number}: {exit:?}");
        }
    }

    /// A processor at the start of the program. Each begins at another part of the data.
    pub(super) fn processor(&self, number: usize) -> Processor<'_> {
        let server = u32::try_from(number).expect("there are few");
        let line = Arc::clone(&self.lines[number]);
        let footprint = Arc::clone(&self.footprints[number]);
        let cpu = Cpu::new(server, Arc::clone(&self.shared), line, footprint);
        let mut processor = Processor::new(cpu, self.shootdown.seat(number));
        let code = pages_of(PageSize::Size4K).base().slb_encoding() | CODE_VSID << 12;
        let data = self.pair.base().slb_encoding() | DATA_VSID << 24 | 1 << 62;
        for (rs, rb) in [(code, CODE_SEGMENT | 1 << 27), (data, DATA_SEGMENT | 1 << 27 | 1)] {
            processor.cpu.set_gpr(4, rb);
            processor.cpu.start(MAKE_SEGMENT, rs, Msr::from_raw(Msr::SF | Msr::ME));
            processor.visit_until_hypercall();
        }
        let first = self.pages() * number as u64 / self.lines.len() as u64;
        for (register, value) in [
            (5, DATA_SEGMENT),
            (6, self.page_bytes()),
            (7, 0),
            (8, CODE_SEGMENT + self.record(number, 0).0),
            (9, DATA_SEGMENT + first * self.page_bytes()),
            (10, self.pages() - first),
            (15, 0),
        ] {
            processor.cpu.set_gpr(register, value);
        }
        let msr = Msr::from_raw(Msr::SF | Msr::ME | Msr::IR | Msr::DR);
        processor.cpu.start(CODE_SEGMENT + CODE, 0, msr);
        processor
    }
}

/// Who waits for a processor hears of its panic.
struct Noticed<'g>(&'g AtomicBool);

impl Drop for Noticed<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Ends the processors, also if the work panics.
struct Ending<'g>(&'g Guest, &'g AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
        self.0.lines.iter().for_each(|line| line.ring());
    }
}

#[cfg(test)]
mod tests {
    use hpt::{Endless, Unmapper};

    use super::*;

    #[test]
    fn processors_use_all_pages_and_lose_them_when_they_are_unmapped() {
        let guest = Guest::new(PageSize::Size64K, 2);
        assert_eq!(guest.names().count() as u64, guest.pages());
        guest.run(&pinning::allowed().unwrap(), |guest| {
            assert!(guest.all_loads() >= 2 * guest.pages());
            assert!(guest.take_longest() > Duration::ZERO);
            let mut unmapper = guest.hpt.unmapper();
            let all = unmapper.unmap([DATA], &Endless).unwrap();
            assert!(all.everything && all.untouched == 0, "{all:?}");
            let few = DATA.start..DATA.start + 100 * guest.page_bytes();
            let few = unmapper.unmap([few], &Endless).unwrap();
            assert_eq!((few.entries, few.untouched, few.everything), (100, 0, false));
            assert!(all.entries > Unmapper::EVERYTHING_AFTER);
            let before = guest.all_loads();
            guest.wait_for(0, guest.loads(0) + 1000);
            guest.wait_for(1, guest.loads(1) + 1000);
            assert!(guest.all_loads() >= before + 2000);
        });
    }

    #[test]
    fn a_processor_goes_as_many_rounds_as_it_is_told() {
        let guest = Guest::new(PageSize::Size4K, 1);
        let mut processor = guest.processor(0);
        guest.set_pages(0, 1000);
        processor.go(2);
        assert_eq!(guest.loads(0), guest.pages() + 2 * 1000);
        processor.go(1);
        assert_eq!(guest.loads(0), guest.pages() + 4 * 1000);
    }
}
