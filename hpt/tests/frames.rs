//! What may be done to frames, and which were stored to, compared step by step with a model that keeps a right and two marks for each; and
//! how those wait who lack a right.
#![cfg(not(loom))]

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use hpt::{
    Abandoned, Access, Admission, Announced, Batch, BeginError, Current, Endless, FaultHandler, Frames, Grace,
    HarvestError, Hpt, Invalidation, Listener, Notifier, Order, Patience, RealKind, RealMap, Right, Shadow, Table,
    Waited, Why,
};
use proptest::prelude::*;

const FRAME: u64 = 0x1000;

/// The frames that a processor in real mode remembers that it may store to.
#[derive(Clone, Default)]
struct Cache(Arc<Mutex<BTreeSet<u64>>>);

impl Cache {
    fn held(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.0.lock().expect("nothing panics with it locked")
    }

    fn drop_frames(&self, range: &Range<u64>) {
        let mut held = self.held();
        held.retain(|frame| (frame + 1) * FRAME <= range.start || frame * FRAME >= range.end);
    }
}

impl Shadow for Cache {
    fn invalidate(&self, batch: &Batch) -> Grace {
        for item in batch.items() {
            match *item {
                Invalidation::Real { real, bytes } => self.drop_frames(&(real..real + bytes)),
                Invalidation::All => self.held().clear(),
                Invalidation::Page { .. } => unreachable!("nothing is mapped"),
            }
        }
        Grace::default()
    }

    fn quiesce(&self) -> Grace {
        Grace::default()
    }

    fn flush(&self, batch: &Batch) -> Grace {
        self.invalidate(batch)
    }

    fn exclusively(&self, work: &mut dyn FnMut()) {
        work();
    }
}

struct Space;

impl RealMap for Space {
    fn kind(&self, _: u64, _: u64) -> Option<RealKind> {
        Some(RealKind::Ram)
    }
    fn zero(&self, _: u64, _: u64) {}
    fn synchronize_instructions(&self, _: u64, _: u64) {}
}

struct Forgetting(Arc<Hpt>);

impl Listener for Forgetting {
    fn start(&self, announced: &Announced, patience: &dyn Patience) -> Result<(), Abandoned> {
        self.0.unmapper().unmap([announced.range.clone()], patience)?;
        Ok(())
    }

    fn end(&self, _: &Announced) {}
}

struct Machine {
    hpt: Arc<Hpt>,
    frames: Arc<Frames>,
    notifier: Arc<Notifier>,
    cache: Cache,
}

impl Machine {
    fn new(frames: u64) -> Self {
        let ram = frames * FRAME;
        let cache = Cache::default();
        let table = Table::new(Order::MIN).and_then(|table| table.with_reverse_map(ram));
        let hpt = Hpt::new(
            Current::new(table.expect("a small table can be made")),
            Box::new(Space),
            Box::new(cache.clone()),
        );
        let hpt = Arc::new(hpt);
        let notifier = Notifier::new(std::iter::once(0..ram).collect());
        let listener = Arc::new(Forgetting(Arc::clone(&hpt)));
        // As long as the notifier.
        std::mem::forget(notifier.register(listener, &Endless).expect("there is memory"));
        Self {
            frames: Arc::new(Frames::new(ram, Arc::clone(&notifier))),
            hpt,
            notifier,
            cache,
        }
    }

    fn harvest(&self, patience: &dyn Patience) -> Result<BTreeSet<u64>, HarvestError> {
        let log = self.frames.harvest(&mut self.hpt.unmapper(), patience)?;
        let mut frames = BTreeSet::new();
        let mut end = None;
        for range in log.ranges() {
            assert!(end.is_none_or(|end| end < range.start), "neighbours are one range");
            end = Some(range.end);
            frames.extend(range.start / FRAME..range.end / FRAME);
        }
        assert_eq!((log.frames(), log.is_empty()), (frames.len() as u64, frames.is_empty()));
        Ok(frames)
    }
}

/// More than two words of each map.
const FRAMES: u64 = 150;

#[derive(Clone, Debug)]
enum Step {
    Narrow(Range<u64>, Right),
    Widen(Range<u64>, Right),
    /// A processor's access.
    Access(u64, Access),
    /// A store of this program.
    Note(Range<u64>),
    Track(bool),
    Harvest,
}

