//! The state of one processor: everything that an instruction can read or write.

use std::collections::BTreeMap;
use std::sync::Arc;

use hpt::{Access, Admission, Footprint, View};
use power::model::Model;
use power::msr::Msr;
use power::spr::Spr;

use crate::authority::Denied;
use crate::block::Tables;
use crate::breakpoints::Breakpoints;
use crate::code_pages::Subscription;
use crate::counts::Counts;
use crate::fault::Fault;
use crate::fetch::FetchCache;
use crate::heat::Heat;
use crate::interp::PackedStop;
use crate::line::Line;
use crate::outside::{Journal, Need};
use crate::profile::Profile;
use crate::ram::Ram;
use crate::regs::Regs;
use crate::reservation::Reservation;
use crate::self_check::SelfCheck;
use crate::shared::Shared;
use crate::slb::{Kept, Slb};
use crate::special::Special;
use crate::spr_place::{DAR, DSISR, SRR0, SRR1};
use crate::tlb::{Context, PageCache, Tlb};
use crate::trap::Trap;
use crate::vsu::Vsu;

/// Instructions between two looks at the clock: some tens of microseconds.
const SLICE: i32 = 16384;

/// How many different unknown instructions are told apart.
const MOST_UNKNOWN: usize = 256;

/// The state of one processor.
pub struct Core {
    /// Registers that the intermediate form works on.
    pub regs: Regs,
    /// Floating-point and vector registers.
    pub vsu: Vsu,
    /// Special purpose registers.
    pub special: Special,
    /// Address of the block that is executed; between blocks, of the next instruction.
    pub pc: u64,
    msr: Msr,
    mode: Mode,
    pub(crate) slb: Slb,
    pub(crate) tlb: Tlb,
    pub(crate) pages: PageCache,
    pub(crate) fetch: FetchCache,
    /// How loads and stores are translated.
    pub(crate) data: Context,
    /// Address bits that a branch keeps: 32 of them in 32-bit mode.
    pub(crate) pc_mask: u64,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) breakpoints: Breakpoints,
    /// What AMR and IAMR deny.
    pub(crate) denied: Denied,
    pub(crate) shared: Arc<Shared>,
    /// The same as in `shared`, one step nearer.
    pub(crate) ram: Ram,
    pub(crate) line: Arc<Line>,
    pub(crate) subscription: Arc<Subscription>,
    /// What this processor may hold of the table, for those who change it.
    pub(crate) footprint: Arc<Footprint>,
    /// The guest's page table.
    pub(crate) table: View,
    /// The interrupt of the instruction that returned [`Fault`].
    pub(crate) trap: Option<Trap>,
    /// What the instruction which returned [`Fault`] needs, if that was no interrupt.
    pub(crate) need: Option<Need>,
    /// What devices have answered the instruction that is executed.
    pub(crate) journal: Journal,
    /// Epoch of the code when it was last looked at.
    pub(crate) epoch: u64,
    /// Processor number, as PIR and the interrupt server.
    pub(crate) server: u32,
    /// Compares what this processor remembers with the table, if it does.
    pub(crate) self_check: Option<SelfCheck>,
    unknown: BTreeMap<u32, u64>,
    /// Instructions executed before this slice.
    before: u64,
    /// Instructions left until the clock is looked at, without those of the burst.
    slice: i32,
    /// After how many instructions its turn is over.
    turn_end: u64,
    /// How many a counted time base knows of.
    told: u64,
    /// How the execution of blocks was left.
    pub(crate) stop: PackedStop,
    /// Instructions left of the burst. Blocks are executed whole, so it may have become negative.
    burst: i32,
    /// What is counted always.
    pub(crate) counts: Counts,
    /// What is counted on request.
    pub(crate) profile: Profile,
    /// Which blocks are executed often.
    pub(crate) heat: Heat,
    /// What machine code needs of the processor's blocks.
    pub(crate) anchors: Anchors,
}

