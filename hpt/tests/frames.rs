//! What may be done to frames, and which were stored to, compared step by step with a model that keeps a right and two marks for each; and
//! how those wait who lack a right.
#![cfg(not(loom))]

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use hpt::{
    Abandoned, Access, Accessor, Admission, Announced, Batch, BeginError, Current, Endless, Fault, FaultHandler,
    Frames, Giver, Grace, HarvestError, Hpt, Invalidation, Listener, Notifier, Order, Patience, Protection, RealKind,
    RealMap, Right, Shadow, Table, Waited, Why,
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

/// Protections at one time.
const WHO: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// By one of some protections.
    Take(usize, Range<u64>, Right),
    Give(usize, Range<u64>, Right),
    /// It goes, and another one comes.
    Drop(usize),
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
        3 => (0..WHO, ranges(), rights()).prop_map(|(who, range, right)| Step::Take(who, range, right)),
        3 => (0..WHO, ranges(), rights()).prop_map(|(who, range, right)| Step::Give(who, range, right)),
        1 => (0..WHO).prop_map(Step::Drop),
        12 => (0..FRAMES, accesses).prop_map(|(frame, access)| Step::Access(frame, access)),
        1 => ranges().prop_map(Step::Note),
        1 => any::<bool>().prop_map(Step::Track),
        2 => Just(Step::Harvest),
    ]
}

/// What is known of each frame.
struct Model {
    /// What each protection leaves.
    rights: [Vec<Right>; WHO],
    stored: BTreeSet<u64>,
    tracked: bool,
}

fn frames_of(range: &Range<u64>) -> Range<u64> {
    range.start / FRAME..range.end.div_ceil(FRAME)
}

impl Model {
    /// For how many frames it changes anything.
    fn change(&mut self, who: usize, range: &Range<u64>, change: impl Fn(Right) -> Right) -> u64 {
        let mut changed = 0;
        for frame in frames_of(range) {
            let old = &mut self.rights[who][frame as usize];
            let new = change(*old);
            changed += u64::from(*old != new);
            *old = new;
        }
        changed
    }

    fn right(&self, frame: u64) -> Right {
        let rights = self.rights.iter().map(|rights| rights[frame as usize]);
        rights.min().expect("there are some")
    }

