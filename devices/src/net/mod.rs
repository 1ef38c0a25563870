//! Where a network card's frames go to and come from on the host.
//!
//! | file | |
//! |---|---|
//! | `tap.rs` | a tap interface, with what the host's kernel can finish for the guest |
//! | `passt.rs` | a stream of frames to a program in user space, such as passt |
//!
//! In a buffer each frame has a header of virtio in front of it (`virtio_net_hdr`, virtio 1.2, 5.1.6), which a tap interface takes and gives, and
//! others ignore and clear.

pub mod passt;
pub mod tap;

use std::io;
use std::os::fd::BorrowedFd;

/// Bytes of the header, with the number of buffers at its end.
pub const HEADER: usize = 12;

/// Bytes of the longest frame: an IP packet of 65,535 behind an Ethernet header with a VLAN's tag.
pub const LONGEST: usize = 65_535 + 18;

/// Bytes of the shortest frame: an Ethernet header.
pub const SHORTEST: usize = 14;

/// A frame behind its header.
pub type Buffer = [u8; HEADER + LONGEST];

/// A buffer on the heap.
pub fn new_buffer() -> Box<Buffer> {
    // Made there: it is large for a stack.
    vec![0; HEADER + LONGEST].try_into().expect("it has that length")
}

/// What the guest finishes by itself of what it receives.
pub use tap_device::Offloads;

/// What became of a frame that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way, or is lost, as frames may be.
    Taken,
    /// There is no room now: it is to be sent again when the descriptor has become writable.
    Full,
}

/// The host's end of one pair of queues. It never waits. An error of any of its methods means that it is gone for good.
pub trait Port: Send {
    /// Becomes readable with a frame, writable with room.
    fn descriptor(&self) -> BorrowedFd<'_>;

    /// Receives the next frame: its bytes with the header's. `None`: there is none now.
    ///
    /// # Errors
    /// The host's end is gone.
    fn receive(&mut self, into: &mut Buffer) -> io::Result<Option<usize>>;

    /// Sends a frame of [`SHORTEST`] to [`LONGEST`] bytes behind its header.
    ///
    /// # Errors
    /// The host's end is gone.
    fn send(&mut self, frame: &[u8]) -> io::Result<Sent>;

    /// The descriptor has become writable: sends what was kept.
    ///
    /// # Errors
    /// The host's end is gone.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Says what the guest finishes by itself; nothing until then. Frames that wait with something else to be finished are lost.
    ///
    /// # Errors
    /// The host refuses it.
    fn set_offloads(&mut self, _offloads: Offloads) -> io::Result<()> {
        Ok(())
    }

    /// Whether the host gives it frames; as it is made, it does.
    ///
    /// # Errors
    /// The host refuses it.
    fn set_active(&mut self, _is_active: bool) -> io::Result<()> {
        Ok(())
    }
}
