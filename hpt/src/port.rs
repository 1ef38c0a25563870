//! The table with what its hypercalls need: the guest's address space and the processors' shadows; and
//! each processor's own way to it. Each call has a file of its own.

use std::sync::{Arc, Mutex, PoisonError};

use power::hcall::Status;
use power::hpte::{HpteR, HpteV};
use power::page::{PagePair, Vpn};

use crate::counters::{Counters, Counts};
use crate::current::{Current, View};
use crate::lock::Locked;
use crate::resize::Resizing;
use crate::shadow::{Batch, Invalidation, Shadow};
use crate::{PteIndex, RealMap, Table};

/// One guest's table, with what its hypercalls need of the machine. Processors use it through a [`Port`] each.
pub struct Hpt {
    pub(crate) current: Arc<Current>,
    pub(crate) real: Box<dyn RealMap>,
    pub(crate) shadow: Box<dyn Shadow>,
    pub(crate) resizing: Resizing,
    /// Of each port that was ever made.
    counters: Mutex<Vec<Arc<Counters>>>,
}

impl Hpt {
    /// The table `current`, in the address space `real`, held by the processors behind `shadow`.
    pub fn new(current: Arc<Current>, real: Box<dyn RealMap>, shadow: Box<dyn Shadow>) -> Self {
        Self {
            resizing: Resizing::new(current.table().order()),
            current,
            real,
            shadow,
            counters: Mutex::default(),
        }
    }

    /// The guest's table now.
    pub fn table(&self) -> Arc<Table> {
        self.current.table()
    }

    /// A port for one more processor.
    pub fn port(self: &Arc<Self>) -> Port {
        let counters = Arc::<Counters>::default();
        self.counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&counters));
        Port {
            view: self.current.view(),
            counters,
            hpt: Arc::clone(self),
        }
    }

    /// What was counted at all ports.
    pub fn counts(&self) -> Counts {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.iter().map(|counters| counters.read()).sum()
    }
}

/// What one processor may do to the guest's table: a method a hypercall. Arguments are register words as the guest
/// gave them; each is checked here.
///
/// A processor is outside its [`Seat`](crate::Seat) while it is in a hypercall.
pub struct Port {
    pub(crate) hpt: Arc<Hpt>,
    view: View,
    pub(crate) counters: Arc<Counters>,
}

impl Port {
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

    /// Waits until no processor uses the entry's translation any more.
    pub(crate) fn invalidate(&self, entry: &Locked<'_>) {
        let mut batch = Batch::new();
        batch.push(shadow_of(entry));
        self.hpt.shadow.invalidate(&batch);
    }
}

/// What processors may hold of an entry.
pub(crate) fn shadow_of(entry: &Locked<'_>) -> Invalidation {
    named(entry.at(), entry.v(), entry.r()).unwrap_or(Invalidation::All)
}

/// The page that an entry at `at` maps, from its content; `None` if that is no legal entry, which
/// `H_ENTER` does not let in.
fn named(at: PteIndex, v: HpteV, r: HpteR) -> Option<Invalidation> {
    let pair = PagePair::decode(v.is_large(), r.lp())?;
    let hash = if v.is_secondary() { !at.group() } else { at.group() };
    let page = Vpn::from_entry(v.segment()?, pair.base(), v.avpn(), hash);
    Some(Invalidation::Page {
        page: page.align_to(pair.actual()),
        actual: pair.actual(),
    })
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
                    let r = HpteR::from_raw(pair.encoding() << 12);
                    let expected = Invalidation::Page {
                        page: page.align_to(pair.actual()),
                        actual: pair.actual(),
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
