//! Processors in software: the `emulator` crate behind this program's traits.
//!
//! A processor is inside its seat exactly while it runs guest code; what the table took away meanwhile is
//! dropped on the way in.

mod forgetting;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emulator::{Cpu, Line, Shared, StaleReport, Timebase};
use hpt::{Current, Footprint, Hpt, Invalidation, Kick, Listener, Order, Shootdown, Table};
use power::hcall::cpu_characteristics;
use power::msr::Msr;
use power::spr::Spr;

use super::{Accelerator, Exit, Partition, Processor, Wire};
use crate::machine::Parts;
use crate::memory::GuestRam;
use forgetting::Forgetting;

/// The emulated processors of one machine.
pub(crate) struct Emulated {
    shared: Arc<Shared>,
    lines: Vec<Arc<Line>>,
    footprints: Vec<Arc<Footprint>>,
    shootdown: Arc<Shootdown>,
    timebase: Timebase,
    table: Arc<Current>,
    /// Whom processors tell of translations that they hold and the table does not say, if they look.
    stale: Option<StaleReport>,
}

impl Emulated {
    /// `count` processors on `ram`, with a table of `order`. With `stale`, they compare what they remember of the table with
    /// the table.
    pub(crate) fn new(
        count: u32,
        ram: &GuestRam,
        order: Order,
        stale: Option<StaleReport>,
    ) -> Result<Self, hpt::AllocateTable> {
        let table = Current::new(Table::new(order)?.with_reverse_map(ram.size().bytes())?);
        let timebase = Timebase::new();
        let shared = Shared::new(
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
            shared,
            lines,
            footprints,
            shootdown,
            timebase,
            table,
            stale,
        })
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
                shared: Arc::clone(&self.shared),
                timebase: self.timebase.clone(),
                changing: Mutex::new(()),
            }),
            table: Arc::clone(&self.table),
            shadow: Box::new(Arc::clone(&self.shootdown)),
            console_pin: None,
            listener: Some(Box::new(listener)),
            kernel: None,
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
        EmulatedProcessor {
            cpu,
            shootdown: Arc::clone(&self.shootdown),
            server,
            was_disturbed: false,
            kicks: 0,
        }
    }
}

/// A processor that writers have kicked so often drops everything: its footprint starts afresh and
/// names what it uses now. To fill its caches again costs it less than two more kicks; and it may be
/// one that waits in a loop while another changes thousands of pages that it has met long ago.
const MOST_KICKS: u32 = 16;

/// One emulated processor and its seat.
pub(crate) struct EmulatedProcessor {
    cpu: Cpu,
    shootdown: Arc<Shootdown>,
    server: usize,
    /// The last visit to the guest ended because somebody rang.
    was_disturbed: bool,
    /// Visits that a writer of the table ended, since everything was dropped because of them.
    kicks: u32,
}

impl Processor for EmulatedProcessor {
    fn start(&mut self, pc: u64, r3: u64, msr: Msr) {
        self.cpu.start(pc, r3, msr);
    }

    fn run(&mut self) -> Exit {
        let seat = self.shootdown.seat(self.server);
        let mut told = false;
        seat.enter(|invalidation| {
            self.cpu.invalidate(invalidation);
            told = true;
        });
        if told && std::mem::take(&mut self.was_disturbed) {
            self.kicks += 1;
            if self.kicks == MOST_KICKS {
                self.kicks = 0;
                self.cpu.invalidate(&Invalidation::All);
            }
        }
        let exit = self.cpu.run();
        seat.leave();
        self.was_disturbed = exit == emulator::Exit::Attention;
        match exit {
            emulator::Exit::Hypercall => Exit::Hypercall,
            emulator::Exit::Attention => Exit::Attention,
            emulator::Exit::Withheld { real, access } => Exit::Withheld { real, access },
            emulator::Exit::Checkstop(why) => Exit::Checkstop(why),
        }
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
            .expect("a POWER8 has every register that hypercalls set");
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

/// The modes that emulated processors share.
struct SharedModes {
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

    fn hold_time(&self) {
        self.timebase.stand_still();
    }

    fn release_time(&self) {
        self.timebase.go_on();
    }

    fn wrote(&self, real: u64, bytes: u64) {
        self.shared.written(real, bytes);
    }
}
