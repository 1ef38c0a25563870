//! Special purpose registers (Power ISA v2.07B, Book III-S, 4.4.4): what each reads as, and what
//! writing it does. Who may use which is the business of [`crate::spr_access`].

use power::model::Model;
use power::spr::Spr;

use crate::core::Core;
use crate::pending::{Pending, Reason};
use crate::spr_place::{SPRG, place, xer};
use crate::timebase::Timebase;
use crate::{doorbell, performance_monitor, priority};

/// Numbers of facilities: what the facility-unavailable interrupt says, and FSCR's bits of those that FSCR enables.
pub(crate) mod facility {
    pub(crate) const DSCR: u8 = 2;
    pub(crate) const PERFORMANCE_MONITOR: u8 = 3;
    pub(crate) const BRANCH_HISTORY: u8 = 4;
    pub(crate) const EVENT_BRANCH: u8 = 7;
    pub(crate) const TAR: u8 = 8;
    pub(crate) const VECTORED_CALL: u8 = 12;
}

/// The bits of FSCR that exist: what an interrupt says, and what can be enabled.
const fn fscr(model: Model) -> u64 {
    let all = 0xff << 56 | 1 << facility::DSCR | 1 << facility::EVENT_BRANCH | 1 << facility::TAR;
    match model {
        Model::Power8 => all,
        Model::Power9 => all | 1 << facility::VECTORED_CALL,
    }
}

/// Special purpose registers that stand nowhere else.
pub struct Special {
    /// Facility status and control register.
    pub fscr: u64,
    pub(crate) timebase: Timebase,
    /// Time base value at which the decrementer is 0.
    decrementer_end: u64,
    /// What waits for MSR\[EE\]; of the decrementer, what the last look at the clock said.
    pub(crate) pending: Pending,
    /// Registers that read back: performance monitor, keys, hints.
    plain: Box<[u64; SPRS]>,
}

impl Special {
    pub(crate) fn new(timebase: Timebase) -> Self {
        let decrementer_end = timebase.now() + i32::MAX as u64;
        let mut plain = Box::new([0; SPRS]);
        plain[usize::from(Spr::PPR.number())] = priority::MEDIUM;
        Self {
            fscr: 0,
            timebase,
            decrementer_end,
            pending: Pending::default(),
            plain,
        }
    }

    /// As they are after a system reset; the clock goes on.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.timebase.clone());
    }

    fn decrementer(&self) -> u32 {
        self.decrementer_end.wrapping_sub(self.timebase.now()) as u32
    }

    /// Whether the decrementer is negative: its interrupt is pending.
    pub(crate) fn decrementer_expired(&self) -> bool {
        self.decrementer() as i32 <= -1
    }

    /// Looks at the clock; whether the decrementer is negative, as `pending` has it from then on.
    pub(crate) fn look_at_decrementer(&mut self) -> bool {
        let expired = self.decrementer_expired();
        self.pending.set(Reason::Decrementer, expired);
        expired
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
        self.pending.set(Reason::Decrementer, (value as i32) < 0);
    }
}

/// How many numbers there are.
const SPRS: usize = 1024;

/// Whether the register only reads back what was written, and came with POWER9.
const fn is_plain_since_power9(register: Spr) -> bool {
    matches!(register, Spr::PIDR | Spr::TIDR | Spr::PSSCR_SUPERVISOR)
}

/// Whether the register with this number only reads back what was written.
const fn is_plain(register: Spr) -> bool {
    matches!(
        register,
        Spr::ACOP
            | Spr::IAMR
            | Spr::UAMOR
            | Spr::PSPB
            | Spr::EBBHR
            | Spr::EBBRR
            | Spr::TRIG0
            | Spr::TRIG1
            | Spr::TRIG2
            | Spr::SPMC1
            | Spr::SPMC2
            | Spr::MMCRS
            | Spr::PPR
    )
}

