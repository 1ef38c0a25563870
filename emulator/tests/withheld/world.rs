//! A processor with its seat, and those who take memory from it.

use std::ops::Range;
use std::slice;
use std::sync::Arc;

use emulator::{Compile, Cpu, Exit, Line, Shared, Timebase};
use hpt::{
    Abandoned, Announced, Current, Endless, Footprint, Frames, Hpt, Kick, Listener, Notifier, Order, Patience,
    Protection, RealKind, RealMap, Right, Shootdown, Table, Why,
};
use power::hpte::HpteV;
use power::insn::{Endian, assemble};
use power::msr::Msr;
use power::page::{PagePair, SegmentSize, Vpn};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Bytes of RAM: a page of 16 MiB has the second half.
const RAM: u64 = 0x200_0000;
/// Where the tests' code is.
pub const CODE: u64 = 0x8000;
/// Where data is: the first byte of a page of 16 MiB.
pub const DATA: u64 = 0x100_0000;
/// What is translated is at these effective addresses.
const CODE_SEGMENT: u64 = 0x1000_0000;
const DATA_SEGMENT: u64 = 0x2000_0000;

/// How a processor gets at code and data, and executes the code.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// MSR\[IR\].
    pub code: bool,
    /// MSR\[DR\], and by what pages.
    pub data: Option<PagePair>,
    pub compile: Compile,
}

impl Way {
    /// Real mode, translated by pages of each size, and either half of it, interpreted and compiled.
    pub fn all() -> impl Iterator<Item = Self> {
        let data = [None].into_iter().chain(PagePair::ALL.map(Some));
        let memory = data.flat_map(|data| [false, true].map(|code| (code, data)));
        memory.flat_map(|(code, data)| [Compile::Never, Compile::AtOnce].map(|compile| Self { code, data, compile }))
    }

    fn msr(self) -> Msr {
        let ir = if self.code { Msr::IR } else { 0 };
        let dr = if self.data.is_some() { Msr::DR } else { 0 };
        Msr::from_raw(Msr::SF | Msr::ME | Msr::FP | Msr::VEC | Msr::VSX | ir | dr)
    }

    /// The effective address of real address `real` as code.
    pub fn code_at(self, real: u64) -> u64 {
        if self.code { CODE_SEGMENT + real } else { real }
    }

    /// The effective address of real address `real` as data.
    pub fn data_at(self, real: u64) -> u64 {
        if self.data.is_some() {
            DATA_SEGMENT + real - DATA
        } else {
            real
        }
    }
}

/// The machine and its processor.
pub struct World {
    memory: Arc<GuestMemoryMmap<()>>,
    pub hpt: Arc<Hpt>,
    pub notifier: Arc<Notifier>,
    pub frames: Arc<Frames>,
    pub protection: Protection,
    shootdown: Arc<Shootdown>,
    pub shared: Arc<Shared>,
    pub cpu: Cpu,
    pub way: Way,
}

/// All real addresses are memory.
struct Space;

impl RealMap for Space {
    fn kind(&self, _: u64, _: u64) -> Option<RealKind> {
        Some(RealKind::Ram)
    }
    fn zero(&self, _: u64, _: u64) {}
    fn synchronize_instructions(&self, _: u64, _: u64) {}
}

struct Ring(Arc<Line>);

impl Kick for Ring {
    fn kick(&self) {
        self.0.ring();
    }
}

/// Speaks for the processor.
struct Forgetting {
    hpt: Arc<Hpt>,
    shared: Arc<Shared>,
}

impl Listener for Forgetting {
    fn start(&self, announced: &Announced, patience: &dyn Patience) -> Result<(), Abandoned> {
        let ranges = slice::from_ref(&announced.range);
        self.hpt.unmapper().unmap(ranges.iter().cloned(), patience)?;
        Ok(())
    }

    fn end(&self, announced: &Announced) {
        if announced.why == Why::Discard {
            let Range { start, end } = announced.range;
            self.shared.written(start, end - start);
        }
    }
}

/// What an instruction may change: registers, and the memory that the tests use.
#[derive(Clone, PartialEq, Eq)]
pub struct State {
    regs: Vec<u64>,
    vsr: Vec<u128>,
    memory: Vec<u8>,
}

