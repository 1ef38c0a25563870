//! The protocols of the table and of the seats under loom: every order in which threads can meet, and every value
//! that the memory orderings let them see. Run with `RUSTFLAGS="--cfg loom"`, in release mode.
//!
//! What loom cannot see is in `docs/concurrency.md`.
#![cfg(loom)]
#![expect(
    clippy::arc_with_non_send_sync,
    reason = "loom checks who is at its cells; they are not Sync"
)]

mod combine;
mod duplicates;
mod elide;
mod explore;
mod footprint;
mod frames;
mod gate;
mod harvest;
mod kernel_walker;
mod notify;
mod real_mode;
mod remove;
mod resize;
mod search;
mod shootdown;
mod unmap;
mod walk;
