//! Storage control, traps, special registers and what only the supervisor executes.

use power::insn::{Opcode, Word};
use power::model::Model;
use power::msr::program;
use power::spr::Spr;

use super::{Builder, Flow};
use crate::core::Core;
use crate::fault::Fault;
use crate::ir::{Call, Code, Op};
use crate::regs::Reg;
use crate::spr_place::{place, xer};
use crate::{
    atomic, copy_paste, doorbell, event_branch, multiple, quadword, random, spr_access, system, vectored_call,
};

/// Instructions that problem state may not execute, or that belong to the hypervisor.
pub(super) fn is_privileged(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Rfid
            | Opcode::Rfscv
            | Opcode::Mtmsr
            | Opcode::Mtmsrd
            | Opcode::Mfmsr
            | Opcode::Slbie
            | Opcode::Slbia
            | Opcode::Slbmte
            | Opcode::Slbmfev
            | Opcode::Slbmfee
            | Opcode::Slbfee
            | Opcode::Msgsndp
            | Opcode::Msgclrp
            | Opcode::Tlbiel
    ) || is_hypervisors(opcode)
}

fn is_hypervisors(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Hrfid
            | Opcode::Doze
            | Opcode::Nap
            | Opcode::Sleep
            | Opcode::Rvwinkle
            | Opcode::Stop
            | Opcode::Slbieg
            | Opcode::Slbsync
            | Opcode::Msgsync
            | Opcode::Lwzcix
            | Opcode::Lhzcix
            | Opcode::Lbzcix
            | Opcode::Ldcix
            | Opcode::Stwcix
            | Opcode::Sthcix
            | Opcode::Stbcix
            | Opcode::Stdcix
            | Opcode::Tlbie
            | Opcode::Tlbsync
            | Opcode::Msgsnd
            | Opcode::Msgclr
    )
}

type Handler = fn(&mut Core, Word) -> Result<(), Fault>;

/// Instructions that are a call and nothing else.
fn handler(opcode: Opcode) -> Option<Handler> {
    Some(match opcode {
        Opcode::Dcbz => system::dcbz,
        Opcode::Dcbst | Opcode::Dcbf => system::touch,
        Opcode::Tdi => system::tdi,
        Opcode::Td => system::td,
        Opcode::Twi => system::twi,
        Opcode::Tw => system::tw,
        Opcode::Mfmsr => system::mfmsr,
        Opcode::Slbmfee => system::slbmfee,
        Opcode::Slbmfev => system::slbmfev,
        Opcode::Slbfee => system::slbfee,
        Opcode::Tlbiel => system::tlbiel,
        Opcode::Mfspr | Opcode::Mftb => spr_access::move_from,
        Opcode::Mtspr => spr_access::move_to,
        Opcode::Clrbhrb => event_branch::clear_branch_history,
        Opcode::Mfbhrbe => event_branch::read_branch_history,
        Opcode::Darn => random::darn,
        Opcode::Copy => copy_paste::copy,
        Opcode::Paste => copy_paste::paste,
        _ => {
            return multiple::handler(opcode)
                .or_else(|| quadword::handler(opcode))
                .or_else(|| atomic::handler(opcode));
        }
    })
}

/// What works with reservations of 1 to 8 bytes.
fn reservation(opcode: Opcode) -> Option<Code> {
    Some(match opcode {
        Opcode::Lbarx => Code::LoadReserve8,
        Opcode::Lharx => Code::LoadReserve16,
        Opcode::Lwarx => Code::LoadReserve32,
        Opcode::Ldarx => Code::LoadReserve64,
        Opcode::Stbcx => Code::StoreConditional8,
        Opcode::Sthcx => Code::StoreConditional16,
        Opcode::Stwcx => Code::StoreConditional32,
        Opcode::Stdcx => Code::StoreConditional64,
        _ => return None,
    })
}

