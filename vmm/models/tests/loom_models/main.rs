//! The program's protocols under loom: every order in which threads can meet, and every value that the memory orderings let them see.
//! Run with `RUSTFLAGS="--cfg loom"`, in release mode.
//!
//! The code is the program's own: its files are compiled here with loom's primitives in the place of `std`'s (`sync`). What they
//! need of the rest of the program is nothing but a constant.
#![cfg(loom)]
#![expect(dead_code, reason = "a model uses a part of what the program does")]

/// The program's, as loom models it.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
}

#[path = "../../../src/pause.rs"]
mod pause;

/// What is done to a guest's memory.
mod upkeep {
    /// Bytes of a frame.
    const FRAME: u64 = 4096;

    #[path = "../../../../src/upkeep/claims.rs"]
    mod claims;
    #[path = "../../../../src/upkeep/hints.rs"]
    mod hints;

    mod claims_model;
    mod hints_model;
}

/// What runs the guest's processors.
mod accel {
    use std::io;

    /// In the place of the program's.
    #[derive(Debug, thiserror::Error)]
    enum NotWithheld {
        #[error("{wanted} of {most}")]
        TooMany { wanted: usize, most: usize },
        #[error(transparent)]
        Host(#[from] io::Error),
    }

    #[path = "../../../../src/accel/absent.rs"]
    mod absent;

    mod absent_model;
}

#[path = "../../../../hpt/tests/loom_models/explore.rs"]
mod explore;
mod pause_model;
#[path = "../../../../hpt/tests/loom_models/real_mode.rs"]
mod real_mode;
mod word;
