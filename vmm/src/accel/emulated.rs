//! Processors in software: the `emulator` crate behind this program's traits.
//!
//! A processor is inside its seat exactly while it runs guest code; what the table took away meanwhile is
//! dropped on the way in.

mod forgetting;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use devices::bus::Bus;
use emulator::{Compile, Counts, Cpu, Executed, Kicks, Line, Outside, Shared, StaleReport, Timebase};
use hpt::{Current, Footprint, Hpt, Invalidation, Kick, Listener, Order, Shootdown, Table};
use power::hcall::cpu_characteristics;
use power::model::Model;
use power::msr::Msr;
use power::spr::Spr;

use super::{Accelerator, Exit, Partition, Processor, Wire};
use crate::machine::Parts;
use crate::memory::GuestRam;
use crate::random::Randomness;
use forgetting::Forgetting;

/// The emulated processors of one machine.
pub(crate) struct Emulated {
    model: Model,
    shared: Arc<Shared>,
    lines: Vec<Arc<Line>>,
    footprints: Vec<Arc<Footprint>>,
    shootdown: Arc<Shootdown>,
    timebase: Timebase,
    table: Arc<Current>,
    /// Whom processors tell of translations that they hold and the table does not say, if they look.
    stale: Option<StaleReport>,
    /// Whether processors count the blocks that they execute.
    counts_blocks: bool,
    /// Which blocks processors compile.
    compile: Compile,
}

impl Emulated {
    /// `count` processors of this model on `ram`, with a table of `order`. With `stale`, they compare what they remember of the table with
    /// the table.
    pub(crate) fn new(
        model: Model,
        count: u32,
        ram: &GuestRam,
        order: Order,
        stale: Option<StaleReport>,
    ) -> Result<Self, hpt::AllocateTable> {
        Self::with_timebase(model, count, ram, order, stale, Timebase::new())
    }

    /// The same, whose random numbers are `random`'s and whose time base counts instructions, a tick each: no clock of the host's has a part in what
    /// they do. For processors of which one runs at a time.
    pub(crate) fn counted(
        model: Model,
        count: u32,
        ram: &GuestRam,
        order: Order,
        stale: Option<StaleReport>,
        random: Arc<Randomness>,
    ) -> Result<Self, hpt::AllocateTable> {
        let counted = Self::with_timebase(model, count, ram, order, stale, Timebase::counted())?;
        counted.shared.set_numbers(Box::new(move || random.number()));
        Ok(counted)
    }

    fn with_timebase(
        model: Model,
        count: u32,
        ram: &GuestRam,
        order: Order,
        stale: Option<StaleReport>,
        timebase: Timebase,
    ) -> Result<Self, hpt::AllocateTable> {
        let table = Current::new(Table::new(order)?.with_reverse_map(ram.size().bytes())?);
        let shared = Shared::of_model(
            model,
            Arc::clone(ram.mapping()),
            Arc::clone(ram.frames()),
            Arc::clone(&table),
            timebase.clone(),
        );
        let lines: Vec<_> = (0..count).map(|_| Arc::new(Line::default())).collect();
        let footprints: Vec<Arc<Footprint>> = lines.iter().map(|_| Arc::default()).collect();
        let processors = lines.iter().zip(&footprints).map(|(line, footprint)| {
            let kick: Box<dyn Kick> = Box::new(Ring(Arc::clone(line)));
            (kick, Arc::clone(footprint))
        });
        let shootdown = Arc::new(Shootdown::with_footprints(processors.collect()));
        Ok(Self {
            model,
            shared,
            lines,
            footprints,
            shootdown,
            timebase,
            table,
            stale,
            counts_blocks: false,
            compile: Compile::USUAL,
        })
    }

    /// The same, with processors that compile this code.
    pub(crate) fn with_compiled(mut self, compile: Compile) -> Self {
        self.compile = compile;
        self
    }

    /// The same, with processors that count the blocks that they execute, if that is `wanted`: it costs some of their speed.
    pub(crate) fn with_counted_blocks(mut self, wanted: bool) -> Self {
        self.counts_blocks = wanted;
        self
    }
}

