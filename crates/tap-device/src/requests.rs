//! The requests to the kernel (ioctls) about interfaces and their queues, with their numbers: the only unsafe code.

#![expect(unsafe_code, reason = "ioctls have no safe form; docs/unsafe.md")]

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::ioctl::{IntegerSetter, Opcode, Setter, Updater, ioctl, opcode};

use crate::Offloads;

/// `TUNSETIFF`: the kernel declares it with an `int`, and takes a [`Request`].
const ATTACH: Opcode = opcode::write::<i32>(b'T', 202);
/// `TUNSETOFFLOAD`: a number, no pointer.
const SET_OFFLOADS: Opcode = opcode::write::<u32>(b'T', 208);
/// `TUNSETVNETHDRSZ`.
const SET_HEADER_BYTES: Opcode = opcode::write::<i32>(b'T', 216);
/// `TUNSETQUEUE`: declared as `TUNSETIFF` is.
const SET_QUEUE: Opcode = opcode::write::<i32>(b'T', 217);
/// `TUNSETVNETLE`.
const SET_LITTLE_ENDIAN: Opcode = opcode::write::<i32>(b'T', 220);
/// `SIOCGIFMTU`, a number of before such numbers said anything.
const GET_MTU: Opcode = 0x8921;

/// `TUN_F_CSUM` and those after it.
const CHECKSUM: usize = 1;
const TCP4: usize = 2;
const TCP6: usize = 4;
const ECN: usize = 8;

/// Flags of a [`Request`] (`IFF_…`).
#[derive(Clone, Copy)]
pub(crate) struct Flags(i16);

impl Flags {
    pub(crate) const TAP: Self = Self(0x0002);
    pub(crate) const MULTI_QUEUE: Self = Self(0x0100);
    pub(crate) const ATTACH_QUEUE: Self = Self(0x0200);
    pub(crate) const DETACH_QUEUE: Self = Self(0x0400);
    pub(crate) const NO_PACKET_INFORMATION: Self = Self(0x1000);
    pub(crate) const VIRTIO_HEADER: Self = Self(0x4000);
}

impl std::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// What is asked about an interface: the kernel's `struct ifreq`, with as much behind the name as it copies.
#[repr(C)]
pub(crate) struct Request {
    /// Name of the interface, with a zero behind it.
    name: [u8; 16],
    /// Flags, in its first two bytes, or a number, in its first four.
    rest: [u8; 24],
}

const _: () = assert!(size_of::<Request>() == 40);

impl Request {
    /// About the interface `name`.
    ///
    /// # Errors
    /// No interface can be called that.
    fn new(name: &str) -> io::Result<Self> {
        let mut request = Self {
            name: [0; 16],
            rest: [0; 24],
        };
        // The last byte is zero.
        let room = &mut request.name[..15];
        let place = room.get_mut(..name.len()).ok_or(io::ErrorKind::InvalidInput)?;
        place.copy_from_slice(name.as_bytes());
        Ok(request)
    }

    /// About the interface `name`, with `flags`.
    ///
    /// # Errors
    /// No interface can be called that.
    pub(crate) fn of_flags(name: &str, flags: Flags) -> io::Result<Self> {
        let mut request = Self::new(name)?;
        request.rest[..2].copy_from_slice(&flags.0.to_ne_bytes());
        Ok(request)
    }
}

/// Makes `file` a queue of the interface that is named.
pub(crate) fn attach(file: &File, mut request: Request) -> io::Result<()> {
    // SAFETY: the kernel reads a `struct ifreq` for this number and writes one back: `Request` has its size and no invalid values.
    let call = unsafe { Updater::<'_, ATTACH, Request>::new(&mut request) };
    // SAFETY: as above; `file` is /dev/net/tun, which alone knows the number.
    Ok(unsafe { ioctl(file, call) }?)
}

/// Takes the queue from the interface's active ones, or gives it back to them.
pub(crate) fn set_queue(file: &File, mut request: Request) -> io::Result<()> {
    // SAFETY: as in `attach`.
    let call = unsafe { Updater::<'_, SET_QUEUE, Request>::new(&mut request) };
    // SAFETY: as in `attach`.
    Ok(unsafe { ioctl(file, call) }?)
}

/// Says how long the header in front of each frame is.
pub(crate) fn set_header_bytes(file: &File, bytes: usize) -> io::Result<()> {
    let bytes = i32::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the kernel reads an `int` for this number.
    let call = unsafe { Setter::<SET_HEADER_BYTES, i32>::new(bytes) };
    // SAFETY: as above; `file` is /dev/net/tun, which alone knows the number.
    Ok(unsafe { ioctl(file, call) }?)
}

/// Has the numbers in that header little-endian, whatever the host's are.
pub(crate) fn set_little_endian(file: &File) -> io::Result<()> {
    // SAFETY: the kernel reads an `int` for this number.
    let call = unsafe { Setter::<SET_LITTLE_ENDIAN, i32>::new(1) };
    // SAFETY: as above; `file` is /dev/net/tun, which alone knows the number.
    Ok(unsafe { ioctl(file, call) }?)
}

/// Says what the queue's reader finishes by itself.
pub(crate) fn set_offloads(file: &File, offloads: Offloads) -> io::Result<()> {
    let Offloads {
        checksum,
        tcp4,
        tcp6,
        ecn,
    } = offloads;
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    let flags = flag(checksum, CHECKSUM) | flag(tcp4, TCP4) | flag(tcp6, TCP6) | flag(ecn, ECN);
    // SAFETY: the kernel takes the argument of this number as flags, and looks at nothing behind it.
    let call = unsafe { IntegerSetter::<SET_OFFLOADS>::new_usize(flags) };
    // SAFETY: as above; `file` is /dev/net/tun, which alone knows the number.
    Ok(unsafe { ioctl(file, call) }?)
}

/// The most bytes that a packet of the interface `name` may have.
pub(crate) fn mtu(socket: BorrowedFd<'_>, name: &str) -> io::Result<u32> {
    let mut request = Request::new(name)?;
    // SAFETY: the kernel reads a `struct ifreq` for this number and writes one back, as in `attach`.
    let call = unsafe { Updater::<'_, GET_MTU, Request>::new(&mut request) };
    // SAFETY: as above; a socket takes the number so.
    unsafe { ioctl(socket, call) }?;
    let (number, _) = request.rest.split_first_chunk().expect("there are 24 bytes");
    u32::try_from(i32::from_ne_bytes(*number)).map_err(|_| io::ErrorKind::InvalidData.into())
}
