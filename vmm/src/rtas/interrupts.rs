//! The calls of the interrupt sources (LoPAR, RTAS Call Definition, 10).

use power::rtas::RtasStatus;

use super::{Answer, Buffer};
use crate::machine::Machine;

/// `ibm,set-xive`: source, server, priority.
pub(super) fn set_xive(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    match buffer.inputs() {
        Ok([source, server, priority]) => machine.xics.set_xive(source, server, priority).into(),
        Err(status) => status.into(),
    }
}

/// `ibm,get-xive`: source; returns server and priority.
pub(super) fn get_xive(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    match buffer.inputs().and_then(|[source]| machine.xics.xive(source)) {
        Ok(xive) => Answer::with([xive.server, xive.priority.into()]),
        Err(status) => status.into(),
    }
}

/// `ibm,int-off`: source.
pub(super) fn int_off(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    of_source(buffer, |source| machine.xics.int_off(source))
}

/// `ibm,int-on`: source.
pub(super) fn int_on(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    of_source(buffer, |source| machine.xics.int_on(source))
}

fn of_source(buffer: &Buffer<'_>, change: impl FnOnce(u32) -> RtasStatus) -> Answer {
    match buffer.inputs() {
        Ok([source]) => change(source).into(),
        Err(status) => status.into(),
    }
}
