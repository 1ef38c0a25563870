//! The least machine that a processor runs in: memory, a page table, and nothing else.

use std::sync::Arc;

use emulator::{Compile, Cpu, Line, Shared, Timebase};
use hpt::{Current, Frames, Hpt, NoShadow, Notifier, Order, RealKind, RealMap, Table};
use power::hpte::HpteV;
use power::model::Model;
use power::page::{PagePair, SegmentSize, Vpn};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// `sc 1`: ends [`Cpu::run`].
pub const STOP: u32 = 0x4400_0022;

/// First byte past the interrupt vectors.
pub const VECTORS_END: u64 = 0x2000;

/// Memory and what the processors of a partition share.
pub struct Machine {
    memory: Arc<GuestMemoryMmap<()>>,
    /// What the processors share.
    pub shared: Arc<Shared>,
    hpt: Arc<Hpt>,
    /// When its processors compile.
    compile: Compile,
}

/// All real addresses are memory; none is ever taken away.
struct Space;

impl RealMap for Space {
    fn kind(&self, _: u64, _: u64) -> Option<RealKind> {
        Some(RealKind::Ram)
    }
    fn zero(&self, _: u64, _: u64) {}
    fn synchronize_instructions(&self, _: u64, _: u64) {}
}

impl Machine {
    /// A machine of POWER8s with this much memory, of which nothing is in use.
    pub fn new(ram_bytes: usize) -> Self {
        Self::of_model(Model::Power8, ram_bytes)
    }

    /// The same with processors of this model.
    pub fn of_model(model: Model, ram_bytes: usize) -> Self {
        Self::with_clock(model, ram_bytes, Timebase::new())
    }

    /// The same with this clock.
    pub fn with_clock(model: Model, ram_bytes: usize, clock: Timebase) -> Self {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), ram_bytes)]).expect("memory can be mapped");
        let memory = Arc::new(memory);
        let ram_bytes = ram_bytes as u64;
        let frames = Arc::new(Frames::new(
            ram_bytes,
            Notifier::new(std::iter::once(0..ram_bytes).collect()),
        ));
        let table = Current::new(Table::new(Order::MIN).expect("a small table can be made"));
        let shared = Shared::of_model(
            model,
            Arc::clone(&memory),
            Arc::clone(&frames),
            Arc::clone(&table),
            clock,
        );
        Self {
            memory,
            shared,
            hpt: Arc::new(Hpt::new(table, Box::new(Space), Box::new(NoShadow))),
            compile: Compile::USUAL,
        }
    }

    /// The same with processors that compile then.
    pub fn with_compile(self, compile: Compile) -> Self {
        Self { compile, ..self }
    }

    /// Processor number `server`, and the wires into it.
    pub fn cpu(&self, server: u32) -> (Cpu, Arc<Line>) {
        let line = Arc::new(Line::default());
        let mut cpu = Cpu::new(server, Arc::clone(&self.shared), Arc::clone(&line), Arc::default());
        cpu.set_compile(self.compile);
        (cpu, line)
    }

    /// Writes memory as a device would.
    pub fn write(&self, real: u64, bytes: &[u8]) {
        self.memory
            .write_slice(bytes, GuestAddress(real))
            .expect("the machine has memory there");
        self.shared.written(real, bytes.len() as u64);
    }

    /// Writes instructions.
    pub fn write_code(&self, real: u64, words: &[u32], little: bool) {
        let bytes: Vec<u8> = words
            .iter()
            .flat_map(|word| if little { word.to_le_bytes() } else { word.to_be_bytes() })
            .collect();
        self.write(real, &bytes);
    }

    /// Makes every interrupt stop the processor.
    pub fn stop_at_vectors(&self, little: bool) {
        self.write_code(0, &[STOP; VECTORS_END as usize / 4], little);
    }

    /// Reads memory.
    pub fn read<const BYTES: usize>(&self, real: u64) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        self.memory
            .read_slice(&mut bytes, GuestAddress(real))
            .expect("the machine has memory there");
        bytes
    }

    /// Maps the page at `offset` bytes into the segment `vsid` to `real`, with these low bits
    /// (C, R, WIMG, N, PP) of the second doubleword beside coherence. Where in the table that is.
    pub fn map(&self, vsid: u64, segment: SegmentSize, pair: PagePair, offset: u64, real: u64, rights: u64) -> u64 {
        let page = Vpn::new(vsid, segment, pair.base(), offset);
        let group = page.hash() & (Order::MIN.groups() - 1);
        let encoding = if pair.is_large() { pair.encoding() << 12 } else { 0 };
        self.hpt
            .port()
            .enter(
                0,
                group * 8,
                HpteV::new(page, pair, false).raw(),
                real | encoding | 0x10 | rights,
            )
            .expect("there is room in the table")
            .to_register()
    }

    /// Takes the entry at this place of the table out.
    pub fn unmap(&self, at: u64) {
        self.hpt.port().remove(0, at, 0).expect("the entry is there");
    }
}

/// What `slbmte` takes in RS and RB for a segment of 256 MiB: entry number `index`.
pub fn segment(ea: u64, vsid: u64, pair: PagePair, index: u64) -> (u64, u64) {
    (
        vsid << 12 | pair.base().slb_encoding(),
        ea & !0x0fff_ffff | 1 << 27 | index,
    )
}
