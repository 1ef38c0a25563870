//! Guest memory as the processors reach it: relaxed, checked, single-copy atomic where aligned.
#![expect(
    unsafe_code,
    reason = "guest memory is shared with other threads and reached through a raw pointer"
)]

mod quad;

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use vm_memory::{GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};

/// The partition's RAM: one region from real address 0. A clone is the same memory.
#[derive(Clone)]
pub struct Ram {
    base: NonNull<u8>,
    bytes: u64,
    /// Keeps the mapping alive for as long as `base` is used.
    _memory: Arc<GuestMemoryMmap<()>>,
}

// SAFETY: `base` points to a mapping that `_memory` owns and that any thread may use; every access
// below is atomic, so threads may make them at the same time.
unsafe impl Send for Ram {}
// SAFETY: as above.
unsafe impl Sync for Ram {}

/// An integer that memory holds: 1, 2, 4 or 8 bytes.
pub trait Scalar: Copy + Into<u64> {
    /// Size in bytes.
    const BYTES: u64;
    /// The integer's low bits of `value`.
    fn truncate(value: u64) -> Self;
    /// The same with its bytes reversed.
    fn reverse(self) -> Self;
    /// The other byte order when the host and `little` disagree.
    #[inline(always)]
    fn to_order(self, little: bool) -> Self {
        if little == cfg!(target_endian = "little") {
            self
        } else {
            self.reverse()
        }
    }
    /// The integer whose bytes in memory are the first of `bytes`.
    fn from_memory(bytes: [u8; 8]) -> Self {
        if cfg!(target_endian = "little") {
            Self::truncate(u64::from_le_bytes(bytes))
        } else {
            Self::truncate(u64::from_be_bytes(bytes) >> (64 - 8 * Self::BYTES))
        }
    }
    /// The bytes of the integer in memory's order, at the start of the array.
    fn to_memory(self) -> [u8; 8] {
        if cfg!(target_endian = "little") {
            self.into().to_le_bytes()
        } else {
            (self.into() << (64 - 8 * Self::BYTES)).to_be_bytes()
        }
    }
    /// # Safety
    /// `at` is aligned to the size, and valid for reads and writes for as long as the call lasts.
    unsafe fn read(at: *mut u8) -> Self;
    /// # Safety
    /// As for [`Self::read`].
    unsafe fn write(self, at: *mut u8);
    /// Stores `new` if memory holds `old`; whether it did.
    ///
    /// # Safety
    /// As for [`Self::read`].
    unsafe fn exchange(at: *mut u8, old: Self, new: Self) -> bool;
}

macro_rules! scalar {
    ($int:ty, $atomic:ty) => {
        impl Scalar for $int {
            const BYTES: u64 = size_of::<$int>() as u64;
            #[inline(always)]
            fn truncate(value: u64) -> Self {
                value as $int
            }
            #[inline(always)]
            fn reverse(self) -> Self {
                self.swap_bytes()
            }
            #[inline(always)]
            unsafe fn read(at: *mut u8) -> Self {
                // SAFETY: the caller's promise: aligned and valid.
                unsafe { <$atomic>::from_ptr(at.cast()) }.load(Ordering::Relaxed)
            }
            #[inline(always)]
            unsafe fn write(self, at: *mut u8) {
                // SAFETY: the caller's promise: aligned and valid.
                unsafe { <$atomic>::from_ptr(at.cast()) }.store(self, Ordering::Relaxed)
            }
            #[inline(always)]
            unsafe fn exchange(at: *mut u8, old: Self, new: Self) -> bool {
                // SAFETY: the caller's promise: aligned and valid.
                let cell = unsafe { <$atomic>::from_ptr(at.cast()) };
                cell.compare_exchange(old, new, Ordering::SeqCst, Ordering::Relaxed)
                    .is_ok()
            }
        }
    };
}

scalar!(u8, AtomicU8);
scalar!(u16, AtomicU16);
scalar!(u32, AtomicU32);
scalar!(u64, AtomicU64);

/// Where machine code finds the region, in bytes.
pub mod layout {
    use std::mem::offset_of;

    use super::Ram;

    pub const BASE: usize = offset_of!(Ram, base);
}

