//! Aligned accesses of 16 bytes, each in a single step where the host has one.
//!
//! | host | load, store | exchange |
//! |---|---|---|
//! | x86-64 with AVX and `cmpxchg16b` | one `movaps`: the vendors promise that it is one step where there is AVX | `lock cmpxchg16b` |
//! | any other | two of 8 bytes | two of 8 bytes, one exchange after the other |
//!
//! On the other hosts another processor may see half of a store, and between the halves of an exchange store to one of
//! them: `CAVEATS.md` says so.
//!
//! A value is as the host would hold it: in memory its bytes stand in the host's order.

use std::sync::{Mutex, PoisonError};

use super::Ram;

/// Bytes of an access.
pub const BYTES: u64 = 16;

/// Whether the host has the single steps.
#[cfg(target_arch = "x86_64")]
#[inline]
fn has_single_steps() -> bool {
    // Each is one load of a word that says what the processor has, once it was asked.
    !cfg!(miri) && std::arch::is_x86_feature_detected!("avx") && std::arch::is_x86_feature_detected!("cmpxchg16b")
}

/// Exchanges on hosts without single steps do not mix with each other.
static EXCHANGES: Mutex<()> = Mutex::new(());

/// The doublewords of a value, in the order of their addresses.
const fn halves(value: u128) -> [u64; 2] {
    let (high, low) = ((value >> 64) as u64, value as u64);
    if cfg!(target_endian = "little") {
        [low, high]
    } else {
        [high, low]
    }
}

/// The value of two doublewords in the order of their addresses.
const fn joined([first, second]: [u64; 2]) -> u128 {
    let (high, low) = if cfg!(target_endian = "little") {
        (second, first)
    } else {
        (first, second)
    };
    (high as u128) << 64 | low as u128
}

impl Ram {
    /// Loads the 16 bytes at `real`, which is rounded down to a multiple of 16. `None`: not RAM.
    pub fn load_quad(&self, real: u64) -> Option<u128> {
        let real = real & !(BYTES - 1);
        #[cfg(target_arch = "x86_64")]
        if has_single_steps() {
            let at = self.at(real, BYTES)?;
            // SAFETY: `at` is inside the mapping for 16 bytes (checked by `at`), and aligned: the mapping is page-aligned, and the
            // offset was rounded. AVX was detected.
            return Some(unsafe { single::load(at) });
        }
        Some(joined([self.load(real)?, self.load(real + 8)?]))
    }

    /// Stores 16 bytes at `real`, which is rounded down to a multiple of 16. `None`: not RAM.
    pub fn store_quad(&self, real: u64, value: u128) -> Option<()> {
        let real = real & !(BYTES - 1);
        #[cfg(target_arch = "x86_64")]
        if has_single_steps() {
            let at = self.at(real, BYTES)?;
            // SAFETY: as in `load_quad`.
            unsafe { single::store(at, value) };
            return Some(());
        }
        let [first, second] = halves(value);
        self.store(real, first)?;
        self.store(real + 8, second)
    }

    /// Stores `new` if memory holds `old`; whether it did. `real` is rounded down to a multiple of 16. `None`: not RAM.
    pub fn exchange_quad(&self, real: u64, old: u128, new: u128) -> Option<bool> {
        let real = real & !(BYTES - 1);
        #[cfg(target_arch = "x86_64")]
        if has_single_steps() {
            let at = self.at(real, BYTES)?;
            // SAFETY: as in `load_quad`; `cmpxchg16b` was detected.
            return Some(unsafe { single::exchange(at, old, new) });
        }
        self.exchange_halves(real, old, new)
    }

    fn exchange_halves(&self, real: u64, old: u128, new: u128) -> Option<bool> {
        let _alone = EXCHANGES.lock().unwrap_or_else(PoisonError::into_inner);
        let [old_first, old_second] = halves(old);
        let [new_first, new_second] = halves(new);
        if !self.exchange(real, old_first, new_first)? {
            return Some(false);
        }
        if self.exchange(real + 8, old_second, new_second)? {
            return Some(true);
        }
        // Back, unless somebody else has stored there since.
        self.exchange(real, new_first, old_first)?;
        Some(false)
    }
}

/// The single steps of x86-64.
#[cfg(target_arch = "x86_64")]
mod single {
    use std::arch::asm;
    use std::arch::x86_64::__m128i;

