//! One processor of KVM, in the hands of the thread that runs it.
//!
//! It is inside its seat while it is in `KVM_RUN`: there the kernel may walk the table, and use what it has found. A
//! processor that dozes is not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hpt::View;
use kvm_bindings::{KVM_EXIT_PAPR_HCALL, KVM_REG_PPC_HIOR, KVM_REG_PPC_LPCR_64, kvm_regs};
use kvm_ioctls::{VcpuExit, VcpuFd};
use kvm_ppc::PpcVcpu as _;
use power::msr::Msr;
use power::spr::Spr;

use super::registers;
use super::shared::Shared;
use super::wire::KvmWire;
use crate::accel::{Exit, Processor};

/// One processor.
pub(crate) struct KvmProcessor {
    vcpu: VcpuFd,
    server: usize,
    wire: Arc<KvmWire>,
    shared: Arc<Shared>,
    /// The table that the guest has, as of the last entry.
    view: View,
    /// What the kernel has of SDR1 and LPCR.
    sdr1: u64,
    lpcr: u64,
    /// r3 to r12 of the hypercall that is being answered; the kernel takes them over when it goes on.
    call: Option<[u64; CALL]>,
    /// The other registers, while somebody looks at them, and whether they were changed.
    regs: Option<(kvm_regs, bool)>,
    /// What the kernel has refused; the processor cannot go on.
    broken: Option<String>,
}

/// Registers of a hypercall: r3 to r12.
const CALL: usize = 10;
/// The first.
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
            sdr1: 0,
            lpcr: 0,
            call: None,
            regs: None,
            broken: None,
        }
    }

    /// Does what the kernel may refuse. It refuses nothing to a processor that is well; if it does, this one does not go on.
    fn attempt<T, E: std::fmt::Display>(&mut self, what: &str, done: Result<T, E>) -> Option<T> {
        match done {
            Ok(value) => Some(value),
            Err(error) => {
                self.broken.get_or_insert_with(|| format!("{what}: {error}"));
                None
            }
        }
    }

    /// The registers that are no registers of a hypercall; zeros if the kernel refuses them.
    fn regs(&mut self) -> &mut (kvm_regs, bool) {
        if self.regs.is_none() {
            let regs = self.attempt("reading its registers", self.vcpu.get_regs());
            self.regs = Some((regs.unwrap_or_default(), false));
        }
        self.regs.as_mut().expect("put there just now")
    }

    /// Gives the kernel what was changed.
    fn put_regs(&mut self) {
        if let Some((regs, true)) = self.regs.take() {
            let set = self.vcpu.set_regs(&registers::without_fp(regs));
            self.attempt("setting its registers", set);
        }
    }

    /// Drops every shadow that the kernel has for this processor, and tells it where the table is. Its segments stay.
    fn drop_shadows(&mut self) {
        let Some(mut sregs) = self.attempt("reading its segments", self.vcpu.get_sregs()) else {
            return;
        };
        registers::set_sdr1(&mut sregs, self.sdr1);
        let set = self.vcpu.set_sregs(&sregs);
        self.attempt("setting its segments", set);
    }

    /// What must be as the others have it before the guest goes on; past the seat's entry.
    fn catch_up(&mut self, mut must_drop: bool) {
        self.view.follow();
        let sdr1 = registers::sdr1(self.view.table());
        if sdr1 != self.sdr1 {
            self.sdr1 = sdr1;
            must_drop = true;
        }
        if must_drop {
            self.drop_shadows();
        }
        let lpcr = self.shared.modes.lpcr();
        if lpcr != self.lpcr {
            self.lpcr = lpcr;
            let set = self.vcpu.set_register(KVM_REG_PPC_LPCR_64, lpcr);
            self.attempt("setting LPCR", set);
        }
        self.put_regs();
        if let Some(call) = self.call.take() {
            self.vcpu.answer_call(call);
        }
    }

    /// In the guest, until it needs somebody.
    fn run_guest(&mut self) -> Exit {
        loop {
            match self.vcpu.run() {
                Ok(VcpuExit::PaprHcall) => {
                    self.call = Some(self.vcpu.call());
                    return Exit::Hypercall;
                }
                // Nothing is there. On POWER that is a machine check, which KVM-PR cannot give a guest.
                Ok(VcpuExit::MmioRead(_, data)) => data.fill(0xff),
                Ok(VcpuExit::MmioWrite(..)) => {}
                Ok(VcpuExit::Intr) => return Exit::Attention,
                Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => return Exit::Attention,
                Ok(other) => return Exit::Checkstop(format!("KVM gave it up: {other:?}")),
                Err(error) => return Exit::Checkstop(format!("KVM_RUN: {error}")),
            }
        }
    }
}

impl Processor for KvmProcessor {
    const DOZES: bool = true;

    fn start(&mut self, pc: u64, r3: u64, msr: Msr) {
        self.wire.attach();
        self.call = None;
        let set = self.vcpu.set_register(KVM_REG_PPC_HIOR, 0);
        self.attempt("setting HIOR", set);
        self.regs = Some((registers::at_start(pc, r3, msr), true));
        // No segments, and with them no shadows; the table's place comes when it runs.
        if let Some(mut sregs) = self.attempt("reading its segments", self.vcpu.get_sregs()) {
            registers::clear_segments(&mut sregs);
            let set = self.vcpu.set_sregs(&sregs);
            self.attempt("clearing its segments", set);
        }
        self.sdr1 = 0;
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
        self.call.map_or(0, |call| call[number - FIRST])
    }

    fn set_gpr(&mut self, number: usize, value: u64) {
        if let Some(call) = &mut self.call {
            call[number - FIRST] = value;
        }
    }

    fn msr(&self) -> Msr {
        // A refusal comes to light when it is to run.
        let regs = match &self.regs {
            Some((regs, _)) => *regs,
            None => self.vcpu.get_regs().unwrap_or_default(),
        };
        Msr::from_raw(regs.msr)
    }

    fn set_msr(&mut self, msr: Msr) {
        let regs = self.regs();
        regs.0.msr = msr.raw();
        regs.1 = true;
    }

    fn in_problem_state(&self) -> bool {
        // There `sc 1` is a system call like any other.
        false
    }

    fn set_spr(&mut self, number: Spr, value: u64) {
        let regs = self.regs();
        match number {
            Spr::SPRG0 => regs.0.sprg0 = value,
            other => unreachable!("no hypercall sets {other:?}"),
        }
        regs.1 = true;
    }

    fn doze(&mut self, is_needed: &dyn Fn() -> bool) {
        let regs = self.regs().0;
        let dozed = self.wire.bed.doze(&self.vcpu, &regs, is_needed);
        self.attempt("halting", dozed);
        // POW may be left.
        self.regs = Some((regs, true));
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
