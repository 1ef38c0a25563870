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
