//! Points: places between two steps of a protocol where the turn of a processor may end, if the processors take turns. What others do
//! then, they do in the midst of its hypercall or its walk, as they may at any time where each runs on a processor of the host's.
//!
//! Who carries processors that take turns says what a point is ([`take_turns`]), thread by thread. Without that, which is the rule, a point is one load and a
//! branch that is not taken; a walk has one for all of its points.
//!
//! Of processors that take turns one runs, and the others stand, perhaps at a point with an entry locked, or inside their seats. So
//! - who waits for another processor hands its turn on ([`hand_on`]), and looks again when it has another: it must not sleep, nor spin;
//! - no mutex is held at a point, nor a head of the reverse map, but for those that are only taken by [`lock_standing`](crate::sync::lock_standing);
//! - who waits for something else, such as memory that another thread has taken away, lets the others come out of what they are in the midst of first
//!   ([`settle`]): that thread may be waiting for them.
//!
//! Models have no points: loom ends turns between any two steps by itself.

/// The turn of the processor that a thread carries.
pub trait Turn {
    /// It may end here, and does now and then: more often where the point has more `weight`. Returns when the processor has another.
    fn may_end(&self, weight: u64);
    /// It ends here, as the processor waits for another one. Returns when the processor has another turn; `false` if there are none any more.
    fn hand_on(&self) -> bool;
    /// The same, and nobody waits for what the processor holds.
    fn stand_aside(&self) -> bool;
    /// The others have theirs until none of them stands at a point. Returns when that is so and the processor has another turn.
    fn settle(&self);
}

#[cfg(not(loom))]
mod real {
    use std::cell::RefCell;
    use std::sync::Arc;

    use super::Turn;
    use crate::sync::{AtomicBool, Ordering, thread_local};

    /// Whether any thread of this program has taken turns. Relaxed: who has called [`take_turns`] sees it, and it is nothing to the others.
    static TAKEN: Alone = Alone(AtomicBool::new(false));

    /// On a cache line of its own, which nobody stores to while processors work.
    #[repr(align(128))]
    struct Alone(AtomicBool);

    thread_local! {
        static TURN: RefCell<Option<Arc<dyn Turn>>> = const { RefCell::new(None) };
    }

    /// Does `work`, in which the processors that the calling thread carries take turns.
    pub fn take_turns<T>(turn: Arc<dyn Turn>, work: impl FnOnce() -> T) -> T {
        struct Ended;
        impl Drop for Ended {
            fn drop(&mut self) {
                TURN.set(None);
            }
        }
        let _ended = Ended;
        TURN.set(Some(turn));
        TAKEN.0.store(true, Ordering::Relaxed);
        work()
    }

    /// Whether there may be turns that end at points: else they need not be looked at.
    #[inline(always)]
    pub(crate) fn are_taken() -> bool {
        TAKEN.0.load(Ordering::Relaxed)
    }

    /// A point in a hypercall, or on the way into the guest.
    #[inline(always)]
    pub(crate) fn point() {
        if are_taken() {
            with(|turn| {
                turn.may_end(1);
                true
            });
        }
    }

    /// A point in a walk, which has fewer of them, and waits for nobody; for walks while [`are_taken`].
    pub(crate) fn point_of_walk() {
        with(|turn| {
            turn.may_end(16);
            true
        });
    }

    /// Hands the turn of the calling thread's processor on to another one, for which it waits. `false`: it takes no turns, and waits as it would
    /// otherwise.
    pub(crate) fn hand_on() -> bool {
        are_taken() && with(|turn| turn.hand_on())
    }

    /// The same for one for which no other processor and no other thread waits: it is in no seat, and holds no lock of an entry.
    pub fn stand_aside() -> bool {
        are_taken() && with(|turn| turn.stand_aside())
    }

    /// If the calling thread's processor takes turns: returns when no other one stands at a point. To be called before it waits for anything but
    /// another processor, with nothing held that one may want.
    pub fn settle() {
        if are_taken() {
            with(|turn| {
                turn.settle();
                true
            });
        }
    }

    #[cold]
    #[inline(never)]
    fn with(what: fn(&dyn Turn) -> bool) -> bool {
        TURN.with_borrow(|own| own.as_deref().is_some_and(what))
    }
}

#[cfg(loom)]
mod real {
    pub(crate) fn are_taken() -> bool {
        false
    }

    pub(crate) fn point() {}

    pub(crate) fn point_of_walk() {}

    /// No processor of a model takes turns.
    pub(crate) fn hand_on() -> bool {
        false
    }

    /// As above.
    pub fn stand_aside() -> bool {
        false
    }

    /// As above.
    pub fn settle() {}
}

