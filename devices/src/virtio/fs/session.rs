//! A server that serves one life of the device, by vhost-user: it is told of the arena and the rings, and from then on they are all that is between us.

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use vhost::vhost_user::message::{
    VhostUserHeaderFlag, VhostUserProtocolFeatures as ProtocolFeatures, VhostUserVirtioFeatures as VhostFeatures,
};
use vhost::vhost_user::{Frontend, VhostUserFrontend as _};
use vhost::{VhostBackend as _, VhostUserMemoryRegionInfo, VringConfigData};
use virtio_bindings::virtio_config::VIRTIO_F_VERSION_1;

use super::QUEUES;
use super::arena::Arena;
use super::ring::{Ring, SIZE};

/// Where the arena begins for the server, as a bus address and as one of ours: any will do that is not 0.
pub(super) const BASE: u64 = 1 << 32;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The host.
    #[error("sharing memory with it")]
    Host(#[from] io::Error),
    /// It says nothing.
    #[error("it does not answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// It is gone, or says what is none of vhost-user.
    #[error("talking to it: {0}")]
    Talk(#[from] vhost::Error),
    /// It cannot do what all can.
    #[error("it has no virtio 1.0 by vhost-user (features {0:#x})")]
    Features(u64),
}

/// A server that is ready for requests.
pub struct Session {
    pub(super) arena: Arena,
    pub(super) rings: [Ring; QUEUES],
    /// Readable when it has hung up: it has nothing to say any more.
    pub(super) socket: UnixStream,
    _process: Box<dyn Send>,
}

impl Session {
    /// Tells the server at the other end of `socket` what it needs. `process` is dropped with the session. It has `patience` to answer.
    ///
    /// # Errors
    /// As they say.
    pub fn open(socket: UnixStream, process: Box<dyn Send>, patience: Duration) -> Result<Self, SessionError> {
        let session = Self::new(socket.try_clone()?, process)?;
        let deadline = Deadline::new(socket.try_clone()?, patience)?;
        let told = session.tell(Frontend::from_stream(socket, QUEUES as u64));
        match deadline.end() {
            true => told.map(|()| session),
            false => Err(SessionError::Silent(patience)),
        }
    }

    /// One that nobody has been told of.
    pub(super) fn new(socket: UnixStream, process: Box<dyn Send>) -> io::Result<Self> {
        Ok(Self {
            arena: Arena::new()?,
            rings: [Ring::new(0)?, Ring::new(1)?],
            socket,
            _process: process,
        })
    }

    fn tell(&self, mut server: Frontend) -> Result<(), SessionError> {
        server.set_owner()?;
        let wanted = 1 << VIRTIO_F_VERSION_1 | VhostFeatures::PROTOCOL_FEATURES.bits();
        let offered = server.get_features()?;
        if offered & wanted != wanted {
            return Err(SessionError::Features(offered));
        }
        let protocol = server.get_protocol_features()? & ProtocolFeatures::REPLY_ACK;
        server.set_protocol_features(protocol)?;
        if !protocol.is_empty() {
            // What it cannot do it says, then.
            server.set_hdr_flags(VhostUserHeaderFlag::NEED_REPLY);
        }
        server.set_features(wanted)?;
        server.set_mem_table(&[VhostUserMemoryRegionInfo {
            guest_phys_addr: BASE,
            memory_size: Arena::BYTES,
            userspace_addr: BASE,
            mmap_offset: 0,
            mmap_handle: self.arena.file().as_raw_fd(),
        }])?;
        for (number, ring) in self.rings.iter().enumerate() {
            let [descriptors, available, used] = ring.places().map(|place| BASE + place as u64);
            server.set_vring_num(number, SIZE)?;
            server.set_vring_base(number, 0)?;
            server.set_vring_addr(
                number,
                &VringConfigData {
                    queue_max_size: SIZE,
                    queue_size: SIZE,
                    flags: 0,
                    desc_table_addr: descriptors,
                    used_ring_addr: used,
                    avail_ring_addr: available,
                    log_addr: None,
                },
            )?;
            server.set_vring_call(number, &ring.call)?;
            server.set_vring_kick(number, &ring.kick)?;
            server.set_vring_enable(number, true)?;
        }
        Ok(())
    }
}

/// Hangs up on who does not answer in time: `vhost` would wait for ever, also at a socket with a time limit.
struct Deadline {
    met: Sender<()>,
    watch: JoinHandle<bool>,
}

impl Deadline {
    fn new(socket: UnixStream, patience: Duration) -> io::Result<Self> {
        let (met, wait) = channel();
        let watch = move || {
            let is_met = wait.recv_timeout(patience) != Err(RecvTimeoutError::Timeout);
            if !is_met {
                // One that is gone needs no hanging up.
                _ = socket.shutdown(std::net::Shutdown::Both);
            }
            is_met
        };
        Ok(Self {
            met,
            watch: thread::Builder::new().name("share deadline".into()).spawn(watch)?,
        })
    }

    /// All has been said: whether that was in time.
    fn end(self) -> bool {
        drop(self.met);
        self.watch.join().expect("waiting does not panic")
    }
}
