//! A processor: finds blocks, executes them, takes interrupts between them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hpt::{Access, Footprint, Invalidation};
use power::insn::Word;
use power::msr::Msr;

use crate::block::{BlockId, Blocks};
use crate::core::{Core, SLICE};
use crate::decode;
use crate::dump::Dump;
use crate::fault::Fault;
use crate::interp::{Stop, execute};
use crate::line::Line;
use crate::ram::Scalar;
use crate::regs::Reg;
use crate::self_check::{SelfCheck, StaleReport};
use crate::shared::Shared;
use crate::timebase::Timebase;
use crate::trap::Trap;

/// Interrupts in a row, without an instruction executed between them, that mean the guest is lost:
/// its interrupt handlers themselves cannot be fetched.
const MOST_INTERRUPTS: u32 = 16;

/// Why [`Cpu::run`] returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The guest executed `sc 1`; the program counter is after it.
    Hypercall,
    /// Somebody rang the processor's [`Line`].
    Attention,
    /// Memory that an instruction needs is withheld from it: it has not been executed, the program counter is at it. Who runs the processor has it
    /// leave its seat, waits with [`hpt::Frames::wait_for`], and runs it again.
    Withheld {
        /// Real address of the byte.
        real: u64,
        /// What the instruction would do there.
        access: Access,
    },
    /// The processor cannot go on, for this reason.
    Checkstop(String),
}

/// One POWER8 processor.
pub struct Cpu {
    core: Core,
    blocks: Blocks,
    /// Interrupts since the last executed instruction.
    interrupts: u32,
}

impl Cpu {
    /// Processor number `server` (also its interrupt server) of a partition; `line` are the wires into
    /// it, and `footprint` is where it keeps account of the translations that it holds.
    pub fn new(server: u32, shared: Arc<Shared>, line: Arc<Line>, footprint: Arc<Footprint>) -> Self {
        let core = Core::new(server, shared, line, footprint);
        Self {
            core,
            blocks: Blocks::default(),
            interrupts: 0,
        }
    }

    /// Sets where the processor starts, with what in r3, and in which mode.
    pub fn start(&mut self, pc: u64, r3: u64, msr: Msr) {
        self.core.set_msr(msr);
        self.core.pc = pc & !3;
        self.core.regs[3] = r3;
    }

    /// Runs until something needs the caller.
    pub fn run(&mut self) -> Exit {
        // Coming from the hypervisor is context synchronising: it may have written code.
        self.core.look_at_code();
        self.core.table.follow();
        if self.core.self_check.is_some() {
            self.core.check_sample();
        }
        let mut from = None;
        loop {
            if !self.core.may_go_on() {
                if self.attend() {
                    return Exit::Attention;
                }
                from = None;
            }
            if self.core.interrupt_due() {
                self.take_interrupt();
                from = None;
            }
            let block = match self.next_block(from) {
                Ok(block) => block,
                Err(Fault) => {
                    let pc = self.core.pc;
                    if let Some(exit) = self.deliver_fault(pc) {
                        return exit;
                    }
                    from = None;
                    continue;
                }
            };
            let before = self.core.instructions;
            let stop = execute(&mut self.core, &self.blocks, block);
            if self.core.instructions != before {
                self.interrupts = 0;
            }
            from = None;
            match stop {
                Stop::Link(link) => from = Some(link),
                Stop::Register | Stop::Jump => {}
                Stop::Fault(at) => {
                    let pc = self.core.pc.wrapping_add(4 * u64::from(at)) & self.core.pc_mask;
                    if let Some(exit) = self.deliver_fault(pc) {
                        return exit;
                    }
                }
                Stop::Raise => {
                    let pc = self.core.pc;
                    if let Some(exit) = self.deliver_fault(pc) {
                        return exit;
                    }
                }
                Stop::Hypercall => return Exit::Hypercall,
            }
        }
    }

    /// Delivers the interrupt that an instruction at `pc` raised, or leaves for the memory that it needs. The processor stops when its
    /// handlers raise interrupts before their first instruction has completed.
    fn deliver_fault(&mut self, pc: u64) -> Option<Exit> {
        if let Some((real, access)) = self.core.withheld.take() {
            self.core.pc = pc;
            return Some(Exit::Withheld { real, access });
        }
        let Some(trap) = self.core.trap.take() else {
            return Some(Exit::Checkstop("an instruction failed without an interrupt".to_owned()));
        };
        if let Trap::MachineCheck { dar } = trap
            && !self.core.msr().has(Msr::ME)
        {
            return Some(Exit::Checkstop(format!(
                "machine check at {dar:#x} while machine checks are off"
            )));
        }
        self.interrupts += 1;
        if self.interrupts > MOST_INTERRUPTS {
            let reason = format!(
                "the handler of interrupt {:#x} cannot be executed ({trap:x?})",
                trap.vector()
            );
            return Some(Exit::Checkstop(reason));
        }
        self.core.deliver(trap, pc);
        None
    }

