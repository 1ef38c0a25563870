//! Instructions that use more of the processor than its registers: caches, traps, the MSR, the SLB
//! (Power ISA v2.07B, Books II and III-S).

use std::sync::atomic::{Ordering, fence};

use hpt::Access;
use power::insn::Word;
use power::msr::{Msr, program};

use crate::alignment;
use crate::core::Core;
use crate::fault::Fault;
use crate::regs::{CR, Reg, SO, ZERO};
use crate::slb::Kept;
use crate::spr_place::{CFAR, SRR0, SRR1};
use crate::trap::Trap;

/// Bytes of a cache block.
pub const CACHE_BLOCK: u64 = 128;

fn source(core: &Core, index: usize) -> u64 {
    core.regs[index as Reg]
}

/// `(RA|0)`
#[inline]
pub(crate) fn base(core: &Core, word: Word) -> u64 {
    core.regs[if word.ra() == 0 { ZERO } else { word.ra() as Reg }]
}

/// `(RA|0) + (RB)`
pub(crate) fn address(core: &Core, word: Word) -> u64 {
    base(core, word).wrapping_add(source(core, word.rb())) & core.pc_mask
}

/// `(RA|0)` and a displacement.
#[inline]
pub(crate) fn displaced(core: &Core, word: Word, displacement: i64) -> u64 {
    base(core, word).wrapping_add_signed(displacement) & core.pc_mask
}

/// `dcbz`: 128 bytes of zeros.
pub(crate) fn dcbz(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word) & !(CACHE_BLOCK - 1);
    let real = match core.tlb.store(core.data, ea, 1) {
        Some(real) => real,
        None => core.translate_data(ea, Access::Store)?,
    };
    core.check_watchpoint(ea, CACHE_BLOCK, Access::Store)?;
    match core.ram.zero(real, CACHE_BLOCK) {
        Some(()) => Ok(()),
        None => alignment::interrupt(core, word, ea),
    }
}

/// `dcbst`, `dcbf`: nothing to write back, but the address must be one that can be loaded from. Watchpoints do not see them: of what
/// manages caches they see `dcbz` alone.
pub(crate) fn touch(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word);
    if core.tlb.load(core.data, ea, 1).is_none() {
        core.translate_block(ea, Access::Load)?;
    }
    Ok(())
}

/// `icbi`: code in the page is stale, for every processor.
pub(crate) fn icbi(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word);
    let real = match core.tlb.load(core.data, ea, 1) {
        Some(real) => real,
        None => core.translate_block(ea, Access::Load)?,
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
    // It may have become a 32-bit one.
    core.pc &= core.pc_mask;
    core.look_at_code();
    look_at_float_exceptions(core);
}

/// A floating-point exception that is recorded interrupts as soon as the MSR lets it (Book III-S, 6.5.9): before the next
/// instruction, to which it returns.
fn look_at_float_exceptions(core: &mut Core) {
    if core.msr().has(Msr::FE0 | Msr::FE1) && core.vsu.fpscr.has_enabled_exception() {
        let next = core.pc;
        core.deliver(Trap::Program(program::FLOATING_POINT | program::LATER), next);
    }
}

/// An instruction that goes elsewhere leaves its address in CFAR; the program counter is after it.
pub(crate) fn come_from(core: &mut Core) {
    core.regs[CFAR] = core.pc.wrapping_sub(4) & core.pc_mask;
}

/// `rfid`: returns to SRR0 under the MSR in SRR1, of which only the hypervisor sets ME.
pub(crate) fn rfid(core: &mut Core, _: Word) -> Result<(), Fault> {
    let (pc, msr) = (core.regs[SRR0], core.regs[SRR1]);
    return_to(core, pc, Msr::from_raw(msr));
    Ok(())
}

/// Goes on at `pc` under `msr`, whose ME a partition cannot set.
pub(crate) fn return_to(core: &mut Core, pc: u64, msr: Msr) {
    let kept = core.msr().raw() & Msr::ME;
    come_from(core);
    core.set_msr(Msr::from_raw(msr.raw() & !Msr::ME | kept));
    core.pc = pc & !3 & core.pc_mask;
    core.look_at_code();
    look_at_float_exceptions(core);
}

/// `slbmte`
pub(crate) fn slbmte(core: &mut Core, word: Word) -> Result<(), Fault> {
    core.slb_write(source(core, word.rs()), source(core, word.rb()));
    Ok(())
}

/// `tlbiel`: the supervisor's own where the partition translates by a hashed table (Power ISA v3.0B, Book III, 5.9.3.3). Linux ends a
/// processor with it. What this processor holds of the table is never more than the table says, whoever changes it, so there is nothing to
/// drop, whatever RIC, PRS and R name.
pub(crate) fn tlbiel(_: &mut Core, _: Word) -> Result<(), Fault> {
    Ok(())
}

/// `slbie`
pub(crate) fn slbie(core: &mut Core, word: Word) -> Result<(), Fault> {
    core.slb_invalidate(source(core, word.rb()));
    Ok(())
}

/// `slbia`
pub(crate) fn slbia(core: &mut Core, _: Word) -> Result<(), Fault> {
    core.slb_invalidate_all(Kept::First);
    Ok(())
}

/// `slbia` of POWER9, where IH chooses more than what is dropped beside the entries (Power ISA v3.0B, Book III, 5.9.3.2).
pub(crate) fn slbia_by_hint(core: &mut Core, word: Word) -> Result<(), Fault> {
    match word.ih() {
        0b011 => core.slb_invalidate_all(Kept::ClassZero),
        0b100 => core.slb_invalidate_all(Kept::None),
        // What was translated through the entries goes with them: it is never more than they say.
        0b111 => {}
        _ => core.slb_invalidate_all(Kept::First),
    }
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
