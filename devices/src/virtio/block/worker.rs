//! Carries requests out.
//!
//! A request that was taken from its queue has a *slot* with a buffer until it is reported. There are as many slots as requests may be under way, so
//! what a device needs is known beforehand; requests for which there is none wait in their queue. Data goes through the buffer, a
//! piece of it at a time: what the engine writes is a copy, which the guest cannot change any more.
//!
//! Everything happens on the device's thread, but for what the engine does. A call serves a *burst* and comes back: if there may be more, it
//! has a descriptor of its own to be called again by, so that nobody keeps the thread for ever.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;

use super::request::{Change, HEADER_BYTES, Plan, RANGE_BYTES, Status, Terms};
use super::{About, DEPTH};
use crate::disk::engine::{Done, Engine, Job, Work, clear_event, event, ring_event};
use crate::disk::{Activity, BUFFER_BYTES, Buffer};
use crate::dma::DmaError;
use crate::virtio::{Chain, Queue, Worker};

/// Steps of requests that are served in one call.
const BURST: usize = 256;

/// Token of the engine's descriptor.
const ENGINE: u32 = 0;
/// Token of the descriptor that calls again.
const AGAIN: u32 = 1;

/// One life of a block device.
pub(super) struct BlockWorker {
    about: Arc<About>,
    terms: Terms,
    /// The guest flushes what is to be durable.
    is_writeback: bool,
    engine: Box<dyn Engine>,
    lanes: Vec<Lane>,
    /// The lane whose turn it is.
    turn: usize,
    slots: Vec<Slot>,
    again: OwnedFd,
}

/// A queue.
struct Lane {
    number: usize,
    queue: Queue,
    /// There may be a chain in it.
    may_have_more: bool,
    /// Chains that were pushed since it was last signalled.
    unsignalled: u16,
}

/// Room for a request.
#[derive(Default)]
struct Slot {
    /// `None` before the first request that needs it, and while the engine has it.
    buffer: Option<Buffer>,
    /// What is carried out here.
    request: Option<Request>,
}

/// A request that is under way.
struct Request {
    /// Index of its lane.
    lane: usize,
    chain: Chain,
    step: Step,
    /// Bytes from the beginning of its writable part that are written.
    written: u64,
}

/// How far a request is.
#[derive(Clone, Copy)]
enum Step {
    /// `done` bytes are read.
    Read { at: u64, bytes: u64, done: u64 },
    /// `done` bytes are written.
    Write { at: u64, bytes: u64, done: u64 },
    /// The next thing is the flush.
    Flush,
    /// So many ranges are done.
    Ranges { change: Change, count: u32, done: u32 },
    /// Everything is done.
    Over,
}

impl BlockWorker {
    pub(super) fn new(
        about: Arc<About>,
        terms: Terms,
        is_writeback: bool,
        engine: Box<dyn Engine>,
        queues: Vec<(usize, Queue)>,
    ) -> io::Result<Self> {
        let lanes = queues.into_iter().map(|(number, queue)| Lane {
            number,
            queue,
            may_have_more: false,
            unsignalled: 0,
        });
        let slots = (0..DEPTH).map(|_| Slot::default());
        Ok(Self {
            about,
            terms,
            is_writeback,
            engine,
            lanes: lanes.collect(),
            turn: 0,
            slots: slots.collect(),
            again: event()?,
        })
    }

    /// A burst: begins what waits in the queues, goes on with what the engine has done.
    fn serve(&mut self) -> io::Result<()> {
        let mut left = BURST;
        loop {
            self.begin(&mut left)?;
            self.engine.begin()?;
            let before = left;
            while left > 0
                && let Some(done) = self.engine.done()?
            {
                left -= 1;
                self.go_on(done)?;
            }
            if left == 0 || self.engine.is_stalled() {
                ring_event(&self.again);
            }
            if left == 0 || left == before {
                break;
            }
        }
        self.lanes.iter_mut().try_for_each(Lane::signal)
    }

    /// Begins requests for as long as there are slots, one of each queue in turn.
    fn begin(&mut self, left: &mut usize) -> io::Result<()> {
        while *left > 0
            && let Some(slot) = self.slots.iter().position(|slot| slot.request.is_none())
        {
            let Some((lane, chain)) = self.take()? else { break };
            *left -= 1;
            let request = self.request(lane, chain)?;
            match request {
                Ok(request) => {
                    self.slots[slot].request = Some(request);
                    self.next_step(slot)?;
                }
                Err((chain, written, status)) => self.report(lane, chain, written, status)?,
            }
        }
        Ok(())
    }

