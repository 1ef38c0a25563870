//! Models of the dirty log (`dirty.rs`) with processors that find pages by the table, remember the right to store and note pages in
//! their footprints: who may still store is found by the reverse map. `frames.rs` has the same in real mode.

use std::sync::Arc;

use hpt::{Access, Admission, Current, Endless, Footprint, Frames, Hpt, Kick, Notifier, Order, Shootdown, Table};
use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
use loom::thread;

use crate::explore::explore;
use crate::search::{Everything, NoBell, enter_at, page};

/// The real page that is stored to, and how much memory there is.
const REAL: u64 = 1;
const RAM: u64 = 0x2000;

/// One processor, and page 1 of it mapped to the frame.
struct World {
    hpt: Arc<Hpt>,
    /// The table, for walks without a mutex that would order them.
    table: Arc<Table>,
    shootdown: Arc<Shootdown>,
    footprint: Arc<Footprint>,
    frames: Frames,
    /// What is in the frame.
    content: AtomicU64,
}

impl World {
    fn new() -> Arc<Self> {
        let footprint = Arc::<Footprint>::default();
        let kick: Box<dyn Kick> = Box::new(NoBell);
        let shootdown = Arc::new(Shootdown::with_footprints(vec![(kick, Arc::clone(&footprint))]));
        let table = Table::new(Order::MIN).expect("a modelled table").with_reverse_map(RAM);
        let current = Current::new(table.expect("a modelled map"));
        let shadow = Box::new(Arc::clone(&shootdown));
        let hpt = Arc::new(Hpt::new(current, Box::new(Everything), shadow));
        enter_at(&mut hpt.port(), 0, 1, REAL, 0).expect("slot 0 is free");
        let frames = Frames::new(RAM, Notifier::new(std::iter::once(0..RAM).collect()));
        let world = Self {
            table: hpt.table(),
            hpt,
            shootdown,
            footprint,
            frames,
            content: AtomicU64::new(0),
        };
        world.frames.track(true);
        assert!(world.harvest().0, "the first log has all");
        Arc::new(world)
    }

    fn spawn<T: 'static>(self: &Arc<Self>, body: impl FnOnce(&Self) -> T + 'static) -> thread::JoinHandle<T> {
        let world = Arc::clone(self);
        thread::spawn(move || body(&world))
    }

    /// A visit to the guest that stores `value` by what the processor `held` from visits before, or else finds. Its footprint stays as it is
    /// when it is told to forget the page. The entry may be out of the guest's sight for a moment: then nothing is stored.
    fn visit(&self, held: &mut bool, value: u64) -> bool {
        let seat = self.shootdown.seat(0);
        seat.enter(|_| *held = false);
        if !*held {
            let found = self.table.walk_for(page(1), Access::Store, false, &self.footprint);
            *held = found.is_ok() && self.frames.admit(REAL << 12, Access::Store) == Admission::Granted { store: true };
        }
        if *held {
            self.content.store(value, Relaxed);
        }
        seat.leave();
        *held
    }

    /// Whether the frame is in the log, and then what it holds.
    fn harvest(&self) -> (bool, u64) {
        let log = self
            .frames
            .harvest(&mut self.hpt.unmapper(), &Endless)
            .expect("nobody gives up");
        (!log.is_empty(), self.content.load(Relaxed))
    }

    /// Nothing that was stored is missing from the copy that goes with the log `first` but what a later log tells, and nothing is in a log that
    /// nobody stored.
    fn judge(&self, first: (bool, u64), stored: u64) {
        let second = self.harvest();
        assert_eq!(second.1, stored);
        assert!(second.0 || first.1 == stored, "the later log lacks the frame");
        assert!(first.0 || second.0 || stored == 0);
        assert!(!self.harvest().0, "nobody has stored since");
    }
}

/// With the page in its footprint from before, so that its walk needs no fence, or not.
#[test]
fn no_frame_that_is_stored_to_by_its_page_is_lost_between_two_logs() {
    for noted in [false, true] {
        explore(3, 300, move || {
            let world = World::new();
            if noted {
                assert!(world.visit(&mut false, 0));
                assert!(world.harvest().0);
            }
            let processor = world.spawn(|world| {
                let mut held = false;
                (1..=2).for_each(|value| assert!(world.visit(&mut held, value)));
            });
            let harvester = world.spawn(World::harvest);
            processor.join().expect("no panic");
            world.judge(harvester.join().expect("no panic"), 2);
        });
    }
}

/// It has stored before the harvest, and does so again by what it holds.
#[test]
fn who_remembers_that_he_may_store_is_found() {
    explore(3, 300, || {
        let world = World::new();
        let mut held = false;
        assert!(world.visit(&mut held, 1));
        let processor = world.spawn(move |world| {
            world.visit(&mut held, 2);
            world.visit(&mut held, 3);
        });
        let harvester = world.spawn(World::harvest);
        processor.join().expect("no panic");
        let first = harvester.join().expect("no panic");
        assert!(first.0, "it was stored to before");
        world.judge(first, 3);
    });
}

/// The entry loses R, is protected, or goes, by a hypercall of another processor, while its user stores.
#[test]
fn so_he_is_whatever_becomes_of_the_entry() {
    for call in 0..3 {
        explore(1, 300, move || {
            let world = World::new();
            let mut held = false;
            assert!(world.visit(&mut held, 1));
            let processor = world.spawn(move |world| if world.visit(&mut held, 2) { 2 } else { 1 });
            let mut port = world.hpt.port();
            let guest = thread::spawn(move || match call {
                0 => drop(port.clear_ref(0, 0).expect("it is there")),
                1 => assert_eq!(port.protect(2, 0, 0), power::hcall::Status::Success),
                _ => drop(port.remove(0, 0, 0).expect("it is there")),
            });
            let harvester = world.spawn(World::harvest);
            let stored = processor.join().expect("no panic");
            guest.join().expect("no panic");
            let first = harvester.join().expect("no panic");
            assert!(first.0, "it was stored to before");
            world.judge(first, stored);
        });
    }
}

/// Of two who harvest at once one has the frame, and the other one's log is empty.
#[test]
fn a_frame_is_in_the_log_of_one() {
    explore(3, 30, || {
        let world = World::new();
        world.frames.note_stored(REAL << 12, 8);
        let harvesters = [(); 2].map(|()| world.spawn(World::harvest));
        let logs = harvesters.map(|harvester| harvester.join().expect("no panic").0);
        assert_ne!(logs[0], logs[1]);
    });
}
