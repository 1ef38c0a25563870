//! The areas of guest memory that a guest registers for each processor (`H_REGISTER_VPA`), and what is kept
//! in them: LoPAR, Logical Partitioning Option, 11.1 and 11.3.2.

use power::hcall::Status;
use power::hcall::register_vpa::{
    BOUNDARY_BYTES, DISPATCH_LOG_BYTES_MIN, Function, SLB_SHADOW_BYTES_MIN, VPA_BYTES_MIN,
};
use power::rtas::CpuStoppedState;

use super::Caller;
use super::dispatch_log::{DispatchLog, Intervals, Waited};
use crate::accel::Processor;
use crate::memory::GuestRam;

/// Areas begin at a multiple of the cache block.
const ALIGNMENT: u64 = 128;

/// Offset of an area's own size, in bytes.
const SIZE: u64 = 4;

/// Offsets in the virtual processor area, in bytes.
mod vpa {
    /// Kind of processor; [`SHARED`] is one of its bits.
    pub(super) const STATUS: u64 = 0x09;
    /// The processor shares the machine's with others, and may be preempted.
    pub(super) const SHARED: u8 = 2;
    /// Dispatch counter.
    pub(super) const DISPATCHES: u64 = 0x100;
    /// Time base ticks in which the processor could run and nobody carried it. Linux counts them as stolen.
    pub(super) const READY_TO_DISPATCHED: u64 = 0x158;
    /// Time base ticks in which it waited for its share of the machine: none, as it has a whole one.
    pub(super) const FOR_CAPACITY: u64 = 0x160;
    /// Time base ticks in which it waited for something to do.
    pub(super) const WAITING_TO_READY: u64 = 0x168;
}

/// What is registered for one processor, its dispatch counter, and how long it has waited in all.
#[derive(Debug)]
pub(crate) struct Areas {
    vpa: Option<u64>,
    slb_shadow: Option<u64>,
    dispatch_log: Option<DispatchLog>,
    /// Even while the processor runs, odd while it is stopped, has ceded or conferred, or waits for its turn.
    dispatches: u32,
    /// It waits because it has conferred to all others.
    has_conferred_to_all: bool,
    /// Sum of its waits, in time base ticks.
    waits: Intervals,
}

impl Default for Areas {
    /// Of a stopped processor.
    fn default() -> Self {
        Self {
            vpa: None,
            slb_shadow: None,
            dispatch_log: None,
            dispatches: 1,
            has_conferred_to_all: false,
            waits: Intervals::default(),
        }
    }
}

impl Areas {
    /// The processor runs no more.
    pub(crate) fn leave(&mut self, ram: &GuestRam) {
        debug_assert!(self.dispatches.is_multiple_of(2), "it ran");
        self.count(ram);
    }

    /// The processor runs no more, as it has conferred to all others.
    pub(crate) fn leave_to_all(&mut self, ram: &GuestRam) {
        self.leave(ram);
        self.has_conferred_to_all = true;
    }

    /// The processor runs again.
    pub(crate) fn arrive(&mut self, ram: &GuestRam) {
        debug_assert!(!self.dispatches.is_multiple_of(2), "it did not run");
        self.has_conferred_to_all = false;
        self.count(ram);
    }

    /// The processor runs again, after a wait that is over at `now` (time base). The wait adds to those of the virtual
    /// processor area, and the dispatch trace log has it, if the guest keeps one of this kind.
    pub(crate) fn arrive_after(&mut self, ram: &GuestRam, waited: &Waited, now: u64) {
        self.waits += waited.intervals(now);
        self.arrive(ram);
        if let (Some(vpa), Some(log)) = (self.vpa, &self.dispatch_log) {
            log.note(ram, vpa, waited, now).expect(REGISTERED);
        }
    }

    fn count(&mut self, ram: &GuestRam) {
        self.dispatches = self.dispatches.wrapping_add(1);
        self.show(ram);
    }

    fn show(&self, ram: &GuestRam) {
        let Some(vpa) = self.vpa else { return };
        let put = |at: u64, bytes: &[u8]| ram.write(vpa + at, bytes).expect(REGISTERED);
        put(vpa::READY_TO_DISPATCHED, &self.waits.ready_to_dispatched.to_be_bytes());
        put(vpa::FOR_CAPACITY, &[0; 8]);
        put(vpa::WAITING_TO_READY, &self.waits.waiting_to_ready.to_be_bytes());
        put(vpa::DISPATCHES, &self.dispatches.to_be_bytes());
    }

