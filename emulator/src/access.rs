//! Loads and stores: the straight way through the translation cache, and the long way.

use std::sync::atomic::{Ordering, fence};

use hpt::Access;

use crate::core::Core;
use crate::fault::Fault;
use crate::ram::Scalar;

/// Granule of the translation cache: an access inside it has one real address.
const PAGE: u64 = 4096;

impl Core {
    /// Loads an integer at `ea`, as a host of the same byte order as memory's would see it: the
    /// caller reverses it where the guest's order differs from the host's.
    #[inline(always)]
    pub(crate) fn load<T: Scalar>(&mut self, ea: u64) -> Result<T, Fault> {
        match self.load_straight(ea) {
            Some(value) => Ok(value),
            None => self.load_slowly(ea),
        }
    }

    /// Loads an integer if the translation cache knows where.
    #[inline(always)]
    pub(crate) fn load_straight<T: Scalar>(&self, ea: u64) -> Option<T> {
        let real = self.tlb.load(self.data, ea, T::BYTES)?;
        self.ram.load(real)
    }

    /// Stores an integer if the translation cache knows where.
    #[inline(always)]
    pub(crate) fn store_straight<T: Scalar>(&self, ea: u64, value: T) -> Option<()> {
        let real = self.tlb.store(self.data, ea, T::BYTES)?;
        self.ram.store(real, value)
    }

    /// Stores an integer at `ea`, in the host's byte order.
    #[inline(always)]
    pub(crate) fn store<T: Scalar>(&mut self, ea: u64, value: T) -> Result<(), Fault> {
        match self.store_straight(ea, value) {
            Some(()) => Ok(()),
            None => self.store_slowly(ea, value),
        }
    }

    /// The same the long way.
    #[cold]
    #[inline(never)]
    pub(crate) fn load_slowly<T: Scalar>(&mut self, ea: u64) -> Result<T, Fault> {
        if ea & (T::BYTES - 1) == 0 {
            let real = self.translate_data(ea, Access::Load)?;
            return match self.ram.load(real) {
                Some(value) => Ok(value),
                None => self.load_outside(ea, real),
            };
        }
        let mut bytes = [0; 8];
        self.load_bytes(ea, &mut bytes[..T::BYTES as usize])?;
        Ok(T::from_memory(bytes))
    }

    /// The same the long way.
    #[cold]
    #[inline(never)]
    pub(crate) fn store_slowly<T: Scalar>(&mut self, ea: u64, value: T) -> Result<(), Fault> {
        if ea & (T::BYTES - 1) == 0 {
            let real = self.translate_data(ea, Access::Store)?;
            return match self.ram.store(real, value) {
                Some(()) => Ok(()),
                None => self.store_outside(ea, real, value),
            };
        }
        self.store_bytes(ea, &value.to_memory()[..T::BYTES as usize])
    }

    /// The real address for an access of `bytes` at `ea` that stays inside its 4 KiB page.
    fn real(&mut self, ea: u64, access: Access) -> Result<u64, Fault> {
        let known = match access {
            Access::Store => self.tlb.store(self.data, ea, 1),
            _ => self.tlb.load(self.data, ea, 1),
        };
        match known {
            Some(real) => Ok(real),
            None => self.translate_data(ea, access),
        }
    }

    /// Ends an access that is a device's, if only in part; what is all in memory may begin.
    pub(crate) fn check_in_memory(&mut self, ea: u64, bytes: usize, access: Access) -> Result<(), Fault> {
        let ((first, _), second) = self.pieces(ea, bytes, access)?;
        if self.is_outside(first) || self.is_outside(second) {
            return self.needs_pieces(ea);
        }
        Ok(())
    }

