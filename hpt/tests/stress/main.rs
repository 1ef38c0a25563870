//! Real threads: processors that walk and remember, and the same threads as writers that enter, remove and
//! protect, as a guest's do; and a host that takes ranges of real pages away. The ownership of real pages tells whether
//! anybody used a translation that was gone.
#![cfg(not(loom))]

mod kernel_walker;
#[path = "../threads/mod.rs"]
mod threads;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard};

use hpt::{
    Access, Confirmation, Current, Endless, Footprint, Held, Hpt, Hpte, Invalidation, Kick, Marking, Order, Port,
    PteIndex, Seat, Shootdown, Specifier, Table, Translation,
};
use kernel_walker::{Host, Kernel};
use power::hcall::{Status, access};
use power::hpte::{HpteR, HpteV};
use power::page::{PagePair, PageSize, SegmentSize, Vpn};
use threads::{Doorbell, Inside, Memory};

const PROCESSORS: usize = 4;
const ROUNDS: u64 = if cfg!(miri) { 40 } else { 200_000 };
/// Virtual pages; all in four groups, so that slots and groups are fought over.
const PAGES: usize = 24;
const REAL_PAGES: usize = 256;
/// Owner of a real page that is mapped nowhere.
const NOBODY: u64 = u64::MAX;
const SMALL: PagePair = PagePair::ALL[0];

/// What the guest's own page table says: held while the page is being changed, as Linux does.
#[derive(Default)]
struct Mapping {
    /// The entry's index and its real page.
    at: Option<(PteIndex, usize)>,
    read_only: bool,
    /// R and C that the guest gave, until a call clears R.
    referenced: bool,
    changed: bool,
}

/// An entry that was mapped.
struct Taken {
    at: PteIndex,
    real: usize,
    referenced: bool,
    changed: bool,
}

impl Mapping {
    fn take(&mut self) -> Option<Taken> {
        let (at, real) = self.at.take()?;
        Some(Taken {
            at,
            real,
            referenced: self.referenced,
            changed: self.changed,
        })
    }
}

/// What is true of a real page. Relaxed where the crate promises an order: only it may provide it.
struct RealPage {
    owner: AtomicU64,
    /// Used since it was mapped or protected.
    used: AtomicBool,
    stored: AtomicBool,
    read_only: AtomicBool,
    /// How many are about to take it away: what is found now must not be remembered.
    in_flight: AtomicU64,
    /// How many have: nobody may use it.
    away: AtomicU64,
}

/// A processor that has not finished. The last one's end, however it comes, ends the unmapping as well.
struct Finish<'f>(&'f AtomicU64, &'f AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

struct Guest {
    hpt: Arc<Hpt>,
    mappings: Vec<Mutex<Mapping>>,
    real: Vec<RealPage>,
}

