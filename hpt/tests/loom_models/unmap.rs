//! Models of the reverse map and of unmapping (`reverse.rs`, `unmap.rs`): whoever has put a range in flight and unmapped it
//! owns the memory, whatever is done to the entries that map it meanwhile.

use std::iter::once;
use std::sync::Arc;

use hpt::{Access, Current, Endless, Footprint, Hpt, Kick, Order, Port, Shootdown, Table, Unmapper};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, Ordering, fence};
use loom::thread;
use power::hcall::Status;
use power::hpte::HpteR;

use crate::explore::explore;
use crate::search::{Everything, NoBell, enter_at, page, shootdown};

/// The real page that is taken away, and how much memory there is.
const REAL: u64 = 1;
const RAM: u64 = 0x2000;
/// Another size of table.
const LARGER: u64 = 19;

/// One processor, a table with a reverse map, and real page 1.
struct World {
    hpt: Arc<Hpt>,
    current: Arc<Current>,
    /// The table, for walks without a mutex that would order them.
    table: Arc<Table>,
    shootdown: Arc<Shootdown>,
    footprint: Option<Arc<Footprint>>,
    /// The range is about to go: set before it is unmapped, read by a processor before it uses a translation. Relaxed and
    /// without a fence, as all that is promised comes from the crate.
    in_flight: AtomicBool,
    memory: UnsafeCell<u64>,
}

