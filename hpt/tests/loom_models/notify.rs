//! Models of ranges in flight (`notify/`): whoever uses memory that is being taken away is found by loom's cell, whoever waits
//! for ever by its search.

use std::ops::Range;
use std::sync::{Arc, Mutex as Unmodelled};

use hpt::{
    Abandoned, Access, Announced, Batch, Endless, Footprint, Hpt, Invalidation, Kick, Listener, Notifier, Patience,
    Registration, Shadow, Shootdown, Why,
};
use loom::cell::UnsafeCell;
use loom::sync::Mutex;
use loom::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence,
};
use loom::thread::{self, JoinHandle};
use power::page::PageSize;

use crate::explore::explore;
use crate::search::{NoBell, enter, machine, page, shootdown};

/// A page of RAM.
const PAGE: Range<u64> = 0..0x1000;
/// The next one.
const NEXT: Range<u64> = 0x1000..0x2000;
/// Both.
const PAGES: Range<u64> = 0..0x2000;

/// The memory of a page.
struct Memory(UnsafeCell<u64>);

impl Memory {
    fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    #[expect(unsafe_code, reason = "loom's checked cell")]
    fn load(&self) {
        // SAFETY: the point of the model: loom checks that nobody changes it meanwhile.
        self.0.with(|word| unsafe { *word });
    }

    #[expect(unsafe_code, reason = "loom's checked cell")]
    fn change(&self) {
        // SAFETY: as above.
        self.0.with_mut(|word| unsafe { *word += 1 });
    }
}

/// A notifier with regions, and what the bodies of a model share.
struct World<T> {
    notifier: Arc<Notifier>,
    memory: Memory,
    users: Arc<T>,
    /// Kept by the model itself, if the listener stays.
    registration: Unmodelled<Option<Registration>>,
}

impl<T: 'static> World<T> {
    fn new(regions: &[Range<u64>], users: T) -> Arc<Self> {
        Arc::new(Self {
            notifier: Notifier::new(regions.to_vec()),
            memory: Memory::new(),
            users: Arc::new(users),
            registration: Unmodelled::new(None),
        })
    }

    fn spawn(self: &Arc<Self>, body: impl FnOnce(&Self) + 'static) -> JoinHandle<()> {
        let world = Arc::clone(self);
        thread::spawn(move || body(&world))
    }

    /// Takes the page away and changes it.
    fn take(&self) {
        let flight = self
            .notifier
            .begin(PAGE, Why::Remap, &Endless)
            .expect("patience and memory");
        self.memory.change();
        drop(flight);
    }
}

impl<T: Listener + 'static> World<T> {
    /// With the users as the listener, from the beginning.
    fn told(regions: &[Range<u64>], users: T) -> Arc<Self> {
        let world = Self::new(regions, users);
        world.register();
        world
    }

    fn register(&self) {
        let listener: Arc<dyn Listener> = Arc::<T>::clone(&self.users);
        let registration = self.notifier.register(listener, &Endless);
        *self.registration.lock().expect("no panic") = Some(registration.expect("patience and memory"));
    }

    fn unregister(&self) {
        let registration = self.registration.lock().expect("no panic").take();
        drop(registration);
    }
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no panic");
    }
}

/// Processors in seats, which are told what a range needs of them.
struct Processors {
    shootdown: Arc<Shootdown>,
    batch: fn() -> Batch,
}

impl Listener for Processors {
    fn start(&self, _: &Announced, _: &dyn Patience) -> Result<(), Abandoned> {
        self.shootdown.invalidate(&(self.batch)());
        Ok(())
    }

    fn end(&self, _: &Announced) {}
}

impl World<Processors> {
    /// `visits` to the guest with a translation that is kept through them.
    fn visit(&self, visits: usize) {
        let seat = self.users.shootdown.seat(0);
        let mut held = false;
        for _ in 0..visits {
            seat.enter(|_| held = false);
            held = held || !self.notifier.is_in_flight(0);
            if held {
                self.memory.load();
            }
            seat.leave();
        }
    }
}

#[test]
fn a_processor_keeps_nothing_of_a_range_in_flight() {
    explore(4, 4000, || {
        let users = Processors {
            shootdown: shootdown(1),
            batch: Batch::everything,
        };
        let world = World::told(&[PAGE], users);
        join([world.spawn(|world| world.visit(2)), world.spawn(World::take)]);
    });
}

