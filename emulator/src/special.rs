//! Special purpose registers (Power ISA v2.07B, Book III-S, 4.4.4): what each reads as, and what
//! writing it does.

use power::insn::Word;
use power::msr::program;

use crate::core::Core;
use crate::fault::Fault;
use crate::regs::{CTR, LR};
use crate::timebase::Timebase;
use crate::trap::Trap;

/// Processor version: POWER8 2.0.
pub const PVR: u64 = 0x004d_0200;

/// FSCR bits, which are also the numbers of the facility-unavailable interrupt.
mod facility {
    pub(super) const DSCR: u8 = 2;
    pub(super) const PERFORMANCE_MONITOR: u8 = 3;
    pub(super) const EVENT_BRANCH: u8 = 7;
    pub(super) const TAR: u8 = 8;
}

/// Special purpose registers that stand in no other file.
pub struct Special {
    /// Save/restore register 0: where an interrupt returns to.
    pub srr0: u64,
    /// Save/restore register 1: the MSR that an interrupt returns to.
    pub srr1: u64,
    /// Data address register.
    pub dar: u64,
    /// Data storage interrupt status register.
    pub dsisr: u64,
    /// Facility status and control register.
    pub fscr: u64,
    /// Target address register.
    pub tar: u64,
    /// Software use.
    pub sprg: [u64; 4],
    timebase: Timebase,
    /// Time base value at which the decrementer is 0.
    decrementer_end: u64,
    /// What the last look at the clock said.
    expired: bool,
    /// Registers that only read back: performance monitor, keys, hints.
    plain: Box<[u64; SPRS]>,
}

impl Special {
    pub(crate) fn new(timebase: Timebase) -> Self {
        let decrementer_end = timebase.now() + i32::MAX as u64;
        Self {
            srr0: 0,
            srr1: 0,
            dar: 0,
            dsisr: 0,
            fscr: 0,
            tar: 0,
            sprg: [0; 4],
            timebase,
            decrementer_end,
            expired: false,
            plain: Box::new([0; SPRS]),
        }
    }

    fn decrementer(&self) -> u32 {
        self.decrementer_end.wrapping_sub(self.timebase.now()) as u32
    }

    /// Whether the decrementer is negative: its interrupt is pending.
    pub(crate) fn decrementer_expired(&self) -> bool {
        self.decrementer() as i32 <= -1
    }

    /// Looks at the clock; whether the decrementer is negative, as [`Self::decrementer_was_seen_expired`]
    /// says from then on without looking.
    pub(crate) fn look_at_decrementer(&mut self) -> bool {
        self.expired = self.decrementer_expired();
        self.expired
    }

    /// Whether the decrementer was negative when the clock was last looked at.
    #[inline(always)]
    pub(crate) fn decrementer_was_seen_expired(&self) -> bool {
        self.expired
    }

    /// Ticks until the decrementer is negative; 0 when it is.
    pub(crate) fn decrementer_ticks(&self) -> u64 {
        match self.decrementer() as i32 {
            ..0 => 0,
            left => left as u64 + 1,
        }
    }

    fn set_decrementer(&mut self, value: u32) {
        self.decrementer_end = self.timebase.now().wrapping_add_signed(i64::from(value as i32));
        self.expired = (value as i32) < 0;
    }
}

/// How many numbers there are.
const SPRS: usize = 1024;

/// Whether the register with this number only reads back what was written.
const fn is_plain(number: u16) -> bool {
    matches!(number, 61 | 157 | 159 | 768..=776 | 779..=782 | 804..=806 | 880..=882 | 894 | 896)
}

/// The supervisor's numbers of performance monitor registers, which the problem state reads 16 below.
fn performance_monitor(number: u16) -> Option<u16> {
    match number {
        768..=783 => Some(number),
        784..=799 => Some(number - 16),
        _ => None,
    }
}

impl Core {
    /// Reads a special purpose register. `None`: there is none with this number.
    pub(crate) fn read_spr(&self, number: u16) -> Option<u64> {
        let special = &self.special;
        Some(match number {
            1 => self.regs.xer(),
            3 | 17 => self.plain(17),
            8 => self.regs[LR],
            9 => self.regs[CTR],
            18 => special.dsisr,
            19 => special.dar,
            22 => u64::from(special.decrementer()),
            26 => special.srr0,
            27 => special.srr1,
            28 => self.plain(28),
            136 => self.plain(152),
            153 => special.fscr,
            256 => u64::from(self.vsu.vrsave),
            259 => special.sprg[3],
            // Time base; its upper half; PURR, SPURR and VTB run with it, as no other partition takes time.
            268 | 308 | 309 | 849 => special.timebase.now(),
            269 => special.timebase.now() >> 32,
            272..=275 => special.sprg[usize::from(number - 272)],
            287 => PVR,
            815 => special.tar,
            898 => self.plain(896) >> 32,
            1023 => u64::from(self.server),
            // BESCR and its set and reset forms, of the whole register and of its upper half.
            800 | 802 | 806 => self.plain(806),
            801 | 803 => self.plain(806) >> 32,
            13 | 29 => self.plain(29),
            _ => match performance_monitor(number) {
                Some(register) => self.plain(register),
                None if is_plain(number) => self.plain(number),
                None => return None,
            },
        })
    }

