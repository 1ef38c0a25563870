//! The `unmap` benchmark: what it costs to make the processors drop all translations of a range of memory, what it does to a guest
//! that uses that memory, and what the reverse map that finds the entries costs those who enter and remove them.
//!
//! - `world` is a table without a guest: the cost of finding entries is measured with it, and in `delay` that of a
//!   hypercall meanwhile.
//! - `guest` is a guest with emulated processors, each a `processor`: `gigabyte` unmaps its memory under it, `refill` finds the number of names from which on
//!   it is better to drop everything.
//! - `tables` is what came out.

mod delay;
mod gigabyte;
mod guest;
mod processor;
mod refill;
mod tables;
mod world;

use std::ops::Range;
use std::time::{Duration, Instant};

use hpt::Endless;
use power::page::PageSize;

use crate::alone::{self, Map};
use crate::error::Result;
use crate::pinning;
use crate::report::Report;
use crate::rounds::Results;

use delay::Meanwhile;
use gigabyte::Way;
use refill::Goes;
use world::World;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Memory in which 16 MiB are unmapped, and the order of the table.
const FLAT: [(u64, u32); 7] = [
    (16 * MIB, 18),
    (GIB, 18),
    (GIB, 23),
    (GIB, 30),
    (64 * GIB, 18),
    (64 * GIB, 29),
    (64 * GIB, 30),
];
/// Memory that is unmapped although nobody has mapped it.
const EMPTY: [u64; 2] = [GIB, 64 * GIB];

/// Which pages the guest's memory is mapped by, and how many processors it has.
const GUESTS: [(PageSize, usize); 4] = [
    (PageSize::Size4K, 1),
    (PageSize::Size4K, 4),
    (PageSize::Size64K, 1),
    (PageSize::Size64K, 4),
];

/// Measures all of it.
pub fn measure(rounds: usize) -> Result<Report> {
    let processors = pinning::allowed()?;
    let flat = Results::measure("unmap: sizes", rounds, &FLAT, |(ram, order)| Ok(flat(ram, order)))?;
    let empty = Results::measure("unmap: no entries", rounds, &EMPTY, |ram| Ok(empty(ram)))?;
    let pairs: Vec<(bool, Map)> = [false, true]
        .iter()
        .flat_map(|&random| Map::ALL.map(|map| (random, map)))
        .collect();
    let pairs = Results::measure("unmap: enter and remove", rounds, &pairs, |(random, map)| {
        Ok(alone::pair(random, map, &processors))
    })?;
    let goes: Vec<(u64, Goes)> = refill::USES
        .iter()
        .flat_map(|&uses| {
            let names = refill::NAMES.map(Goes::Names);
            names
                .into_iter()
                .chain([Goes::Everything])
                .map(move |goes| (uses, goes))
        })
        .collect();
    let guest = refill::guest();
    let refill = Results::measure("unmap: names", rounds, &goes, |(uses, goes)| {
        Ok(refill::sample(&guest, uses, goes))
    })?;
    drop(guest);
    let mut markdown = format!(
        "**Microseconds to unmap 16 MiB with 1024 entries**\n\n{}\n\
         **Microseconds to unmap memory that nobody has mapped**\n\n{}\n\
         **Nanoseconds for H_ENTER and H_REMOVE, one thread, nobody to be told**\n\n{}\n\
         **Microseconds to drop translations, and that the processor loses by it**\n\n{}\n",
        tables::flat(&flat),
        tables::empty(&empty),
        tables::pair(&pairs),
        tables::refill(&refill),
    );
    if processors.len() < 2 {
        eprintln!("benches: SKIPPED: what takes two threads at once, as there is one processor only");
        return Ok(Report {
            rounds,
            markdown,
            picture: None,
        });
    }
    let worlds = Meanwhile::ALL.map(|meanwhile| (meanwhile, meanwhile.world()));
    let delay = Results::measure("unmap: delays", rounds, &Meanwhile::ALL, |meanwhile| {
        let (_, world) = worlds
            .iter()
            .find(|(of, _)| *of == meanwhile)
            .expect("there is one for each");
        Ok(delay::sample(meanwhile, world, &processors))
    })?;
    drop(worlds);
    let turns: Vec<Turn> = GUESTS
        .iter()
        .flat_map(|&(size, count)| Way::ALL.map(|way| (size, count, way)))
        .collect();
    let guests = Results::measure("unmap: 1 GiB of a guest", rounds, &turns, |(size, count, way)| {
        Ok(gigabyte::sample(size, count, way, &processors))
    })?;
    markdown += &format!(
        "**Microseconds of a hypercall that enters or removes an entry, by what is unmapped meanwhile**\n\n{}\n\
         **1 GiB that a guest uses, by its pages and processors, and by what is done to it**\n\n{}\n",
        tables::delay(&delay),
        tables::gigabyte(&guests),
    );
    Ok(Report {
        rounds,
        markdown,
        picture: Some(tables::picture(&guests)?),
    })
}

/// A guest, and what is done to it.
type Turn = (PageSize, usize, Way);

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Microseconds: of entries that nobody has used, then that somebody has.
fn flat(ram: u64, order: u32) -> Vec<f64> {
    const ENTRIES: u64 = 1024;
    let range = ram - 16 * MIB..ram;
    let of = |used| {
        let world = World::new(order, ram, PageSize::Size4K);
        // All over the range.
        let mut port = world.hpt.port();
        for number in 0..ENTRIES {
            world.enter(&mut port, number, range.start + number * (16 * MIB / ENTRIES));
            if used {
                world.use_page(number);
            }
        }
        unmap_often(&world, &range, ENTRIES, used)
    };
    [false, true].map(of).to_vec()
}

/// Microseconds.
fn empty(ram: u64) -> f64 {
    unmap_often(&World::new(18, ram, PageSize::Size4K), &(0..ram), 0, false)
}

fn unmap_often(world: &World, range: &Range<u64>, entries: u64, used: bool) -> f64 {
    const TIMES: u32 = 20;
    let mut unmapper = world.hpt.unmapper();
    let mut began = Instant::now();
    for time in 0..=TIMES {
        if time == 1 {
            // The first one does not count.
            began = Instant::now();
        }
        let unmapped = unmapper.unmap([range.clone()], &Endless).expect("endless patience");
        let untouched = if used { 0 } else { entries };
        assert_eq!(
            (unmapped.entries, unmapped.untouched, unmapped.everything),
            (entries, untouched, false)
        );
    }
    micros(began.elapsed()) / f64::from(TIMES)
}
