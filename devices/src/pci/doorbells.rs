//! Stores that a kernel takes for the functions: where each doorbell hangs, as the guest moves BARs, and turns them on and off.
//!
//! A doorbell hangs at the real address that leads to it, and nowhere if another BAR lies over it. Who changes a BAR has it hung anew before the
//! change is done; a store that another processor makes meanwhile rings at the old place or at the new one, or goes to the window as any store.

use std::sync::Arc;

use super::routes::{Routes, Target};
use super::sync::{Mutex, MutexGuard, RwLock};
use super::{Doorbell, Porter};

/// The doorbells of all functions.
pub(super) struct Doorbells {
    porter: Arc<dyn Porter>,
    all: Mutex<Vec<Hung>>,
}

/// One of them.
struct Hung {
    device: u8,
    doorbell: Doorbell,
    /// The real address.
    at: Option<u64>,
}

impl Doorbells {
    /// None yet.
    pub(super) fn new(porter: Arc<dyn Porter>) -> Self {
        Self {
            porter,
            all: Mutex::new(Vec::new()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Hung>> {
        self.all.lock().expect("nothing panics with the doorbells locked")
    }

    /// Those of `device`, which decodes nothing yet.
    pub(super) fn add(&self, device: u8, doorbells: Vec<Doorbell>) {
        self.lock().extend(doorbells.into_iter().map(|doorbell| Hung {
            device,
            doorbell,
            at: None,
        }));
    }

    /// Hangs them where they belong now. The routes are looked into with the doorbells locked: so whoever comes last has seen the last routes.
    pub(super) fn follow(&self, routes: &RwLock<Routes>) {
        let mut all = self.lock();
        let places: Vec<Option<u64>> = {
            let routes = routes.read().expect("nothing panics with the routes locked");
            all.iter().map(|hung| routes.real(hung.target())).collect()
        };
        // All that go before any that comes: one may come to where another one was.
        for (hung, place) in all.iter_mut().zip(&places) {
            // One that cannot be taken down hangs on, and the next change tries again.
            if let Some(at) = hung.at
                && Some(at) != *place
                && self.porter.take_down(at, &hung.doorbell.event)
            {
                hung.at = None;
            }
        }
        for (hung, place) in all.iter_mut().zip(places) {
            if hung.at.is_none() {
                hung.at = place.filter(|&at| self.porter.hang(at, &hung.doorbell.event));
            }
        }
    }
}

impl Hung {
    fn target(&self) -> Target {
        Target {
            device: self.device,
            bar: self.doorbell.bar,
            offset: self.doorbell.offset,
        }
    }
}
