//! Models of the hints: what the guest has declared active is not made zero any more. That a range is in flight meanwhile, which keeps
//! emulated processors from it, is left out: a kernel's are not kept.

use std::sync::Arc;

use hpt::Endless;
use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
use loom::thread;

use super::FRAME;
use super::hints::{Hints, Usage};
use crate::explore::explore;
use crate::word::Word;

/// Two frames, both declared unused, and what is in them.
struct World {
    hints: Hints,
    frames: [AtomicU64; 2],
    /// Who is at which, where nothing makes a frame zero twice or takes it out of use again: all is in order then.
    alone: Option<[Word; 2]>,
}

/// What a guest stores.
const CONTENT: u64 = 7;

fn range(frame: u64) -> std::ops::Range<u64> {
    frame * FRAME..(frame + 1) * FRAME
}

impl World {
    fn new(alone: bool) -> Arc<Self> {
        let world = Self {
            hints: Hints::new(2 * FRAME),
            frames: Default::default(),
            alone: alone.then(Default::default),
        };
        world.hints.note(Usage::Unused, &(0..2 * FRAME), &Endless);
        Arc::new(world)
    }

    fn spawn<T: 'static>(self: &Arc<Self>, body: impl FnOnce(&Self) -> T + 'static) -> thread::JoinHandle<T> {
        let world = Arc::clone(self);
        thread::spawn(move || body(&world))
    }

    /// What `Upkeep` does with a range of hinted memory. How many frames it made zero.
    fn discard(&self, frames: std::ops::Range<u64>) -> u64 {
        let range = frames.start * FRAME..frames.end * FRAME;
        let _in_hand = self.hints.take_in_hand(&range);
        let unused = self
            .hints
            .unused(&range)
            .flat_map(|run| run.start / FRAME..run.end / FRAME);
        unused.inspect(|&frame| self.put(frame, 0)).count() as u64
    }

    /// The guest takes a frame into use, and stores there.
    fn activate(&self, frame: u64) {
        self.hints.note(Usage::Active, &range(frame), &Endless);
        self.put(frame, CONTENT);
    }

    fn put(&self, frame: u64, content: u64) {
        self.frames[frame as usize].store(content, Relaxed);
        if let Some(alone) = &self.alone {
            alone[frame as usize].set(content);
        }
    }

    fn content(&self) -> [u64; 2] {
        self.frames.each_ref().map(|frame| frame.load(Relaxed))
    }
}

#[test]
fn what_was_declared_active_is_never_made_zero() {
    explore(4, 50, || {
        let world = World::new(true);
        let discard = world.spawn(|world| world.discard(0..2));
        let guest = world.spawn(|world| world.activate(1));
        let gone = discard.join().expect("no panic");
        guest.join().expect("no panic");
        assert!(gone == 1 || gone == 2, "the other frame goes in any case");
        assert_eq!(world.content()[1], CONTENT);
        assert_eq!(world.discard(0..2), 1);
        assert_eq!(world.content()[1], CONTENT);
    });
}

/// Several discards, one after the other and at once.
#[test]
fn nor_by_any_of_several_discards() {
    explore(3, 5000, || {
        let world = World::new(false);
        let one = world.spawn(|world| {
            world.discard(0..1);
            world.discard(0..2);
        });
        // A range that the frame is not in is not waited for.
        let other = world.spawn(|world| world.discard(1..2));
        let guest = world.spawn(|world| world.activate(0));
        one.join().expect("no panic");
        other.join().expect("no panic");
        guest.join().expect("no panic");
        assert_eq!(world.content()[0], CONTENT);
    });
}

/// The guest needs a frame, then not, then again, by two processors that it keeps in order; the frame next to it shares a word.
#[test]
fn nor_if_it_was_unused_once_more_in_between() {
    explore(3, 1000, || {
        let world = World::new(false);
        let discard = world.spawn(|world| world.discard(0..1));
        let guest = world.spawn(|world| {
            world.activate(0);
            world.hints.note(Usage::Unused, &range(0), &Endless);
            world.activate(0);
        });
        let neighbour = world.spawn(|world| world.activate(1));
        discard.join().expect("no panic");
        guest.join().expect("no panic");
        neighbour.join().expect("no panic");
        assert_eq!(world.content(), [CONTENT; 2]);
        assert_eq!(world.discard(0..2), 0, "nothing is unused");
    });
}
