//! Event-based branches and the branch history (Power ISA v2.07B, Book II, chapters 7 and 8; Book III-S, 9.5).
//!
//! An event-based branch goes to the program's own handler, at EBBHR, with no interrupt: problem state goes on there, and EBBRR has where
//! `rfebb` returns to. It is taken in problem state before an instruction, when BESCR\[GE\] is 1 and an event *has occurred*: BESCR\[PMEO\] or
//! BESCR\[EEO\] is 1, which programs can set as well. GE is 0 afterwards.
//!
//! | event | occurs | and sets |
//! |---|---|---|
//! | performance monitor's | an alert (MMCR0\[PMAO\]) with MMCR0\[EBE\] and BESCR\[PME\] | PMEO; PME to 0 |
//! | external | never: no device makes one, and a partition is told of none | EEO |
//!
//! FSCR\[EBB\] closes all of it to problem state. The branch history is always empty.

use power::bits::bit;
use power::insn::Word;
use power::spr::Spr;

use crate::core::Core;
use crate::fault::Fault;
use crate::pending::Reason;
use crate::performance_monitor::allows_branch_history;
use crate::regs::Reg;
use crate::special::facility;
use crate::system;
use crate::trap::Trap;

/// BESCR: event-based branches are enabled.
const GLOBAL_ENABLE: u64 = bit(0);
/// BESCR: external events are let in.
const EXTERNAL_ENABLE: u64 = bit(30);
/// BESCR: the performance monitor's events are let in.
pub(crate) const MONITOR_ENABLE: u64 = bit(31);
/// BESCR: an external event has occurred.
const EXTERNAL_OCCURRED: u64 = bit(62);
/// BESCR: an event of the performance monitor has occurred.
pub(crate) const MONITOR_OCCURRED: u64 = bit(63);
/// What of BESCR exists. Its state of a transaction is always 0.
const BESCR: u64 = GLOBAL_ENABLE | EXTERNAL_ENABLE | MONITOR_ENABLE | EXTERNAL_OCCURRED | MONITOR_OCCURRED;

impl Core {
    /// Sets BESCR.
    pub(crate) fn set_events(&mut self, bescr: u64) {
        self.set_plain(Spr::BESCR, bescr & BESCR);
        self.look_at_monitor();
    }

    /// Notes whether a branch waits, after BESCR or FSCR has changed.
    pub(crate) fn look_at_events(&mut self) {
        let bescr = self.plain(Spr::BESCR);
        let occurred = bescr & (EXTERNAL_OCCURRED | MONITOR_OCCURRED) != 0;
        let open = self.special.fscr & (1 << facility::EVENT_BRANCH) != 0;
        let waits = open && occurred && bescr & GLOBAL_ENABLE != 0;
        self.special.pending.set(Reason::EventBranch, waits);
    }

    /// Branches to the program's handler, if that waits and the program runs.
    pub(crate) fn take_event_branch(&mut self) {
        if !self.special.pending.has(Reason::EventBranch) || !self.mode().is_problem() {
            return;
        }
        self.special.pending.set(Reason::EventBranch, false);
        self.set_plain(Spr::BESCR, self.plain(Spr::BESCR) & !GLOBAL_ENABLE);
        self.set_plain(Spr::EBBRR, self.pc & !3);
        self.pc = self.plain(Spr::EBBHR) & self.pc_mask;
    }
}

/// `rfebb`: returns to EBBRR; GE becomes S.
pub(crate) fn return_from_event(core: &mut Core, word: Word) -> Result<(), Fault> {
    core.check_spr(Spr::BESCR.number())?;
    let bescr = core.plain(Spr::BESCR) & !GLOBAL_ENABLE;
    let enable = if word.s_rfebb() { GLOBAL_ENABLE } else { 0 };
    core.set_events(bescr | enable);
    system::come_from(core);
    core.pc = core.plain(Spr::EBBRR) & core.pc_mask;
    Ok(())
}

fn check_branch_history(core: &mut Core) -> Result<(), Fault> {
    if core.mode().is_problem() && !allows_branch_history(core.plain(Spr::MMCR0)) {
        return core.raise(Trap::FacilityUnavailable(facility::BRANCH_HISTORY));
    }
    Ok(())
}

/// `clrbhrb`
pub(crate) fn clear_branch_history(core: &mut Core, _: Word) -> Result<(), Fault> {
    check_branch_history(core)
}

/// `mfbhrbe`: an entry that holds nothing reads as 0.
pub(crate) fn read_branch_history(core: &mut Core, word: Word) -> Result<(), Fault> {
    check_branch_history(core)?;
    core.regs[word.rt() as Reg] = 0;
    Ok(())
}
