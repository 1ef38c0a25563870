//! The locks of the bridge: those of the standard library, or loom's under `--cfg loom`.

#[cfg(loom)]
pub(super) use loom::sync::{Mutex, MutexGuard, RwLock};
#[cfg(not(loom))]
pub(super) use std::sync::{Mutex, MutexGuard, RwLock};
