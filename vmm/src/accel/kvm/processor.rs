//! One processor of KVM, in the hands of the thread that runs it.
//!
//! It is inside its seat while it is in `KVM_RUN`: there the kernel may walk the table, and use what it has found. A
//! processor that dozes is not, nor one that was sent out for memory that is withheld. What was under way at a reset is finished outside
//! of it: the kernel is told not to enter the guest, and walks no table.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emulator::Operand;
use hpt::{OwnFlush, View};
use kvm_bindings::{KVM_REG_PPC_HIOR, KVM_REG_PPC_LPCR_64, kvm_regs};
use kvm_ioctls::{VcpuExit, VcpuFd};
use kvm_ppc::PpcVcpu as _;
use power::msr::Msr;
use power::spr::Spr;

use super::engine::{Engine, is_interruption, lock};
use super::errand::{Flusher, going_on};
use super::registers;
use super::segments::Segments;
use super::shared::Shared;
use super::wire::KvmWire;
use crate::accel::absent::Held;
use crate::accel::{Exit, Partition as _, Processor};

/// One processor.
pub(crate) struct KvmProcessor {
    engine: Arc<Mutex<Engine>>,
    server: usize,
    wire: Arc<KvmWire>,
    shared: Arc<Shared>,
    /// The table that the guest has, as of the last entry.
    view: View,
    segments: Segments,
    /// What the kernel has of LPCR.
    lpcr: u64,
    /// r3 to r12 of the hypercall that is being answered; the kernel takes them over when it goes on.
    call: Option<registers::Call>,
    /// The other registers, while somebody looks at them.
    registers: Option<Registers>,
    /// What it was sent out for and may have to wait for still, and the address of its instruction.
    held: Option<(Held, u64)>,
}

/// Registers of a processor, as read from the kernel.
struct Registers {
    values: kvm_regs,
    are_changed: bool,
}

/// The first register of a hypercall.
const FIRST: usize = 3;

impl KvmProcessor {
    /// Processor `server`, which has never run.
    pub(super) fn new(vcpu: VcpuFd, server: usize, wire: Arc<KvmWire>, shared: Arc<Shared>) -> Self {
        Self {
            view: shared.table.view(),
            engine: Arc::new(Mutex::new(Engine::new(vcpu))),
            server,
            wire,
            shared,
            segments: Segments::default(),
            lpcr: 0,
            call: None,
            registers: None,
            held: None,
        }
    }

    /// It has left the guest for no reason of the guest's: what it was sent out for.
    fn sent_out(&mut self) -> Option<Exit> {
        let held = match self.shared.withheld.get()?.take_out(self.server) {
            Ok(held) => held?,
            Err(error) => return Some(not_withheld(&error)),
        };
        let mut engine = lock(&self.engine);
        let regs = engine.vcpu.get_regs();
        let regs = engine.note("reading its registers", regs)?;
        drop(engine);
        self.held = Some((held, regs.pc));
        self.still_held()
    }

    /// What it must wait for before it may enter the guest again.
    fn still_held(&mut self) -> Option<Exit> {
        let (held, pc) = self.held?;
        match self.shared.withheld.get()?.lacks(&held) {
            Ok(Some(real)) => Some(Exit::Withheld {
                real,
                access: held.access,
                pc,
            }),
            Ok(None) => {
                self.held = None;
                None
            }
            Err(error) => Some(not_withheld(&error)),
        }
    }

    /// The registers that are no registers of a hypercall; zeros if the kernel refuses them.
    fn regs(&mut self) -> &mut Registers {
        self.registers.get_or_insert_with(|| {
            let mut engine = lock(&self.engine);
            let regs = engine.vcpu.get_regs();
            Registers {
                values: engine.note("reading its registers", regs).unwrap_or_default(),
                are_changed: false,
            }
        })
    }

    /// Brings the kernel up to date before the guest goes on; past the seat's entry.
    fn catch_up(&mut self, engine: &mut Engine, must_drop: bool) {
        self.view.follow();
        let followed = self.segments.follow(&engine.vcpu, &self.view, must_drop);
        engine.note("setting its segments", followed);
        let lpcr = self.shared.modes.lpcr();
        if lpcr != self.lpcr {
            self.lpcr = lpcr;
            let set = engine.vcpu.write_one_reg(KVM_REG_PPC_LPCR_64, lpcr);
            engine.note("setting LPCR", set);
        }
        if let Some(Registers {
            values,
            are_changed: true,
        }) = self.registers.take()
        {
            let set = engine.vcpu.set_regs(&going_on(values));
            engine.note("setting its registers", set);
        }
        if let Some([status, results @ ..]) = self.call.take()
            && let Some(call) = engine.vcpu.papr_hcall()
        {
            call.answer(status, &results);
        }
    }

    /// In the guest, until it needs somebody.
    fn run_guest(&mut self, vcpu: &mut VcpuFd) -> Exit {
        match vcpu.run() {
            Ok(VcpuExit::PaprHcall) => {
                self.call = vcpu.papr_hcall().map(|call| registers::of_call(&call));
                Exit::Hypercall
            }
            // Also where nothing is: on POWER that is a machine check, which KVM-PR cannot give a guest. The kernel does what is left
            // of the instruction when it goes on.
            Ok(VcpuExit::MmioRead(real, data)) => {
                let bytes = data.len();
                Exit::Load { real, bytes }
            }
            Ok(VcpuExit::MmioWrite(real, data)) => {
                let operand = Operand::new(data);
                Exit::Store { real, operand }
            }
            Ok(VcpuExit::Intr) => Exit::Attention,
            Err(error) if is_interruption(error) => Exit::Attention,
            Ok(other) => Exit::Checkstop(format!("KVM gave it up: {other:?}")),
            Err(error) => Exit::Checkstop(format!("KVM_RUN: {error}")),
        }
    }
}

