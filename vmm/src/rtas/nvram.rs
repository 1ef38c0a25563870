//! Non-volatile memory (LoPAR, RTAS Call Definition, 2.1).

use power::rtas::RtasStatus;

use super::{Answer, Buffer};
use crate::machine::Machine;
use crate::memory::{By, NotCopied};
use crate::terminal::say;

/// `nvram-fetch`: index, address, length; returns how many bytes were put there.
pub(super) fn fetch(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    let fetched = buffer.inputs().and_then(|[index, at, length]| {
        let bytes = machine.nvram.fetch(index, length)?;
        let written = buffer.ram().write(at.into(), &bytes);
        written.map(|()| length).ok_or(RtasStatus::ParameterError)
    });
    answer(fetched)
}

/// `nvram-store`: index, address, length; returns how many bytes were stored.
pub(super) fn store(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    let stored = buffer.inputs().and_then(|[index, at, length]| {
        let bytes = bytes(machine, buffer, at, length)?;
        match machine.nvram.store(index, &bytes) {
            RtasStatus::Success => {
                // Somebody who has died is writing why.
                machine.stop.put_off(super::life::LAST_WORDS);
                Ok(length)
            }
            status => Err(status),
        }
    });
    if let Some(error) = machine.nvram.take_error() {
        say(&format!(
            "pteg: --nvram: writing the file: {error}; the guest is told, and what it has stored so far stays"
        ));
    }
    answer(stored)
}

/// The `length` bytes at `at`.
///
/// # Errors
/// A parameter error if there are not so many in NVRAM and in RAM; a hardware error if the run ends before they may be read, so that
/// nothing else is stored in their place.
fn bytes(machine: &Machine, buffer: &Buffer<'_>, at: u32, length: u32) -> Result<Vec<u8>, RtasStatus> {
    // Before there is room for them: a guest may ask for gigabytes.
    if length as usize > machine.nvram.bytes() {
        return Err(RtasStatus::ParameterError);
    }
    let mut bytes = vec![0; length as usize];
    match buffer.ram().copy_out(at.into(), &mut bytes, By::Program) {
        Ok(()) => Ok(bytes),
        Err(NotCopied::NoRam) => Err(RtasStatus::ParameterError),
        Err(NotCopied::Over) => Err(RtasStatus::HardwareError),
    }
}

fn answer(done: Result<u32, RtasStatus>) -> Answer {
    match done {
        Ok(length) => Answer::with([length]),
        Err(status) => Answer {
            count: 1,
            ..status.into()
        },
    }
}
