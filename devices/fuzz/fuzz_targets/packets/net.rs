//! A network card.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard};

use arbitrary::Arbitrary;
use devices::net::{Buffer, HEADER, LONGEST, Port, SHORTEST, Sent};
use devices::virtio::net::{Host, MacAddress, Net};
use devices_fuzz::ring::DATA;

use crate::life::{self, Life};

/// Pairs of queues of a card with several.
const PAIRS: usize = 2;

/// How the card is.
#[derive(Arbitrary, Debug, Default, Clone, Copy)]
pub struct Shape {
    has_pairs: bool,
    has_offloads: bool,
    mtu: Option<u16>,
}

#[derive(Arbitrary, Debug)]
pub enum Step {
    /// What is done to any device.
    Any(life::Step),
    /// Room for frames, as it should be.
    Room { pair: u8, first: u8, bytes: u16 },
    /// A frame as it should be.
    Send {
        pair: u8,
        first: u8,
        header: [u8; HEADER],
        bytes: u16,
    },
    /// A command.
    Command { first: u8, bytes: [u8; 16], count: u8 },
    /// A frame from the host.
    Frame {
        pair: u8,
        header: [u8; HEADER],
        to: [u8; 6],
        bytes: u16,
        is_long: bool,
    },
    /// The host takes nothing for now, or does again.
    Full { pair: u8, is_full: bool },
    /// The host's end is gone.
    Gone { pair: u8 },
}

pub struct World {
    life: Life,
    pairs: usize,
    ends: Vec<Arc<Mutex<End>>>,
}

impl World {
    pub fn new(shape: Shape) -> Self {
        let pairs = if shape.has_pairs { PAIRS } else { 1 };
        let ends: Vec<_> = (0..pairs).map(|_| Arc::<Mutex<End>>::default()).collect();
        let ports = ends.iter().enumerate().map(|(number, end)| {
            Box::new(FuzzPort {
                descriptor: descriptor(number),
                end: Arc::clone(end),
            }) as Box<dyn Port>
        });
        let host = Host {
            ports: ports.collect(),
            has_offloads: shape.has_offloads,
            mtu: shape.mtu,
            lost: Box::new(|_| ()),
        };
        Self {
            life: Life::new(Net::new(MacAddress([2, 0, 0, 0, 0, 1]), host)),
            pairs,
            ends,
        }
    }

    pub fn play(&mut self, step: Step) {
        let pair = |pair: u8| usize::from(pair) % self.pairs;
        match step {
            Step::Any(step) => self.life.play(&step),
            Step::Room { pair: of, first, bytes } => {
                let queue = 2 * pair(of);
                self.life.rings[queue].offer(first, &[(DATA + 0x100, u32::from(bytes) + 1, true)], None);
                self.life.kick(queue);
            }
            Step::Send {
                pair: of,
                first,
                header,
                bytes,
            } => {
                let queue = 2 * pair(of) + 1;
                self.life.memory.set(DATA, &header);
                let length = HEADER as u32 + u32::from(bytes);
                self.life.rings[queue].offer(first, &[(DATA, length, false)], None);
                self.life.kick(queue);
            }
            Step::Command { first, bytes, count } => {
                let queue = 2 * self.pairs;
                self.life.memory.set(DATA, &bytes);
                let buffers = [(DATA, u32::from(count) + 1, false), (DATA + 0x100, 1, true)];
                self.life.rings[queue].offer(first, &buffers, None);
                self.life.kick(queue);
            }
            Step::Frame {
                pair: of,
                header,
                to,
                bytes,
                is_long,
            } => {
                let bytes = if is_long {
                    usize::from(bytes)
                } else {
                    usize::from(bytes % 2048)
                };
                let mut frame = header.to_vec();
                frame.extend(to);
                frame.resize(HEADER + SHORTEST + bytes.min(LONGEST - SHORTEST), 0x5a);
                let of = pair(of);
                lock(&self.ends[of]).frames.push_back(frame);
                // Becomes readable, which it is told by as an edge.
                _ = PEERS.with_borrow(|peers| (&peers[of].1).write(&[0]));
                self.life.ready();
            }
            Step::Full { pair: of, is_full } => {
                lock(&self.ends[pair(of)]).is_full = is_full;
                self.life.ready();
            }
            Step::Gone { pair: of } => lock(&self.ends[pair(of)]).is_gone = true,
        }
        self.life.rings.iter_mut().for_each(|ring| drop(ring.take_used()));
    }
}

/// The host's end of a pair.
#[derive(Default)]
struct End {
    frames: VecDeque<Vec<u8>>,
    is_full: bool,
    is_gone: bool,
}

fn lock(end: &Mutex<End>) -> MutexGuard<'_, End> {
    end.lock().expect("a fuzzer ends with the first panic")
}

struct FuzzPort {
    descriptor: Arc<UnixStream>,
    end: Arc<Mutex<End>>,
}

thread_local! {
    /// Descriptors for ports, and where they are made readable from: the same for all inputs, as making them takes longer than most inputs.
    static PEERS: RefCell<[(Arc<UnixStream>, UnixStream); PAIRS]> = RefCell::new(std::array::from_fn(|_| {
        let (near, far) = UnixStream::pair().expect("the host has descriptors");
        near.set_nonblocking(true).expect("a socket can be so");
        (Arc::new(near), far)
    }));
}

/// A descriptor that nothing was told of yet.
fn descriptor(number: usize) -> Arc<UnixStream> {
    PEERS.with_borrow(|peers| {
        let near = &peers[number].0;
        while matches!((&**near).read(&mut [0; 256]), Ok(256)) {}
        Arc::clone(near)
    })
}

impl Port for FuzzPort {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    fn receive(&mut self, into: &mut Buffer) -> io::Result<Option<usize>> {
        let mut end = lock(&self.end);
        if end.is_gone {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(end.frames.pop_front().map(|frame| {
            into[..frame.len()].copy_from_slice(&frame);
            frame.len()
        }))
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<Sent> {
        assert!(
            (HEADER + SHORTEST..=HEADER + LONGEST).contains(&frame.len()),
            "it is no frame"
        );
        let end = lock(&self.end);
        match (end.is_gone, end.is_full) {
            (true, _) => Err(io::ErrorKind::ConnectionReset.into()),
            (_, true) => Ok(Sent::Full),
            _ => Ok(Sent::Taken),
        }
    }
}
