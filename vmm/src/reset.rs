//! A new start in place: the machine comes back as after power-on, without the program's ending. The guest asks for it (RTAS
//! `system-reboot`), or a client of the control socket.
//!
//! The main thread does it, while every processor is outside the guest and its hypercalls, as in a pause:
//!
//! 1. the devices are told to end what they do; what they have not done yet for the old guest reaches no memory any more (`dma`), and none begins
//!    a new life before the old one's work has ended;
//! 2. the interrupt controller and the processors are reset: all are stopped, and whoever carries one finds that out before he goes on;
//! 3. the page table is empty, and as large as the first one;
//! 4. all memory goes back to the host, so that it reads as zero;
//! 5. kernel, initial RAM disk and device tree are loaded again from their files, with new randomness;
//! 6. processor 0 is started, and the processors go on.
//!
//! What stays: the clock, NVRAM, what was typed and not read (a script's input must not be lost), and whatever clients watch. A run that was
//! paused stays so.

use std::time::Duration;

use hpt::AllocateTable;
use power::msr::Msr;

use crate::boot::{BootError, Entry};
use crate::machine::Machine;
use crate::pause::NotPaused;
use crate::processors::Start;
use crate::upkeep::{Kind, UpkeepError, Usage, Which};

/// How long processors may take to come out of their hypercalls before the next look whether the run is over.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long until the next look whether somebody is done who needs memory as it is.
const AGAIN: Duration = Duration::from_millis(20);

/// Why the machine is not as after power-on; what it is instead nobody knows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResetError {
    /// No table.
    #[error("making the hashed page table")]
    Table(#[from] AllocateTable),
    /// The old content of memory cannot be taken away.
    #[error("clearing the guest's memory")]
    Memory(#[source] UpkeepError),
    /// What is to be started cannot be loaded any more.
    #[error(transparent)]
    Boot(#[from] BootError),
}

impl Machine {
    /// Starts processor 0 at `entry`, as firmware leaves it.
    pub(crate) fn start(&self, entry: Entry) {
        self.processors.by_server(0).start(Start {
            pc: entry.pc,
            r3: entry.device_tree,
            msr: Msr::from_raw(Msr::SF | Msr::ME),
        });
    }

    /// Starts the machine anew, with what `load` puts into memory. For the main thread; returns when the processors go on, or with nothing
    /// done when the run is over.
    ///
    /// # Errors
    /// The host does not do its part: then no processor is started.
    pub(crate) fn reset(&self, mut load: impl FnMut() -> Result<Entry, BootError>) -> Result<(), ResetError> {
        let ring = |server| self.processors.by_server(server).call_out();
        while !self.stop.is_requested() {
            let (hold, release) = (|| self.partition.hold_time(), || self.partition.release_time());
            let done = self
                .pause
                .interlude(PATIENCE, ring, hold, release, || self.reset_all(&mut load));
            match done {
                Ok(Some(done)) => return done,
                // Somebody copies memory, and has it soon.
                Ok(None) => std::thread::sleep(AGAIN),
                // A processor hangs in a write that nobody reads, or the host is slow.
                Err(NotPaused::Busy(_) | NotPaused::Copying) => {}
                Err(NotPaused::Over) => return Ok(()),
            }
        }
        Ok(())
    }

    /// All processors are out, and stay there.
    fn reset_all(&self, load: &mut dyn FnMut() -> Result<Entry, BootError>) -> Result<(), ResetError> {
        let devices = self
            .devices
            .lock()
            .expect("nothing panics with the devices locked")
            .clone();
        devices.iter().for_each(|device| device.reset());
        self.stop.forget();
        if let Some(xics) = &self.xics {
            xics.reset();
        }
        self.console.announce();
        self.processors.reset();
        self.partition.change_lpcr(!0, self.first_lpcr);
        self.hpt.reset(self.first_order)?;
        let ram = 0..self.ram.size().bytes();
        self.upkeep.note_usage(Usage::Active, &ram);
        loop {
            match self.upkeep.discard(std::slice::from_ref(&ram), Which::Any) {
                Ok(_) => break,
                // A dump: it is of the moment when it began, and needs no processor to end.
                Err(error) if error.kind() == Kind::Conflict => std::thread::sleep(AGAIN),
                Err(error) if error.kind() == Kind::Gone => return Ok(()),
                Err(error) => return Err(ResetError::Memory(error)),
            }
        }
        self.start(load()?);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
