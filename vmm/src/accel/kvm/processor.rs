//! One processor of KVM, in the hands of the thread that runs it.
//!
//! It is inside its seat while it is in `KVM_RUN`: there the kernel may walk the table, and use what it has found. A
//! processor that dozes is not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hpt::View;
use kvm_bindings::{KVM_REG_PPC_HIOR, KVM_REG_PPC_LPCR_64, kvm_regs};
use kvm_ioctls::{Error, VcpuExit, VcpuFd};
use kvm_ppc::PpcVcpu as _;
use power::msr::Msr;
use power::spr::Spr;
use rustix::io::Errno;

use super::registers;
use super::segments::Segments;
use super::shared::Shared;
use super::wire::KvmWire;
use crate::accel::{Exit, Partition as _, Processor};

/// One processor.
pub(crate) struct KvmProcessor {
    vcpu: VcpuFd,
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
    /// What the kernel has refused; the processor cannot go on.
    broken: Option<String>,
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
            vcpu,
            server,
            wire,
            shared,
            segments: Segments::default(),
            lpcr: 0,
            call: None,
            registers: None,
            broken: None,
        }
    }

    /// Notes what the kernel has refused. It refuses nothing to a processor that is well; if it does, this one does not go on.
    fn note<T>(broken: &mut Option<String>, what: &str, done: Result<T, Error>) -> Option<T> {
        match done {
            Ok(value) => Some(value),
            Err(error) => {
                broken.get_or_insert_with(|| format!("KVM: {what}: {error}"));
                None
            }
        }
    }

    /// The registers that are no registers of a hypercall; zeros if the kernel refuses them.
    fn regs(&mut self) -> &mut Registers {
        let Self {
            registers, vcpu, broken, ..
        } = self;
        registers.get_or_insert_with(|| Registers {
            values: Self::note(broken, "reading its registers", vcpu.get_regs()).unwrap_or_default(),
            are_changed: false,
        })
    }

    /// Brings the kernel up to date before the guest goes on; past the seat's entry.
    fn catch_up(&mut self, must_drop: bool) {
        self.view.follow();
        let followed = self.segments.follow(&self.vcpu, &self.view, must_drop);
        Self::note(&mut self.broken, "setting its segments", followed);
        let lpcr = self.shared.modes.lpcr();
        if lpcr != self.lpcr {
            self.lpcr = lpcr;
            let set = self.vcpu.write_one_reg(KVM_REG_PPC_LPCR_64, lpcr);
            Self::note(&mut self.broken, "setting LPCR", set);
        }
        if let Some(Registers { values, are_changed: true }) = self.registers.take() {
            let set = self.vcpu.set_regs(&registers::without_fp(values));
            Self::note(&mut self.broken, "setting its registers", set);
        }
        if let Some([status, results @ ..]) = self.call.take()
            && let Some(call) = self.vcpu.papr_hcall()
        {
            call.answer(status, &results);
        }
    }

    /// In the guest, until it needs somebody.
    fn run_guest(&mut self) -> Exit {
        loop {
            match self.vcpu.run() {
                Ok(VcpuExit::PaprHcall) => {
                    self.call = self.vcpu.papr_hcall().map(|call| registers::of_call(&call));
                    return Exit::Hypercall;
                }
                // Nothing is there. On POWER that is a machine check, which KVM-PR cannot give a guest.
                Ok(VcpuExit::MmioRead(_, data)) => data.fill(0xff),
                Ok(VcpuExit::MmioWrite(..)) => {}
                Ok(VcpuExit::Intr) => return Exit::Attention,
                Err(error) if is_interruption(error) => return Exit::Attention,
                Ok(other) => return Exit::Checkstop(format!("KVM gave it up: {other:?}")),
                Err(error) => return Exit::Checkstop(format!("KVM_RUN: {error}")),
            }
        }
    }
}

/// Whether the guest can go on as if nothing had been.
fn is_interruption(error: Error) -> bool {
    let interruptions = [Errno::INTR, Errno::AGAIN];
    interruptions.map(Errno::raw_os_error).contains(&error.errno())
}

impl Processor for KvmProcessor {
    const DOZES: bool = true;

    fn start(&mut self, pc: u64, r3: u64, msr: Msr) {
        self.wire.attach();
        // The hypercall that it stopped in is still to be answered: the kernel takes r3 to r12 from there.
        if let Some(call) = &mut self.call {
            *call = registers::Call::default();
            call[0] = r3;
        }
        self.registers = Some(Registers {
            values: registers::at_start(pc, r3, msr),
            are_changed: true,
        });
        // Interrupts go to real address 0 and up.
        let set = self.vcpu.write_one_reg(KVM_REG_PPC_HIOR, 0);
        Self::note(&mut self.broken, "setting HIOR", set);
        let reset = self.segments.reset(&self.vcpu);
        Self::note(&mut self.broken, "clearing its segments", reset);
    }

    fn run(&mut self) -> Exit {
        let shared = Arc::clone(&self.shared);
        let seat = shared.shootdown.seat(self.server);
        let mut must_drop = false;
        // Whatever went, went with all else: single pages are discarded elsewhere.
        seat.enter(|_| must_drop = true);
        self.catch_up(must_drop);
        let exit = match self.broken.take() {
            None => self.run_guest(),
            Some(why) => Exit::Checkstop(why),
        };
        seat.leave();
        self.wire.answer();
        exit
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
            None => self.vcpu.get_regs().unwrap_or_default(),
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
        let dozed = self.wire.bed.doze(&self.vcpu, &values, wakes);
        Self::note(&mut self.broken, "halting", dozed);
        // POW may be left in what the kernel has.
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
        match self.vcpu.get_regs() {
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
