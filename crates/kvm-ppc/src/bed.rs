//! Where a processor dozes outside the guest, so that nobody who wants every processor outside has to wait for it.
//!
//! Given an MSR with POW set, `KVM_SET_REGS` of KVM-PR halts the calling thread until the decrementer or an external
//! interrupt comes. A signal ends it too, but only one that comes after the call has begun: "set a flag, send a signal" would
//! lose a wake-up that falls in between. So who wakes also takes POW out of the registers that the sleeper is about to pass.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | D1 | sleeper | POW stored into the registers; fence SeqCst | K1 |
//! | D2 | sleeper | looks for a reason to be awake; if there is one, POW out again | K1: one of the two sees the other |
//! | D3 | sleeper | `KVM_SET_REGS`: the kernel copies the registers, and halts if POW is there and no signal waits | K2, K3 |
//! | K1 | waker | the reason is there; fence SeqCst | D1, D2 |
//! | K2 | waker | POW out of the registers | D3: copied after it, there is no halt |
//! | K3 | waker | a signal to the sleeper's thread | D3: copied before K2, the signal waits or ends the halt |

use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Mutex, PoisonError};

use kvm_bindings::kvm_regs;
use kvm_ioctls::VcpuFd;
use vmm_sys_util::ioctl::ioctl_with_ptr;

use crate::{Result, checked, requests};

/// MSR\[POW\]: wait for an interrupt.
pub const MSR_POW: u64 = 1 << 18;
/// MSR\[FP\]: floating-point available. `KVM_SET_REGS` with it makes KVM-PR load the guest's floating-point registers over
/// those of the *calling thread*, so no registers with it may be passed.
pub const MSR_FP: u64 = 1 << 13;

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
    /// Gives the vCPU the registers `regs` without FP, and halts in the kernel until it has an interrupt, or until
    /// somebody has called [`Self::turn_out`] and then sent the calling thread a signal. `is_needed` is asked once, before:
    /// who turns it out has made it true by then. It may also return for nothing.
    ///
    /// Afterwards the vCPU has these registers, and perhaps POW, which must be taken out before it runs. Meanwhile other
    /// threads' ioctls on it wait, but for [`Interrupter`](crate::Interrupter)'s.
    ///
    /// # Errors
    /// What `KVM_SET_REGS` says.
    pub fn doze(&self, vcpu: &VcpuFd, regs: &kvm_regs, is_needed: impl FnOnce() -> bool) -> Result<()> {
        let _sleeper = self.sleeper.lock().unwrap_or_else(PoisonError::into_inner);
        self.make(regs, is_needed);
        let passed: *const kvm_regs = self.words.as_ptr().cast();
        // D3. SAFETY: the number names `kvm_regs`, which the kernel reads at `passed`; `words` has its size and alignment and
        // lives as long as `self`. The kernel writes nothing there, and what other threads change there is atomic. Without FP
        // it does not touch this thread's registers.
        let answer = unsafe { ioctl_with_ptr(vcpu, requests::KVM_SET_REGS(), passed) };
        checked(answer).map(drop)
    }

    /// Ends the doze, or keeps it from beginning, provided that the sleeper's thread gets a signal after this. Whoever calls
    /// has made the reason visible.
    pub fn turn_out(&self) {
        // K1: the reason, which was stored before, is seen by a sleeper whose POW is not seen here.
        fence(Ordering::SeqCst);
        // K2: before the signal that follows, which is a system call.
        self.words[MSR].fetch_and(!MSR_POW, Ordering::SeqCst);
    }

    /// D1 and D2. The sleeper has the lock.
    fn make(&self, regs: &kvm_regs, is_needed: impl FnOnce() -> bool) {
        // SAFETY: `kvm_regs` is doublewords and nothing else, so every byte has a value, and any bits are good for either.
        let words: [u64; WORDS] = unsafe { std::mem::transmute(*regs) };
        for (number, (word, value)) in self.words.iter().zip(words).enumerate() {
            let value = if number == MSR {
                (value | MSR_POW) & !MSR_FP
            } else {
                value
            };
            word.store(value, Ordering::Relaxed);
        }
        // D1: POW is there before a reason is looked for.
        fence(Ordering::SeqCst);
        // D2.
        if is_needed() {
            self.words[MSR].fetch_and(!MSR_POW, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn passed(bed: &Bed, number: usize) -> u64 {
        bed.words[number].load(Ordering::Relaxed)
    }

    #[test]
    fn the_kernel_gets_the_registers_with_pow_and_without_fp() {
        let bed = Bed::default();
        let regs = kvm_regs {
            pc: 1,
            msr: MSR_FP | 1 << 63,
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

    /// A signal that comes before the call is gone when it begins; a copy with POW then halts until another one comes.
    #[test]
    fn no_reason_is_slept_through() {
        let bed = Bed::default();
        for _ in 0..2_000 {
            let (reason, signal) = (AtomicBool::new(false), AtomicBool::new(false));
            let copied = std::thread::scope(|scope| {
                scope.spawn(|| {
                    reason.store(true, Ordering::Relaxed);
                    bed.turn_out();
                    signal.store(true, Ordering::Release);
                });
                bed.make(&kvm_regs::default(), || reason.load(Ordering::Relaxed));
                signal.swap(false, Ordering::Acquire);
                passed(&bed, MSR)
            });
            assert!(
                copied & MSR_POW == 0 || signal.load(Ordering::Relaxed),
                "halted for good"
            );
        }
    }
}
