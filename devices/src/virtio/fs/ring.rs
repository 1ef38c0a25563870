//! A ring between us and the server (virtio 1.2, 2.7, split), of which we are the driver. What the server says in it is not believed.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | O1 | we | descriptors, the request's bytes, the available element, then the available index: Release | the server's Acquire of it |
//! | U1 | server | the answer's bytes, the used element, then the used index | our Acquire of it (U2) |
//! | U2 | we | the used index: Acquire; then the element, then the bytes | U1 |

use std::io;
use std::sync::atomic::Ordering;

use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

use super::arena::Arena;

/// Requests at a time, of which each has a slot: two descriptors.
pub(super) const SLOTS: u16 = 64;

/// Descriptors of a ring.
pub(super) const SIZE: u16 = 2 * SLOTS;

/// What a ring takes up, and where its parts are.
const STEP: usize = 0x4000;
const AVAILABLE: usize = 0x1000;
const USED: usize = 0x2000;

/// Of a descriptor: the next one belongs to it.
const NEXT: u16 = 1;
/// The server writes there.
const WRITE: u16 = 2;

/// What the server must not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lie {
    /// More is done than there was.
    #[error("the index of its used ring jumps")]
    Index,
    /// That is no request's descriptor.
    #[error("it gives back what it does not have")]
    Slot,
    /// More is written than there is room for.
    #[error("it has written more than there is room for")]
    Length,
}

/// Some bytes of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where they begin.
    pub(super) at: usize,
    /// How many: less than 4 GiB.
    pub(super) bytes: usize,
}

/// A ring.
pub(super) struct Ring {
    base: usize,
    next_available: u16,
    next_used: u16,
    /// Rung by us: there are requests.
    pub(super) kick: EventFd,
    /// Rung by the server: there are answers.
    pub(super) call: EventFd,
}

impl Ring {
    /// Ring `number` of an arena that is all zero.
    ///
    /// # Errors
    /// The host has no descriptors left.
    pub(super) fn new(number: usize) -> io::Result<Self> {
        let event = || EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC);
        Ok(Self {
            base: number * STEP,
            next_available: 0,
            next_used: 0,
            kick: event()?,
            call: event()?,
        })
    }

    /// Where the descriptors, the available ring and the used ring begin.
    pub(super) const fn places(&self) -> [usize; 3] {
        [self.base, self.base + AVAILABLE, self.base + USED]
    }

    /// Makes a request available in `slot`, which is free (O1). One that is not answered has no `writable` bytes.
    pub(super) fn offer(&mut self, arena: &Arena, slot: u16, readable: Part, writable: Part) {
        let head = 2 * slot;
        let (flags, next) = if writable.bytes > 0 { (NEXT, head + 1) } else { (0, 0) };
        self.describe(arena, head, readable, flags, next);
        if writable.bytes > 0 {
            self.describe(arena, head + 1, writable, WRITE, 0);
        }
        let available = self.base + AVAILABLE;
        let element = available + 4 + 2 * usize::from(self.next_available % SIZE);
        arena.store(element, head.to_le(), Ordering::Relaxed);
        self.next_available = self.next_available.wrapping_add(1);
        arena.store(available + 2, self.next_available.to_le(), Ordering::Release);
        // It fails for a count that is full, and then it has been rung.
        _ = self.kick.write(1);
    }

    /// The next answer: its slot, and how many bytes the server says it has written (U2).
    ///
    /// # Errors
    /// It lies.
    pub(super) fn take_used(&mut self, arena: &Arena) -> Result<Option<(u16, u32)>, Lie> {
        let used = self.base + USED;
        let index = u16::from_le(arena.load(used + 2, Ordering::Acquire));
        match index.wrapping_sub(self.next_used) {
            0 => return Ok(None),
            1..=SLOTS => {}
            _ => return Err(Lie::Index),
        }
        let element = used + 4 + 8 * usize::from(self.next_used % SIZE);
        let head = u32::from_le(arena.load(element, Ordering::Relaxed));
        let written = u32::from_le(arena.load(element + 4, Ordering::Relaxed));
        self.next_used = self.next_used.wrapping_add(1);
        match u16::try_from(head) {
            Ok(head) if head < SIZE && head.is_multiple_of(2) => Ok(Some((head / 2, written))),
            _ => Err(Lie::Slot),
        }
    }

    fn describe(&self, arena: &Arena, index: u16, part: Part, flags: u16, next: u16) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(super::session::BASE + part.at as u64).to_le_bytes());
        bytes[8..12].copy_from_slice(&(part.bytes as u32).to_le_bytes());
        bytes[12..14].copy_from_slice(&flags.to_le_bytes());
        bytes[14..].copy_from_slice(&next.to_le_bytes());
        arena.write(self.base + 16 * usize::from(index), &bytes);
    }
}
