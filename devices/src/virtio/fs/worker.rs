//! One life of the device: requests from the guest's queues into the server's rings, and answers back, each copied once.
//!
//! While the arena has no room for the next request of a queue, that waits, and those behind it. A server that hangs up, or says what cannot be, is gone:
//! what it has not answered, and all that comes, is an I/O error for the guest.

use std::io;
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::Arc;

use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

use super::arena::{Arena, ROOM};
use super::fuse::{Header, IN_HEADER, OUT_HEADER, errno};
use super::ring::{Lie, Part, SLOTS};
use super::session::Session;
use super::{QUEUES, Report};
use crate::virtio::{Chain, Kick, Queue, Worker};

/// Bytes that a server reads of a request: what a server may be asked to write at once, and the headers. QEMU's dies of more.
const MOST_READABLE: u64 = (1 << 20) + 4096;

/// Bytes that are copied at once.
const PIECE: usize = 64 << 10;

/// Requests that are taken from a queue before the device looks at everything else.
const TURN: usize = 64;

/// What is watched: calls of the server, and its hanging up, which are told once each (edge-triggered). So a call is never read, of which the server could
/// make us wait; and what the device has left for later.
const CALL: u64 = 0;
const HANG_UP: u64 = 1;
const AGAIN: u64 = 2;

/// What no driver may ask.
#[derive(Debug, thiserror::Error)]
#[error("a request of {readable} bytes to read and {writable} to write")]
struct NoRequest {
    readable: u64,
    writable: u64,
}

/// A request that the server has.
struct Request {
    chain: Chain,
    header: Header,
    /// Where it begins in the arena.
    at: usize,
    /// Where its answer goes.
    answer: Part,
}

/// One of the device's queues.
struct Lane {
    queue: Queue,
    requests: Vec<Option<Request>>,
    /// The next one, for which there was no room.
    waiting: Option<Chain>,
}

/// The life.
pub(super) struct FsWorker {
    lanes: [Option<Lane>; QUEUES],
    /// `None`: it is gone.
    session: Option<Session>,
    events: Epoll,
    /// Rung when a turn was over before the queue was empty.
    again: Kick,
    piece: Vec<u8>,
    is_read_only: bool,
    report: Arc<Report>,
}

impl FsWorker {
    /// One with these queues, by number. Without a session every request fails.
    pub(super) fn new(
        session: Option<Session>,
        queues: Vec<(usize, Queue)>,
        is_read_only: bool,
        report: Arc<Report>,
    ) -> io::Result<Self> {
        let (events, again) = (Epoll::new()?, Kick::new()?);
        let watch = |fd, how, token| events.ctl(ControlOperation::Add, fd, EpollEvent::new(EventSet::IN | how, token));
        watch(again.as_raw_fd(), EventSet::empty(), AGAIN)?;
        if let Some(session) = &session {
            for ring in &session.rings {
                watch(ring.call.as_raw_fd(), EventSet::EDGE_TRIGGERED, CALL)?;
            }
            watch(session.socket.as_raw_fd(), EventSet::EDGE_TRIGGERED, HANG_UP)?;
        }
        let mut lanes = [const { None }; QUEUES];
        for (number, queue) in queues {
            lanes[number] = Some(Lane {
                queue,
                requests: std::iter::repeat_with(|| None).take(usize::from(SLOTS)).collect(),
                waiting: None,
            });
        }
        Ok(Self {
            lanes,
            session,
            events,
            again,
            piece: vec![0; PIECE],
            is_read_only,
            report,
        })
    }

    /// Moves requests of queue `number` until there is none, or no room, or a turn is over.
    fn forward(&mut self, number: usize) -> io::Result<()> {
        let Some(lane) = &mut self.lanes[number] else {
            return Ok(());
        };
        for _ in 0..TURN {
            let next = match lane.waiting.take() {
                Some(chain) => Some(chain),
                None => lane.queue.pop()?,
            };
            let Some(chain) = next else {
                return lane.queue.signal();
            };
            let header = check(&chain, &mut self.piece)?;
            let head = &mut self.piece[..head_bytes(&chain)];
            let refusal = if self.session.is_none() {
                Some(errno::EIO)
            } else if self.is_read_only && !header.changes_nothing(head) {
                Some(errno::EROFS)
            } else {
                None
            };
            let Some(Session { arena, rings, .. }) = self.session.as_mut().filter(|_| refusal.is_none()) else {
                fail(&mut lane.queue, chain, header, refusal.unwrap_or(errno::EIO))?;
                continue;
            };
            header.say_flags(head);
            let readable = chain.readable() as usize;
            let bytes = readable.next_multiple_of(ALIGN) + chain.writable() as usize;
            let Some(at) = arena.take(bytes) else {
                lane.waiting = Some(chain);
                return lane.queue.signal();
            };
            copy_request(&chain, arena, at, &mut self.piece)?;
            let answer = Part {
                at: at + readable.next_multiple_of(ALIGN),
                bytes: chain.writable() as usize,
            };
            let free = lane.requests.iter().position(Option::is_none);
            let slot = free.expect("a queue is no longer than there are slots");
            lane.requests[slot] = Some(Request {
                chain,
                header,
                at,
                answer,
            });
            let request = Part { at, bytes: readable };
            rings[number].offer(arena, slot as u16, request, answer);
        }
        self.again.ring();
        lane.queue.signal()
    }

