//! Load-and-reserve and store-conditional of 1 to 8 bytes (Power ISA v2.07B, Book II, 4.4.2); those of 16 are in
//! [`crate::quadword`].
//!
//! A store-conditional is a host compare-and-exchange with the value that the load saw. So a
//! location that was changed and changed back between the two does not lose the reservation, as it
//! would on a POWER processor. Linux's and the libraries' uses do not tell the two apart: they store
//! what they computed from the value they loaded.

use hpt::Access;
use power::insn::Word;

use crate::alignment;
use crate::core::Core;
use crate::fault::Fault;
use crate::ram::Scalar;
use crate::regs::{CR, SO};
use crate::system::address;
use crate::trap::Trap;

/// What the last load-and-reserve saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reservation {
    /// Where.
    pub(crate) real: u64,
    /// How many, 1 to 16.
    pub(crate) bytes: u64,
    /// In the host's byte order.
    pub(crate) value: u128,
}

/// `lbarx`, `lharx`, `lwarx`, `ldarx`.
#[inline(always)]
pub(crate) fn load<T: Scalar>(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word);
    if ea & (T::BYTES - 1) != 0 {
        return alignment::interrupt(core, word, ea);
    }
    let real = match core.tlb.load(core.data, ea, T::BYTES) {
        Some(real) => real,
        None => core.translate_memory(ea, Access::Load)?,
    };
    let Some(value) = core.ram.load::<T>(real) else {
        return core.raise(Trap::MachineCheck { dar: ea });
    };
    core.reservation = Some(Reservation {
        real,
        bytes: T::BYTES,
        value: value.into().into(),
    });
    core.regs[word.rt() as u8] = value.to_order(core.mode().is_little()).into();
    Ok(())
}

/// `stbcx.`, `sthcx.`, `stwcx.`, `stdcx.`.
#[inline(always)]
pub(crate) fn store<T: Scalar>(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word);
    if ea & (T::BYTES - 1) != 0 {
        return alignment::interrupt(core, word, ea);
    }
    let real = match core.tlb.store(core.data, ea, T::BYTES) {
        Some(real) => real,
        None => core.translate_memory(ea, Access::Store)?,
    };
    let new = T::truncate(core.regs[word.rs() as u8]).to_order(core.mode().is_little());
    let stored = match core.reservation.take() {
        Some(seen) if seen.real == real && seen.bytes == T::BYTES => core
            .ram
            .exchange(real, T::truncate(seen.value as u64), new)
            .unwrap_or(false),
        _ => false,
    };
    core.regs[CR] = (u64::from(stored) << 1) | core.regs[SO];
    Ok(())
}
