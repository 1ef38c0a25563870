//! Models of a dump: its file has all memory as it is at one moment, while a processor stores. What is allowed is `hpt`'s own
//! business, the processor one in real mode, the file a word for each frame.

use std::sync::{Arc, Weak};

use hpt::{
    Abandoned, Access, Accessor, Admission, Endless, Fault, FaultHandler, Footprint, Frames, Giver, Kick, Notifier,
    Patience, Right, Shootdown,
};
use loom::thread;

use super::FRAME;
use super::claims::Claims;
use crate::explore::explore;
use crate::real_mode::Flush;
use crate::word::Word;

/// Frames of RAM.
const FRAMES: u64 = 2;

/// The processor leaves by itself.
struct NoBell;

impl Kick for NoBell {
    fn kick(&self) {}
}

/// One processor, its memory, and a dump of that.
struct World {
    this: Weak<World>,
    shootdown: Arc<Shootdown>,
    footprint: Arc<Footprint>,
    frames: Arc<Frames>,
    memory: [Word; FRAMES as usize],
    claims: Claims,
    /// What was copied, and how often.
    file: [(Word, Word); FRAMES as usize],
}

impl World {
    fn new() -> Arc<Self> {
        let footprint = Arc::new(Footprint::default());
        let processors = vec![(Box::new(NoBell) as Box<dyn Kick>, Arc::clone(&footprint))];
        let shootdown = Arc::new(Shootdown::with_footprints(processors));
        let notifier = Notifier::new(std::iter::once(0..FRAMES * FRAME).collect());
        let listener = Arc::new(Flush(Arc::clone(&shootdown)));
        let registration = notifier.register(listener, &Endless).expect("there is memory");
        // It lasts as long as the notifier.
        std::mem::forget(registration);
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            shootdown,
            footprint,
            frames: Arc::new(Frames::new(FRAMES * FRAME, notifier)),
            memory: Default::default(),
            claims: Claims::new(FRAMES),
            file: Default::default(),
        })
    }

    /// C2 to C4.
    fn save(&self, own: std::ops::Range<u64>, giver: Giver<'_>) {
        for frame in own.start / FRAME..own.end / FRAME {
            let (content, copies) = &self.file[frame as usize];
            content.set(self.memory[frame as usize].get());
            copies.add();
        }
        self.claims.release(giver, own);
    }

    /// The processor stores `value` to `frame`, as soon as it may.
    fn store(&self, frame: u64, value: u64) {
        let real = frame * FRAME;
        let seat = self.shootdown.seat(0);
        loop {
            seat.enter(|_| self.footprint.clear_real());
            self.footprint.note_real();
            let granted = self.frames.admit(real, Access::Store) != Admission::Refused;
            if granted {
                self.memory[frame as usize].set(value);
            }
            seat.leave();
            if granted {
                return;
            }
            self.wait_for(real);
        }
    }

    /// Waits outside the seat until a store may be tried again.
    fn wait_for(&self, real: u64) {
        let fault = Fault {
            real,
            access: Access::Store,
            by: Accessor::Processor { server: 0, pc: 0 },
        };
        self.frames.wait_for(&fault, &Endless).expect("nobody gives up");
    }

    /// The file, when the dump is done; frame by frame from the first.
    fn dump(&self) -> [u64; FRAMES as usize] {
        let handler = self.this.upgrade().expect("it is used");
        let handler = Arc::new(Handler(handler));
        let protection = self.frames.protect(Some(handler)).expect("there is memory");
        let all = 0..FRAMES * FRAME;
        protection.take(all, Right::Load, &Endless).expect("nobody gives up");
        for frame in 0..FRAMES {
            let range = frame * FRAME..(frame + 1) * FRAME;
            self.claims.claim(&range, |own| self.save(own, protection.giver()));
        }
        self.claims.wait();
        for frame in 0..FRAMES {
            assert_eq!(self.frames.right(frame * FRAME), Right::Store, "it is done");
        }
        drop(protection);
        self.file.each_ref().map(|(content, copies)| {
            assert_eq!(copies.get(), 1, "each frame is copied once");
            content.get()
        })
    }
}

/// Of those who may not store: copies their frame.
struct Handler(Arc<World>);

impl FaultHandler for Handler {
    fn fault(&self, fault: &Fault, giver: Giver<'_>, _: &dyn Patience) -> Result<(), Abandoned> {
        let frame = fault.real - fault.real % FRAME;
        let range = frame..frame + FRAME;
        self.0.claims.claim(&range, |own| self.0.save(own, giver));
        Ok(())
    }
}

/// The processor stores to the last frame, whose turn comes late, and then to the first; or the other way round.
#[test]
fn the_file_has_memory_as_it_is_at_one_moment() {
    for order in [[1, 0], [0, 1]] {
        explore(1, 500, move || {
            let world = World::new();
            let processor = thread::spawn({
                let world = Arc::clone(&world);
                move || order.into_iter().for_each(|frame| world.store(frame, 1))
            });
            let dumper = thread::spawn({
                let world = Arc::clone(&world);
                move || world.dump()
            });
            processor.join().expect("no panic");
            let file = dumper.join().expect("no panic");
            let [first, second] = order.map(|frame| file[frame as usize]);
            assert!(first >= second, "the second store without the first: {file:?}");
            assert_eq!(world.memory.each_ref().map(Word::get), [1, 1]);
        });
    }
}

/// Two threads go for one frame: a handler, and the one that goes through memory.
#[test]
fn when_the_dump_is_done_nobody_copies_any_more() {
    explore(2, 100, || {
        let world = World::new();
        let late = thread::spawn({
            let world = Arc::clone(&world);
            move || world.store(1, 1)
        });
        let dumper = thread::spawn({
            let world = Arc::clone(&world);
            move || world.dump()
        });
        let file = dumper.join().expect("no panic");
        late.join().expect("no panic");
        assert!(file[0] == 0 && world.memory[1].get() == 1, "{file:?}");
    });
}

/// A processor still waits for the dump before this one, which has just given the right back: it must not have a frame copied that
/// nobody may be kept from yet. Nobody would give the right back again.
#[test]
fn who_waited_for_an_earlier_dump_takes_no_frame_of_this_one() {
    explore(3, 100, || {
        let world = World::new();
        let earlier = world.frames.protect(None).expect("there is memory");
        let second = FRAME..2 * FRAME;
        earlier.take(second, Right::Load, &Endless).expect("nobody gives up");
        let waiter = thread::spawn({
            let world = Arc::clone(&world);
            move || world.wait_for(FRAME)
        });
        let dumper = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                drop(earlier);
                world.dump();
            }
        });
        waiter.join().expect("no panic");
        dumper.join().expect("no panic");
    });
}
