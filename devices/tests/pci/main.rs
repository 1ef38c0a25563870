//! The host bridge as a guest and its functions have it.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accesses;
mod doorbells;
mod interrupts;
mod strange;
mod world;
