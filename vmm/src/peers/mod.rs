//! Other processes that map the guest's memory (`--share-memory PATH`), and what they do to it.
//!
//! A process connects to the socket and is given the memory file. It maps what it wants, has a userfaultfd watch the
//! mappings for the events remove, unmap and remap, and passes that on with the mappings' places. From then on each event
//! becomes a range of the notifier: every translation of that memory goes, and nobody makes one while it is in flight.
//!
//! The kernel lets a process go on as soon as its event has been read here, and removes memory only then. What processors
//! learn of it in between (a decoded instruction, a page that was not stored to) is void when the process has said that it is done: the ranges are
//! announced once more, and it gets its answer after that. They are as well when it hangs up without a word. Before its userfaultfd is let go, which
//! lets its threads go on, all that waits there is read.
//!
//! - `descriptor` looks at a userfaultfd, `event` is what it says; `book` where a process has which memory; `message` what the socket carries.
//!
//! A process has all rights to the memory that it was given: the socket is its owner's alone.

mod book;
mod descriptor;
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
use descriptor::BadDescriptor;
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
    #[error("a message of it is cut off, or has too many file descriptors with it")]
    Malformed,
    #[error("its first mapping comes without a userfaultfd")]
    NoEvents,
    #[error(transparent)]
    Descriptor(#[from] BadDescriptor),
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
    let Some((first, events)) = greet(socket, machine)? else {
        return Ok(());
    };
    descriptor::check(&events)?;
    follow(socket, machine, &events, first)
}

/// Its first mapping, and what tells of its events; `None` if it hangs up.
fn greet(socket: &UnixStream, machine: &Machine) -> Result<Option<(Message, OwnedFd)>, PeerError> {
    let hello = [GREETING, machine.ram.size().bytes(), 0];
    socket.set_read_timeout(Some(PATIENCE)).map_err(PeerError::Socket)?;
    socket.set_write_timeout(Some(PATIENCE)).map_err(PeerError::Socket)?;
    send(socket, hello, Some(machine.ram.file())).map_err(PeerError::Socket)?;
    let Some((first, fd)) = hear(socket)? else {
        return Ok(None);
    };
    Ok(Some((first, fd.ok_or(PeerError::NoEvents)?)))
}

/// Hears what it says and does until it hangs up, beginning with its `first` mapping.
fn follow(socket: &UnixStream, machine: &Machine, events: &OwnedFd, first: Message) -> Result<(), PeerError> {
    rustix::io::ioctl_fionbio(events, true).map_err(|error| PeerError::Events(error.into()))?;
    let mut book = Book::new(machine.ram.size().bytes());
    enter(socket, &mut book, first)?;
    let heard = listen(socket, events, &mut book, machine);
    // The kernel lets its threads go on when nobody has its events open any more, also with what nobody has read.
    let left = match take_events(events, &mut book, machine) {
        // Said already, or of no interest any more.
        Err(PeerError::Unasked(_)) => Ok(()),
        taken => taken.map(drop),
    };
    // What it has removed without saying that it was done: nobody else will.
    let forgotten = announce(book.take_removed(), Why::Discard, machine);
    heard.and(left).and(forgotten.map(drop))
}

