//! The kernel's io_uring, for a disk that is a plain file.
//!
//! What is in the page cache is read and written while it is submitted, without a thread of ours being woken. Zeros that the file's
//! file system cannot make by itself are written, a buffer at a time.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::Arc;

use file_ring::{Finished, Operation, Refused, Ring};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::{Done, Engine, Job, Work};
use crate::disk::{BUFFER_BYTES, Buffer, Disk, Space};

/// An engine that is the kernel. Dropping it waits for the jobs that are begun.
pub struct RingEngine {
    disk: Arc<dyn Disk>,
    ring: Ring,
    /// By the ring's token.
    pending: Vec<Option<Pending>>,
    /// Done without the kernel.
    done: VecDeque<Done>,
}

/// A job in the ring, but for its buffer.
struct Pending {
    token: usize,
    work: Work,
    durable: bool,
    /// Bytes that were read or written so far.
    moved: u64,
    /// How zeros are made.
    zeroing: Zeroing,
    /// Where the data is in the buffer's memory.
    start: usize,
    /// What it changes is done, and is being made durable.
    is_syncing: bool,
}

/// How zeros are made: what a file system cannot do follows on what it was asked for first.
#[derive(Clone, Copy)]
enum Zeroing {
    /// By giving the space back.
    Punch,
    /// In place, by the file system.
    InPlace,
    /// By writing the buffer, which is zero.
    Write,
}

impl RingEngine {
    /// One for `disk`, if that is a plain file and the kernel lets this process have it.
    pub fn new(disk: &Arc<dyn Disk>, depth: usize) -> Option<Self> {
        let file = Arc::clone(disk.plain_file()?);
        let entries = u32::try_from(depth.next_power_of_two()).ok()?;
        Some(Self {
            ring: Ring::new(file, entries).ok()?,
            disk: Arc::clone(disk),
            pending: (0..entries).map(|_| None).collect(),
            done: VecDeque::new(),
        })
    }

    /// Puts a job into the ring.
    fn push(&mut self, pending: Pending, memory: Vec<u8>) -> io::Result<()> {
        let operation = pending.operation();
        let free = self.pending.iter().position(Option::is_none);
        let number = free.ok_or_else(|| io::Error::other("more jobs than the ring was made for"))?;
        self.pending[number] = Some(pending);
        match self.ring.push(&operation, memory, number as u64) {
            Ok(()) => Ok(()),
            Err(Refused::Full(_) | Refused::Range(_)) => Err(io::Error::other("a job that the ring does not take")),
        }
    }

    /// The kernel has done something: the job is over, or its next step goes into the ring.
    fn advance(&mut self, finished: Finished) -> io::Result<Option<Done>> {
        let Finished {
            token,
            mut buffer,
            result,
        } = finished;
        let pending = self.pending.get_mut(token as usize).and_then(Option::take);
        let mut pending = pending.ok_or_else(|| io::Error::other("the kernel has done what nobody wanted"))?;
        match pending.after(result) {
            Next::Again => {}
            Next::Sync => pending.is_syncing = true,
            Next::Write => {
                pending.zeroing = Zeroing::Write;
                buffer[pending.start..][..BUFFER_BYTES].fill(0);
            }
            Next::Over(result) => return Ok(Some(pending.into_job(buffer).over(result))),
        }
        self.push(pending, buffer)?;
        Ok(None)
    }
}

/// What follows after a step.
enum Next {
    /// The rest, or the same again.
    Again,
    /// It is to be made durable.
    Sync,
    /// Zeros are to be written from here on.
    Write,
    /// It is over.
    Over(io::Result<()>),
}

impl Pending {
    fn operation(&self) -> Operation {
        let rest = |at: u64, bytes: usize| (at + self.moved, self.start + self.moved as usize..self.start + bytes);
        if self.is_syncing {
            return Operation::Sync;
        }
        match self.work {
            Work::Read { at, bytes } => {
                let (at, range) = rest(at, bytes);
                Operation::Read { at, range }
            }
            Work::Write { at, bytes } => {
                let (at, range) = rest(at, bytes);
                let durable = self.durable;
                Operation::Write { at, range, durable }
            }
            Work::Flush => Operation::Sync,
            Work::Discard { at, bytes } => allocate(FallocateFlags::PUNCH_HOLE, at, bytes),
            Work::Zero { at, bytes, .. } => match self.zeroing {
                Zeroing::Punch => allocate(FallocateFlags::PUNCH_HOLE, at, bytes),
                Zeroing::InPlace => allocate(FallocateFlags::ZERO_RANGE, at, bytes),
                Zeroing::Write => Operation::Write {
                    at: at + self.moved,
                    range: self.start..self.start + (bytes - self.moved).min(BUFFER_BYTES as u64) as usize,
                    durable: self.durable,
                },
            },
        }
    }