/// Has the kernel do what is left of the hypercall, the load or the store that the processor left the guest for, if there is something: it would do that
/// when it goes on, over the registers that it is given meanwhile. It must be kept out of the guest; a vector is several loads.
fn finish(vcpu: &mut VcpuFd) -> Result<(), kvm_ioctls::Error> {
    loop {
        match vcpu.run() {
            Ok(_) => {}
            Err(error) if is_interruption(error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// The host changes its mapping no more.
fn not_withheld(error: &io::Error) -> Exit {
    Exit::Checkstop(format!(
        "KVM: its mapping of guest memory, of which some is withheld: {error}"
    ))
}

impl Processor for KvmProcessor {
    const DOZES: bool = true;

    fn own_flush(&self) -> Option<OwnFlush> {
        let flusher = Flusher {
            shared: Arc::clone(&self.shared),
            engine: Arc::clone(&self.engine),
            wire: Arc::clone(&self.wire),
            server: self.server,
            prices: RefCell::default(),
        };
        Some(Box::new(move |batch| flusher.flush(batch)))
    }

    fn start(&mut self, pc: u64, r3: u64, msr: Msr) {
        self.wire.attach();
        self.held = None;
        self.call = None;
        self.registers = Some(Registers {
            values: registers::at_start(pc, r3, msr),
            are_changed: true,
        });
        let mut engine = lock(&self.engine);
        self.wire.keep_out();
        let finished = finish(&mut engine.vcpu);
        self.wire.answer();
        engine.note("finishing what it did before", finished);
        // Interrupts go to real address 0 and up.
        let set = engine.vcpu.write_one_reg(KVM_REG_PPC_HIOR, 0);
        engine.note("setting HIOR", set);
        let reset = self.segments.reset(&engine.vcpu);
        engine.note("clearing its segments", reset);
    }

    fn run(&mut self, _answer_inside: impl FnMut(&mut Self) -> bool) -> Exit {
        if let Some(exit) = self.still_held() {
            return exit;
        }
        let (shared, engine) = (Arc::clone(&self.shared), Arc::clone(&self.engine));
        let mut engine = lock(&engine);
        let seat = shared.shootdown.seat(self.server);
        let mut must_drop = false;
        // Whatever went, went with all else: single pages are dropped elsewhere.
        seat.enter(|_| must_drop = true);
        self.catch_up(&mut engine, must_drop);
        let exit = match engine.broken().or(self.wire.refusal()) {
            None => self.run_guest(&mut engine.vcpu),
            Some(why) => Exit::Checkstop(why.to_owned()),
        };
        seat.leave();
        self.wire.answer();
        drop(engine);
        match exit {
            Exit::Attention => self.sent_out().unwrap_or(exit),
            exit => exit,
        }
    }

    fn answer(&mut self, bytes: &[u8]) {
        lock(&self.engine).vcpu.answer_load(bytes);
    }

    fn gpr(&self, number: usize) -> u64 {
        self.call.as_ref().map_or(0, |call| call[number - FIRST])
    }

    fn set_gpr(&mut self, number: usize, value: u64) {
        if let Some(call) = &mut self.call {
            call[number - FIRST] = value;
        }
    }

    fn msr(&self) -> Msr {
        // A refusal comes to light when it is to run.
        let values = match &self.registers {
            Some(registers) => registers.values,
            None => lock(&self.engine).vcpu.get_regs().unwrap_or_default(),
        };
        Msr::from_raw(values.msr)
    }

    fn set_msr(&mut self, msr: Msr) {
        let registers = self.regs();
        registers.values.msr = msr.raw();
        registers.are_changed = true;
    }

    fn in_problem_state(&self) -> bool {
        // There `sc 1` is a system call like any other.
        false
    }

    fn set_spr(&mut self, number: Spr, value: u64) {
        let registers = self.regs();
        match number {
            Spr::SPRG0 => registers.values.sprg0 = value,
            other => unreachable!("no hypercall sets {other:?}"),
        }
        registers.are_changed = true;
    }

    fn doze(&mut self, wakes: &dyn Fn() -> bool) {
        let values = self.regs().values;
        let mut engine = lock(&self.engine);
        if engine.broken().is_some() {
            return;
        }
        let wakes = || wakes() || self.wire.refusal().is_some();
        let dozed = self.wire.bed.doze(&engine.vcpu, &values, wakes);
        engine.note("halting", dozed);
        drop(engine);
        // POW may be left in what the kernel has, and some bits are not there.
        self.regs().are_changed = true;
    }

    fn interrupt_pending(&self) -> bool {
        // The kernel knows.
        false
    }

    fn decrementer_remaining(&self) -> Duration {
        Duration::MAX
    }

    fn registers(&self) -> String {
        match lock(&self.engine).vcpu.get_regs() {
            Ok(regs) => registers::dump(&regs),
            Err(error) => format!("its registers cannot be read: {error}"),
        }
    }

    fn unknown_instructions(&self) -> BTreeMap<u32, u64> {
        BTreeMap::new()
    }

    fn instructions(&self) -> Option<u64> {
        None
    }
}
