//! Special purpose registers that stand in the unified register file: to move them is an operation like others. Here is where
//! each stands, which of its bits exist, and who may always use it (Power ISA v2.07B, Book III-S, 4.4.4); all other registers,
//! and what depends on more than the state, are the business of [`crate::spr_access`].

use power::model::Model;
use power::spr::Spr;

use crate::regs::{CTR, LR, Reg};

/// Save/restore register 0: where an interrupt returns to.
pub(crate) const SRR0: Reg = 64;
/// Save/restore register 1: the MSR that an interrupt returns to.
pub(crate) const SRR1: Reg = 65;
/// Data address register.
pub(crate) const DAR: Reg = 66;
/// Data storage interrupt status register.
pub(crate) const DSISR: Reg = 67;
/// For the supervisor's use; register n is `SPRG + n`, n up to 3.
pub(crate) const SPRG: Reg = 68;
/// Target address register.
pub(crate) const TAR: Reg = 72;
/// Come-from address register: where the last branch that was taken, `rfid` or `rfebb` stands. Branches set it as they leave
/// their block.
pub(crate) const CFAR: Reg = 73;

/// The bits of XER that exist: `mtxer` is an operation of its own.
pub(crate) const fn xer(model: Model) -> u64 {
    match model {
        Model::Power8 => 0xe000_007f,
        // OV32 and CA32.
        Model::Power9 => 0xe00c_007f,
    }
}

/// Where a register stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// In the unified file.
    pub(crate) register: Reg,
    /// The bits that exist: others read as 0, whatever is written.
    pub(crate) bits: u64,
    /// Problem state may use it without a condition.
    pub(crate) is_open: bool,
}

/// Where `register` stands in the unified file. `None`: elsewhere.
pub(crate) const fn place(register: Spr) -> Option<Place> {
    const ALL: u64 = u64::MAX;
    let (register, bits, is_open) = match register {
        Spr::LR => (LR, ALL, true),
        Spr::CTR => (CTR, ALL, true),
        Spr::DSISR => (DSISR, 0xffff_ffff, false),
        Spr::DAR => (DAR, ALL, false),
        Spr::SRR0 => (SRR0, !3, false),
        Spr::SRR1 => (SRR1, ALL, false),
        Spr::CFAR => (CFAR, !3, false),
        Spr::SPRG0 => (SPRG, ALL, false),
        Spr::SPRG1 => (SPRG + 1, ALL, false),
        Spr::SPRG2 => (SPRG + 2, ALL, false),
        Spr::SPRG3 => (SPRG + 3, ALL, false),
        // Problem state needs FSCR for it.
        Spr::TAR => (TAR, ALL, false),
        _ => return None,
    };
    Some(Place {
        register,
        bits,
        is_open,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_registers_stand_in_one_place() {
        let mut places: Vec<Reg> = (0..1024).filter_map(|n| Some(place(Spr::new(n))?.register)).collect();
        let all = places.len();
        places.sort_unstable();
        places.dedup();
        assert_eq!((all, places.len()), (12, 12));
    }

    #[test]
    fn problem_state_is_let_to_none_that_is_privileged() {
        for number in 0..1024 {
            let register = Spr::new(number);
            let is_open = place(register).is_some_and(|place| place.is_open);
            assert!(!(is_open && register.is_privileged()), "{register:?}");
        }
    }
}
