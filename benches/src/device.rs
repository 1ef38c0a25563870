//! The `device` benchmark: what a load or a store of a device's register costs an emulated processor, from the instruction to
//! the device and back. Beside it the least that a hypercall costs, and an access to memory.
//!
//! A processor with its seat executes a loop of one such instruction, and is run as `pteg run` does. The device does nothing.

use std::fmt;
use std::iter::once;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use devices::bus::{Bus, Registers};
use emulator::{Cpu, Exit, Line, Outside, Shared, Timebase};
use hpt::{Current, Footprint, Frames, Hpt, Kick, Notifier, Order, RealKind, RealMap, Shootdown, Table};
use power::hpte::HpteV;
use power::insn::{Endian, assemble};
use power::msr::Msr;
use power::page::{PagePair, SegmentSize, Vpn};
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryMmap};

use crate::error::Result;
use crate::pinning;
use crate::report::Report;
use crate::rounds::Results;
use crate::statistics::Samples;
use crate::table::Table as Figures;

/// How many times as many rounds as of a boot: one is short.
const TIMES: usize = 4;

/// Instructions of a sample.
const TURNS: u64 = 1 << 17;

const RAM: u64 = 1 << 20;
/// Where the program is, and what makes its segment.
const CODE: u64 = 0x8000;
const MAKE_SEGMENT: u64 = 0x7000;
/// Memory that is accessed as the device is.
const MEMORY: u64 = 0x1_0000;
/// The device's page.
const DEVICE: u64 = 1 << 40;
/// Their effective addresses: a segment with a page of each.
const SEGMENT: u64 = 0x2000_0000;
const DEVICE_PAGE: u64 = 0x1000;

/// What the loop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Memory,
    Load,
    Store,
    Vector,
    Hypercall,
}

impl Work {
    const ALL: [Self; 5] = [Self::Memory, Self::Load, Self::Store, Self::Vector, Self::Hypercall];

    /// r5 is the memory, r6 the device.
    fn instruction(self) -> &'static str {
        match self {
            Self::Memory => "lwbrx 3,0,5",
            Self::Load => "lwbrx 3,0,6",
            Self::Store => "stwbrx 3,0,6",
            Self::Vector => "lxvw4x 1,0,6",
            Self::Hypercall => "sc 1",
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "load of memory",
            Self::Load => "load of a device",
            Self::Store => "store to a device",
            Self::Vector => "load of four words of a device at once",
            Self::Hypercall => "hypercall that does nothing",
        })
    }
}

/// Registers that are always the same.
struct Constant;

impl Registers for Constant {
    fn load(&self, _offset: u64, into: &mut [u8]) {
        into.fill(0x11);
    }

    fn store(&self, _offset: u64, _from: &[u8]) {}
}

struct OnBus(Arc<Bus>);

impl Outside for OnBus {
    fn is_device(&self, real: u64) -> bool {
        self.0.contains(real, 1)
    }
}

struct Ring(Arc<Line>);

impl Kick for Ring {
    fn kick(&self) {
        self.0.ring();
    }
}

/// All that is no memory is a device's.
struct Space;

impl RealMap for Space {
    fn kind(&self, real: u64, _: u64) -> Option<RealKind> {
        Some(if real < RAM { RealKind::Ram } else { RealKind::Device })
    }

    fn zero(&self, _: u64, _: u64) {}

    fn synchronize_instructions(&self, _: u64, _: u64) {}
}

/// One processor, its seat and its device.
struct Machine {
    bus: Arc<Bus>,
    shootdown: Arc<Shootdown>,
    cpu: Cpu,
}

