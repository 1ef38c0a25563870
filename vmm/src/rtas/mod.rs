//! RTAS calls: from the token in the guest's argument buffer to one small function each, and its results
//! back into the buffer (LoPAR, RTAS Call Definition).

mod buffer;
mod clock;
mod events;
mod interrupts;
mod life;
mod nvram;
mod parameters;
mod pci;

use power::hcall::Status;
use power::rtas::{RtasCall, RtasStatus};

use buffer::Buffer;

use crate::hypercall::{Caller, Next};

/// Answers the call whose argument buffer is at the real address `at`.
///
/// # Errors
/// The buffer does not lie in RAM or is not one.
pub(crate) fn call(caller: Caller<'_>, at: u64) -> Result<Next, Status> {
    let machine = caller.machine;
    let buffer = Buffer::parse(&machine.ram, at).ok_or(Status::Parameter)?;
    let Some(call) = RtasCall::from_token(buffer.token()) else {
        buffer.answer(RtasStatus::ParameterError, &[]);
        return Ok(Next::Run);
    };
    let answer = match call {
        RtasCall::DisplayCharacter => life::display_character(machine, &buffer),
        RtasCall::PowerOff => return Ok(life::power_off(machine)),
        RtasCall::SystemReboot => return Ok(life::system_reboot(machine)),
        RtasCall::NvramFetch => nvram::fetch(machine, &buffer),
        RtasCall::NvramStore => nvram::store(machine, &buffer),
        RtasCall::GetSensorState => events::get_sensor_state(machine, &buffer),
        RtasCall::CheckException => events::check_exception(machine, &buffer),
        RtasCall::StartCpu => life::start_cpu(machine, &buffer),
        RtasCall::StopSelf => return Ok(life::stop_self(caller)),
        RtasCall::QueryCpuStoppedState => life::query_cpu_stopped_state(machine, &buffer),
        RtasCall::OsTerm => life::os_term(machine, &buffer),
        RtasCall::GetTimeOfDay => clock::get(machine),
        RtasCall::SetTimeOfDay => clock::set(machine, &buffer),
        RtasCall::GetSystemParameter => parameters::get(machine, &buffer),
        RtasCall::SetSystemParameter => parameters::set(&buffer),
        RtasCall::SetXive => interrupts::set_xive(machine, &buffer),
        RtasCall::GetXive => interrupts::get_xive(machine, &buffer),
        RtasCall::IntOff => interrupts::int_off(machine, &buffer),
        RtasCall::IntOn => interrupts::int_on(machine, &buffer),
        RtasCall::ReadPciConfig => pci::read_config(machine, &buffer),
        RtasCall::WritePciConfig => pci::write_config(machine, &buffer),
        RtasCall::IbmReadPciConfig => pci::ibm_read_config(machine, &buffer),
        RtasCall::IbmWritePciConfig => pci::ibm_write_config(machine, &buffer),
        RtasCall::ChangeMsi => pci::change_msi(machine, &buffer),
        RtasCall::QueryInterruptSourceNumber => pci::query_interrupt_source_number(machine, &buffer),
        // What there is interrupts, and is told by check-exception: not by both.
        RtasCall::EventScan => Answer::from(RtasStatus::NoErrorsFound),
    };
    buffer.answer(answer.status, answer.results());
    Ok(Next::Run)
}

/// What a call returns: its status and up to seven results.
struct Answer {
    status: RtasStatus,
    results: [u32; 7],
    count: usize,
}

impl Answer {
    /// Success, with `results`.
    fn with<const N: usize>(results: [u32; N]) -> Self {
        let mut answer = Self {
            count: N,
            ..Self::from(RtasStatus::Success)
        };
        answer.results[..N].copy_from_slice(&results);
        answer
    }

    fn results(&self) -> &[u32] {
        &self.results[..self.count]
    }
}

impl From<RtasStatus> for Answer {
    fn from(status: RtasStatus) -> Self {
        Self {
            status,
            results: [0; 7],
            count: 0,
        }
    }
}

#[cfg(test)]
mod tests;
