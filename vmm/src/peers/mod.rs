//! Other processes that map the guest's memory (`--share-memory PATH`), and what they do to it.
//!
//! A process connects to the socket and is given the memory file. It maps what it wants, has a userfaultfd watch the
//! mappings for the events remove, unmap and remap, and passes that on with the mappings' places. From then on each event
//! becomes a range of the notifier: every translation of that memory goes, and nobody makes one while it is in flight.
//!
//! The kernel lets a process go on as soon as its event has been read here, and removes memory only then. What processors
//! learn of it in between (a decoded instruction, a page that was not stored to) is void when the process has said that it is done: the ranges are
//! announced once more, and it gets its answer after that.
//!
//! - `event` is what a userfaultfd says; `book` where a process has which memory; `message` what the socket carries.
//!
//! A process has all rights to the memory that it was given: the socket is its owner's alone.

mod book;
mod event;
mod message;

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use hpt::{BeginError, Why};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::machine::Machine;
use crate::socket::Socket;
use crate::terminal;
use book::{BadMapping, Book};
use event::Event;
use message::{Message, receive, send};

/// Processes at once.
const MOST: usize = 8;
/// How long one may take over a message.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a process says when it has done what it told, in the place of a mapping.
const DONE: Message = [0; 3];
/// How long to wait when no connection can be taken.
const PAUSE: Duration = Duration::from_millis(100);
/// The first word of the greeting: "ptegmem1".
const GREETING: u64 = u64::from_be_bytes(*b"ptegmem1");

/// Serves the processes that connect to `socket`, on threads of their own, for as long as the program lives.
pub(crate) fn serve(socket: &Socket, machine: Arc<Machine>) -> io::Result<()> {
    let listener = socket.listener().try_clone()?;
    listener.set_nonblocking(false)?;
    let count = Arc::<AtomicUsize>::default();
    let accept = move || {
        for socket in listener.incoming() {
            let Ok(socket) = socket else {
                // Out of file descriptors, or memory: others give some back.
                thread::sleep(PAUSE);
                continue;
            };
            let place = Place::take(&count);
            let machine = Arc::clone(&machine);
            let attend = move || {
                if let Some(_place) = place
                    && let Err(error) = attend(&socket, &machine)
                {
                    terminal::say(&format!("pteg: a process that shares the memory: {error}"));
                }
            };
            // Without a thread for it, it finds itself hung up on.
            drop(thread::Builder::new().name("peer".into()).spawn(attend));
        }
    };
    thread::Builder::new().name("peers".into()).spawn(accept).map(drop)
}

/// One of [`MOST`] places, until it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(count: &Arc<AtomicUsize>) -> Option<Self> {
        // Only one thread takes.
        if count.load(Ordering::Relaxed) >= MOST {
            return None;
        }
        count.fetch_add(1, Ordering::Relaxed);
        Some(Self(Arc::clone(count)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a process is served no more, other than that it has gone.
#[derive(Debug, thiserror::Error)]
enum PeerError {
    #[error("no message from it within {} s", PATIENCE.as_secs())]
    Silent,
    #[error("its first mapping comes without a userfaultfd")]
    NoEvents,
    #[error("reading its events: {0}")]
    Events(io::Error),
    #[error(
        "its userfaultfd says something that was not to be asked for (event {0:#x}); \
         it is to be opened for the events remove, unmap and remap, and no page is to wait for an answer"
    )]
    Unasked(u8),
    #[error("announcing what it does: {0}")]
    Announce(BeginError),
    #[error("talking to it: {0}")]
    Socket(io::Error),
}

/// Serves one process until it hangs up.
fn attend(socket: &UnixStream, machine: &Machine) -> Result<(), PeerError> {
    let hello = [GREETING, machine.ram.size().bytes(), 0];
    socket.set_read_timeout(Some(PATIENCE)).map_err(PeerError::Socket)?;
    socket.set_write_timeout(Some(PATIENCE)).map_err(PeerError::Socket)?;
    send(socket, hello, Some(machine.ram.file())).map_err(PeerError::Socket)?;
    let Some((first, fd)) = hear(socket)? else {
        return Ok(());
    };
    let events = fd.ok_or(PeerError::NoEvents)?;
    rustix::io::ioctl_fionbio(&events, true).map_err(|error| PeerError::Events(error.into()))?;
    let mut book = Book::new(machine.ram.size().bytes());
    enter(socket, &mut book, first)?;
    loop {
        let mut fds = [PollFd::new(socket, PollFlags::IN), PollFd::new(&events, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(PeerError::Socket(error.into())),
        }
        let [said, happened] = fds.map(|fd| !fd.revents().is_empty());
        // First: a mapping that is named after an event has not met it.
        if happened && !take_events(&events, &mut book, machine)? {
            return Ok(());
        }
        if said {
            let Some((message, _)) = hear(socket)? else {
                return Ok(());
            };
            if message != DONE {
                enter(socket, &mut book, message)?;
            } else if take_events(&events, &mut book, machine)? && announce(book.take_removed(), Why::Discard, machine)?
            {
                send(socket, [0; 3], None).map_err(PeerError::Socket)?;
            } else {
                return Ok(());
            }
        }
    }
}

/// A message; `None` when it has hung up.
fn hear(socket: &UnixStream) -> Result<Option<(Message, Option<OwnedFd>)>, PeerError> {
    receive(socket).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => PeerError::Silent,
        _ => PeerError::Socket(error),
    })
}

/// Takes a mapping into the book, and tells the process whether that was done.
fn enter(socket: &UnixStream, book: &mut Book, [address, bytes, real]: Message) -> Result<(), PeerError> {
    let answer = match book.add(address, bytes, real) {
        Ok(()) => 0,
        Err(BadMapping::Pages) => 1,
        Err(BadMapping::Outside) => 2,
        Err(BadMapping::Overlap) => 3,
        Err(BadMapping::TooMany) => 4,
    };
    send(socket, [answer, 0, 0], None).map_err(PeerError::Socket)
}

/// Makes ranges of the events that wait; `false` when there will be no more, or nobody is left to hear of them.
fn take_events(events: &OwnedFd, book: &mut Book, machine: &Machine) -> Result<bool, PeerError> {
    const AT_ONCE: usize = 16;
    let mut buffer = [0; AT_ONCE * event::BYTES];
    let bytes = match rustix::io::read(events, &mut buffer) {
        Ok(0) => return Ok(false),
        Ok(bytes) => bytes,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
        Err(error) => return Err(PeerError::Events(error.into())),
    };
    let (messages, _) = buffer[..bytes].as_chunks();
    for message in messages {
        let event = Event::decode(message);
        if let Event::Unasked(number) = event {
            return Err(PeerError::Unasked(number));
        }
        for (range, why) in book.note(&event) {
            if !announce(Some(range), why, machine)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Has every processor forget the range; `false` if the run is over.
fn announce(range: Option<Range<u64>>, why: Why, machine: &Machine) -> Result<bool, PeerError> {
    let Some(range) = range else { return Ok(true) };
    match machine.ram.notifier().begin(range.clone(), why, &*machine.stop) {
        Ok(in_flight) => {
            if why == Why::Discard {
                machine.ram.frames().note_stored(range.start, range.end - range.start);
            }
            drop(in_flight);
            Ok(true)
        }
        Err(BeginError::Abandoned) => Ok(false),
        Err(error) => Err(PeerError::Announce(error)),
    }
}