    /// Looks at everything that is not looked at for each block; whether somebody rang.
    fn attend(&mut self) -> bool {
        if self.core.slice <= 0 {
            self.core.slice = SLICE;
            self.core.special.look_at_decrementer();
            if self.core.footprint.is_crowded() {
                self.core.invalidate(&Invalidation::All);
            }
        }
        if !self.core.line.answer() {
            return false;
        }
        self.core.drop_revoked();
        self.core.look_at_code();
        true
    }

    fn take_interrupt(&mut self) {
        let trap = if self.core.line.external() {
            Trap::External
        } else {
            Trap::Decrementer
        };
        if trap == Trap::Decrementer && !self.core.special.look_at_decrementer() {
            return;
        }
        let pc = self.core.pc;
        self.core.deliver(trap, pc);
    }

    /// The block at the program counter, by link, jump cache, real address, or newly decoded.
    #[inline(always)]
    fn next_block(&mut self, from: Option<u32>) -> Result<BlockId, Fault> {
        let pc = self.core.pc;
        if let Some(link) = from
            && let Some(block) = self.blocks.follow(link, pc, &self.core.fetch)
        {
            return Ok(block);
        }
        if let Some(block) = self.blocks.jump(pc, self.core.mode(), &self.core.fetch) {
            if let Some(link) = from {
                self.blocks.set_link(link, pc, block, self.core.fetch.stamp(pc));
            }
            return Ok(block);
        }
        self.find_block(from)
    }

    #[cold]
    #[inline(never)]
    fn find_block(&mut self, mut from: Option<u32>) -> Result<BlockId, Fault> {
        let pc = self.core.pc;
        let real = self.core.translate_fetch(pc)?;
        if self.core.fetch.take_wrapped() {
            self.blocks = Blocks::default();
            from = None;
        }
        let (generation, newly) = self.core.shared.code.mark_code(real, &self.core.subscription);
        if newly {
            self.core.tlb.revoke_store(real >> crate::code_pages::SHIFT);
        }
        let mode = self.core.mode();
        let block = match self.blocks.find(real, mode, generation) {
            Some(block) => block,
            None => {
                if self.blocks.make_room() {
                    from = None;
                }
                self.decode(real, generation)
            }
        };
        let stamp = self.core.fetch.stamp(pc);
        self.blocks.set_jump(pc, mode, block, stamp);
        if let Some(link) = from {
            self.blocks.set_link(link, pc, block, stamp);
        }
        Ok(block)
    }

    fn decode(&mut self, real: u64, generation: u32) -> BlockId {
        let page = 1u64 << crate::code_pages::SHIFT;
        let in_page = (page - real % page) / 4;
        let (ram, mode) = (&self.core.ram, self.core.mode());
        let draft = decode::block(self.blocks.draft(), mode, in_page, self.blocks.next_call(), |at| {
            // The page is RAM: the fetch was translated, and RAM is whole pages.
            let word: u32 = ram.load(real + 4 * at).unwrap_or(0);
            Word(word.to_order(mode.is_little()))
        });
        self.blocks.add(&draft, real, mode, generation)
    }

    /// A general register.
    pub fn gpr(&self, number: usize) -> u64 {
        self.core.regs[(number & 31) as Reg]
    }

    /// Sets a general register.
    pub fn set_gpr(&mut self, number: usize, value: u64) {
        self.core.regs[(number & 31) as Reg] = value;
    }

    /// Address of the next instruction.
    pub fn pc(&self) -> u64 {
        self.core.pc
    }

    /// The machine state register.
    pub fn msr(&self) -> Msr {
        self.core.msr()
    }

    /// Sets the machine state register.
    pub fn set_msr(&mut self, msr: Msr) {
        self.core.set_msr(msr);
    }

    /// A special purpose register by number. `None`: there is none.
    pub fn spr(&self, number: u16) -> Option<u64> {
        self.core.read_spr(number)
    }

    /// Sets a special purpose register by number. `None`: there is none.
    pub fn set_spr(&mut self, number: u16, value: u64) -> Option<()> {
        self.core.write_spr(number, value)
    }

    /// Drops translations that the table no longer gives.
    pub fn invalidate(&mut self, what: &Invalidation) {
        self.core.invalidate(what);
    }

    /// From now on compares what the processor remembers of the table with the table while it runs, which
    /// its [`Seat`](hpt::Seat) must allow, and tells `report` of each difference.
    pub fn check_itself(&mut self, report: StaleReport) {
        self.core.self_check = Some(SelfCheck::new(report));
    }

    /// Whether an external or decrementer interrupt waits, whatever MSR\[EE\] says.
    pub fn interrupt_pending(&self) -> bool {
        self.core.line.external() || self.core.special.decrementer_expired()
    }

    /// How long until the decrementer interrupts; zero when it has.
    pub fn decrementer_remaining(&self) -> Duration {
        Timebase::duration(self.core.special.decrementer_ticks())
    }

    /// Instructions executed so far.
    pub fn instructions(&self) -> u64 {
        self.core.instructions
    }

    /// Instruction words that the guest executed and this processor does not have, with their counts.
    pub fn unknown_instructions(&self) -> &BTreeMap<u32, u64> {
        self.core.unknown()
    }

    /// All registers, to be shown.
    pub fn dump(&self) -> impl fmt::Display {
        Dump(&self.core)
    }

    /// The state that instructions work on, for tests that compare with other implementations.
    pub fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}
