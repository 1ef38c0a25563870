//! The `unmap` benchmark: what it costs to make the processors drop all translations of a range of memory, and what the reverse map that
//! finds them costs those who enter and remove entries.

use std::fmt;
use std::hint::black_box;
use std::iter::once;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hpt::{
    Access, Batch, Current, Endless, Hpt, Invalidation, Kick, NoShadow, Order, Port, RealKind, RealMap, Shadow,
    Shootdown, Table,
};
use power::hpte::HpteV;
use power::page::{PagePair, PageSize, SegmentSize, Vpn};

use super::pinning;
use crate::error::Result;
use crate::report::Report;
use crate::rounds::Results;
use crate::statistics::Samples;
use crate::table::Table as Figures;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SMALL: PagePair = PagePair::ALL[0];

/// What is measured in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// 16 MiB of so much RAM, with 1024 entries in a table of this order, none of which anybody uses.
    Flat { ram: u64, order: u32 },
    /// The same range with no entry.
    Empty { ram: u64 },
    /// An entry comes and goes.
    Pair { mapped: bool },
    /// So many used entries, a processor inside.
    Used { count: u64, way: Way },
    /// The longest that an entry takes to come or go, while 16 GiB are unmapped or not.
    Delay { unmapping: bool },
}

/// How translations are made to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// An `Unmapper`.
    Unmap,
    /// A flush for each entry.
    OneByOne,
    /// One flush of everything.
    Everything,
}

const FLAT: [(u64, u32); 7] = [
    (16 * MIB, 18),
    (GIB, 18),
    (GIB, 23),
    (GIB, 30),
    (64 * GIB, 18),
    (64 * GIB, 26),
    (64 * GIB, 30),
];
const COUNTS: [u64; 4] = [64, 1024, 4096, 16_384];
const WAYS: [Way; 3] = [Way::Unmap, Way::OneByOne, Way::Everything];
const DELAYED: u64 = 16 * GIB;

/// A guest's table and whoever holds its translations.
struct World {
    hpt: Arc<Hpt>,
    shootdown: Option<Arc<Shootdown>>,
    kicked: Arc<AtomicBool>,
}

struct Flag(Arc<AtomicBool>);

impl Kick for Flag {
    fn kick(&self) {
        self.0.store(true, Ordering::Release);
    }
}

struct AllMemory;

impl RealMap for AllMemory {
    fn kind(&self, _: u64, _: u64) -> Option<RealKind> {
        Some(RealKind::Ram)
    }

    fn zero(&self, _: u64, _: u64) {}

    fn synchronize_instructions(&self, _: u64, _: u64) {}
}

impl World {
    fn new(order: u32, ram: Option<u64>, holder: bool) -> Self {
        let kicked = Arc::<AtomicBool>::default();
        let shootdown = holder.then(|| Arc::new(Shootdown::new(vec![Box::new(Flag(Arc::clone(&kicked)))])));
        let shadow: Box<dyn Shadow> = match &shootdown {
            Some(shootdown) => Box::new(Arc::clone(shootdown)),
            None => Box::new(NoShadow),
        };
        let order = Order::new(order).expect("it is in range");
        let mut table = Table::new(order).expect("the host has address space for it");
        if let Some(ram) = ram {
            table = table.with_reverse_map(ram).expect("and for its reverse map");
        }
        Self {
            hpt: Arc::new(Hpt::new(Current::new(table), Box::new(AllMemory), shadow)),
            shootdown,
            kicked,
        }
    }

    /// Maps `count` pages from real address `real` on.
    fn fill(&self, count: u64, real: u64) {
        let mut port = self.hpt.port();
        let groups = self.hpt.table().order().groups();
        for number in 0..count {
            enter(&mut port, groups, number, real + (number << 12));
        }
    }

    /// Is the processor that is inside until it is kicked, and goes back, until `over`; says when it is there.
    fn visit(&self, is_inside: &AtomicBool, over: &AtomicBool) {
        let Some(shootdown) = &self.shootdown else { return };
        let seat = shootdown.seat(0);
        while !over.load(Ordering::Relaxed) {
            seat.enter(|_| ());
            is_inside.store(true, Ordering::Release);
            while !self.kicked.swap(false, Ordering::Acquire) && !over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            seat.leave();
        }
    }
}