    /// What follows after the kernel has said `result` to the operation.
    fn after(&mut self, result: io::Result<usize>) -> Next {
        let moved = match result {
            Ok(moved) => moved,
            Err(error) => {
                return match (Errno::from_io_error(&error), self.work, self.zeroing) {
                    (Some(Errno::INTR | Errno::AGAIN), ..) => Next::Again,
                    (Some(Errno::OPNOTSUPP), Work::Discard { .. }, _) => Next::Over(Ok(())),
                    (Some(Errno::OPNOTSUPP), Work::Zero { .. }, Zeroing::Punch) if !self.is_syncing => {
                        self.zeroing = Zeroing::InPlace;
                        Next::Again
                    }
                    (Some(Errno::OPNOTSUPP), Work::Zero { .. }, Zeroing::InPlace) if !self.is_syncing => Next::Write,
                    _ => Next::Over(Err(error)),
                };
            }
        };
        let bytes = match (self.work, self.zeroing) {
            (Work::Read { bytes, .. } | Work::Write { bytes, .. }, _) => bytes as u64,
            (Work::Zero { bytes, .. }, Zeroing::Write) => bytes,
            (Work::Discard { .. } | Work::Zero { .. }, _) if self.durable && !self.is_syncing => return Next::Sync,
            (Work::Discard { .. } | Work::Zero { .. } | Work::Flush, _) => return Next::Over(Ok(())),
        };
        self.moved += moved as u64;
        match (moved, self.work) {
            _ if self.moved >= bytes => Next::Over(Ok(())),
            (0, Work::Read { .. }) => Next::Over(Err(io::ErrorKind::UnexpectedEof.into())),
            (0, _) => Next::Over(Err(io::ErrorKind::WriteZero.into())),
            _ => Next::Again,
        }
    }

    fn into_job(self, memory: Vec<u8>) -> Job {
        Job {
            token: self.token,
            work: self.work,
            durable: self.durable,
            buffer: Buffer::from_memory(memory),
        }
    }
}

fn allocate(mode: FallocateFlags, at: u64, bytes: u64) -> Operation {
    let mode = (mode | FallocateFlags::KEEP_SIZE).bits() as i32;
    Operation::Allocate { mode, at, bytes }
}

impl Engine for RingEngine {
    fn descriptor(&self) -> RawFd {
        self.ring.as_raw_fd()
    }

    fn submit(&mut self, job: Job) -> io::Result<()> {
        if let Work::Write { at, bytes } = job.work
            && let Err(error) = self.disk.allows(at, job.buffer.data(bytes))
        {
            self.done.push_back(job.over(Err(error)));
            return Ok(());
        }
        let Job {
            token,
            work,
            durable,
            buffer,
        } = job;
        let (memory, start) = buffer.into_memory();
        let pending = Pending {
            token,
            work,
            durable,
            moved: 0,
            zeroing: match work {
                Work::Zero { space: Space::Kept, .. } => Zeroing::InPlace,
                _ => Zeroing::Punch,
            },
            start,
            is_syncing: false,
        };
        self.push(pending, memory)
    }

    fn begin(&mut self) -> io::Result<()> {
        self.ring.submit()
    }

    fn is_stalled(&mut self) -> bool {
        self.ring.is_stalled()
    }

    fn done(&mut self) -> io::Result<Option<Done>> {
        while self.done.is_empty()
            && let Some(finished) = self.ring.finished()
        {
            let done = self.advance(finished)?;
            self.done.extend(done);
        }
        // Only now: what is over at once, as from the page cache, makes the descriptor readable, and others have their turn first.
        self.ring.submit()?;
        Ok(self.done.pop_front())
    }

    fn wait(&mut self) -> io::Result<Option<Done>> {
        while self.done.is_empty()
            && let Some(finished) = self.ring.wait()?
        {
            let done = self.advance(finished)?;
            self.done.extend(done);
        }
        Ok(self.done.pop_front())
    }
}