    /// Loads bytes from `ea` on, in memory's order, in the largest aligned steps. Nothing is loaded when any page of them faults.
    pub(crate) fn load_bytes(&mut self, ea: u64, bytes: &mut [u8]) -> Result<(), Fault> {
        let (first, second) = self.pieces(ea, bytes.len(), Access::Load)?;
        self.check_watchpoint(ea, bytes.len() as u64, Access::Load)?;
        let ram = &self.ram;
        let loaded = match step(ea, bytes.len()) {
            8 => in_steps_mut(bytes, |n| ram.load(piece(first, second, n)).map(u64::to_ne_bytes)),
            4 => in_steps_mut(bytes, |n| ram.load(piece(first, second, n)).map(u32::to_ne_bytes)),
            _ => in_steps_mut(bytes, |n| ram.load(piece(first, second, n)).map(u8::to_ne_bytes)),
        };
        match loaded {
            Some(()) => Ok(()),
            None => self.needs_pieces(ea),
        }
    }

    /// Stores bytes from `ea` on, in memory's order, in the largest aligned steps. Nothing is stored when any page of them faults.
    pub(crate) fn store_bytes(&mut self, ea: u64, bytes: &[u8]) -> Result<(), Fault> {
        let (first, second) = self.pieces(ea, bytes.len(), Access::Store)?;
        self.check_watchpoint(ea, bytes.len() as u64, Access::Store)?;
        if self.is_outside(first.0) || self.is_outside(second) {
            return self.needs_pieces(ea);
        }
        let ram = &self.ram;
        let stored = match step(ea, bytes.len()) {
            8 => in_steps(bytes, |n, eight| {
                ram.store(piece(first, second, n), u64::from_ne_bytes(eight))
            }),
            4 => in_steps(bytes, |n, four| {
                ram.store(piece(first, second, n), u32::from_ne_bytes(four))
            }),
            _ => in_steps(bytes, |n, one| {
                ram.store(piece(first, second, n), u8::from_ne_bytes(one))
            }),
        };
        if stored.is_none() {
            return self.needs_pieces(ea);
        }
        let (first, in_first) = first;
        if bytes.len() as u64 > in_first {
            // The right to store to the first page may have been revoked by the translation of the
            // second: as a store without the right, this one says what it made stale.
            fence(Ordering::SeqCst);
            for page in [first, second] {
                if self.shared.code.holds_code(page) {
                    self.shared.code.mark_written(page);
                }
            }
        }
        Ok(())
    }

    /// Translates up to 4096 bytes at `ea`: the real address of the first page's part and its
    /// length, and the real address of the second page's.
    fn pieces(&mut self, ea: u64, bytes: usize, access: Access) -> Result<((u64, u64), u64), Fault> {
        let in_first = PAGE - (ea % PAGE);
        let first = self.real(ea, access)?;
        if bytes as u64 <= in_first {
            return Ok(((first, in_first), 0));
        }
        let second = self.real(ea.wrapping_add(in_first) & self.pc_mask, access)?;
        Ok(((first, in_first), second))
    }
}

fn piece((first, in_first): (u64, u64), second: u64, n: u64) -> u64 {
    if n < in_first {
        first + n
    } else {
        second + (n - in_first)
    }
}

/// Bytes that are accessed at once: 8 or 4 of those that are aligned, which stay whole (Power ISA v2.07B, Book II, 1.4), else 1.
/// No step is in two pages.
fn step(ea: u64, bytes: usize) -> u64 {
    1 << (ea | bytes as u64 | 8).trailing_zeros()
}

/// Calls `load` with the offset of each step.
fn in_steps_mut<const STEP: usize>(bytes: &mut [u8], load: impl Fn(u64) -> Option<[u8; STEP]>) -> Option<()> {
    let (steps, _) = bytes.as_chunks_mut::<STEP>();
    for (n, step) in (0..).zip(steps) {
        *step = load(n * STEP as u64)?;
    }
    Some(())
}

/// Calls `store` with the offset and the bytes of each step.
fn in_steps<const STEP: usize>(bytes: &[u8], store: impl Fn(u64, [u8; STEP]) -> Option<()>) -> Option<()> {
    let (steps, _) = bytes.as_chunks::<STEP>();
    for (n, step) in (0..).zip(steps) {
        store(n * STEP as u64, *step)?;
    }
    Some(())
}
