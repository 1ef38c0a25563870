//! `scv` and `rfscv`: system calls with a vector for each level, which keep the way back in LR and CTR and leave SRR0 and SRR1
//! alone (Power ISA v3.0B, Book I, 2.5; Book III, 3.3.1 and 6.5.27).

use power::insn::Word;
use power::msr::Msr;

use crate::core::Core;
use crate::fault::Fault;
use crate::regs::{CTR, LR};
use crate::special::facility;
use crate::system;
use crate::trap::{self, Trap};

/// `scv`: the level chooses the vector. Nothing disables interrupts on the way.
pub(crate) fn call(core: &mut Core, word: Word) -> Result<(), Fault> {
    if core.special.fscr & 1 << facility::VECTORED_CALL == 0 {
        return core.raise(Trap::FacilityUnavailable(facility::VECTORED_CALL));
    }
    core.counts.interrupts.note_vectored_call();
    core.regs[LR] = core.pc;
    core.regs[CTR] = core.msr().raw() & trap::SRR1_KEEPS;
    let (pc, msr) = trap::vectored_call(word.lev(), core.msr(), core.shared.lpcr());
    core.set_msr(msr);
    core.pc = pc;
    core.look_at_code();
    Ok(())
}

/// `rfscv`: returns to LR under the MSR in CTR, as `rfid` does with SRR0 and SRR1.
pub(crate) fn return_from_call(core: &mut Core, _: Word) -> Result<(), Fault> {
    let (pc, msr) = (core.regs[LR], core.regs[CTR]);
    system::return_to(core, pc, Msr::from_raw(msr));
    Ok(())
}
