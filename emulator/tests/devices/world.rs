//! A processor with a device, whose registers are bytes that stay as they are stored, and an account of every access to it.

use std::sync::Arc;

use emulator::{Compile, Cpu, Exit, Line, Outside};
use power::insn::{Endian, assemble};
use power::model::Model;
use power::msr::{Msr, lpcr};
use power::page::{PagePair, SegmentSize};

use crate::machine::{Machine, STOP, segment};

/// Where the tests' code is.
pub const CODE: u64 = 0x3000;
/// Memory that is used as the device's registers are.
const MEMORY: u64 = 0x2_0000;
/// The device's first byte.
pub const DEVICE: u64 = 1 << 48;
/// Bytes of the device, and of that memory.
pub const SIZE: u64 = 0x1000;
/// What is translated is at this effective address, and memory after it.
const SEGMENT: u64 = 0x2000_0000;

/// What a program accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Memory, as far as there are bytes of the device.
    Memory,
    /// The device.
    Device,
}

/// How it gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub little: bool,
    pub translated: bool,
    pub compile: Compile,
}

impl Way {
    /// Either byte order, in real mode and not, interpreted and compiled.
    pub fn all() -> impl Iterator<Item = Self> {
        let all = [(false, false), (false, true), (true, false), (true, true)];
        all.into_iter().flat_map(|(little, translated)| {
            [Compile::Never, Compile::AtOnce].map(|compile| Self {
                little,
                translated,
                compile,
            })
        })
    }

    fn msr(self) -> Msr {
        let little = if self.little { Msr::LE } else { 0 };
        let translated = if self.translated { Msr::DR } else { 0 };
        Msr::from_raw(Msr::SF | Msr::ME | Msr::FP | Msr::VEC | Msr::VSX | little | translated)
    }
}

/// An access that the device has seen: whether it was a store, its offset, and its size.
pub type Seen = (bool, u64, usize);

/// What a program may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    regs: Vec<u64>,
    vsr: Vec<u128>,
    bytes: Vec<u8>,
}

/// There is a device.
struct Window;

impl Outside for Window {
    fn is_device(&self, real: u64) -> bool {
        (DEVICE..DEVICE + SIZE).contains(&real)
    }
}

/// The machine, its processor and its device.
pub struct World {
    pub machine: Machine,
    pub cpu: Cpu,
    pub line: Arc<Line>,
    pub seen: Vec<Seen>,
    pub registers: Vec<u8>,
    place: Place,
    way: Way,
    /// Where the table has the pages of [`SEGMENT`].
    entries: Vec<u64>,
}

impl World {
    /// A machine with `program` at [`CODE`], which accesses that `place` in that `way`.
    pub fn new(way: Way, place: Place, program: &str) -> Self {
        let machine = Machine::of_model(Model::Power9, 0x10_0000).with_compile(way.compile);
        machine.shared.set_outside(Box::new(Window));
        machine.stop_at_vectors(way.little);
        machine.shared.set_lpcr(if way.little { lpcr::ILE } else { 0 });
        let order = if way.little { Endian::Little } else { Endian::Big };
        let code = assemble(program, CODE, order).expect("the test's code is well-formed");
        machine.write(CODE, &code.bytes);
        machine.write_code(CODE + code.bytes.len() as u64, &[STOP], way.little);
        let (cpu, line) = machine.cpu(0);
        let mut world = Self {
            machine,
            cpu,
            line,
            seen: Vec::new(),
            registers: Vec::new(),
            place,
            way,
            entries: Vec::new(),
        };
        world.add_segment();
        world.map();
        world.rewind();
        world
    }

    fn add_segment(&mut self) {
        let order = if self.way.little { Endian::Little } else { Endian::Big };
        let code = assemble("slbmte 3,4; sc 1", 0x2f00, order).expect("it is right");
        self.machine.write(0x2f00, &code.bytes);
        let (rs, rb) = segment(SEGMENT, 1, PagePair::ALL[0], 0);
        let little = if self.way.little { Msr::LE } else { 0 };
        self.cpu.set_gpr(4, rb);
        self.cpu.start(0x2f00, rs, Msr::from_raw(Msr::SF | Msr::ME | little));
        assert_eq!(self.cpu.run(), Exit::Hypercall);
    }

