//! A table, and processors around it that hold translations or not.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hpt::{Current, Footprint, Hpt, Kick, NoShadow, Order, RealKind, RealMap, Shadow, Shootdown, Table};
use power::hpte::HpteV;
use power::page::{PagePair, PageSize, SegmentSize, Vpn};

/// What the processors are doing whose translations a change of the table must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holders {
    /// There are none.
    Nobody,
    /// Four, whose footprints say that they have met none of the pages.
    Elsewhere,
    /// Four, outside the guest: they are told when they enter it.
    Outside,
    /// One, inside the guest until it is made to leave; it goes back at once.
    Inside,
}

impl Holders {
    pub(super) const ALL: [Self; 4] = [Self::Nobody, Self::Elsewhere, Self::Outside, Self::Inside];
}

/// Where in the table an operation works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Half of all groups, in a random order: what is needed is mostly not in the host's caches.
    Random,
    /// So few groups that they are.
    Few,
}

/// The table's size: 16 MiB, what a guest with 2 GiB of memory gets.
const ORDER: Order = Order::new(24).expect("it is in range");

/// The memory that a reverse map is for.
const RAM: u64 = 2 << 30;

/// Whether the table keeps account of the entries that map each page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// As for emulated processors.
    Kept,
    /// As under KVM.
    Absent,
}

impl Map {
    pub const ALL: [Self; 2] = [Self::Kept, Self::Absent];
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "with the reverse map",
            Self::Absent => "without",
        })
    }
}

/// Groups that one thread works on, if they are few.
const FEW: u64 = 256;

/// Threads whose groups are apart.
pub(super) const THREADS: u64 = 2;

/// The smallest pages.
pub(super) const SMALL: PagePair = PagePair::ALL[0];

/// A table with what it needs.
pub(super) struct Machine {
    pub(super) hpt: Arc<Hpt>,
    shootdown: Option<Arc<Shootdown>>,
    /// How many processors there are that nobody runs.
    idle: usize,
    /// Set to make the processor inside leave.
    kicked: Arc<AtomicBool>,
}

impl Machine {
    /// A table that is held by `holders`.
    ///
    /// # Panics
    /// The host has no 64 MiB of address space.
    pub(super) fn new(holders: Holders, map: Map) -> Self {
        let kicked = Arc::<AtomicBool>::default();
        let kick = || -> Box<dyn Kick> { Box::new(Flag(Arc::clone(&kicked))) };
        let shootdown = match holders {
            Holders::Nobody => None,
            Holders::Elsewhere => {
                let processors = (0..4).map(|_| (kick(), Arc::<Footprint>::default()));
                Some(Shootdown::with_footprints(processors.collect()))
            }
            Holders::Outside => Some(Shootdown::new((0..4).map(|_| kick()).collect())),
            Holders::Inside => Some(Shootdown::new(vec![kick()])),
        };
        let shootdown = shootdown.map(Arc::new);
        let shadow: Box<dyn Shadow> = match &shootdown {
            Some(shootdown) => Box::new(Arc::clone(shootdown)),
            None => Box::new(NoShadow),
        };
        let table = match map {
            Map::Kept => Table::new(ORDER).and_then(|table| table.with_reverse_map(RAM)),
            Map::Absent => Table::new(ORDER),
        };
        let table = table.expect("the host has address space for a small table");
        Self {
            hpt: Arc::new(Hpt::new(Current::new(table), Box::new(AllMemory), shadow)),
            shootdown,
            idle: match holders {
                Holders::Nobody | Holders::Inside => 0,
                Holders::Elsewhere | Holders::Outside => 4,
            },
            kicked,
        }
    }

    /// The processors that nobody runs apply what was posted to them, so that they can be told more.
    pub(super) fn catch_up(&self) {
        let Some(shootdown) = &self.shootdown else { return };
        for seat in (0..self.idle).map(|cpu| shootdown.seat(cpu)) {
            seat.enter(|_| ());
            seat.leave();
        }
    }

