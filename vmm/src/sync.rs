//! What the protocols that have models use of `std::sync`: `vmm/models` compiles the same files with loom's in its place.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
