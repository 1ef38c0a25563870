//! Random streams of hypercalls and walks, legal and not, against the oracle in `model`: every answer must be
//! the same, and a cache that drops only what it is told to must never hold a translation that is gone.
#![cfg(not(loom))]

mod model;
mod steps;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use hpt::{
    Access, Batch, Confirmation, Current, Endless, Entries, Grace, Held, Hpt, Invalidation, Marking, Order, Port,
    RealKind, RealMap, Shadow, Specifier, Table, Unmapper, View, WalkFault,
};
use model::{DEVICE, DEVICE_END, Found, LARGEST, Model, Page, RAM_END, SUCCESS, leads_into};
use power::hcall::Status;
use proptest::prelude::*;
use steps::{Step, steps, vpn};

struct Machine;

impl RealMap for Machine {
    fn kind(&self, real: u64, bytes: u64) -> Option<RealKind> {
        let end = real.checked_add(bytes)?;
        if end <= RAM_END {
            Some(RealKind::Ram)
        } else {
            (real >= DEVICE && end <= DEVICE_END).then_some(RealKind::Device)
        }
    }

    fn zero(&self, _real: u64, _bytes: u64) {}

    fn synchronize_instructions(&self, _real: u64, _bytes: u64) {}
}

/// A processor's translation cache.
#[derive(Clone, Default)]
struct Cache {
    held: Arc<Mutex<HashMap<Page, Found>>>,
}

impl Shadow for Cache {
    fn invalidate(&self, batch: &Batch) -> Grace {
        self.held
            .lock()
            .expect("no panic while held")
            .retain(|held, _| !batch.items().any(|item| names(item, held)));
        Grace::default()
    }

    fn quiesce(&self) -> Grace {
        Grace::default()
    }

    /// By the real addresses alone.
    fn flush(&self, batch: &Batch) -> Grace {
        self.held
            .lock()
            .expect("no panic while held")
            .retain(|_, found| !batch.items().any(|item| leads_to(item, found)));
        Grace::default()
    }

    fn exclusively(&self, work: &mut dyn FnMut()) {
        work();
        self.held.lock().expect("no panic while held").clear();
    }
}

/// Whether `item` names the real addresses that a held translation leads to.
fn leads_to(item: &Invalidation, found: &Found) -> bool {
    let Invalidation::Page { actual, real, .. } = *item else {
        return true;
    };
    (real..real + actual.bytes()).contains(&found.0)
}

fn names(item: &Invalidation, held: &Page) -> bool {
    let Invalidation::Page { page, actual, .. } = *item else {
        // Nothing is held without the table.
        return *item == Invalidation::All;
    };
    let start = page.offset();
    page.vsid() == held.vsid
        && page.segment().shift() == held.segment
        && page.base().shift() == held.base
        && (start..start + actual.bytes()).contains(&held.offset)
}

fn code(status: Status) -> i64 {
    status.to_register().cast_signed()
}

/// The crate's answer in the oracle's words.
fn split<T, U: Default>(answer: Result<T, Status>, words: impl FnOnce(T) -> U) -> (i64, U) {
    match answer {
        Ok(value) => (SUCCESS, words(value)),
        Err(status) => (code(status), U::default()),
    }
}

/// The host takes `range` away. The guest's table stays what it is.
fn unmap(unmapper: &mut Unmapper, model: &Model, cache: &Cache, range: &Range<u64>) {
    let unmapped = unmapper.unmap([range.clone()], &Endless).expect("endless patience");
    if !unmapped.everything {
        let (entries, unused) = model.mapping(range);
        assert_eq!(unmapped.entries, entries);
        // R may be the guest's own.
        assert!(unmapped.untouched >= unused, "{unmapped:?} of {unused}");
    }
    let held = cache.held.lock().expect("no panic while held");
    let left = held.iter().find(|(_, found)| leads_into(found, range));
    assert_eq!(left, None, "{range:x?} was unmapped");
}

/// What H_RESIZE_HPT_PREPARE says when it is done.
fn prepare(hpt: &mut Port, flags: u64, shift: u64) -> i64 {
    loop {
        match hpt.resize_prepare(flags, shift) {
            Status::LongBusy(_) => std::thread::yield_now(),
            status => return code(status),
        }
    }
}

