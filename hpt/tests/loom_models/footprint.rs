//! Models of the footprint (`footprint.rs`): a writer leaves a processor alone only if that has, and gets, nothing of
//! what goes.

use std::sync::Arc;

use hpt::{Access, Footprint, Hpt, Kick, Shootdown};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;
use power::hpte::HpteR;

use crate::search::{NoBell, enter, explore, machine, page};

/// One processor that keeps account, a table with one entry, and the page that it maps.
struct World {
    hpt: Arc<Hpt>,
    shootdown: Arc<Shootdown>,
    footprint: Arc<Footprint>,
    memory: UnsafeCell<u64>,
    done: AtomicBool,
}

impl World {
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
            done: AtomicBool::new(false),
        })
    }

    #[expect(unsafe_code, reason = "loom's checked cell")]
    fn store(&self) {
        // SAFETY: the point of the model: loom checks that nobody else is at it.
        self.memory.with_mut(|word| unsafe { *word += 1 });
    }

    /// A visit to the guest that walks and uses what it finds.
    fn visit(&self) -> bool {
        let seat = self.shootdown.seat(0);
        seat.enter(|_| ());
        let used = self.walk_and_store();
        seat.leave();
        used
    }

    fn walk_and_store(&self) -> bool {
        let found = self
            .hpt
            .table()
            .walk_for(page(1), Access::Store, false, &self.footprint)
            .is_ok();
        if found {
            self.store();
        }
        found
    }
}

#[test]
fn a_remover_that_leaves_a_processor_alone_owns_the_page() {
    explore(3, 500, || {
        let world = World::new(0);
        let processor = thread::spawn({
            let world = Arc::clone(&world);
            move || world.visit()
        });
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let old = world.hpt.port().remove(0, 0, 0).expect("it is there").r;
                world.store();
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

/// The processor uses the translation, drops it with everything else, as one with a crowded footprint does, and may
/// get it again.
#[test]
fn a_processor_that_dropped_everything_holds_nothing() {
    explore(2, 500, || {
        let world = World::new(0);
        let processor = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let seat = world.shootdown.seat(0);
                seat.enter(|_| ());
                world.walk_and_store();
                world.footprint.clear();
                world.walk_and_store();
                seat.leave();
            }
        });
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.hpt.port().remove(0, 0, 0).expect("it is there");
                world.store();
            }
        });
        processor.join().expect("no panic");
        writer.join().expect("no panic");
    });
}

/// R is set before, and cleared in place while the processor walks: a translation that is used after the writer has
/// its answer has set R again.
#[test]
fn clearing_r_in_place_is_seen_by_every_later_use() {
    explore(3, 200, || {
        let world = World::new(HpteR::R);
        let processor = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let seat = world.shootdown.seat(0);
                seat.enter(|_| ());
                let found = world
                    .hpt
                    .table()
                    .walk_for(page(1), Access::Load, false, &world.footprint);
                let late = found.is_ok() && world.done.load(Relaxed);
                seat.leave();
                late
            }
        });
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let old = world.hpt.port().clear_ref(0, 0).expect("it is there");
                world.done.store(true, Relaxed);
                old
            }
        });
        let used_late = processor.join().expect("no panic");
        assert!(writer.join().expect("no panic").is_referenced());
        let now = world.hpt.table().read(world.hpt.table().index(0).expect("slot 0")).r;
        assert!(!used_late || now.is_referenced(), "R was lost");
    });
}
