//! Every interleaving of a vCPU that lies down and one that wakes it. Run with
//! `RUSTFLAGS="--cfg loom" cargo test -p kvm-ppc --test bed_loom`.
//!
//! The code is the crate's own, the kernel's part a model: it copies MSR once, and halts if POW is in it, until a signal that
//! comes after the call has begun. An earlier signal is gone by then. All racing bodies are spawned, and the runs counted.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../src/pow.rs"]
mod pow;

use std::sync::Arc as StdArc;
use std::sync::atomic::AtomicUsize as Count;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;

use pow::{MSR_POW, fall_asleep, wake};

#[derive(Default)]
struct Bed {
    msr: AtomicU64,
    reason: AtomicBool,
    signal: AtomicBool,
}

impl Bed {
    /// Whether the thread halts with nobody left to end it, unless a signal comes.
    fn doze(&self) -> bool {
        fall_asleep(&self.msr, 0, || self.reason.load(Ordering::Relaxed));
        // The last moment before the call: a signal that is here has its handler run.
        self.signal.swap(false, Ordering::Acquire);
        self.msr.load(Ordering::Relaxed) & MSR_POW != 0
    }

    fn turn_out(&self) {
        self.reason.store(true, Ordering::Relaxed);
        wake(&self.msr);
        // Not a plain store: loom would not order it after a swap that has not seen it.
        self.signal.swap(true, Ordering::Release);
    }
}

#[test]
fn no_reason_is_slept_through() {
    let (runs, halts) = (StdArc::new(Count::new(0)), StdArc::new(Count::new(0)));
    let (run, halt) = (StdArc::clone(&runs), StdArc::clone(&halts));
    loom::model(move || {
        let bed = Arc::new(Bed::default());
        // What an earlier doze has left.
        bed.msr.store(MSR_POW, Ordering::Relaxed);
        let sleeper = thread::spawn({
            let bed = Arc::clone(&bed);
            move || bed.doze()
        });
        let waker = thread::spawn({
            let bed = Arc::clone(&bed);
            move || bed.turn_out()
        });
        waker.join().unwrap();
        if sleeper.join().unwrap() {
            halt.fetch_add(1, Ordering::Relaxed);
            assert!(bed.signal.load(Ordering::Relaxed), "halted for good");
        }
        run.fetch_add(1, Ordering::Relaxed);
    });
    // Few runs, or none that halts, would mean that the model does not look.
    assert!(
        runs.load(Ordering::Relaxed) >= 20,
        "{} runs",
        runs.load(Ordering::Relaxed)
    );
    assert!(halts.load(Ordering::Relaxed) > 0);
}