/// The same with a footprint, by which the processor may be left alone.
#[test]
fn a_processor_that_is_left_alone_keeps_nothing_of_a_range_in_flight() {
    explore(5, 500, || {
        let footprint = Arc::new(Footprint::default());
        let processors = vec![(Box::new(NoBell) as Box<dyn Kick>, Arc::clone(&footprint))];
        let shootdown = Arc::new(Shootdown::with_footprints(processors));
        let hpt: Arc<Hpt> = machine(Arc::clone(&shootdown));
        enter(&mut hpt.port(), 1, 0, 0);
        let batch = || {
            let mut batch = Batch::new();
            batch.push(Invalidation::Page {
                page: page(1),
                actual: PageSize::Size4K,
                real: 0,
            });
            batch
        };
        let world = World::told(&[PAGE], Processors { shootdown, batch });
        let processor = world.spawn(move |world| {
            let seat = world.users.shootdown.seat(0);
            seat.enter(|_| ());
            let found = hpt.table().walk_for(page(1), Access::Load, false, &footprint);
            assert!(found.is_ok(), "the guest's entry stays");
            if !world.notifier.is_in_flight(0) {
                world.memory.load();
            }
            seat.leave();
        });
        join([processor, world.spawn(World::take)]);
    });
}

/// A user that says that it uses the page, and no more than that.
struct Flag(AtomicBool);

impl Listener for Flag {
    fn start(&self, _: &Announced, _: &dyn Patience) -> Result<(), Abandoned> {
        while self.0.load(Acquire) {
            thread::yield_now();
        }
        Ok(())
    }

    fn end(&self, _: &Announced) {}
}

#[test]
fn a_listener_needs_no_fence_of_its_own() {
    explore(4, 300, || {
        let world = World::told(&[PAGE], Flag(AtomicBool::new(false)));
        let user = world.spawn(|world| {
            world.users.0.store(true, Relaxed);
            fence(SeqCst);
            if !world.notifier.is_in_flight(0) {
                world.memory.load();
            }
            world.users.0.store(false, Release);
        });
        join([user, world.spawn(World::take)]);
    });
}

/// A translator that nobody waits for: where the page is, as it found it, under a lock.
struct Translator {
    /// Where the page is. Whoever changes it has a range in flight.
    place: AtomicU64,
    /// Whether the translator keeps that it is at the first place.
    kept: Mutex<bool>,
}

impl Translator {
    fn new() -> Self {
        Self {
            place: AtomicU64::new(0),
            kept: Mutex::new(false),
        }
    }
}

impl Listener for Translator {
    fn start(&self, _: &Announced, _: &dyn Patience) -> Result<(), Abandoned> {
        *self.kept.lock().expect("no panic") = false;
        Ok(())
    }

    fn end(&self, _: &Announced) {}
}

impl World<Translator> {
    /// Translates, and uses what it keeps twice.
    fn translate(&self, page: &Range<u64>) {
        let since = self.notifier.sequence();
        let place = self.users.place.load(Relaxed);
        let mut kept = self.users.kept.lock().expect("no panic");
        *kept = place == 0 && !self.notifier.is_stale(since, page);
        self.use_kept(*kept);
        drop(kept);
        let kept = self.users.kept.lock().expect("no panic");
        self.use_kept(*kept);
    }

    fn use_kept(&self, kept: bool) {
        if kept {
            self.memory.load();
            assert_eq!(self.users.place.load(Relaxed), 0, "kept from before");
        }
    }

    /// Moves a page away from the first place, and uses that for something else.
    fn move_away(&self, range: Range<u64>) {
        let flight = self
            .notifier
            .begin(range, Why::Remap, &Endless)
            .expect("patience and memory");
        self.users.place.store(1, Relaxed);
        self.memory.change();
        drop(flight);
    }
}

#[test]
fn a_translator_keeps_nothing_that_a_range_has_changed_meanwhile() {
    explore(5, 500, || {
        let world = World::told(&[PAGE], Translator::new());
        let translator = world.spawn(|world| world.translate(&PAGE));
        join([translator, world.spawn(|world| world.move_away(PAGE))]);
    });
}

/// The range is over both regions, the page in the second.
#[test]
fn a_listener_that_comes_is_told_or_finds_the_range() {
    explore(4, 2000, || {
        let world = World::new(&[PAGE, NEXT], Translator::new());
        let translator = world.spawn(|world| {
            world.register();
            world.translate(&NEXT);
            world.unregister();
        });
        join([translator, world.spawn(|world| world.move_away(PAGES))]);
    });
}

/// A listener that says when it is gone.
struct Leaver {
    gone: AtomicBool,
}

impl Leaver {
    fn called(&self) {
        assert!(!self.gone.load(Relaxed), "called when it was gone");
    }
}

impl Listener for Leaver {
    fn start(&self, _: &Announced, _: &dyn Patience) -> Result<(), Abandoned> {
        self.called();
        Ok(())
    }

    fn end(&self, _: &Announced) {
        self.called();
    }
}

impl World<Leaver> {
    fn with_leaver(region: Range<u64>) -> Arc<Self> {
        let gone = AtomicBool::new(false);
        Self::told(&[region], Leaver { gone })
    }