    /// Moves answers of ring `number`.
    fn backward(&mut self, number: usize) -> io::Result<()> {
        let (Some(lane), Some(session)) = (&mut self.lanes[number], &mut self.session) else {
            return Ok(());
        };
        let mut has_lied = None;
        // No more than there are requests, however the server counts on.
        for _ in 0..SLOTS {
            let used = session.rings[number].take_used(&session.arena);
            let (request, written) = match used.and_then(|used| find(lane, used)) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(lie) => {
                    has_lied = Some(lie);
                    break;
                }
            };
            for done in (0..written).step_by(PIECE) {
                let piece = &mut self.piece[..PIECE.min(written - done)];
                session.arena.read(request.answer.at + done, piece);
                request.chain.write(done as u64, piece).map_err(io::Error::other)?;
            }
            session.arena.give_back(request.at);
            lane.queue.push(request.chain, written as u32)?;
        }
        lane.queue.signal()?;
        match has_lied {
            Some(lie) => self.lose(&format!("it breaks the rules: {lie}")),
            None => Ok(()),
        }
    }

    /// The server is gone.
    fn lose(&mut self, why: &str) -> io::Result<()> {
        if self.session.take().is_none() {
            return Ok(());
        }
        (self.report)(&format!(
            "{why}; what the guest does there is an I/O error until its driver starts anew"
        ));
        for lane in self.lanes.iter_mut().flatten() {
            for request in lane.requests.iter_mut().filter_map(Option::take) {
                fail(&mut lane.queue, request.chain, request.header, errno::EIO)?;
            }
        }
        self.forward_all()
    }

    fn forward_all(&mut self) -> io::Result<()> {
        (0..QUEUES).try_for_each(|number| self.forward(number))
    }
}

impl Worker for FsWorker {
    fn watched(&self) -> Vec<(RawFd, u32)> {
        vec![(self.events.as_raw_fd(), 0)]
    }

    fn kicked(&mut self, queue: usize) -> io::Result<()> {
        self.forward(queue)
    }

    fn ready(&mut self, _token: u32) -> io::Result<()> {
        let mut told = [EpollEvent::default(); 4];
        let count = match self.events.wait(0, &mut told) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            told => told.unwrap_or(0),
        };
        self.again.take();
        // What it has answered before it hung up is answered.
        (0..QUEUES).try_for_each(|number| self.backward(number))?;
        if told[..count].iter().any(|event| event.data() == HANG_UP) {
            self.lose("it has hung up")?;
        }
        // There is room again, or a turn was over.
        self.forward_all()
    }

    fn stop(&mut self) {
        self.session = None;
    }
}

/// The answer of a request begins at a multiple of this.
const ALIGN: usize = 64;

/// How much of a request is looked at: what lies in one piece.
fn head_bytes(chain: &Chain) -> usize {
    PIECE.min(chain.readable() as usize)
}

/// Copies the beginning of a request into `piece`, and looks whether it is one.
fn check(chain: &Chain, piece: &mut [u8]) -> io::Result<Header> {
    let (readable, writable) = (chain.readable(), chain.writable());
    let has_answer = writable == 0 || writable >= OUT_HEADER as u64;
    if readable < IN_HEADER as u64
        || readable > MOST_READABLE
        || !has_answer
        || writable > ROOM as u64 - 2 * MOST_READABLE
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            NoRequest { readable, writable },
        ));
    }
    let head = &mut piece[..head_bytes(chain)];
    chain.read(0, head).map_err(io::Error::other)?;
    Ok(Header::of(head).expect("it is as long as a header"))
}

/// Copies a request to `at`, of which `piece` has the beginning.
fn copy_request(chain: &Chain, arena: &Arena, at: usize, piece: &mut [u8]) -> io::Result<()> {
    let readable = chain.readable() as usize;
    let head = head_bytes(chain);
    arena.write(at, &piece[..head]);
    for done in (head..readable).step_by(PIECE) {
        let piece = &mut piece[..PIECE.min(readable - done)];
        chain.read(done as u64, piece).map_err(io::Error::other)?;
        arena.write(at + done, piece);
    }
    Ok(())
}

/// The request of a slot, of which so many bytes are written, if the server may say so.
fn find(lane: &mut Lane, used: Option<(u16, u32)>) -> Result<Option<(Request, usize)>, Lie> {
    let Some((slot, written)) = used else {
        return Ok(None);
    };
    let request = lane.requests[usize::from(slot)].take().ok_or(Lie::Slot)?;
    let written = written as usize;
    if written > request.answer.bytes {
        lane.requests[usize::from(slot)] = Some(request);
        return Err(Lie::Length);
    }
    Ok(Some((request, written)))
}

/// Answers for the server.
fn fail(queue: &mut Queue, chain: Chain, header: Header, errno: u32) -> io::Result<()> {
    let mut written = 0;
    if chain.writable() > 0 {
        chain.write(0, &header.failure(errno)).map_err(io::Error::other)?;
        written = OUT_HEADER as u32;
    }
    queue.push(chain, written)?;
    queue.signal()
}