    /// The next chain of the lanes that may have one.
    fn take(&mut self) -> io::Result<Option<(usize, Chain)>> {
        for _ in 0..self.lanes.len() {
            self.turn = (self.turn + 1) % self.lanes.len();
            let lane = &mut self.lanes[self.turn];
            if !lane.may_have_more {
                continue;
            }
            match lane.queue.pop()? {
                Some(chain) => return Ok(Some((self.turn, chain))),
                None => lane.may_have_more = false,
            }
        }
        Ok(None)
    }

    /// The request that is in `chain`; or how it ends already, and how many bytes of it are written.
    ///
    /// # Errors
    /// It has no header, or no place for a status: no driver makes such ones.
    fn request(&self, lane: usize, chain: Chain) -> io::Result<Result<Request, (Chain, u64, Status)>> {
        let readable = chain.readable().checked_sub(HEADER_BYTES as u64);
        let (Some(readable), Some(writable)) = (readable, chain.writable().checked_sub(1)) else {
            let why = "a request without a header, or without a byte for its status";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        };
        let mut header = [0; HEADER_BYTES];
        let plan = match chain.read(0, &mut header) {
            Ok(()) => self.terms.plan(header, readable, writable),
            Err(_) => Err(Status::Error),
        };
        let step = match plan {
            Ok(Plan::Read { at, bytes }) => Step::Read { at, bytes, done: 0 },
            Ok(Plan::Write { at, bytes }) => Step::Write { at, bytes, done: 0 },
            Ok(Plan::Flush) => Step::Flush,
            Ok(Plan::Ranges { change, count }) => Step::Ranges { change, count, done: 0 },
            Ok(Plan::Identity { bytes }) => {
                return Ok(Err(match chain.write(0, &self.about.serial[..bytes]) {
                    Ok(()) => (chain, bytes as u64, Status::Ok),
                    Err(_) => (chain, 0, Status::Error),
                }));
            }
            Err(status) => return Ok(Err((chain, 0, status))),
        };
        Ok(Ok(Request {
            lane,
            chain,
            step,
            written: 0,
        }))
    }

    /// The engine has done a step of a request.
    fn go_on(&mut self, done: Done) -> io::Result<()> {
        let Done { token, buffer, result } = done;
        let slot = &mut self.slots[token];
        let request = slot.request.as_mut().expect("the engine's jobs are of requests");
        let activity = request.step.activity();
        let ended = match &result {
            Ok(()) => request.did(&buffer).err().map(|_| Status::Error),
            Err(error) => {
                self.about.faults.note(activity, error);
                Some(Status::Error)
            }
        };
        slot.buffer = Some(buffer);
        match ended {
            Some(status) => self.end(token, status),
            None => self.next_step(token),
        }
    }

    /// The next step of a slot's request goes to the engine, or the request ends.
    fn next_step(&mut self, slot: usize) -> io::Result<()> {
        let Slot { buffer, request } = &mut self.slots[slot];
        let request = request.as_mut().expect("it has a next step");
        let mut buffer = buffer.take().unwrap_or_default();
        let work = match request.work(&self.terms, &mut buffer) {
            Ok(Some(work)) => work,
            other => {
                self.slots[slot].buffer = Some(buffer);
                return self.end(slot, other.err().unwrap_or(Status::Ok));
            }
        };
        self.engine.submit(Job {
            token: slot,
            work,
            durable: !self.is_writeback,
            buffer,
        })
    }

    /// A slot's request ends.
    fn end(&mut self, slot: usize, status: Status) -> io::Result<()> {
        let request = self.slots[slot].request.take().expect("it is under way");
        self.report(request.lane, request.chain, request.written, status)
    }

    /// Tells the driver how a request has ended, of which `written` bytes are written.
    fn report(&mut self, lane: usize, chain: Chain, written: u64, status: Status) -> io::Result<()> {
        let last = chain.writable() - 1;
        // Where there is no memory nobody waits for it.
        let is_told = chain.write(last, &[status as u8]).is_ok();
        let written = written + u64::from(is_told && written == last);
        let lane = &mut self.lanes[lane];
        lane.queue.push(chain, written as u32)?;
        lane.unsignalled += 1;
        if lane.unsignalled >= lane.queue.size() {
            lane.signal()?;
        }
        Ok(())
    }
}

