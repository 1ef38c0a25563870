//! Frames to the guest (virtio 1.2, 5.1.6.3 and 5.1.6.4).

use std::collections::VecDeque;
use std::io;

use super::transmit::{Failed, Rest};
use crate::net::{Buffer, HEADER, Port, new_buffer};
use crate::virtio::{Chain, Queue};

/// Chains that a frame may lie in: the longest one in pieces of a kibibyte.
const MOST_CHAINS: usize = 66;

/// Where the number of chains is in the header.
const NUM_BUFFERS: std::ops::Range<usize> = 10..12;

/// A queue of frames that the guest receives.
pub(super) struct Receiver {
    queue: Queue,
    /// Whether a frame may lie in several chains.
    merges: bool,
    /// Chains that were taken and are not used yet, in their order.
    chains: VecDeque<Chain>,
    /// The frame that waits for chains.
    frame: Box<Buffer>,
    /// Its bytes, with the header's; 0: there is none.
    bytes: usize,
    /// The host's end may have frames.
    is_readable: bool,
}

/// What became of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivered {
    /// The guest has it.
    Yes,
    /// No chains that the guest has, or can have, hold it.
    Never,
    /// It waits for more chains.
    NotYet,
}

impl Receiver {
    pub(super) fn new(queue: Queue, merges: bool) -> Self {
        Self {
            queue,
            merges,
            chains: VecDeque::new(),
            frame: new_buffer(),
            bytes: 0,
            is_readable: false,
        }
    }

    /// The host's end has become readable.
    pub(super) fn set_readable(&mut self) {
        self.is_readable = true;
    }

    /// Gives the guest up to `turn` frames of `port` that `wants` lets through. Nothing is taken from there while the guest has no chain.
    pub(super) fn receive(
        &mut self,
        port: &mut dyn Port,
        wants: impl Fn(&[u8]) -> bool,
        turn: usize,
    ) -> Result<Rest, Failed> {
        let mut rest = Rest::More;
        let mut lost = None;
        for _ in 0..turn {
            if self.bytes == 0 {
                if !self.is_readable || !self.has_chain().map_err(Failed::Driver)? {
                    rest = Rest::Nothing;
                    break;
                }
                match port.receive(&mut self.frame) {
                    Ok(Some(bytes)) if wants(&self.frame[HEADER.min(bytes)..bytes]) => self.bytes = bytes,
                    Ok(Some(_)) => continue,
                    Ok(None) => {
                        self.is_readable = false;
                        rest = Rest::Nothing;
                        break;
                    }
                    Err(error) => {
                        lost = Some(error);
                        break;
                    }
                }
            }
            match self.deliver().map_err(Failed::Driver)? {
                Delivered::Yes | Delivered::Never => self.bytes = 0,
                Delivered::NotYet => {
                    rest = Rest::Nothing;
                    break;
                }
            }
        }
        self.queue.signal().map_err(Failed::Driver)?;
        lost.map_or(Ok(rest), |error| Err(Failed::Host(error)))
    }

    /// Whether the guest has a chain for a next frame.
    fn has_chain(&mut self) -> io::Result<bool> {
        Ok(!self.chains.is_empty() || self.take_chain()?)
    }

    /// Takes one more chain; `false`: there is none now.
    fn take_chain(&mut self) -> io::Result<bool> {
        let Some(chain) = self.queue.pop()? else {
            return Ok(false);
        };
        if chain.writable() < HEADER as u64 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a chain to receive frames in has no room for their header",
            ));
        }
        self.chains.push_back(chain);
        Ok(true)
    }

    /// Puts the frame into as many chains as it needs.
    fn deliver(&mut self) -> io::Result<Delivered> {
        let bytes = self.bytes as u64;
        let (mut room, mut count, mut buffers) = (0, 0, 0);
        while room < bytes {
            let most = if self.merges { MOST_CHAINS } else { 1 };
            // With as many buffers as the queue has descriptors the driver cannot offer more: it would wait for the device as the device for it.
            if count == most || buffers >= usize::from(self.queue.size()) {
                return Ok(Delivered::Never);
            }
            if count == self.chains.len() && !self.take_chain()? {
                return Ok(Delivered::NotYet);
            }
            room += self.chains[count].writable();
            buffers += self.chains[count].writable_buffers().len();
            count += 1;
        }
        self.frame[NUM_BUFFERS].copy_from_slice(&(count as u16).to_le_bytes());
        let mut rest = &self.frame[..self.bytes];
        let mut used = Vec::with_capacity(count);
        for chain in self.chains.drain(..count) {
            let piece = rest.len().min(usize::try_from(chain.writable()).unwrap_or(usize::MAX));
            let (piece, behind) = rest.split_at(piece);
            chain.write(0, piece).map_err(io::Error::other)?;
            rest = behind;
            used.push((chain, piece.len() as u32));
        }
        // The driver looks for the others as soon as it sees the first (virtio 1.2, 5.1.6.3.2).
        self.queue.push_all(used)?;
        Ok(Delivered::Yes)
    }
}
