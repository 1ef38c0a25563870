//! The table with what its hypercalls need: the guest's address space and the processors' shadows.
//! Each call has a file of its own.

use std::sync::Arc;

use power::hcall::Status;
use power::hpte::{HpteR, HpteV};
use power::page::{PagePair, Vpn};

use crate::lock::Locked;
use crate::shadow::{Batch, Invalidation, Shadow};
use crate::{PteIndex, RealMap, Table};

/// What a guest may do to its table: a method a hypercall. Arguments are register words as the guest
/// gave them; each is checked here.
///
/// A processor is outside its [`Seat`](crate::Seat) while it is in a hypercall.
pub struct Hpt {
    pub(crate) table: Arc<Table>,
    pub(crate) real: Box<dyn RealMap>,
    pub(crate) shadow: Box<dyn Shadow>,
}

impl Hpt {
    /// Hypercalls on `table`.
    pub fn new(table: Arc<Table>, real: Box<dyn RealMap>, shadow: Box<dyn Shadow>) -> Self {
        Self { table, real, shadow }
    }

    /// The table.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    pub(crate) fn index(&self, ptex: u64) -> Result<PteIndex, Status> {
        self.table.index(ptex).ok_or(Status::Parameter)
    }

    /// Waits until no processor uses the entry's translation any more.
    pub(crate) fn invalidate(&self, entry: &Locked<'_>) {
        let mut batch = Batch::new();
        batch.push(shadow_of(entry));
        self.shadow.invalidate(&batch);
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
