//! Large guests take turns: each has a gibibyte and keeps its processors busy.

use std::sync::{Condvar, Mutex};

/// So many may run at the same time.
pub struct Turns {
    left: Mutex<usize>,
    changed: Condvar,
}

impl Turns {
    /// For this many.
    pub const fn new(count: usize) -> Self {
        Self {
            left: Mutex::new(count),
            changed: Condvar::new(),
        }
    }

    /// Waits for a turn, which lasts until the returned value is dropped.
    ///
    /// # Panics
    /// Never: nothing panics with the count locked.
    pub fn take(&self) -> Turn<'_> {
        let left = self.left.lock().expect("nothing panics with it locked");
        let mut left = self
            .changed
            .wait_while(left, |left| *left == 0)
            .expect("nothing panics with it locked");
        *left -= 1;
        Turn(self)
    }
}

/// A turn.
pub struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.left.lock().expect("nothing panics with it locked") += 1;
        self.0.changed.notify_one();
    }
}
