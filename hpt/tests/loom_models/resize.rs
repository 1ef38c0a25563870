//! Models of a commit (`resize.rs`) against a processor that walks and a host that takes an entry away: nobody sees a
//! table half moved, and nobody uses the old one afterwards.

use std::sync::Arc;

use hpt::{Access, Current, Hpt, Order, Port, Shootdown, Table, View};
use loom::cell::UnsafeCell;
use loom::thread;
use power::hcall::{Status, access};
use power::hpte::{HpteR, HpteV};
use power::page::PagePair;

use crate::explore::explore;
use crate::search::{Everything, page, shootdown};

const SHIFT: u64 = 18;

/// A table with one bolted entry in slot 0, and the page that it maps.
struct World {
    current: Arc<Current>,
    hpt: Arc<Hpt>,
    shootdown: Arc<Shootdown>,
    memory: UnsafeCell<u64>,
}

impl World {
    fn new() -> Arc<Self> {
        let shootdown = shootdown(1);
        let current = Current::new(Table::new(Order::MIN).expect("a modelled table"));
        let shadow = Box::new(Arc::clone(&shootdown));
        let hpt = Arc::new(Hpt::new(Arc::clone(&current), Box::new(Everything), shadow));
        let v = HpteV::new(page(1), PagePair::ALL[0], false).raw() | HpteV::BOLTED;
        hpt.port().enter(access::EXACT, 0, v, 0x5012).expect("slot 0 is free");
        Arc::new(Self {
            current,
            hpt,
            shootdown,
            memory: UnsafeCell::new(0),
        })
    }

    fn spawn<T: 'static>(self: &Arc<Self>, body: impl FnOnce(&Self) -> T + 'static) -> thread::JoinHandle<T> {
        let world = Arc::clone(self);
        thread::spawn(move || body(&world))
    }

    #[expect(unsafe_code, reason = "loom's checked cell")]
    fn store(&self) {
        // SAFETY: the point of the model: loom checks that nobody else is at it.
        self.memory.with_mut(|word| unsafe { *word += 1 });
    }

    /// A visit to the guest with a walk that stores through what it finds. Returns whether it did.
    fn visit(&self, view: &mut View) -> bool {
        let seat = self.shootdown.seat(0);
        seat.enter(|_| ());
        view.follow();
        let found = view.table().walk(page(1), Access::Store, false).is_ok();
        if found {
            self.store();
        }
        seat.leave();
        found
    }

    fn resize(&self, port: &mut Port) -> Status {
        assert_eq!(port.resize_prepare(0, SHIFT), Status::Success);
        port.resize_commit(0, SHIFT)
    }
}

/// The entry is there at every walk, and C comes out with it in the end, whichever table it was set in.
#[test]
fn a_walk_finds_a_bolted_entry_during_a_resize_and_no_mark_is_lost() {
    explore(2, 200, || {
        let world = World::new();
        let mut view = world.current.view();
        let processor = world.spawn(move |world| {
            for _ in 0..2 {
                assert!(world.visit(&mut view), "a bolted entry was gone");
            }
        });
        let resizer = world.spawn(|world| assert_eq!(world.resize(&mut world.hpt.port()), Status::Success));
        processor.join().expect("no panic");
        resizer.join().expect("no panic");
        let old = world.hpt.port().remove(0, 0, 0).expect("it has moved").r;
        assert_eq!(old.reference_and_change(), HpteR::R_AND_C);
    });
}

/// What was taken from the new table is not found in the old one.
#[test]
fn nobody_uses_the_old_table_after_the_commit() {
    explore(2, 200, || {
        let world = World::new();
        let mut view = world.current.view();
        let processor = world.spawn(move |world| world.visit(&mut view));
        let resizer = world.spawn(|world| {
            let mut port = world.hpt.port();
            assert_eq!(world.resize(&mut port), Status::Success);
            let old = port.remove(0, 0, 0).expect("it has moved").r;
            // The page is the writer's from here on.
            world.store();
            old
        });
        let stored = processor.join().expect("no panic");
        let old = resizer.join().expect("no panic");
        assert_eq!(old.is_changed(), stored, "C was lost, or made up");
    });
}

/// A removal that meets the commit, as a host's does that takes memory away: the entry comes out of one of the tables, or
/// the caller learns that there is another table to look in.
#[test]
fn a_removal_during_a_commit_takes_the_entry_or_finds_its_table_retired() {
    explore(3, 3000, || {
        let world = World::new();
        let remover = world.spawn(|world| {
            let mut port = world.hpt.port();
            let taken = port.remove(0, 0, 0).is_ok();
            (taken, port.table().is_retired())
        });
        let resizer = world.spawn(|world| assert_eq!(world.resize(&mut world.hpt.port()), Status::Success));
        let (taken, retired) = remover.join().expect("no panic");
        resizer.join().expect("no panic");
        let left = world.hpt.port().remove(0, 0, 0).is_ok();
        assert!(taken != left, "taken {taken}, left {left}");
        assert!(taken || retired, "not found, and no word of another table");
    });
}