impl Builder {
    /// `None`: not an instruction of this kind.
    pub(super) fn system(&mut self, opcode: Opcode, word: Word) -> Option<Flow> {
        if is_hypervisors(opcode) {
            return Some(self.program(program::PRIVILEGED));
        }
        if let Some(flow) = self.plain_register(opcode, word) {
            return Some(flow);
        }
        if quadword::is_invalid(opcode, word) {
            return Some(self.program(program::ILLEGAL));
        }
        if opcode == Opcode::Mtspr && spr_access::synchronizes(word.spr()) {
            return Some(self.synchronize(spr_access::move_to, word));
        }
        if let Some(handler) = handler(opcode) {
            self.call(Code::System, Call::System(handler, word));
            return Some(Flow::Next);
        }
        if let Some(code) = reservation(opcode) {
            self.immediate(code, 0, 0, i64::from(word.0));
            return Some(Flow::Next);
        }
        match opcode {
            Opcode::Isync => self.push(self.op(Code::Isync)),
            Opcode::Sync => self.push(self.op(if word.l_sync() == 1 {
                Code::LightFence
            } else {
                Code::Fence
            })),
            Opcode::Eieio => self.push(self.op(Code::LightFence)),
            // Hints; what a copy has read is never kept, and a wait may end at once.
            Opcode::Cpabort
            | Opcode::Wait
            | Opcode::Dcbt
            | Opcode::Dcbtst
            | Opcode::Icbt
            | Opcode::Dst
            | Opcode::Dstt
            | Opcode::Dstst
            | Opcode::Dststt
            | Opcode::Dss
            | Opcode::Dssall => {}
            Opcode::Mtmsr | Opcode::Mtmsrd if word.l_msr() != 0 => {
                self.push(Op {
                    b: word.rs() as Reg,
                    ..self.op(Code::SetInterrupts)
                });
            }
            // Ends the block, so that the processor learns who has decoded what it stored to.
            Opcode::Icbi => return Some(self.synchronize(system::icbi, word)),
            // What follows may be fetched through another segment, or none.
            Opcode::Slbmte => return Some(self.synchronize(system::slbmte, word)),
            Opcode::Slbie => return Some(self.synchronize(system::slbie, word)),
            Opcode::Slbia if self.model >= Model::Power9 => {
                return Some(self.synchronize(system::slbia_by_hint, word));
            }
            Opcode::Slbia => return Some(self.synchronize(system::slbia, word)),
            Opcode::Mtmsr => return Some(self.synchronize(system::mtmsr, word)),
            Opcode::Mtmsrd => return Some(self.synchronize(system::mtmsrd, word)),
            Opcode::Rfebb => return Some(self.synchronize(event_branch::return_from_event, word)),
            Opcode::Rfid => return Some(self.synchronize(system::rfid, word)),
            Opcode::Scv => return Some(self.synchronize(vectored_call::call, word)),
            Opcode::Rfscv => return Some(self.synchronize(vectored_call::return_from_call, word)),
            // What was sent to this thread itself may come at once.
            Opcode::Msgsndp => return Some(self.synchronize(doorbell::send, word)),
            Opcode::Msgclrp => return Some(self.synchronize(doorbell::clear, word)),
            Opcode::Sc => {
                // All bits of LEV but the last are a reserved field, which is ignored.
                let code = if word.lev() & 1 == 0 {
                    Code::SystemCall
                } else {
                    Code::Hypercall
                };
                self.push(self.op(code));
                return Some(Flow::Over);
            }
            _ => return None,
        }
        Some(Flow::Next)
    }

    fn synchronize(&mut self, handler: Handler, word: Word) -> Flow {
        self.call(Code::Synchronize, Call::System(handler, word));
        Flow::Over
    }

    /// A move between a general register and one that is kept like it.
    fn plain_register(&mut self, opcode: Opcode, word: Word) -> Option<Flow> {
        let general = word.rt() as Reg;
        if word.spr() == Spr::XER.number() {
            match opcode {
                Opcode::Mfspr => self.three(Code::FromXer, general, 0, 0),
                Opcode::Mtspr => self.immediate(Code::ToXer, 0, general, xer(self.model) as i64),
                _ => return None,
            }
            return Some(Flow::Next);
        }
        let place = place(Spr::new(word.spr())).filter(|place| place.is_open || !self.mode.is_problem())?;
        match opcode {
            Opcode::Mfspr => self.three(Code::Move, general, place.register, 0),
            Opcode::Mtspr if place.bits == u64::MAX => self.three(Code::Move, place.register, general, 0),
            Opcode::Mtspr => self.immediate(Code::AndImmediate, place.register, general, place.bits as i64),
            _ => return None,
        }
        Some(Flow::Next)
    }
}