    /// Puts the pages into the table: that of the place, and one of memory after it.
    pub fn map(&mut self) {
        let pages = [(0, self.real()), (SIZE, MEMORY + SIZE)];
        let machine = &self.machine;
        let map = |(offset, real)| machine.map(1, SegmentSize::Size256M, PagePair::ALL[0], offset, real, 2);
        self.entries = pages.map(map).into();
    }

    /// Takes them out, which the processor hears.
    pub fn unmap(&mut self) {
        self.entries.drain(..).for_each(|at| self.machine.unmap(at));
        self.cpu.invalidate(&hpt::Invalidation::All);
    }

    fn real(&self) -> u64 {
        match self.place {
            Place::Memory => MEMORY,
            Place::Device => DEVICE,
        }
    }

    /// Effective address of the place.
    pub fn base(&self) -> u64 {
        if self.way.translated { SEGMENT } else { self.real() }
    }

    /// Sets registers and bytes to what each test begins with, and the processor to the start of the program.
    pub fn rewind(&mut self) {
        let base = self.base();
        let core = self.cpu.core_mut();
        core.regs.set_cr(0);
        (0..48).for_each(|n| core.regs[n] = 0);
        for n in 0..64 {
            core.vsu.vsr[n] = 0x0123_4567_89ab_cdef_1122_3344_5566_7788_u128.rotate_left(3 * n as u32);
        }
        for (n, value) in [
            (4, 0x8877_6655_4433_2211),
            (5, base + 0x100),
            (6, 0x10),
            (7, base + SIZE - 8),
            (8, base + 0x101),
            (9, base + 0xf0),
            // A length of ten bytes.
            (10, 10 << 56),
        ] {
            core.regs[n] = value;
        }
        self.registers = (0..SIZE).map(|n| (n * 37 / 8) as u8 ^ 0x80).collect();
        self.machine.write(MEMORY, &self.registers);
        self.machine.write(MEMORY + SIZE, &[0; 0x1000]);
        self.seen.clear();
        self.cpu.start(CODE, 0, self.way.msr());
    }

    /// The processor with these bits of the MSR as well.
    pub fn start_with(&mut self, msr: u64) {
        self.cpu.start(CODE, 0, Msr::from_raw(self.way.msr().raw() | msr));
    }

    /// Runs the processor from where it is until something else comes than a device can answer.
    pub fn go_on(&mut self) -> Exit {
        loop {
            let exit = self.cpu.run();
            if !self.serve(&exit) && exit != Exit::Attention {
                return exit;
            }
        }
    }

    /// Has the device answer, if that is what the processor left for.
    pub fn serve(&mut self, exit: &Exit) -> bool {
        match exit {
            &Exit::Load { real, bytes } => {
                let at = (real - DEVICE) as usize;
                self.seen.push((false, real - DEVICE, bytes));
                self.cpu.answer(&self.registers[at..at + bytes]);
            }
            Exit::Store { real, operand } => {
                let (at, bytes) = ((real - DEVICE) as usize, operand.as_bytes());
                self.seen.push((true, real - DEVICE, bytes.len()));
                self.registers[at..at + bytes.len()].copy_from_slice(bytes);
            }
            _ => return false,
        }
        true
    }

    /// Registers, those that are addresses from the start of the place, and the bytes there.
    pub fn state(&mut self) -> State {
        let bytes = match self.place {
            Place::Memory => self.machine.read::<{ SIZE as usize }>(MEMORY).to_vec(),
            Place::Device => self.registers.clone(),
        };
        let base = self.base();
        let core = self.cpu.core_mut();
        let mut regs: Vec<u64> = (0..48).map(|n| core.regs[n]).collect();
        for address in [5, 7, 8, 9] {
            regs[address] = regs[address].wrapping_sub(base);
        }
        let vsr = core.vsu.vsr.to_vec();
        State { regs, vsr, bytes }
    }
}
