//! A console (virtio 1.2, 5.3) with one port, beside the one that the guest boots on: what it writes goes to a descriptor of the host, and what
//! can be read there comes to it.
//!
//! Nothing is lost while the guest has no room, or whoever reads the output is slow: the one waits in the host, the other in the guest's buffer. Where
//! nobody is left at the other end, output goes nowhere.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::Arc;

use virtio_bindings::virtio_ids::VIRTIO_ID_CONSOLE;

use super::{Chain, Device, Kick, Queue, Worker};
use crate::poll::Poll;

/// Class of the PCI function: a communication controller of no kind.
const CLASS: u32 = 0x07_80_00;

/// The largest size of a queue.
const QUEUE_SIZE: u16 = 64;

/// Queues: to the guest, from the guest.
const INPUT: usize = 0;
const OUTPUT: usize = 1;

/// Bytes that are moved at once.
const AT_ONCE: usize = 4096;

/// Pieces that are moved in one direction before the device signals, and looks at everything else.
const TURN: usize = 128;

/// Tokens of what is watched: the host's end; there may be more to move.
const END: u32 = 0;
const AGAIN: u32 = 1;

/// Whether there is something to read at the host's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Output alone.
    Out,
    /// Input as well.
    Both,
}

/// The device.
pub struct Console {
    end: Arc<File>,
    way: Way,
}

/// One life of it.
struct ConsoleWorker {
    end: Arc<File>,
    way: Way,
    poll: Option<Poll>,
    input: Option<Queue>,
    output: Option<Queue>,
    /// The guest's room, which waits for something to read.
    room: Option<Chain>,
    /// Output that is not all written, and how much of it is.
    writing: Option<(Chain, u64)>,
    can_read: bool,
    can_write: bool,
    /// Rung when a turn was over.
    again: Kick,
}

impl Console {
    /// One that ends at `end`, which does not block.
    pub fn new(end: File, way: Way) -> Self {
        Self {
            end: Arc::new(end),
            way,
        }
    }
}

impl Device for Console {
    fn id(&self) -> u16 {
        VIRTIO_ID_CONSOLE as u16
    }

    fn class(&self) -> u32 {
        CLASS
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE; 2]
    }

    /// Neither a size nor more ports, so nothing is said here.
    fn load_config(&self, _offset: u64, _into: &mut [u8]) {}

    fn start(&self, _features: u64, queues: Vec<(usize, Queue)>) -> io::Result<Box<dyn Worker>> {
        let poll = Poll::new()?;
        let poll = match poll.add(&*self.end, 0) {
            Ok(()) => Some(poll),
            // A file, which can always be written.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
            Err(error) => return Err(error),
        };
        let (mut input, mut output) = (None, None);
        for (number, queue) in queues {
            match number {
                INPUT => input = Some(queue),
                OUTPUT => output = Some(queue),
                _ => {}
            }
        }
        Ok(Box::new(ConsoleWorker {
            end: Arc::clone(&self.end),
            can_read: self.way == Way::Both,
            can_write: true,
            way: self.way,
            poll,
            input,
            output,
            room: None,
            writing: None,
            again: Kick::new()?,
        }))
    }
}

impl ConsoleWorker {
    /// Gives the guest what there is to read, as far as it has room.
    fn read(&mut self) -> io::Result<()> {
        let Some(queue) = &mut self.input else { return Ok(()) };
        let mut turn = TURN;
        while self.can_read {
            if turn == 0 {
                self.again.ring();
                break;
            }
            turn -= 1;
            let room = match self.room.take() {
                Some(room) => Some(room),
                None => queue.pop()?,
            };
            let Some(room) = room else { break };
            let mut bytes = [0; AT_ONCE];
            let most = usize::try_from(room.writable()).unwrap_or(AT_ONCE).min(AT_ONCE);
            if most == 0 {
                queue.push(room, 0)?;
                continue;
            }
            match (&*self.end).read(&mut bytes[..most]) {
                Ok(count) if count > 0 => {
                    room.write(0, &bytes[..count]).map_err(io::Error::other)?;
                    queue.push(room, count as u32)?;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nothing now, or nobody at the other end: a change tells that there is something again.
                Ok(_) | Err(_) => self.can_read = false,
            }
            self.room = Some(room);
        }
        queue.signal()
    }

    /// Writes what the guest has written, as far as it is taken.
    fn write(&mut self) -> io::Result<()> {
        let Some(queue) = &mut self.output else { return Ok(()) };
        let mut turn = TURN;
        while self.can_write {
            if turn == 0 {
                self.again.ring();
                break;
            }
            turn -= 1;
            let next = match self.writing.take() {
                Some(writing) => Some(writing),
                None => queue.pop()?.map(|chain| (chain, 0)),
            };
            let Some((chain, mut done)) = next else { break };
            let mut bytes = [0; AT_ONCE];
            let left = usize::try_from(chain.readable() - done).unwrap_or(AT_ONCE).min(AT_ONCE);
            if left == 0 {
                queue.push(chain, 0)?;
                continue;
            }
            chain.read(done, &mut bytes[..left]).map_err(io::Error::other)?;
            match (&*self.end).write(&bytes[..left]) {
                Ok(count) => done += count as u64,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.can_write = false,
                // Nobody is there, or there is no room on the disk: it goes nowhere, and the guest goes on.
                Err(_) => done += left as u64,
            }
            self.writing = Some((chain, done));
        }
        queue.signal()
    }
}

impl Worker for ConsoleWorker {
    fn watched(&self) -> Vec<(RawFd, u32)> {
        let end = self.poll.iter().map(|poll| (poll.descriptor(), END));
        end.chain([(self.again.as_raw_fd(), AGAIN)]).collect()
    }

