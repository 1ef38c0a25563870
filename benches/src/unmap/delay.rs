//! How long a hypercall takes at most while another thread unmaps.

use std::hint::black_box;
use std::iter::once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hpt::Endless;
use power::page::PageSize;

use super::world::World;
use super::{GIB, micros};
use crate::pinning;

/// The memory that is unmapped, and the table of a guest that has so much.
const MEMORY: u64 = 16 * GIB;
const ORDER: u32 = 27;
/// For how long calls are made.
const TIME: Duration = Duration::from_millis(500);
/// Entries of one page, fewer than the table has room for in their groups.
const SAME_PAGE: u64 = 1 << 18;
/// The first page number of those that the calls enter and remove.
const OF_CALLS: u64 = 1 << 32;

/// What is unmapped meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meanwhile {
    Nothing,
    /// 16 GiB, each page by one entry, which processors have used or not.
    All {
        size: PageSize,
        used: bool,
    },
    /// One page, by a quarter of a million of entries that nobody has used; the calls are for this very page.
    OnePage,
}

impl Meanwhile {
    pub(super) const ALL: [Self; 6] = [
        Self::Nothing,
        Self::All {
            size: PageSize::Size4K,
            used: false,
        },
        Self::All {
            size: PageSize::Size4K,
            used: true,
        },
        Self::All {
            size: PageSize::Size64K,
            used: false,
        },
        Self::All {
            size: PageSize::Size64K,
            used: true,
        },
        Self::OnePage,
    ];

    pub(super) fn name(self) -> String {
        let used = |used| if used { "used" } else { "not used" };
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::All { size, used: is_used } => {
                format!("16 GiB by {} entries, {}", size_name(size), used(is_used))
            }
            Self::OnePage => format!("one page by {SAME_PAGE} entries, not used, calls for that page"),
        }
    }

    /// A table with what is to be unmapped.
    pub(super) fn world(self) -> World {
        let size = match self {
            Self::All { size, .. } => size,
            Self::Nothing | Self::OnePage => PageSize::Size4K,
        };
        let world = World::new(ORDER, MEMORY, size);
        match self {
            Self::All { used, .. } => drop(black_box(world.map(0..MEMORY, used))),
            Self::Nothing => drop(black_box(world.map(0..MEMORY, false))),
            Self::OnePage => {
                let mut port = world.hpt.port();
                for number in 0..SAME_PAGE {
                    world.enter(&mut port, number, 0);
                }
            }
        }
        world
    }
}

pub(super) fn size_name(size: PageSize) -> String {
    format!("{} KiB", size.bytes() >> 10)
}

/// Microseconds of the longest call and of the one that one in ten thousand exceeds; and of one unmapping, on average.
pub(super) fn sample(meanwhile: Meanwhile, world: &World, processors: &[usize]) -> Vec<f64> {
    let over = AtomicBool::new(false);
    let pages = if meanwhile == Meanwhile::OnePage {
        1
    } else {
        MEMORY >> 16
    };
    let mut times = Vec::with_capacity(1 << 22);
    let unmapping = thread::scope(|scope| {
        let unmapping = scope.spawn(|| {
            pinning::stay_on(processors[1]);
            if meanwhile == Meanwhile::Nothing {
                return Duration::ZERO;
            }
            unmap_until(world, &over)
        });
        let mut port = world.hpt.port();
        let began = Instant::now();
        let mut random = 1_u64;
        while began.elapsed() < TIME {
            // xorshift64
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let before = Instant::now();
            let at = world.enter(&mut port, OF_CALLS + (random >> 40), (random % pages) << 16);
            let between = Instant::now();
            black_box(port.remove(0, at, 0).expect("it is there"));
            times.push(between - before);
            times.push(between.elapsed());
        }
        over.store(true, Ordering::Relaxed);
        unmapping.join().expect("it does what it should")
    });
    times.sort_unstable();
    let but_one_in_ten_thousand = times[times.len() - 1 - times.len() / 10_000];
    let longest = times.last().expect("there were some");
    [*longest, but_one_in_ten_thousand, unmapping].map(micros).to_vec()
}

/// Unmaps all of it again and again, at least once; how long one takes.
fn unmap_until(world: &World, over: &AtomicBool) -> Duration {
    let mut unmapper = world.hpt.unmapper();
    let began = Instant::now();
    let mut count = 0;
    while count == 0 || !over.load(Ordering::Relaxed) {
        let unmapped = unmapper.unmap(once(0..MEMORY), &Endless).expect("endless patience");
        assert!(unmapped.everything, "there are more than it looks at: {unmapped:?}");
        count += 1;
    }
    began.elapsed() / count
}