fn play(
    hpt: &mut Port,
    unmapper: &mut Unmapper,
    view: &mut View,
    model: &mut Model,
    cache: &Cache,
    duplicates: &mut usize,
    step: &Step,
) {
    match *step {
        Step::Enter { flags, ptex, v, r } => {
            let ptex = model.fit(ptex);
            let answer = split(hpt.enter(flags, ptex, v, r), hpt::PteIndex::to_register);
            assert_eq!(answer, model.enter(flags, ptex, v, r));
            if answer.0 == SUCCESS {
                *duplicates += model.duplicates_of(answer.1);
            }
        }
        Step::Remove { flags, ptex, avpn } => {
            let ptex = model.fit(ptex);
            let (status, (v, r)) = split(hpt.remove(flags, ptex, avpn), |old| (old.v.raw(), old.r.raw()));
            assert_eq!((status, v, r), model.remove(flags, ptex, avpn));
        }
        Step::Bulk(words) => {
            let mut words = words.map(|(high, low)| (model.fit_specifier(high), low));
            let mut specifiers = words.map(|(high, low)| Specifier { high, low });
            let status = hpt.bulk_remove(&mut specifiers);
            assert_eq!(code(status), model.bulk_remove(&mut words));
            assert_eq!(specifiers.map(|specifier| (specifier.high, specifier.low)), words);
        }
        Step::EnterRun(ref entries) => {
            for &(ptex, v, r) in entries {
                let step = Step::Enter { flags: 0, ptex, v, r };
                play(hpt, unmapper, view, model, cache, duplicates, &step);
            }
        }
        Step::Block { ava, specifiers } => {
            let mut specifiers = specifiers.map(|word| model.fit_specifier(word));
            let mut expected = specifiers;
            let status = code(hpt.block_remove(ava, &mut specifiers));
            assert_eq!(status, model.block_remove(ava, &mut expected));
            assert_eq!(specifiers, expected);
        }
        Step::Evict(ref ptexes) => {
            let ptexes: Vec<_> = ptexes.iter().map(|&ptex| model.fit(ptex)).collect();
            let mut gone = Vec::new();
            let count = hpt.evict(
                |_| ptexes.iter().copied(),
                |at, old| {
                    gone.push((at.to_register(), (old.v.raw(), old.r.raw())));
                },
            );
            assert_eq!(count, gone.len());
            // Those that nobody used are gone before those that wait for a flush.
            gone.sort_unstable();
            let mut expected = model.evict(&ptexes);
            expected.sort_unstable();
            assert_eq!(gone, expected);
        }
        Step::Protect { flags, ptex, avpn } => {
            let ptex = model.fit(ptex);
            assert_eq!(code(hpt.protect(flags, ptex, avpn)), model.protect(flags, ptex, avpn));
        }
        Step::Read { flags, ptex } => {
            let ptex = model.fit(ptex);
            let answer = split(hpt.read(flags, ptex), |entries| match entries {
                Entries::One(one) => vec![one],
                Entries::Four(four) => four.to_vec(),
            });
            let (status, expected) = model.read(flags, ptex);
            assert_eq!(answer.0, status);
            assert_eq!(answer.1.len(), expected.len());
            for (entry, (v, r)) in answer.1.iter().zip(expected) {
                assert_eq!(entry.v.raw(), v);
                // Doubleword 1 of an invalid entry means nothing.
                assert!(v == 0 || entry.r.raw() == r);
            }
        }
        Step::ClearRef { flags, ptex } => {
            let ptex = model.fit(ptex);
            let answer = split(hpt.clear_ref(flags, ptex), power::hpte::HpteR::raw);
            assert_eq!(answer, model.clear(flags, ptex, 0x100));
        }
        Step::ClearMod { flags, ptex } => {
            let ptex = model.fit(ptex);
            let answer = split(hpt.clear_mod(flags, ptex), power::hpte::HpteR::raw);
            assert_eq!(answer, model.clear(flags, ptex, 0x80));
        }
        Step::Prepare { flags, shift } => assert_eq!(prepare(hpt, flags, shift), model.prepare(flags, shift)),
        Step::Commit { flags, shift } => {
            assert_eq!(code(hpt.resize_commit(flags, shift)), model.commit(flags, shift));
            view.follow();
            assert_eq!(u64::from(view.table().order().log2_bytes()), model.shift);
        }
        Step::Unmap(ref range) => unmap(unmapper, model, cache, range),
        Step::Walk { page, access, key } => {
            view.follow();
            let kind = [Access::Load, Access::Store, Access::Fetch][usize::from(access)];
            let expected = model.walk(page, access, key);
            let table = view.table();
            let found = match table.marking() {
                Marking::OneStep => table.walk(vpn(page), kind, key),
                Marking::LateBytes => table.walk_late(vpn(page), kind, key),
            };
            match (found, expected) {
                (Ok(found), Ok((real, actual, r))) => {
                    assert_eq!((found.real, found.actual.shift()), (real, actual));
                    assert_eq!(u64::from(found.wimg), r >> 3 & 0xf);
                    assert_eq!(found.no_execute, r & 0xc != 0);
                    // C may be the guest's own, which lets no processor store without a walk.
                    assert!(if found.changed {
                        r & 0x80 != 0
                    } else {
                        kind != Access::Store
                    });
                    cache
                        .held
                        .lock()
                        .expect("no panic while held")
                        .insert(page, (real, actual, r & !0x80 | u64::from(found.changed) << 7));
                }
                (Err(fault), Err(number)) => {
                    let numbered = [WalkFault::NotFound, WalkFault::Protection, WalkFault::NoExecute];
                    assert_eq!(fault, numbered[usize::from(number)]);
                }
                (found, expected) => panic!("walk of {page:?} gave {found:?}, not {expected:x?}"),
            }
        }
    }
}