impl Ram {
    /// The first region of `memory`, which starts at guest address 0.
    ///
    /// # Panics
    /// When there is no region at address 0.
    pub fn new(memory: Arc<GuestMemoryMmap<()>>) -> Self {
        let region = memory
            .find_region(vm_memory::GuestAddress(0))
            .expect("guest memory starts at 0");
        let base = NonNull::new(region.as_ptr()).expect("a mapping is not at address 0");
        // Whole doublewords: an aligned integer that begins inside ends inside.
        let bytes = region.len() & !7;
        Self {
            base,
            bytes,
            _memory: memory,
        }
    }

    /// Size in bytes.
    #[inline(always)]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the page of 4 KiB around `real` is RAM.
    #[inline]
    pub(crate) fn has_page(&self, real: u64) -> bool {
        real | 0xfff < self.bytes
    }

    /// Where the `len` bytes at `real` are, when all of them are RAM.
    #[inline(always)]
    fn at(&self, real: u64, len: u64) -> Option<*mut u8> {
        if real > self.bytes.wrapping_sub(len) || self.bytes < len {
            return None;
        }
        // SAFETY: `real` is less than `bytes`, the length of the mapping at `base`.
        Some(unsafe { self.base.as_ptr().add(real as usize) })
    }

    /// Where the aligned integer at `real`, rounded down to its size, is, when that is RAM.
    #[inline(always)]
    fn cell<T: Scalar>(&self, real: u64) -> Option<*mut u8> {
        let real = real & !(T::BYTES - 1);
        if real >= self.bytes {
            return None;
        }
        // SAFETY: `real` is less than `bytes`, which the mapping at `base` has.
        Some(unsafe { self.base.as_ptr().add(real as usize) })
    }

    /// Loads an aligned integer in the host's byte order. `None`: not RAM.
    ///
    /// An address that is not aligned is rounded down to the size.
    #[inline(always)]
    pub fn load<T: Scalar>(&self, real: u64) -> Option<T> {
        let at = self.cell::<T>(real)?;
        // SAFETY: `at` is inside the mapping, and BYTES bytes from there are: it is a multiple of BYTES, and the
        // mapping has a multiple of 8 bytes. The mapping is page-aligned.
        Some(unsafe { T::read(at) })
    }

    /// Stores an aligned integer in the host's byte order. `None`: not RAM.
    #[inline(always)]
    pub fn store<T: Scalar>(&self, real: u64, value: T) -> Option<()> {
        let at = self.cell::<T>(real)?;
        // SAFETY: as in `load`.
        unsafe { value.write(at) };
        Some(())
    }

    /// Stores `new` if memory holds `old` (both in the host's byte order); whether it did. `None`: not RAM.
    #[inline(always)]
    pub fn exchange<T: Scalar>(&self, real: u64, old: T, new: T) -> Option<bool> {
        let at = self.cell::<T>(real)?;
        // SAFETY: as in `load`.
        Some(unsafe { T::exchange(at, old, new) })
    }

    /// Writes zeros over the `len` bytes at `real`, both multiples of 8. `None`: not all RAM.
    #[inline]
    pub fn zero(&self, real: u64, len: u64) -> Option<()> {
        self.at(real, len)?;
        for offset in (0..len).step_by(8) {
            self.store(real + offset, 0u64)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_memory::GuestAddress;

    fn ram() -> Ram {
        Ram::new(Arc::new(
            GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x10000)]).unwrap(),
        ))
    }

    #[test]
    fn the_last_bytes_are_ram_and_the_next_are_not() {
        let ram = ram();
        assert_eq!(ram.store(0xfff8, 7u64), Some(()));
        assert_eq!(ram.load::<u64>(0xfff8), Some(7));
        assert_eq!(ram.load::<u8>(0x10000), None);
        assert_eq!(ram.load::<u64>(u64::MAX), None);
        assert_eq!(ram.zero(0xff80, 0x100), None);
    }

    #[test]
    fn an_exchange_happens_only_on_the_expected_value() {
        let ram = ram();
        ram.store(0x100, 1u32);
        assert_eq!(ram.exchange(0x100, 2u32, 3u32), Some(false));
        assert_eq!(ram.exchange(0x100, 1u32, 3u32), Some(true));
        assert_eq!(ram.load::<u32>(0x100), Some(3));
    }
}