fn rights() -> impl Strategy<Value = Right> {
    prop_oneof![Just(Right::Nothing), Just(Right::Load), Just(Right::Store)]
}

/// Bytes, mostly not whole frames.
fn ranges() -> impl Strategy<Value = Range<u64>> {
    (0..FRAMES * FRAME, 1..90 * FRAME).prop_map(|(start, bytes)| start..(start + bytes).min(FRAMES * FRAME))
}

fn steps() -> impl Strategy<Value = Step> {
    let accesses = prop_oneof![Just(Access::Load), Just(Access::Store), Just(Access::Fetch)];
    prop_oneof![
        2 => (ranges(), rights()).prop_map(|(range, right)| Step::Narrow(range, right)),
        3 => (ranges(), rights()).prop_map(|(range, right)| Step::Widen(range, right)),
        12 => (0..FRAMES, accesses).prop_map(|(frame, access)| Step::Access(frame, access)),
        1 => ranges().prop_map(Step::Note),
        1 => any::<bool>().prop_map(Step::Track),
        2 => Just(Step::Harvest),
    ]
}

/// What is known of each frame.
struct Model {
    rights: Vec<Right>,
    stored: BTreeSet<u64>,
    tracked: bool,
}

fn frames_of(range: &Range<u64>) -> Range<u64> {
    range.start / FRAME..range.end.div_ceil(FRAME)
}

impl Model {
    fn change(&mut self, range: &Range<u64>, change: impl Fn(Right) -> Right) {
        for frame in frames_of(range) {
            self.rights[frame as usize] = change(self.rights[frame as usize]);
        }
    }

    /// A processor's access, as its cache has it.
    fn access(&mut self, machine: &Machine, frame: u64, access: Access) {
        let right = self.rights[frame as usize];
        let allowed = match access {
            Access::Load | Access::Fetch => right != Right::Nothing,
            Access::Store => right == Right::Store,
        };
        let mut held = machine.cache.held();
        if access != Access::Store || !held.contains(&frame) {
            let admission = machine.frames.admit(frame * FRAME + 0x123, access);
            assert_eq!(admission != Admission::Refused, allowed, "frame {frame}, {access:?}");
            if admission == (Admission::Granted { store: true }) {
                held.insert(frame);
            }
        }
        if allowed && access == Access::Store && self.tracked {
            self.stored.insert(frame);
        }
    }

