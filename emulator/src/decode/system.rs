//! Storage control, traps, special registers and what only the supervisor executes.

use power::insn::{Opcode, Word};
use power::msr::program;

use super::{Builder, Flow};
use crate::core::Core;
use crate::fault::Fault;
use crate::ir::{Call, Code, Op};
use crate::regs::{CTR, LR, Reg};
use crate::{reservation, special, system};

/// Instructions that problem state may not execute, or that belong to the hypervisor.
pub(super) fn is_privileged(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Rfid
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
            | Opcode::Lwzcix
            | Opcode::Lhzcix
            | Opcode::Lbzcix
            | Opcode::Ldcix
            | Opcode::Stwcix
            | Opcode::Sthcix
            | Opcode::Stbcix
            | Opcode::Stdcix
            | Opcode::Tlbie
            | Opcode::Tlbiel
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
        Opcode::Mfspr | Opcode::Mftb => special::move_from,
        Opcode::Mtspr => special::move_to,
        Opcode::Lbarx => reservation::load::<u8>,
        Opcode::Lharx => reservation::load::<u16>,
        Opcode::Lwarx => reservation::load::<u32>,
        Opcode::Ldarx => reservation::load::<u64>,
        Opcode::Stbcx => reservation::store::<u8>,
        Opcode::Sthcx => reservation::store::<u16>,
        Opcode::Stwcx => reservation::store::<u32>,
        Opcode::Stdcx => reservation::store::<u64>,
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
        if let Some(handler) = handler(opcode) {
            self.call(Code::System, Call::System(handler, word));
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
            // Hints.
            Opcode::Dcbt
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
            Opcode::Slbia => return Some(self.synchronize(system::slbia, word)),
            Opcode::Mtmsr => return Some(self.synchronize(system::mtmsr, word)),
            Opcode::Mtmsrd => return Some(self.synchronize(system::mtmsrd, word)),
            Opcode::Rfid => return Some(self.synchronize(system::rfid, word)),
            Opcode::Sc => {
                let code = match word.lev() {
                    0 => Code::SystemCall,
                    1 => Code::Hypercall,
                    _ => return Some(self.program(program::ILLEGAL)),
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

    /// LR and CTR are registers like others.
    fn plain_register(&mut self, opcode: Opcode, word: Word) -> Option<Flow> {
        let register = match word.spr() {
            8 => LR,
            9 => CTR,
            _ => return None,
        };
        match opcode {
            Opcode::Mfspr => self.three(Code::Move, word.rt() as Reg, register, 0),
            Opcode::Mtspr => self.three(Code::Move, register, word.rs() as Reg, 0),
            _ => return None,
        }
        Some(Flow::Next)
    }
}