/// Addresses that machine code finds here instead of where they come from.
#[derive(Clone, Copy, Default)]
pub(crate) struct Anchors {
    /// Of what leads from block to block.
    pub(crate) tables: Tables,
    /// Of [`Blocks`](crate::block::Blocks).
    pub(crate) blocks: u64,
    /// Of the line's attention.
    pub(crate) attention: u64,
}

/// Where machine code finds the parts of a [`Core`], in bytes.
pub(crate) mod layout {
    use std::mem::offset_of;

    use super::Core;
    use crate::{fetch, ram, regs, tlb};

    pub const REGS: usize = offset_of!(Core, regs) + regs::FILE_AT;
    pub const PC: usize = offset_of!(Core, pc);
    pub const MSR: usize = offset_of!(Core, msr);
    pub const MODE: usize = offset_of!(Core, mode);
    pub const DATA: usize = offset_of!(Core, data);
    pub const STOP: usize = offset_of!(Core, stop);
    pub const BURST: usize = offset_of!(Core, burst);
    pub const TLB_ENTRIES: usize = offset_of!(Core, tlb) + tlb::layout::ENTRIES_AT;
    pub const FETCH_ENTRIES: usize = offset_of!(Core, fetch) + fetch::layout::ENTRIES_AT;
    pub const FETCH_CONTEXT: usize = offset_of!(Core, fetch) + fetch::layout::CONTEXT;
    pub const ERA: usize = offset_of!(Core, fetch) + fetch::layout::ERA;
    pub const RAM_BASE: usize = offset_of!(Core, ram) + ram::layout::BASE;
    pub const LINKS: usize = offset_of!(Core, anchors.tables.links);
    pub const JUMPS: usize = offset_of!(Core, anchors.tables.jumps);
    pub const ATTENTION: usize = offset_of!(Core, anchors.attention);
}

/// What decoding depends on: the part of the MSR that is fixed while a block runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Mode(u8);

impl Mode {
    const LITTLE: u8 = 1;
    const WIDE: u8 = 2;
    const PROBLEM: u8 = 4;
    const TRACED: u8 = 8;

    fn of(msr: Msr) -> Self {
        let bits = [(Msr::LE, Self::LITTLE), (Msr::SF, Self::WIDE), (Msr::PR, Self::PROBLEM)];
        Self(
            bits.iter()
                .filter(|(bit, _)| msr.has(*bit))
                .fold(0, |mode, (_, bit)| mode | bit),
        )
    }

    /// As a small number.
    pub const fn index(self) -> u8 {
        self.0
    }

    /// Little-endian.
    pub const fn is_little(self) -> bool {
        self.0 & Self::LITTLE != 0
    }

    /// 64-bit.
    pub const fn is_wide(self) -> bool {
        self.0 & Self::WIDE != 0
    }

    /// Problem state.
    pub const fn is_problem(self) -> bool {
        self.0 & Self::PROBLEM != 0
    }

    /// Any instruction may end with a trace interrupt.
    pub const fn is_traced(self) -> bool {
        self.0 & Self::TRACED != 0
    }
}

impl Core {
    pub(crate) fn new(server: u32, shared: Arc<Shared>, line: Arc<Line>, footprint: Arc<Footprint>) -> Self {
        let subscription = shared.code.subscribe(&line);
        let mut core = Self {
            regs: Regs::default(),
            vsu: Vsu::default(),
            special: Special::new(shared.timebase.clone()),
            pc: 0,
            msr: Msr::default(),
            mode: Mode(0),
            slb: Slb::default(),
            tlb: Tlb::default(),
            pages: PageCache::default(),
            fetch: FetchCache::default(),
            data: Context::Real,
            pc_mask: u64::MAX,
            reservation: None,
            breakpoints: Breakpoints::default(),
            denied: Denied::default(),
            epoch: shared.code.epoch(),
            ram: shared.ram.clone(),
            table: shared.table.view(),
            shared,
            line,
            subscription,
            footprint,
            trap: None,
            need: None,
            journal: Journal::default(),
            server,
            self_check: None,
            unknown: BTreeMap::new(),
            before: 0,
            slice: SLICE,
            turn_end: u64::MAX,
            told: 0,
            stop: PackedStop::default(),
            burst: 0,
            counts: Counts::default(),
            profile: Profile::default(),
            heat: Heat::default(),
            anchors: Anchors::default(),
        };
        core.anchors.attention = core.line.attention_at();
        core.set_msr(Msr::from_raw(Msr::SF | Msr::ME));
        core
    }