impl Accelerator for Emulated {
    type Processor = EmulatedProcessor;

    fn parts(&self) -> Parts {
        let shared = Arc::clone(&self.shared);
        let listener = |hpt: &Arc<Hpt>| {
            let hpt = Arc::clone(hpt);
            Arc::new(Forgetting { hpt, shared }) as Arc<dyn Listener>
        };
        Parts {
            wires: self
                .lines
                .iter()
                .map(|line| Arc::clone(line) as Arc<dyn Wire>)
                .collect(),
            partition: Arc::new(SharedModes {
                model: self.model,
                shared: Arc::clone(&self.shared),
                timebase: self.timebase.clone(),
                changing: Mutex::new(()),
            }),
            table: Arc::clone(&self.table),
            shadow: Box::new(Arc::clone(&self.shootdown)),
            sources: None,
            devices: Vec::new(),
            listener: Some(Box::new(listener)),
            kernel: None,
            porter: None,
        }
    }

    /// What it needs is allocated now.
    fn processor(&self, server: usize) -> EmulatedProcessor {
        let number = u32::try_from(server).expect("there are at most 64");
        let mut cpu = Cpu::new(
            number,
            Arc::clone(&self.shared),
            Arc::clone(&self.lines[server]),
            Arc::clone(&self.footprints[server]),
        );
        if let Some(report) = &self.stale {
            cpu.check_itself(Arc::clone(report));
        }
        if self.counts_blocks {
            cpu.count_blocks();
        }
        cpu.set_compile(self.compile);
        EmulatedProcessor {
            cpu,
            shootdown: Arc::clone(&self.shootdown),
            server,
            kicks: Kicks::default(),
        }
    }
}

/// One emulated processor and its seat.
pub(crate) struct EmulatedProcessor {
    cpu: Cpu,
    shootdown: Arc<Shootdown>,
    server: usize,
    kicks: Kicks,
}

impl Processor for EmulatedProcessor {
    fn start(&mut self, pc: u64, r3: u64, msr: Msr) {
        self.cpu.reset();
        self.cpu.start(pc, r3, msr);
    }

    #[inline]
    fn run(&mut self, mut answer_inside: impl FnMut(&mut Self) -> bool) -> Exit {
        let seat = self.shootdown.seat(self.server);
        let mut told = false;
        seat.enter(|invalidation| {
            self.cpu.invalidate(invalidation);
            told = true;
        });
        if self.kicks.are_enough(told) {
            self.cpu.invalidate(&Invalidation::All);
        }
        let exit = loop {
            let exit = self.cpu.run();
            if !matches!(exit, emulator::Exit::Hypercall) || !answer_inside(self) {
                break exit;
            }
        };
        self.shootdown.seat(self.server).leave();
        // The end of a turn is nobody's kick.
        self.kicks
            .left(exit == emulator::Exit::Attention && !self.cpu.is_turn_over());
        match exit {
            emulator::Exit::Hypercall => Exit::Hypercall,
            emulator::Exit::Attention => Exit::Attention,
            emulator::Exit::Withheld { real, access } => {
                let pc = self.cpu.pc();
                Exit::Withheld { real, access, pc }
            }
            emulator::Exit::Load { real, bytes } => Exit::Load { real, bytes },
            emulator::Exit::Store { real, operand } => Exit::Store { real, operand },
            emulator::Exit::Checkstop(why) => Exit::Checkstop(why),
        }
    }

    fn begin_turn(&mut self, instructions: u64) {
        self.cpu.begin_turn(instructions);
    }

    fn is_turn_over(&self) -> bool {
        self.cpu.is_turn_over()
    }

    fn answer(&mut self, bytes: &[u8]) {
        self.cpu.answer(bytes);
    }

    fn settle(&mut self) {
        let seat = self.shootdown.seat(self.server);
        seat.settle(|invalidation| self.cpu.invalidate(invalidation));
    }

