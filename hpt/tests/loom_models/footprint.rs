//! Models of the footprint (`footprint.rs`): a writer leaves a processor alone only if that has, and gets, nothing of
//! what goes.

use std::sync::Arc;

use hpt::{Access, Footprint, Hpt, Kick, Shootdown};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;
use power::hpte::HpteV;
use power::page::PagePair;

use crate::explore::explore;
use crate::search::{NoBell, enter, machine, page};

/// One processor that keeps account, a table with one entry, and the page that it maps.
struct World {
    hpt: Arc<Hpt>,
    shootdown: Arc<Shootdown>,
    footprint: Arc<Footprint>,
    memory: UnsafeCell<u64>,
    done: AtomicBool,
}

impl World {
    /// Somebody has walked `before`, in no seat and noted nowhere: then R is set, and C for a store, and a walk that finds them
    /// has nothing to set that would tell it that the entry is another.
    fn new(before: Option<Access>) -> Arc<Self> {
        let footprint = Arc::new(Footprint::default());
        let processors = vec![(Box::new(NoBell) as Box<dyn Kick>, Arc::clone(&footprint))];
        let shootdown = Arc::new(Shootdown::with_footprints(processors));
        let hpt = machine(Arc::clone(&shootdown));
        enter(&mut hpt.port(), 1, 0x5, 0);
        if let Some(access) = before {
            hpt.table().walk(page(1), access, false).expect("just entered");
        }
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
    for before in [None, Some(Access::Load), Some(Access::Store)] {
        remove_what_may_be_held(before);
    }
}

fn remove_what_may_be_held(before: Option<Access>) {
    explore(3, 500, move || {
        let world = World::new(before);
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
        let stored_before = before == Some(Access::Store);
        assert_eq!(old.is_changed(), stored || stored_before, "C was lost, or made up");
        // A walk that comes too late to set C may have set R.
        assert!(old.is_referenced() || !stored, "R was lost");
    });
}

/// The processor uses the translation, drops it with everything else, as one with a crowded footprint does, and may
/// get it again.
#[test]
fn a_processor_that_dropped_everything_holds_nothing() {
    explore(2, 500, || {
        let world = World::new(None);
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

/// After the drop the processor notes another page, in the same word of its footprint: a writer that reads the word from that
/// store finds its own page's bit clear, and must know that the uses before the drop are over.
#[test]
fn a_page_that_is_noted_after_the_drop_hides_no_use_before_it() {
    explore(2, 500, || {
        let world = World::new(None);
        let other = HpteV::new(page(2), PagePair::ALL[0], false).raw();
        world.hpt.port().enter(0, 0, other, 0x6012).expect("slot 1 is free");
        let processor = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let seat = world.shootdown.seat(0);
                seat.enter(|_| ());
                world.walk_and_store();
                world.footprint.clear();
                let found = world
                    .hpt
                    .table()
                    .walk_for(page(2), Access::Load, false, &world.footprint);
                assert!(found.is_ok());
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
        let world = World::new(Some(Access::Load));
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
