//! The hypercalls by which processors give time to one another (LoPAR, Logical Partitioning Option, 11.3).

use power::hcall::Status;
use power::msr::Msr;

use super::dispatch_log::Wait;
use super::{Caller, Next};
use crate::accel::Processor;
use crate::machine::Machine;

/// `H_CEDE`: sleeps until an interrupt or `H_PROD`, with interrupts enabled on return.
pub(super) fn cede<P: Processor>(cpu: &mut P, next: &mut Next) -> Status {
    cpu.set_msr(Msr::from_raw(cpu.msr().raw() | Msr::EE));
    *next = Next::Sleep(Wait::Ceded);
    Status::Success
}

/// `H_CONFER`: target, its dispatch number.
pub(super) fn confer<P: Processor>(caller: Caller<'_>, cpu: &mut P, next: &mut Next) -> Status {
    /// All processors of the partition; the argument has 32 bits.
    const ALL: u32 = u32::MAX;
    let (target, dispatches) = (cpu.gpr(4), cpu.gpr(5) as u32);
    let Caller { machine, server } = caller;
    if target as u32 == ALL {
        *next = Next::Confer(None);
        return Status::Success;
    }
    let Some(processor) = machine.processors.get(target) else {
        return Status::Parameter;
    };
    if target == server as u64 {
        *next = Next::Sleep(Wait::Conferred);
        return Status::Success;
    }
    let areas = processor.areas();
    // One that waits for all others may wait for the caller: the manual has such a call ignored.
    if areas.waiting_since() == Some(dispatches) && !areas.has_conferred_to_all() {
        *next = Next::Confer(usize::try_from(target).ok());
    }
    Status::Success
}

/// `H_PROD`: target.
pub(super) fn prod<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    match machine.processors.get(cpu.gpr(4)) {
        Some(processor) => {
            processor.prod();
            Status::Success
        }
        None => Status::Parameter,
    }
}
