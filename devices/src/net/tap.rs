//! A queue of a tap interface as a port.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::io::Errno;
use tap_device::Queue;

use super::{Buffer, HEADER, Offloads, Port, SHORTEST, Sent};

const _: () = assert!(
    tap_device::HEADER == HEADER,
    "its frames are taken and given as they are"
);

/// A queue of a tap interface.
#[derive(Debug)]
pub struct Tap {
    queue: Queue,
    is_active: bool,
    /// What it was told last of what the guest finishes; `None`: nothing.
    offloads: Option<Offloads>,
}

/// Frames that are thrown away at most when the offloads change: more than a queue holds that is not made to hold more.
const MOST_STALE: usize = 16 << 10;

impl Tap {
    /// A port of `queue`.
    pub const fn new(queue: Queue) -> Self {
        Self {
            queue,
            is_active: true,
            offloads: None,
        }
    }

    /// Throws away what the kernel has queued.
    fn drain(&self) -> io::Result<()> {
        // What does not fit is lost, and so is the rest.
        let mut start = [0; HEADER + SHORTEST];
        for _ in 0..MOST_STALE {
            match self.queue.receive(&mut start) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Port for Tap {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }

    fn receive(&mut self, into: &mut Buffer) -> io::Result<Option<usize>> {
        loop {
            return match self.queue.receive(into) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => Ok(None),
                    _ => Err(error),
                },
            };
        }
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<Sent> {
        loop {
            let Err(error) = self.queue.send(frame) else {
                return Ok(Sent::Taken);
            };
            return match error.kind() {
                io::ErrorKind::Interrupted => continue,
                io::ErrorKind::WouldBlock => Ok(Sent::Full),
                _ if is_of_the_frame(&error) => Ok(Sent::Taken),
                _ => Err(error),
            };
        }
    }

    fn set_offloads(&mut self, offloads: Offloads) -> io::Result<()> {
        if self.offloads != Some(offloads) {
            self.queue.set_offloads(offloads)?;
            self.offloads = Some(offloads);
            self.drain()?;
        }
        Ok(())
    }

    fn set_active(&mut self, is_active: bool) -> io::Result<()> {
        if is_active != self.is_active {
            self.queue.set_active(is_active)?;
            self.is_active = is_active;
        }
        Ok(())
    }
}

/// Whether the kernel does not take this frame, or no frame while the interface is down, and the interface is there.
fn is_of_the_frame(error: &io::Error) -> bool {
    let frames = [
        Errno::INVAL,
        Errno::NOMEM,
        Errno::NOBUFS,
        Errno::MSGSIZE,
        Errno::IO,
        Errno::TOOBIG,
    ];
    frames
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
