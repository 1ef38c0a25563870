//! Models of a hypercall against a processor that walks, with the grace period between them: R and C are never
//! lost, and nothing that is gone is used.

use crate::explore::explore;
use crate::search::{enter, enter_at, late_bytes, machine, page, shootdown};
use hpt::{Access, Hpt, NoShadow, Port, Shootdown};
use loom::cell::UnsafeCell;
use loom::thread;
use power::hcall::access::EXACT;
use power::hpte::HpteR;
use std::sync::Arc;

/// A page of guest memory: loom reports a use that is not ordered before its next owner's.
type Memory = Arc<UnsafeCell<u64>>;

fn store_to(memory: &Memory) {
    // SAFETY: the point of the model: loom checks that nobody else is at it.
    #[expect(unsafe_code, reason = "loom's checked cell")]
    memory.with_mut(|word| unsafe { *word += 1 });
}

/// One visit to the guest that walks and stores through what it found. Returns whether it did.
fn visit(hpt: &Hpt, shootdown: &Shootdown, memory: &Memory) -> bool {
    let seat = shootdown.seat(0);
    seat.enter(|_| ());
    let found = hpt.table().walk(page(1), Access::Store, false);
    if found.is_ok() {
        store_to(memory);
    }
    seat.leave();
    found.is_ok()
}

/// Both kinds of processors: those for which a writer may leave the grace period out, and the others.
fn race(floor: usize, change: fn(&mut Port) -> HpteR) {
    race_on(floor, change, |shootdown| machine(shootdown));
    race_on(floor, change, |shootdown| late_bytes(shootdown));
}

fn race_on(floor: usize, change: fn(&mut Port) -> HpteR, machine: fn(Arc<Shootdown>) -> Arc<Hpt>) {
    explore(3, floor, move || {
        let shootdown = shootdown(1);
        let hpt = machine(Arc::clone(&shootdown));
        let memory: Memory = Arc::new(UnsafeCell::new(0));
        enter(&mut hpt.port(), 1, 0x5, 0);
        let processor = thread::spawn({
            let (hpt, shootdown, memory) = (Arc::clone(&hpt), Arc::clone(&shootdown), Arc::clone(&memory));
            move || visit(&hpt, &shootdown, &memory)
        });
        let writer = thread::spawn({
            let (hpt, memory) = (Arc::clone(&hpt), Arc::clone(&memory));
            move || {
                let old = change(&mut hpt.port());
                // The page is the writer's from here on.
                store_to(&memory);
                old
            }
        });
        let stored = processor.join().expect("no panic");
        let old = writer.join().expect("no panic");
        assert_eq!(old.is_changed(), stored, "C was lost, or made up");
        // A walk that comes too late to set C may have set R.
        assert!(old.is_referenced() || !stored, "R was lost");
    });
}

#[test]
fn a_remover_finds_every_mark_and_then_owns_the_page() {
    race(500, |port| port.remove(0, 0, 0).unwrap().r);
}

#[test]
fn a_bulk_remover_finds_every_mark_and_then_owns_the_page() {
    race(500, |port| {
        let mut specifiers = [hpt::Specifier { high: 3 << 62, low: 0 }; 4];
        specifiers[0].high = 1 << 62;
        let _ = port.bulk_remove(&mut specifiers);
        HpteR::from_raw(((specifiers[0].high >> 59 & 1) << 8) | ((specifiers[0].high >> 58 & 1) << 7))
    });
}

#[test]
fn a_block_remover_finds_every_mark_and_then_owns_the_page() {
    race(500, |port| {
        let mut specifiers = [3 << 62; 8];
        specifiers[0] = 1 << 62;
        assert_eq!(port.block_remove(0, &mut specifiers), power::hcall::Status::Success);
        HpteR::from_raw(((specifiers[0] >> 58 & 1) << 8) | ((specifiers[0] >> 57 & 1) << 7))
    });
}

/// Each locks one of the entries first: who waits for the other one must have let go of it.
#[test]
fn two_removers_that_want_the_same_two_entries_both_end() {
    explore(2, 1000, || {
        let hpt = late_bytes(NoShadow);
        for slot in 0..2 {
            enter_at(&mut hpt.port(), slot, slot + 1, 0x5 + slot, 0).expect("the slot is free");
        }
        let removers = [[0, 1], [1, 0]].map(|slots| {
            let hpt = Arc::clone(&hpt);
            thread::spawn(move || {
                let mut specifiers = [hpt::Specifier { high: 3 << 62, low: 0 }; 4];
                for (specifier, slot) in specifiers.iter_mut().zip(slots) {
                    specifier.high = 1 << 62 | slot;
                }
                let _ = hpt.port().bulk_remove(&mut specifiers);
                specifiers.iter().filter(|answer| answer.high >> 56 == 0x80).count()
            })
        });
        let removed: usize = removers.map(|remover| remover.join().expect("no panic")).iter().sum();
        assert_eq!(removed, 2, "each entry once");
    });
}