    /// Is the processor that is inside until it is kicked, and goes back, until `done`.
    pub(super) fn visit(&self, done: &AtomicBool) {
        let Some(shootdown) = &self.shootdown else { return };
        let seat = shootdown.seat(0);
        while !done.load(Ordering::Relaxed) {
            seat.enter(|_| ());
            while !self.kicked.swap(false, Ordering::Acquire) && !done.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            seat.leave();
        }
    }
}

/// A processor's bell.
struct Flag(Arc<AtomicBool>);

impl Kick for Flag {
    fn kick(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Real addresses that are all memory.
struct AllMemory;

impl RealMap for AllMemory {
    fn kind(&self, _: u64, _: u64) -> Option<RealKind> {
        Some(RealKind::Ram)
    }

    fn zero(&self, _: u64, _: u64) {}

    fn synchronize_instructions(&self, _: u64, _: u64) {}
}

/// A page of the guest, as its table has it.
#[derive(Clone, Copy)]
pub(super) struct Page {
    pub(super) page: Vpn,
    /// First entry of its primary group, and of its secondary one.
    pub(super) groups: [u64; 2],
    /// Doubleword 1.
    pub(super) r: u64,
}

impl Page {
    /// The page whose primary group is `group`. Those of eight groups that lie together are eight pages that do.
    fn of_group(group: u64) -> Self {
        let page = Vpn::new(group & !7, SegmentSize::Size256M, PageSize::Size4K, (group & 7) << 12);
        let first = |hash: u64| (hash & (ORDER.groups() - 1)) * 8;
        Self {
            page,
            groups: [first(page.hash()), first(!page.hash())],
            // Memory that may be read and written.
            r: (group << 12) | 0x12,
        }
    }

    /// Doubleword 0.
    pub(super) fn v(&self, secondary: bool) -> u64 {
        HpteV::new(self.page, SMALL, secondary).raw()
    }

    /// Another page of the same groups.
    pub(super) fn unmapped(&self) -> Vpn {
        let other_segment = self.page.vsid() | ORDER.groups();
        Vpn::new(
            other_segment,
            SegmentSize::Size256M,
            PageSize::Size4K,
            self.page.offset(),
        )
    }
}

/// The pages that thread `thread` works on, one for each of its groups. Each eight that follow each other are neighbours.
pub(super) fn pages(place: Place, thread: usize) -> Vec<Page> {
    let share = ORDER.groups() / THREADS;
    let first = thread as u64 * share;
    let mut blocks: Vec<u64> = match place {
        Place::Few => (0..FEW / 8).collect(),
        Place::Random => (0..share / 8).collect(),
    };
    shuffle(&mut blocks, first + 1);
    let groups = blocks
        .iter()
        .flat_map(|block| (0..8).map(move |n| first + block * 8 + n));
    groups.map(Page::of_group).collect()
}

/// Puts `items` into an order that `seed`, which is not 0, decides.
pub(super) fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for n in (1..items.len()).rev() {
        // xorshift64
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        items.swap(n, (seed % (n as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_of_two_threads_are_apart_and_all_that_there_are() {
        let mut groups: Vec<u64> = (0..2)
            .flat_map(|thread| pages(Place::Random, thread))
            .map(|page| page.groups[0] / 8)
            .collect();
        groups.sort_unstable();
        assert!(groups.into_iter().eq(0..ORDER.groups()));
        for thread in 0..2 {
            assert_eq!(pages(Place::Few, thread).len() as u64, FEW);
        }
    }

    #[test]
    fn eight_pages_are_a_block_of_neighbours() {
        for block in pages(Place::Random, 1).chunks(8).take(100) {
            for (n, page) in block.iter().enumerate() {
                assert_eq!(page.page.va_over_4k(), block[0].page.va_over_4k() + n as u128);
                assert_eq!(page.v(false), block[0].v(false));
            }
        }
    }

    #[test]
    fn an_unmapped_page_leads_to_the_same_group() {
        let page = pages(Place::Few, 0)[9];
        let other = page.unmapped();
        assert_ne!(other, page.page);
        assert_eq!(other.hash() % ORDER.groups(), page.page.hash() % ORDER.groups());
    }
}