/// Page `number`: one group after the other, then again.
fn page(number: u64, groups: u64) -> Vpn {
    Vpn::new(
        number / groups,
        SegmentSize::Size1T,
        PageSize::Size4K,
        (number % groups) << 12,
    )
}

fn enter(port: &mut Port, groups: u64, number: u64, real: u64) -> u64 {
    let page = page(number, groups);
    let ptex = (page.hash() & (groups - 1)) * 8;
    let v = HpteV::new(page, SMALL, false).raw();
    port.enter(0, ptex, v, real | 0x12)
        .expect("there is room")
        .to_register()
}

/// Measures all of it.
pub fn measure(rounds: usize) -> Result<Report> {
    let processors = pinning::allowed()?;
    if processors.len() < 2 {
        eprintln!(
            "benches: SKIPPED: what takes a processor inside or two threads at once, as there is one processor only"
        );
    }
    let mut cases: Vec<Case> = FLAT.map(|(ram, order)| Case::Flat { ram, order }).to_vec();
    cases.extend([GIB, 64 * GIB].map(|ram| Case::Empty { ram }));
    cases.extend([false, true].map(|mapped| Case::Pair { mapped }));
    if processors.len() > 1 {
        cases.extend(
            COUNTS
                .iter()
                .flat_map(|&count| WAYS.map(|way| Case::Used { count, way })),
        );
        cases.extend([false, true].map(|unmapping| Case::Delay { unmapping }));
    }
    let results = Results::measure("unmap", rounds, &cases, |case| Ok(sample(case, &processors)))?;
    let samples = |case| results.of(case).iter().copied().collect::<Samples>();
    let mut flat = Figures::of_figures("memory and table", vec!["16 MiB with 1024 entries".to_owned()]);
    for (ram, order) in FLAT {
        let name = format!("{} MiB, order {order}", ram / MIB);
        flat.rows.push((name, vec![samples(Case::Flat { ram, order })]));
    }
    for ram in [GIB, 64 * GIB] {
        let name = format!("all of {} MiB, no entry", ram / MIB);
        flat.rows.push((name, vec![samples(Case::Empty { ram })]));
    }
    let mut pair = Figures::comparing_first("operation", ["with the map", "without"].map(str::to_owned).to_vec());
    let both = [true, false].map(|mapped| samples(Case::Pair { mapped })).to_vec();
    pair.rows.push(("H_ENTER and H_REMOVE".to_owned(), both));
    let mut used = Figures::comparing_first("entries", WAYS.map(|way| way.to_string()).to_vec());
    for count in COUNTS {
        let row = WAYS.map(|way| samples(Case::Used { count, way })).to_vec();
        used.rows.push((count.to_string(), row));
    }
    let mut delay = Figures::of_figures("meanwhile", vec!["longest call".to_owned()]);
    for (unmapping, name) in [(false, "nothing"), (true, "16 GiB unmapped, again and again")] {
        delay
            .rows
            .push((name.to_owned(), vec![samples(Case::Delay { unmapping })]));
    }
    Ok(Report {
        rounds,
        markdown: format!(
            "**Microseconds to unmap a range**\n\n{}\n\
             **Nanoseconds for an entry that comes and goes, in random groups, of random pages**\n\n{}\n\
             **Microseconds to unmap used entries, one processor inside**\n\n{}\n\
             **Microseconds of the longest of 100,000 H_ENTER and H_REMOVE**\n\n{}",
            flat.markdown(),
            pair.markdown(),
            used.markdown(),
            delay.markdown()
        ),
        picture: None,
    })
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unmap => "unmapping",
            Self::OneByOne => "a flush each",
            Self::Everything => "everything at once",
        })
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn sample(case: Case, processors: &[usize]) -> f64 {
    match case {
        Case::Flat { ram, order } => {
            let world = World::new(order, Some(ram), false);
            world.fill(1024, ram - 16 * MIB);
            unmap_often(&world, ram - 16 * MIB..ram, 1024)
        }
        Case::Empty { ram } => unmap_often(&World::new(18, Some(ram), false), 0..ram, 0),
        Case::Pair { mapped } => pair(mapped),
        Case::Used { count, way } => used(count, way, processors),
        Case::Delay { unmapping } => delay(unmapping, processors),
    }
}