/// Everything cached must still be what some entry says, R and C being set there; the crate's own check agrees.
fn check_cache(table: &Table, model: &Model, cache: &Cache) {
    for (page, held) in cache.held.lock().expect("no panic while held").iter() {
        let same = |now: &Found| {
            let marks = held.2 & 0x180;
            (now.0, now.1, now.2 & !0x180) == (held.0, held.1, held.2 & !0x180) && now.2 & marks == marks
        };
        let own = Held {
            real: held.0,
            protection: power::hpte::HpteR::from_raw(held.2).protection(),
            no_execute: held.2 & 0xc != 0,
            changed: held.2 & 0x80 != 0,
            key: power::hpte::HpteR::from_raw(held.2).key(),
        };
        assert_eq!(table.confirm(vpn(*page), &own), Confirmation::Confirmed);
        let candidates = model.candidates(*page);
        assert!(
            candidates.iter().any(|(_, now)| same(now)),
            "{page:?} is held as {held:x?}: {candidates:x?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 512 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_the_oracles_and_no_translation_outlives_its_entry(
        stream in prop::collection::vec(steps(), 1..200), late in any::<bool>(),
    ) {
        let marking = if late { Marking::LateBytes } else { Marking::OneStep };
        let cache = Cache::default();
        let mut table = Table::with_marking(Order::MIN, marking).unwrap();
        if !late {
            table = table.with_reverse_map(RAM_END).unwrap();
        }
        let current = Current::new(table);
        let mut view = current.view();
        let hpt = Hpt::new(current, Box::new(Machine), Box::new(cache.clone())).with_duplicate_check(Box::new(|_| ()));
        let hpt = Arc::new(hpt.with_largest(Order::new(LARGEST as u32).expect("18 to 46")));
        let (mut port, mut unmapper) = (hpt.port(), hpt.unmapper());
        let (mut model, mut duplicates) = (Model::new(late), 0);
        for step in stream {
            play(&mut port, &mut unmapper, &mut view, &mut model, &cache, &mut duplicates, &step);
            check_cache(&hpt.table(), &model, &cache);
        }
        prop_assert_eq!(hpt.counts().duplicates, duplicates as u64);
        // Only a table without a reverse map needs that.
        prop_assert!(late || hpt.counts().unmapped_all == 0);
        let survey = hpt.table().survey(16);
        let having = |bit: u64| model.entries.values().filter(|(v, _)| v & bit != 0).count() as u64;
        prop_assert_eq!((survey.valid, survey.bolted, survey.secondary), (having(1), having(0x10), having(2)));
        let mut hpt = port;
        for (&ptex, &(v, r)) in &model.entries {
            let Ok(Entries::One(entry)) = hpt.read(0, ptex) else { panic!("H_READ of {ptex}") };
            prop_assert_eq!((entry.v.raw(), entry.r.raw()), (v, r));
        }
    }
}
