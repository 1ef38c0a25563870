//! Calls about the life of the machine and of its processors (LoPAR, RTAS Call Definition, 5.3, 6.3, 7.1, 8, 9.1).

use std::time::Duration;

use power::msr::{Msr, lpcr};
use power::rtas::{CpuStoppedState, RtasStatus};

use super::{Answer, Buffer};
use crate::hypercall::{Caller, Next};
use crate::machine::{Machine, OnPanic, OnReboot};
use crate::processors::Start;
use crate::stop::Ending;

/// How long a guest that has died may go on, to write down why; as long again after each store to NVRAM, up to [`LONGEST_LAST_WORDS`].
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long in all.
const LONGEST_LAST_WORDS: Duration = Duration::from_secs(20);

/// `power-off`: two masks of events that would power on again; there are none.
pub(super) fn power_off(machine: &Machine) -> Next {
    if !machine.stop.hasten() {
        machine.stop.request(Ending::PowerOff);
    }
    Next::Stopped
}

/// `system-reboot`. The main thread does it, when all processors have left the guest.
pub(super) fn system_reboot(machine: &Machine) -> Next {
    if !machine.stop.hasten() {
        match machine.reactions.reboot {
            OnReboot::Reset => machine.stop.request_reset(),
            OnReboot::End => machine.stop.request(Ending::Reboot),
        }
    }
    Next::Stopped
}

/// `ibm,os-term`: address of the last words, which end with a zero byte.
///
/// The manual lets the guest go on; ours ends the run, unless the user wants otherwise: a guest that has died would spin forever, and
/// whoever started it could not tell that from work. But not at once: Linux writes its log to NVRAM afterwards.
pub(super) fn os_term(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    /// Linux gives at most this many.
    const MOST: u64 = 2048;
    let Ok([at]) = buffer.inputs() else {
        return RtasStatus::ParameterError.into();
    };
    let words = (0..MOST)
        .map_while(|n| buffer.ram().read(u64::from(at) + n))
        .map(|[byte]| byte)
        .take_while(|&byte| byte != 0)
        // They go to a terminal: no control characters of the guest's.
        .map(|byte| {
            if (b' '..=b'~').contains(&byte) {
                char::from(byte)
            } else {
                ' '
            }
        })
        .collect::<String>();
    if machine.reactions.panic == OnPanic::End {
        let died = Ending::Died(words.trim().to_owned());
        machine.stop.request_later(died, LAST_WORDS, LONGEST_LAST_WORDS);
    }
    RtasStatus::Success.into()
}

/// `display-character`: one byte for the console.
pub(super) fn display_character(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    let status = match buffer.inputs() {
        Ok([character]) if machine.console.write(&[character as u8]) => RtasStatus::Success,
        Ok(_) => {
            machine.output_failed();
            RtasStatus::HardwareError
        }
        Err(status) => status,
    };
    status.into()
}

/// `start-cpu`: processor, real address, r3.
pub(super) fn start_cpu(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    let [server, pc, r3] = match buffer.inputs() {
        Ok(inputs) => inputs,
        Err(status) => return status.into(),
    };
    let Some(processor) = machine.processors.get(server.into()) else {
        return RtasStatus::ParameterError.into();
    };
    // As after a system reset: the interrupts' endianness, not the manual's 0.
    let little = if machine.partition.lpcr() & lpcr::ILE != 0 {
        Msr::LE
    } else {
        0
    };
    let msr = Msr::from_raw(Msr::SF | Msr::ME | little);
    let started = processor.start(Start {
        pc: pc.into(),
        r3: r3.into(),
        msr,
    });
    if started {
        RtasStatus::Success
    } else {
        RtasStatus::HardwareError
    }
    .into()
}

/// `stop-self`. When nobody is left who could start a processor, the run is over.
pub(super) fn stop_self(Caller { machine, server }: Caller<'_>) -> Next {
    let processor = machine.processors.by_server(server);
    processor.areas().leave(&machine.ram);
    processor.stop();
    if machine
        .processors
        .iter()
        .all(|processor| processor.stopped_state() == CpuStoppedState::Stopped)
    {
        machine.stop.request(Ending::AllStopped);
    }
    Next::Stopped
}

/// `query-cpu-stopped-state`: processor; returns its state.
pub(super) fn query_cpu_stopped_state(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    match buffer.inputs().map(|[server]| machine.processors.get(server.into())) {
        Ok(Some(processor)) => Answer::with([processor.stopped_state().to_word()]),
        Ok(None) | Err(_) => RtasStatus::ParameterError.into(),
    }
}
