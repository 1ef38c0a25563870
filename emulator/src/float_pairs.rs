//! Loads and stores of pairs of floating-point registers (Power ISA v2.07B, Book I, 4.6.4).
//!
//! The even register is at the lower address when the processor is big-endian, and at the higher when it is little-endian.
//! Any alignment will do; when a byte may not be accessed, nothing is changed. A pair that begins with an odd register is an
//! invalid form ([`crate::quadword::is_invalid`]).

use hpt::Access;
use power::insn::{Opcode, Word};

use crate::core::Core;
use crate::fault::Fault;
use crate::ram::Scalar;
use crate::system::{self, address};

type Handler = fn(&mut Core, Word) -> Result<(), Fault>;

/// The function for an instruction of this kind.
pub(crate) fn handler(opcode: Opcode) -> Option<Handler> {
    Some(match opcode {
        Opcode::Lfdp => |core, word| load(core, word, system::displaced(core, word, word.ds())),
        Opcode::Lfdpx => |core, word| load(core, word, address(core, word)),
        Opcode::Stfdp => |core, word| store(core, word, system::displaced(core, word, word.ds())),
        Opcode::Stfdpx => |core, word| store(core, word, address(core, word)),
        _ => return None,
    })
}

/// The registers in the order of their addresses.
fn registers(core: &Core, word: Word) -> [usize; 2] {
    let even = word.frt() & !1;
    if core.mode().is_little() {
        [even + 1, even]
    } else {
        [even, even + 1]
    }
}

fn load(core: &mut Core, word: Word, ea: u64) -> Result<(), Fault> {
    let second = ea.wrapping_add(8) & core.pc_mask;
    if ea % 4096 > 4096 - 16 {
        // No device is asked before it is known that the second page may be loaded from.
        core.check_in_memory(ea, 16, Access::Load)?;
    }
    let values: [u64; 2] = [core.load(ea)?, core.load(second)?];
    for (register, value) in registers(core, word).into_iter().zip(values) {
        let value = value.to_order(core.mode().is_little());
        core.vsu.set_scalar(register, value);
    }
    Ok(())
}

fn store(core: &mut Core, word: Word, ea: u64) -> Result<(), Fault> {
    let values = registers(core, word).map(|register| core.vsu.scalar(register).to_order(core.mode().is_little()));
    if ea % 4096 > 4096 - 16 || core.is_watched_page(ea) {
        // Nothing is stored if the second page or doubleword may not be.
        let [first, second] = values.map(u64::to_ne_bytes);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&first);
        bytes[8..].copy_from_slice(&second);
        return core.store_bytes(ea, &bytes);
    }
    core.store(ea, values[0])?;
    core.store(ea.wrapping_add(8), values[1])
}
