//! A host without memory: removing any number of entries still succeeds, in more batches.
#![cfg(not(loom))]

mod scarce;

use std::iter::once;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hpt::{
    Access, Batch, Current, Endless, Grace, Hpt, Invalidation, Marking, Order, Port, RealKind, RealMap, Shadow, Table,
    Unmapper,
};
use power::hpte::HpteV;
use power::page::{PagePair, PageSize, SegmentSize, Vpn};
use scarce::with_allocations;

struct Everything;

impl RealMap for Everything {
    fn kind(&self, _real: u64, _bytes: u64) -> Option<RealKind> {
        Some(RealKind::Ram)
    }

    fn zero(&self, _real: u64, _bytes: u64) {}

    fn synchronize_instructions(&self, _real: u64, _bytes: u64) {}
}

/// Counts what it is asked, as processors do that must be told of every page.
#[derive(Default)]
struct Told {
    pages: AtomicUsize,
    everything: AtomicUsize,
    real: AtomicUsize,
    largest: AtomicUsize,
}

impl Shadow for Told {
    fn invalidate(&self, batch: &Batch) -> Grace {
        for item in batch.items() {
            let count = match item {
                Invalidation::Page { .. } => &self.pages,
                Invalidation::Real { .. } => &self.real,
                Invalidation::All => &self.everything,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.largest.fetch_max(batch.len(), Ordering::Relaxed);
        Grace::default()
    }

    fn exclusively(&self, work: &mut dyn FnMut()) {
        work();
    }

    fn quiesce(&self) -> Grace {
        Grace::default()
    }

    fn flush(&self, batch: &Batch) -> Grace {
        self.invalidate(batch)
    }
}

const VSID: u64 = 0x42;
const ENTRIES: u64 = if cfg!(miri) { 500 } else { 10_000 };

/// Enters them all, and uses each once, so that none goes unseen.
fn enter_all(hpt: &Hpt, port: &mut Port) {
    for number in 0..ENTRIES {
        // Its hash leads to the group of the slot with that number, among 2^11 groups.
        let offset = (number / 8) ^ VSID | (number % 8) << 11;
        let page = Vpn::new(VSID, SegmentSize::Size1T, PageSize::Size4K, offset << 12);
        let v = HpteV::new(page, PagePair::ALL[0], false).raw();
        let exact = 1 << 39;
        port.enter(exact, number, v, (number << 12) | 0x12)
            .expect("the slot is free");
        hpt.table().walk(page, Access::Load, false).expect("it is there");
    }
}

/// A machine with a reverse map, whose entries have all been used, and what its processors are told.
fn used_machine(entries: u64) -> (Arc<Hpt>, Arc<Told>) {
    let told = Arc::new(Told::default());
    let table = Table::new(Order::MIN)
        .expect("256 KiB")
        .with_reverse_map(entries << 12)
        .expect("small");
    let hpt = Hpt::new(Current::new(table), Box::new(Everything), Box::new(Arc::clone(&told)));
    let hpt = Arc::new(hpt);
    enter_all(&hpt, &mut hpt.port());
    (hpt, told)
}

#[test]
fn to_unmap_takes_no_memory() {
    let (hpt, told) = used_machine(ENTRIES);
    let mut unmapper = hpt.unmapper();
    let most = ENTRIES.min(Unmapper::EVERYTHING_AFTER);
    let (unmapped, all) = with_allocations(0, || {
        let unmapped = unmapper.unmap(once(0..most << 12), &Endless);
        (unmapped, unmapper.unmap(once(0..ENTRIES << 12), &Endless))
    });
    let unmapped = unmapped.expect("endless patience");
    assert_eq!(
        (unmapped.entries, unmapped.untouched, unmapped.everything),
        (most, 0, false)
    );
    assert!(unmapped.flushes >= most / 192 && unmapped.steps >= unmapped.flushes);
    let all = all.expect("endless patience");
    assert_eq!(all.everything, ENTRIES > Unmapper::EVERYTHING_AFTER);
    assert!(told.largest.load(Ordering::Relaxed) <= 192);
}

/// Evicts all entries with `left` allocations granted. Returns the number of early flushes.
fn evict_with(marking: Marking, left: usize) -> (u64, Arc<Told>) {
    let told = Arc::new(Told::default());
    let table = Current::new(Table::with_marking(Order::MIN, marking).expect("256 KiB"));
    let hpt = Arc::new(Hpt::new(table, Box::new(Everything), Box::new(Arc::clone(&told))));
    let mut port = hpt.port();
    enter_all(&hpt, &mut port);
    let mut next = 0;
    let mut in_order = true;
    let evicted = with_allocations(left, || {
        port.evict(
            |_| 0..ENTRIES,
            |at, old| {
                in_order &= at.to_register() == next && old.r.raw() >> 12 == next;
                next += 1;
            },
        )
    });
    assert!(in_order, "each entry as it was, in order");
    assert_eq!((evicted as u64, next), (ENTRIES, ENTRIES));
    assert_eq!(told.pages.load(Ordering::Relaxed) as u64, ENTRIES);
    assert_eq!(told.everything.load(Ordering::Relaxed), 0);
    let counts = hpt.counts();
    assert_eq!(counts.removed, ENTRIES);
    (counts.flushed_early, told)
}

const MARKINGS: [Marking; 2] = [Marking::OneStep, Marking::LateBytes];

#[test]
fn with_memory_a_batch_grows_to_4096() {
    for marking in MARKINGS {
        let (early, told) = evict_with(marking, usize::MAX);
        assert_eq!(early, 0);
        assert_eq!(told.largest.load(Ordering::Relaxed) as u64, ENTRIES.min(4096));
    }
}

#[test]
fn without_memory_nothing_fails_and_batches_are_what_fits_in_place() {
    for marking in MARKINGS {
        let (early, told) = evict_with(marking, 0);
        assert_eq!(early, (ENTRIES - 1) / 192);
        assert_eq!(told.largest.load(Ordering::Relaxed), 192);
    }
}

#[test]
fn memory_may_end_at_any_allocation() {
    for (marking, left) in MARKINGS
        .into_iter()
        .flat_map(|marking| (1..12).map(move |left| (marking, left)))
    {
        let (early, told) = evict_with(marking, left);
        let largest = told.largest.load(Ordering::Relaxed);
        assert!(
            early > 0 && (192..=4096).contains(&largest),
            "{marking:?}, {left}: {early} early, {largest}"
        );
    }
}
