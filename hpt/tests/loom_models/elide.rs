//! Models of changes that wait for nobody because R was clear: the writer closes the entry, and whoever walks then gets
//! nothing of it, even if the slot is filled again with what looks the same.

use std::sync::Arc;

use hpt::{Access, Confirmation, Footprint, Held, Hpt, Kick, Port, Shootdown, Translation};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;
use power::hcall::Status;
use power::hpte::{HpteR, HpteV};
use power::page::PagePair;

use crate::explore::explore;
use crate::search::{DEVICE, NoBell, enter, machine, page};

/// One processor that keeps account, a table, and the memory at real page 5.
struct World {
    hpt: Arc<Hpt>,
    shootdown: Arc<Shootdown>,
    footprint: Arc<Footprint>,
    memory: UnsafeCell<u64>,
    /// The memory is the writer's.
    taken: AtomicBool,
}

impl World {
    /// Page 1 is mapped to real page 5, with R and C as in `marks`.
    fn new(marks: u64) -> Arc<Self> {
        let footprint = Arc::new(Footprint::default());
        let processors = vec![(Box::new(NoBell) as Box<dyn Kick>, Arc::clone(&footprint))];
        let shootdown = Arc::new(Shootdown::with_footprints(processors));
        let hpt = machine(Arc::clone(&shootdown));
        enter(&mut hpt.port(), 1, 0x5, marks);
        Arc::new(Self {
            hpt,
            shootdown,
            footprint,
            memory: UnsafeCell::new(0),
            taken: AtomicBool::new(false),
        })
    }

    /// The same for a page that the processor has used before, so that its footprint holds it already and a walk need not look
    /// twice; R has been cleared since.
    fn used_before() -> Arc<Self> {
        let world = Self::new(0);
        assert!(world.visit(Access::Load));
        assert!(world.hpt.port().clear_ref(0, 0).expect("it is there").is_referenced());
        world
    }

    #[expect(unsafe_code, reason = "loom's checked cell")]
    fn store(&self) {
        // SAFETY: the point of the model: loom checks that nobody else is at it.
        self.memory.with_mut(|word| unsafe { *word += 1 });
    }

    /// The writer may use the memory from here on.
    fn take(&self) {
        self.taken.store(true, Relaxed);
        self.store();
    }

    /// A visit to the guest that walks page 1, and stores where it leads if that is real page 5. Returns whether it did.
    fn visit(&self, access: Access) -> bool {
        let seat = self.shootdown.seat(0);
        seat.enter(|_| ());
        let found = self.hpt.table().walk_for(page(1), access, false, &self.footprint);
        let used = found.is_ok_and(|found| found.real == 0x5000);
        if used {
            // A use that comes after the writer's, in order, is as wrong as one at the same time.
            assert!(!self.taken.load(Relaxed), "a translation that is gone");
            self.store();
        }
        seat.leave();
        used
    }

    /// Races a visit with `change`. Returns whether the visit stored, and what the change returned.
    fn race<T: Send + 'static>(
        self: &Arc<Self>,
        access: Access,
        change: impl FnOnce(&Self, &mut Port) -> T + Send + 'static,
    ) -> (bool, T) {
        let processor = thread::spawn({
            let world = Arc::clone(self);
            move || world.visit(access)
        });
        let writer = thread::spawn({
            let world = Arc::clone(self);
            move || change(&world, &mut world.hpt.port())
        });
        (processor.join().expect("no panic"), writer.join().expect("no panic"))
    }
}

#[test]
fn a_guests_own_marks_come_back_and_count_as_no_use() {
    explore(3, 500, || {
        let world = World::new(HpteR::R_AND_C);
        let (used, (old, counts)) = world.race(Access::Load, |world, port| {
            let old = port.remove(0, 0, 0).expect("it is there").r;
            world.take();
            (old, world.hpt.counts())
        });
        assert_eq!(old.raw(), 0x5192, "R and C as they were given");
        assert!(
            !used || counts.untouched == 0,
            "an entry that was used went without a word"
        );
        assert_eq!(counts.untouched + counts.graces, 1);
    });
}

/// The slot is filled with another page of the same doubleword 1, which a walk that still is at the first one must not
/// take for it; neither unused nor used by a processor that is in no seat here, so that its R is set.
#[test]
fn a_walk_does_not_take_another_page_for_its_own() {
    for used in [false, true] {
        explore(3, 2000, move || {
            let world = World::used_before();
            world.race(Access::Store, move |world, port| {
                port.remove(0, 0, 0).expect("it is there");
                // Page 1 may not lead here any more; page 2 may.
                world.take();
                enter(port, 2, 0x5, 0);
                if used {
                    port.table().walk(page(2), Access::Store, false).expect("it is there");
                }
            });
            let old = world.hpt.port().remove(0, 0, 0).expect("page 2").r;
            assert!(used || !old.is_changed(), "C of one page in the entry of another");
        });
    }
}