/// Hears what it says and does, until it hangs up.
fn listen(socket: &UnixStream, events: &OwnedFd, book: &mut Book, machine: &Machine) -> Result<(), PeerError> {
    loop {
        let mut fds = [PollFd::new(socket, PollFlags::IN), PollFd::new(events, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(PeerError::Socket(error.into())),
        }
        let [said, happened] = fds.map(|fd| !fd.revents().is_empty());
        // First: a mapping that is named after an event has not met it.
        if happened && !take_events(events, book, machine)? {
            return Ok(());
        }
        if said {
            let Some((message, _)) = hear(socket)? else {
                return Ok(());
            };
            if message != DONE {
                enter(socket, book, message)?;
            } else if take_events(events, book, machine)? && announce(book.take_removed(), Why::Discard, machine)? {
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
        io::ErrorKind::InvalidData => PeerError::Malformed,
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

/// Makes ranges of all events that wait; `false` when there will be no more, or nobody is left to hear of them. A mapping that is named later
/// has met none of them.
fn take_events(events: &OwnedFd, book: &mut Book, machine: &Machine) -> Result<bool, PeerError> {
    const AT_ONCE: usize = 16;
    let mut buffer = [0; AT_ONCE * event::BYTES];
    // What waits must be done, also what stands behind an event that ends this.
    let mut unasked = None;
    let go_on = loop {
        let bytes = match rustix::io::read(events, &mut buffer) {
            Ok(0) => break false,
            Ok(bytes) => bytes,
            Err(Errno::AGAIN) => break true,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(PeerError::Events(error.into())),
        };
        let (messages, _) = buffer[..bytes].as_chunks();
        for message in messages {
            let event = Event::decode(message);
            if let Event::Unasked(number) = event {
                unasked = unasked.or(Some(number));
            }
            for (range, why) in book.note(&event) {
                if !announce(Some(range), why, machine)? {
                    return Ok(false);
                }
            }
        }
    };
    unasked.map_or(Ok(go_on), |number| Err(PeerError::Unasked(number)))
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use hpt::{Abandoned, Announced, Listener, Patience};

    use super::*;
    use crate::test_machine;

    /// Tells of each range, and holds up the first one until it hears that it may go on.
    struct Telling {
        tell: Sender<(Range<u64>, Why)>,
        hold: Mutex<Option<Receiver<()>>>,
    }

    impl Telling {
        fn new(tell: Sender<(Range<u64>, Why)>, hold: Option<Receiver<()>>) -> Arc<Self> {
            let hold = Mutex::new(hold);
            Arc::new(Self { tell, hold })
        }
    }

    impl Listener for Telling {
        fn start(&self, announced: &Announced, _: &dyn Patience) -> Result<(), Abandoned> {
            let _ = self.tell.send((announced.range.clone(), announced.why));
            if let Some(hold) = self.hold.lock().unwrap().take() {
                let _ = hold.recv();
            }
            Ok(())
        }

        fn end(&self, _: &Announced) {}
    }

    /// As [`attend`], with whatever comes with the first mapping in the place of a userfaultfd.
    fn follow_anything(socket: &UnixStream, machine: &Machine) -> Result<(), PeerError> {
        let (first, events) = greet(socket, machine)?.expect("it says something");
        follow(socket, machine, &events, first)
    }

    /// `REMOVE` of these addresses.
    fn removed(addresses: Range<u64>) -> [u8; event::BYTES] {
        let mut message = [0; event::BYTES];
        message[0] = 0x15;
        message[8..16].copy_from_slice(&addresses.start.to_ne_bytes());
        message[16..24].copy_from_slice(&addresses.end.to_ne_bytes());
        message
    }

    #[test]
    fn who_passes_something_else_for_a_userfaultfd_is_told_so() {
        let machine = test_machine::machine(1);
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(&theirs, [0x7000_0000, 0x1_0000, 0], Some(&theirs)).unwrap();
        let error = attend(&ours, &machine).unwrap_err();
        assert!(matches!(error, PeerError::Descriptor(BadDescriptor::Other)), "{error}");
    }

    /// Its threads go on when nobody has its events open any more.
    #[test]
    fn all_that_waits_when_a_process_hangs_up_is_announced() {
        const EVENTS: u64 = 40;
        let machine = Arc::new(test_machine::machine(1));
        let (tell, told) = channel();
        let (go_on, hold) = channel();
        let _registered = machine
            .ram
            .notifier()
            .register(Telling::new(tell, Some(hold)), &hpt::Endless)
            .unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (events, mut kernel) = UnixStream::pair().unwrap();
        let place = |n: u64| 0x2_0000 + n * 0x2000..0x2_1000 + n * 0x2000;
        for n in 0..EVENTS {
            kernel.write_all(&removed(place(n))).unwrap();
        }
        let of_it = Arc::clone(&machine);
        let thread = thread::spawn(move || follow_anything(&ours, &of_it));
        assert_eq!(receive(&theirs).unwrap().unwrap().0[0], GREETING);
        send(&theirs, [0, 0x10_0000, 0], Some(&events)).unwrap();
        assert_eq!(receive(&theirs).unwrap().unwrap().0, [0; 3]);
        assert_eq!(told.recv().unwrap(), (place(0), Why::Discard));
        drop(theirs);
        go_on.send(()).unwrap();
        thread.join().unwrap().unwrap();
        let mut rest: Vec<_> = told.try_iter().map(|(range, _)| range).collect();
        assert_eq!(
            rest.pop(),
            Some(place(0).start..place(EVENTS - 1).end),
            "all of it once more"
        );
        assert_eq!(rest, (1..EVENTS).map(place).collect::<Vec<_>>());
    }

    #[test]
    fn half_a_message_is_told_as_such() {
        let machine = test_machine::machine(1);
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(&[7; 10]).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        let error = attend(&ours, &machine).unwrap_err();
        assert!(matches!(error, PeerError::Malformed), "{error}");
    }

    /// The kernel removes memory only after its event was read, and the process may be killed right then.
    #[test]
    fn what_a_process_removed_before_it_hung_up_without_a_word_is_announced_again() {
        let machine = Arc::new(test_machine::machine(1));
        let (tell, told) = channel();
        let _registered = machine
            .ram
            .notifier()
            .register(Telling::new(tell, None), &hpt::Endless)
            .unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        // In the place of a userfaultfd.
        let (events, mut kernel) = UnixStream::pair().unwrap();
        let of_it = Arc::clone(&machine);
        let thread = thread::spawn(move || follow_anything(&ours, &of_it));
        assert_eq!(receive(&theirs).unwrap().unwrap().0[0], GREETING);
        send(&theirs, [0x7000_0000, 0x1_0000, 0x2_0000], Some(&events)).unwrap();
        assert_eq!(receive(&theirs).unwrap().unwrap().0, [0; 3]);
        kernel.write_all(&removed(0x7000_1000..0x7000_3000)).unwrap();
        let range = (0x2_1000..0x2_3000, Why::Discard);
        assert_eq!(told.recv().unwrap(), range);
        drop(theirs);
        thread.join().unwrap().unwrap();
        assert_eq!(told.try_recv(), Ok(range));
    }
}
