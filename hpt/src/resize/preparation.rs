//! The preparation of a resize: a thread of its own that looks through the guest's table in bounded steps, while the guest goes
//! on. What it says is a forecast: the commit looks again.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::move_entries::{claim, indices};
use crate::Table;
use crate::sync::{AtomicBool, Background, Ordering, Statistic};

/// Entries between two looks at whether to go on.
const STEP: u64 = 8192;

/// Whether the bolted entries of a table fit into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Each has a slot.
    Fits,
    /// Two need one slot.
    Collision,
}

/// A preparation that goes on, or its verdict. Dropping it stops it.
pub(crate) struct Preparation {
    progress: Arc<Progress>,
    begun: Instant,
    thread: Option<Background<Verdict>>,
    verdict: Option<Verdict>,
}

struct Progress {
    /// Nobody wants the verdict any more.
    cancelled: AtomicBool,
    /// Of so many entries, of both tables.
    entries: u64,
    looked_at: Statistic,
}

impl Preparation {
    /// Begins to look whether the bolted entries of `old` fit into `new`, which is empty and nobody else's; before that its slots are
    /// made what unused ones must be.
    ///
    /// # Errors
    /// The host has no thread for it.
    pub(crate) fn begin(old: Arc<Table>, new: Arc<Table>) -> io::Result<Self> {
        let progress = Progress::of(&old, &new);
        let thread = Background::spawn("hpt resize", {
            let progress = Arc::clone(&progress);
            move || progress.look(&old, &new)
        })?;
        Ok(Self {
            progress,
            begun: Instant::now(),
            thread: Some(thread),
            verdict: None,
        })
    }

    /// The same, done when it returns, by the caller: it waits for who is at an entry, which may be a processor that has its turn only while
    /// the caller's has none.
    pub(crate) fn at_once(old: &Table, new: &Table) -> Self {
        let progress = Progress::of(old, new);
        let begun = Instant::now();
        Self {
            verdict: Some(progress.look(old, new)),
            progress,
            begun,
            thread: None,
        }
    }

    /// What came out; `None` while it goes on.
    pub(crate) fn verdict(&mut self) -> Option<Verdict> {
        if let Some(done) = self.thread.take_if(|thread| thread.is_finished()) {
            self.verdict = Some(done.join());
        }
        self.verdict
    }

    /// How many milliseconds it will go on, if it goes on as before; 0 while nothing is known.
    pub(crate) fn remaining_ms(&self) -> u64 {
        let looked_at = u128::from(self.progress.looked_at.get());
        let remaining = u128::from(self.progress.entries).saturating_sub(looked_at);
        let ms = (self.begun.elapsed().as_millis() * remaining).checked_div(looked_at);
        u64::try_from(ms.unwrap_or(0)).unwrap_or(u64::MAX)
    }
}

impl Drop for Preparation {
    fn drop(&mut self) {
        self.progress.cancelled.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join();
        }
    }
}

impl Progress {
    /// None yet.
    fn of(old: &Table, new: &Table) -> Arc<Self> {
        Arc::new(Self {
            cancelled: AtomicBool::new(false),
            entries: new.to_close() + old.order().entries(),
            looked_at: Statistic::default(),
        })
    }

    fn look(&self, old: &Table, new: &Table) -> Verdict {
        let mut count = 0;
        let mut goes_on = || {
            if count % STEP == 0 {
                self.looked_at.set(count);
                if self.cancelled.load(Ordering::Relaxed) {
                    return false;
                }
            }
            count += 1;
            true
        };
        let to_close = (0..new.to_close()).map_while(|ptex| new.index(ptex));
        for at in to_close.take_while(|_| goes_on()) {
            new.close_unused(at);
        }
        for at in indices(old).take_while(|_| goes_on()) {
            if claim(old, new, at) == Verdict::Collision {
                return Verdict::Collision;
            }
        }
        Verdict::Fits
    }
}
