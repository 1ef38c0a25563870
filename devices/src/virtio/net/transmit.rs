//! Frames from the guest (virtio 1.2, 5.1.6.2).

use std::io;

use crate::net::{Buffer, HEADER, LONGEST, Port, SHORTEST, Sent};
use crate::virtio::{Chain, Queue};

/// Why a frame was not sent.
pub(super) enum Failed {
    /// The driver has broken the queue.
    Driver(io::Error),
    /// The host's end is gone.
    Host(io::Error),
}

/// Whether there is more to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// The turn is over, and more may be there.
    More,
    /// Somebody will say when there is more.
    Nothing,
}

/// A queue of frames that the guest sends.
pub(super) struct Transmitter {
    queue: Queue,
    /// The next frame, for which the host's end has no room.
    waiting: Option<Chain>,
}

impl Transmitter {
    pub(super) const fn new(queue: Queue) -> Self {
        Self { queue, waiting: None }
    }

    /// Sends up to `turn` frames to `port`; without one they are taken and lost. `buffer` is for its use.
    pub(super) fn send(
        &mut self,
        mut port: Option<&mut dyn Port>,
        buffer: &mut Buffer,
        turn: usize,
    ) -> Result<Rest, Failed> {
        let mut rest = Rest::More;
        for _ in 0..turn {
            let next = match self.waiting.take() {
                Some(chain) => Some(chain),
                None => self.queue.pop().map_err(Failed::Driver)?,
            };
            let Some(chain) = next else {
                rest = Rest::Nothing;
                break;
            };
            let sent = match &mut port {
                Some(port) => match read(&chain, buffer).map_err(Failed::Driver)? {
                    Some(frame) => port.send(frame),
                    None => Ok(Sent::Taken),
                },
                None => Ok(Sent::Taken),
            };
            if matches!(sent, Ok(Sent::Full)) {
                self.waiting = Some(chain);
                rest = Rest::Nothing;
                break;
            }
            self.queue.push(chain, 0).map_err(Failed::Driver)?;
            if let Err(error) = sent {
                self.queue.signal().map_err(Failed::Driver)?;
                return Err(Failed::Host(error));
            }
        }
        self.queue.signal().map_err(Failed::Driver)?;
        Ok(rest)
    }
}

/// The frame of `chain` with its header. `None`: it is no frame of Ethernet, or too long to be one, and is lost.
fn read<'a>(chain: &Chain, buffer: &'a mut Buffer) -> io::Result<Option<&'a [u8]>> {
    let length = usize::try_from(chain.readable()).unwrap_or(usize::MAX);
    if length < HEADER {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a frame to be sent is shorter than its header",
        ));
    }
    if !(HEADER + SHORTEST..=HEADER + LONGEST).contains(&length) {
        return Ok(None);
    }
    let frame = &mut buffer[..length];
    chain.read(0, frame).map_err(io::Error::other)?;
    Ok(Some(frame))
}
