//! Loads and stores: the straight way through the translation cache, and the long way.

use std::sync::atomic::{Ordering, fence};

use hpt::Access;

use crate::core::Core;
use crate::fault::Fault;
use crate::ram::Scalar;
use crate::trap::Trap;

/// Granule of the translation cache: an access inside it has one real address.
const PAGE: u64 = 4096;

impl Core {
    /// Loads an integer at `ea`, as a host of the same byte order as memory's would see it: the
    /// caller reverses it where the guest's order differs from the host's.
    #[inline(always)]
    pub(crate) fn load<T: Scalar>(&mut self, ea: u64) -> Result<T, Fault> {
        if let Some(real) = self.tlb.load(self.data, ea, T::BYTES)
            && let Some(value) = self.ram.load(real)
        {
            return Ok(value);
        }
        self.load_slowly(ea)
    }

    /// Stores an integer at `ea`, in the host's byte order.
    #[inline(always)]
    pub(crate) fn store<T: Scalar>(&mut self, ea: u64, value: T) -> Result<(), Fault> {
        if let Some(real) = self.tlb.store(self.data, ea, T::BYTES)
            && self.ram.store(real, value).is_some()
        {
            return Ok(());
        }
        self.store_slowly(ea, value)
    }

    #[cold]
    #[inline(never)]
    fn load_slowly<T: Scalar>(&mut self, ea: u64) -> Result<T, Fault> {
        if ea & (T::BYTES - 1) == 0 {
            let real = self.translate_data(ea, Access::Load)?;
            return match self.ram.load(real) {
                Some(value) => Ok(value),
                None => self.raise(Trap::MachineCheck { dar: ea }),
            };
        }
        let mut bytes = [0; 8];
        self.load_bytes(ea, &mut bytes[..T::BYTES as usize])?;
        Ok(from_memory(bytes))
    }

    #[cold]
    #[inline(never)]
    fn store_slowly<T: Scalar>(&mut self, ea: u64, value: T) -> Result<(), Fault> {
        if ea & (T::BYTES - 1) == 0 {
            let real = self.translate_data(ea, Access::Store)?;
            return match self.ram.store(real, value) {
                Some(()) => Ok(()),
                None => self.raise(Trap::MachineCheck { dar: ea }),
            };
        }
        self.store_bytes(ea, &to_memory(value)[..T::BYTES as usize])
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

    /// Loads bytes from `ea` on, in memory's order. Nothing is loaded when any page of them faults.
    pub(crate) fn load_bytes(&mut self, ea: u64, bytes: &mut [u8]) -> Result<(), Fault> {
        let (first, second) = self.pieces(ea, bytes.len(), Access::Load)?;
        for (n, byte) in bytes.iter_mut().enumerate() {
            let real = piece(first, second, n as u64);
            match self.ram.load::<u8>(real) {
                Some(value) => *byte = value,
                None => return self.raise(Trap::MachineCheck { dar: ea }),
            }
        }
        Ok(())
    }

    /// Stores bytes from `ea` on, in memory's order. Nothing is stored when any page of them faults.
    pub(crate) fn store_bytes(&mut self, ea: u64, bytes: &[u8]) -> Result<(), Fault> {
        let (first, second) = self.pieces(ea, bytes.len(), Access::Store)?;
        for (n, byte) in bytes.iter().enumerate() {
            let real = piece(first, second, n as u64);
            if self.ram.store(real, *byte).is_none() {
                return self.raise(Trap::MachineCheck { dar: ea });
            }
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

/// The integer whose bytes in memory are the first of `bytes`.
fn from_memory<T: Scalar>(bytes: [u8; 8]) -> T {
    if cfg!(target_endian = "little") {
        T::truncate(u64::from_le_bytes(bytes))
    } else {
        T::truncate(u64::from_be_bytes(bytes) >> (64 - 8 * T::BYTES))
    }
}

/// The bytes of an integer in memory's order, at the start of the array.
fn to_memory<T: Scalar>(value: T) -> [u8; 8] {
    if cfg!(target_endian = "little") {
        value.into().to_le_bytes()
    } else {
        (value.into() << (64 - 8 * T::BYTES)).to_be_bytes()
    }
}
