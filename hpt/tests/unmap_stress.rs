//! Real threads: memory that is taken away while pages of every size map it, several at once and each in another place, and while their
//! entries come, change and go. Who takes a range knows when nobody may use it.
#![cfg(not(loom))]

#[path = "threads/random.rs"]
mod random;
mod taken;
mod threads;

use std::collections::HashMap;
use std::iter::once;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hpt::{
    Access, Current, Endless, Footprint, Hpt, Invalidation, Kick, Order, Port, Seat, Shootdown, Table, Translation,
};
use power::hcall::{Status, access};
use power::hpte::HpteV;
use power::page::{PagePair, SegmentSize, Vpn};
use random::Random;
use taken::Taker;
use threads::{Doorbell, Inside, Memory};

const PROCESSORS: usize = 3;
const TAKERS: usize = 2;
const ROUNDS: u64 = if cfg!(miri) { 30 } else { 50_000 };
/// Virtual pages: some of each pair of sizes. Those of a mixed pair are parts of one large page.
const PAGES: usize = 4 * PagePair::ALL.len();
/// Three of the largest pages.
const RAM: u64 = 3 << 24;

/// A processor that has not finished. The last one's end, however it comes, ends the taking as well.
struct Finish<'f>(&'f AtomicU64);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Of memory: a byte, a page of some size, or much.
fn range(random: &mut Random) -> Range<u64> {
    let start = random.below(RAM);
    let (shift, most) = [(0, 1), (12, 4), (16, 4), (24, 3)][random.below(4) as usize];
    let start = start >> shift << shift;
    start..(start + ((1 + random.below(most)) << shift)).min(RAM)
}

fn pair(number: usize) -> PagePair {
    PagePair::ALL[number % PagePair::ALL.len()]
}

fn page(number: usize) -> Vpn {
    let (which, part) = (number % PagePair::ALL.len(), number / PagePair::ALL.len());
    let base = pair(number).base();
    Vpn::new(
        0x42 + which as u64,
        SegmentSize::Size1T,
        base,
        (part as u64) << base.shift(),
    )
}

/// The bytes of the page that was asked for.
fn bytes(number: usize, found: &Translation) -> Range<u64> {
    found.real..found.real + pair(number).base().bytes()
}

fn names(gone: &Invalidation, number: usize) -> bool {
    let Invalidation::Page { page: gone, actual, .. } = *gone else {
        // Nothing is held without the table.
        return *gone == Invalidation::All;
    };
    let held = page(number);
    (gone.vsid(), gone.base()) == (held.vsid(), held.base())
        && (gone.offset()..gone.offset() + actual.bytes()).contains(&held.offset())
}

struct Guest {
    hpt: Arc<Hpt>,
    /// Where the entry of each page is: held while it is changed, as Linux does.
    places: Vec<Mutex<Option<u64>>>,
    takers: [Taker; TAKERS],
}

impl Guest {
    fn map(&self, port: &mut Port, number: usize, random: &mut Random) -> Option<u64> {
        let (page, pair) = (page(number), pair(number));
        let real = random.below(RAM) & !pair.actual().offset_mask();
        // The guest's own R and C, now and then: they must hide nothing.
        let marks = random.below(8).saturating_sub(4);
        let group = page.hash() % Order::MIN.groups() * 8;
        let r = real | pair.encoding() << 12 | marks << 7 | 0x12;
        let at = port.enter(0, group, HpteV::new(page, pair, false).raw(), r);
        at.ok().map(hpt::PteIndex::to_register)
    }

    fn hypercall(&self, port: &mut Port, random: &mut Random) {
        let number = random.below(PAGES as u64) as usize;
        let Ok(mut place) = self.places[number].try_lock() else {
            return;
        };
        let Some(at) = *place else {
            *place = self.map(port, number, random);
            return;
        };
        match random.below(5) {
            0 | 1 => {
                port.remove(access::AVPN, at, page(number).avpn()).expect("it is there");
                *place = None;
            }
            2 => assert_eq!(port.protect(2, at, 0), Status::Success),
            3 => drop(port.clear_ref(0, at).expect("it is there")),
            _ => {
                assert_eq!(port.evict(|_| [at], |_, _| ()), 1);
                *place = None;
            }
        }
    }