    /// # Safety
    /// `at` is aligned to 16 and valid for reads of 16 bytes; the processor has AVX.
    pub unsafe fn load(at: *mut u8) -> u128 {
        let value: __m128i;
        // SAFETY: one load of 16 bytes from where the caller says that it may be; other threads may store there, which assembly,
        // unlike a reference, allows.
        unsafe { asm!("movaps {}, [{}]", out(xmm_reg) value, in(reg) at, options(nostack, preserves_flags, readonly)) };
        // SAFETY: both are 16 bytes without invalid values.
        unsafe { std::mem::transmute::<__m128i, u128>(value) }
    }

    /// # Safety
    /// `at` is aligned to 16 and valid for writes of 16 bytes; the processor has AVX.
    pub unsafe fn store(at: *mut u8, value: u128) {
        // SAFETY: both are 16 bytes without invalid values.
        let value = unsafe { std::mem::transmute::<u128, __m128i>(value) };
        // SAFETY: one store of 16 bytes, as in `load`.
        unsafe { asm!("movaps [{}], {}", in(reg) at, in(xmm_reg) value, options(nostack, preserves_flags)) };
    }

    /// # Safety
    /// `at` is aligned to 16 and valid for reads and writes of 16 bytes; the processor has `cmpxchg16b`.
    pub unsafe fn exchange(at: *mut u8, old: u128, new: u128) -> bool {
        let stored: u8;
        // SAFETY: one access of 16 bytes to where the caller says that it may be. RBX, which the compiler keeps for itself, has its
        // value back before the end, and is not the pointer.
        unsafe {
            asm!(
                "xchg {low}, rbx",
                "lock cmpxchg16b [rdi]",
                "mov rbx, {low}",
                "sete {stored}",
                // By name: of any register it might be RBX, which has another value by then.
                in("rdi") at,
                low = inout(reg) new as u64 => _,
                stored = out(reg_byte) stored,
                in("rcx") (new >> 64) as u64,
                inout("rax") old as u64 => _,
                inout("rdx") (old >> 64) as u64 => _,
                options(nostack),
            );
        }
        stored != 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vm_memory::{GuestAddress, GuestMemoryMmap};

    use super::*;

    const OLD: u128 = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;
    const NEW: u128 = !OLD;

    fn ram() -> Ram {
        Ram::new(Arc::new(
            GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x10000)]).unwrap(),
        ))
    }

    #[test]
    fn sixteen_bytes_are_two_doublewords() {
        let ram = ram();
        ram.store_quad(0x100, OLD);
        assert_eq!(ram.load_quad(0x108), Some(OLD));
        assert_eq!(joined([ram.load(0x100).unwrap(), ram.load(0x108).unwrap()]), OLD);
        assert_eq!(ram.load_quad(0x10000), None);
        assert_eq!(ram.store_quad(0x10000, OLD), None);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_quadword_is_never_seen_half_stored() {
        if !has_single_steps() {
            println!("SKIPPED: this processor has no single steps of 16 bytes");
            return;
        }
        let ram = ram();
        let both = |n: u64| u128::from(n) << 64 | u128::from(n);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..200_000).for_each(|n| ram.store_quad(0x100, both(n)).unwrap()));
            let mut last = 0;
            while last < 199_999 {
                let seen = ram.load_quad(0x100).unwrap();
                assert_eq!(seen, both(seen as u64));
                assert!(seen as u64 >= last, "{seen:#x} after {last:#x}");
                last = seen as u64;
            }
        });
    }

    #[test]
    fn exchanges_of_two_threads_all_count() {
        const TIMES: u64 = 50_000;
        let ram = ram();
        let add = || {
            for _ in 0..TIMES {
                loop {
                    let seen = ram.load_quad(0x100).unwrap();
                    if ram.exchange_quad(0x100, seen, seen + (1 << 64) + 1) == Some(true) {
                        break;
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(add);
            scope.spawn(add);
        });
        assert_eq!(
            ram.load_quad(0x100),
            Some(u128::from(2 * TIMES) << 64 | u128::from(2 * TIMES))
        );
    }

    #[test]
    fn an_exchange_changes_both_halves_or_none() {
        let ram = ram();
        for exchange in [Ram::exchange_quad, Ram::exchange_halves] {
            ram.store_quad(0x100, OLD);
            for other in [OLD ^ 1, OLD ^ 1 << 127] {
                assert_eq!(exchange(&ram, 0x100, other, NEW), Some(false));
                assert_eq!(ram.load_quad(0x100), Some(OLD));
            }
            assert_eq!(exchange(&ram, 0x100, OLD, NEW), Some(true));
            assert_eq!(ram.load_quad(0x100), Some(NEW));
            assert_eq!(exchange(&ram, 0x10000, OLD, NEW), None);
        }
    }
}
