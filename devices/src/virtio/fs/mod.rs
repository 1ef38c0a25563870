//! A directory of the host (virtio 1.2, 5.11), served by another program, virtiofsd, by vhost-user.
//!
//! | file | |
//! |---|---|
//! | `session.rs` | what the server is told at the start |
//! | `arena.rs` | the memory that is shared with it |
//! | `ring.rs` | its rings, of which we are the driver |
//! | `fuse.rs` | what is known here of requests |
//! | `worker.rs` | requests to it, answers back |
//!
//! The server never has the guest's memory: requests and answers are copied, as for any other device. docs/decisions/0022-copies-for-servers.md says why.

mod arena;
mod fuse;
mod ring;
mod session;
#[cfg(test)]
mod tests;
mod worker;

use std::io;
use std::sync::{Arc, Mutex};

pub use session::{Session, SessionError};

use super::{Device, Queue, Worker};
use worker::FsWorker;

/// Virtio device ID of a file system.
const ID: u16 = 26;

/// Class of the PCI function: mass storage of another kind.
const CLASS: u32 = 0x01_80_00;

/// What is urgent, and requests.
const QUEUES: usize = 2;

/// Bytes of the tag's field.
pub const MOST_TAG_BYTES: usize = 36;

/// Bytes of the configuration: the tag and the number of queues for requests.
const CONFIG: usize = MOST_TAG_BYTES + 4;

/// Told what a user should know of the server.
pub type Report = dyn Fn(&str) + Send + Sync;

/// Starts a server for another life.
pub type Start = dyn Fn() -> Result<Session, String> + Send + Sync;

/// The device.
pub struct Fs {
    config: [u8; CONFIG],
    is_read_only: bool,
    /// The server of the first life.
    first: Mutex<Option<Session>>,
    start: Box<Start>,
    report: Arc<Report>,
}

impl Fs {
    /// A device whose guest mounts `tag`, of 1 to [`MOST_TAG_BYTES`] bytes. `first` serves its first life, and what `start` starts each later one: so nothing of a
    /// life is left when the next one begins. With `is_read_only` requests that change something do not reach the server.
    pub fn new(tag: &str, is_read_only: bool, first: Session, start: Box<Start>, report: Box<Report>) -> Self {
        debug_assert!((1..=MOST_TAG_BYTES).contains(&tag.len()), "the caller checks it");
        let mut config = [0; CONFIG];
        config[..tag.len()].copy_from_slice(tag.as_bytes());
        config[MOST_TAG_BYTES..].copy_from_slice(&1_u32.to_le_bytes());
        Self {
            config,
            is_read_only,
            first: Mutex::new(Some(first)),
            start,
            report: Arc::from(report),
        }
    }
}

impl Device for Fs {
    fn id(&self) -> u16 {
        ID
    }

    fn class(&self) -> u32 {
        CLASS
    }

    /// There is no queue for notifications, and no shared memory (DAX).
    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![ring::SLOTS; QUEUES]
    }

    fn load_config(&self, offset: u64, into: &mut [u8]) {
        let rest = usize::try_from(offset).ok().and_then(|at| self.config.get(at..));
        for (byte, known) in into.iter_mut().zip(rest.unwrap_or_default()) {
            *byte = *known;
        }
    }

    fn start(&self, _features: u64, queues: Vec<(usize, Queue)>) -> io::Result<Box<dyn Worker>> {
        let first = self.first.lock().expect("nothing panics with it locked").take();
        let session = match first {
            Some(session) => Some(session),
            None => match (self.start)() {
                Ok(session) => Some(session),
                Err(why) => {
                    (self.report)(&format!("{why}; what the guest does there is an I/O error"));
                    None
                }
            },
        };
        let worker = FsWorker::new(session, queues, self.is_read_only, Arc::clone(&self.report))?;
        Ok(Box::new(worker))
    }
}
