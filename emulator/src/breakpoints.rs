//! What makes a debugger's interrupts: single steps, branch traces, the completed-instruction breakpoint and the data watchpoint
//! (Power ISA v2.07B, Book III-S, 6.5.15 and 10.4).
//!
//! The processor runs in a *traced* mode ([`crate::core::Mode::is_traced`]) while any instruction may end with a trace interrupt:
//! there a block is one instruction, and [`Core::trace`] is asked after each. Pages that the watchpoint reaches are never
//! remembered as translated, so each access to them comes by [`Core::check_watchpoint`].
//!
//! After a trace interrupt SIAR has the address of the instruction, and SDAR that of what it loaded or stored. They and the bits of
//! SRR1 are those of the manual's trace extensions (Book III-S, appendix D), which 2.07 leaves to the processor and 3.0 demands.
//!
//! CIABR, DAWR and DAWRX belong to the hypervisor: a guest sets them by H_SET_MODE.

use hpt::Access;
use power::bits::{bit, extract};
use power::insn::{Opcode, Operand, Word, decode};
use power::msr::{Msr, storage_fault};
use power::spr::Spr;

use crate::core::Core;
use crate::fault::Fault;
use crate::ram::Scalar;
use crate::regs::Reg;
use crate::system;
use crate::trap::Trap;

/// The registers.
#[derive(Clone, Copy, Default)]
pub(crate) struct Breakpoints {
    /// Completed instruction address breakpoint: address, and in bits 62 and 63 the state that it is for.
    ciabr: u64,
    /// Data address watchpoint.
    dawr: u64,
    /// What it is for.
    dawrx: u64,
}

/// DAWRX: stores match.
const WRITE: u64 = bit(57);
/// DAWRX: loads match.
const READ: u64 = bit(58);
/// DAWRX: the setting of MSR\[DR\] that matches.
const TRANSLATED: u64 = bit(59);
/// DAWRX: any setting does.
const TRANSLATED_OR_NOT: u64 = bit(60);
/// DAWRX: the supervisor's accesses match.
const SUPERVISOR: u64 = bit(62);
/// DAWRX: problem state's accesses match.
const PROBLEM: u64 = bit(63);

/// SRR1 of a trace interrupt: it is one.
const TRACED: u64 = bit(33);
/// SRR1 of a trace interrupt: the instruction was a load.
const LOADED: u64 = bit(35);
/// SRR1 of a trace interrupt: the instruction was a store.
const STORED: u64 = bit(36);
/// SRR1 of a trace interrupt: its address was CIABR's.
const AT_BREAKPOINT: u64 = bit(43);

/// An instruction before it is executed in traced mode.
#[derive(Clone, Copy)]
pub(crate) struct Traced {
    pc: u64,
    msr: Msr,
    word: Word,
    /// Address of what it loads or stores, if it does.
    operand: Option<u64>,
}

impl Breakpoints {
    /// Whether instructions that are executed in this state may match CIABR.
    fn breaks_in(self, msr: Msr) -> bool {
        self.ciabr & 3 == if msr.has(Msr::PR) { 1 } else { 2 }
    }

    /// Whether instructions that are executed in this state may end with a trace interrupt.
    pub(crate) fn trace_in(self, msr: Msr) -> bool {
        msr.has(Msr::SE | Msr::BE) || self.breaks_in(msr)
    }

    fn watches(self) -> bool {
        self.dawrx & (WRITE | READ) != 0 && self.dawrx & (SUPERVISOR | PROBLEM) != 0
    }

    /// The first byte that is watched, and their number: up to 64 doublewords.
    fn range(self) -> (u64, u64) {
        (self.dawr & !7, 8 * (extract(self.dawrx, 48, 53) + 1))
    }

    fn overlaps(self, ea: u64, bytes: u64) -> bool {
        let (first, length) = self.range();
        // Either starts inside the other.
        ea.wrapping_sub(first) < length || first.wrapping_sub(ea) < bytes
    }

    fn matches(self, ea: u64, bytes: u64, access: Access, msr: Msr) -> bool {
        let kind = if access == Access::Store { WRITE } else { READ };
        let state = if msr.has(Msr::PR) { PROBLEM } else { SUPERVISOR };
        let translation = self.dawrx & TRANSLATED_OR_NOT != 0 || msr.has(Msr::DR) == (self.dawrx & TRANSLATED != 0);
        self.dawrx & kind != 0 && self.dawrx & state != 0 && translation && self.overlaps(ea, bytes)
    }
}

impl Core {
    /// Sets CIABR.
    pub(crate) fn set_instruction_breakpoint(&mut self, ciabr: u64) {
        self.breakpoints.ciabr = ciabr;
        // The mode follows from it.
        self.set_msr(self.msr());
    }

    /// Sets DAWR, or DAWRX.
    pub(crate) fn set_watchpoint(&mut self, dawr: Option<u64>, dawrx: Option<u64>) {
        self.breakpoints.dawr = dawr.unwrap_or(self.breakpoints.dawr);
        self.breakpoints.dawrx = dawrx.unwrap_or(self.breakpoints.dawrx);
        self.drop_revoked();
        self.tlb.flush_translated();
        self.tlb.flush_real();
    }