    /// Nobody remembers more than he may.
    fn check(&self, machine: &Machine) {
        for &frame in &*machine.cache.held() {
            assert_eq!(self.rights[frame as usize], Right::Store, "frame {frame}");
            assert!(
                !self.tracked || self.stored.contains(&frame),
                "frame {frame} is in no log"
            );
        }
        for (frame, &right) in self.rights.iter().enumerate() {
            assert_eq!(machine.frames.right(frame as u64 * FRAME), right);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_are_what_the_model_says(steps in prop::collection::vec(steps(), 1..120)) {
        let machine = Machine::new(FRAMES);
        let mut model = Model {
            rights: vec![Right::Store; FRAMES as usize],
            stored: BTreeSet::new(),
            tracked: false,
        };
        for step in steps {
            match step {
                Step::Narrow(range, right) => {
                    model.change(&range, |old| old.min(right));
                    machine.frames.narrow(range, right, &Endless).expect("nobody gives up");
                }
                Step::Widen(range, right) => {
                    model.change(&range, |old| old.max(right));
                    machine.frames.widen(range, right);
                }
                Step::Access(frame, access) => model.access(&machine, frame, access),
                Step::Note(range) => {
                    machine.frames.note_stored(range.start, range.end - range.start);
                    if model.tracked {
                        model.stored.extend(frames_of(&range));
                    }
                }
                Step::Track(on) => {
                    machine.frames.track(on);
                    model.tracked = on;
                    if on {
                        model.stored = (0..FRAMES).collect();
                    }
                }
                Step::Harvest => {
                    let expected = if model.tracked { std::mem::take(&mut model.stored) } else { BTreeSet::new() };
                    prop_assert_eq!(machine.harvest(&Endless), Ok(expected));
                }
            }
            model.check(&machine);
        }
        machine.frames.widen(0..FRAMES * FRAME, Right::Store);
        machine.frames.track(false);
        // All is as it was: the short way.
        prop_assert_eq!(machine.frames.admit(0, Access::Load), Admission::Granted { store: true });
    }
}

/// Enough that an unmapping of all of it takes more than one step.
const MANY: u64 = 1 << 20;

#[test]
fn a_harvest_that_is_given_up_loses_nothing() {
    let machine = Machine::new(MANY);
    machine.frames.track(true);
    let over = AtomicBool::new(true);
    assert_eq!(machine.harvest(&over).unwrap_err(), HarvestError::Abandoned);
    assert_eq!(machine.harvest(&Endless).unwrap().len() as u64, MANY);
    assert!(machine.harvest(&Endless).unwrap().is_empty());
}

#[test]
fn a_right_that_is_not_taken_is_kept() {
    let machine = Machine::new(MANY);
    let over = AtomicBool::new(true);
    let all = 0..MANY * FRAME;
    let narrowed = machine.frames.narrow(all.clone(), Right::Nothing, &over);
    assert_eq!(narrowed, Err(BeginError::Abandoned));
    let outside = machine.frames.narrow(0..all.end + 1, Right::Nothing, &Endless);
    assert_eq!(outside, Err(BeginError::Outside));
    assert_eq!(
        machine.frames.admit(0, Access::Store),
        Admission::Granted { store: true }
    );
}

#[test]
fn whoever_waits_gives_up_when_the_patience_is_over() {
    let machine = Machine::new(2);
    let over = AtomicBool::new(false);
    machine.frames.narrow(0..FRAME, Right::Load, &Endless).unwrap();
    let wait = |real, access| machine.frames.wait_for(real, access, &over);
    assert_eq!(wait(0, Access::Load), Ok(Waited::NotAtAll));
    thread::scope(|scope| {
        let store = scope.spawn(|| wait(0, Access::Store));
        let range = machine
            .notifier
            .begin(FRAME..2 * FRAME, Why::Discard, &Endless)
            .unwrap();
        let load = scope.spawn(|| wait(FRAME, Access::Load));
        over.store(true, Ordering::Relaxed);
        assert_eq!(store.join().unwrap(), Err(Abandoned));
        assert_eq!(load.join().unwrap(), Err(Abandoned));
        drop(range);
    });
}

/// Gives the right, from the second time on.
struct Second {
    frames: Arc<Frames>,
    told: AtomicU32,
}

impl FaultHandler for Second {
    fn fault(&self, real: u64, access: Access, _: &dyn Patience) -> Result<(), Abandoned> {
        assert_eq!((real, access), (0x123, Access::Store));
        if self.told.fetch_add(1, Ordering::Relaxed) == 1 {
            self.frames.widen(real..real + 1, Right::Store);
        }
        Ok(())
    }
}

#[test]
fn the_handler_is_told_again_when_rights_are_narrowed_again() {
    let machine = Machine::new(2);
    let frames = &machine.frames;
    frames.narrow(0..FRAME, Right::Load, &Endless).unwrap();
    let handler = Arc::new(Second {
        frames: Arc::clone(frames),
        told: AtomicU32::new(0),
    });
    thread::scope(|scope| {
        let waiter = scope.spawn(|| frames.wait_for(0x123, Access::Store, &Endless));
        frames.set_handler(Some(Arc::clone(&handler) as Arc<dyn FaultHandler>));
        while handler.told.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        frames.narrow(0..FRAME, Right::Nothing, &Endless).unwrap();
        assert_eq!(waiter.join().unwrap(), Ok(Waited::ForRight));
    });
    assert_eq!(handler.told.load(Ordering::Relaxed), 2);
}

#[test]
fn the_range_comes_before_the_right() {
    let machine = Machine::new(1);
    machine.frames.narrow(0..FRAME, Right::Load, &Endless).unwrap();
    let range = machine.notifier.begin(0..FRAME, Why::Discard, &Endless).unwrap();
    assert_eq!(machine.frames.admit(0, Access::Load), Admission::Refused);
    thread::scope(|scope| {
        let load = scope.spawn(|| machine.frames.wait_for(0, Access::Load, &Endless));
        drop(range);
        assert!(matches!(load.join().unwrap(), Ok(Waited::NotAtAll | Waited::ForRange)));
    });
    assert_eq!(
        machine.frames.admit(0, Access::Load),
        Admission::Granted { store: false }
    );
    assert_eq!(machine.frames.find_withheld(&(0x10..0x20), Access::Store), Some(0x10));
    assert_eq!(machine.frames.find_withheld(&(0x10..0x20), Access::Load), None);
}
