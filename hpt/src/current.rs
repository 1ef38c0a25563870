//! Which table is the guest's: a resize puts another in its place.
//!
//! Everybody who uses the table has a [`View`] of his own, so that no count is shared by processors. A view follows when it
//! is told to: a processor on its way into the guest, past its seat's [`enter`](crate::Seat::enter), and a hypercall when it begins.

use std::sync::Arc;

use crate::Table;
use crate::lock::Waiting;
use crate::sync::{AtomicU64, Mutex, Ordering, lock};

/// The guest's table, which may be replaced by another.
pub struct Current {
    /// How often it was replaced.
    generation: AtomicU64,
    table: Mutex<Arc<Table>>,
}

impl Current {
    /// `table` is the guest's.
    pub fn new(table: Table) -> Arc<Self> {
        Arc::new(Self {
            generation: AtomicU64::new(0),
            table: Mutex::new(Arc::new(table)),
        })
    }

    /// The guest's table now.
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(&lock(&self.table))
    }

    /// Puts `table` in the place of the guest's. Views go on with the old one until they follow.
    pub(crate) fn replace(&self, table: Arc<Table>) {
        let mut current = lock(&self.table);
        *current = table;
        // Relaxed, as its looks: what was done to the table comes with the mutex, and who must not miss it has passed the gate
        // (G2) or heard of the commit's end. Nobody else changes it.
        let generation = self.generation.load(Ordering::Relaxed);
        self.generation.store(generation + 1, Ordering::Relaxed);
    }

    /// A view for one user.
    pub fn view(self: &Arc<Self>) -> View {
        let (generation, table) = self.load();
        View {
            current: Arc::clone(self),
            generation,
            table,
        }
    }

    fn load(&self) -> (u64, Arc<Table>) {
        let table = lock(&self.table);
        // Changed with the lock held.
        (self.generation.load(Ordering::Relaxed), Arc::clone(&table))
    }
}

/// One user's view of the guest's table.
pub struct View {
    current: Arc<Current>,
    generation: u64,
    table: Arc<Table>,
}

impl View {
    /// The table as of the last [`Self::follow`].
    #[inline]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Looks whether the table has been replaced.
    #[inline]
    pub fn follow(&mut self) {
        if self.current.generation.load(Ordering::Relaxed) != self.generation {
            (self.generation, self.table) = self.current.load();
        }
    }

    /// Follows to the table that takes the place of this one, which is retired: a commit is under way, or over. The caller holds
    /// no lock of an entry.
    pub(crate) fn follow_retired(&mut self) {
        let mut waiting = Waiting::default();
        loop {
            let (generation, table) = self.current.load();
            if generation != self.generation {
                (self.generation, self.table) = (generation, table);
                return;
            }
            waiting.pause();
        }
    }
}