/// The slot goes through two other entries, the second of them for the same page again, elsewhere.
#[test]
fn nor_does_it_when_its_own_page_is_back_by_then() {
    explore(2, 2000, || {
        let world = World::used_before();
        world.race(Access::Load, |world, port| {
            port.remove(0, 0, 0).expect("it is there");
            world.take();
            enter(port, 2, 0x5, 0);
            port.table().walk(page(2), Access::Load, false).expect("it is there");
            port.remove(0, 0, 0).expect("it is there");
            enter(port, 1, 0x6, 0);
        });
    });
}

#[test]
fn a_protection_that_waits_for_nobody_ends_stores() {
    explore(3, 500, || {
        let world = World::new(HpteR::C);
        let (used, status) = world.race(Access::Store, |world, port| {
            let status = port.protect(3, 0, 0);
            world.take();
            status
        });
        assert_eq!(status, Status::Success);
        let entry = world.hpt.table().read(world.hpt.table().index(0).expect("slot 0"));
        assert_eq!(entry.r.reference_and_change(), HpteR::C, "the guest's C was lost");
        let counts = world.hpt.counts();
        assert!(!used || counts.graces == 1);
    });
}

/// The walkers' C and the guest's: the call clears the one or the other, and no store of a walker goes unseen.
#[test]
fn clearing_c_loses_no_store() {
    for marks in [0, HpteR::C] {
        explore(3, 300, move || {
            let world = World::new(marks);
            let (stored, old) = world.race(Access::Store, |_, port| port.clear_mod(0, 0).expect("it is there"));
            let now = world.hpt.port().remove(0, 0, 0).expect("it is there").r;
            if marks == 0 {
                assert!(
                    !stored || old.is_changed() != now.is_changed(),
                    "C was lost, or seen twice"
                );
                assert!(stored || !old.is_changed() && !now.is_changed(), "C was made up");
            } else {
                assert!(old.is_changed(), "the guest's C was lost");
                assert!(stored || !now.is_changed(), "C was made up");
            }
        });
    }
}

/// R is clear until a walk sets it: either the call sees the walk, or the walk comes after and R is set again.
#[test]
fn clearing_r_that_only_the_guest_had_set_loses_no_walk() {
    explore(3, 200, || {
        let world = World::new(HpteR::R);
        let (used, old) = world.race(Access::Load, |_, port| port.clear_ref(0, 0).expect("it is there"));
        assert!(used && old.is_referenced());
        let counts = world.hpt.counts();
        let now = world.hpt.port().remove(0, 0, 0).expect("it is there").r;
        assert_eq!(
            now.is_referenced(),
            counts.untouched == 1,
            "R was lost, or is still set"
        );
    });
}

/// What a processor holds after a walk.
fn held(found: Translation) -> Held {
    Held {
        real: found.real,
        protection: found.protection,
        no_execute: found.no_execute,
        changed: found.changed,
        key: found.key,
    }
}

/// What `--check-walkers` does: a processor that holds a page which is only marked unused is not taken for one that holds what
/// is gone.
#[test]
fn clearing_r_in_place_convicts_nobody() {
    explore(3, 200, || {
        let world = World::new(0);
        let processor = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let seat = world.shootdown.seat(0);
                seat.enter(|_| ());
                let table = world.hpt.table();
                let found = table
                    .walk_for(page(1), Access::Load, false, &world.footprint)
                    .expect("it is there");
                assert_ne!(table.confirm(page(1), &held(found)), Confirmation::Stale);
                seat.leave();
            }
        });
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || world.hpt.port().clear_ref(0, 0).expect("it is there")
        });
        processor.join().expect("no panic");
        writer.join().expect("no panic");
    });
}

/// The same for an entry that is being removed. A closed doubleword 1 lacks G, which says that nothing may be fetched from a
/// device's page.
#[test]
fn an_entry_on_its_way_out_convicts_nobody() {
    explore(3, 500, || {
        let world = World::new(0);
        let v = HpteV::new(page(2), PagePair::ALL[0], false).raw();
        let guarded = (DEVICE << 12) | 0x2a;
        world.hpt.port().enter(0, 0, v, guarded).expect("slot 1 is free");
        let processor = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let seat = world.shootdown.seat(0);
                seat.enter(|_| ());
                let table = world.hpt.table();
                if let Ok(found) = table.walk_for(page(2), Access::Load, false, &world.footprint) {
                    assert_ne!(table.confirm(page(2), &held(found)), Confirmation::Stale);
                }
                seat.leave();
            }
        });
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || world.hpt.port().remove(0, 1, 0).expect("it is there")
        });
        processor.join().expect("no panic");
        writer.join().expect("no panic");
    });
}
