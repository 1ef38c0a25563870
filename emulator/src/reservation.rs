//! Load-and-reserve and store-conditional (Power ISA v2.07B, Book II, 4.4.2).
//!
//! A store-conditional is a host compare-and-exchange with the value that the load saw. So a
//! location that was changed and changed back between the two does not lose the reservation, as it
//! would on a POWER processor. Linux's and the libraries' uses do not tell the two apart: they store
//! what they computed from the value they loaded.

use hpt::Access;
use power::insn::Word;

use crate::core::Core;
use crate::fault::Fault;
use crate::ram::Scalar;
use crate::regs::{CR, SO, ZERO};
use crate::trap::Trap;

/// What the last load-and-reserve saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reservation {
    real: u64,
    bytes: u64,
    /// In the host's byte order.
    value: u64,
}

fn address(core: &Core, word: Word) -> u64 {
    let base = if word.ra() == 0 { ZERO } else { word.ra() as u8 };
    core.regs[base].wrapping_add(core.regs[word.rb() as u8]) & core.pc_mask
}

/// `lbarx`, `lharx`, `lwarx`, `ldarx`.
pub(crate) fn load<T: Scalar>(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word);
    if ea & (T::BYTES - 1) != 0 {
        return core.raise(Trap::Alignment { dar: ea });
    }
    let real = match core.tlb.load(core.data, ea, T::BYTES) {
        Some(real) => real,
        None => core.translate_data(ea, Access::Load)?,
    };
    let Some(value) = core.ram.load::<T>(real) else {
        return core.raise(Trap::MachineCheck { dar: ea });
    };
    core.reservation = Some(Reservation {
        real,
        bytes: T::BYTES,
        value: value.into(),
    });
    core.regs[word.rt() as u8] = value.to_order(core.mode().is_little()).into();
    Ok(())
}

/// `stbcx.`, `sthcx.`, `stwcx.`, `stdcx.`.
pub(crate) fn store<T: Scalar>(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word);
    if ea & (T::BYTES - 1) != 0 {
        return core.raise(Trap::Alignment { dar: ea });
    }
    let real = match core.tlb.store(core.data, ea, T::BYTES) {
        Some(real) => real,
        None => core.translate_data(ea, Access::Store)?,
    };
    let new = T::truncate(core.regs[word.rs() as u8]).to_order(core.mode().is_little());
    let stored = match core.reservation.take() {
        Some(seen) if seen.real == real && seen.bytes == T::BYTES => core
            .shared
            .ram
            .exchange(real, T::truncate(seen.value), new)
            .unwrap_or(false),
        _ => false,
    };
    core.regs[CR] = (u64::from(stored) << 1) | core.regs[SO];
    Ok(())
}
