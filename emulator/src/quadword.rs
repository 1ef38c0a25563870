//! Loads and stores of quadwords by pairs of general registers, with reservation or without (Power ISA v2.07B, Book I,
//! 3.3.4; Book II, 4.4.2.2).
//!
//! The even register of the pair is the quadword's more significant half, in either byte order. An operand that is not aligned
//! to 16 bytes is an alignment interrupt. Pairs that begin with an odd register, and a load over a register of its own
//! address, are invalid forms: [`is_invalid`].

use hpt::Access;
use power::insn::{Opcode, Word};

use crate::alignment;
use crate::core::Core;
use crate::fault::Fault;
use crate::regs::{CR, Reg, SO};
use crate::reservation::Reservation;
use crate::system::{self, address};
use crate::trap::Trap;

type Handler = fn(&mut Core, Word) -> Result<(), Fault>;

/// Bytes of a quadword.
const BYTES: u64 = 16;

/// The function for an instruction of this kind.
pub(crate) fn handler(opcode: Opcode) -> Option<Handler> {
    Some(match opcode {
        Opcode::Lq => load,
        Opcode::Stq => store,
        Opcode::Lqarx => load_and_reserve,
        Opcode::Stqcx => store_conditional,
        _ => return None,
    })
}

/// Whether the word is an invalid form of this instruction of pairs.
pub(crate) fn is_invalid(opcode: Opcode, word: Word) -> bool {
    let is_odd = !word.rt().is_multiple_of(2);
    match opcode {
        Opcode::Lq => is_odd || word.ra() == word.rt(),
        Opcode::Lqarx => is_odd || word.ra() == word.rt() || word.rb() == word.rt(),
        Opcode::Stq | Opcode::Stqcx => is_odd,
        Opcode::Lfdp | Opcode::Lfdpx | Opcode::Stfdp | Opcode::Stfdpx => is_odd,
        _ => false,
    }
}

/// The real address of an operand.
fn real(core: &mut Core, word: Word, ea: u64, access: Access) -> Result<u64, Fault> {
    if !ea.is_multiple_of(BYTES) {
        return alignment::interrupt(core, word, ea);
    }
    let known = match access {
        Access::Store => core.tlb.store(core.data, ea, BYTES),
        _ => core.tlb.load(core.data, ea, BYTES),
    };
    let real = match known {
        Some(real) => real,
        None => core.translate_memory(ea, access)?,
    };
    core.check_watchpoint(ea, BYTES, access)?;
    Ok(real)
}

/// Between the host's byte order and the guest's, either way.
fn to_order(core: &Core, value: u128) -> u128 {
    if core.mode().is_little() == cfg!(target_endian = "little") {
        value
    } else {
        value.swap_bytes()
    }
}

fn set_pair(core: &mut Core, word: Word, value: u128) {
    core.regs[word.rt() as Reg] = (value >> 64) as u64;
    core.regs[word.rt() as Reg + 1] = value as u64;
}

fn pair(core: &Core, word: Word) -> u128 {
    let (even, odd) = (core.regs[word.rs() as Reg], core.regs[word.rs() as Reg + 1]);
    u128::from(even) << 64 | u128::from(odd)
}

fn load(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = system::displaced(core, word, word.dq());
    let real = real(core, word, ea, Access::Load)?;
    let Some(value) = core.ram.load_quad(real) else {
        return core.raise(Trap::MachineCheck { dar: ea });
    };
    let value = to_order(core, value);
    set_pair(core, word, value);
    Ok(())
}

fn store(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = system::displaced(core, word, word.ds());
    let real = real(core, word, ea, Access::Store)?;
    let value = to_order(core, pair(core, word));
    match core.ram.store_quad(real, value) {
        Some(()) => Ok(()),
        None => core.raise(Trap::MachineCheck { dar: ea }),
    }
}

fn load_and_reserve(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word);
    let real = real(core, word, ea, Access::Load)?;
    let Some(value) = core.ram.load_quad(real) else {
        return core.raise(Trap::MachineCheck { dar: ea });
    };
    core.reservation = Some(Reservation {
        real,
        bytes: BYTES,
        value,
    });
    let value = to_order(core, value);
    set_pair(core, word, value);
    Ok(())
}

fn store_conditional(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word);
    let real = real(core, word, ea, Access::Store)?;
    let new = to_order(core, pair(core, word));
    let stored = match core.reservation.take() {
        Some(seen) if seen.real == real && seen.bytes == BYTES => {
            core.ram.exchange_quad(real, seen.value, new).unwrap_or(false)
        }
        _ => false,
    };
    core.regs[CR] = u64::from(stored) << 1 | core.regs[SO];
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_may_not_be_over_its_own_address() {
        // lq 4,0(rA); lqarx 4,rA,rB
        let lq = |ra: u32| Word(56 << 26 | 4 << 21 | ra << 16);
        let lqarx = |ra: u32, rb: u32| Word(31 << 26 | 4 << 21 | ra << 16 | rb << 11 | 276 << 1);
        assert!(is_invalid(Opcode::Lq, lq(4)));
        assert!(!is_invalid(Opcode::Lq, lq(5)));
        assert!(is_invalid(Opcode::Lqarx, lqarx(0, 4)));
        assert!(is_invalid(Opcode::Lqarx, lqarx(4, 0)));
        assert!(!is_invalid(Opcode::Lqarx, lqarx(5, 6)));
        assert!(is_invalid(Opcode::Stq, Word(62 << 26 | 5 << 21 | 2)));
    }
}
