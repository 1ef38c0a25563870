//! The clock's calls (LoPAR, RTAS Call Definition, 2.2 and 2.3).

use super::{Answer, Buffer};
use crate::machine::Machine;

/// `get-time-of-day`: returns the time in seven words.
pub(super) fn get(machine: &Machine) -> Answer {
    match machine.rtc.get() {
        Ok(time) => Answer::with(time),
        Err(status) => status.into(),
    }
}

/// `set-time-of-day`: the time in seven words.
pub(super) fn set(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    match buffer.inputs() {
        Ok(time) => machine.rtc.set(time).into(),
        Err(status) => status.into(),
    }
}
