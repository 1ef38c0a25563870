//! `mfspr` and `mtspr`: who may use which special purpose register (Power ISA v2.07B, Book III-S, 4.4.4).
//!
//! | register | problem state | supervisor |
//! |---|---|---|
//! | a number with the bit of privilege | privileged instruction | as it is |
//! | of a facility that FSCR or MMCR0 keeps closed | facility unavailable | as it is |
//! | there is none, or it cannot be written | illegal instruction | nothing happens; 0, and of `mfspr` 4, 5 and 6: illegal instruction |
//! | 808 to 811, which are reserved | nothing happens | nothing happens |
//! | the hypervisor's | privileged instruction | nothing happens |

use power::insn::Word;
use power::msr::program;
use power::spr::Spr;

use crate::core::Core;
use crate::fault::Fault;
use crate::performance_monitor::{self, Permission};
use crate::regs::Reg;
use crate::special::facility;
use crate::trap::Trap;

impl Core {
    /// The facility that FSCR must enable before the problem state may use the register.
    fn missing_facility(&self, number: u16) -> Option<u8> {
        let needed = match Spr::new(number) {
            Spr::UDSCR => facility::DSCR,
            register if (Spr::BESCRS..=Spr::BESCR).contains(&register) => facility::EVENT_BRANCH,
            Spr::TAR => facility::TAR,
            _ => return None,
        };
        (self.special.fscr & (1 << needed) == 0).then_some(needed)
    }

    /// What an access to a register that is not there does: problem state gets an interrupt, the supervisor nothing. A number of `illegal` is
    /// nobody's.
    fn refuse_spr(&mut self, number: u16, illegal: &[u16]) -> Result<(), Fault> {
        if is_reserved(number) {
            return Ok(());
        }
        if self.mode().is_problem() || illegal.contains(&number) {
            return self.raise(Trap::Program(program::ILLEGAL));
        }
        Ok(())
    }

    /// May the access go on? Privilege first, then the facility.
    pub(crate) fn check_spr(&mut self, number: u16) -> Result<(), Fault> {
        if !self.mode().is_problem() {
            return Ok(());
        }
        if Spr::new(number).is_privileged() {
            return self.raise(Trap::Program(program::PRIVILEGED));
        }
        match self.missing_facility(number) {
            Some(missing) => self.raise(Trap::FacilityUnavailable(missing)),
            None => Ok(()),
        }
    }

    /// Checks that `bctar` may use TAR.
    pub(crate) fn check_tar(&mut self) -> Result<(), Fault> {
        self.check_spr(Spr::TAR.number())
    }

    /// The register of the performance monitor that problem state names by this number, if it may use it.
    fn monitor(&mut self, number: u16, write: bool) -> Result<Option<Spr>, Fault> {
        let Some(register) = performance_monitor::register(number).filter(|_| self.mode().is_problem()) else {
            return Ok(None);
        };
        match performance_monitor::permission(register, write, self.plain(Spr::MMCR0)) {
            Permission::Granted => Ok(Some(register)),
            Permission::Unavailable => self.raise(Trap::FacilityUnavailable(facility::PERFORMANCE_MONITOR)),
            Permission::Illegal => self.raise(Trap::Program(program::ILLEGAL)),
        }
    }
}

/// Numbers that later processors may use for what this one can do without (Book I, 1.3.3).
fn is_reserved(number: u16) -> bool {
    (808..=811).contains(&number)
}

/// Whether what follows `mtspr` of this number may be fetched otherwise, or comes after an interrupt or an event that the register
/// lets in.
pub(crate) fn synchronizes(number: u16) -> bool {
    let register = Spr::new(number);
    performance_monitor::register(number).is_some()
        || (Spr::BESCRS..=Spr::BESCRRU).contains(&register)
        || matches!(register, Spr::BESCR | Spr::FSCR | Spr::IAMR)
}

/// What only the hypervisor sets, with its calls.
fn is_hypervisors(number: u16) -> bool {
    matches!(Spr::new(number), Spr::CIABR | Spr::DAWR0 | Spr::DAWRX0)
}

/// `mfspr` and `mftb`.
pub(crate) fn move_from(core: &mut Core, word: Word) -> Result<(), Fault> {
    let number = word.spr();
    core.check_spr(number)?;
    let seen = core.monitor(number, false)?.map_or(u64::MAX, performance_monitor::seen);
    match core.read_spr(number) {
        Some(value) => {
            core.regs[word.rt() as Reg] = value & seen;
            Ok(())
        }
        None => core.refuse_spr(number, &[0, 4, 5, 6]),
    }
}

/// `mtspr`.
pub(crate) fn move_to(core: &mut Core, word: Word) -> Result<(), Fault> {
    let number = word.spr();
    core.check_spr(number)?;
    if is_hypervisors(number) {
        return Ok(());
    }
    let mut value = core.regs[word.rs() as Reg];
    if let Some(register) = core.monitor(number, true)? {
        let seen = performance_monitor::seen(register);
        value = core.plain(register) & !seen | value & seen;
    }
    match core.write_spr(number, value) {
        Some(()) => Ok(()),
        None => core.refuse_spr(number, &[0]),
    }
}