    fn plain(&self, number: u16) -> u64 {
        self.special.plain[usize::from(number) % SPRS]
    }

    /// Writes a special purpose register. `None`: there is none with this number.
    pub(crate) fn write_spr(&mut self, number: u16, value: u64) -> Option<()> {
        let special = &mut self.special;
        match number {
            1 => self.regs.set_xer(value),
            3 | 17 => self.set_plain(17, value & 0x1ff_ffff),
            8 => self.regs[LR] = value,
            9 => self.regs[CTR] = value,
            18 => special.dsisr = value & 0xffff_ffff,
            19 => special.dar = value,
            22 => special.set_decrementer(value as u32),
            26 => special.srr0 = value & !3,
            27 => special.srr1 = value,
            28 => self.set_plain(28, value),
            152 => self.set_plain(152, value & 1),
            153 => special.fscr = value,
            256 => self.vsu.vrsave = value as u32,
            272..=275 => special.sprg[usize::from(number - 272)] = value,
            815 => special.tar = value,
            898 => self.set_plain(896, (self.plain(896) & 0xffff_ffff) | (value << 32)),
            // BESCR set and reset, of the whole register and of its upper half.
            800 => self.set_plain(806, self.plain(806) | value),
            801 => self.set_plain(806, self.plain(806) | (value << 32)),
            802 => self.set_plain(806, self.plain(806) & !value),
            803 => self.set_plain(806, self.plain(806) & !(value << 32)),
            29 => self.set_plain(29, value),
            // The problem state's number of AMR: UAMOR says which of its bits are open.
            13 => {
                let open = self.plain(157);
                self.set_plain(29, (self.plain(29) & !open) | (value & open));
            }
            // Status that the processor keeps: not writable.
            136 | 268 | 269 | 287 | 308 | 309 | 849 | 1023 => {}
            _ => match performance_monitor(number) {
                Some(register) => self.set_plain(register, value),
                None if is_plain(number) => self.set_plain(number, value),
                None => return None,
            },
        }
        Some(())
    }

    fn set_plain(&mut self, number: u16, value: u64) {
        self.special.plain[usize::from(number) % SPRS] = value;
    }

    /// The facility that FSCR must enable before the problem state may use the register.
    fn missing_facility(&self, number: u16) -> Option<u8> {
        let needed = match number {
            3 => facility::DSCR,
            800..=806 => facility::EVENT_BRANCH,
            815 => facility::TAR,
            768..=783 => facility::PERFORMANCE_MONITOR,
            _ => return None,
        };
        (self.mode().is_problem() && self.special.fscr & (1 << needed) == 0).then_some(needed)
    }

    /// What an access to a register that may not be used, or is not there, does: problem state
    /// gets an interrupt, the supervisor nothing (Power ISA v2.07B, Book III-S, 4.4.4).
    fn refuse_spr(&mut self, number: u16) -> Result<(), Fault> {
        let privileged = number & 0x10 != 0;
        match (self.mode().is_problem(), privileged) {
            (true, true) => self.raise(Trap::Program(program::PRIVILEGED)),
            (true, false) => self.raise(Trap::Program(program::ILLEGAL)),
            (false, _) if matches!(number, 0 | 4 | 5 | 6) => self.raise(Trap::Program(program::ILLEGAL)),
            (false, _) => Ok(()),
        }
    }

    /// May the access go on? Privilege first, then the facility.
    fn check_spr(&mut self, number: u16) -> Result<(), Fault> {
        if self.mode().is_problem() && number & 0x10 != 0 {
            return self.raise(Trap::Program(program::PRIVILEGED));
        }
        match self.missing_facility(number) {
            Some(missing) => self.raise(Trap::FacilityUnavailable(missing)),
            None => Ok(()),
        }
    }

    /// Checks that `bctar` may use TAR.
    pub(crate) fn check_tar(&mut self) -> Result<(), Fault> {
        self.check_spr(815)
    }
}

/// `mfspr` and `mftb`.
pub(crate) fn move_from(core: &mut Core, word: Word) -> Result<(), Fault> {
    let number = word.spr();
    core.check_spr(number)?;
    match core.read_spr(number) {
        Some(value) => {
            core.regs[word.rt() as u8] = value;
            Ok(())
        }
        None => core.refuse_spr(number),
    }
}

/// `mtspr`.
pub(crate) fn move_to(core: &mut Core, word: Word) -> Result<(), Fault> {
    let number = word.spr();
    core.check_spr(number)?;
    let value = core.regs[word.rs() as u8];
    match core.write_spr(number, value) {
        Some(()) => Ok(()),
        None => core.refuse_spr(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decrementer_expires_below_zero() {
        let mut special = Special::new(Timebase::new());
        special.set_decrementer(0x7fff_ffff);
        assert!(!special.decrementer_expired());
        assert!(special.decrementer_ticks() > 0x7000_0000);
        special.set_decrementer(0xffff_ff00);
        assert!(special.decrementer_expired());
        assert_eq!(special.decrementer_ticks(), 0);
    }
}
