//! Listeners, and how they come and go while ranges are in flight.

use std::sync::{Arc, Weak};

use super::calls::Id;
use super::{Announced, Notifier};
use crate::patience::{Abandoned, Patience};

/// Who speaks for users of guest memory that keep translations of it.
///
/// Callbacks come from any thread, several at once, with no lock of the notifier held. They may register and unregister listeners. They
/// must not begin a range, take a lease or wait for ranges: they would wait for themselves, or tell themselves without end.
pub trait Listener: Send + Sync {
    /// A range is in flight. Returns when nobody it speaks for uses a translation of the range, and none will until
    /// [`Self::end`]. Ranges overlap: the same page may be announced again before it has ended.
    ///
    /// # Errors
    /// `patience` was over. Nothing is left behind: `end` does not come.
    fn start(&self, announced: &Announced, patience: &dyn Patience) -> Result<(), Abandoned>;

    /// The same range is over: its memory has been changed, or nothing happened to it. Comes once for each `start` that succeeded, while it
    /// is still in flight. Waits for nobody.
    fn end(&self, announced: &Announced);
}

/// A listener was not registered, and hears nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The patience was over (EINTR).
    #[error("interrupted while registering a listener for guest memory")]
    Interrupted,
    /// The host has no memory (ENOMEM).
    #[error("no memory to register a listener for guest memory")]
    OutOfMemory,
}

/// A registered [`Listener`].
///
/// When this is dropped no callback of it begins any more, also no `end` of a range whose `start` it has heard, and the drop waits for those that
/// run on other threads. So it must not hold a lock that they take. Dropped by a callback of whatever listener it does not wait: those that
/// run are the last, one of them being perhaps the dropper itself.
#[must_use = "the listener is unregistered when this is dropped"]
pub struct Registration {
    /// Not held, as a listener may own its registration.
    notifier: Weak<Notifier>,
    id: Id,
}

impl Notifier {
    /// Registers a listener (G1). It is told of every range that is put in flight from here on, and of none that is in flight already,
    /// neither start nor end; but [`Self::is_in_flight`] and [`Self::is_stale`] find those. The locks of all regions are taken in ascending
    /// order, as [`Self::begin`] takes them.
    ///
    /// # Errors
    /// `patience` was over before all regions were locked, or there was no memory. Then all is as before.
    #[expect(clippy::needless_pass_by_value, reason = "most callers make it for this alone")]
    pub fn register(
        self: &Arc<Self>,
        listener: Arc<dyn Listener>,
        patience: &dyn Patience,
    ) -> Result<Registration, RegisterError> {
        let mut locked = Vec::new();
        let no_memory = |_| RegisterError::OutOfMemory;
        locked.try_reserve_exact(self.regions.len()).map_err(no_memory)?;
        for region in &self.regions {
            if patience.is_over() {
                return Err(RegisterError::Interrupted);
            }
            let mut state = region.lock();
            state.listeners.try_reserve(1).map_err(no_memory)?;
            locked.push(state);
        }
        let id = self.calls.add().map_err(no_memory)?;
        for state in &mut locked {
            state.listeners.push((id, Arc::clone(&listener)));
        }
        Ok(Registration {
            notifier: Arc::downgrade(self),
            id,
        })
    }
}

impl Registration {
    /// The same as dropping it.
    pub fn unregister(self) {}
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Who has a range in flight keeps the notifier: without it nobody calls.
        let Some(notifier) = self.notifier.upgrade() else {
            return;
        };
        for region in &notifier.regions {
            let mut state = region.lock();
            let at = state.listeners.iter().position(|(id, _)| *id == self.id);
            let listener = at.map(|at| state.listeners.swap_remove(at));
            drop(state);
            // Perhaps the last one to have it: what it does when it goes may take the lock.
            drop(listener);
        }
        notifier.calls.remove(self.id);
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Registration").field(&self.id).finish()
    }
}
