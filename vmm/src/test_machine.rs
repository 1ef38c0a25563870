//! A machine without guest code: real memory, table and devices, and processors that are bare registers, or run
//! programs in Rust (`scripted`).

pub(crate) mod scripted;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use devices::interrupt::{Interrupt, Sources};
use devices::nvram::Nvram;
use hpt::{Current, NoShadow, Order, Table};
use power::hcall::{Hcall, Status};
use power::msr::Msr;
use power::spr::Spr;

use crate::accel::{Exit, Partition, Processor, Wire};
use crate::hypercall::{Caller, Next, dispatch};
use crate::machine::{Machine, Parts, Reactions, Traits};
use crate::memory::GuestRam;
use crate::offer::Offer;
use crate::size::Size;
use crate::sources::CONSOLE_INTERRUPT;
use crate::stop::Stop;

/// A processor that runs nothing.
#[derive(Default)]
pub(crate) struct Registers {
    pub(crate) gprs: [u64; 32],
    pub(crate) msr: u64,
    pub(crate) sprg0: u64,
    /// What else was set.
    pub(crate) breakpoints: Vec<(Spr, u64)>,
    pub(crate) interrupt: bool,
}

impl Registers {
    /// Makes `call` on processor `server` of `machine` with `arguments` from r4 on.
    pub(crate) fn call<const N: usize>(
        &mut self,
        machine: &Machine,
        server: usize,
        call: Hcall,
        arguments: [u64; N],
    ) -> Next {
        self.gprs[3] = call.number();
        self.gprs[4..4 + N].copy_from_slice(&arguments);
        dispatch(Caller { machine, server }, &mut machine.hpt.port(), self)
    }

    /// What the last call answered.
    #[track_caller]
    pub(crate) fn assert_answer(&self, status: Status) {
        assert_eq!(
            self.gprs[3].cast_signed(),
            status.to_register().cast_signed(),
            "wanted {status:?}"
        );
    }
}

impl Processor for Registers {
    fn start(&mut self, _pc: u64, r3: u64, msr: Msr) {
        self.gprs[3] = r3;
        self.msr = msr.raw();
    }

    fn run(&mut self, _answer_inside: impl FnMut(&mut Self) -> bool) -> Exit {
        Exit::Attention
    }

    fn answer(&mut self, _bytes: &[u8]) {}

    fn gpr(&self, number: usize) -> u64 {
        self.gprs[number]
    }

    fn set_gpr(&mut self, number: usize, value: u64) {
        self.gprs[number] = value;
    }

    fn msr(&self) -> Msr {
        Msr::from_raw(self.msr)
    }

    fn set_msr(&mut self, msr: Msr) {
        self.msr = msr.raw();
    }

    fn set_spr(&mut self, number: Spr, value: u64) {
        match number {
            Spr::SPRG0 => self.sprg0 = value,
            _ => self.breakpoints.push((number, value)),
        }
    }

    fn interrupt_pending(&self) -> bool {
        self.interrupt
    }

    fn decrementer_remaining(&self) -> Duration {
        Duration::MAX
    }

    fn registers(&self) -> String {
        String::new()
    }

    fn unknown_instructions(&self) -> BTreeMap<u32, u64> {
        BTreeMap::new()
    }

    fn instructions(&self) -> Option<u64> {
        Some(0)
    }
}

struct NoWire;

impl Wire for NoWire {
    fn ring(&self) {}
    fn set_external(&self, _level: bool) {}
}

/// Modes and what was written to guest memory.
#[derive(Default)]
pub(crate) struct Modes {
    pub(crate) lpcr: AtomicU64,
    /// Interrupts stay where they are.
    pub(crate) fixed_interrupts: bool,
    /// Processors have CIABR, DAWR and DAWRX.
    pub(crate) breakpoints: bool,
    /// Processors can have a process table.
    pub(crate) process_table: bool,
    pub(crate) wrote: Mutex<Vec<(u64, u64)>>,
}

impl Partition for Modes {
    fn lpcr(&self) -> u64 {
        self.lpcr.load(Ordering::Relaxed)
    }

