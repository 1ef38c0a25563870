//! Real threads: processors that walk and remember while another resizes the table up and down, as LoPAR has it; and a
//! guest that changes the table during the commit, which LoPAR forbids it. Meanwhile the host takes memory away.
#![cfg(not(loom))]

#[path = "threads/random.rs"]
mod random;
mod taken;
mod threads;

use std::collections::HashMap;
use std::iter::once;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Scope;

use hpt::{
    Access, Current, Endless, Footprint, Hpt, Invalidation, Kick, Marking, Order, Port, Shootdown, Specifier, Table,
    Translation, View,
};
use power::hcall::{Status, access};
use power::hpte::HpteV;
use power::page::{PagePair, PageSize, SegmentSize, Vpn};
use random::Random;
use taken::Taker;
use threads::{Doorbell, Inside, Memory};

const PROCESSORS: usize = 3;
const RESIZES: u64 = if cfg!(miri) { 4 } else { 200 };
const PAGES: u64 = 64;
/// Of them, those that get another real page between resizes.
const MOVING: u64 = 8;
/// Real pages of 4 KiB that the guest has.
const REAL_PAGES: u64 = 1024;
const SMALL: PagePair = PagePair::ALL[0];

/// Says so on every way out.
struct Finish<'f>(&'f AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn page(number: u64) -> Vpn {
    Vpn::new(0x42, SegmentSize::Size1T, PageSize::Size4K, number << 12)
}

/// Odd pages are in their secondary group.
fn is_secondary(number: u64) -> bool {
    number % 2 == 1
}

/// The first entry of the page's group in a table of `order`.
fn group(order: Order, number: u64) -> u64 {
    let hash = page(number).hash();
    let hash = if is_secondary(number) { !hash } else { hash };
    (hash % order.groups()) * 8
}

fn bolted(number: u64) -> u64 {
    HpteV::new(page(number), SMALL, is_secondary(number)).raw() | HpteV::BOLTED
}

/// One machine whose table may have 2^18 to 2^20 bytes.
struct Machine {
    hpt: Arc<Hpt>,
    current: Arc<Current>,
    shootdown: Arc<Shootdown>,
    bells: Vec<Doorbell>,
    footprints: Vec<Arc<Footprint>>,
    /// Which page a real one is mapped by. Relaxed: only the crate may provide the order.
    owners: Vec<AtomicU64>,
    taker: Taker,
    over: AtomicBool,
}