    fn gpr(&self, number: usize) -> u64 {
        self.cpu.gpr(number)
    }

    fn set_gpr(&mut self, number: usize, value: u64) {
        self.cpu.set_gpr(number, value);
    }

    fn msr(&self) -> Msr {
        self.cpu.msr()
    }

    fn set_msr(&mut self, msr: Msr) {
        self.cpu.set_msr(msr);
    }

    fn set_spr(&mut self, number: Spr, value: u64) {
        self.cpu
            .set_spr(number.number(), value)
            .expect("every model has every register that hypercalls set");
    }

    fn interrupt_pending(&self) -> bool {
        self.cpu.interrupt_pending()
    }

    fn decrementer_remaining(&self) -> Duration {
        self.cpu.decrementer_remaining()
    }

    fn registers(&self) -> String {
        self.cpu.dump().to_string()
    }

    fn unknown_instructions(&self) -> BTreeMap<u32, u64> {
        self.cpu.unknown_instructions().clone()
    }

    fn instructions(&self) -> Option<u64> {
        Some(self.cpu.instructions())
    }

    fn work(&self) -> Option<&Counts> {
        Some(self.cpu.counts())
    }

    fn take_executed(&mut self) -> Option<Executed> {
        self.cpu.take_executed()
    }
}

impl Wire for Line {
    fn ring(&self) {
        Line::ring(self);
    }

    fn set_external(&self, level: bool) {
        Line::set_external(self, level);
    }
}

/// Rings a processor out of the guest.
struct Ring(Arc<Line>);

impl Kick for Ring {
    fn kick(&self) {
        self.0.ring();
    }
}

/// Devices where a bus has them.
struct OnBus(Arc<Bus>);

impl Outside for OnBus {
    fn is_device(&self, real: u64) -> bool {
        self.0.contains(real, 1)
    }
}

/// The modes that emulated processors share.
struct SharedModes {
    model: Model,
    shared: Arc<Shared>,
    timebase: Timebase,
    /// Held while a part of LPCR is changed.
    changing: Mutex<()>,
}

impl Partition for SharedModes {
    fn lpcr(&self) -> u64 {
        self.shared.lpcr()
    }

    fn change_lpcr(&self, mask: u64, value: u64) {
        let _changing = self.changing.lock().expect("nothing panics while LPCR is changed");
        self.shared.set_lpcr((self.shared.lpcr() & !mask) | (value & mask));
    }

    fn relocates_interrupts(&self) -> bool {
        true
    }

    fn has_breakpoints(&self) -> bool {
        true
    }

    fn has_process_table(&self) -> bool {
        self.model >= Model::Power9
    }

    /// Guest code here never runs ahead of what it may read, so no barrier and no flush has a meaning; a guest that is not told
    /// so pays for them on every interrupt.
    fn characteristics(&self) -> [u64; 2] {
        use cpu_characteristics as bits;
        [
            bits::BCCTR_SERIALISED | bits::L1D_THREAD_PRIVATE | bits::COUNT_CACHE_DISABLED,
            bits::NO_L1D_FLUSH_ON_ENTRY | bits::NO_L1D_FLUSH_ON_USER_ACCESS | bits::NO_STORE_FORWARD_BARRIER,
        ]
    }

    fn timebase(&self) -> u64 {
        self.timebase.now()
    }

    fn now(&self) -> Instant {
        if self.timebase.is_counted() {
            self.timebase.instant()
        } else {
            Instant::now()
        }
    }

    fn skip_to(&self, to: Instant) {
        if self.timebase.is_counted() {
            self.timebase.skip_to(to);
        }
    }

    fn hold_time(&self) {
        self.timebase.stand_still();
    }

    fn release_time(&self) {
        self.timebase.go_on();
    }

    fn wrote(&self, real: u64, bytes: u64) {
        self.shared.written(real, bytes);
    }

    fn know_devices(&self, bus: Arc<Bus>) {
        self.shared.set_outside(Box::new(OnBus(bus)));
    }
}
