//! `copy` and `paste.`: 128 bytes at once to an accelerator (Power ISA v3.0B, Book II, 4.4).
//!
//! A partition here has no accelerators, and memory takes no paste: POWER9 interrupts one with a data storage interrupt. So what a
//! copy has read is never needed, and nothing of it is kept.

use hpt::Access;
use power::insn::Word;
use power::msr::storage_fault;

use crate::alignment;
use crate::core::Core;
use crate::fault::Fault;
use crate::system::address;
use crate::trap::Trap;

/// Bytes that are copied.
const BLOCK: u64 = 128;

/// The effective address of an aligned block that may be accessed.
fn block(core: &mut Core, word: Word, access: Access) -> Result<u64, Fault> {
    let ea = address(core, word);
    if !ea.is_multiple_of(BLOCK) {
        return alignment::interrupt(core, word, ea);
    }
    let known = match access {
        Access::Store => core.tlb.store(core.data, ea, 1),
        _ => core.tlb.load(core.data, ea, 1),
    };
    if known.is_none() {
        core.translate_memory(ea, access)?;
    }
    core.check_watchpoint(ea, BLOCK, access)?;
    Ok(ea)
}

/// `copy`
pub(crate) fn copy(core: &mut Core, word: Word) -> Result<(), Fault> {
    block(core, word, Access::Load)?;
    Ok(())
}

/// `paste.`
pub(crate) fn paste(core: &mut Core, word: Word) -> Result<(), Fault> {
    let dar = block(core, word, Access::Store)?;
    core.raise(Trap::DataStorage {
        dar,
        dsisr: storage_fault::COPY_PASTE | storage_fault::STORE,
    })
}
