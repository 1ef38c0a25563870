//! What the unit tests of the hypercalls stand on: a small machine that records what is asked of it.

use std::sync::{Arc, Mutex};

use power::hpte::{HpteR, HpteV};
use power::page::{PagePair, SegmentSize, Vpn};

use crate::{Access, Batch, Current, Grace, Hpt, Invalidation, Marking, Order, Port, RealKind, RealMap, Shadow, Table};

/// First address past the memory.
pub(crate) const RAM_END: u64 = 64 << 20;
/// First address of the 1 MiB of device registers.
pub(crate) const DEVICE: u64 = 0x8000_0000;

/// What was asked of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Zero(u64, u64),
    Synchronize(u64, u64),
    Invalidate(Invalidation),
    EndOfBatch,
    Quiesce,
    Flush(Invalidation),
    EndOfFlush,
    Exclusively,
}

#[derive(Clone, Default)]
struct Recorder {
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Recorder {
    fn note(&self, what: Asked) {
        self.asked.lock().unwrap().push(what);
    }
}

impl RealMap for Recorder {
    fn kind(&self, real: u64, bytes: u64) -> Option<RealKind> {
        let inside = |start: u64, end: u64| real >= start && real.checked_add(bytes).is_some_and(|last| last <= end);
        if inside(0, RAM_END) {
            Some(RealKind::Ram)
        } else {
            inside(DEVICE, DEVICE + (1 << 20)).then_some(RealKind::Device)
        }
    }

    fn zero(&self, real: u64, bytes: u64) {
        self.note(Asked::Zero(real, bytes));
    }

    fn synchronize_instructions(&self, real: u64, bytes: u64) {
        self.note(Asked::Synchronize(real, bytes));
    }
}

impl Shadow for Recorder {
    fn invalidate(&self, batch: &Batch) -> Grace {
        for item in batch.items() {
            self.note(Asked::Invalidate(*item));
        }
        self.note(Asked::EndOfBatch);
        Grace::default()
    }

    fn quiesce(&self) -> Grace {
        self.note(Asked::Quiesce);
        Grace::default()
    }

    fn flush(&self, batch: &Batch) -> Grace {
        for item in batch.items() {
            self.note(Asked::Flush(*item));
        }
        self.note(Asked::EndOfFlush);
        Grace::default()
    }

    fn exclusively(&self, work: &mut dyn FnMut()) {
        self.note(Asked::Exclusively);
        work();
    }
}

/// A table of the smallest order in a small machine.
pub(crate) struct Machine {
    pub(crate) hpt: Arc<Hpt>,
    recorder: Recorder,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::made(Order::MIN, Marking::OneStep)
    }

    /// The same, whose table may grow.
    pub(crate) fn with_largest(largest: Order) -> Self {
        Self::made(largest, Marking::OneStep)
    }

    /// The same, which answers when a table is prepared.
    pub(crate) fn with_prompt_resizes(largest: Order) -> Self {
        let Self { hpt, recorder } = Self::with_largest(largest);
        let hpt = Arc::into_inner(hpt).expect("nobody else has it");
        Self {
            hpt: Arc::new(hpt.with_prompt_resizes()),
            recorder,
        }
    }

    /// The same with processors like the emulated ones, or like KVM's.
    pub(crate) fn with_marking(marking: Marking) -> Self {
        Self::made(Order::MIN, marking)
    }

    /// The same, whose table may grow.
    pub(crate) fn made(largest: Order, marking: Marking) -> Self {
        Self::around(Table::with_marking(Order::MIN, marking).unwrap(), largest)
    }

    /// The same whose table has a reverse map, and may grow.
    pub(crate) fn with_reverse_map(largest: Order) -> Self {
        let table = Table::new(Order::MIN).unwrap();
        Self::around(table.with_reverse_map(RAM_END).unwrap(), largest)
    }

    fn around(table: Table, largest: Order) -> Self {
        let recorder = Recorder::default();
        let current = Current::new(table);
        let hpt = Hpt::new(current, Box::new(recorder.clone()), Box::new(recorder.clone()));
        let hpt = Arc::new(hpt.with_largest(largest));
        Self { hpt, recorder }
    }

    /// Its real address space.
    pub(crate) fn real_map(&self) -> Box<dyn RealMap> {
        Box::new(self.recorder.clone())
    }

    /// A processor's port.
    pub(crate) fn port(&self) -> Port {
        self.hpt.port()
    }

    /// A processor uses `page`, which is mapped.
    pub(crate) fn touch(&self, page: Vpn, access: Access) {
        let table = self.hpt.table();
        match table.marking() {
            Marking::OneStep => table.walk(page, access, false),
            Marking::LateBytes => table.walk_late(page, access, false),
        }
        .unwrap();
    }

    /// What was asked since the last call of this.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.recorder.asked.lock().unwrap())
    }

    /// Enters `page` at real address `real`, memory, read and write; returns its index.
    pub(crate) fn map(&self, page: Vpn, pair: PagePair, real: u64) -> u64 {
        let ptex = (page.hash() & (Order::MIN.groups() - 1)) * 8;
        self.port()
            .enter(0, ptex, v(page, pair), r(real, pair))
            .unwrap()
            .to_register()
    }
}

impl Machine {
    /// What is asked when entries are withdrawn together, with these `used` among them: those that were not used cost a grace
    /// period at most.
    pub(crate) fn withdrawn(&self, used: Vec<Invalidation>) -> Vec<Asked> {
        let is_late = self.hpt.marking == Marking::LateBytes;
        let mut asked = vec![];
        asked.extend(is_late.then_some(Asked::Quiesce));
        if used.is_empty() {
            return asked;
        }
        let named = if is_late { Asked::Flush } else { Asked::Invalidate };
        asked.extend(used.into_iter().map(named));
        asked.push(if is_late { Asked::EndOfFlush } else { Asked::EndOfBatch });
        asked
    }
}

/// What processors hold of an entry of `pair`'s sizes for `page`, at real address `real`.
pub(crate) fn whole(page: Vpn, pair: PagePair, real: u64) -> Invalidation {
    Invalidation::Page {
        page: page.align_to(pair.actual()),
        actual: pair.actual(),
        real,
    }
}

/// Both kinds of [`Machine`].
pub(crate) fn machines() -> [Machine; 2] {
    [Marking::LateBytes, Marking::OneStep].map(Machine::with_marking)
}

/// Page `number` of a segment with 256 MiB, of `pair`'s base size.
pub(crate) fn page(number: u64, pair: PagePair) -> Vpn {
    Vpn::new(0x123, SegmentSize::Size256M, pair.base(), number << pair.base().shift())
}

/// Doubleword 0 of a primary entry.
pub(crate) fn v(page: Vpn, pair: PagePair) -> u64 {
    HpteV::new(page, pair, false).raw()
}

/// Doubleword 1 for memory: M, PP = 2.
pub(crate) fn r(real: u64, pair: PagePair) -> u64 {
    real | (pair.encoding() << 12) | 0x12
}

/// [`r`] as a typed word.
pub(crate) fn hpte_r(real: u64, pair: PagePair) -> HpteR {
    HpteR::from_raw(r(real, pair))
}
