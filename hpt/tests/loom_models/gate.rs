//! Models of the gate (`gate.rs`) and of settling: while somebody has every processor outside nobody walks, and what was
//! held before is not used again.

use std::sync::Arc;

use hpt::{Batch, Invalidation, Shadow, Shootdown};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Relaxed, Release},
};
use loom::thread;

use crate::explore::explore;
use crate::search::shootdown;

/// A table of one entry, and the page that it maps.
struct World {
    shootdown: Arc<Shootdown>,
    mapped: AtomicBool,
    memory: UnsafeCell<u64>,
}

impl World {
    fn new(processors: usize) -> Arc<Self> {
        Arc::new(Self {
            shootdown: shootdown(processors),
            mapped: AtomicBool::new(true),
            memory: UnsafeCell::new(0),
        })
    }

    fn spawn(self: &Arc<Self>, body: impl FnOnce(&Self) + 'static) -> thread::JoinHandle<()> {
        let world = Arc::clone(self);
        thread::spawn(move || body(&world))
    }

    #[expect(unsafe_code, reason = "loom's checked cell")]
    fn load(&self) {
        // SAFETY: the point of the model: loom checks that nobody writes it meanwhile.
        self.memory.with(|word| unsafe { *word });
    }

    #[expect(unsafe_code, reason = "loom's checked cell")]
    fn reuse(&self) {
        // SAFETY: as above.
        self.memory.with_mut(|word| unsafe { *word += 1 });
    }

    /// `visits` visits to the guest with a cache that lasts through them.
    fn run(&self, cpu: usize, visits: usize) {
        let seat = self.shootdown.seat(cpu);
        let mut held = false;
        for _ in 0..visits {
            seat.enter(|_| held = false);
            held = held || self.mapped.load(Relaxed);
            if held {
                assert!(self.mapped.load(Relaxed), "held from before");
                self.load();
            }
            seat.leave();
        }
    }

    fn unmap_exclusively(&self) {
        self.shootdown.exclusively(&mut || {
            self.mapped.store(false, Relaxed);
            self.reuse();
        });
    }
}

/// Whether the page is mapped is all that the next visit may go by: it must find it changed, and what it held dropped.
#[test]
fn nobody_walks_while_all_are_outside_nor_uses_what_it_held_before() {
    explore(3, 300, || {
        let world = World::new(1);
        let processor = world.spawn(|world| world.run(0, 2));
        let closer = world.spawn(World::unmap_exclusively);
        processor.join().expect("no panic");
        closer.join().expect("no panic");
    });
}

#[test]
fn every_processor_is_outside() {
    explore(2, 300, || {
        let world = World::new(2);
        let processors = [0, 1].map(|cpu| world.spawn(move |world| world.run(cpu, 1)));
        let closer = world.spawn(World::unmap_exclusively);
        for processor in processors {
            processor.join().expect("no panic");
        }
        closer.join().expect("no panic");
    });
}

/// What one has done the other finds, and a processor that sleeps at the gate is woken by whoever opens it last.
#[test]
fn two_closers_take_turns() {
    explore(2, 600, || {
        let world = World::new(1);
        let closers = [(); 2].map(|()| world.spawn(World::unmap_exclusively));
        let processor = world.spawn(|world| world.run(0, 1));
        for closer in closers {
            closer.join().expect("no panic");
        }
        processor.join().expect("no panic");
    });
}

/// The closer waits for a lock that a writer holds, as a resize does for an entry's; the writer waits for a visit.
#[test]
fn a_writer_that_holds_what_the_closer_wants_gets_its_answer() {
    explore(2, 8000, || {
        let world = World::new(1);
        let entry = Arc::new(loom::sync::Mutex::new(()));
        let processor = world.spawn(|world| world.run(0, 2));
        let writer = world.spawn({
            let entry = Arc::clone(&entry);
            move |world| {
                let _held = entry.lock().expect("no panic");
                let mut batch = Batch::new();
                batch.push(Invalidation::All);
                world.shootdown.invalidate(&batch);
            }
        });
        let closer = world.spawn(move |world| {
            world
                .shootdown
                .exclusively(&mut || drop(entry.lock().expect("no panic")));
        });
        for thread in [processor, writer, closer] {
            thread.join().expect("no panic");
        }
    });
}

/// The processor stays outside. Once it knows of the writer's answer it settles, and holds nothing of what went.
#[test]
fn what_went_before_a_settlement_is_dropped_by_it() {
    explore(3, 300, || {
        let world = World::new(1);
        let answered = Arc::new(AtomicBool::new(false));
        let processor = world.spawn({
            let answered = Arc::clone(&answered);
            move |world| {
                let seat = world.shootdown.seat(0);
                seat.enter(|_| ());
                let mut held = world.mapped.load(Relaxed);
                seat.leave();
                let over = answered.load(Acquire);
                seat.settle(|_| held = false);
                assert!(!(over && held), "held after the writer had its answer");
            }
        });
        let writer = world.spawn(move |world| {
            world.mapped.store(false, Relaxed);
            let mut batch = Batch::new();
            batch.push(Invalidation::All);
            world.shootdown.invalidate(&batch);
            answered.store(true, Release);
        });
        processor.join().expect("no panic");
        writer.join().expect("no panic");
    });
}