pub(crate) use real::hand_on;
#[cfg(not(loom))]
pub use real::take_turns;
pub(crate) use real::{are_taken, point, point_of_walk};
pub use real::{settle, stand_aside};

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering::{Relaxed, Release};
    use std::thread;

    use power::hpte::HpteV;
    use power::page::PagePair;

    use super::*;
    use crate::testing::{Machine, page, r, v};
    use crate::{Access, WalkFault};

    const SMALL: PagePair = PagePair::ALL[0];

    /// Does `act` at the point whose number `until` is.
    struct At<F> {
        until: AtomicU64,
        act: F,
    }

    impl<F: Fn()> Turn for At<F> {
        fn may_end(&self, _weight: u64) {
            // What it does has points of its own.
            if let Some(left) = self.until.load(Relaxed).checked_sub(1) {
                self.until.store(left, Relaxed);
                if left == 0 {
                    (self.act)();
                }
            }
        }

        fn hand_on(&self) -> bool {
            (self.act)();
            true
        }

        fn stand_aside(&self) -> bool {
            true
        }
        fn settle(&self) {}
    }

    /// Does `work` on a thread whose turns end at its point number `until`, where `act` is done. Returns what it returned, and whether it had so many
    /// points.
    fn interrupted<T: Send>(
        until: u64,
        act: impl Fn() + Send + Sync + 'static,
        work: impl FnOnce() -> T + Send,
    ) -> (T, bool) {
        thread::scope(|scope| {
            let work = scope.spawn(move || {
                let turn = Arc::new(At {
                    until: AtomicU64::new(until),
                    act,
                });
                let done = take_turns(Arc::clone(&turn) as _, work);
                (done, turn.until.load(Relaxed) == 0)
            });
            work.join().unwrap()
        })
    }

    /// At each point of the walk another page takes the place of its own, and is used.
    #[test]
    fn a_walk_that_stands_anywhere_takes_no_other_page_for_its_own() {
        const OWN: u64 = 0x5000;
        const OTHER: u64 = 0x6000;
        for access in [Access::Load, Access::Store] {
            for until in 1.. {
                let machine = Machine::new();
                let (own, other) = (page(1, SMALL), page(1 + (1 << 14), SMALL));
                let table = machine.hpt.table();
                assert_eq!(table.group_start(own.hash()), table.group_start(other.hash()));
                let ptex = machine.map(own, SMALL, OWN);
                let hpt = Arc::clone(&machine.hpt);
                let act = move || {
                    hpt.port().remove(0, ptex, 0).unwrap();
                    hpt.port().enter(0, ptex, v(other, SMALL), r(OTHER, SMALL)).unwrap();
                    hpt.table().walk(other, Access::Store, false).unwrap();
                };
                let (walked, was_there) = interrupted(until, act, || table.walk(own, access, false));
                let found = walked.map(|translation| translation.real);
                let expected = if was_there { Err(WalkFault::NotFound) } else { Ok(OWN) };
                assert_eq!(found, expected, "{access:?}, point {until}");
                if !was_there {
                    assert!(until > 5, "{access:?}: {until}");
                    break;
                }
            }
        }
    }

    /// At each of its points before the entry is closed; after that the walk finds none.
    #[test]
    fn a_removal_that_stands_anywhere_tells_of_every_store() {
        let mut stores = 0;
        for until in 1.. {
            let machine = Machine::new();
            let page = page(1, SMALL);
            let ptex = machine.map(page, SMALL, 0x5000);
            let hpt = Arc::clone(&machine.hpt);
            let stored = Arc::<AtomicU64>::default();
            let notes = Arc::clone(&stored);
            let act = move || {
                let walked = hpt.table().walk(page, Access::Store, false);
                notes.store(u64::from(walked.is_ok()), Relaxed);
            };
            let (old, was_there) = interrupted(until, act, || machine.port().remove(0, ptex, 0).unwrap());
            let is_stored = stored.load(Relaxed) == 1;
            assert_eq!(
                (old.r.is_referenced(), old.r.is_changed()),
                (is_stored, is_stored),
                "point {until}"
            );
            stores += u64::from(is_stored);
            if !was_there {
                assert!(until > 3 && stores > 0, "{until} {stores}");
                break;
            }
        }
    }

    #[test]
    fn whoever_waits_for_a_lock_hands_on() {
        use crate::table::store;
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        let table = machine.hpt.table();
        let at = table.index(ptex).unwrap();
        let word = v(page(1, SMALL), SMALL);
        store(table.v(at), word | HpteV::LOCK, Relaxed);
        let hpt = Arc::clone(&machine.hpt);
        let act = move || store(hpt.table().v(at), word, Release);
        let ((), _) = interrupted(u64::MAX, act, || {
            machine.port().remove(0, ptex, 0).unwrap();
        });
    }

    #[test]
    fn threads_that_take_no_turns_wait_as_ever() {
        assert!(!hand_on() && !stand_aside());
        settle();
        interrupted(1, || (), || assert!(hand_on()));
        assert!(!hand_on());
    }
}