    /// The machine state register.
    pub fn msr(&self) -> Msr {
        self.msr
    }

    /// Makes the registers and the SLB what they are in a new processor: nothing that was asked of this one goes on, and nothing that it
    /// had is to be seen.
    pub(crate) fn reset(&mut self) {
        self.regs = Regs::default();
        self.vsu = Vsu::default();
        self.special.reset();
        self.slb_invalidate_all(Kept::None);
        self.set_authority(Spr::AMR, 0);
        self.set_watchpoint(Some(0), Some(0));
        self.set_instruction_breakpoint(0);
        self.reservation = None;
        self.journal.void();
    }

    /// Sets the machine state register and what follows from it. Bits that a partition cannot set are dropped;
    /// problem state implies EE, IR and DR.
    pub fn set_msr(&mut self, msr: Msr) {
        let mut raw = msr.raw() & Msr::WRITABLE;
        if raw & Msr::PR != 0 {
            raw |= Msr::EE | Msr::IR | Msr::DR;
        }
        self.msr = Msr::from_raw(raw);
        self.set_mode();
        self.pc_mask = if self.mode.is_wide() { u64::MAX } else { 0xffff_ffff };
        self.data = self.context_of(Msr::DR);
        self.fetch.set_context(self.context_of(Msr::IR));
        self.obey();
    }

    /// Sets the mode that follows from the MSR.
    fn set_mode(&mut self) {
        self.mode = Mode::of(self.msr);
        if self.breakpoints.trace_in(self.msr) {
            self.mode.0 |= Mode::TRACED;
        }
    }

    /// Makes the next block one instruction, until [`Self::end_single`].
    pub(crate) fn begin_single(&mut self) {
        self.mode.0 |= Mode::TRACED;
    }

    /// Blocks are as long as the MSR lets them be.
    pub(crate) fn end_single(&mut self) {
        self.set_mode();
    }

    /// Sets the MSR where only EE and RI may differ from what it is.
    #[inline(always)]
    pub(crate) fn set_interrupt_bits(&mut self, msr: Msr) {
        self.msr = msr;
    }

    /// Whether something that waits for MSR\[EE\] may be taken now.
    #[inline(always)]
    pub(crate) fn interrupt_due(&self) -> bool {
        self.msr.has(Msr::EE) && (self.line.external() || self.special.pending.any(self.mode.is_problem()))
    }

    fn context_of(&self, relocation: u64) -> Context {
        match (self.msr.has(relocation), self.msr.has(Msr::PR)) {
            (false, _) => Context::Real,
            (true, false) => Context::Privileged,
            (true, true) => Context::Problem,
        }
    }

    /// The processor's model, which the partition has chosen.
    pub(crate) fn model(&self) -> Model {
        self.shared.model
    }

    /// What decoding depends on.
    #[inline(always)]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Counts executed instructions.
    #[inline(always)]
    pub(crate) fn count(&mut self, executed: u32) {
        // A block has 64 at most.
        self.burst -= executed as i32;
    }

    /// Instructions executed so far.
    pub(crate) fn instructions(&self) -> u64 {
        self.before.wrapping_add((SLICE - self.left()) as u64)
    }

    /// Instructions left until the clock is looked at.
    #[inline(always)]
    pub(crate) fn left(&self) -> i32 {
        self.slice + self.burst
    }

    /// The clock has been looked at.
    pub(crate) fn begin_slice(&mut self) {
        let turn = self.turn_end.saturating_sub(self.instructions());
        self.set_slice(turn.min(SLICE as u64) as i32);
    }

    /// The slice is over after the next block.
    pub(crate) fn end_slice(&mut self) {
        self.set_slice(0);
    }

    /// The slice has so many instructions from here on.
    fn set_slice(&mut self, left: i32) {
        self.before = self.instructions().wrapping_sub((SLICE - left) as u64);
        (self.slice, self.burst) = (left, 0);
    }