impl Machine {
    fn new(marking: Marking) -> Self {
        let bells: Vec<_> = (0..PROCESSORS).map(|_| Doorbell::default()).collect();
        let footprints: Vec<Arc<Footprint>> = (0..PROCESSORS).map(|_| Arc::default()).collect();
        let kicks = bells.iter().map(|bell| Box::new(bell.clone()) as Box<dyn Kick>);
        let shootdown = Arc::new(match marking {
            Marking::OneStep => Shootdown::with_footprints(kicks.zip(footprints.iter().cloned()).collect()),
            // The kernel keeps no account.
            Marking::LateBytes => Shootdown::new(kicks.collect()),
        });
        let mut table = Table::with_marking(Order::MIN, marking).expect("256 KiB");
        if marking == Marking::OneStep {
            table = table.with_reverse_map(REAL_PAGES << 12).expect("small");
        }
        let current = Current::new(table);
        let shadow = Box::new(Arc::clone(&shootdown));
        let hpt = Hpt::new(Arc::clone(&current), Box::new(Memory(REAL_PAGES << 12)), shadow);
        Self {
            hpt: Arc::new(hpt.with_largest(Order::new(20).expect("18 to 46"))),
            current,
            shootdown,
            bells,
            footprints,
            owners: (0..REAL_PAGES).map(|_| AtomicU64::new(u64::MAX)).collect(),
            taker: Taker::default(),
            over: AtomicBool::new(false),
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Enters bolted page `number` at `real`.
    fn bolt(&self, port: &mut Port, number: u64, real: u64) {
        self.owners[real as usize].store(number, Ordering::Relaxed);
        let ptex = group(self.hpt.table().order(), number) + number / 2 % 8;
        port.enter(access::EXACT, ptex, bolted(number), (real << 12) | 0x12)
            .expect("each has its own slot");
    }

    /// Takes page `number` from its real page and puts it at `real`, which is free.
    fn move_page(&self, port: &mut Port, number: u64, real: u64) {
        let ptex = group(self.hpt.table().order(), number) + number / 2 % 8;
        let old = port
            .remove(access::AVPN, ptex, page(number).avpn())
            .expect("it is bolted");
        let was = old.r.real_address(SMALL) >> 12;
        // Whoever uses the old translation from here on is found out.
        self.owners[was as usize].store(u64::MAX, Ordering::Relaxed);
        self.bolt(port, number, real);
    }

    /// A processor's life: visits with a cache that lasts through them.
    fn run(&self, cpu: usize, mut visit: impl FnMut(&mut View, &mut HashMap<u64, Translation>, &mut Random)) {
        let (seat, bell) = (self.shootdown.seat(cpu), &self.bells[cpu]);
        let mut view = self.current.view();
        let mut cache = HashMap::new();
        let mut random = Random(0x9e37_79b9 * (cpu as u64 + 1));
        while !self.is_over() {
            bell.0.store(false, Ordering::Relaxed);
            seat.enter(|invalidation| match *invalidation {
                Invalidation::Page { page, .. } => drop(cache.remove(&(page.offset() >> 12))),
                Invalidation::Real { .. } => (),
                Invalidation::All => {
                    cache.clear();
                    self.footprints[cpu].clear();
                }
            });
            let inside = Inside(seat);
            view.follow();
            for _ in 0..random.below(40) {
                if bell.0.load(Ordering::Acquire) {
                    break;
                }
                visit(&mut view, &mut cache, &mut random);
            }
            drop(inside);
        }
    }

    fn walk(&self, cpu: usize, table: &Table, number: u64) -> Option<Translation> {
        let found = match table.marking() {
            Marking::OneStep => table.walk_for(page(number), Access::Load, false, &self.footprints[cpu]),
            Marking::LateBytes => table.walk_late(page(number), Access::Load, false),
        };
        found.ok()
    }

    /// A use of a page, by what the processor holds or by a walk.
    fn touch(&self, cpu: usize, view: &View, cache: &mut HashMap<u64, Translation>, number: u64) {
        let walk = || self.walk(cpu, view.table(), number);
        let Some(found) = cache.get(&number).copied().or_else(walk) else {
            assert!(number < MOVING, "bolted page {number} was gone");
            return;
        };
        let bytes = found.real..found.real + 4096;
        if !cache.contains_key(&number) && !self.taker.admits(&bytes) {
            return;
        }
        cache.insert(number, found);
        assert!(!self.taker.has_taken(&bytes), "page {number} is used and was unmapped");
        let owner = self.owners[(found.real >> 12) as usize].load(Ordering::Relaxed);
        assert_eq!(owner, number, "stale translation");
    }

    /// Beside a table with a reverse map, the host takes memory away and gives it back.
    fn spawn_taker<'s>(&'s self, scope: &'s Scope<'s, '_>) {
        if !self.has_reverse_map() {
            return;
        }
        scope.spawn(|| {
            let _finish = Finish(&self.over);
            let mut random = Random(0x1234_5678);
            let mut unmapper = self.hpt.unmapper();
            // Once at least, also where it gets no processor until all is over.
            loop {
                let start = random.below(REAL_PAGES);
                let most = if random.below(4) == 0 { REAL_PAGES } else { 4 };
                let end = (start + 1 + random.below(most)).min(REAL_PAGES);
                self.taker.take(&mut unmapper, &(start << 12..end << 12));
                if self.is_over() {
                    break;
                }
                std::thread::yield_now();
            }
        });
    }

    fn has_reverse_map(&self) -> bool {
        self.hpt.table().marking() == Marking::OneStep
    }

    /// The chains of the table have `count` entries.
    fn check_chains(&self, count: u64) {
        if self.has_reverse_map() {
            let unmapped = self.hpt.unmapper().unmap(once(0..REAL_PAGES << 12), &Endless);
            let unmapped = unmapped.expect("endless patience");
            assert_eq!((unmapped.entries, unmapped.everything), (count, false));
        }
    }
}

/// Prepares and commits a table of 2^`shift` bytes.
fn resize(port: &mut Port, shift: u64) -> Status {
    loop {
        match port.resize_prepare(0, shift) {
            Status::LongBusy(_) => std::thread::yield_now(),
            Status::Success => return port.resize_commit(0, shift),
            status => return status,
        }
    }
}

#[test]
fn processors_find_every_bolted_page_in_whatever_table() {
    resize_under_walks(Marking::OneStep);
}

#[test]
fn so_do_those_whose_kernel_walks() {
    resize_under_walks(Marking::LateBytes);
}

fn resize_under_walks(marking: Marking) {
    let machine = Machine::new(marking);
    let mut port = machine.hpt.port();
    for number in 0..PAGES {
        machine.bolt(&mut port, number, number);
    }
    std::thread::scope(|scope| {
        let machine = &machine;
        machine.spawn_taker(scope);
        for cpu in 0..PROCESSORS {
            scope.spawn(move || {
                let _finish = Finish(&machine.over);
                machine.run(cpu, |view, cache, random| {
                    machine.touch(cpu, view, cache, random.below(PAGES));
                });
            });
        }
        let _finish = Finish(&machine.over);
        let mut random = Random(7);
        let mut free: Vec<u64> = (PAGES..REAL_PAGES).collect();
        for round in 0..RESIZES {
            assert_eq!(resize(&mut port, 18 + round % 3), Status::Success);
            let number = random.below(MOVING);
            let real = free.swap_remove(random.below(free.len() as u64) as usize);
            let was = machine
                .owners
                .iter()
                .position(|owner| owner.load(Ordering::Relaxed) == number);
            machine.move_page(&mut port, number, real);
            free.push(was.expect("it is mapped") as u64);
            if machine.is_over() {
                break;
            }
        }
    });
    let counts = machine.hpt.counts();
    assert_eq!(counts.resizes, RESIZES);
    assert!(counts.unmaps > 0 || !machine.has_reverse_map(), "{counts:?}");
    machine.check_chains(PAGES);
    for number in 0..PAGES {
        assert!(machine.hpt.table().walk(page(number), Access::Load, false).is_ok());
    }
}

/// One call with random arguments near what is there.
fn disturb(port: &mut Port, random: &mut Random) {
    let number = random.below(PAGES);
    // Mostly the page's own place, so that bolted entries collide now and then only.
    let is_stray = random.below(5000) == 0;
    let order = match is_stray {
        true => Order::new(18 + random.below(3) as u32).expect("18 to 46"),
        false => port.table().order(),
    };
    let stray = if is_stray { random.below(8) } else { 0 };
    let ptex = group(order, number) + (number / 2 + stray) % 8;
    let own_calls = if random.below(100) == 0 { 7 } else { 6 };
    match random.below(own_calls) {
        0 | 1 => {
            let v = bolted(number) & !(if random.below(2) == 0 { HpteV::BOLTED } else { 0 });
            let r = (random.below(REAL_PAGES) << 12) | 0x12;
            let _ = port.enter(access::EXACT, ptex, v, r);
        }
        2 => drop(port.remove(0, ptex, 0)),
        3 => {
            let _ = port.protect(random.below(4), ptex, 0);
        }
        4 => drop(port.read(access::READ_4, ptex)),
        5 => {
            let mut specifiers = std::array::from_fn(|i| Specifier {
                high: (1 << 62) | ((ptex + i as u64) % (1 << 14)),
                low: 0,
            });
            let _ = port.bulk_remove(&mut specifiers);
        }
        _ => {
            let _ = port.resize_prepare(0, 18 + random.below(3));
        }
    }
}

fn remove_all(machine: &Machine, port: &mut Port) {
    for ptex in 0..machine.hpt.table().order().entries() {
        let _ = port.remove(0, ptex, 0);
    }
}

/// Such a guest may lose what it enters. It gets no other memory than its own, and nobody waits for ever.
#[test]
fn a_guest_that_changes_its_table_during_a_commit_harms_only_itself() {
    change_during_commits(Marking::OneStep);
}

#[test]
fn so_does_one_whose_kernel_walks() {
    change_during_commits(Marking::LateBytes);
}

fn change_during_commits(marking: Marking) {
    let machine = Machine::new(marking);
    std::thread::scope(|scope| {
        let machine = &machine;
        machine.spawn_taker(scope);
        for cpu in 0..PROCESSORS {
            scope.spawn(move || {
                let mut calls = machine.hpt.port();
                let mut random = Random(0xdead_beef + cpu as u64);
                while !machine.is_over() {
                    let inside = {
                        machine.shootdown.seat(cpu).enter(|_| ());
                        Inside(machine.shootdown.seat(cpu))
                    };
                    let table = machine.current.table();
                    let found = machine.walk(cpu, &table, random.below(PAGES));
                    assert!(found.is_none_or(|found| found.real < REAL_PAGES << 12));
                    drop(inside);
                    (0..random.below(20)).for_each(|_| disturb(&mut calls, &mut random));
                }
            });
        }
        let _finish = Finish(&machine.over);
        let mut port = machine.hpt.port();
        let mut done = 0;
        // How often the others let one be done is up to the host.
        for round in 0..RESIZES * 1000 {
            match resize(&mut port, 18 + round % 3) {
                Status::Success => done += 1,
                // Its own entries collide.
                Status::PtegFull => remove_all(machine, &mut port),
                // Another of its calls has discarded the pending table.
                status => assert!(matches!(status, Status::Closed | Status::Busy), "{status:?}"),
            }
            if done == RESIZES || round >= RESIZES * 2 && done > 0 {
                break;
            }
        }
        assert!(done > 0);
    });
    // No lock was left, and the table is as good as any.
    let mut port = machine.hpt.port();
    remove_all(&machine, &mut port);
    for number in 0..PAGES {
        machine.bolt(&mut port, number, number);
    }
    assert_eq!(port.resize_prepare(0, 0), Status::Success);
    assert_eq!(resize(&mut port, 20), Status::Success);
    machine.check_chains(PAGES);
    for number in 0..PAGES {
        let found = machine.hpt.table().walk(page(number), Access::Load, false);
        assert_eq!(found.map(|found| found.real), Ok(number << 12));
    }
}