    fn kicked(&mut self, queue: usize) -> io::Result<()> {
        if queue == INPUT { self.read() } else { self.write() }
    }

    fn ready(&mut self, token: u32) -> io::Result<()> {
        if token == AGAIN {
            self.again.take();
        } else if let Some(poll) = &self.poll {
            for change in poll.look()?.changes {
                self.can_read |= self.way == Way::Both && change.is_readable;
                self.can_write |= change.is_writable;
            }
        }
        self.read()?;
        self.write()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek as _;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::virtio::testing::{EVENT_INDEX, Machine};

    fn machine() -> (Machine, UnixStream) {
        let (here, there) = UnixStream::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        let end = File::from(OwnedFd::from(here));
        (Machine::new(Arc::new(Console::new(end, Way::Both))), there)
    }

    #[test]
    fn what_is_typed_comes_to_the_guest_and_what_it_writes_goes_out() {
        let (machine, mut there) = machine();
        let mut drivers = machine.start(EVENT_INDEX, &[16, 16]);
        // Before there is room, and after.
        there.write_all(b"early").unwrap();
        drivers[0].offer(&[], &[3]).unwrap();
        drivers[0].offer(&[], &[3]).unwrap();
        drivers[0].offer(&[], &[8]).unwrap();
        machine.kick(0);
        let early = [(); 2].map(|()| machine.wait_for_used(0, &mut drivers[0]));
        assert_eq!(early.each_ref().map(|used| used.written), [3, 2]);
        assert_eq!((&*early[0].bytes, &early[1].bytes[..2]), (&b"ear"[..], &b"ly"[..]));
        there.write_all(b"late").unwrap();
        assert_eq!(machine.wait_for_used(0, &mut drivers[0]).bytes[..4], *b"late");
        drivers[1].offer(&[b"he", b"llo"], &[]).unwrap();
        machine.kick(1);
        let mut heard = [0; 5];
        there.read_exact(&mut heard).unwrap();
        assert_eq!(heard, *b"hello");
        machine.wait_for_used(1, &mut drivers[1]);
    }

    /// More than a socket holds, so the device waits with it, and the guest can reset it meanwhile.
    #[test]
    fn slow_readers_get_all_of_it_in_order() {
        const BYTES: usize = 400_000;
        let (machine, mut there) = machine();
        let mut drivers = machine.start(0, &[16, 16]);
        let all: Vec<u8> = (0..BYTES).map(|n| (n / 7) as u8).collect();
        let (first, second) = all.split_at(250_000);
        drivers[1].offer(&[first], &[]).unwrap();
        drivers[1].offer(&[second], &[]).unwrap();
        machine.kick(1);
        let mut heard = vec![0; BYTES];
        there.read_exact(&mut heard).unwrap();
        assert!(heard == all);
        for _ in 0..2 {
            machine.wait_for_used(1, &mut drivers[1]);
        }
        let mut drivers = machine.start(0, &[16, 16]);
        drivers[1].offer(&[&all[..300_000]], &[]).unwrap();
        machine.kick(1);
        machine.reset();
    }

    /// At whatever copy it ends: what is heard is what was written, and nobody is told that a driver did wrong.
    #[test]
    fn of_a_guest_that_is_gone_nothing_is_made_up() {
        for copies in 0..40 {
            let (mut machine, mut there) = machine();
            let told = std::mem::replace(&mut machine.told, std::sync::mpsc::channel().1);
            let mut drivers = machine.start(EVENT_INDEX, &[16, 16]);
            drivers[1].offer(&[&[7; 10_000], &[7; 300]], &[]).unwrap();
            machine.memory.end_after(copies);
            machine.kick(1);
            while machine.memory.copies_left() > 0 && drivers[1].take_used().is_none() {
                std::thread::yield_now();
            }
            drop(machine);
            let mut heard = Vec::new();
            there.read_to_end(&mut heard).unwrap();
            assert!(heard.len() <= 10_300 && heard.iter().all(|byte| *byte == 7), "{copies}");
            assert_eq!(told.try_iter().collect::<Vec<_>>(), [""; 0], "{copies}");
        }
    }

    #[test]
    fn without_anybody_at_the_other_end_the_guest_goes_on() {
        let (machine, there) = machine();
        drop(there);
        let mut drivers = machine.start(0, &[16, 16]);
        drivers[0].offer(&[], &[8]).unwrap();
        machine.kick(0);
        for _ in 0..3 {
            drivers[1].offer(&[&[7; 10_000]], &[]).unwrap();
            machine.kick(1);
            machine.wait_for_used(1, &mut drivers[1]);
        }
        assert!(drivers[0].take_used().is_none());
    }

    #[test]
    fn a_file_keeps_the_output() {
        let mut file = tempfile::tempfile().unwrap();
        let machine = Machine::new(Arc::new(Console::new(file.try_clone().unwrap(), Way::Out)));
        let mut drivers = machine.start(0, &[16, 16]);
        drivers[0].offer(&[], &[8]).unwrap();
        machine.kick(0);
        for line in ["one\n", "two\n"] {
            drivers[1].offer(&[line.as_bytes()], &[]).unwrap();
            machine.kick(1);
            machine.wait_for_used(1, &mut drivers[1]);
        }
        let mut kept = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut kept).unwrap();
        assert_eq!(kept, "one\ntwo\n");
        assert!(drivers[0].take_used().is_none());
    }
}
