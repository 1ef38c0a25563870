//! Messages between the threads of a core (Power ISA v2.07B, Book III-S, chapter 11): `msgsndp`, `msgclrp`, DPDES.
//!
//! Each processor of a partition is the only thread of its core, as the device tree says: TIR is 0, and so is the number of the
//! only thread that a message can reach, the sender itself. The message waits in the set of pending interrupts, for the directed privileged
//! doorbell interrupt. HFSCR\[MSGP\] is 1: the hypervisor keeps nobody from it.

use power::bits::extract;
use power::insn::Word;

use crate::core::Core;
use crate::fault::Fault;
use crate::pending::Reason;
use crate::regs::Reg;

/// The only type of message.
const DIRECTED_PRIVILEGED: u64 = 5;

/// RB\[32:36\] says what kind of message it is.
fn is_doorbell(message: u64) -> bool {
    extract(message, 32, 36) == DIRECTED_PRIVILEGED
}

/// `msgsndp`: a message of another type, or to a thread that is not there, reaches nobody.
pub(crate) fn send(core: &mut Core, word: Word) -> Result<(), Fault> {
    let message = core.regs[word.rb() as Reg];
    let thread = extract(message, 57, 63);
    if is_doorbell(message) && thread == 0 {
        core.special.pending.set(Reason::Doorbell, true);
    }
    Ok(())
}

/// `msgclrp`: the message that waits for this thread is gone.
pub(crate) fn clear(core: &mut Core, word: Word) -> Result<(), Fault> {
    if is_doorbell(core.regs[word.rb() as Reg]) {
        core.special.pending.set(Reason::Doorbell, false);
    }
    Ok(())
}

/// DPDES: for each thread of the core whether a message waits for it.
pub(crate) fn state(core: &Core) -> u64 {
    core.special.pending.has(Reason::Doorbell).into()
}
