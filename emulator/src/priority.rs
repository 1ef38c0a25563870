//! The program's priority, PPR\[PRI\], and the forms of `or` that set it (Power ISA v2.07B, Book II, 3.1; Book III-S, 4.3.6). It reads
//! back; nothing runs the faster for it, and PSPB does not run down.
//!
//! | PRI | priority | `or` of register | set by |
//! |---|---|---|---|
//! | 1 | very low | 31 | anybody |
//! | 2 | low | 1 | anybody |
//! | 3 | medium low | 6 | anybody |
//! | 4 | medium | 2 | anybody |
//! | 5 | medium high | 5 | the supervisor; problem state while PSPB is not 0 |
//! | 6 | high | 3 | the supervisor |
//! | 7 | very high | 7 | the hypervisor |
//!
//! A priority that may not be set, or is none, leaves PRI as it was.

use power::bits::{extract, field};
use power::insn::Word;
use power::spr::Spr;

use crate::core::Core;
use crate::fault::Fault;

/// What of PPR exists.
const PRI: u64 = field(11, 13);

/// PPR with this priority.
const fn with(priority: u64) -> u64 {
    priority << 50
}

/// What processors start with: medium.
pub(crate) const MEDIUM: u64 = with(4);

/// The priority that `or` of this register with itself, into itself, asks for.
fn asked_by(register: usize) -> Option<u64> {
    Some(match register {
        31 => 1,
        1 => 2,
        6 => 3,
        2 => 4,
        5 => 5,
        3 => 6,
        7 => 7,
        _ => return None,
    })
}

/// Whether `or register,register,register` is a hint of priority.
pub(crate) fn is_hint(register: usize) -> bool {
    asked_by(register).is_some()
}

/// Such an `or`.
pub(crate) fn hint(core: &mut Core, word: Word) -> Result<(), Fault> {
    if let Some(priority) = asked_by(word.rs()) {
        set(core, with(priority));
    }
    Ok(())
}

/// Sets PPR, as far as the processor's state lets it.
pub(crate) fn set(core: &mut Core, ppr: u64) {
    let problem = core.mode().is_problem();
    let allowed = match extract(ppr, 11, 13) {
        1..=4 => true,
        5 => !problem || core.plain(Spr::PSPB) != 0,
        6 => !problem,
        _ => false,
    };
    if allowed {
        core.set_plain(Spr::PPR, ppr & PRI);
    }
}
