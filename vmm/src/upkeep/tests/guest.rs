//! A machine with emulated processors that runs `old_mappings`.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::ops::{Range, RangeInclusive};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use devices::nvram::Nvram;
use guest_images::programs::Program;
use guest_images::programs::old_mappings::{PIECE_BYTES, WAYS, WINDOW_BYTES, WINDOWS, places};
use hpt::Order;
use power::insn::Endian;
use power::model::Model;
use power::msr::Msr;

use super::super::FRAME;
use crate::accel::Accelerator as _;
use crate::accel::emulated::Emulated;
use crate::boot::{self, Files, KernelFile, ProcessorKind};
use crate::carriers;
use crate::machine::{Machine, Reactions, Traits};
use crate::memory::GuestRam;
use crate::offer::Offer;
use crate::processors::{self, Start};
use crate::size::Size;
use crate::sources::{CONSOLE_INTERRUPT, POWER_INTERRUPT};
use crate::stop::{Ending, Stop};
use crate::test_machine::Paper;

/// Processors that store; another one watches.
pub(super) const STORING: RangeInclusive<u64> = 1..=3;

/// A running guest.
pub(super) struct Guest {
    pub(super) machine: Arc<Machine>,
    paper: Paper,
}

impl Guest {
    /// One whose processors store, and have left the places alone that rest.
    pub(super) fn start(append: &str) -> Self {
        let count = STORING.end() + 1;
        let mut kernel = tempfile::NamedTempFile::new().unwrap();
        let program = Program::by_name("old_mappings").unwrap();
        kernel.write_all(&program.elf(Endian::Big)).unwrap();
        let files = Files {
            kernel: KernelFile::Path(kernel.path().to_owned()),
            initrd: None,
            command_line: append.to_owned(),
        };
        let order = Order::new(20).unwrap();
        let about = boot::Machine {
            processors: count as u32,
            processor: ProcessorKind::emulated(Model::Power8),
            patch_sc1: false,
            hpt_order: order.log2_bytes(),
            console_interrupt: CONSOLE_INTERRUPT,
            power_interrupt: POWER_INTERRUPT,
            nvram_bytes: 8192,
            pci: None,
            offer: Offer::default(),
            random: Arc::default(),
        };
        let ram = Arc::new(GuestRam::new(Size::from_mib(128)).unwrap());
        let entry = boot::load(&files, &about, &ram).unwrap();
        let emulated = Emulated::new(Model::Power8, count as u32, &ram, order, None).unwrap();
        let traits = Traits {
            carriers: count as usize,
            offer: Offer::default(),
            largest_table: order,
            timed: false,
            duplicates: None,
            reactions: Reactions::default(),
            nvram: Nvram::volatile(),
            has_pci: false,
            turns: None,
            random: Arc::default(),
        };
        let paper = Paper::default();
        let stop = Arc::new(Stop::default());
        let machine = Machine::new(ram, emulated.parts(), traits, Box::new(paper.clone()), stop).unwrap();
        let machine = Arc::new(machine);
        carriers::spawn(&machine, move |server| emulated.processor(server)).unwrap();
        machine.processors.by_server(0).start(Start {
            pc: entry.pc,
            r3: entry.device_tree,
            msr: Msr::from_raw(Msr::SF | Msr::ME),
        });
        let guest = Self { machine, paper };
        until("the places that rest", || guest.said().contains("all rest"));
        guest
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.paper.0.lock().unwrap()).into_owned()
    }

    /// What the windows have now, where processors use them.
    pub(super) fn snapshot(&self) -> Snapshot {
        let ranges = (0..=*STORING.end()).flat_map(pieces);
        let read = |range: Range<u64>| {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            self.machine.ram.file().read_exact_at(&mut bytes, range.start).unwrap();
            (range.start, bytes)
        };
        Snapshot(ranges.map(read).collect())
    }

    /// Waits until each processor has gone round so often.
    pub(super) fn wait_for_stores(&self, rounds: u64) {
        STORING.for_each(|server| self.wait_for_stores_of(server, rounds));
    }

    /// Waits until `server` has stored so often to its first place.
    pub(super) fn wait_for_stores_of(&self, server: u64, times: u64) {
        let first = places(server).next().unwrap();
        let now = || number(self.machine.ram.file(), first);
        let mut last = now();
        let mut seen = 0;
        until("more stores", || {
            // It may be discarded meanwhile.
            let current = now();
            seen += if current > last {
                current - last
            } else {
                u64::from(current < last)
            };
            last = current;
            seen >= times
        });
    }

    /// Ends it by itself; it has found nothing wrong.
    pub(super) fn passes(self) {
        self.machine.console.push_input(b"q");
        until("its end", || {
            self.said().contains("VERDICT") && self.said().ends_with('\n')
        });
        assert!(self.said().contains("VERDICT old_mappings: pass"), "{}", self.said());
        assert_eq!(self.end(), 0);
    }

    /// Ends it from outside; how many processors do not come home.
    pub(super) fn end(&self) -> usize {
        self.machine.stop.request(Ending::Quit);
        self.machine.processors.iter().for_each(processors::Processor::dismiss);
        self.machine.stop.wait_for_processors(Duration::from_secs(60))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.end();
    }
}

/// The content of the pieces of the windows that are used.
pub(super) struct Snapshot(HashMap<u64, Vec<u8>>);

impl Snapshot {
    /// The frames that differ.
    pub(super) fn differences(&self, other: &Self) -> impl Iterator<Item = u64> {
        self.0.iter().flat_map(|(&start, bytes)| {
            let frames = bytes.chunks(FRAME as usize).zip(other.0[&start].chunks(FRAME as usize));
            let differing = (0..).zip(frames).filter(|(_, (one, other))| one != other);
            differing.map(move |(n, _)| start + n * FRAME)
        })
    }

    /// The content of a frame that is in it.
    pub(super) fn frame(&self, real: u64) -> &[u8] {
        let start = real / PIECE_BYTES * PIECE_BYTES;
        let at = (real - start) as usize;
        &self.0[&start][at..at + FRAME as usize]
    }
}

/// A processor's pieces of the windows, one for each way.
pub(super) fn pieces(server: u64) -> [Range<u64>; WAYS] {
    std::array::from_fn(|way| {
        let start = WINDOWS + way as u64 * WINDOW_BYTES + server * PIECE_BYTES;
        start..start + PIECE_BYTES
    })
}

/// The number at a place.
pub(super) fn number(memory: &File, place: u64) -> u64 {
    let mut bytes = [0; 8];
    memory.read_exact_at(&mut bytes, place).unwrap();
    u64::from_be_bytes(bytes)
}

/// Waits until `is_so`.
#[track_caller]
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited for {what} in vain");
        thread::sleep(Duration::from_micros(200));
    }
}
