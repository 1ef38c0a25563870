//! A queue of a tap interface of Linux, safe to use: frames of Ethernet as a virtual network card has them, each behind a header of virtio
//! (Linux, Documentation/networking/tuntap.rst and include/uapi/linux/if_tun.h).
//!
//! What a frame or its header means is its user's business. The interface must be there: who may make one knows better how it is to
//! be configured.

mod requests;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketType};

use requests::{Flags, Request};

/// Where the queues of interfaces are made.
pub const TUN: &str = "/dev/net/tun";

/// Bytes of the header in front of each frame: virtio's `virtio_net_hdr`, little-endian, with the number of buffers
/// (virtio 1.2, 5.1.6).
pub const HEADER: usize = 12;

/// What the reader of a queue can finish by itself, so that the kernel need not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// Checksums that are not made yet.
    pub checksum: bool,
    /// TCP over IPv4 in frames longer than the MTU; needs `checksum`.
    pub tcp4: bool,
    /// The same over IPv6.
    pub tcp6: bool,
    /// With notifications of congestion in them.
    pub ecn: bool,
}

/// Whether an interface has one queue or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queues {
    /// One.
    One,
    /// Several, each opened by itself.
    Several,
}

/// One queue of an interface, which never waits.
#[derive(Debug)]
pub struct Queue {
    file: File,
}

impl Queue {
    /// Opens a queue of the interface `name`, which must be there.
    ///
    /// # Errors
    /// `NotFound`: there is no such interface in this network namespace, or no [`TUN`]. `PermissionDenied`: it is another user's. `InvalidInput`: it
    /// is no tap interface, or was made for one queue where several are wanted, or the other way round. `ResourceBusy`: all of its queues are
    /// taken.
    pub fn open(name: &str, queues: Queues) -> io::Result<Self> {
        // Who may would make one of that name.
        rustix::net::netdevice::name_to_index(any_socket()?, name).map_err(|error| match error {
            rustix::io::Errno::NODEV => io::ErrorKind::NotFound.into(),
            other => io::Error::from(other),
        })?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(TUN)?;
        let mut flags = Flags::TAP | Flags::NO_PACKET_INFORMATION | Flags::VIRTIO_HEADER;
        if queues == Queues::Several {
            flags |= Flags::MULTI_QUEUE;
        }
        requests::attach(&file, Request::of_flags(name, flags)?)?;
        requests::set_header_bytes(&file, HEADER)?;
        requests::set_little_endian(&file)?;
        let queue = Self { file };
        queue.set_offloads(Offloads::default())?;
        Ok(queue)
    }

    /// Says what the reader finishes by itself; nothing until then.
    ///
    /// # Errors
    /// The kernel does not know one of them.
    pub fn set_offloads(&self, offloads: Offloads) -> io::Result<()> {
        requests::set_offloads(&self.file, offloads)
    }

    /// Has the kernel give frames to this queue, or to the others alone. To be called on one of several, and only when that changes: the
    /// kernel refuses what is so already.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_active(&self, is_active: bool) -> io::Result<()> {
        let flag = if is_active {
            Flags::ATTACH_QUEUE
        } else {
            Flags::DETACH_QUEUE
        };
        requests::set_queue(&self.file, Request::of_flags("", flag)?)
    }

    /// Receives a frame with its header; what does not fit in `into` is lost.
    ///
    /// # Errors
    /// `WouldBlock`: there is none now. Others: the interface is gone.
    pub fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        (&self.file).read(into)
    }

    /// Sends a frame with its header.
    ///
    /// # Errors
    /// `WouldBlock`: there is no room now. Others: the kernel does not take this frame, or the interface is gone.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        (&self.file).write(frame).map(drop)
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The most bytes that a packet of the interface `name` may have without the Ethernet header.
///
/// # Errors
/// There is no such interface, or what the kernel says.
pub fn mtu(name: &str) -> io::Result<u32> {
    requests::mtu(any_socket()?.as_fd(), name)
}

/// A socket of this network namespace, by which its interfaces are asked.
fn any_socket() -> io::Result<std::os::fd::OwnedFd> {
    Ok(rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_is_not_made() {
        let error = Queue::open("pteg-none", Queues::One).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
        let error = mtu("pteg-none").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::NODEV.raw_os_error()));
    }

    #[test]
    fn a_name_that_no_interface_can_have_is_refused() {
        for name in ["sixteen-letters-", "a-name-of-more-than-sixteen-letters"] {
            assert!(Queue::open(name, Queues::One).is_err());
            assert_eq!(mtu(name).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn the_mtu_is_the_interfaces() {
        let sysfs = std::fs::read_to_string("/sys/class/net/lo/mtu").unwrap();
        assert_eq!(mtu("lo").unwrap(), sysfs.trim().parse::<u32>().unwrap());
    }

    #[test]
    fn an_interface_of_another_kind_is_none() {
        let error = Queue::open("lo", Queues::One).unwrap_err();
        let kinds = [
            io::ErrorKind::InvalidInput,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::NotFound,
        ];
        assert!(kinds.contains(&error.kind()), "{error}");
    }
}
