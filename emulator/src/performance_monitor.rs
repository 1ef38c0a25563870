//! The performance monitor (Power ISA v2.07B, Book III-S, 9.2 and 9.4): who may use which of its registers, what of it is seen, and when it
//! alerts.
//!
//! The registers keep what is written to them; nothing counts. An alert comes of what software writes: a counter that is negative and enabled
//! (PMC1CE, PMCjCE) while MMCR0\[PMAE\] is 1, or MMCR0\[PMAO\] itself. It is an interrupt while PMAO is 1, or with MMCR0\[EBE\] an event
//! ([`crate::event_branch`]). A trace interrupt leaves the addresses of its instruction in SIAR and SDAR.
//!
//! Each register has a number for the supervisor, and 16 below one that problem
//! state may use, as MMCR0\[PMCC\] says:
//!
//! | PMCC | counters, MMCR0, MMCR2, MMCRA (group A) | SIER, SIAR, SDAR, MMCR1 (group B) |
//! |---|---|---|
//! | 00 | read; a write is an illegal instruction | read |
//! | 01 | facility unavailable | facility unavailable |
//! | 10 | read and write | read |
//! | 11 | the same, but PMC5 and PMC6: facility unavailable | read |

use power::bits::{bit, extract, field};
use power::spr::Spr;

use crate::core::Core;
use crate::event_branch::{MONITOR_ENABLE, MONITOR_OCCURRED};
use crate::pending::Reason;

/// What problem state's access comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Permission {
    Granted,
    Unavailable,
    Illegal,
}

/// MMCR0: the counters stand still.
const FREEZE: u64 = bit(32);
/// MMCR0: alerts are enabled.
const ALERTS: u64 = bit(37);
/// MMCR0: an alert freezes the counters.
const FREEZE_ON_ALERT: u64 = bit(38);
/// MMCR0: an alert is an event, and no interrupt.
const EVENTS: u64 = bit(43);
/// MMCR0: the first counter alerts when it is negative.
const FIRST_ALERTS: u64 = bit(48);
/// MMCR0: the other counters do.
const OTHERS_ALERT: u64 = bit(49);
/// MMCR0: there has been an alert.
const ALERTED: u64 = bit(56);
/// The sign of a counter.
const NEGATIVE: u64 = bit(32);

/// What of MMCR0 problem state sees and sets: FC, PMAE and PMAO.
const MMCR0_SEEN: u64 = FREEZE | ALERTS | ALERTED;
/// What of MMCR2: whether each counter is frozen in problem state.
const MMCR2_SEEN: u64 = bit(1) | bit(10) | bit(19) | bit(28) | bit(37) | bit(46);

/// The supervisor's register for a number of either kind. `None`: none of the performance monitor.
pub(crate) const fn register(number: u16) -> Option<Spr> {
    let register = if number & 0x10 == 0 { number + 0x10 } else { number };
    match register {
        784..=792 | 795..=798 => Some(Spr::new(register)),
        _ => None,
    }
}

/// The bits that exist: counters and MMCR0 have 32.
pub(crate) fn implemented(register: Spr) -> u64 {
    match register.number() {
        787..=792 | 795 => field(32, 63),
        _ => u64::MAX,
    }
}

/// The bits that problem state sees under its number.
pub(crate) fn seen(register: Spr) -> u64 {
    match register {
        Spr::MMCR0 => MMCR0_SEEN,
        Spr::MMCR2 => MMCR2_SEEN,
        _ => u64::MAX,
    }
}

fn is_group_b(register: Spr) -> bool {
    matches!(register, Spr::SIER | Spr::SIAR | Spr::SDAR | Spr::MMCR1)
}

/// Whether problem state may read, or `write`, a register.
pub(crate) fn permission(register: Spr, write: bool, mmcr0: u64) -> Permission {
    let is_late_counter = matches!(register, Spr::PMC5 | Spr::PMC6);
    match extract(mmcr0, 44, 45) {
        // No number of group B can be written.
        _ if write && is_group_b(register) => Permission::Illegal,
        1 => Permission::Unavailable,
        0 if write => Permission::Illegal,
        3 if is_late_counter => Permission::Unavailable,
        _ => Permission::Granted,
    }
}

/// MMCR0\[BHRBA\]: whether problem state may use the branch history.
pub(crate) fn allows_branch_history(mmcr0: u64) -> bool {
    mmcr0 & bit(42) != 0
}

impl Core {
    /// Whether a counter that may alert is negative.
    fn counter_alerts(&self, mmcr0: u64) -> bool {
        let negative = |counter| self.plain(counter) & NEGATIVE != 0;
        // The last two are not the performance monitor's where PMCC is 11.
        let others = if extract(mmcr0, 44, 45) == 3 { 4 } else { 6 };
        let mut others = (2..=others).map(|n| Spr::new(Spr::PMC1.number() - 1 + n));
        mmcr0 & FIRST_ALERTS != 0 && negative(Spr::PMC1) || mmcr0 & OTHERS_ALERT != 0 && others.any(negative)
    }

    /// Notes what follows from the registers, of which one has been set, or BESCR.
    pub(crate) fn look_at_monitor(&mut self) {
        let mut mmcr0 = self.plain(Spr::MMCR0);
        if mmcr0 & ALERTS != 0 && self.counter_alerts(mmcr0) {
            mmcr0 = mmcr0 & !ALERTS | ALERTED;
            if mmcr0 & FREEZE_ON_ALERT != 0 {
                mmcr0 |= FREEZE;
            }
            self.set_plain(Spr::MMCR0, mmcr0);
        }
        let (alerted, as_event) = (mmcr0 & ALERTED != 0, mmcr0 & EVENTS != 0);
        let bescr = self.plain(Spr::BESCR);
        if alerted && as_event && bescr & MONITOR_ENABLE != 0 {
            self.set_plain(Spr::BESCR, bescr & !MONITOR_ENABLE | MONITOR_OCCURRED);
        }
        let waits = alerted && !as_event;
        self.special.pending.set(Reason::PerformanceMonitor, waits);
        self.look_at_events();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_decides_what_problem_state_may_do() {
        use Permission::{Granted, Illegal, Unavailable};
        for (pmcc, counter, late_counter, sampled) in [
            (0, [Granted, Illegal], [Granted, Illegal], [Granted, Illegal]),
            (1, [Unavailable; 2], [Unavailable; 2], [Unavailable, Illegal]),
            (2, [Granted; 2], [Granted; 2], [Granted, Illegal]),
            (3, [Granted; 2], [Unavailable; 2], [Granted, Illegal]),
        ] {
            let mmcr0 = pmcc << 18;
            let both = |register| [false, true].map(|write| permission(register, write, mmcr0));
            assert_eq!(both(Spr::PMC1), counter, "{pmcc}");
            assert_eq!(both(Spr::PMC6), late_counter, "{pmcc}");
            assert_eq!(both(Spr::SIAR), sampled, "{pmcc}");
        }
    }

    #[test]
    fn numbers_of_both_kinds_name_the_same_register() {
        assert_eq!(register(771), Some(Spr::PMC1));
        assert_eq!(register(787), Some(Spr::PMC1));
        assert_eq!(register(777), None);
        assert_eq!(register(783), None);
        assert_eq!(register(799), None);
        assert_eq!(register(8), None);
    }
}
