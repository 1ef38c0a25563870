//! Waiting that can be given up: because a signal came, or the virtual machine is being killed.

use crate::sync::{AtomicBool, Ordering};

/// How long somebody waits. Who waits asks again every few milliseconds, also with locks held: the answer waits for nobody.
pub trait Patience: Sync {
    /// Whether to give up. Once true it stays true.
    fn is_over(&self) -> bool;
}

/// Waits until it is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Endless;

impl Patience for Endless {
    fn is_over(&self) -> bool {
        false
    }
}

/// Over when it is set.
impl Patience for AtomicBool {
    fn is_over(&self) -> bool {
        self.load(Ordering::Relaxed)
    }
}

/// Somebody's [`Patience`] was over before the work was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("given up before it was done")]
pub struct Abandoned;