impl World {
    /// Pages `mapped` are mapped to the real page, the first in slot 0. With `account` the processor keeps a footprint.
    fn new(mapped: u64, account: bool) -> Arc<Self> {
        let footprint = account.then(Arc::<Footprint>::default);
        let shootdown = match &footprint {
            None => shootdown(1),
            Some(footprint) => {
                let kick: Box<dyn Kick> = Box::new(NoBell);
                Arc::new(Shootdown::with_footprints(vec![(kick, Arc::clone(footprint))]))
            }
        };
        let table = Table::new(Order::MIN).expect("a modelled table").with_reverse_map(RAM);
        let current = Current::new(table.expect("a modelled map"));
        let shadow = Box::new(Arc::clone(&shootdown));
        let larger = Order::new(LARGER as u32).expect("it is in range");
        let hpt = Arc::new(Hpt::new(Arc::clone(&current), Box::new(Everything), shadow).with_largest(larger));
        for number in 0..mapped {
            enter_at(&mut hpt.port(), number, number + 1, REAL, 0).expect("the slot is free");
        }
        Arc::new(Self {
            table: hpt.table(),
            hpt,
            current,
            shootdown,
            footprint,
            in_flight: AtomicBool::new(false),
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

    /// A visit to the guest that walks page `number`, and stores if it may remember what it found. Whether it did.
    fn visit(&self, number: u64) -> bool {
        let seat = self.shootdown.seat(0);
        seat.enter(|_| ());
        let found = match &self.footprint {
            Some(footprint) => self.table.walk_for(page(number), Access::Store, false, footprint),
            None => self.table.walk(page(number), Access::Store, false),
        };
        let uses = found.is_ok() && !self.in_flight.load(Ordering::Relaxed);
        if uses {
            self.store();
        }
        seat.leave();
        uses
    }

    /// Takes the memory away, and uses it.
    fn take(&self, unmapper: &mut Unmapper) {
        self.in_flight.store(true, Ordering::Relaxed);
        let range = REAL << 12..(REAL + 1) << 12;
        let unmapped = unmapper.unmap([range], &Endless).expect("endless patience");
        assert!(!unmapped.everything, "there is no reason to: {unmapped:?}");
        self.store();
    }

    /// A thread that takes the memory. The unmapper was made before, and is gone after it: its counters have a mutex, which would order
    /// what the table must.
    fn spawn_taker(self: &Arc<Self>) -> thread::JoinHandle<Unmapper> {
        let mut unmapper = self.hpt.unmapper();
        self.spawn(move |world| {
            world.take(&mut unmapper);
            unmapper
        })
    }

    /// Races a visit to page `number`, the taking of the memory, and `change`. Whether the visit stored, and what the change gave.
    fn race<T: Send + 'static>(
        self: &Arc<Self>,
        number: u64,
        change: impl FnOnce(&mut Port) -> T + 'static,
    ) -> (bool, T) {
        let visitor = self.spawn(move |world| world.visit(number));
        let taker = self.spawn_taker();
        let mut port = self.hpt.port();
        let changer = self.spawn(move |_| {
            let changed = change(&mut port);
            (changed, port)
        });
        let stored = visitor.join().expect("no panic");
        let _unmapper = taker.join().expect("no panic");
        let (changed, _port) = changer.join().expect("no panic");
        (stored, changed)
    }

    fn entry(&self, slot: u64) -> HpteR {
        self.table.read(self.table.index(slot).expect("one of eight")).r
    }
}

/// With R set before or not, noted in its footprint before or not.
#[test]
fn who_has_unmapped_a_range_owns_it_and_no_mark_is_lost() {
    for account in [false, true] {
        for used_before in [false, true] {
            explore(3, 100, move || {
                let world = World::new(1, account);
                if used_before {
                    assert!(world.visit(1));
                }
                let visitor = world.spawn(|world| world.visit(1));
                let taker = world.spawn_taker();
                let stored = visitor.join().expect("no panic");
                taker.join().expect("no panic");
                let r = world.entry(0);
                let marked = r.is_referenced() && r.is_changed();
                assert!(marked || !(stored || used_before), "R or C was lost");
            });
        }
    }
}

/// The processor has noted the page before, by an entry that is gone, so its walk needs no fence.
#[test]
fn an_entry_that_comes_meanwhile_is_found_or_its_user_sees_the_range() {
    for (noted, preemptions) in [(false, 2), (true, 3)] {
        explore(preemptions, 300, move || {
            let world = World::new(0, true);
            if noted {
                let mut port = world.hpt.port();
                enter_at(&mut port, 0, 1, REAL, 0).expect("slot 0 is free");
                assert!(world.visit(1));
                port.remove(0, 0, 0).expect("it is there");
            }
            world.race(1, |port| {
                enter_at(port, 0, 1, REAL, 0).expect("slot 0 is free");
            });
        });
    }
}

/// The same where another entry of the page is there already. Nor does it hide that one.
#[test]
fn so_it_is_in_front_of_another() {
    for visited in [2, 1] {
        explore(2, 500, move || {
            let world = World::new(1, true);
            world.race(visited, |port| {
                enter_at(port, 1, 2, REAL, 0).expect("slot 1 is free");
            });
        });
    }
}

/// The entry may be gone from the table, but not its translation.
#[test]
fn an_entry_on_its_way_out_is_found_until_nobody_uses_it() {
    explore(1, 200, || {
        let world = World::new(1, true);
        let (stored, old) = world.race(1, |port| port.remove(0, 0, 0).expect("it is there").r);
        assert!(old.is_changed() || !stored, "C was lost");
    });
}

/// Three entries, looked at one by one: the middle one goes, or comes again in front, while an unmapper keeps its place there.
#[test]
fn the_rest_of_a_chain_is_found_whatever_goes_before_it() {
    explore(1, 200, || {
        let world = World::new(3, false);
        world.race(1, |port| port.remove(0, 1, 0).expect("it is there"));
    });
    explore(1, 200, || {
        let world = World::new(2, false);
        world.race(1, |port| {
            port.remove(0, 1, 0).expect("it is there");
            enter_at(port, 1, 2, REAL, 0).expect("slot 1 is free");
        });
    });
}

/// R may be clear while the flush of those who used it before is pending.
#[test]
fn an_entry_whose_r_is_being_cleared_is_found() {
    explore(2, 300, || {
        let world = World::new(1, true);
        world.race(1, |port| port.clear_ref(0, 0).expect("it is there"));
    });
}

/// The new doubleword 1 continues what the unmapper has left in the old one.
#[test]
fn an_entry_that_is_being_protected_is_found_or_its_user_sees_the_range() {
    for noted in [false, true] {
        explore(1, 100, move || {
            let world = World::new(1, true);
            if noted {
                assert!(world.visit(1));
                assert!(world.hpt.port().clear_ref(0, 0).expect("it is there").is_referenced());
            }
            world.race(1, |port| assert_eq!(port.protect(2, 0, 0), Status::Success));
        });
    }
}

#[test]
fn two_who_unmap_one_page_both_find_its_user() {
    explore(1, 200, || {
        let world = World::new(2, false);
        let visitor = world.spawn(|world| world.visit(1));
        let takers = [(); 2].map(|()| {
            world.spawn(|world| {
                world.in_flight.store(true, Ordering::Relaxed);
                let unmapped = world
                    .hpt
                    .unmapper()
                    .unmap(once(0..RAM), &Endless)
                    .expect("endless patience");
                assert_eq!(unmapped.entries, 2);
            })
        });
        visitor.join().expect("no panic");
        for taker in takers {
            taker.join().expect("no panic");
        }
        world.store();
    });
}

/// A chain of three, so that the look at it ends before its end: with the table found retired nobody waits for the processor, whose
/// visit may have been over before.
#[test]
fn who_finds_the_table_retired_owns_the_range_as_well() {
    explore(2, 100, || {
        let world = World::new(3, true);
        let mut port = world.hpt.port();
        let prepared = port.resize_prepare(0, LARGER);
        assert_eq!(prepared, Status::Success);
        let mut view = world.current.view();
        let visitor = world.spawn(move |world| {
            let seat = world.shootdown.seat(0);
            let footprint = world.footprint.as_ref().expect("it keeps account");
            seat.enter(|_| footprint.clear());
            view.follow();
            let found = view.table().walk_for(page(1), Access::Store, false, footprint);
            if found.is_ok() && !world.in_flight.load(Ordering::Relaxed) {
                world.store();
            }
            seat.leave();
        });
        let resizer = thread::spawn(move || port.resize_commit(0, LARGER));
        world.in_flight.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let range = REAL << 12..(REAL + 1) << 12;
        world.hpt.unmapper().unmap([range], &Endless).expect("endless patience");
        world.store();
        visitor.join().expect("no panic");
        assert_eq!(resizer.join().expect("no panic"), Status::Success);
    });
}