impl Lane {
    fn signal(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.unsignalled) {
            0 => Ok(()),
            _ => self.queue.signal(),
        }
    }
}

impl Step {
    fn activity(self) -> Activity {
        match self {
            Self::Read { .. } => Activity::Reading,
            Self::Write { .. } => Activity::Writing,
            Self::Flush | Self::Over => Activity::Flushing,
            Self::Ranges { change, .. } => change.activity(),
        }
    }
}

/// Bytes of the next piece.
fn piece(bytes: u64, done: u64) -> usize {
    (bytes - done).min(BUFFER_BYTES as u64) as usize
}

impl Request {
    /// What is to be done next, with its data in `buffer`; `None`: nothing more.
    ///
    /// # Errors
    /// The request ends like this.
    fn work(&mut self, terms: &Terms, buffer: &mut Buffer) -> Result<Option<Work>, Status> {
        loop {
            match &mut self.step {
                Step::Read { bytes, done, .. } | Step::Write { bytes, done, .. } if done == bytes => return Ok(None),
                Step::Read { at, bytes, done } => {
                    let (at, bytes) = (*at + *done, piece(*bytes, *done));
                    return Ok(Some(Work::Read { at, bytes }));
                }
                Step::Write { at, bytes, done } => {
                    let (at, bytes) = (*at + *done, piece(*bytes, *done));
                    let data = HEADER_BYTES as u64 + *done;
                    let read = self.chain.read(data, buffer.data_mut(bytes));
                    read.map_err(|_| Status::Error)?;
                    return Ok(Some(Work::Write { at, bytes }));
                }
                Step::Flush => return Ok(Some(Work::Flush)),
                Step::Over => return Ok(None),
                Step::Ranges { count, done, .. } if done == count => return Ok(None),
                Step::Ranges { change, done, .. } => {
                    let mut range = [0; RANGE_BYTES];
                    let place = HEADER_BYTES + *done as usize * RANGE_BYTES;
                    let read = self.chain.read(place as u64, &mut range);
                    read.map_err(|_| Status::Error)?;
                    let (at, bytes, space) = terms.range(range, *change)?;
                    if bytes == 0 {
                        *done += 1;
                        continue;
                    }
                    return Ok(Some(match change {
                        Change::Discard => Work::Discard { at, bytes },
                        Change::Zero => Work::Zero { at, bytes, space },
                    }));
                }
            }
        }
    }

    /// What [`Self::work`] wanted last is done; what was read is in `buffer`.
    ///
    /// # Errors
    /// The guest has no memory for it, or is gone.
    fn did(&mut self, buffer: &Buffer) -> Result<(), DmaError> {
        match &mut self.step {
            Step::Read { bytes, done, .. } => {
                let piece = piece(*bytes, *done);
                self.chain.write(*done, buffer.data(piece))?;
                *done += piece as u64;
                self.written = *done;
            }
            Step::Write { bytes, done, .. } => *done += piece(*bytes, *done) as u64,
            Step::Ranges { done, .. } => *done += 1,
            Step::Flush | Step::Over => self.step = Step::Over,
        }
        Ok(())
    }
}

impl Worker for BlockWorker {
    fn watched(&self) -> Vec<(RawFd, u32)> {
        vec![(self.engine.descriptor(), ENGINE), (self.again.as_raw_fd(), AGAIN)]
    }

    fn kicked(&mut self, queue: usize) -> io::Result<()> {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.number == queue) {
            lane.may_have_more = true;
        }
        self.serve()
    }

    fn ready(&mut self, token: u32) -> io::Result<()> {
        if token == AGAIN {
            clear_event(&self.again);
        }
        self.serve()
    }

    /// Waits for what the engine has in hand; what was not reported is forgotten.
    fn stop(&mut self) {
        while let Ok(Some(done)) = self.engine.wait() {
            let slot = &mut self.slots[done.token];
            slot.buffer = Some(done.buffer);
            slot.request = None;
        }
        self.slots.iter_mut().for_each(|slot| slot.request = None);
        self.lanes.clear();
        if !self.about.terms.is_read_only
            && let Err(error) = self.about.disk.flush()
        {
            self.about.faults.note(Activity::Flushing, &error);
        }
    }
}
