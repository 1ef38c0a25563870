//! What waits until MSR\[EE\] lets it in, beside the external interrupt: a few bits in one byte, which is all that is looked at
//! when that is set.
//!
//! | reason | is there | goes |
//! |---|---|---|
//! | decrementer | when the clock was last looked at, the decrementer was negative | when it is set to another value |
//! | doorbell | `msgsndp` | with its interrupt; `msgclrp` |
//! | performance monitor | MMCR0\[PMAO\] is 1 and MMCR0\[EBE\] is 0 | when one of them changes |
//! | event-based branch | BESCR, MMCR0 and FSCR say so ([`crate::event_branch`]) | with the branch; when they change |
//!
//! An event-based branch is none of the interrupts, but is taken in problem state alone, where MSR\[EE\] is 1.

use power::msr::Msr;

use crate::core::Core;
use crate::trap::Trap;

/// Something that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Reason {
    /// Decrementer interrupt.
    Decrementer = 1,
    /// Directed privileged doorbell interrupt.
    Doorbell = 2,
    /// Performance monitor interrupt.
    PerformanceMonitor = 4,
    /// Event-based branch.
    EventBranch = 8,
}

/// A set of reasons.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Pending(u8);

impl Pending {
    /// Whether anything waits that may be taken in this state.
    #[inline(always)]
    pub(crate) fn any(self, is_problem: bool) -> bool {
        let others = if is_problem { 0 } else { Reason::EventBranch as u8 };
        self.0 & !others != 0
    }

    /// Whether this waits.
    pub(crate) fn has(self, reason: Reason) -> bool {
        self.0 & reason as u8 != 0
    }

    /// Notes whether this waits.
    pub(crate) fn set(&mut self, reason: Reason, waits: bool) {
        let others = self.0 & !(reason as u8);
        self.0 = if waits { others | reason as u8 } else { others };
    }
}

impl Core {
    /// The interrupt that comes first of those that wait, if MSR\[EE\] lets one in (Power ISA v2.07B, Book III-S, 6.9, leaves
    /// the order of these to the processor).
    pub(crate) fn next_interrupt(&mut self) -> Option<Trap> {
        if !self.msr().has(Msr::EE) {
            return None;
        }
        if self.line.external() {
            return Some(Trap::External);
        }
        if self.special.pending.has(Reason::Decrementer) && self.special.look_at_decrementer() {
            return Some(Trap::Decrementer);
        }
        if self.special.pending.has(Reason::Doorbell) {
            self.special.pending.set(Reason::Doorbell, false);
            return Some(Trap::Doorbell);
        }
        self.special
            .pending
            .has(Reason::PerformanceMonitor)
            .then_some(Trap::PerformanceMonitor)
    }

    /// Whether an interrupt waits, whatever MSR\[EE\] says.
    pub(crate) fn interrupt_pending(&self) -> bool {
        let pending = self.special.pending;
        self.line.external()
            || self.special.decrementer_expired()
            || pending.has(Reason::Doorbell)
            || pending.has(Reason::PerformanceMonitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_comes_and_goes_by_itself() {
        let mut pending = Pending::default();
        pending.set(Reason::Doorbell, true);
        pending.set(Reason::EventBranch, true);
        pending.set(Reason::Doorbell, false);
        assert!(!pending.has(Reason::Doorbell) && pending.has(Reason::EventBranch));
        assert!(
            pending.any(true) && !pending.any(false),
            "the supervisor takes no such branch"
        );
        pending.set(Reason::EventBranch, false);
        assert!(!pending.any(true));
    }
}
