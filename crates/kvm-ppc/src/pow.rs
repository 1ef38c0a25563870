//! The one word that a sleeper and those who wake it share: MSR, as the sleeper passes it to the kernel.
//!
//! Given an MSR with POW set, `KVM_SET_REGS` of KVM-PR halts the calling thread until the decrementer or an external
//! interrupt comes. A signal ends it too, but only one that comes after the call has begun: "set a flag, send a signal" would
//! lose a wake-up that falls in between. So who wakes also takes POW out of the registers that the sleeper is about to pass.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | D1 | sleeper | POW stored into MSR; fence SeqCst | K1 |
//! | D2 | sleeper | looks for a reason to be awake; if there is one, POW out again | K1: one of the two sees the other |
//! | D3 | sleeper | `KVM_SET_REGS`: the kernel copies the registers, and halts if POW is there and no signal waits | K2, K3 |
//! | K1 | waker | the reason is there; fence SeqCst | D1, D2 |
//! | K2 | waker | POW out of MSR | D3: copied after it, there is no halt |
//! | K3 | waker | a signal to the sleeper's thread | D3: copied before K2, the signal waits or ends the halt |
//!
//! D1 and D2 are [`fall_asleep`], K1 and K2 [`wake`]; D3 is `Bed`'s, and K3 its user's. `tests/bed_loom.rs` has the model.

#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, fence};

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, fence};
use std::sync::atomic::Ordering;

/// MSR\[POW\]: wait for an interrupt.
pub const MSR_POW: u64 = 1 << 18;

/// D1 and D2: puts `value` with POW into `msr`, and POW out again if the sleeper `is_needed`.
pub(crate) fn fall_asleep(msr: &AtomicU64, value: u64, is_needed: impl FnOnce() -> bool) {
    msr.store(value | MSR_POW, Ordering::Relaxed);
    // D1: POW is there before a reason is looked for.
    fence(Ordering::SeqCst);
    // D2.
    if is_needed() {
        msr.fetch_and(!MSR_POW, Ordering::Relaxed);
    }
}

/// K1 and K2: takes POW out of `msr`.
pub(crate) fn wake(msr: &AtomicU64) {
    // K1: a sleeper whose POW is not seen here sees the reason, which was stored before.
    fence(Ordering::SeqCst);
    // K2: before the signal, as the kernel sends and takes signals under a lock.
    msr.fetch_and(!MSR_POW, Ordering::Relaxed);
}
