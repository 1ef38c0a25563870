//! The machine's interrupt sources: who has which number.
//!
//! | source | who |
//! |---|---|
//! | the first | the console |
//! | the second | events of the power supply |
//! | 4 | the lines of the PCI bus, level-triggered |
//! | the rest of 1024 | messages of PCI functions |
//!
//! A machine without PCI has the first two alone. The kernel's interrupt controller holds sources by 1024, so these are what one of its
//! tables holds.

use devices::pci::LINES;
use devices::xics::{FIRST_SOURCE, Trigger};

/// Interrupt source of the console.
pub(crate) const CONSOLE_INTERRUPT: u32 = FIRST_SOURCE;

/// Interrupt source of the events of the power supply.
pub(crate) const POWER_INTERRUPT: u32 = CONSOLE_INTERRUPT + 1;

/// The first of those of the PCI bus' lines.
pub(crate) const FIRST_LINE: u32 = POWER_INTERRUPT + 1;

/// The first of those for messages.
pub(crate) const FIRST_MESSAGE: u32 = FIRST_LINE + LINES;

/// How many there are for messages.
pub(crate) const MESSAGES: u32 = FIRST_SOURCE + 1024 - FIRST_MESSAGE;

/// How each source is triggered, from the first up.
pub(crate) fn triggers(has_pci: bool) -> Vec<Trigger> {
    let mut triggers = vec![Trigger::Edge; 2];
    if has_pci {
        triggers.extend([Trigger::Level; LINES as usize]);
        triggers.extend([Trigger::Edge; MESSAGES as usize]);
    }
    triggers
}
