//! Events and sensors (LoPAR, RTAS Call Definition, 3 and 5.4).

use power::error_log::{EPOW_SENSOR, EVENT_CLASS_EPOW};
use power::rtas::RtasStatus;

use super::{Answer, Buffer};
use crate::machine::Machine;

/// `check-exception`: vector, additional information, event mask, critical, address and length of the log; a seventh input is more
/// of the second. The description of an event is at hand, so a critical call gets all of it. What does not fit into the buffer is cut off, and the event is
/// told all the same, as the manual wants it (3.2, R1-3 and R1-5): its kind stands in the first bytes.
pub(super) fn check_exception(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    let inputs = buffer
        .inputs()
        .or_else(|_| buffer.inputs().map(|[first @ .., _]: [u32; 7]| first));
    let [_, _, mask, _, at, length] = match inputs {
        Ok(inputs) => inputs,
        Err(status) => return status.into(),
    };
    // Asked first: an event that has no place to go is not lost.
    if mask & EVENT_CLASS_EPOW == 0 || !machine.ram.contains(at.into(), length.into()) {
        return RtasStatus::NoErrorsFound.into();
    }
    let Some(log) = machine.power_events.check(machine.rtc.get().unwrap_or_default()) else {
        return RtasStatus::NoErrorsFound.into();
    };
    match buffer.ram().write(at.into(), log.cut_to(length as usize)) {
        Some(()) => RtasStatus::Success,
        None => RtasStatus::HardwareError,
    }
    .into()
}

/// `get-sensor-state`: sensor and index; returns its state.
pub(super) fn get_sensor_state(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    match buffer.inputs() {
        Ok([EPOW_SENSOR, 0]) => Answer::with([machine.power_events.sensor()]),
        Ok(_) => RtasStatus::ParameterError.into(),
        Err(status) => status.into(),
    }
}
