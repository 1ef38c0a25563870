//! A processor: finds blocks, executes them, takes interrupts between them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hpt::{Access, Footprint, Invalidation};
use power::insn::Word;
use power::msr::Msr;

use crate::block::{BlockId, Blocks, Link};
use crate::compile::Setting;
use crate::core::Core;
use crate::counts::Counts;
use crate::decode;
use crate::dump::Dump;
use crate::fault::Fault;
use crate::heat::Compile;
use crate::interp::{Stop, execute, execute_one};
use crate::line::Line;
use crate::outside::{Asked, Need, Operand};
use crate::profile::{self, Decoding, Executed};
use crate::ram::Scalar;
use crate::regs::Reg;
use crate::self_check::{SelfCheck, StaleReport};
use crate::shared::Shared;
use crate::timebase::Timebase;

/// Interrupts in a row, without an instruction executed between them, that mean the guest is lost:
/// its interrupt handlers themselves cannot be fetched.
const MOST_INTERRUPTS: u32 = 16;

/// Why [`Cpu::run`] returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The guest executed `sc 1`; the program counter is after it.
    Hypercall,
    /// Somebody rang the processor's [`Line`], or its turn is over.
    Attention,
    /// Memory that an instruction needs is withheld from it: it has not been executed, the program counter is at it. Who runs the processor has it
    /// leave its seat, waits with [`hpt::Frames::wait_for`], and runs it again.
    Withheld {
        /// Real address of the byte.
        real: u64,
        /// What the instruction would do there.
        access: Access,
    },
    /// An instruction loads from an address outside of memory. It has not been executed, the program counter is at it. Whoever runs the
    /// processor gives it the device's answer with [`Cpu::answer`], and runs it again.
    Load {
        /// Real address, a multiple of the size.
        real: u64,
        /// 1, 2, 4 or 8 bytes.
        bytes: usize,
    },
    /// An instruction stores there, likewise. Whoever runs the processor again has made the store.
    Store {
        /// Real address, a multiple of the size.
        real: u64,
        /// What it stores.
        operand: Operand,
    },
    /// The processor cannot go on, for this reason.
    Checkstop(String),
}

