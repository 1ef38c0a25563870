//! Compares what a processor remembers of the page table with the table, while it runs. Whoever asks for it is told of
//! each difference: one is a mistake in the protocol that takes translations back, or in its use.

use std::sync::Arc;

use hpt::{Confirmation, Held, Table};
use power::page::Vpn;

use crate::core::Core;
use crate::tlb::Mapping;

/// Entries of the page cache that are looked at each time the processor enters the guest.
const SAMPLE: usize = 16;

/// A translation that a processor holds and the table does not say.
#[derive(Clone, Copy, Debug)]
pub struct Stale {
    /// Server number of the processor.
    pub server: u32,
    /// The page.
    pub page: Vpn,
    /// What the processor takes for its translation.
    pub held: Held,
}

/// Who is told.
pub type StaleReport = Arc<dyn Fn(&Stale) + Send + Sync>;

/// The check of one processor.
pub(crate) struct SelfCheck {
    report: StaleReport,
    /// Where the next sample begins.
    next: usize,
}

impl SelfCheck {
    pub(crate) fn new(report: StaleReport) -> Self {
        Self { report, next: 0 }
    }

    /// Looks at one mapping.
    fn confirm(&self, server: u32, table: &Table, page: Vpn, mapping: Mapping) {
        let held = Held {
            real: mapping.real,
            protection: mapping.protection,
            no_execute: mapping.no_execute,
            changed: mapping.changed,
            key: mapping.key,
        };
        if table.confirm(page, &held) == Confirmation::Stale {
            (self.report)(&Stale { server, page, held });
        }
    }
}

impl Core {
    /// The processor is about to use `mapping`, which it remembers.
    #[cold]
    #[inline(never)]
    pub(crate) fn check_mapping(&self, page: Vpn, mapping: Mapping) {
        if let Some(check) = &self.self_check {
            check.confirm(self.server, self.table.table(), page, mapping);
        }
    }

    /// The processor has come into the guest, and has dropped what was taken back meanwhile: looks at some of the rest.
    #[cold]
    #[inline(never)]
    pub(crate) fn check_sample(&mut self) {
        let Some(check) = &mut self.self_check else {
            return;
        };
        let first = check.next;
        check.next = first.wrapping_add(SAMPLE);
        for at in first..first.wrapping_add(SAMPLE) {
            if let Some((page, mapping)) = self.pages.at(at) {
                check.confirm(self.server, self.table.table(), page, mapping);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use hpt::{Current, Footprint, Frames, Notifier, Order};
    use power::hpte::HpteR;
    use power::page::{PageSize, SegmentSize};
    use vm_memory::{GuestAddress, GuestMemoryMmap};

    use super::*;
    use crate::line::Line;
    use crate::shared::Shared;
    use crate::timebase::Timebase;

    #[test]
    fn what_the_table_does_not_say_is_reported_when_it_is_used_and_when_it_is_sampled() {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
        let frames = Arc::new(Frames::new(
            1 << 20,
            Notifier::new(std::iter::once(0..1 << 20).collect()),
        ));
        let table = Current::new(Table::new(Order::MIN).unwrap());
        let shared = Shared::new(Arc::new(memory), frames, table, Timebase::new());
        let mut core = Core::new(5, shared, Arc::<Line>::default(), Arc::<Footprint>::default());
        let told = Arc::new(Mutex::new(Vec::new()));
        let teller = Arc::clone(&told);
        core.self_check = Some(SelfCheck::new(Arc::new(move |stale: &Stale| {
            teller.lock().unwrap().push((stale.server, stale.page, stale.held.real));
        })));
        let page = Vpn::new(0x123, SegmentSize::Size1T, PageSize::Size4K, 0x5000);
        let mapping = Mapping {
            real: 0x7000,
            protection: HpteR::default().protection(),
            no_execute: false,
            changed: false,
            key: 0,
        };
        core.check_mapping(page, mapping);
        assert_eq!(told.lock().unwrap().drain(..).collect::<Vec<_>>(), [(5, page, 0x7000)]);
        core.pages.insert(page, mapping);
        // Each entry is looked at once in a round.
        for _ in 0..crate::tlb::CACHED / SAMPLE {
            core.check_sample();
        }
        assert_eq!(*told.lock().unwrap(), [(5, page, 0x7000)]);
    }
}
