//! How long somebody who waits is willing to: until a signal has come, or the VM is being killed.

use crate::sync::{AtomicBool, Ordering};

/// Asked now and then by who waits, or works in steps, on behalf of another.
pub trait Patience: Sync {
    /// Whether to give up.
    fn is_over(&self) -> bool;
}

/// Never gives up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Endless;

impl Patience for Endless {
    fn is_over(&self) -> bool {
        false
    }
}

/// Over when it is true.
impl Patience for AtomicBool {
    fn is_over(&self) -> bool {
        self.load(Ordering::Relaxed)
    }
}

/// Whoever waited has given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("given up")]
pub struct Abandoned;
