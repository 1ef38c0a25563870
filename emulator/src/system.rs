//! Instructions that use more of the processor than its registers: caches, traps, the MSR, the SLB
//! (Power ISA v2.07B, Books II and III-S).

use std::sync::atomic::{Ordering, fence};

use hpt::Access;
use power::insn::Word;
use power::msr::{Msr, program};

use crate::core::Core;
use crate::fault::Fault;
use crate::regs::{CR, Reg, SO, ZERO};
use crate::trap::Trap;

/// Bytes of a cache block.
pub const CACHE_BLOCK: u64 = 128;

fn source(core: &Core, index: usize) -> u64 {
    core.regs[index as Reg]
}

/// `(RA|0) + (RB)`
pub(crate) fn address(core: &Core, word: Word) -> u64 {
    let base = if word.ra() == 0 { ZERO } else { word.ra() as Reg };
    core.regs[base].wrapping_add(source(core, word.rb())) & core.pc_mask
}

/// `dcbz`: 128 bytes of zeros.
pub(crate) fn dcbz(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word) & !(CACHE_BLOCK - 1);
    let real = match core.tlb.store(core.data, ea, 1) {
        Some(real) => real,
        None => core.translate_data(ea, Access::Store)?,
    };
    match core.ram.zero(real, CACHE_BLOCK) {
        Some(()) => Ok(()),
        None => core.raise(Trap::MachineCheck { dar: ea }),
    }
}

/// `dcbst`, `dcbf`: nothing to write back, but the address must be one that can be loaded from.
pub(crate) fn touch(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word);
    if core.tlb.load(core.data, ea, 1).is_none() {
        core.translate_data(ea, Access::Load)?;
    }
    Ok(())
}

/// `icbi`: code in the page is stale, for every processor.
pub(crate) fn icbi(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word);
    let real = match core.tlb.load(core.data, ea, 1) {
        Some(real) => real,
        None => core.translate_data(ea, Access::Load)?,
    };
    if core.shared.code.holds_code(real) {
        core.shared.code.mark_written(real);
    }
    if core.shared.code.epoch() != core.epoch {
        core.shared.code.ring_others(&core.subscription);
    }
    // The block is over: before the next one the processor looks whether it was rung.
    fence(Ordering::SeqCst);
    Ok(())
}

/// The conditions of TO: less, greater, equal, less and greater unsigned.
fn trap_if(core: &mut Core, to: u32, left: u64, right: u64) -> Result<(), Fault> {
    let (a, b) = (left as i64, right as i64);
    let holds = [a < b, a > b, a == b, left < right, left > right];
    let asked = holds
        .iter()
        .enumerate()
        .any(|(n, holds)| *holds && to & (0x10 >> n) != 0);
    if asked {
        core.raise(Trap::Program(program::TRAP))
    } else {
        Ok(())
    }
}

/// `tdi`
pub(crate) fn tdi(core: &mut Core, word: Word) -> Result<(), Fault> {
    trap_if(core, word.to(), source(core, word.ra()), word.si() as u64)
}

/// `td`
pub(crate) fn td(core: &mut Core, word: Word) -> Result<(), Fault> {
    trap_if(core, word.to(), source(core, word.ra()), source(core, word.rb()))
}

/// `twi`: words, whose sign extension keeps every order.
pub(crate) fn twi(core: &mut Core, word: Word) -> Result<(), Fault> {
    trap_if(core, word.to(), source(core, word.ra()) as i32 as u64, word.si() as u64)
}

/// `tw`
pub(crate) fn tw(core: &mut Core, word: Word) -> Result<(), Fault> {
    trap_if(
        core,
        word.to(),
        source(core, word.ra()) as i32 as u64,
        source(core, word.rb()) as i32 as u64,
    )
}

/// `mfmsr`
pub(crate) fn mfmsr(core: &mut Core, word: Word) -> Result<(), Fault> {
    core.regs[word.rt() as Reg] = core.msr().raw();
    Ok(())
}

/// `mtmsrd` with L = 0: everything but ME and LE.
pub(crate) fn mtmsrd(core: &mut Core, word: Word) -> Result<(), Fault> {
    set_msr_but(core, source(core, word.rs()), Msr::ME | Msr::LE);
    Ok(())
}

/// `mtmsr` with L = 0: as `mtmsrd`, and the upper half stays.
pub(crate) fn mtmsr(core: &mut Core, word: Word) -> Result<(), Fault> {
    set_msr_but(core, source(core, word.rs()), Msr::ME | Msr::LE | 0xffff_ffff_0000_0000);
    Ok(())
}

fn set_msr_but(core: &mut Core, new: u64, kept: u64) {
    core.set_msr(Msr::from_raw((new & !kept) | (core.msr().raw() & kept)));
    core.look_at_code();
}

/// `rfid`: returns to SRR0 under the MSR in SRR1, of which only the hypervisor sets ME.
pub(crate) fn rfid(core: &mut Core, _: Word) -> Result<(), Fault> {
    let kept = core.msr().raw() & Msr::ME;
    core.set_msr(Msr::from_raw(core.special.srr1 & !Msr::ME | kept));
    core.pc = core.special.srr0 & !3 & core.pc_mask;
    core.look_at_code();
    Ok(())
}

/// `slbmte`
pub(crate) fn slbmte(core: &mut Core, word: Word) -> Result<(), Fault> {
    core.slb_write(source(core, word.rs()), source(core, word.rb()));
    Ok(())
}

/// `slbie`
pub(crate) fn slbie(core: &mut Core, word: Word) -> Result<(), Fault> {
    core.slb_invalidate(source(core, word.rb()));
    Ok(())
}

/// `slbia`
pub(crate) fn slbia(core: &mut Core, _: Word) -> Result<(), Fault> {
    core.slb_invalidate_all();
    Ok(())
}

/// `slbmfee`
pub(crate) fn slbmfee(core: &mut Core, word: Word) -> Result<(), Fault> {
    core.regs[word.rt() as Reg] = core.slb.read(source(core, word.rb()) & 0xfff).0;
    Ok(())
}

/// `slbmfev`
pub(crate) fn slbmfev(core: &mut Core, word: Word) -> Result<(), Fault> {
    core.regs[word.rt() as Reg] = core.slb.read(source(core, word.rb()) & 0xfff).1;
    Ok(())
}

/// `slbfee.`
pub(crate) fn slbfee(core: &mut Core, word: Word) -> Result<(), Fault> {
    let found = core.slb.find(source(core, word.rb()));
    core.regs[word.rt() as Reg] = found.unwrap_or(0);
    core.regs[CR] = (u64::from(found.is_some()) << 1) | core.regs[SO];
    Ok(())
}
