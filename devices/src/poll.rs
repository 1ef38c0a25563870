//! Descriptors that a device's thread waits for, as many as come and go, behind one that its runner watches.
//!
//! Each is told when it *becomes* readable or writable (edge-triggered): who has been told goes on until the descriptor has no more to give, or
//! remembers that it has. So a device that stops reading, because the guest has no room, is not woken for what it cannot take.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd, RawFd};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};

/// Token of what a device has left for later.
const AGAIN: u64 = u64::MAX;

/// How many are told of in one call.
const AT_ONCE: usize = 32;

/// What became of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Which one.
    pub(crate) token: u64,
    /// There is something to read, the end of it, or an error.
    pub(crate) is_readable: bool,
    /// There is room to write, or an error.
    pub(crate) is_writable: bool,
    /// Nobody is left at the other end, in either direction.
    pub(crate) is_hung_up: bool,
}

/// What a device's thread is told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Descriptors that have changed.
    pub(crate) changes: Vec<Change>,
    /// The device wanted to be called again.
    pub(crate) again: bool,
}

/// A set of descriptors.
#[derive(Debug)]
pub(crate) struct Poll {
    set: OwnedFd,
    again: OwnedFd,
}

impl Poll {
    /// An empty set.
    ///
    /// # Errors
    /// The host has no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Self {
            set: epoll::create(CreateFlags::CLOEXEC)?,
            again: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        };
        epoll::add(&poll.set, &poll.again, EventData::new_u64(AGAIN), EventFlags::IN)?;
        Ok(poll)
    }

    /// What is readable when there is something to be told.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.set.as_raw_fd()
    }

    /// Adds a descriptor, which leaves when it is closed. How it is now is told as a change.
    ///
    /// # Errors
    /// The host has no memory for it.
    pub(crate) fn add(&self, descriptor: impl AsFd, token: u64) -> io::Result<()> {
        debug_assert_ne!(token, AGAIN, "it is taken");
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.set, descriptor, EventData::new_u64(token), flags)?)
    }

    /// There is more to do than one call should: the device is called again after its runner has looked at everything else.
    pub(crate) fn call_again(&self) {
        // One that is full is readable all the same.
        let _ = rustix::io::write(&self.again, &1_u64.to_ne_bytes());
    }

    /// What has changed since the last call, without waiting. More may be there: then the set stays readable.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn look(&self) -> io::Result<Told> {
        let mut events: Vec<Event> = Vec::with_capacity(AT_ONCE);
        match epoll::wait(
            &self.set,
            rustix::buffer::spare_capacity(&mut events),
            Some(&Timespec::default()),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut told = Told::default();
        for event in events {
            let (flags, token) = (event.flags, event.data.u64());
            if token == AGAIN {
                told.again = true;
                // It counts calls, and one is enough for all.
                let _ = rustix::io::read(&self.again, &mut [0; 8]);
                continue;
            }
            let is = |some: EventFlags| flags.intersects(some);
            told.changes.push(Change {
                token,
                is_readable: is(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR),
                is_writable: is(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR),
                is_hung_up: is(EventFlags::HUP | EventFlags::ERR),
            });
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_change_is_told_once() {
        let poll = Poll::new().unwrap();
        let (here, mut there) = UnixStream::pair().unwrap();
        poll.add(&here, 7).unwrap();
        let first = poll.look().unwrap().changes;
        assert_eq!(
            first,
            [Change {
                token: 7,
                is_readable: false,
                is_writable: true,
                is_hung_up: false
            }]
        );
        assert!(poll.look().unwrap().changes.is_empty());
        there.write_all(b"x").unwrap();
        assert!(poll.look().unwrap().changes[0].is_readable);
        assert!(
            poll.look().unwrap().changes.is_empty(),
            "nothing has changed, though nothing was read"
        );
        (&here).read_exact(&mut [0]).unwrap();
        drop(there);
        crate::started::wait();
        let last = poll.look().unwrap().changes;
        assert!(last[0].is_readable && last[0].is_hung_up, "{last:?}");
    }

    #[test]
    fn who_wants_to_be_called_again_is_called_once() {
        let poll = Poll::new().unwrap();
        assert!(!poll.look().unwrap().again);
        poll.call_again();
        poll.call_again();
        assert!(poll.look().unwrap().again);
        assert!(!poll.look().unwrap().again);
    }

    #[test]
    fn the_set_is_readable_while_there_is_something_to_tell() {
        use rustix::event::{PollFd, PollFlags, poll as wait};

        let poll = Poll::new().unwrap();
        let is_readable = || {
            let mut set = [PollFd::new(&poll.set, PollFlags::IN)];
            wait(&mut set, Some(&Timespec::default())).unwrap() == 1
        };
        assert!(!is_readable());
        poll.call_again();
        assert!(is_readable());
        poll.look().unwrap();
        assert!(!is_readable());
    }
}