    fn leave(&self) {
        self.unregister();
        self.users.gone.store(true, Relaxed);
    }
}

#[test]
fn no_callback_runs_when_its_listener_is_unregistered() {
    explore(5, 200, || {
        let world = World::with_leaver(PAGE);
        join([world.spawn(World::leave), world.spawn(World::take)]);
    });
}

#[test]
fn a_listener_is_left_by_two_ranges() {
    explore(3, 5000, || {
        let world = World::with_leaver(PAGES);
        let other = world.spawn(|world| drop(world.notifier.begin(NEXT, Why::Discard, &Endless)));
        join([world.spawn(World::leave), other, world.spawn(World::take)]);
    });
}

/// Ranges over a page that many may have, and how many have it.
#[test]
fn a_page_is_in_flight_until_the_last_of_its_ranges_has_ended() {
    explore(2, 300, || {
        let taken = Arc::new(AtomicU64::new(0));
        let users = Processors {
            shootdown: shootdown(1),
            batch: Batch::everything,
        };
        let world = World::told(&[PAGES], users);
        let holders = [PAGE, PAGE].map(|range| {
            let taken = Arc::clone(&taken);
            world.spawn(move |world| {
                let flight = world.notifier.begin(range, Why::Protect, &Endless);
                taken.fetch_add(1, Relaxed);
                taken.fetch_sub(1, Relaxed);
                drop(flight.expect("patience and memory"));
            })
        });
        let processor = world.spawn(move |world| {
            let seat = world.users.shootdown.seat(0);
            seat.enter(|_| ());
            if !world.notifier.is_in_flight(0) {
                assert_eq!(taken.load(Relaxed), 0, "used while it is taken");
            }
            seat.leave();
        });
        join(holders.into_iter().chain([processor]));
    });
}

#[test]
fn who_waits_for_ranges_is_woken_by_the_last() {
    explore(3, 5000, || {
        let world = World::new(&[PAGES], ());
        let holders = [PAGE, PAGES].map(|range| {
            world.spawn(move |world| {
                let outer = world.notifier.begin(PAGES, Why::Protect, &Endless);
                drop(world.notifier.begin(range, Why::Discard, &Endless));
                drop(outer);
            })
        });
        let waiter = world.spawn(|world| {
            world.notifier.wait(&PAGE, &Endless).expect("endless");
            // It comes for its page: the model has no time after which its turn would be lost.
            assert!(!world.notifier.is_in_flight(0), "it was passed over");
        });
        join(holders.into_iter().chain([waiter]));
    });
}

/// Whatever begins and ends meanwhile, and however often.
#[test]
fn whoever_has_waited_for_a_range_finds_its_page_free() {
    explore(3, 1000, || {
        let world = World::new(&[PAGES], ());
        let holders = [(PAGE, 2), (PAGES, 1)].map(|(range, times)| {
            world.spawn(move |world| {
                for _ in 0..times {
                    drop(world.notifier.begin(range.clone(), Why::Discard, &Endless));
                }
            })
        });
        let waiter = world.spawn(|world| {
            world.notifier.wait(&PAGE, &Endless).expect("endless");
            assert!(!world.notifier.is_in_flight(0), "it was passed over");
        });
        join(holders.into_iter().chain([waiter]));
    });
}

/// A beginner gives way to who waits for a lease, and is woken when it has it.
#[test]
fn who_waits_for_a_lease_gets_it_and_wakes_who_gave_way() {
    explore(3, 100, || {
        let world = World::new(&[PAGE], ());
        let user = world.spawn(|world| {
            let lease = world.notifier.lease(&PAGE);
            world.memory.load();
            drop(lease);
        });
        let taker = world.spawn(|world| {
            world.take();
            world.take();
        });
        join([user, taker]);
    });
}

#[test]
fn nothing_leased_is_taken() {
    explore(5, 60, || {
        let world = World::new(&[PAGE], ());
        let user = world.spawn(|world| {
            let lease = world.notifier.lease(&PAGE);
            world.memory.load();
            drop(lease);
        });
        join([user, world.spawn(World::take)]);
    });
}

/// The holder of one region asks for the other while somebody wants to lease both.
#[test]
fn a_lease_that_must_wait_keeps_nothing_from_others() {
    explore(5, 300, || {
        let world = World::new(&[PAGE, NEXT], ());
        let user = world.spawn(|world| {
            let lease = world.notifier.lease(&PAGES);
            world.memory.load();
            drop(lease);
        });
        let holder = world.spawn(|world| {
            let flight = world.notifier.begin(NEXT, Why::Discard, &Endless);
            world.take();
            drop(flight.expect("patience and memory"));
        });
        join([user, holder]);
    });
}