fn unmap_often(world: &World, range: std::ops::Range<u64>, entries: u64) -> f64 {
    const TIMES: u32 = 20;
    let mut unmapper = world.hpt.unmapper();
    let mut began = Instant::now();
    for time in 0..=TIMES {
        if time == 1 {
            // The first one does not count.
            began = Instant::now();
        }
        let unmapped = unmapper.unmap([range.clone()], &Endless).expect("endless patience");
        assert_eq!((unmapped.entries, unmapped.everything), (entries, false));
    }
    micros(began.elapsed()) / f64::from(TIMES)
}

fn pair(mapped: bool) -> f64 {
    const PAIRS: u64 = 1 << 18;
    let world = World::new(24, mapped.then_some(2 * GIB), false);
    let groups = world.hpt.table().order().groups();
    let mut port = world.hpt.port();
    // An odd factor visits every group and every page, in an order that the host's caches do not foresee.
    let mut all = || {
        for n in 0..PAIRS {
            let number = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20 & (groups - 1);
            let at = enter(&mut port, groups, number, number << 12);
            black_box(port.remove(0, at, 0).expect("it is there"));
        }
    };
    all();
    let began = Instant::now();
    all();
    began.elapsed().as_secs_f64() * 1e9 / PAIRS as f64
}

fn used(count: u64, way: Way, processors: &[usize]) -> f64 {
    let world = World::new(24, Some(GIB), true);
    world.fill(count, 0);
    let table = world.hpt.table();
    let pages: Vec<_> = (0..count).map(|number| page(number, table.order().groups())).collect();
    for &page in &pages {
        table.walk(page, Access::Load, false).expect("it is mapped");
    }
    let (is_inside, over) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            pinning::stay_on(processors[1]);
            world.visit(&is_inside, &over);
        });
        while !is_inside.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let shootdown = world.shootdown.as_ref().expect("there is a holder");
        let began = Instant::now();
        match way {
            Way::Unmap => {
                let unmapped = world.hpt.unmapper().unmap(once(0..count << 12), &Endless);
                black_box(unmapped.expect("endless patience"));
            }
            Way::OneByOne => {
                for (&page, number) in pages.iter().zip(0..) {
                    let mut batch = Batch::new();
                    batch.push(Invalidation::Page {
                        page,
                        actual: PageSize::Size4K,
                        real: number << 12,
                    });
                    black_box(shootdown.invalidate(&batch));
                }
            }
            Way::Everything => drop(black_box(shootdown.invalidate(&Batch::everything()).waited)),
        }
        let took = began.elapsed();
        over.store(true, Ordering::Relaxed);
        micros(took)
    })
}

fn delay(unmapping: bool, processors: &[usize]) -> f64 {
    const CALLS: u64 = 50_000;
    let world = World::new(27, Some(DELAYED), false);
    world.fill(DELAYED >> 12, 0);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            pinning::stay_on(processors[1]);
            let mut unmapper = world.hpt.unmapper();
            while unmapping && !over.load(Ordering::Relaxed) {
                let unmapped = unmapper.unmap(once(0..DELAYED), &Endless).expect("endless patience");
                assert!(!unmapped.everything && unmapped.entries >= DELAYED >> 12);
            }
        });
        let groups = world.hpt.table().order().groups();
        let mut port = world.hpt.port();
        let mut longest = Duration::ZERO;
        for n in 0..CALLS {
            // More pages of the same memory.
            let number = (DELAYED >> 12) + (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % groups;
            let began = Instant::now();
            let at = enter(&mut port, groups, number, number << 12 & (DELAYED - 1));
            let entered = began.elapsed();
            black_box(port.remove(0, at, 0).expect("it is there"));
            longest = longest.max(entered).max(began.elapsed().saturating_sub(entered));
        }
        over.store(true, Ordering::Relaxed);
        micros(longest)
    })
}