    /// A processor's access, as its cache has it.
    fn access(&mut self, machine: &Machine, frame: u64, access: Access) {
        let right = self.right(frame);
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
            assert_eq!(self.right(frame), Right::Store, "frame {frame}");
            assert!(
                !self.tracked || self.stored.contains(&frame),
                "frame {frame} is in no log"
            );
        }
        for frame in 0..FRAMES {
            assert_eq!(machine.frames.right(frame * FRAME), self.right(frame));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_are_what_the_model_says(steps in prop::collection::vec(steps(), 1..120)) {
        let machine = Machine::new(FRAMES);
        let protect = || machine.frames.protect(None).expect("there is memory");
        let mut protections: [Protection; WHO] = [(); WHO].map(|()| protect());
        let mut model = Model {
            rights: [(); WHO].map(|()| vec![Right::Store; FRAMES as usize]),
            stored: BTreeSet::new(),
            tracked: false,
        };
        for step in steps {
            match step {
                Step::Take(who, range, right) => {
                    model.change(who, &range, |old| old.min(right));
                    protections[who].take(range, right, &Endless).expect("nobody gives up");
                }
                Step::Give(who, range, right) => {
                    let given = model.change(who, &range, |old| old.max(right));
                    prop_assert_eq!(protections[who].give(range, right), given);
                }
                Step::Drop(who) => {
                    model.change(who, &(0..FRAMES * FRAME), |_| Right::Store);
                    protections[who] = protect();
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
        drop(protections);
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
    let protection = machine.frames.protect(None).unwrap();
    let taken = protection.take(all.clone(), Right::Nothing, &over);
    assert_eq!(taken, Err(BeginError::Abandoned));
    let outside = protection.take(0..all.end + 1, Right::Nothing, &Endless);
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
    let protection = machine.frames.protect(None).unwrap();
    protection.take(0..FRAME, Right::Load, &Endless).unwrap();
    let wait = |real, access| machine.frames.wait_for(&fault(real, access), &over);
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

fn fault(real: u64, access: Access) -> Fault {
    let by = Accessor::Program;
    Fault { real, access, by }
}

/// Gives what its protection has taken when it is told for the so-manieth time, and notes that it was told.
struct Patient {
    name: u32,
    gives_at: usize,
    told: Arc<Mutex<Vec<u32>>>,
}

impl FaultHandler for Patient {
    fn fault(&self, told: &Fault, giver: Giver<'_>, _: &dyn Patience) -> Result<(), Abandoned> {
        assert_eq!(*told, fault(0x123, Access::Store));
        let mut all = self.told.lock().expect("nothing panics with it locked");
        all.push(self.name);
        if all.iter().filter(|&&name| name == self.name).count() == self.gives_at {
            assert_eq!(giver.give(0x123..0x124, Right::Store), 1);
            assert_eq!(giver.give(0x123..0x124, Right::Store), 0);
        }
        Ok(())
    }
}

#[test]
fn a_handler_is_told_again_when_rights_are_taken_again() {
    let machine = Machine::new(2);
    let told = Arc::<Mutex<Vec<u32>>>::default();
    let handler = Arc::new(Patient {
        name: 0,
        gives_at: 2,
        told: Arc::clone(&told),
    });
    let protection = machine.frames.protect(Some(handler)).unwrap();
    protection.take(0..FRAME, Right::Load, &Endless).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| machine.frames.wait_for(&fault(0x123, Access::Store), &Endless));
        while told.lock().unwrap().is_empty() {
            thread::yield_now();
        }
        protection.take(0..FRAME, Right::Nothing, &Endless).unwrap();
        assert!(waiter.join().unwrap().is_ok());
    });
    assert_eq!(*told.lock().unwrap(), [0, 0]);
}

/// Each gives what it has taken itself, and the access is made when all have.
#[test]
fn of_several_protections_each_is_told_the_oldest_first() {
    let machine = Machine::new(2);
    let told = Arc::<Mutex<Vec<u32>>>::default();
    let mut protections = Vec::new();
    for (name, right) in (0..).zip([Right::Load, Right::Nothing, Right::Load]) {
        let handler = Arc::new(Patient {
            name,
            gives_at: 1,
            told: Arc::clone(&told),
        });
        let protection = machine.frames.protect(Some(handler)).unwrap();
        protection.take(0..FRAME, right, &Endless).unwrap();
        protections.push(protection);
    }
    assert_eq!(machine.frames.right(0), Right::Nothing);
    let waited = machine.frames.wait_for(&fault(0x123, Access::Store), &Endless);
    assert_eq!(waited, Ok(Waited::ForRight));
    assert_eq!(*told.lock().unwrap(), [0, 1, 2]);
    assert_eq!(machine.frames.right(0), Right::Store);
}

#[test]
fn a_protection_that_goes_leaves_what_others_have_taken() {
    let machine = Machine::new(40);
    let [first, second] = [0..39 * FRAME, 35 * FRAME..40 * FRAME].map(|range| {
        let protection = machine.frames.protect(None).unwrap();
        protection.take(range, Right::Load, &Endless).unwrap();
        protection
    });
    drop(first);
    let rights: Vec<Right> = (0..40).map(|frame| machine.frames.right(frame * FRAME)).collect();
    assert!(rights[..35].iter().all(|&right| right == Right::Store));
    assert!(rights[35..].iter().all(|&right| right == Right::Load));
    assert_eq!(second.give(0..40 * FRAME, Right::Store), 5);
    assert_eq!(
        machine.frames.admit(0, Access::Load),
        Admission::Granted { store: true }
    );
}

#[test]
fn the_range_comes_before_the_right() {
    let machine = Machine::new(1);
    let protection = machine.frames.protect(None).unwrap();
    protection.take(0..FRAME, Right::Load, &Endless).unwrap();
    let range = machine.notifier.begin(0..FRAME, Why::Discard, &Endless).unwrap();
    assert_eq!(machine.frames.admit(0, Access::Load), Admission::Refused);
    thread::scope(|scope| {
        let load = scope.spawn(|| machine.frames.wait_for(&fault(0, Access::Load), &Endless));
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

/// More words than are changed while others must wait.
#[test]
fn rights_to_all_of_a_large_memory_are_taken_and_given_back() {
    const BYTES: u64 = 1 << 30;
    let frames = Arc::new(Frames::new(BYTES, Notifier::new(std::iter::once(0..BYTES).collect())));
    let rights = || (0..BYTES / FRAME).map(|frame| frames.right(frame * FRAME));
    let (one, other) = (frames.protect(None).unwrap(), frames.protect(None).unwrap());
    one.take(0..BYTES, Right::Load, &Endless).unwrap();
    other.take(0..BYTES - FRAME, Right::Nothing, &Endless).unwrap();
    let nothing = rights().filter(|&right| right == Right::Nothing).count() as u64;
    assert_eq!((nothing, frames.right(BYTES - FRAME)), (BYTES / FRAME - 1, Right::Load));
    assert_eq!(one.give((64 << 20) - FRAME..(64 << 20) + FRAME, Right::Store), 2);
    assert_eq!(one.give(0..BYTES, Right::Store), BYTES / FRAME - 2);
    drop(other);
    assert!(rights().all(|right| right == Right::Store));
    assert!(format!("{frames:?}").contains("narrowed: 0"), "{frames:?}");
}
