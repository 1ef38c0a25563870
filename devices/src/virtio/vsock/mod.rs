//! A socket device (virtio 1.2, 5.10): streams between programs of the guest and programs of the host, which have Unix sockets.
//!
//! | file | |
//! |---|---|
//! | `packet.rs` | a packet's header |
//! | `connection.rs` | one connection: credit, bytes, its end |
//! | `greeting.rs` | what a program of the host says first |
//! | `switch.rs` | which packet is whose, and what there may be at most |
//! | `exchange.rs` | packets out of the guest's queues and into them |
//!
//! A program of the host connects to the socket at the device's path and says `CONNECT` and the guest's port; when the guest has granted it, it gets `OK` and the
//! port that the guest sees, and all that follows is the guest's. What the guest connects to, at port N of the host (context ID 2), is the socket at
//! the path with `_N` behind it. Firecracker does it so, and programs are made for that.

mod connection;
mod exchange;
mod greeting;
mod packet;
mod switch;

use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use super::{Device, Queue, Worker};
use exchange::Exchange;
use switch::Switch;

/// Virtio device ID of a socket device.
const ID: u16 = 19;

/// Class of the PCI function: a communication controller of another kind.
const CLASS: u32 = 0x07_80_00;

/// `VIRTIO_VSOCK_F_STREAM`: there are streams.
const STREAMS: u64 = 1;

/// Largest sizes of the queues: packets to the guest, packets from it, events.
const QUEUE_SIZES: [u16; 3] = [256, 256, 16];

/// The least context ID of a guest (virtio 1.2, 5.10.4).
pub const LEAST_CID: u32 = 3;

/// The largest: one more is any guest's.
pub const LARGEST_CID: u32 = u32::MAX - 1;

/// A socket device.
#[derive(Debug)]
pub struct Vsock {
    cid: u32,
    listener: UnixListener,
    path: PathBuf,
}

impl Vsock {
    /// A device of the guest with the context ID `cid`; programs of the host connect to `listener`, which never waits, and the guest to sockets whose paths begin
    /// with `path`.
    pub fn new(cid: u32, listener: UnixListener, path: PathBuf) -> Self {
        debug_assert!((LEAST_CID..=LARGEST_CID).contains(&cid), "the caller checks it");
        Self { cid, listener, path }
    }
}

impl Device for Vsock {
    fn id(&self) -> u16 {
        ID
    }

    fn class(&self) -> u32 {
        CLASS
    }

    fn features(&self) -> u64 {
        STREAMS
    }

    fn queue_sizes(&self) -> Vec<u16> {
        QUEUE_SIZES.to_vec()
    }

    fn load_config(&self, offset: u64, into: &mut [u8]) {
        let config = u64::from(self.cid).to_le_bytes();
        for (at, byte) in (offset..).zip(into) {
            let known = usize::try_from(at).ok().and_then(|at| config.get(at));
            *byte = known.copied().unwrap_or(0);
        }
    }

    fn start(&self, _features: u64, queues: Vec<(usize, Queue)>) -> io::Result<Box<dyn Worker>> {
        let switch = Switch::new(self.cid.into(), self.listener.try_clone()?, self.path.clone())?;
        Ok(Box::new(Exchange::new(switch, queues)))
    }
}

#[cfg(test)]
mod tests;
