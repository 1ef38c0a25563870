//! Which callbacks of which listener run, so that one that is unregistered is left by all of them.
//!
//! One short lock for all listeners: callbacks are rare, and each takes it twice.

use std::cell::Cell;
use std::collections::TryReserveError;

use crate::sync::{Condvar, Mutex, PoisonError, lock, thread_local};

/// A registration. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(u64);

/// The listeners of a notifier.
pub(super) struct Calls {
    members: Mutex<Members>,
    /// The last callback of a listener that goes has returned.
    left: Condvar,
}

struct Members {
    next: u64,
    present: Vec<Member>,
}

struct Member {
    id: Id,
    /// Callbacks that run.
    running: u32,
    /// No further one begins. The last that runs takes the member out.
    goes: bool,
}

impl Members {
    fn position(&self, id: Id) -> Option<usize> {
        self.present.iter().position(|member| member.id == id)
    }
}

#[expect(clippy::missing_const_for_thread_local, reason = "loom's has no such form")]
mod depth {
    use super::{Cell, thread_local};

    thread_local! {
        /// Callbacks, of any listener, that this thread is in.
        pub(super) static DEPTH: Cell<u32> = Cell::new(0);
    }
}

use depth::DEPTH;

/// A callback that runs.
pub(super) struct Call<'c> {
    calls: &'c Calls,
    id: Id,
}

impl Calls {
    pub(super) fn new() -> Self {
        Self {
            members: Mutex::new(Members {
                next: 0,
                present: Vec::new(),
            }),
            left: Condvar::new(),
        }
    }

    /// A new listener.
    pub(super) fn add(&self) -> Result<Id, TryReserveError> {
        let mut members = lock(&self.members);
        members.present.try_reserve(1)?;
        let id = Id(members.next);
        members.next += 1;
        members.present.push(Member {
            id,
            running: 0,
            goes: false,
        });
        Ok(id)
    }

    /// A callback begins, unless the listener is gone.
    pub(super) fn begin(&self, id: Id) -> Option<Call<'_>> {
        let mut members = lock(&self.members);
        let at = members.position(id)?;
        let member = &mut members.present[at];
        if member.goes {
            return None;
        }
        member.running += 1;
        DEPTH.with(|depth| depth.set(depth.get() + 1));
        Some(Call { calls: self, id })
    }

    /// No callback of the listener begins from here on; returns when those that run are over (G2). A thread that is itself in a
    /// callback, of whatever listener, waits for none: two of them could wait for each other.
    pub(super) fn remove(&self, id: Id) {
        let mut members = lock(&self.members);
        let Some(at) = members.position(id) else { return };
        if members.present[at].running == 0 {
            members.present.swap_remove(at);
            return;
        }
        members.present[at].goes = true;
        if DEPTH.with(Cell::get) > 0 {
            return;
        }
        while members.position(id).is_some() {
            members = self.left.wait(members).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get() - 1));
        let mut members = lock(&self.calls.members);
        let Some(at) = members.position(self.id) else { return };
        let member = &mut members.present[at];
        member.running -= 1;
        if member.goes && member.running == 0 {
            members.present.swap_remove(at);
            self.calls.left.notify_all();
        }
    }
}