    /// One access of a processor that is in the guest, by what it holds or by a walk.
    fn touch(&self, table: &Table, held: &mut HashMap<usize, Translation>, footprint: &Footprint, random: &mut Random) {
        let number = random.below(PAGES as u64) as usize;
        let access = [Access::Load, Access::Store][random.below(2) as usize];
        let walk = || table.walk_for(page(number), access, false, footprint).ok();
        let is_admitted = |found: &Translation| self.takers.iter().all(|taker| taker.admits(&bytes(number, found)));
        let Some(found) = held.get(&number).copied().or_else(|| walk().filter(is_admitted)) else {
            return;
        };
        held.insert(number, found);
        let bytes = bytes(number, &found);
        let is_taken = self.takers.iter().any(|taker| taker.has_taken(&bytes));
        assert!(!is_taken, "page {number} is used at {bytes:x?}, which is away");
    }

    fn run(&self, seat: &Seat, bell: &Doorbell, footprint: &Footprint, seed: u64) {
        let mut random = Random(seed);
        let mut port = self.hpt.port();
        let mut held: HashMap<usize, Translation> = HashMap::new();
        for _ in 0..ROUNDS {
            bell.0.store(false, Ordering::Relaxed);
            seat.enter(|gone| {
                held.retain(|&number, _| !names(gone, number));
                if *gone == Invalidation::All {
                    footprint.clear();
                }
            });
            let inside = Inside(seat);
            // Often, so that unmappers do find processors to leave alone.
            if random.below(4) == 0 {
                held.clear();
                footprint.clear();
            }
            for _ in 0..random.below(30) {
                if bell.0.load(Ordering::Acquire) {
                    break;
                }
                self.touch(port.table(), &mut held, footprint, &mut random);
            }
            drop(inside);
            self.hypercall(&mut port, &mut random);
        }
    }
}

#[test]
fn no_processor_uses_a_byte_of_what_is_away_whatever_the_size_of_its_page() {
    let bells: Vec<_> = (0..PROCESSORS).map(|_| Doorbell::default()).collect();
    let footprints: Vec<Arc<Footprint>> = (0..PROCESSORS).map(|_| Arc::default()).collect();
    let kicks = bells.iter().map(|bell| Box::new(bell.clone()) as Box<dyn Kick>);
    let shootdown = Arc::new(Shootdown::with_footprints(
        kicks.zip(footprints.iter().cloned()).collect(),
    ));
    let table = Table::new(Order::MIN).expect("256 KiB").with_reverse_map(RAM);
    let current = Current::new(table.expect("small"));
    let guest = Guest {
        hpt: Arc::new(Hpt::new(
            current,
            Box::new(Memory(RAM)),
            Box::new(Arc::clone(&shootdown)),
        )),
        places: (0..PAGES).map(|_| Mutex::default()).collect(),
        takers: Default::default(),
    };
    let running = AtomicU64::new(PROCESSORS as u64);
    std::thread::scope(|scope| {
        for (number, taker) in guest.takers.iter().enumerate() {
            let (guest, running) = (&guest, &running);
            scope.spawn(move || {
                let mut random = Random(0x1234_5678 + number as u64);
                let mut unmapper = guest.hpt.unmapper();
                while running.load(Ordering::Relaxed) > 0 {
                    let unmapped = taker.take(&mut unmapper, &range(&mut random));
                    assert!(!unmapped.everything, "{unmapped:?}");
                    std::thread::yield_now();
                }
            });
        }
        for (cpu, bell) in bells.iter().enumerate() {
            let (guest, seat, footprint) = (&guest, shootdown.seat(cpu), &*footprints[cpu]);
            let finish = Finish(&running);
            scope.spawn(move || {
                let _finish = finish;
                guest.run(seat, bell, footprint, 0x9e37_79b9 * (cpu as u64 + 1));
            });
        }
    });
    let counts = guest.hpt.counts();
    let is_used = counts.unmapped > counts.unmapped_untouched && counts.unmapped_untouched > 0;
    assert!(is_used || cfg!(miri), "{counts:?}");
    // Each entry is in the chain of what it maps, and of nothing else.
    let mut unmapper = guest.hpt.unmapper();
    let mut entries = || {
        unmapper
            .unmap(once(0..RAM), &Endless)
            .expect("endless patience")
            .entries
    };
    let there: Vec<_> = guest
        .places
        .iter()
        .filter_map(|place| *place.lock().expect("no panic"))
        .collect();
    assert_eq!(entries(), there.len() as u64);
    let mut port = guest.hpt.port();
    for at in there {
        port.remove(0, at, 0).expect("it is there");
    }
    assert_eq!(entries(), 0);
}