/// One processor, on cache lines of its own.
#[repr(align(128))]
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

    /// Makes the processor as a new one, which is more than a system reset does: no breakpoint, key, doorbell or event of before goes on, and
    /// whoever is started next finds no value of before in a register or the SLB. What it has counted stays.
    pub fn reset(&mut self) {
        self.core.reset();
    }

    /// Sets where the processor starts, with what in r3, and in which mode.
    pub fn start(&mut self, pc: u64, r3: u64, msr: Msr) {
        self.core.set_msr(msr);
        self.core.pc = pc & !3;
        self.core.regs[3] = r3;
    }

    /// What a device has for the load that [`Self::run`] left for ([`Exit::Load`]), in the order of addresses. The load asks again
    /// if the processor runs without it.
    ///
    /// # Panics
    /// When they are not as many bytes as the last exit asked for.
    pub fn answer(&mut self, bytes: &[u8]) {
        self.core.journal.answer(bytes);
    }

    /// Its turn begins: [`Self::run`] returns at the latest when it has executed so many instructions, and the rest of a block. Without this, it has no
    /// end.
    pub fn begin_turn(&mut self, instructions: u64) {
        self.core.begin_turn(instructions);
    }

    /// Whether its turn is over.
    pub fn is_turn_over(&self) -> bool {
        self.core.is_turn_over()
    }

    /// Runs until something needs the caller. A time base that is counted has counted what was executed.
    pub fn run(&mut self) -> Exit {
        let exit = self.go_on();
        self.core.tell_time();
        exit
    }

    fn go_on(&mut self) -> Exit {
        // Coming from the hypervisor is context synchronising: it may have written code.
        self.core.look_at_code();
        self.core.table.follow();
        if self.core.self_check.is_some() {
            self.core.check_sample();
        }
        if self.core.journal.begin()
            && let Some(exit) = self.execute_again()
        {
            return exit;
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
                Ok(block) => self.compile_if_hot(block),
                Err(Fault) => {
                    let pc = self.core.pc;
                    if let Some(exit) = self.deliver_fault(pc) {
                        return exit;
                    }
                    from = None;
                    continue;
                }
            };
            match self.execute_block(block) {
                Ok(link) => from = link,
                Err(exit) => return exit,
            }
        }
    }

    /// Executes a block, those that known ways lead to from there, and what they raise; the link that the last one was left through, if its
    /// way is not known.
    #[inline(always)]
    fn execute_block(&mut self, block: BlockId) -> Result<Option<Link>, Exit> {
        let traced = self.core.traced_instruction();
        if traced.is_some() {
            self.core.end_slice();
        }
        let before = self.core.left();
        let stop = if self.core.mode().is_traced() {
            // One block, which is one instruction, and back here.
            execute_one(&mut self.core, &self.blocks, block)
        } else {
            execute(&mut self.core, &self.blocks, block)
        };
        if self.core.left() != before {
            self.interrupts = 0;
        }
        if let Some(traced) = traced
            && matches!(stop, Stop::Near(_) | Stop::Far(_) | Stop::Register | Stop::Jump)
            && let Some(trap) = self.core.trace(traced)
        {
            let pc = self.core.pc;
            self.core.deliver(trap, pc);
            return Ok(None);
        }
        let faulted = match stop {
            Stop::Near(link) => return Ok(Some(Link::Near(link))),
            Stop::Far(link) => return Ok(Some(Link::Far(link))),
            Stop::Register | Stop::Jump => return Ok(None),
            Stop::Hypercall => return Err(Exit::Hypercall),
            Stop::Fault(at) => self.core.pc.wrapping_add(4 * u64::from(at)) & self.core.pc_mask,
            Stop::Raise => self.core.pc,
        };
        self.deliver_fault(faulted).map_or(Ok(None), Err)
    }

    /// Executes the instruction at the program counter, and no other, with what devices have answered it. They have seen its accesses, so neither
    /// a ring nor an interrupt from outside comes before it.
    #[cold]
    fn execute_again(&mut self) -> Option<Exit> {
        self.core.begin_single();
        let exit = match self.next_block(None) {
            Ok(block) => self.execute_block(block).err(),
            Err(Fault) => self.deliver_fault(self.core.pc),
        };
        self.core.end_single();
        let is_to_come_again = matches!(
            exit,
            Some(Exit::Load { .. } | Exit::Store { .. } | Exit::Withheld { .. })
        );
        if !is_to_come_again {
            self.core.journal.void();
        }
        exit
    }

    /// Delivers the interrupt that an instruction at `pc` raised, or leaves for what it needs. The processor stops when its
    /// handlers raise interrupts before their first instruction has completed.
    fn deliver_fault(&mut self, pc: u64) -> Option<Exit> {
        let exit = match self.core.need.take() {
            None => None,
            Some(Need::Memory { real, access }) => Some(Exit::Withheld { real, access }),
            Some(Need::Device(Asked::Load(real, bytes))) => Some(Exit::Load {
                real,
                bytes: bytes.into(),
            }),
            Some(Need::Device(Asked::Store(real, operand))) => Some(Exit::Store { real, operand }),
            Some(Need::Pieces { ea }) => {
                self.core.trap = Some(self.core.in_pieces(pc, ea));
                None
            }
        };
        if exit.is_some() {
            self.core.pc = pc;
            return exit;
        }
        let Some(trap) = self.core.trap.take() else {
            return Some(Exit::Checkstop("an instruction failed without an interrupt".to_owned()));
        };
        if trap.is_machine_check() && !self.core.msr().has(Msr::ME) {
            let at = trap.data().map_or(pc, |(dar, _)| dar);
            return Some(Exit::Checkstop(format!(
                "machine check at {at:#x} while machine checks are off"
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

    /// Looks at everything that is not looked at for each block; whether somebody rang, or the turn is over.
    fn attend(&mut self) -> bool {
        if self.core.left() <= 0 {
            self.core.begin_slice();
            self.core.tell_time();
            self.core.special.look_at_decrementer();
            if self.core.footprint.is_crowded() {
                self.core.invalidate(&Invalidation::All);
            }
        }
        if !self.core.line.answer() {
            return self.core.is_turn_over();
        }
        self.core.drop_revoked();
        self.core.look_at_code();
        true
    }

    fn take_interrupt(&mut self) {
        match self.core.next_interrupt() {
            Some(trap) => {
                let pc = self.core.pc;
                self.core.deliver(trap, pc);
            }
            None => self.core.take_event_branch(),
        }
    }

    /// The block at the program counter, by link, jump cache, real address, or newly decoded.
    #[inline(always)]
    fn next_block(&mut self, from: Option<Link>) -> Result<BlockId, Fault> {
        let pc = self.core.pc;
        let mode = self.core.mode();
        if let Some(block) = self.blocks.jump(pc, mode, &self.core.fetch) {
            self.core.counts.jumps.hits += 1;
            if let Some(link) = from {
                self.blocks.set_link(link, pc, block, &self.core.fetch);
            }
            if self.blocks.is_jump_behind(pc, mode) {
                self.blocks.set_jump(pc, mode, block, &self.core.fetch);
            }
            return Ok(block);
        }
        self.find_block(from)
    }

    /// Compiles a block that is about to be executed if that has become worth it; the block.
    #[inline(always)]
    fn compile_if_hot(&mut self, block: BlockId) -> BlockId {
        if self.core.heat.is_hot(block) {
            self.compile(block);
        }
        block
    }

    #[cold]
    #[inline(never)]
    fn compile(&mut self, block: BlockId) {
        let mode = self.core.mode();
        // Where there is no room, all blocks go when the next one is decoded.
        if mode.is_traced() || self.blocks.compiler().is_full() {
            return;
        }
        let setting = Setting {
            is_wide: mode.is_wide(),
            offset: self.core.pc % decode::PAGE,
            all_exits: self.core.heat.all_at_once(),
        };
        let is_new = self.blocks.compile(block, setting);
        self.core.counts.code.compiled += u64::from(is_new);
    }

    #[cold]
    #[inline(never)]
    fn find_block(&mut self, mut from: Option<Link>) -> Result<BlockId, Fault> {
        let pc = self.core.pc;
        self.core.counts.jumps.misses += 1;
        let real = self.core.translate_fetch(pc)?;
        if self.core.fetch.take_wrapped() {
            let dropped = self.blocks.len();
            self.blocks.clear();
            self.note_emptied(dropped);
            from = None;
        }
        let (generation, newly) = self.core.shared.code.mark_code(real, &self.core.subscription);
        if newly {
            self.core.tlb.revoke_store(real >> crate::code_pages::SHIFT);
        }
        let mode = self.core.mode();
        let block = match self.blocks.find(real, mode, generation) {
            Some(block) => {
                self.core.counts.blocks.hits += 1;
                block
            }
            None => {
                self.core.counts.blocks.misses += 1;
                let before = self.blocks.len();
                let is_full = self.core.profile.is_full() || self.blocks.compiler().is_full();
                if self.blocks.make_room(is_full) {
                    self.note_emptied(before);
                    from = None;
                }
                self.decode(real, generation)
            }
        };
        self.blocks.set_jump(pc, mode, block, &self.core.fetch);
        if let Some(link) = from {
            self.blocks.set_link(link, pc, block, &self.core.fetch);
        }
        Ok(block)
    }

    /// So many blocks have been dropped, all that there were.
    fn note_emptied(&mut self, dropped: usize) {
        self.core.counts.code.emptied += 1;
        self.core.counts.blocks.evicted += dropped as u64;
        let executed = self.core.instructions();
        self.core.profile.drop_blocks(executed);
    }

    fn decode(&mut self, real: u64, generation: u32) -> BlockId {
        let offset = real % (1 << crate::code_pages::SHIFT);
        let (ram, mode) = (&self.core.ram, self.core.mode());
        let mut draft = self.blocks.draft();
        let is_counted = self.core.profile.is_on();
        if is_counted {
            draft.ops.push(self.core.profile.first_op());
        }
        let mut decoding = Decoding::new(real, self.core.pc, mode);
        let setting = decode::Setting {
            mode,
            model: self.core.model(),
            offset,
            first_call: self.blocks.next_call(),
        };
        let draft = decode::block(draft, setting, |at| {
            // The page is RAM: the fetch was translated, and RAM is whole pages.
            let word: u32 = ram.load(real + 4 * at).unwrap_or(0);
            let word = word.to_order(mode.is_little());
            decoding.note(at, word);
            Word(word)
        });
        if is_counted {
            self.core.profile.add(&decoding, &draft.ops);
        }
        let counts = &mut self.core.counts;
        counts.code.instructions += u64::from(profile::length(&draft.ops));
        counts.blocks.filled += 1;
        let before = self.blocks.len();
        let block = self.blocks.add(&draft, real, mode, generation);
        // One of older code made way.
        counts.blocks.evicted += u64::from(self.blocks.len() == before);
        block
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

    /// Whether an interrupt waits for MSR\[EE\], whatever that says.
    pub fn interrupt_pending(&self) -> bool {
        self.core.interrupt_pending()
    }

    /// How long until the decrementer interrupts; zero when it has.
    pub fn decrementer_remaining(&self) -> Duration {
        Timebase::duration(self.core.special.decrementer_ticks())
    }

    /// Instructions executed so far.
    pub fn instructions(&self) -> u64 {
        self.core.instructions()
    }

    /// What is counted in any case.
    pub fn counts(&self) -> &Counts {
        &self.core.counts
    }

    /// Says which blocks are compiled to machine code of the host, where there is a compiler for it; until then [`Compile::USUAL`].
    pub fn set_compile(&mut self, when: Compile) {
        self.core.heat.set(when);
    }

    /// From here on counts executed blocks, which costs some of its speed. To be called before the first [`Self::run`]: blocks that are
    /// decoded already are not counted.
    pub fn count_blocks(&mut self) {
        let executed = self.core.instructions();
        self.core.profile.begin(executed);
    }

    /// What was executed since [`Self::count_blocks`], or since the last call. `None`: blocks are not counted. Those that
    /// are decoded are dropped, so this is for the end of a run.
    pub fn take_executed(&mut self) -> Option<Executed> {
        let executed = self.core.instructions();
        let taken = self.core.profile.take(executed);
        if taken.is_some() {
            self.blocks.clear();
        }
        taken
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
