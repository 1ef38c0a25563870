//! The hypercalls of the interrupt presentation layer (LoPAR, Logical Partitioning Option, 5.4.7), where the machine has the
//! interrupt controller. One that comes with the processors answers them itself.

use power::hcall::Status;

use super::Caller;
use crate::accel::Processor;
use crate::machine::Machine;

/// Whoever has the controller has not answered.
const NOT_OURS: Status = Status::Hardware;

/// `H_XIRR`: accepts an interrupt; returns the XIRR.
pub(super) fn xirr<P: Processor>(caller: Caller<'_>, cpu: &mut P) -> Status {
    let Some(xics) = &caller.machine.xics else {
        return NOT_OURS;
    };
    cpu.set_gpr(4, xics.xirr(caller.server).into());
    Status::Success
}

/// `H_XIRR_X`: the same, and the time base at which it was accepted.
pub(super) fn xirr_x<P: Processor>(caller: Caller<'_>, cpu: &mut P) -> Status {
    cpu.set_gpr(5, caller.machine.partition.timebase());
    xirr(caller, cpu)
}

/// `H_EOI`: XIRR.
pub(super) fn eoi<P: Processor>(caller: Caller<'_>, cpu: &mut P) -> Status {
    let xics = caller.machine.xics.as_ref();
    // The register of the presentation layer has 32 bits.
    xics.map_or(NOT_OURS, |xics| xics.eoi(caller.server, cpu.gpr(4) as u32))
}

/// `H_CPPR`: priority.
pub(super) fn cppr<P: Processor>(caller: Caller<'_>, cpu: &mut P) -> Status {
    let xics = caller.machine.xics.as_ref();
    xics.map_or(NOT_OURS, |xics| xics.set_cppr(caller.server, cpu.gpr(4)))
}

/// `H_IPI`: server, priority.
pub(super) fn ipi<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    let xics = machine.xics.as_ref();
    xics.map_or(NOT_OURS, |xics| xics.ipi(cpu.gpr(4), cpu.gpr(5)))
}

/// `H_IPOLL`: server; returns its XIRR and MFRR.
pub(super) fn ipoll<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    let xics = machine.xics.as_ref().ok_or(NOT_OURS);
    match xics.and_then(|xics| xics.ipoll(cpu.gpr(4))) {
        Ok(poll) => {
            cpu.set_gpr(4, poll.xirr.into());
            cpu.set_gpr(5, poll.mfrr.into());
            Status::Success
        }
        Err(status) => status,
    }
}