    /// Whether the watchpoint reaches the page of 4 KiB around `ea`.
    #[inline]
    pub(crate) fn is_watched_page(&self, ea: u64) -> bool {
        self.breakpoints.watches() && self.breakpoints.overlaps(ea & !0xfff, 0x1000)
    }

    /// Ends an access to these bytes with a data storage interrupt if they are watched.
    #[inline]
    pub(crate) fn check_watchpoint(&mut self, ea: u64, bytes: u64, access: Access) -> Result<(), Fault> {
        if !self.breakpoints.watches() || !self.breakpoints.matches(ea, bytes, access, self.msr()) {
            return Ok(());
        }
        let store = if access == Access::Store {
            storage_fault::STORE
        } else {
            0
        };
        self.raise(Trap::DataStorage {
            dar: ea,
            dsisr: storage_fault::WATCHPOINT | store,
        })
    }

    /// The instruction at the program counter, which was fetched, if it may end with a trace interrupt.
    #[inline]
    pub(crate) fn traced_instruction(&self) -> Option<Traced> {
        if !self.mode().is_traced() || !self.breakpoints.trace_in(self.msr()) {
            return None;
        }
        let real = self.fetch.get(self.pc)?;
        let word: u32 = self.ram.load(real)?;
        let word = Word(word.to_order(self.mode().is_little()));
        Some(Traced {
            pc: self.pc,
            msr: self.msr(),
            word,
            operand: decode(word.0, self.model())
                .filter(|&opcode| access_of(opcode) != 0)
                .map(|opcode| self.operand_address(opcode, word)),
        })
    }

    /// Where the operand of a load or store is.
    fn operand_address(&self, opcode: Opcode, word: Word) -> u64 {
        // RB of these is a length.
        let is_counted = matches!(opcode, Opcode::Lxvl | Opcode::Lxvll | Opcode::Stxvl | Opcode::Stxvll);
        let second = |operand: &Operand| match operand {
            Operand::Rb if is_counted => Some(0),
            Operand::Rb => Some(self.regs[word.rb() as Reg]),
            Operand::D => Some(word.d() as u64),
            Operand::Ds => Some(word.ds() as u64),
            Operand::Dq => Some(word.dq() as u64),
            _ => None,
        };
        let second = opcode.row().operands.iter().find_map(second).unwrap_or(0);
        system::base(self, word).wrapping_add(second) & self.pc_mask
    }

    /// The trace interrupt after an instruction that has completed, if there is one.
    pub(crate) fn trace(&mut self, traced: Traced) -> Option<Trap> {
        // None of a reserved word that is passed over.
        let opcode = decode(traced.word.0, self.model());
        let next = traced.pc.wrapping_add(4) & self.pc_mask;
        match opcode {
            // Those that set the state they return to are not traced.
            Some(Opcode::Rfid | Opcode::Rfscv | Opcode::Rfebb) => return None,
            // It is an interrupt.
            Some(Opcode::Scv) => return None,
            // It was interrupted.
            Some(Opcode::Mtmsr | Opcode::Mtmsrd) if self.pc != next => return None,
            _ => {}
        }
        let is_branch = matches!(
            opcode,
            Some(Opcode::B | Opcode::Bc | Opcode::Bclr | Opcode::Bcctr | Opcode::Bctar)
        );
        let stepped = traced.msr.has(Msr::SE) || traced.msr.has(Msr::BE) && is_branch;
        let broken = self.breakpoints.breaks_in(traced.msr) && self.breakpoints.ciabr & !3 == traced.pc;
        if !stepped && !broken {
            return None;
        }
        self.set_plain(Spr::SIAR, traced.pc);
        if let Some(operand) = traced.operand {
            self.set_plain(Spr::SDAR, operand);
        }
        let breakpoint = if broken { AT_BREAKPOINT } else { 0 };
        Some(Trap::Trace(TRACED | breakpoint | opcode.map_or(0, access_of)))
    }
}

/// Whether the instruction is a load or a store, as SRR1 says it.
fn access_of(opcode: Opcode) -> u64 {
    let name = opcode.name();
    let operands = opcode.row().operands;
    let has_address = operands.contains(&Operand::Ra0) || operands.contains(&Operand::RaUpdate);
    if name.starts_with("st") || opcode == Opcode::Dcbz {
        STORED
    } else if name.starts_with('l') && has_address && !matches!(opcode, Opcode::Lvsl | Opcode::Lvsr) {
        LOADED
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchpoint_reaches_its_doublewords() {
        let watch = Breakpoints {
            dawr: 0x1000,
            // Two doublewords, stores of either state, whatever the translation.
            dawrx: 1 << 10 | WRITE | TRANSLATED_OR_NOT | SUPERVISOR | PROBLEM,
            ..Breakpoints::default()
        };
        let matches = |ea, bytes| watch.matches(ea, bytes, Access::Store, Msr::from_raw(0));
        assert!(matches(0x1000, 1) && matches(0x100f, 1) && matches(0xff9, 8) && matches(0xf80, 0x81));
        assert!(!matches(0xfff, 1) && !matches(0x1010, 8) && !matches(0xff8, 8));
        assert!(!watch.matches(0x1000, 8, Access::Load, Msr::from_raw(0)));
    }
}