impl World {
    /// A processor that gets at memory in that `way`, with `program` at [`CODE`].
    pub fn new(way: Way, program: &str) -> Self {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), RAM as usize)]).expect("memory can be mapped");
        let memory = Arc::new(memory);
        let notifier = Notifier::new(std::iter::once(0..RAM).collect());
        let frames = Arc::new(Frames::new(RAM, Arc::clone(&notifier)));
        let table = Table::new(Order::MIN).and_then(|table| table.with_reverse_map(RAM));
        let table = Current::new(table.expect("a small table can be made"));
        let shared = Shared::new(
            Arc::clone(&memory),
            Arc::clone(&frames),
            Arc::clone(&table),
            Timebase::new(),
        );
        let (line, footprint) = (Arc::<Line>::default(), Arc::<Footprint>::default());
        let kick: Box<dyn Kick> = Box::new(Ring(Arc::clone(&line)));
        let shootdown = Arc::new(Shootdown::with_footprints(vec![(kick, Arc::clone(&footprint))]));
        let hpt = Arc::new(Hpt::new(table, Box::new(Space), Box::new(Arc::clone(&shootdown))));
        let listener = Forgetting {
            hpt: Arc::clone(&hpt),
            shared: Arc::clone(&shared),
        };
        let registration = notifier
            .register(Arc::new(listener), &Endless)
            .expect("there is memory");
        // For as long as the notifier.
        std::mem::forget(registration);
        let mut world = Self {
            cpu: Cpu::new(0, Arc::clone(&shared), line, footprint),
            shared,
            memory,
            hpt,
            notifier,
            protection: frames.protect(None).expect("there is memory"),
            frames,
            shootdown,
            way,
        };
        world.cpu.set_compile(way.compile);
        world.write_code(CODE, program);
        world.map_all();
        world
    }

    fn map_all(&mut self) {
        let small = PagePair::ALL[0];
        for frame in 0..4 {
            self.map(1, small, CODE + (frame << 12), CODE + (frame << 12));
        }
        self.write_code(0x7000, "slbmte 3,4; sc 1");
        self.add_segment(CODE_SEGMENT, 1, small, 0);
        let Some(pair) = self.way.data else { return };
        // An entry for each page of the segment's base size, whatever it maps.
        for offset in (0..0x4000).step_by(pair.base().bytes() as usize) {
            self.map(2, pair, offset, DATA + (offset & !pair.actual().offset_mask()));
        }
        self.add_segment(DATA_SEGMENT, 2, pair, 1);
    }

    fn map(&self, vsid: u64, pair: PagePair, offset: u64, real: u64) {
        let page = Vpn::new(vsid, SegmentSize::Size256M, pair.base(), offset);
        let group = page.hash() & (Order::MIN.groups() - 1);
        let encoding = if pair.is_large() { pair.encoding() << 12 } else { 0 };
        let v = HpteV::new(page, pair, false).raw();
        let entered = self.hpt.port().enter(0, group * 8, v, real | encoding | 0x12);
        entered.expect("there is room in the table");
    }

    fn add_segment(&mut self, ea: u64, vsid: u64, pair: PagePair, index: u64) {
        self.cpu.set_gpr(3, vsid << 12 | pair.base().slb_encoding());
        self.cpu.set_gpr(4, ea | 1 << 27 | index);
        let r3 = self.cpu.gpr(3);
        self.cpu.start(0x7000, r3, Msr::from_raw(Msr::SF | Msr::ME));
        assert_eq!(self.go_on(), Exit::Hypercall);
    }

    /// Writes instructions, telling nobody.
    pub fn write_code(&self, real: u64, text: &str) {
        let program = assemble(text, real, Endian::Big).expect("the test's code is well-formed");
        self.memory
            .write_slice(&program.bytes, GuestAddress(real))
            .expect("the machine has memory there");
    }

    /// Sets registers and data to what each test begins with, and the processor to the start of the program.
    pub fn rewind(&mut self) {
        let core = self.cpu.core_mut();
        core.regs.set_cr(0);
        for n in 0..48 {
            core.regs[n] = 0;
        }
        for n in 0..64_u8 {
            core.vsu.vsr[usize::from(n)] = 0x0123_4567_89ab_cdef_1122_3344_5566_7788 ^ u128::from(n);
        }
        let data: Vec<u8> = (0..0x2000_u32).map(|n| (n * 7 / 8) as u8).collect();
        self.memory
            .write_slice(&data, GuestAddress(DATA))
            .expect("the machine has memory there");
        let at = self.way.data_at(DATA);
        for (n, value) in [
            (4, 0x8877_6655_4433_2211),
            (5, at + 0x100),
            (6, 0x10),
            (7, at + 0xffc),
            (8, at + 0xff8),
            (9, at + 0xf0),
            (12, at + 0x101),
        ] {
            self.cpu.set_gpr(n, value);
        }
        self.cpu.start(self.way.code_at(CODE), 0, self.way.msr());
    }

    /// Runs the processor from where it is.
    pub fn go_on(&mut self) -> Exit {
        loop {
            let seat = self.shootdown.seat(0);
            seat.enter(|invalidation| self.cpu.invalidate(invalidation));
            let exit = self.cpu.run();
            seat.leave();
            if exit != Exit::Attention {
                return exit;
            }
        }
    }

    /// Runs the program from its start.
    pub fn run(&mut self) -> Exit {
        self.rewind();
        self.go_on()
    }

    pub fn narrow(&self, frame: u64, right: Right) {
        let taken = self.protection.take(frame..frame + 0x1000, right, &Endless);
        taken.expect("nobody gives up");
    }

    /// The frames that were stored to since the last time.
    pub fn harvest(&self) -> Vec<Range<u64>> {
        let log = self.frames.harvest(&mut self.hpt.unmapper(), &Endless);
        log.expect("nobody gives up").ranges().collect()
    }

    pub fn state(&mut self) -> State {
        let mut memory = vec![0; 0x2000];
        self.memory
            .read_slice(&mut memory, GuestAddress(DATA))
            .expect("the machine has memory there");
        let core = self.cpu.core_mut();
        State {
            regs: (0..48).map(|n| core.regs[n]).collect(),
            vsr: core.vsu.vsr.to_vec(),
            memory,
        }
    }
}
