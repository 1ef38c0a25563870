//! Models of what may be done to frames (`frames.rs`) and of the dirty log (`dirty.rs`), with processors in real mode, where nothing
//! but the footprint's flag tells that they hold something.

use std::sync::Arc;

use hpt::{
    Access, Accessor, Admission, Endless, Fault, Footprint, Frames, Hpt, Kick, Notifier, Protection, Right, Shootdown,
};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
use loom::thread;

use crate::explore::explore;
use crate::real_mode::Flush;
use crate::search::{NoBell, machine};

/// The first frame of RAM, and mostly all.
const FRAME: std::ops::Range<u64> = 0..0x1000;

/// One processor, and a frame of memory twice: as what threads must not be at together, and as what they may.
struct World {
    hpt: Arc<Hpt>,
    shootdown: Arc<Shootdown>,
    footprint: Arc<Footprint>,
    frames: Arc<Frames>,
    protections: [Protection; 2],
    alone: UnsafeCell<u64>,
    shared: AtomicU64,
}

impl World {
    fn new() -> Arc<Self> {
        Self::of(FRAME.end)
    }

    /// With RAM of so many bytes.
    fn of(ram_bytes: u64) -> Arc<Self> {
        let footprint = Arc::new(Footprint::default());
        let processors = vec![(Box::new(NoBell) as Box<dyn Kick>, Arc::clone(&footprint))];
        let shootdown = Arc::new(Shootdown::with_footprints(processors));
        let notifier = Notifier::new(std::iter::once(0..ram_bytes).collect());
        let listener = Arc::new(Flush(Arc::clone(&shootdown)));
        let registration = notifier.register(listener, &Endless).expect("there is memory");
        // It lasts as long as the notifier.
        std::mem::forget(registration);
        let frames = Arc::new(Frames::new(ram_bytes, notifier));
        Arc::new(Self {
            hpt: machine(Arc::clone(&shootdown)),
            shootdown,
            footprint,
            protections: [(); 2].map(|()| frames.protect(None).expect("there is memory")),
            frames,
            alone: UnsafeCell::new(0),
            shared: AtomicU64::new(0),
        })
    }

    /// The same, in which nobody has stored to the frame since its stores are tracked.
    fn tracked() -> Arc<Self> {
        let world = Self::new();
        world.frames.track(true);
        assert!(world.is_dirty(), "the first log has all");
        world
    }

    #[expect(unsafe_code, reason = "loom's checked cell")]
    fn store_alone(&self) {
        // SAFETY: the point of the model: loom checks that nobody else is at it.
        self.alone.with_mut(|word| unsafe { *word += 1 });
    }

    /// A visit to the guest by a processor that stores through what it `held` from visits before, or else may hold.
    fn visit(&self, held: &mut bool, store: impl FnOnce()) -> bool {
        let seat = self.shootdown.seat(0);
        seat.enter(|_| {
            *held = false;
            self.footprint.clear_real();
        });
        if !*held {
            self.footprint.note_real();
            *held = self.frames.admit(0, Access::Store) == Admission::Granted { store: true };
        }
        if *held {
            store();
        }
        seat.leave();
        *held
    }

    fn narrow(&self) {
        self.protections[0]
            .take(FRAME, Right::Load, &Endless)
            .expect("nobody gives up");
    }

    /// A harvest; a bit for each frame in the log.
    fn harvest(&self) -> u64 {
        let log = self.frames.harvest(&mut self.hpt.unmapper(), &Endless);
        let log = log.expect("nobody gives up");
        let frames = log.ranges().flat_map(|range| range.start >> 12..range.end >> 12);
        frames.map(|frame| 1 << frame).sum()
    }

    /// The same; whether there is any.
    fn is_dirty(&self) -> bool {
        self.harvest() != 0
    }

    /// A harvest, and then what the frame holds.
    fn harvest_and_copy(&self) -> (bool, u64) {
        let dirty = self.is_dirty();
        (dirty, self.shared.load(Relaxed))
    }
}

#[test]
fn nobody_stores_after_the_right_was_taken() {
    explore(4, 500, || {
        let world = World::new();
        let processor = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let mut held = false;
                for _ in 0..2 {
                    world.visit(&mut held, || world.store_alone());
                }
            }
        });
        let narrower = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.narrow();
                world.store_alone();
            }
        });
        processor.join().expect("no panic");
        narrower.join().expect("no panic");
        assert!(!world.visit(&mut false, || ()));
    });
}

/// The processor drops everything of real mode, as when it was told to, in the middle of its visit.
#[test]
fn a_processor_that_dropped_real_mode_has_ended_its_stores() {
    explore(4, 300, || {
        let world = World::new();
        let processor = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let seat = world.shootdown.seat(0);
                seat.enter(|_| ());
                world.footprint.note_real();
                if world.frames.admit(0, Access::Store) == (Admission::Granted { store: true }) {
                    world.store_alone();
                }
                world.footprint.clear_real();
                seat.leave();
            }
        });
        let narrower = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.narrow();
                world.store_alone();
            }
        });
        processor.join().expect("no panic");
        narrower.join().expect("no panic");
    });
}

/// What was stored is in the copy that goes with the log, or the frame is in the next log; and it is in no log that nobody stored before.
#[test]
fn no_stored_frame_is_lost_between_two_logs() {
    explore(4, 500, || {
        let world = World::tracked();
        let processor = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let mut held = false;
                for count in 1..=2 {
                    world.visit(&mut held, || world.shared.store(count, Relaxed));
                }
            }
        });
        let harvester = thread::spawn({
            let world = Arc::clone(&world);
            move || world.harvest_and_copy()
        });
        processor.join().expect("no panic");
        let (first, copy) = harvester.join().expect("no panic");
        let (second, last) = world.harvest_and_copy();
        assert_eq!(last, 2);
        assert!(second || copy == last, "the second log lacks the frame");
        assert!(first || second);
        assert!(!world.is_dirty(), "nobody has stored since");
    });
}