    /// The dispatch counter, if the processor does not run.
    pub(crate) fn waiting_since(&self) -> Option<u32> {
        (!self.dispatches.is_multiple_of(2)).then_some(self.dispatches)
    }

    /// Whether it waits for all others to have had a turn.
    pub(crate) fn has_conferred_to_all(&self) -> bool {
        self.has_conferred_to_all
    }

    fn register(&mut self, ram: &GuestRam, function: Function, at: u64) -> Result<(), Status> {
        match function {
            Function::RegisterVpa => {
                let bytes = u64::from(u16::from_be_bytes(ram.read(at + SIZE).ok_or(Status::Parameter)?));
                check(ram, at, bytes, VPA_BYTES_MIN)?;
                check_boundary(at, bytes)?;
                self.vpa = Some(at);
                let [status] = ram.read(at + vpa::STATUS).expect(REGISTERED);
                ram.write(at + vpa::STATUS, &[status | vpa::SHARED]).expect(REGISTERED);
                self.show(ram);
            }
            Function::RegisterDispatchLog => {
                let bytes = size_word(ram, at)?;
                check(ram, at, bytes, DISPATCH_LOG_BYTES_MIN)?;
                self.vpa.ok_or(Status::Resource)?;
                self.dispatch_log = Some(DispatchLog::new(at, bytes));
            }
            Function::RegisterSlbShadow => {
                let bytes = size_word(ram, at)?;
                check(ram, at, bytes, SLB_SHADOW_BYTES_MIN)?;
                check_boundary(at, bytes)?;
                self.vpa.ok_or(Status::Resource)?;
                self.slb_shadow = Some(at);
            }
            Function::DeregisterVpa if self.dispatch_log.is_some() || self.slb_shadow.is_some() => {
                return Err(Status::Resource);
            }
            Function::DeregisterVpa => self.vpa = None,
            Function::DeregisterDispatchLog => self.dispatch_log = None,
            Function::DeregisterSlbShadow => self.slb_shadow = None,
        }
        Ok(())
    }
}

/// RAM does not shrink, and an area was checked when it was registered.
const REGISTERED: &str = "a registered area lies in RAM";

fn size_word(ram: &GuestRam, at: u64) -> Result<u64, Status> {
    let bytes = ram.read(at + SIZE).ok_or(Status::Parameter)?;
    Ok(u32::from_be_bytes(bytes).into())
}

fn check(ram: &GuestRam, at: u64, bytes: u64, least: u64) -> Result<(), Status> {
    let right = bytes >= least && ram.contains(at, bytes);
    if right { Ok(()) } else { Err(Status::Parameter) }
}

fn check_boundary(at: u64, bytes: u64) -> Result<(), Status> {
    let right = at % BOUNDARY_BYTES + bytes <= BOUNDARY_BYTES;
    if right { Ok(()) } else { Err(Status::Parameter) }
}

/// `H_REGISTER_VPA`: flags, processor, address.
pub(super) fn register_vpa<P: Processor>(caller: Caller<'_>, cpu: &mut P) -> Status {
    let machine = caller.machine;
    let (flags, server, at) = (cpu.gpr(4), cpu.gpr(5), cpu.gpr(6));
    let (Some(function), Some(processor)) = (Function::from_flags(flags), machine.processors.get(server)) else {
        return Status::Parameter;
    };
    let registers = matches!(
        function,
        Function::RegisterVpa | Function::RegisterDispatchLog | Function::RegisterSlbShadow
    );
    if registers && (!at.is_multiple_of(ALIGNMENT) || !machine.ram.contains(at, ALIGNMENT)) {
        return Status::Parameter;
    }
    // LoPAR, 11.3.1: what the hypervisor writes into, or may look at, whenever the processor is dispatched changes under none that runs.
    let is_log = matches!(
        function,
        Function::RegisterDispatchLog | Function::DeregisterDispatchLog
    );
    let is_own = usize::try_from(server).is_ok_and(|server| server == caller.server);
    if !(is_log || is_own || processor.stopped_state() == CpuStoppedState::Stopped) {
        return Status::State;
    }
    match processor.areas().register(&machine.ram, function, at) {
        Ok(()) => Status::Success,
        Err(status) => status,
    }
}

#[cfg(test)]
mod tests;
