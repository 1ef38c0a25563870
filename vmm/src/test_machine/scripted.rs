//! Processors that run a program in Rust instead of guest code: for tests of those who carry processors.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use power::hcall::Hcall;
use power::msr::Msr;
use power::spr::Spr;

use super::{Paper, machine_of};
use crate::accel::{Exit, Processor, Wire};
use crate::machine::Machine;
use crate::processors::Start;

/// A start like any other.
pub(crate) const START: Start = Start {
    pc: 0x100,
    r3: 7,
    msr: Msr::from_raw(Msr::SF),
};

/// A wire that can be looked at from its other end.
#[derive(Default)]
pub(crate) struct SetWire {
    rung: AtomicBool,
    external: AtomicBool,
}

impl SetWire {
    /// Takes a ring back; whether there was one.
    pub(crate) fn answer(&self) -> bool {
        self.rung.swap(false, Ordering::AcqRel)
    }
}

impl Wire for SetWire {
    fn ring(&self) {
        self.rung.store(true, Ordering::Release);
    }

    fn set_external(&self, level: bool) {
        self.external.store(level, Ordering::Release);
        if level {
            self.ring();
        }
    }
}

/// What a program works on.
pub(crate) struct State {
    pub(crate) gprs: [u64; 32],
    pub(crate) msr: u64,
    pub(crate) wire: Arc<SetWire>,
    /// When the decrementer interrupts.
    pub(crate) decrementer: Option<Instant>,
    /// What its last load from a device has found.
    pub(crate) answer: Vec<u8>,
    /// Called whenever somebody looks whether an interrupt waits.
    pub(crate) on_look: Option<Box<dyn Fn() + Send>>,
}

impl State {
    /// Makes a hypercall, with `arguments` from r4 on.
    pub(crate) fn call<const N: usize>(&mut self, call: Hcall, arguments: [u64; N]) -> Exit {
        self.gprs[3] = call.number();
        self.gprs[4..4 + N].copy_from_slice(&arguments);
        Exit::Hypercall
    }

    /// Runs in a loop until somebody rings.
    pub(crate) fn spin(&self) {
        while !self.wire.answer() {
            thread::yield_now();
        }
    }
}

/// From entering the guest to leaving it.
pub(crate) type Program = Box<dyn FnMut(&mut State) -> Exit + Send>;

/// A processor that runs a program.
pub(crate) struct Scripted {
    state: State,
    program: Program,
    settled: bool,
}

impl Scripted {
    /// One behind `wire`.
    pub(crate) fn new(wire: &Arc<SetWire>, program: Program) -> Self {
        Self {
            state: State {
                gprs: [0; 32],
                msr: 0,
                wire: Arc::clone(wire),
                decrementer: None,
                answer: Vec::new(),
                on_look: None,
            },
            program,
            settled: false,
        }
    }
}

impl Processor for Scripted {
    fn start(&mut self, _pc: u64, r3: u64, msr: Msr) {
        self.state.gprs[3] = r3;
        self.state.msr = msr.raw();
    }

    fn run(&mut self, _answer_inside: impl FnMut(&mut Self) -> bool) -> Exit {
        self.settled = false;
        (self.program)(&mut self.state)
    }

    fn answer(&mut self, bytes: &[u8]) {
        self.state.answer = bytes.to_vec();
    }

    fn gpr(&self, number: usize) -> u64 {
        self.state.gprs[number]
    }

    fn set_gpr(&mut self, number: usize, value: u64) {
        self.state.gprs[number] = value;
    }

    fn msr(&self) -> Msr {
        Msr::from_raw(self.state.msr)
    }

    fn set_msr(&mut self, msr: Msr) {
        self.state.msr = msr.raw();
    }

    fn set_spr(&mut self, _number: Spr, _value: u64) {}

    fn interrupt_pending(&self) -> bool {
        if let Some(on_look) = &self.state.on_look {
            on_look();
        }
        self.state.wire.external.load(Ordering::Acquire) || self.decrementer_remaining().is_zero()
    }

    fn decrementer_remaining(&self) -> Duration {
        let remaining = |at: Instant| at.saturating_duration_since(Instant::now());
        self.state.decrementer.map_or(Duration::MAX, remaining)
    }

    fn settle(&mut self) {
        self.settled = true;
    }

    fn registers(&self) -> String {
        if self.settled { "settled" } else { "not settled" }.to_owned()
    }

    fn unknown_instructions(&self) -> BTreeMap<u32, u64> {
        BTreeMap::new()
    }

    fn instructions(&self) -> Option<u64> {
        Some(1)
    }
}

/// A machine of so many processors for so many threads, with the wires.
pub(crate) fn machine_of_scripted(processors: usize, carriers: usize) -> (Arc<Machine>, Vec<Arc<SetWire>>) {
    let wires: Vec<Arc<SetWire>> = (0..processors).map(|_| Arc::default()).collect();
    let plain = wires.iter().map(|wire| Arc::clone(wire) as Arc<dyn Wire>).collect();
    let machine = machine_of(plain, carriers, Arc::default(), Box::new(Paper::default()));
    (Arc::new(machine), wires)
}

/// The same, whose processors take turns by `seed`.
pub(crate) fn machine_in_turns(processors: usize, seed: u64) -> (Arc<Machine>, Vec<Arc<SetWire>>) {
    let (mut machine, wires) = machine_of_scripted(processors, 1);
    Arc::get_mut(&mut machine).expect("nobody else has it yet").turns = Some(seed);
    (machine, wires)
}
