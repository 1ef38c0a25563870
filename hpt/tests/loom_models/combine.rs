//! Models of combining (`seat.rs`): writers that find a processor in the same visit share one kick, and each has its
//! answer only when the visit is over.

use std::sync::Arc;

use hpt::{Access, Batch, Grace, Hpt, Invalidation, Kick, Shadow, Shootdown};
use loom::cell::UnsafeCell;
use loom::sync::{Condvar, Mutex};
use loom::thread;
use power::hpte::HpteR;

use crate::explore::explore;
use crate::search::{enter_at, machine, page};

/// A doorbell that a processor in the guest sleeps on: it leaves only when it is told to.
#[derive(Clone)]
struct Bell(Arc<(Mutex<Rung>, Condvar)>);

#[derive(Default)]
struct Rung {
    kicks: u32,
    kicked: bool,
    /// So many writers have their answer.
    answered: u32,
}

const WRITERS: u32 = 2;

impl Bell {
    fn new() -> Self {
        Self(Arc::new((Mutex::new(Rung::default()), Condvar::new())))
    }

    fn ring(&self, how: impl FnOnce(&mut Rung)) {
        how(&mut self.0.0.lock().expect("no panic"));
        self.0.1.notify_all();
    }

    fn answered(&self) {
        self.ring(|rung| rung.answered += 1);
    }

    /// Sleeps until somebody kicks, or nobody is left who would.
    fn wait(&self) {
        let mut rung = self.0.0.lock().expect("no panic");
        while !rung.kicked && rung.answered < WRITERS {
            rung = self.0.1.wait(rung).expect("no panic");
        }
    }
}

impl Kick for Bell {
    fn kick(&self) {
        self.ring(|rung| {
            rung.kicked = true;
            rung.kicks += 1;
        });
    }
}

fn invalidate(shootdown: &Shootdown) -> Grace {
    let mut batch = Batch::new();
    batch.push(Invalidation::All);
    shootdown.invalidate(&batch)
}

/// A kick that each leaves to the other is a deadlock.
#[test]
fn of_two_writers_one_kicks() {
    explore(3, 40000, || {
        let bell = Bell::new();
        let shootdown = Arc::new(Shootdown::new(vec![Box::new(bell.clone())]));
        let processor = thread::spawn({
            let (bell, shootdown) = (bell.clone(), Arc::clone(&shootdown));
            move || {
                let seat = shootdown.seat(0);
                seat.enter(|_| ());
                bell.wait();
                seat.leave();
            }
        });
        let writers = [(); WRITERS as usize].map(|()| {
            let (bell, shootdown) = (bell.clone(), Arc::clone(&shootdown));
            thread::spawn(move || {
                let grace = invalidate(&shootdown);
                bell.answered();
                grace
            })
        });
        let [first, second] = writers.map(|writer| writer.join().expect("no panic"));
        processor.join().expect("no panic");
        let kicks = bell.0.0.lock().expect("no panic").kicks;
        assert!(kicks <= 1, "{kicks} kicks for one visit");
        assert_eq!(first.kicked + second.kicked, kicks);
        assert!(kicks == 1 || first.joined + second.joined == 0, "nobody to join");
        for grace in [first, second] {
            assert_eq!(grace.waited.is_some(), grace.kicked + grace.joined == 1);
        }
    });
}

/// The first visit ends by itself, perhaps between a writer's mark and its kick. A writer that finds the second one must
/// not take the first one's mark for its own.
#[test]
fn a_kick_is_for_one_visit() {
    explore(2, 8000, || {
        let bell = Bell::new();
        let shootdown = Arc::new(Shootdown::new(vec![Box::new(bell.clone())]));
        let processor = thread::spawn({
            let (bell, shootdown) = (bell.clone(), Arc::clone(&shootdown));
            move || {
                let seat = shootdown.seat(0);
                seat.enter(|_| ());
                seat.leave();
                bell.ring(|rung| rung.kicked = false);
                seat.enter(|_| ());
                bell.wait();
                seat.leave();
            }
        });
        let writers = [(); WRITERS as usize].map(|()| {
            let (bell, shootdown) = (bell.clone(), Arc::clone(&shootdown));
            thread::spawn(move || {
                invalidate(&shootdown);
                bell.answered();
            })
        });
        for writer in writers {
            writer.join().expect("no panic");
        }
        processor.join().expect("no panic");
    });
}

/// A kick that is only counted; the modelled processor leaves by itself.
#[derive(Clone, Default)]
struct Count(Arc<std::sync::atomic::AtomicU32>);

impl Kick for Count {
    fn kick(&self) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

struct World {
    hpt: Arc<Hpt>,
    shootdown: Arc<Shootdown>,
    /// A page of memory for each entry: loom reports a use that is not ordered before its next owner's.
    memory: [UnsafeCell<u64>; 2],
}

impl World {
    #[expect(unsafe_code, reason = "loom's checked cell")]
    fn store(&self, number: usize) {
        // SAFETY: the point of the model: loom checks that nobody else is at it.
        self.memory[number].with_mut(|word| unsafe { *word += 1 });
    }

    fn remove(&self, number: usize) -> HpteR {
        let old = self.hpt.port().remove(0, number as u64, 0).expect("it is there").r;
        self.store(number);
        old
    }
}

#[test]
fn two_removers_that_share_a_kick_own_a_page_each() {
    explore(1, 1000, || {
        let count = Count::default();
        let shootdown = Arc::new(Shootdown::new(vec![Box::new(count.clone())]));
        let hpt = machine(Arc::clone(&shootdown));
        for slot in 0..2 {
            enter_at(&mut hpt.port(), slot, slot + 1, 0x5 + slot, 0).expect("the slot is free");
            // Used before, so that its removal has to hear of processors.
            hpt.table()
                .walk(page(slot + 1), Access::Load, false)
                .expect("just entered");
        }
        let world = Arc::new(World {
            hpt,
            shootdown,
            memory: Default::default(),
        });
        let processor = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let seat = world.shootdown.seat(0);
                seat.enter(|_| ());
                let stored = [0, 1].map(|number| {
                    let found = world.hpt.table().walk(page(number as u64 + 1), Access::Store, false);
                    if found.is_ok() {
                        world.store(number);
                    }
                    found.is_ok()
                });
                seat.leave();
                stored
            }
        });
        let removers = [0, 1].map(|number| {
            let world = Arc::clone(&world);
            thread::spawn(move || world.remove(number))
        });
        let old = removers.map(|remover| remover.join().expect("no panic"));
        let stored = processor.join().expect("no panic");
        for (old, stored) in old.iter().zip(stored) {
            assert_eq!(old.is_changed(), stored, "C was lost, or made up");
        }
        let kicks = count.0.load(std::sync::atomic::Ordering::Relaxed);
        assert!(kicks <= 1, "{kicks} kicks for one visit");
    });
}
