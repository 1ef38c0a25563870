//! Non-volatile memory (LoPAR, RTAS Call Definition, 2.1).

use power::rtas::RtasStatus;

use super::{Answer, Buffer};
use crate::machine::Machine;
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
        let bytes = bytes(machine, buffer, at, length).ok_or(RtasStatus::ParameterError)?;
        // Somebody who has died is writing why.
        machine.stop.put_off(super::life::LAST_WORDS);
        match machine.nvram.store(index, &bytes) {
            RtasStatus::Success => Ok(length),
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

/// The `length` bytes at `at`, if there are so many in NVRAM and in RAM.
fn bytes(machine: &Machine, buffer: &Buffer<'_>, at: u32, length: u32) -> Option<Vec<u8>> {
    let fits = length as usize <= machine.nvram.bytes() && machine.ram.contains(at.into(), length.into());
    let read = |n| buffer.ram().read(u64::from(at) + u64::from(n)).map(|[byte]| byte);
    fits.then(|| (0..length).map_while(read).collect())
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
