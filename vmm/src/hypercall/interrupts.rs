//! The hypercalls of the interrupt presentation layer (LoPAR, Logical Partitioning Option, 5.4.7).

use power::hcall::Status;

use super::Caller;
use crate::accel::Processor;
use crate::machine::Machine;

/// `H_XIRR`: accepts an interrupt; returns the XIRR.
pub(super) fn xirr<P: Processor>(caller: Caller<'_>, cpu: &mut P) -> Status {
    cpu.set_gpr(4, caller.machine.xics.xirr(caller.server).into());
    Status::Success
}

/// `H_XIRR_X`: the same, and the time base at which it was accepted.
pub(super) fn xirr_x<P: Processor>(caller: Caller<'_>, cpu: &mut P) -> Status {
    cpu.set_gpr(5, caller.machine.partition.timebase());
    xirr(caller, cpu)
}

/// `H_EOI`: XIRR.
pub(super) fn eoi<P: Processor>(caller: Caller<'_>, cpu: &mut P) -> Status {
    // The register of the presentation layer has 32 bits.
    caller.machine.xics.eoi(caller.server, cpu.gpr(4) as u32)
}

/// `H_CPPR`: priority.
pub(super) fn cppr<P: Processor>(caller: Caller<'_>, cpu: &mut P) -> Status {
    caller.machine.xics.set_cppr(caller.server, cpu.gpr(4))
}

/// `H_IPI`: server, priority.
pub(super) fn ipi<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    machine.xics.ipi(cpu.gpr(4), cpu.gpr(5))
}

/// `H_IPOLL`: server; returns its XIRR and MFRR.
pub(super) fn ipoll<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    match machine.xics.ipoll(cpu.gpr(4)) {
        Ok(poll) => {
            cpu.set_gpr(4, poll.xirr.into());
            cpu.set_gpr(5, poll.mfrr.into());
            Status::Success
        }
        Err(status) => status,
    }
}
