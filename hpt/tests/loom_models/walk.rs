//! Models of the table's own protocol (`table.rs`): whoever reads an entry without its lock sees all of it.

use crate::explore::explore;
use crate::search::{enter, enter_at, late_bytes, machine, page};
use hpt::{Access, Entries, Hpt, NoShadow, WalkFault};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use power::hcall::{Status, access};
use power::hpte::HpteV;
use power::page::PagePair;
use std::sync::Arc;

#[test]
fn a_walker_sees_all_of_a_new_entry_or_nothing() {
    explore(3, 40, || {
        let hpt = machine(NoShadow);
        let writer = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || enter(&mut hpt.port(), 1, 0x5, 0)
        });
        let walker = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || match hpt.table().walk(page(1), Access::Load, false) {
                Ok(found) => assert_eq!(found.real, 0x5000, "half an entry"),
                Err(fault) => assert_eq!(fault, WalkFault::NotFound),
            }
        });
        writer.join().expect("no panic");
        walker.join().expect("no panic");
    });
}

/// The processor knows that the entry is there; and another, of which the same is counted, goes.
#[test]
fn a_walker_finds_an_entry_in_the_second_group_that_was_published_before() {
    explore(2, 40, || {
        let hpt = machine(NoShadow);
        let secondary = |number| HpteV::new(page(number), PagePair::ALL[0], true).raw();
        hpt.port()
            .enter(access::EXACT, 1, secondary(2), 0x6012)
            .expect("slot 1 is free");
        let told = Arc::new(AtomicBool::new(false));
        let writer = thread::spawn({
            let (hpt, told) = (Arc::clone(&hpt), Arc::clone(&told));
            move || {
                hpt.port()
                    .enter(access::EXACT, 0, secondary(1), 0x5012)
                    .expect("slot 0 is free");
                told.store(true, Ordering::Release);
            }
        });
        let remover = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || {
                hpt.port().remove(0, 1, 0).expect("entered above");
            }
        });
        let is_told = told.load(Ordering::Acquire);
        let found = hpt.table().walk(page(1), Access::Load, false);
        assert!(found.is_ok() || !is_told, "{found:?}");
        writer.join().expect("no panic");
        remover.join().expect("no panic");
        assert!(hpt.table().walk(page(1), Access::Load, false).is_ok());
    });
}

/// Tables of both kinds: entries that go are closed, which tells a reader, or they are not.
const MACHINES: [fn() -> Arc<Hpt>; 2] = [|| machine(NoShadow), || late_bytes(NoShadow)];

/// The reader is in no seat, so that only the order of the doublewords protects it.
#[test]
fn a_reader_never_mixes_two_entries_of_one_slot() {
    for machine in MACHINES {
        read_while_a_slot_is_used_again(machine);
    }
}

fn read_while_a_slot_is_used_again(machine: fn() -> Arc<Hpt>) {
    explore(3, 1500, move || {
        let hpt = machine();
        enter(&mut hpt.port(), 1, 0x5, 0);
        let writer = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || {
                hpt.port().remove(0, 0, 0).unwrap();
                enter(&mut hpt.port(), 2, 0x6, 0);
            }
        });
        let reader = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || {
                let Ok(Entries::One(entry)) = hpt.port().read(0, 0) else {
                    panic!("one entry")
                };
                let real = entry.r.raw() >> 12;
                if entry.v.is_valid() {
                    assert!(!entry.r.is_closed(), "an entry on its way out");
                    let expected = if entry.v.avpn() == page(1).avpn() { 0x5 } else { 0x6 };
                    assert_eq!(real, expected, "half an entry");
                }
            }
        });
        writer.join().expect("no panic");
        reader.join().expect("no panic");
    });
}

/// As above for a walk, of the page before and of the page after. Somebody has used both, so that R is set and the walk
/// writes nothing, which would tell it that doubleword 1 is another. Slot reuse under a walker in no seat is what a
/// grace period forbids; its translation must still be of one piece.
#[test]
fn a_walker_never_mixes_two_entries_of_one_slot() {
    for machine in MACHINES {
        walk_while_a_slot_is_used_again(machine);
    }
}

/// Enters page `number` into slot 0 and uses it.
fn enter_used(hpt: &Arc<Hpt>, number: u64, real: u64) {
    enter(&mut hpt.port(), number, real, 0);
    hpt.table()
        .walk(page(number), Access::Load, false)
        .expect("just entered");
}

