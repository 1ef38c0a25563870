//! A table without a guest: who holds translations need not be asked, so that what is seen is the cost of finding them.

use std::ops::Range;
use std::sync::Arc;

use hpt::{Access, Current, Hpt, NoShadow, Order, Port, RealKind, RealMap, Table};
use power::hpte::HpteV;
use power::page::{PagePair, PageSize, SegmentSize, Vpn};

/// A guest's table, with a reverse map.
pub(super) struct World {
    pub(super) hpt: Arc<Hpt>,
    groups: u64,
    pair: PagePair,
}

/// Real addresses that are all memory.
pub(super) struct AllMemory;

impl RealMap for AllMemory {
    fn kind(&self, _: u64, _: u64) -> Option<RealKind> {
        Some(RealKind::Ram)
    }

    fn zero(&self, _: u64, _: u64) {}

    fn synchronize_instructions(&self, _: u64, _: u64) {}
}

/// Pages of this size in segments with pages of this size.
pub(super) fn pages_of(size: PageSize) -> PagePair {
    let is_it = |pair: &PagePair| pair.base() == size && pair.actual() == size;
    PagePair::ALL.into_iter().find(is_it).expect("there is one of each")
}

impl World {
    /// A table of `order` for so much RAM, whose pages are of `size`.
    ///
    /// # Panics
    /// The host has no address space for it.
    pub(super) fn new(order: u32, ram_bytes: u64, size: PageSize) -> Self {
        let order = Order::new(order).expect("it is in range");
        let table = Table::new(order).and_then(|table| table.with_reverse_map(ram_bytes));
        let table = table.expect("the host has address space for it");
        let hpt = Hpt::new(Current::new(table), Box::new(AllMemory), Box::new(NoShadow));
        Self {
            hpt: Arc::new(hpt),
            groups: order.groups(),
            pair: pages_of(size),
        }
    }

    /// Virtual page `number`. Those that follow each other are in groups all over the table, as many in each as in any other.
    fn page(&self, number: u64) -> Vpn {
        let index = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) & (self.groups - 1);
        let offset = index << self.pair.base().shift();
        Vpn::new(number / self.groups, SegmentSize::Size1T, self.pair.base(), offset)
    }

    /// Enters virtual page `number` for the page at `real`; its index.
    pub(super) fn enter(&self, port: &mut Port, number: u64, real: u64) -> u64 {
        let page = self.page(number);
        let ptex = (page.hash() & (self.groups - 1)) * 8;
        let v = HpteV::new(page, self.pair, false).raw();
        let entered = port.enter(0, ptex, v, doubleword_1(self.pair, real));
        entered.expect("there is room").to_register()
    }

    /// A walk finds virtual page `number`, as a processor's does.
    pub(super) fn use_page(&self, number: u64) {
        let found = self.hpt.table().walk(self.page(number), Access::Load, false);
        found.expect("it is mapped");
    }

    /// Maps the memory of `range`, once; as if processors had used it, if `used`. How many entries that takes.
    pub(super) fn map(&self, range: Range<u64>, used: bool) -> u64 {
        let mut port = self.hpt.port();
        let reals = range.step_by(self.pair.actual().bytes() as usize);
        let mut count = 0;
        for real in reals {
            self.enter(&mut port, count, real);
            if used {
                self.use_page(count);
            }
            count += 1;
        }
        count
    }
}

/// Doubleword 1 of an entry for the page at `real`, which may be read and written.
pub(super) fn doubleword_1(pair: PagePair, real: u64) -> u64 {
    let encoding = if pair.is_large() { pair.encoding() << 12 } else { 0 };
    real | encoding | 0x12
}