/// The processor has stored before, and so finds the bit set: it stores again on the strength of that.
#[test]
fn a_bit_that_is_set_already_needs_no_step_of_its_own() {
    explore(4, 300, || {
        let world = World::tracked();
        world.visit(&mut false, || ());
        let processor = thread::spawn({
            let world = Arc::clone(&world);
            move || world.visit(&mut false, || world.shared.store(1, Relaxed))
        });
        let harvester = thread::spawn({
            let world = Arc::clone(&world);
            move || world.harvest_and_copy()
        });
        processor.join().expect("no panic");
        let (first, copy) = harvester.join().expect("no panic");
        let second = world.is_dirty();
        assert!(first && (second || copy == 1), "the store is in no log");
    });
}

/// The second frame was stored to before, and by nobody since.
#[test]
fn frames_of_one_word_are_each_in_one_log() {
    explore(4, 100, || {
        let world = World::of(2 * FRAME.end);
        world.frames.track(true);
        world.harvest();
        world.frames.note_stored(FRAME.end, 8);
        let processor = thread::spawn({
            let world = Arc::clone(&world);
            move || world.visit(&mut false, || ())
        });
        let harvester = thread::spawn({
            let world = Arc::clone(&world);
            move || world.harvest()
        });
        assert!(processor.join().expect("no panic"), "nothing is withheld");
        let first = harvester.join().expect("no panic");
        let second = world.harvest();
        assert_eq!([first >> 1, second >> 1], [1, 0], "of the second frame");
        assert_eq!((first & 1) + (second & 1), 1, "of the first frame");
    });
}

/// This program stores to the frame itself, also while somebody begins to track.
#[test]
fn no_store_of_this_program_is_lost() {
    for tracked in [false, true] {
        explore(4, 30, move || {
            let world = if tracked { World::tracked() } else { World::new() };
            let program = thread::spawn({
                let world = Arc::clone(&world);
                move || {
                    world.shared.store(1, Relaxed);
                    world.frames.note_stored(0, 8);
                }
            });
            let harvester = thread::spawn({
                let world = Arc::clone(&world);
                move || {
                    if !tracked {
                        world.frames.track(true);
                    }
                    world.harvest_and_copy()
                }
            });
            program.join().expect("no panic");
            let (_, copy) = harvester.join().expect("no panic");
            assert!(copy == 1 || world.is_dirty(), "the store is in no log");
        });
    }
}

/// Who gives a right has put there what the waiter is to find.
#[test]
fn whoever_waits_for_a_right_gets_it_and_finds_what_was_stored() {
    explore(4, 50, || {
        let world = World::new();
        world.protections[0]
            .take(FRAME, Right::Nothing, &Endless)
            .expect("narrowed");
        let processor = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let fault = Fault {
                    real: 0,
                    access: Access::Load,
                    by: Accessor::Program,
                };
                world.frames.wait_for(&fault, &Endless).expect("nobody gives up");
                let admission = world.frames.admit(0, Access::Load);
                assert_eq!(admission, Admission::Granted { store: true });
                assert_eq!(world.shared.load(Relaxed), 1);
            }
        });
        let provider = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.shared.store(1, Relaxed);
                world.protections[0].give(FRAME, Right::Store);
            }
        });
        processor.join().expect("no panic");
        provider.join().expect("no panic");
    });
}

/// It does not sleep, but comes by.
#[test]
fn whoever_is_let_in_finds_what_was_stored_before() {
    for right in [Right::Load, Right::Store] {
        explore(4, 5, move || {
            let world = World::new();
            world.protections[0]
                .take(FRAME, Right::Nothing, &Endless)
                .expect("narrowed");
            let processor = thread::spawn({
                let world = Arc::clone(&world);
                move || {
                    if world.frames.admit(0, Access::Load) != Admission::Refused {
                        assert_eq!(world.shared.load(Relaxed), 1);
                    }
                }
            });
            let provider = thread::spawn({
                let world = Arc::clone(&world);
                move || {
                    world.shared.store(1, Relaxed);
                    world.protections[0].give(FRAME, right);
                }
            });
            processor.join().expect("no panic");
            provider.join().expect("no panic");
        });
    }
}

/// The first frame is narrowed all the time, the second one by one thread and given back by another; both by two protections.
#[test]
fn the_count_of_narrowed_frames_hides_none() {
    explore(3, 100, || {
        let second = FRAME.end..2 * FRAME.end;
        let world = World::of(second.end);
        world.narrow();
        let [narrower, giver] = [0, 1].map(|who| {
            let (world, second) = (Arc::clone(&world), second.clone());
            thread::spawn(move || {
                let protection = &world.protections[who];
                protection
                    .take(second.clone(), Right::Nothing, &Endless)
                    .expect("narrowed");
                if who == 1 {
                    protection.give(second, Right::Store);
                }
            })
        });
        assert_eq!(world.frames.admit(0, Access::Store), Admission::Refused);
        narrower.join().expect("no panic");
        giver.join().expect("no panic");
        assert_eq!(world.frames.admit(0, Access::Store), Admission::Refused);
        assert_eq!(world.frames.right(FRAME.end), Right::Nothing, "the first one has it");
        world.protections[0].give(0..second.end, Right::Store);
        assert_eq!(world.frames.admit(0, Access::Load), Admission::Granted { store: true });
    });
}
