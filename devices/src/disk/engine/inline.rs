//! Does each job at once, on the thread that submits it: for tests and measurements.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;

use super::{Done, Engine, Job, event};
use crate::disk::Disk;

/// An engine that waits for the disk.
pub struct Inline {
    disk: Arc<dyn Disk>,
    done: VecDeque<Done>,
    /// Never to be read: what is done is there when `submit` returns.
    never: OwnedFd,
}

impl Inline {
    /// One for `disk`.
    ///
    /// # Errors
    /// The host has no descriptor left.
    pub fn new(disk: Arc<dyn Disk>) -> io::Result<Self> {
        Ok(Self {
            disk,
            done: VecDeque::new(),
            never: event()?,
        })
    }
}

impl Engine for Inline {
    fn descriptor(&self) -> RawFd {
        self.never.as_raw_fd()
    }

    fn submit(&mut self, job: Job) -> io::Result<()> {
        self.done.push_back(job.run(&*self.disk));
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn done(&mut self) -> io::Result<Option<Done>> {
        Ok(self.done.pop_front())
    }

    fn wait(&mut self) -> io::Result<Option<Done>> {
        Ok(self.done.pop_front())
    }
}
