//! Processors in the guest: each with its seat, its footprint and what it holds. All of them are this one thread, so one
//! that is kicked leaves at once, while the writer waits for it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};

use hpt::{Footprint, Invalidation, Kick, Shootdown, View};

use crate::model::{Found, Page, RAM_END, leads_into};

/// How many there are.
pub(crate) const PROCESSORS: usize = 3;

/// Where the processors are.
#[derive(Default)]
pub(crate) struct Places {
    shootdown: OnceLock<Weak<Shootdown>>,
    inside: [AtomicBool; PROCESSORS],
}

impl Places {
    /// Makes `processor` leave the guest, if it is there.
    pub(crate) fn leave(&self, processor: usize) {
        if self.inside[processor].swap(false, Relaxed)
            && let Some(shootdown) = self.shootdown.get().and_then(Weak::upgrade)
        {
            shootdown.seat(processor).leave();
        }
    }

    pub(crate) fn is_inside(&self, processor: usize) -> bool {
        self.inside[processor].load(Relaxed)
    }
}

/// Makes one processor leave.
struct Bell(Arc<Places>, usize);

impl Kick for Bell {
    fn kick(&self) {
        self.0.leave(self.1);
    }
}

/// What one processor holds.
pub(crate) struct Processor {
    pub(crate) view: View,
    pub(crate) footprint: Arc<Footprint>,
    pub(crate) held: HashMap<Page, Found>,
    /// What was unmapped while it was outside: nothing of that may be held when it is back.
    pub(crate) unmapped: Vec<Range<u64>>,
}

/// The processors' seats; what each holds is the caller's.
pub(crate) fn seats(places: &Arc<Places>, footprints: &[Arc<Footprint>]) -> Arc<Shootdown> {
    let processors = footprints.iter().enumerate().map(|(number, footprint)| {
        (
            Box::new(Bell(Arc::clone(places), number)) as Box<dyn Kick>,
            Arc::clone(footprint),
        )
    });
    let shootdown = Arc::new(Shootdown::with_footprints(processors.collect()));
    let _ = places.shootdown.set(Arc::downgrade(&shootdown));
    shootdown
}

impl Processor {
    /// Goes into the guest, unless it is there.
    pub(crate) fn enter(&mut self, number: usize, places: &Places, shootdown: &Shootdown) {
        if places.is_inside(number) {
            return;
        }
        let held = &mut self.held;
        shootdown
            .seat(number)
            .enter(|gone| held.retain(|page, _| !names(gone, page)));
        for range in std::mem::take(&mut self.unmapped) {
            self.check_unmapped(number, &range);
        }
        places.inside[number].store(true, Relaxed);
        self.view.follow();
    }

    /// No byte of memory in `range` is led to by what is held. Registers of devices stay what they are.
    pub(crate) fn check_unmapped(&self, number: usize, range: &Range<u64>) {
        let memory = range.start..range.end.min(RAM_END);
        let left = self.held.iter().find(|(_, found)| leads_into(found, &memory));
        assert_eq!(left, None, "processor {number} holds what was unmapped: {range:x?}");
    }

    pub(crate) fn drop_all(&mut self) {
        self.held.clear();
        self.footprint.clear();
    }
}

/// Whether `gone` names the page.
fn names(gone: &Invalidation, held: &Page) -> bool {
    let Invalidation::Page { page, actual, .. } = *gone else {
        // Nothing is held without the table.
        return *gone == Invalidation::All;
    };
    page.vsid() == held.vsid
        && page.segment().shift() == held.segment
        && page.base().shift() == held.base
        && (page.offset()..page.offset() + actual.bytes()).contains(&held.offset)
}
