//! The calls of the interrupt sources (LoPAR, RTAS Call Definition, 10), where the machine has the interrupt controller. One that
//! comes with the processors answers them itself, and leaves to us those whose buffer it cannot read.

use devices::xics::Xics;
use power::rtas::RtasStatus;

use super::{Answer, Buffer};
use crate::machine::Machine;

/// The controller, unless somebody else has it.
fn xics(machine: &Machine) -> Result<&Xics, RtasStatus> {
    machine.xics.as_deref().ok_or(RtasStatus::HardwareError)
}

/// `ibm,set-xive`: source, server, priority.
pub(super) fn set_xive(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    let set = xics(machine).and_then(|xics| {
        let [source, server, priority] = buffer.inputs()?;
        Ok(xics.set_xive(source, server, priority))
    });
    set.unwrap_or_else(|status| status).into()
}

/// `ibm,get-xive`: source; returns server and priority.
pub(super) fn get_xive(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    let xive = xics(machine).and_then(|xics| {
        let [source] = buffer.inputs()?;
        xics.xive(source)
    });
    match xive {
        Ok(xive) => Answer::with([xive.server, xive.priority.into()]),
        Err(status) => status.into(),
    }
}

/// `ibm,int-off`: source.
pub(super) fn int_off(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    of_source(machine, buffer, Xics::int_off)
}

/// `ibm,int-on`: source.
pub(super) fn int_on(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    of_source(machine, buffer, Xics::int_on)
}

fn of_source(machine: &Machine, buffer: &Buffer<'_>, change: fn(&Xics, u32) -> RtasStatus) -> Answer {
    let changed = xics(machine).and_then(|xics| {
        let [source] = buffer.inputs()?;
        Ok(change(xics, source))
    });
    changed.unwrap_or_else(|status| status).into()
}