fn walk_while_a_slot_is_used_again(machine: fn() -> Arc<Hpt>) {
    for (number, real) in [(1, 0x5), (2, 0x6)] {
        explore(3, 400, move || {
            let hpt = machine();
            enter_used(&hpt, 1, 0x5);
            let writer = thread::spawn({
                let hpt = Arc::clone(&hpt);
                move || {
                    hpt.port().remove(0, 0, 0).expect("entered above");
                    enter_used(&hpt, 2, 0x6);
                }
            });
            let walker = thread::spawn({
                let hpt = Arc::clone(&hpt);
                move || {
                    if let Ok(found) = hpt.table().walk(page(number), Access::Load, false) {
                        assert_eq!(found.real, real << 12, "half an entry");
                    }
                }
            });
            writer.join().expect("no panic");
            walker.join().expect("no panic");
        });
    }
}

/// One writer empties the slot, another fills it: the count that the first owes must not come after that.
#[test]
fn a_slot_that_passes_to_another_writer_is_counted_first() {
    explore(2, 500, || {
        let hpt = machine(NoShadow);
        enter(&mut hpt.port(), 1, 0x5, 0);
        let remover = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || assert!(hpt.port().remove(0, 0, 0).is_ok())
        });
        let enterer = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || {
                let _ = enter_at(&mut hpt.port(), 0, 2, 0x6, 0);
            }
        });
        let walker = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || {
                if let Ok(found) = hpt.table().walk(page(1), Access::Load, false) {
                    assert_eq!(found.real, 0x5000, "half an entry");
                }
            }
        });
        for thread in [remover, enterer, walker] {
            thread.join().expect("no panic");
        }
    });
}

/// A protection moves C from where walkers set it to where it is the guest's: whoever reads one doubleword from before and one
/// from after finds it in neither.
#[test]
fn a_reader_never_mixes_two_protections() {
    explore(3, 500, || {
        let hpt = machine(NoShadow);
        enter(&mut hpt.port(), 1, 0x5, 0);
        hpt.table().walk(page(1), Access::Store, false).expect("just entered");
        let writer = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || assert_eq!(hpt.port().protect(3, 0, 0), Status::Success)
        });
        let reader = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || {
                let Ok(Entries::One(entry)) = hpt.port().read(0, 0) else {
                    panic!("one entry")
                };
                assert!(entry.v.is_valid(), "an entry on its way");
                assert!(entry.r.is_changed(), "half an entry");
            }
        });
        writer.join().expect("no panic");
        reader.join().expect("no panic");
    });
}

#[test]
fn two_writers_never_take_one_slot() {
    explore(3, 30, || {
        let hpt = machine(NoShadow);
        let writers = [1, 2].map(|number| {
            let hpt = Arc::clone(&hpt);
            thread::spawn(move || {
                let v = HpteV::new(page(number), PagePair::ALL[0], false);
                hpt.port().enter(0, 0, v.raw(), (number << 12) | 0x12).unwrap()
            })
        });
        let [first, second] = writers.map(|writer| writer.join().expect("no panic"));
        assert_ne!(first, second);
        for (number, at) in [(1, first), (2, second)] {
            assert_eq!(hpt.table().read(at).v.avpn(), page(number).avpn());
            assert_eq!(hpt.table().read(at).r.raw(), (number << 12) | 0x12);
        }
    });
}

/// The lock hands the whole entry from one writer to the next; also to one that does not close it, which would be
/// a step on doubleword 1 itself.
#[test]
fn a_remover_gets_all_of_an_entry_that_was_just_made() {
    for machine in MACHINES {
        explore(3, 20, move || {
            let hpt = machine();
            let enterer = thread::spawn({
                let hpt = Arc::clone(&hpt);
                move || enter(&mut hpt.port(), 1, 0x5, 0)
            });
            let remover = thread::spawn({
                let hpt = Arc::clone(&hpt);
                move || hpt.port().remove(0, 0, 0)
            });
            enterer.join().expect("no panic");
            if let Ok(old) = remover.join().expect("no panic") {
                assert_eq!(old.r.raw(), 0x5012, "half an entry");
            }
        });
    }
}

/// Two removers of one entry: one gets it.
#[test]
fn an_entry_is_removed_once() {
    explore(3, 100, || {
        let hpt = machine(NoShadow);
        enter(&mut hpt.port(), 1, 0x5, 0);
        let removers = [(); 2].map(|()| {
            let hpt = Arc::clone(&hpt);
            thread::spawn(move || hpt.port().remove(0, 0, 0).is_ok())
        });
        let [first, second] = removers.map(|remover| remover.join().expect("no panic"));
        assert!(first != second, "removed {first} and {second}");
    });
}