    fn change_lpcr(&self, mask: u64, value: u64) {
        self.lpcr
            .store((self.lpcr() & !mask) | (value & mask), Ordering::Relaxed);
    }

    fn relocates_interrupts(&self) -> bool {
        !self.fixed_interrupts
    }

    fn has_breakpoints(&self) -> bool {
        self.breakpoints
    }

    fn has_process_table(&self) -> bool {
        self.process_table
    }

    fn characteristics(&self) -> [u64; 2] {
        [4, 5]
    }

    fn timebase(&self) -> u64 {
        0x1234_5678_9abc
    }

    fn wrote(&self, real: u64, bytes: u64) {
        self.wrote.lock().unwrap().push((real, bytes));
    }
}

/// What the console printed.
#[derive(Clone, Default)]
pub(crate) struct Paper(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of RAM of a test machine.
pub(crate) const RAM: u64 = 16 << 20;

/// A machine of so many processors with 16 MiB of RAM, whose console writes to `output`.
pub(crate) fn machine_with(processors: usize, modes: Arc<Modes>, output: Box<dyn Write + Send>) -> Machine {
    let wires = (0..processors).map(|_| Arc::new(NoWire) as Arc<dyn Wire>).collect();
    machine_of(wires, processors, modes, output)
}

/// A machine of a processor behind each of `wires`, carried by so many threads.
pub(crate) fn machine_of(
    wires: Vec<Arc<dyn Wire>>,
    carriers: usize,
    modes: Arc<Modes>,
    output: Box<dyn Write + Send>,
) -> Machine {
    machine_from(wires, carriers, modes, output, None, false)
}

/// A machine of one processor with a PCI host bridge.
pub(crate) fn machine_with_pci() -> Machine {
    let wires: Vec<Arc<dyn Wire>> = vec![Arc::new(NoWire)];
    machine_from(wires, 1, Arc::default(), Box::new(Paper::default()), None, true)
}

/// An interrupt controller with one source, the console's.
struct OnePin(Box<dyn Interrupt>);

impl Sources for OnePin {
    fn pulse(&self, number: u32) {
        assert_eq!(number, CONSOLE_INTERRUPT);
        self.0.raise();
    }

    fn set_level(&self, number: u32, _up: bool) {
        panic!("source {number:#x} has no level");
    }
}

/// A machine of a processor that comes with an interrupt controller, whose source of the console `pin` fires.
pub(crate) fn machine_with_irqchip(pin: Box<dyn Interrupt>) -> Machine {
    let wires: Vec<Arc<dyn Wire>> = vec![Arc::new(NoWire)];
    let sources = Arc::new(OnePin(pin));
    machine_from(
        wires,
        1,
        Arc::default(),
        Box::new(Paper::default()),
        Some(sources),
        false,
    )
}

fn machine_from(
    wires: Vec<Arc<dyn Wire>>,
    carriers: usize,
    modes: Arc<Modes>,
    output: Box<dyn Write + Send>,
    sources: Option<Arc<dyn Sources>>,
    has_pci: bool,
) -> Machine {
    let ram = Arc::new(GuestRam::new(Size::from_bytes(RAM)).unwrap());
    let parts = Parts {
        wires,
        partition: modes,
        table: Current::new(Table::new(Order::MIN).unwrap()),
        shadow: Box::new(NoShadow),
        sources,
        devices: Vec::new(),
        listener: None,
        kernel: None,
        porter: None,
    };
    let traits = Traits {
        carriers,
        offer: Offer::default(),
        largest_table: Order::new(20).unwrap(),
        timed: true,
        duplicates: None,
        reactions: Reactions::default(),
        nvram: Nvram::volatile(),
        has_pci,
        turns: None,
        random: Arc::default(),
    };
    Machine::new(ram, parts, traits, output, Arc::new(Stop::default())).unwrap()
}

/// The same, when nobody looks at the modes and the output.
pub(crate) fn machine(processors: usize) -> Machine {
    machine_with(processors, Arc::default(), Box::new(Paper::default()))
}
