//! Models of the seat's protocol (`seat.rs`): when a writer has its answer, no processor uses what it named.

use crate::explore::explore;
use crate::search::shootdown;
use hpt::{Batch, Invalidation, Kick, Seat, Shadow, Shootdown};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::sync::{Condvar, Mutex};
use loom::thread;
use std::sync::Arc;

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
    fn run(&self, seat: &Seat, visits: usize) {
        let mut held = false;
        for _ in 0..visits {
            seat.enter(|_| held = false);
            held = held || self.mapped.load(Relaxed);
            if held {
                self.load();
            }
            seat.leave();
        }
    }

    fn invalidate(&self) {
        let mut batch = Batch::new();
        batch.push(Invalidation::All);
        self.shootdown.invalidate(&batch);
    }

    fn unmap_and_reuse(&self) {
        self.mapped.store(false, Relaxed);
        self.invalidate();
        self.reuse();
    }
}

/// The processor holds the translation from before; this visit races the writer, and so does the next.
#[test]
fn nothing_is_used_after_the_writer_has_its_answer() {
    explore(3, 400, || {
        let world = World::new(1);
        let processor = thread::spawn({
            let world = Arc::clone(&world);
            move || world.run(world.shootdown.seat(0), 2)
        });
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || world.unmap_and_reuse()
        });
        processor.join().expect("no panic");
        writer.join().expect("no panic");
    });
}

#[test]
fn a_writer_waits_for_every_processor() {
    explore(2, 1000, || {
        let world = World::new(2);
        let processors = [0, 1].map(|cpu| {
            let world = Arc::clone(&world);
            thread::spawn(move || world.run(world.shootdown.seat(cpu), 1))
        });
        let writer = thread::spawn({
            let world = Arc::clone(&world);
            move || world.unmap_and_reuse()
        });
        for processor in processors {
            processor.join().expect("no panic");
        }
        writer.join().expect("no panic");
    });
}

/// Both sleep for one visit: a wake-up that is lost is a deadlock, which loom reports.
#[test]
fn two_writers_are_woken_by_one_leave() {
    explore(2, 3000, || {
        let world = World::new(1);
        let writers = [(); 2].map(|()| {
            let world = Arc::clone(&world);
            thread::spawn(move || world.invalidate())
        });
        world.run(world.shootdown.seat(0), 2);
        for writer in writers {
            writer.join().expect("no panic");
        }
    });
}

/// Two processors in hypercalls: each has left its own seat, and posts to the other's.
#[test]
fn two_processors_in_hypercalls_do_not_wait_for_each_other() {
    explore(3, 2000, || {
        let world = World::new(2);
        let processors = [0, 1].map(|cpu| {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                let seat = world.shootdown.seat(cpu);
                seat.enter(|_| ());
                seat.leave();
                world.invalidate();
                let mut told = 0;
                seat.enter(|_| told += 1);
                seat.leave();
                assert!(told >= 1, "its own batch");
            })
        });
        for processor in processors {
            processor.join().expect("no panic");
        }
    });
}

/// A doorbell that a processor in the guest sleeps on: it leaves only when it is told to.
#[derive(Clone)]
struct Bell(Arc<(Mutex<Rung>, Condvar)>);

#[derive(Default)]
struct Rung {
    kicked: bool,
    /// The model is over; outlasts [`Bell::mute`].
    over: bool,
}

impl Bell {
    fn new() -> Self {
        Self(Arc::new((Mutex::new(Rung::default()), Condvar::new())))
    }

    fn ring(&self, how: impl FnOnce(&mut Rung)) {
        how(&mut self.0.0.lock().expect("no panic"));
        self.0.1.notify_all();
    }

    fn mute(&self) {
        self.0.0.lock().expect("no panic").kicked = false;
    }

    fn wait(&self) {
        let mut rung = self.0.0.lock().expect("no panic");
        while !rung.kicked && !rung.over {
            rung = self.0.1.wait(rung).expect("no panic");
        }
    }
}

impl Kick for Bell {
    fn kick(&self) {
        self.ring(|rung| rung.kicked = true);
    }
}

/// A writer that found the processor in its first visit must not wait for the second, which nobody ends:
/// its kick went to the first. With "inside" as a mere flag this is a deadlock.
#[test]
fn a_writer_waits_for_one_visit_only() {
    explore(3, 300, || {
        let bell = Bell::new();
        let shootdown = Arc::new(Shootdown::new(vec![Box::new(bell.clone())]));
        let processor = thread::spawn({
            let (bell, shootdown) = (bell.clone(), Arc::clone(&shootdown));
            move || {
                let seat = shootdown.seat(0);
                seat.enter(|_| ());
                seat.leave();
                bell.mute();
                seat.enter(|_| ());
                bell.wait();
                seat.leave();
            }
        });
        let writer = thread::spawn(move || {
            shootdown.invalidate(&Batch::new());
            bell.ring(|rung| rung.over = true);
        });
        writer.join().expect("no panic");
        processor.join().expect("no panic");
    });
}