fn page(number: usize) -> Vpn {
    // Page numbers 2^11 apart hash to the same group of a table with 2^11 groups.
    let number = number as u64;
    Vpn::new(
        0x42,
        SegmentSize::Size1T,
        PageSize::Size4K,
        (number % 4 + ((number / 4) << 11)) << 12,
    )
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

impl Guest {
    fn map(&self, port: &mut Port, number: usize, mapping: &mut Mapping, random: &mut Random) {
        let real = random.below(REAL_PAGES);
        let owner = &self.real[real].owner;
        if owner
            .compare_exchange(NOBODY, number as u64, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {
            return;
        }
        self.real[real].used.store(false, Ordering::Relaxed);
        self.real[real].stored.store(false, Ordering::Relaxed);
        self.real[real].read_only.store(false, Ordering::Relaxed);
        let secondary = random.below(2) == 1;
        let hash = if secondary {
            !page(number).hash()
        } else {
            page(number).hash()
        };
        let v = HpteV::new(page(number), SMALL, secondary).raw();
        // The guest's own R and C, now and then: they must come back, and hide nothing.
        let marks = random.below(8).saturating_sub(4) as u64;
        let r = (real as u64) << 12 | marks << 7 | 0x12;
        match port.enter(0, hash % (1 << 11) * 8, v, r) {
            Ok(at) => {
                *mapping = Mapping {
                    at: Some((at, real)),
                    read_only: false,
                    referenced: marks & 2 != 0,
                    changed: marks & 1 != 0,
                }
            }
            Err(status) => {
                assert_eq!(status, Status::PtegFull);
                owner.store(NOBODY, Ordering::Relaxed);
            }
        }
    }

    /// As a processor does that stays in its seat for an `H_ENTER`: it waits for nobody.
    fn map_inside(&self, port: &mut Port, random: &mut Random) {
        assert!(port.enters_inside(0));
        let number = random.below(PAGES);
        if let Ok(mut mapping) = self.mappings[number].try_lock()
            && mapping.at.is_none()
        {
            self.map(port, number, &mut mapping, random);
        }
    }

    /// The entry is gone: nobody may use it, and it told the truth about its use.
    fn unmapped(&self, old: &Taken, referenced: bool, changed: bool) {
        let page = &self.real[old.real];
        let (used, stored) = (page.used.load(Ordering::Relaxed), page.stored.load(Ordering::Relaxed));
        assert!(referenced || !used && !old.referenced, "R was lost");
        assert!(changed || !stored && !old.changed, "C was lost");
        // Where C tells nothing, what was used counts as stored to.
        let is_late = self.hpt.table().marking() == Marking::LateBytes;
        assert!(!changed || stored || old.changed || is_late, "C was made up");
        page.owner.store(NOBODY, Ordering::Relaxed);
    }

    fn remove(&self, port: &mut Port, number: usize, mapping: &mut Mapping) {
        let Some(taken) = mapping.take() else {
            return;
        };
        let avpn = page(number).avpn();
        let old = port
            .remove(access::AVPN, taken.at.to_register(), avpn)
            .expect("the entry is there");
        self.check_removed(number, &taken, old);
    }

    fn check_removed(&self, number: usize, taken: &Taken, old: Hpte) {
        assert_eq!(old.v.avpn(), page(number).avpn());
        let marks = HpteR::R_AND_C | access::PROTECTION_IN_ENTRY;
        assert_eq!(old.r.with_clear(marks).raw(), (taken.real as u64) << 12 | 0x10);
        self.unmapped(taken, old.r.is_referenced(), old.r.is_changed());
    }

    /// Takes `count` mappings of `numbers` that nobody else is changing, each still held.
    fn take_some(
        &self,
        numbers: impl Iterator<Item = usize>,
        count: usize,
    ) -> Vec<(usize, MutexGuard<'_, Mapping>, Taken)> {
        let take = |number: usize| {
            let mut mapping = self.mappings[number].try_lock().ok()?;
            let taken = mapping.take()?;
            Some((number, mapping, taken))
        };
        numbers.filter_map(take).take(count).collect()
    }

    /// Removes up to four neighbours of `first`.
    fn remove_bulk(&self, port: &mut Port, first: usize) {
        let end = Specifier { high: 3 << 62, low: 0 };
        let mut specifiers = [end; 4];
        let held = self.take_some(first..PAGES, 4);
        for (specifier, (number, _, taken)) in specifiers.iter_mut().zip(&held) {
            specifier.high = 1 << 62 | 2 << 56 | taken.at.to_register();
            specifier.low = page(*number).avpn();
        }
        assert_eq!(port.bulk_remove(&mut specifiers), Status::Success);
        for (specifier, (_, _, taken)) in specifiers.iter().zip(&held) {
            assert_eq!(specifier.high >> 60, 0b1000, "the entry is there");
            self.unmapped(taken, specifier.high >> 59 & 1 == 1, specifier.high >> 58 & 1 == 1);
        }
    }

    /// Removes the pages of one block; those that are busy are asked for again, as Linux does.
    fn remove_block(&self, port: &mut Port, any: usize) {
        // The four pages that differ in their low bits only.
        let block = any / 4 * 4;
        let held = self.take_some(block..block + 4, 4);
        let mut left: Vec<_> = held.iter().map(|(_, _, taken)| taken).collect();
        while !left.is_empty() {
            let mut specifiers = [3 << 62; 8];
            for (specifier, taken) in specifiers.iter_mut().zip(&left) {
                *specifier = 1 << 62 | 1 << 56 | taken.at.to_register();
            }
            let status = port.block_remove(page(block).avpn(), &mut specifiers);
            let mut answers = specifiers.iter();
            left.retain(|taken| {
                let byte = answers.next().expect("four at most") >> 56;
                if byte & 0xf8 == 0xa0 {
                    return true;
                }
                assert_eq!(byte & 0xf8, 0x80, "the entry is there");
                self.unmapped(taken, byte & 4 != 0, byte & 2 != 0);
                false
            });
            assert_eq!(status == Status::Success, left.is_empty());
        }
    }

    /// The host takes some entries out, those that are not there as well.
    fn evict(&self, port: &mut Port, first: usize) {
        let held = self.take_some((first..PAGES).chain(0..first), 12);
        let asked = |_: &Table| held.iter().map(|(_, _, taken)| taken.at.to_register());
        let mut gone = 0;
        let count = port.evict(asked, |at, old| {
            let (number, _held, taken) = held.iter().find(|(_, _, taken)| taken.at == at).expect("asked for");
            self.check_removed(*number, taken, old);
            gone += 1;
        });
        assert_eq!((count, gone), (held.len(), held.len()));
    }

    fn protect(&self, port: &mut Port, number: usize, mapping: &mut Mapping) {
        let Some((at, real)) = mapping.at else { return };
        mapping.read_only = !mapping.read_only;
        if !mapping.read_only {
            self.real[real].read_only.store(false, Ordering::Relaxed);
        }
        let pp = if mapping.read_only { 3 } else { 2 };
        let status = port.protect(access::AVPN | pp, at.to_register(), page(number).avpn());
        assert_eq!(status, Status::Success);
        self.real[real].used.store(false, Ordering::Relaxed);
        mapping.referenced = false;
        if mapping.read_only {
            self.real[real].read_only.store(true, Ordering::Relaxed);
        }
    }

    fn hypercall(&self, port: &mut Port, random: &mut Random) {
        let number = random.below(PAGES);
        match random.below(18) {
            0 | 1 => return self.remove_bulk(port, number),
            2 => return self.remove_block(port, number),
            3 => return self.evict(port, number),
            _ => {}
        }
        let Ok(mut mapping) = self.mappings[number].try_lock() else {
            return;
        };
        match random.below(5) {
            0 | 1 if mapping.at.is_none() => self.map(port, number, &mut mapping, random),
            0 | 1 => self.remove(port, number, &mut mapping),
            2 => self.protect(port, number, &mut mapping),
            3 => {
                let Some((at, real)) = mapping.at else { return };
                let hpt::Entries::One(entry) = port.read(0, at.to_register()).expect("in the table") else {
                    return;
                };
                assert_eq!(entry.v.avpn(), page(number).avpn(), "half an entry");
                assert_eq!(entry.r.raw() >> 12 & 0xfff_ffff, real as u64, "half an entry");
            }
            _ => {
                let Some((at, real)) = mapping.at else { return };
                // Looked at before: uses go on during the call and after it.
                let used = self.real[real].used.load(Ordering::Acquire);
                let old = port.clear_ref(0, at.to_register()).expect("valid");
                assert!(old.is_referenced() || !used && !mapping.referenced, "R was lost");
                self.real[real].used.store(false, Ordering::Relaxed);
                mapping.referenced = false;
            }
        }
    }

    /// One access of a processor that is in the guest, by what it holds or by a walk.
    fn touch(
        &self,
        port: &mut Port,
        number: usize,
        store: bool,
        cache: &mut HashMap<Vpn, Translation>,
        account: Option<&Footprint>,
    ) {
        let held = cache.get(&page(number)).copied().filter(|held| !store || held.changed);
        let kind = if store { Access::Store } else { Access::Load };
        let walk = || match account {
            Some(footprint) => port.table().walk_for(page(number), kind, false, footprint),
            None => port.table().walk(page(number), kind, false),
        };
        let is_admitted = |found: &Translation| {
            let real = self.real(found);
            // The walk has set them.
            real.used.store(true, Ordering::Release);
            real.stored.fetch_or(store, Ordering::Relaxed);
            real.in_flight.load(Ordering::Acquire) == 0
        };
        let Some(found) = held.or_else(|| walk().ok().filter(is_admitted)) else {
            return;
        };
        if store && !found.protection.allows_store(false) {
            return;
        }
        cache.insert(page(number), found);
        self.use_page(port.table(), number, store, found);
    }

    fn real(&self, found: &Translation) -> &RealPage {
        &self.real[(found.real >> 12) as usize]
    }

    /// The host takes ranges of real pages away and gives them back, until `over`.
    fn unmap(&self, over: &AtomicBool, seed: u64) {
        let mut random = Random(seed);
        let mut unmapper = self.hpt.unmapper();
        while !over.load(Ordering::Relaxed) {
            let start = random.below(REAL_PAGES);
            let most = if random.below(4) == 0 { REAL_PAGES } else { 4 };
            let end = (start + 1 + random.below(most)).min(REAL_PAGES);
            let pages = &self.real[start..end];
            for page in pages {
                page.in_flight.fetch_add(1, Ordering::Relaxed);
            }
            fence(Ordering::SeqCst);
            let range = (start as u64) << 12..(end as u64) << 12;
            unmapper.unmap([range], &Endless).expect("endless patience");
            for page in pages {
                page.away.fetch_add(1, Ordering::Relaxed);
            }
            std::thread::yield_now();
            for page in pages {
                page.away.fetch_sub(1, Ordering::Relaxed);
                page.in_flight.fetch_sub(1, Ordering::Release);
            }
            std::thread::yield_now();
        }
    }

    /// An access through a translation that the processor holds.
    fn use_page(&self, table: &Table, number: usize, store: bool, found: Translation) {
        let held = Held {
            real: found.real,
            protection: found.protection,
            no_execute: found.no_execute,
            changed: found.changed,
            key: found.key,
        };
        assert_ne!(table.confirm(page(number), &held), Confirmation::Stale);
        let real = self.real(&found);
        assert_eq!(
            real.away.load(Ordering::Relaxed),
            0,
            "page {number} is used and was unmapped"
        );
        assert_eq!(
            real.owner.load(Ordering::Relaxed),
            number as u64,
            "stale translation of page {number}"
        );
        real.used.store(true, Ordering::Release);
        if store {
            assert!(!real.read_only.load(Ordering::Relaxed), "store to a read-only page");
            real.stored.store(true, Ordering::Relaxed);
        }
    }

    /// A processor whose kernel walks the table.
    fn run_kernel(&self, seat: &Seat, bell: &Doorbell, kernel: &Kernel, seed: u64) {
        let mut random = Random(seed);
        let mut port = self.hpt.port();
        for _ in 0..ROUNDS {
            bell.0.store(false, Ordering::Relaxed);
            seat.enter(|_| kernel.forget_all());
            let inside = Inside(seat);
            for _ in 0..random.below(30) {
                if bell.0.load(Ordering::Acquire) {
                    break;
                }
                let (number, store) = (random.below(PAGES), random.below(3) == 0);
                kernel.touch(port.table(), page(number), store, &mut random, |found| {
                    self.use_page(port.table(), number, store, found);
                });
            }
            drop(inside);
            self.hypercall(&mut port, &mut random);
        }
    }

    fn run(&self, seat: &Seat, bell: &Doorbell, account: Option<&Footprint>, seed: u64) {
        let mut random = Random(seed);
        let mut port = self.hpt.port();
        let mut cache = HashMap::new();
        for _ in 0..ROUNDS {
            bell.0.store(false, Ordering::Relaxed);
            seat.enter(|invalidation| match *invalidation {
                Invalidation::Page { page, .. } => drop(cache.remove(&page)),
                Invalidation::Real { .. } => (),
                Invalidation::All => cache.clear(),
            });
            let inside = Inside(seat);
            // Often, so that writers do find processors to leave alone.
            if let Some(footprint) = account
                && random.below(2) == 0
            {
                cache.clear();
                footprint.clear();
            }
            for _ in 0..random.below(30) {
                if bell.0.load(Ordering::Acquire) {
                    break;
                }
                if random.below(4) == 0 {
                    self.map_inside(&mut port, &mut random);
                }
                self.touch(
                    &mut port,
                    random.below(PAGES),
                    random.below(3) == 0,
                    &mut cache,
                    account,
                );
            }
            drop(inside);
            self.hypercall(&mut port, &mut random);
        }
    }
}

/// Processors that every batch concerns, or that keep account of what they hold, as emulated ones do; or those of KVM, with the most
/// ranges of a flush.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Footprint,
    Kernel(usize),
}

#[test]
fn no_processor_uses_a_translation_that_is_gone_and_no_mark_is_lost() {
    stress(Kind::Plain);
}

#[test]
fn nor_does_one_that_is_left_alone_because_its_footprint_does_not_name_the_page() {
    stress(Kind::Footprint);
}

#[test]
fn nor_does_one_whose_kernel_walks() {
    stress(Kind::Kernel(4));
}

fn stress(kind: Kind) {
    let bells: Vec<_> = (0..PROCESSORS).map(|_| Doorbell::default()).collect();
    let footprints: Vec<Arc<Footprint>> = (0..PROCESSORS).map(|_| Arc::default()).collect();
    let kicks = bells.iter().map(|bell| Box::new(bell.clone()) as Box<dyn Kick>);
    let kernels: Vec<Kernel> = (0..PROCESSORS).map(|_| Kernel::default()).collect();
    let shootdown = Arc::new(match kind {
        Kind::Plain => Shootdown::new(kicks.collect()),
        Kind::Footprint => Shootdown::with_footprints(kicks.zip(footprints.iter().cloned()).collect()),
        Kind::Kernel(most) => Shootdown::new(kicks.collect()).with_discard(Box::new(Host(kernels.clone())), most),
    });
    let marking = match kind {
        Kind::Kernel(_) => Marking::LateBytes,
        Kind::Plain | Kind::Footprint => Marking::OneStep,
    };
    let mut table = Table::with_marking(Order::MIN, marking).expect("256 KiB");
    if marking == Marking::OneStep {
        table = table.with_reverse_map((REAL_PAGES as u64) << 12).expect("small");
    }
    let table = Current::new(table);
    let new_page = || RealPage {
        owner: AtomicU64::new(NOBODY),
        used: AtomicBool::new(false),
        stored: AtomicBool::new(false),
        read_only: AtomicBool::new(false),
        in_flight: AtomicU64::new(0),
        away: AtomicU64::new(0),
    };
    let guest = Guest {
        hpt: Arc::new(Hpt::new(
            table,
            Box::new(Memory(u64::MAX)),
            Box::new(Arc::clone(&shootdown)),
        )),
        mappings: (0..PAGES).map(|_| Mutex::default()).collect(),
        real: (0..REAL_PAGES).map(|_| new_page()).collect(),
    };
    let over = AtomicBool::new(false);
    let processors = AtomicU64::new(PROCESSORS as u64);
    std::thread::scope(|scope| {
        for seed in [3, 5].into_iter().filter(|_| marking == Marking::OneStep) {
            let (guest, over) = (&guest, &over);
            scope.spawn(move || guest.unmap(over, seed));
        }
        for (cpu, bell) in bells.iter().enumerate() {
            let (guest, seat) = (&guest, shootdown.seat(cpu));
            let (footprint, kernel) = (&*footprints[cpu], &kernels[cpu]);
            let seed = 0x9e37_79b9 * (cpu as u64 + 1);
            let finish = Finish(&processors, &over);
            scope.spawn(move || {
                let _finish = finish;
                match kind {
                    Kind::Plain => guest.run(seat, bell, None, seed),
                    Kind::Footprint => guest.run(seat, bell, Some(footprint), seed),
                    Kind::Kernel(_) => guest.run_kernel(seat, bell, kernel, seed),
                }
            });
        }
    });
    let counts = guest.hpt.counts();
    if matches!(kind, Kind::Kernel(_)) && !cfg!(miri) {
        assert!(
            counts.discarded > 0 && counts.flushed_all > 0 && counts.untouched > 0,
            "{counts:?}"
        );
    }
    if marking == Marking::OneStep && !cfg!(miri) {
        assert!(
            counts.unmapped > counts.unmapped_untouched && counts.unmapped_untouched > 0,
            "{counts:?}"
        );
    }
    let mut port = guest.hpt.port();
    for (number, mapping) in guest.mappings.iter().enumerate() {
        guest.remove(&mut port, number, &mut mapping.lock().expect("no thread panicked"));
    }
    let left = (0..1 << 14).filter(|&ptex| port.remove(0, ptex, 0).is_ok()).count();
    assert_eq!(left, 0, "entries that nobody entered");
}
