//! Who does what is asked of a disk: what takes a job and gives it back when it is done, without making the one who asks wait.
//!
//! [`start`] chooses: `ring.rs`, the kernel's io_uring, for a disk that is a plain file, where the kernel lets us have one; else `pool.rs`, a few
//! threads. `inline.rs` does each job at once, for tests and measurements that must know when. The jobs in an engine are carried out in
//! no particular order: whoever needs one waits for what comes first.

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

pub(crate) use event::{clear_event, event, ring_event};
pub use inline::Inline;
pub use job::{Done, Job, Work};
pub use pool::Pool;
pub use ring::RingEngine;

use super::Disk;

mod event;
mod inline;
mod job;
mod pool;
mod ring;

/// Does jobs.
pub trait Engine: Send {
    /// It can be read when a job may be done that nobody has taken.
    fn descriptor(&self) -> RawFd;

    /// Takes a job. It may be begun only with [`Self::begin`].
    ///
    /// # Errors
    /// The host refuses to go on at all.
    fn submit(&mut self, job: Job) -> io::Result<()>;

    /// Sees to it that all that was submitted is begun.
    ///
    /// # Errors
    /// The host refuses to go on at all.
    fn begin(&mut self) -> io::Result<()>;

    /// Whether the host has put off what was submitted, and the descriptor will not tell when it can be begun: [`Self::begin`] is to be called again
    /// before long.
    fn is_stalled(&mut self) -> bool {
        false
    }

    /// A job that is done; `None` if there is none, or if others are to have their turn first: then the descriptor can still be read.
    ///
    /// # Errors
    /// The host refuses to go on at all.
    fn done(&mut self) -> io::Result<Option<Done>>;

    /// Waits for a job to be done; `None` if there is none.
    ///
    /// # Errors
    /// The host refuses to go on at all.
    fn wait(&mut self) -> io::Result<Option<Done>>;
}

/// An engine for `disk` that has up to `depth` jobs at a time.
///
/// # Errors
/// The host gives neither io_uring nor threads.
pub fn start(disk: &Arc<dyn Disk>, depth: usize) -> io::Result<Box<dyn Engine>> {
    if let Some(ring) = RingEngine::new(disk, depth) {
        return Ok(Box::new(ring));
    }
    Ok(Box::new(Pool::new(disk, depth)?))
}

#[cfg(test)]
pub(crate) mod tests;