    /// The processor's turn is over after so many instructions more.
    pub(crate) fn begin_turn(&mut self, instructions: u64) {
        self.turn_end = self.instructions().saturating_add(instructions);
        self.begin_slice();
    }

    /// Whether it is.
    pub(crate) fn is_turn_over(&self) -> bool {
        self.instructions() >= self.turn_end
    }

    /// Moves a counted time base by what was executed since the last time.
    #[inline]
    pub(crate) fn tell_time(&mut self) {
        if self.special.timebase.is_counted() {
            let executed = self.instructions();
            self.special.timebase.advance(executed.wrapping_sub(self.told));
            self.told = executed;
        }
    }

    /// The next `most` instructions, or what is left of the slice, are a burst.
    pub(crate) fn begin_burst(&mut self, most: i32) {
        let left = self.left();
        self.burst = left.min(most);
        self.slice = left - self.burst;
    }

    /// Whether something is left of the burst.
    #[inline(always)]
    pub(crate) fn has_burst(&self) -> bool {
        self.burst > 0
    }

    /// Whether the next block may be executed in the same burst.
    #[inline(always)]
    pub(crate) fn is_in_burst(&self) -> bool {
        self.burst > 0 && !self.line.attention()
    }

    /// Whether the next block may be executed at once: nobody rang, and the clock need not be looked at.
    #[inline(always)]
    pub(crate) fn may_go_on(&self) -> bool {
        self.left() > 0 && !self.line.attention()
    }

    /// Ends an instruction with an interrupt.
    #[cold]
    pub(crate) fn raise<T>(&mut self, trap: Trap) -> Result<T, Fault> {
        self.trap = Some(trap);
        Err(Fault)
    }

    /// Asks what may be done at `real`, which an instruction has found for `access`; the footprint knows of it. Whether it may be
    /// remembered that stores go there. If nothing may be done, the instruction ends here and is executed again later.
    #[inline]
    pub(crate) fn admit(&mut self, real: u64, access: Access) -> Result<bool, Fault> {
        match self.shared.frames.admit(real, access) {
            Admission::Granted { store } => Ok(store),
            Admission::Refused => {
                self.need = Some(Need::Memory { real, access });
                Err(Fault)
            }
        }
    }

    /// Takes an interrupt whose return address is `pc`.
    // A copy of the trap would be loaded in other parts than it was stored in, for which hosts wait: hence always.
    #[inline(always)]
    pub(crate) fn deliver(&mut self, trap: Trap, pc: u64) {
        self.counts.interrupts.note(trap);
        self.regs[SRR0] = pc;
        self.regs[SRR1] = (self.msr.raw() & crate::trap::SRR1_KEEPS) | trap.srr1();
        if let Some((dar, dsisr)) = trap.data() {
            self.regs[DAR] = dar;
            self.regs[DSISR] = dsisr;
        }
        if let Trap::FacilityUnavailable(number) = trap {
            self.special.fscr = (self.special.fscr & !(0xff << 56)) | (u64::from(number) << 56);
        }
        let (pc, msr) = crate::trap::entry(trap, self.msr, self.shared.lpcr());
        self.set_msr(msr);
        self.pc = pc;
        self.look_at_code();
    }

    /// Context synchronisation: code that has changed since the last time is found stale.
    #[inline]
    pub(crate) fn look_at_code(&mut self) {
        let epoch = self.shared.code.epoch();
        if epoch != self.epoch {
            self.epoch = epoch;
            self.counts.code.changed += 1;
            self.fetch.forget_all();
        }
    }

    /// Counts an instruction that this processor does not have.
    pub(crate) fn count_unknown(&mut self, word: u32) {
        if self.unknown.len() < MOST_UNKNOWN || self.unknown.contains_key(&word) {
            *self.unknown.entry(word).or_default() += 1;
        }
    }

    /// Instruction words that the guest executed and this processor does not have, with their counts.
    pub(crate) fn unknown(&self) -> &BTreeMap<u32, u64> {
        &self.unknown
    }
}
