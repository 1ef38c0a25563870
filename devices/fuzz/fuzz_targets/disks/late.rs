//! A disk that takes its time: a job is done when the driver's next steps allow it, and not in the order of the jobs. So a reset finds jobs under way, and
//! every input does the same each time, which threads would not.

use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use devices::disk::Disk;
use devices::disk::engine::{Done, Engine, Job};

thread_local! {
    /// Jobs that may be done.
    static ALLOWED: Cell<usize> = const { Cell::new(0) };
}

/// So many jobs may be done from here on, and no more.
pub fn allow(jobs: usize) {
    ALLOWED.set(jobs);
}

/// The engine.
pub struct Late {
    disk: Arc<dyn Disk>,
    jobs: Vec<Job>,
}

impl Late {
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, jobs: Vec::new() }
    }
}

impl Engine for Late {
    /// Nobody watches it.
    fn descriptor(&self) -> RawFd {
        -1
    }

    fn submit(&mut self, job: Job) -> io::Result<()> {
        self.jobs.push(job);
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn done(&mut self) -> io::Result<Option<Done>> {
        match ALLOWED.get().checked_sub(1) {
            Some(left) if !self.jobs.is_empty() => {
                ALLOWED.set(left);
                self.wait()
            }
            _ => Ok(None),
        }
    }

    /// Not the first and not the last, if there are several.
    fn wait(&mut self) -> io::Result<Option<Done>> {
        let job = (!self.jobs.is_empty()).then(|| self.jobs.swap_remove(self.jobs.len() / 2));
        Ok(job.map(|job| job.run(&*self.disk)))
    }
}