/// A processor enters a page without leaving its seat, into the slot that another empties and then waits for the visit's end: it finds
/// the slot taken, or its own.
#[test]
fn who_enters_a_page_inside_its_seat_waits_for_nobody_who_waits_for_its_visit() {
    explore(3, 50, || {
        let shootdown = shootdown(1);
        let hpt = machine(Arc::clone(&shootdown));
        enter(&mut hpt.port(), 1, 0x5, 0);
        let processor = thread::spawn({
            let (hpt, shootdown) = (Arc::clone(&hpt), Arc::clone(&shootdown));
            move || {
                let mut port = hpt.port();
                let seat = shootdown.seat(0);
                seat.enter(|_| ());
                let used = hpt.table().walk(page(1), Access::Load, false).is_ok();
                assert!(port.enters_inside(EXACT));
                let entered = enter_at(&mut port, 0, 2, 0x6, 0).is_ok();
                seat.leave();
                assert!(!(used && entered), "it may hold what was there");
                entered
            }
        });
        let remover = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || hpt.port().remove(0, 0, 0).map(|old| old.r.raw() >> 12)
        });
        let entered = processor.join().expect("no panic");
        assert_eq!(remover.join().expect("no panic"), Ok(0x5));
        assert_eq!(hpt.table().walk(page(2), Access::Load, false).is_ok(), entered);
    });
}

/// One processor removes the page's entry while another tries to enter the page again, into the same slot: it finds the slot
/// free only when nobody uses the old translation any more.
#[test]
fn a_page_is_entered_again_only_when_the_old_entry_is_nobodys() {
    explore(2, 1000, || {
        let shootdown = shootdown(1);
        let hpt = machine(Arc::clone(&shootdown));
        let memory: Memory = Arc::new(UnsafeCell::new(0));
        enter(&mut hpt.port(), 1, 0x5, 0);
        let processor = thread::spawn({
            let (hpt, shootdown, memory) = (Arc::clone(&hpt), Arc::clone(&shootdown), Arc::clone(&memory));
            move || {
                let seat = shootdown.seat(0);
                seat.enter(|_| ());
                match hpt.table().walk(page(1), Access::Store, false) {
                    Ok(found) if found.real == 0x5000 => store_to(&memory),
                    Ok(found) => assert_eq!(found.real, 0x6000, "half an entry"),
                    Err(_) => {}
                }
                seat.leave();
            }
        });
        let remover = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || assert_eq!(hpt.port().remove(0, 0, 0).map(|old| old.r.raw() >> 12), Ok(0x5))
        });
        let enterer = thread::spawn({
            let (hpt, memory) = (Arc::clone(&hpt), Arc::clone(&memory));
            move || {
                if enter_at(&mut hpt.port(), 0, 1, 0x6, 0).is_ok() {
                    store_to(&memory);
                    return true;
                }
                false
            }
        });
        processor.join().expect("no panic");
        remover.join().expect("no panic");
        let entered = enterer.join().expect("no panic");
        let survey = hpt.table().survey(1);
        assert_eq!(survey.valid, u64::from(entered));
    });
}

/// After a protection that forbids stores, the page is as good as the writer's; R is cleared, C is kept.
#[test]
fn protection_keeps_c_and_ends_stores() {
    explore(3, 500, || {
        let shootdown = shootdown(1);
        let hpt = machine(Arc::clone(&shootdown));
        let memory: Memory = Arc::new(UnsafeCell::new(0));
        enter(&mut hpt.port(), 1, 0x5, 0);
        let processor = thread::spawn({
            let (hpt, shootdown, memory) = (Arc::clone(&hpt), Arc::clone(&shootdown), Arc::clone(&memory));
            move || visit(&hpt, &shootdown, &memory)
        });
        let writer = thread::spawn({
            let (hpt, memory) = (Arc::clone(&hpt), Arc::clone(&memory));
            move || {
                assert_eq!(hpt.port().protect(3, 0, 0), power::hcall::Status::Success);
                store_to(&memory);
            }
        });
        let stored = processor.join().expect("no panic");
        writer.join().expect("no panic");
        let entry = hpt.table().read(hpt.table().index(0).unwrap());
        assert_eq!(entry.r.is_changed(), stored, "C was lost, or made up");
        assert!(!entry.r.is_referenced());
    });
}

/// R is cleared in place, under the walker's eyes: either the walk is before it and R is returned, or
/// after it and R is set again.
#[test]
fn clearing_r_in_place_loses_no_walk() {
    explore(3, 200, || {
        let shootdown = shootdown(1);
        let hpt = machine(Arc::clone(&shootdown));
        let memory: Memory = Arc::new(UnsafeCell::new(0));
        enter(&mut hpt.port(), 1, 0x5, 0);
        let processor = thread::spawn({
            let (hpt, shootdown, memory) = (Arc::clone(&hpt), Arc::clone(&shootdown), Arc::clone(&memory));
            move || assert!(visit(&hpt, &shootdown, &memory))
        });
        let writer = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || hpt.port().clear_ref(0, 0).unwrap()
        });
        processor.join().expect("no panic");
        let old = writer.join().expect("no panic");
        let now = hpt.table().read(hpt.table().index(0).unwrap()).r;
        assert!(old.is_referenced() || now.is_referenced(), "R was lost");
        assert!(now.is_changed());
    });
}
