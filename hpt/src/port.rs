//! The table with what its hypercalls need: the guest's address space and the processors' shadows; and
//! each processor's own way to it. Each call has a file of its own.

use std::sync::{Arc, Mutex, PoisonError};

use power::hcall::Status;
use power::hpte::{HpteR, HpteV};
use power::page::{PagePair, Vpn};

use crate::counters::{Counters, Counts};
use crate::current::{Current, View};
use crate::duplicates::DuplicateReport;
use crate::lock::Locked;
use crate::resize::Resizing;
use crate::shadow::{Batch, Grace, Invalidation, Shadow};
use crate::{Hpte, Marking, PteIndex, RealMap, Table};

/// One guest's table, with what its hypercalls need of the machine. Processors use it through a [`Port`] each.
pub struct Hpt {
    pub(crate) current: Arc<Current>,
    pub(crate) real: Box<dyn RealMap>,
    pub(crate) shadow: Box<dyn Shadow>,
    pub(crate) resizing: Resizing,
    /// How walkers set R and C in every table of this guest.
    pub(crate) marking: Marking,
    /// Whom a guest's duplicate entries are told, if anybody.
    pub(crate) duplicates: Option<DuplicateReport>,
    /// Of each port that was ever made, and of the unmappers.
    counters: Mutex<Vec<Arc<Counters>>>,
    /// Of unmappers that are no more, for those to come: so there are not more than were ever needed at once.
    spare_counters: Mutex<Vec<Arc<Counters>>>,
}

impl Hpt {
    /// The table `current`, in the address space `real`, held by the processors behind `shadow`.
    pub fn new(current: Arc<Current>, real: Box<dyn RealMap>, shadow: Box<dyn Shadow>) -> Self {
        Self {
            resizing: Resizing::new(current.table().order()),
            marking: current.table().marking(),
            current,
            real,
            shadow,
            duplicates: None,
            counters: Mutex::default(),
            spare_counters: Mutex::default(),
        }
    }

    /// The same, but each entry that is added is checked for being its page's only one; `report` is told of those that
    /// are not.
    #[must_use]
    pub fn with_duplicate_check(self, report: DuplicateReport) -> Self {
        Self {
            duplicates: Some(report),
            ..self
        }
    }

    /// The guest's table now.
    pub fn table(&self) -> Arc<Table> {
        self.current.table()
    }

    /// A port for one more processor.
    pub fn port(self: &Arc<Self>) -> Port {
        Port {
            view: self.current.view(),
            counters: self.new_counters(),
            own_flush: None,
            hpt: Arc::clone(self),
        }
    }

    fn new_counters(&self) -> Arc<Counters> {
        let counters = Arc::<Counters>::default();
        self.counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&counters));
        counters
    }

    /// Counters that nobody else adds to, until they are returned.
    pub(crate) fn borrow_counters(&self) -> Arc<Counters> {
        let spare = self.spare_counters.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| self.new_counters())
    }

    /// Takes back what [`Self::borrow_counters`] gave.
    pub(crate) fn return_counters(&self, counters: Arc<Counters>) {
        self.spare_counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(counters);
    }

    /// What was counted at all ports, and by all unmappers.
    pub fn counts(&self) -> Counts {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.iter().map(|counters| counters.read()).sum()
    }
}

/// What one processor may do to the guest's table: a method a hypercall. Arguments are register words as the guest
/// gave them; each is checked here.
///
/// A processor is outside its [`Seat`](crate::Seat) while it is in a hypercall, but for one that waits for nobody
/// ([`Self::enters_inside`]).
pub struct Port {
    pub(crate) hpt: Arc<Hpt>,
    pub(crate) view: View,
    pub(crate) counters: Arc<Counters>,
    pub(crate) own_flush: Option<OwnFlush>,
}

/// A processor's own way to flush, in its hypercalls: drops what the batch names for all processors, as [`Shadow::flush`] does,
/// which it may also call.
pub type OwnFlush = Box<dyn Fn(&Batch) -> Grace + Send>;

impl Port {
    /// The same with a way to flush in place of [`Shadow::flush`], if there is one.
    #[must_use]
    pub fn with_own_flush(self, own_flush: Option<OwnFlush>) -> Self {
        Self { own_flush, ..self }
    }

    /// Begins a call: on the table that is the guest's now.
    pub(crate) fn begin(&mut self) -> &Self {
        self.view.follow();
        self
    }

    /// The table of the last call.
    pub fn table(&self) -> &Table {
        self.view.table()
    }

    pub(crate) fn index(&self, ptex: u64) -> Result<PteIndex, Status> {
        self.table().index(ptex).ok_or(Status::Parameter)
    }

    /// Frees the slot of an entry that is hidden, and invalidated where that was needed; returns the entry as it was.
    pub(crate) fn free(&self, entry: Locked<'_>) -> Hpte {
        // Only now: until the grace period was over, walkers might still have set R and C.
        let old = entry.entry();
        entry.free();
        self.counters.removed.add(1);
        old
    }
}

/// What processors may hold of an entry.
pub(crate) fn shadow_of(entry: &Locked<'_>) -> Invalidation {
    let Hpte { v, r } = entry.entry();
    named(entry.at(), v, r).unwrap_or(Invalidation::All)
}

/// What processors may hold of an entry at `at`, from its content; `None` if that is no legal entry, which
/// `H_ENTER` does not let in.
pub(crate) fn named(at: PteIndex, v: HpteV, r: HpteR) -> Option<Invalidation> {
    let (page, pair) = page_of(at, v, r)?;
    Some(Invalidation::Page {
        page: page.align_to(pair.actual()),
        actual: pair.actual(),
        real: r.real_address(pair),
    })
}

/// The page of the segment's base size that leads to an entry at `at`, and the entry's page sizes, from its content; `None`
/// if that is no legal entry.
pub(crate) fn page_of(at: PteIndex, v: HpteV, r: HpteR) -> Option<(Vpn, PagePair)> {
    let pair = PagePair::decode(v.is_large(), r.lp())?;
    let hash = if v.is_secondary() { !at.group() } else { at.group() };
    Some((Vpn::from_entry(v.segment()?, pair.base(), v.avpn(), hash), pair))
}

#[cfg(test)]
mod tests {
    use power::page::SegmentSize;

    use super::*;
    use crate::Order;

    #[test]
    fn the_page_of_an_entry_is_known_from_its_place() {
        let table = Table::new(Order::new(20).unwrap()).unwrap();
        for pair in PagePair::ALL {
            for segment in [SegmentSize::Size256M, SegmentSize::Size1T] {
                for secondary in [false, true] {
                    let page = Vpn::new(0x12_3456_789a, segment, pair.base(), 0x7_6543_2000);
                    let hash = if secondary { !page.hash() } else { page.hash() };
                    let at = table.index(table.group_start(hash) as u64 + 3).unwrap();
                    let v = HpteV::new(page, pair, secondary);
                    let r = HpteR::from_raw(0x100_0012 | pair.encoding() << 12);
                    let expected = Invalidation::Page {
                        page: page.align_to(pair.actual()),
                        actual: pair.actual(),
                        real: 0x100_0000,
                    };
                    assert_eq!(named(at, v, r), Some(expected), "{pair:?} {segment:?} {secondary}");
                }
            }
        }
        assert_eq!(
            named(table.index(0).unwrap(), HpteV::from_raw(5), HpteR::from_raw(2 << 12)),
            None
        );
    }
}
