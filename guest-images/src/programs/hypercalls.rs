//! The hypercalls as a guest without translation sees them (LoPAR, Logical Partitioning Option). Numbers are written out
//! here as the manual has them, so that no mistake in `power` can hide.
//!
//! QEMU 10.0.2 (`-M pseries`) agrees, except that it: keeps bit 1 of doubleword 1; takes reserved segment sizes; ignores
//! H_ENTER's flags to work on the page's content; leaves R set in H_PROTECT; has no H_CLEAR_REF, H_CLEAR_MOD and
//! H_BLOCK_REMOVE; returns R and C of H_BULK_REMOVE eight bits too low; leaves r3 as it was in H_CONFER; and ends in
//! H_RESIZE_HPT_COMMIT when a bolted entry is in the group of its second hash.

mod block;
mod bulk;
mod page_table;
mod partition;
mod resize;
mod steps;
pub(crate) mod words;

use super::script::Script;
use steps::Steps;

/// The program.
pub(super) fn source() -> String {
    let mut steps = Steps(Script::new());
    steps.numbers();
    steps.enter_and_read();
    steps.wrong_entries();
    steps.remove();
    steps.protect_and_clear();
    steps.bulk_remove();
    steps.block_remove();
    steps.modes();
    steps.memory();
    steps.console();
    steps.interrupts();
    steps.processors();
    steps.resize();
    steps.0.finish(include_str!("hypercalls.s"))
}