impl Core {
    /// Reads a special purpose register. `None`: there is none with this number.
    pub(crate) fn read_spr(&self, number: u16) -> Option<u64> {
        let special = &self.special;
        if let Some(place) = place(Spr::new(number)) {
            return Some(self.regs[place.register]);
        }
        Some(match Spr::new(number) {
            Spr::XER => self.regs.xer(),
            Spr::UDSCR | Spr::DSCR => self.plain(Spr::DSCR),
            Spr::DEC => u64::from(special.decrementer()),
            Spr::CTRL_READ => self.plain(Spr::CTRL),
            Spr::FSCR => special.fscr,
            Spr::VRSAVE => u64::from(self.vsu.vrsave),
            Spr::USPRG3 => self.regs[SPRG + 3],
            // PURR, SPURR and VTB run with the time base, as no other partition takes time.
            Spr::TB | Spr::PURR | Spr::SPURR | Spr::VTB => special.timebase.now(),
            Spr::TBU => special.timebase.now() >> 32,
            Spr::PVR => u64::from(self.model().pvr()),
            // The first thread of its core, and the only one.
            Spr::TIR => 0,
            Spr::DPDES => doorbell::state(self),
            Spr::IC => self.instructions(),
            Spr::PPR32 => self.plain(Spr::PPR) >> 32,
            Spr::PIR => u64::from(self.server),
            Spr::BESCRS | Spr::BESCRR | Spr::BESCR => self.plain(Spr::BESCR),
            Spr::BESCRSU | Spr::BESCRRU => self.plain(Spr::BESCR) >> 32,
            Spr::UAMR | Spr::AMR => self.plain(Spr::AMR),
            other => match performance_monitor::register(number) {
                Some(register) => self.plain(register),
                None if is_plain(other) => self.plain(other),
                None if is_plain_since_power9(other) && self.model() >= Model::Power9 => self.plain(other),
                None => return None,
            },
        })
    }

    /// A register that only reads back.
    pub(crate) fn plain(&self, register: Spr) -> u64 {
        self.special.plain[usize::from(register.number()) % SPRS]
    }

    /// Writes a special purpose register, also those of the hypervisor that it sets for a guest. `None`: there is none with this number that can be written.
    pub(crate) fn write_spr(&mut self, number: u16, value: u64) -> Option<()> {
        if let Some(place) = place(Spr::new(number)) {
            self.regs[place.register] = value & place.bits;
            return Some(());
        }
        let model = self.model();
        let special = &mut self.special;
        match Spr::new(number) {
            Spr::XER => self.regs.set_xer(value & xer(model)),
            Spr::UDSCR | Spr::DSCR => self.set_plain(Spr::DSCR, value & 0x1ff_ffff),
            Spr::DEC => special.set_decrementer(value as u32),
            Spr::CTRL => self.set_plain(Spr::CTRL, value & 1),
            Spr::FSCR => {
                special.fscr = value & fscr(model);
                self.look_at_events();
            }
            Spr::VRSAVE => self.vsu.vrsave = value as u32,
            Spr::CIABR => self.set_instruction_breakpoint(value),
            Spr::DAWR0 => self.set_watchpoint(Some(value), None),
            Spr::DAWRX0 => self.set_watchpoint(None, Some(value)),
            Spr::PPR => priority::set(self, value),
            Spr::PPR32 => priority::set(self, value << 32),
            Spr::PSPB => self.set_plain(Spr::PSPB, value & 0xffff_ffff),
            Spr::EBBHR | Spr::EBBRR => self.set_plain(Spr::new(number), value & !3),
            Spr::BESCR => self.set_events(value),
            Spr::BESCRS => self.set_events(self.plain(Spr::BESCR) | value),
            Spr::BESCRSU => self.set_events(self.plain(Spr::BESCR) | (value << 32)),
            Spr::BESCRR => self.set_events(self.plain(Spr::BESCR) & !value),
            Spr::BESCRRU => self.set_events(self.plain(Spr::BESCR) & !(value << 32)),
            Spr::AMR | Spr::IAMR => self.set_authority(Spr::new(number), value),
            // The number that problem state has for AMR: UAMOR says which bits are open to it.
            Spr::UAMR => {
                let open = if self.mode().is_problem() {
                    self.plain(Spr::UAMOR)
                } else {
                    u64::MAX
                };
                self.set_authority(Spr::AMR, (self.plain(Spr::AMR) & !open) | (value & open));
            }
            other => match performance_monitor::register(number) {
                Some(register) => {
                    self.set_plain(register, value & performance_monitor::implemented(register));
                    self.look_at_monitor();
                }
                None if is_plain(other) => self.set_plain(other, value),
                None if is_plain_since_power9(other) && model >= Model::Power9 => self.set_plain(other, value),
                None => return None,
            },
        }
        Some(())
    }

    /// Sets a register that only reads back.
    pub(crate) fn set_plain(&mut self, register: Spr, value: u64) {
        self.special.plain[usize::from(register.number()) % SPRS] = value;
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