impl Machine {
    /// One that does this `work`.
    ///
    /// # Panics
    /// The host has no address space for it.
    fn new(work: Work) -> Self {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), RAM as usize)]);
        let memory = Arc::new(memory.expect("the host has address space for it"));
        let write_code = |real, text: &str| {
            let program = assemble(text, real, Endian::Big).expect("the source is part of this program");
            let written = memory.write_slice(&program.bytes, GuestAddress(real));
            written.expect("there is memory");
        };
        write_code(MAKE_SEGMENT, "slbmte 3,4; sc 1");
        let instruction = work.instruction();
        write_code(CODE, &format!("mtctr 7; 1: {instruction}; bdnz 1b; sc 1"));
        let frames = Arc::new(Frames::new(RAM, Notifier::new(once(0..RAM).collect())));
        let table = Current::new(Table::new(Order::MIN).expect("the host has address space for it"));
        let shared = Shared::new(Arc::clone(&memory), frames, Arc::clone(&table), Timebase::new());
        let bus = Arc::<Bus>::default();
        bus.map(DEVICE..DEVICE + 0x1000, Arc::new(Constant))
            .expect("nothing is there");
        shared.set_outside(Box::new(OnBus(Arc::clone(&bus))));
        let (line, footprint) = (Arc::<Line>::default(), Arc::<Footprint>::default());
        let kick: Box<dyn Kick> = Box::new(Ring(Arc::clone(&line)));
        let shootdown = Arc::new(Shootdown::with_footprints(vec![(kick, Arc::clone(&footprint))]));
        let hpt = Arc::new(Hpt::new(table, Box::new(Space), Box::new(Arc::clone(&shootdown))));
        // Cached, and not.
        for (offset, doubleword_1) in [(0, MEMORY | 0x12), (DEVICE_PAGE, DEVICE | 0x2a)] {
            let small = PagePair::ALL[0];
            let page = Vpn::new(1, SegmentSize::Size256M, small.base(), offset);
            let group = page.hash() & (Order::MIN.groups() - 1);
            let v = HpteV::new(page, small, false).raw();
            let entered = hpt.port().enter(0, group * 8, v, doubleword_1);
            entered.expect("there is room");
        }
        let cpu = Cpu::new(0, shared, line, footprint);
        let mut machine = Self { bus, shootdown, cpu };
        machine.cpu.set_gpr(4, SEGMENT | 1 << 27);
        machine
            .cpu
            .start(MAKE_SEGMENT, 1 << 12, Msr::from_raw(Msr::SF | Msr::ME));
        assert_eq!(machine.visit(), Exit::Hypercall);
        machine
    }

    fn visit(&mut self) -> Exit {
        let seat = self.shootdown.seat(0);
        seat.enter(|invalidation| self.cpu.invalidate(invalidation));
        let exit = self.cpu.run();
        seat.leave();
        exit
    }

    /// Goes so many times round the loop.
    fn go(&mut self, turns: u64) {
        let (memory, device) = (SEGMENT, SEGMENT + DEVICE_PAGE);
        for (register, value) in [(5, memory), (6, device), (7, turns)] {
            self.cpu.set_gpr(register, value);
        }
        let modes = Msr::SF | Msr::ME | Msr::DR | Msr::FP | Msr::VEC | Msr::VSX;
        self.cpu.start(CODE, 0, Msr::from_raw(modes));
        let end = CODE + 16;
        while self.cpu.pc() != end {
            match self.visit() {
                Exit::Load { real, bytes } => {
                    let mut answer = [0; 8];
                    let answer = &mut answer[..bytes];
                    self.bus.load(real, answer);
                    self.cpu.answer(answer);
                }
                Exit::Store { real, operand } => self.bus.store(real, operand.as_bytes()),
                Exit::Hypercall => {}
                other => panic!("the loop does not leave so: {other:?}"),
            }
        }
    }
}

/// Nanoseconds for a turn.
fn sample(work: Work, processor: usize) -> f64 {
    pinning::stay_on(processor);
    let mut machine = Machine::new(work);
    machine.go(1 << 10);
    let began = Instant::now();
    machine.go(TURNS);
    began.elapsed().as_nanos() as f64 / TURNS as f64
}

/// Measures all of it.
pub fn measure(rounds: usize) -> Result<Report> {
    let rounds = rounds * TIMES;
    let processors = pinning::allowed()?;
    let results = Results::measure("device", rounds, &Work::ALL, |work| {
        // On a thread of its own, which alone stays where it is.
        let sample = thread::scope(|scope| scope.spawn(|| sample(work, processors[0])).join());
        Ok(sample.expect("a loop that does not end so panics"))
    })?;
    let mut table = Figures::of_figures("instruction", vec!["nanoseconds".to_owned()]);
    for work in Work::ALL {
        let samples: Samples = results.of(work).iter().copied().collect();
        table.rows.push((work.to_string(), vec![samples]));
    }
    Ok(Report {
        rounds,
        markdown: format!(
            "**Nanoseconds for an instruction and the branch after it**\n\n{}",
            table.markdown()
        ),
        picture: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loop_ends() {
        for work in Work::ALL {
            Machine::new(work).go(10);
        }
    }
}
