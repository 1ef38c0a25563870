//! Where a vCPU dozes outside the guest, so that nobody who wants every vCPU outside has to wait for it.
//!
//! `pow` says how it halts, how it is woken, and why no wake-up is lost.

use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use kvm_bindings::kvm_regs;
use kvm_ioctls::VcpuFd;
use vmm_sys_util::ioctl::ioctl_with_ptr;

use crate::{Result, checked, pow, requests};

/// The bits of MSR that `KVM_SET_REGS` of KVM-PR may be given: SF, EE, PR, ME, IR, DR, RI and LE. With FP, or with TM, it loads
/// the guest's floating-point and vector registers over those of the *calling thread*; with POW it halts.
pub const MSR_PLAIN: u64 = 1 << 63 | 1 << 15 | 1 << 14 | 1 << 12 | 1 << 5 | 1 << 4 | 1 << 1 | 1;

/// Doublewords of `kvm_regs`, which has no others.
const WORDS: usize = size_of::<kvm_regs>() / size_of::<u64>();
/// Which of them is MSR.
const MSR: usize = offset_of!(kvm_regs, msr) / size_of::<u64>();

/// The registers that one vCPU passes when it dozes.
#[derive(Debug)]
pub struct Bed {
    words: [AtomicU64; WORDS],
    /// Held by the sleeper, who alone changes more than MSR.
    sleeper: Mutex<()>,
}

impl Default for Bed {
    fn default() -> Self {
        Self {
            words: [const { AtomicU64::new(0) }; WORDS],
            sleeper: Mutex::default(),
        }
    }
}

impl Bed {
    /// Gives the vCPU the registers `regs`, of MSR no more than [`MSR_PLAIN`], and halts in the kernel until it has an interrupt, or until
    /// somebody has called [`Self::turn_out`] and then sent the calling thread a signal. `is_needed` is asked once, before:
    /// who turns it out has made it true by then. It may also return for nothing.
    ///
    /// Afterwards the vCPU has these registers, and perhaps POW, which must be taken out before it runs. Meanwhile other
    /// threads' ioctls on it wait, but for [`Interrupter::set`](crate::Interrupter::set).
    ///
    /// # Errors
    /// What `KVM_SET_REGS` says.
    pub fn doze(&self, vcpu: &VcpuFd, regs: &kvm_regs, is_needed: impl FnOnce() -> bool) -> Result<()> {
        let _sleeper = self.sleeper.lock().unwrap_or_else(PoisonError::into_inner);
        self.make(regs, is_needed);
        let passed: *const kvm_regs = self.words.as_ptr().cast();
        // D3. SAFETY: the number names `kvm_regs`, which the kernel reads at `passed`; `words` has its size and alignment and
        // lives as long as `self`. The kernel writes nothing there, and what other threads change there is atomic. With these bits of
        // MSR it does not touch this thread's registers.
        let answer = unsafe { ioctl_with_ptr(vcpu, requests::KVM_SET_REGS(), passed) };
        checked(answer).map(drop)
    }

    /// Ends the doze, or keeps it from beginning, provided that the sleeper's thread gets a signal after this. Whoever calls
    /// has made the reason visible.
    pub fn turn_out(&self) {
        pow::wake(&self.words[MSR]);
    }

    /// Makes what is passed. The sleeper has the lock.
    fn make(&self, regs: &kvm_regs, is_needed: impl FnOnce() -> bool) {
        // SAFETY: `kvm_regs` is doublewords and nothing else, so every byte has a value, and any bits are good for either.
        let words: [u64; WORDS] = unsafe { std::mem::transmute(*regs) };
        for (number, (word, value)) in self.words.iter().zip(words).enumerate() {
            if number != MSR {
                word.store(value, Ordering::Relaxed);
            }
        }
        pow::fall_asleep(&self.words[MSR], words[MSR] & MSR_PLAIN, is_needed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MSR_POW;

    fn passed(bed: &Bed, number: usize) -> u64 {
        bed.words[number].load(Ordering::Relaxed)
    }

    #[test]
    fn the_kernel_gets_the_registers_with_pow_and_plain_bits() {
        let bed = Bed::default();
        let regs = kvm_regs {
            pc: 1,
            // With FP, VEC and TM.
            msr: 1 << 63 | 1 << 13 | 1 << 25 | 1 << 32,
            gpr: std::array::from_fn(|number| 100 + number as u64),
            ..Default::default()
        };
        bed.make(&regs, || false);
        assert_eq!(passed(&bed, 0), 1);
        assert_eq!(passed(&bed, MSR), MSR_POW | 1 << 63);
        assert_eq!(passed(&bed, WORDS - 1), 131);
    }

    #[test]
    fn who_is_needed_does_not_halt() {
        let bed = Bed::default();
        bed.make(&kvm_regs::default(), || true);
        assert_eq!(passed(&bed, MSR), 0);
    }

    #[test]
    fn who_is_turned_out_before_the_kernel_looks_does_not_halt() {
        let bed = Bed::default();
        bed.make(&kvm_regs::default(), || false);
        bed.turn_out();
        assert_eq!(passed(&bed, MSR), 0);
    }
}
