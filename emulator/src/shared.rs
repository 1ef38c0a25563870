//! What the processors of one partition share.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};

use hpt::{Current, Frames};
use power::model::Model;
use vm_memory::GuestMemoryMmap;

use crate::code_pages::CodePages;
use crate::outside::Outside;
use crate::ram::Ram;
use crate::timebase::Timebase;

/// Where 64 random bits come from; `None`: from the host.
type Numbers = dyn Fn() -> Option<u64> + Send + Sync;

/// Memory, table, clock and modes of one partition.
pub struct Shared {
    /// Which processors they are.
    pub(crate) model: Model,
    pub(crate) ram: Ram,
    pub(crate) table: Arc<Current>,
    pub(crate) timebase: Timebase,
    pub(crate) code: CodePages,
    /// What may be done to memory.
    pub(crate) frames: Arc<Frames>,
    /// Where devices are.
    outside: OnceLock<Box<dyn Outside>>,
    /// Where random numbers come from, if not from the host.
    numbers: OnceLock<Box<Numbers>>,
    lpcr: AtomicU64,
}

impl Shared {
    /// For a partition of POWER8s whose RAM is the region of `memory` at guest address 0, as far as `frames` gives it.
    pub fn new(
        memory: Arc<GuestMemoryMmap<()>>,
        frames: Arc<Frames>,
        table: Arc<Current>,
        timebase: Timebase,
    ) -> Arc<Self> {
        Self::of_model(Model::Power8, memory, frames, table, timebase)
    }

    /// The same for a partition of processors of this model.
    pub fn of_model(
        model: Model,
        memory: Arc<GuestMemoryMmap<()>>,
        frames: Arc<Frames>,
        table: Arc<Current>,
        timebase: Timebase,
    ) -> Arc<Self> {
        let ram = Ram::new(memory);
        let code = CodePages::new(ram.bytes());
        Arc::new(Self {
            model,
            ram,
            table,
            timebase,
            code,
            frames,
            outside: OnceLock::new(),
            numbers: OnceLock::new(),
            lpcr: AtomicU64::new(0),
        })
    }

    /// Says where devices are; until then there are none. The first time counts.
    pub fn set_outside(&self, outside: Box<dyn Outside>) {
        // Only the first is kept, as is said above.
        let _: Result<(), _> = self.outside.set(outside);
    }

    /// Says where random numbers come from; until then they are the host's. The first time counts.
    pub fn set_numbers(&self, numbers: Box<Numbers>) {
        let _: Result<(), _> = self.numbers.set(numbers);
    }

    /// 64 random bits, unless they are the host's to give.
    pub(crate) fn number(&self) -> Option<u64> {
        self.numbers.get().and_then(|number| number())
    }

    /// Whether a real address that is no memory is a device's.
    pub(crate) fn is_device(&self, real: u64) -> bool {
        self.outside.get().is_some_and(|outside| outside.is_device(real))
    }

    /// The logical partitioning control register: ILE and AIL decide how interrupts are taken.
    pub fn lpcr(&self) -> u64 {
        // Who sees what was stored after a change sees the change.
        self.lpcr.load(Ordering::Acquire)
    }

    /// Sets the logical partitioning control register for all processors, from their next interrupt on.
    pub fn set_lpcr(&self, lpcr: u64) {
        self.lpcr.store(lpcr, Ordering::Release);
    }

    /// Says that something other than a processor (a hypercall, a device) wrote `len` bytes at `real`.
    pub fn written(&self, real: u64, len: u64) {
        // What was written comes before the look at the code bits; a decoder sets one before it reads.
        fence(Ordering::SeqCst);
        let mut page = real & !((1 << crate::code_pages::SHIFT) - 1);
        while page < real.saturating_add(len) && page < self.ram.bytes() {
            if self.code.holds_code(page) {
                self.code.mark_written(page);
            }
            page += 1 << crate::code_pages::SHIFT;
        }
    }
}
