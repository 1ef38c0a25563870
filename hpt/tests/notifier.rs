//! Ranges in flight, step by step: who is told of what, what is left when something fails, and who comes and goes meanwhile.
#![cfg(not(loom))]

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use hpt::{
    Abandoned, Announced, BeginError, Endless, InFlight, Listener, Notifier, Patience, RegisterError, Registration, Why,
};

/// Two regions side by side, and one apart.
const REGIONS: [Range<u64>; 3] = [0..0x10000, 0x10000..0x20000, 0x40000..0x50000];

fn notifier() -> Arc<Notifier> {
    Notifier::new(REGIONS.to_vec())
}

fn begin(notifier: &Arc<Notifier>, range: Range<u64>) -> InFlight {
    notifier
        .begin(range, Why::Discard, &Endless)
        .expect("patience and memory")
}

/// What a listener was told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Start(Range<u64>),
    End(Range<u64>),
}
use Told::{End, Start};

type Then = dyn Fn(&Told) -> Result<(), Abandoned> + Send + Sync;

/// Writes down what it is told, and then does something.
struct Diary {
    told: Mutex<Vec<Told>>,
    then: Box<Then>,
}

impl Diary {
    fn new() -> Arc<Self> {
        Self::that(|_| Ok(()))
    }

    fn that(then: impl Fn(&Told) -> Result<(), Abandoned> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            told: Mutex::default(),
            then: Box::new(then),
        })
    }

    fn note(&self, told: &Told) -> Result<(), Abandoned> {
        let note = told.clone();
        self.told.lock().expect("no panic in here").push(note);
        (self.then)(told)
    }

    fn read(&self) -> Vec<Told> {
        std::mem::take(&mut self.told.lock().expect("no panic in here"))
    }
}

impl Listener for Diary {
    fn start(&self, announced: &Announced, _: &dyn Patience) -> Result<(), Abandoned> {
        self.note(&Start(announced.range.clone()))
    }

    fn end(&self, announced: &Announced) {
        self.note(&End(announced.range.clone())).expect("asked for nothing");
    }
}

fn register(notifier: &Arc<Notifier>, listener: &Arc<Diary>) -> Registration {
    let listener = Arc::<Diary>::clone(listener);
    notifier.register(listener, &Endless).expect("patience and memory")
}

/// Over when it has been asked so often.
struct Asked(AtomicU32);

impl Asked {
    fn times(times: u32) -> Self {
        Self(AtomicU32::new(times))
    }
}

impl Patience for Asked {
    fn is_over(&self) -> bool {
        self.0.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_err()
    }
}

#[test]
fn only_ram_is_announced() {
    let notifier = notifier();
    let outside = [
        0x8000..0x8000,
        0x30000..0x31000,
        0x1f000..0x21000,
        0x3f000..0x41000,
        0..0x50000,
    ];
    for range in outside {
        let error = notifier.begin(range.clone(), Why::Protect, &Endless).unwrap_err();
        assert_eq!(error, BeginError::Outside, "{range:?}");
    }
    for range in [0..0x1000, 0xf000..0x11000, 0..0x20000, 0x4f000..0x50000] {
        assert_eq!(begin(&notifier, range.clone()).announced().range, range);
    }
}

#[test]
#[should_panic(expected = "regions overlap")]
fn regions_that_overlap_are_a_mistake() {
    drop(Notifier::new(vec![0..0x2000, 0x1000..0x3000]));
}

#[test]
fn exactly_the_bytes_of_a_range_are_in_flight() {
    let notifier = notifier();
    let flight = begin(&notifier, 0xf000..0x12000);
    for (real, expected) in [
        (0xefff, false),
        (0xf000, true),
        (0x10000, true),
        (0x11fff, true),
        (0x12000, false),
        (0x30000, false),
        (0x40000, false),
        (u64::MAX, false),
    ] {
        assert_eq!(notifier.is_in_flight(real), expected, "{real:#x}");
    }
    drop(flight);
    assert!(!notifier.is_in_flight(0xf000));
}

#[test]
fn ranges_nest_and_overlap_and_end_in_any_order() {
    let notifier = notifier();
    let diary = Diary::new();
    let _registration = register(&notifier, &diary);
    let outer = begin(&notifier, 0..0x3000);
    let inner = begin(&notifier, 0x1000..0x2000);
    let same = begin(&notifier, 0..0x3000);
    drop(outer);
    assert!(notifier.is_in_flight(0x1000) && notifier.is_in_flight(0));
    drop(same);
    assert!(notifier.is_in_flight(0x1000) && !notifier.is_in_flight(0));
    drop(inner);
    assert!(!notifier.is_in_flight(0x1000));
    let expected = [
        Start(0..0x3000),
        Start(0x1000..0x2000),
        Start(0..0x3000),
        End(0..0x3000),
        End(0..0x3000),
        End(0x1000..0x2000),
    ];
    assert_eq!(diary.read(), expected);
}

#[test]
fn a_listener_that_comes_during_a_range_hears_nothing_of_it() {
    let notifier = notifier();
    let before = notifier.sequence();
    let flight = begin(&notifier, 0..0x1000);
    let diary = Diary::new();
    let _registration = register(&notifier, &diary);
    assert!(notifier.is_in_flight(0) && notifier.is_stale(notifier.sequence(), &(0..1)));
    drop(flight);
    assert_eq!(diary.read(), []);
    assert!(notifier.is_stale(before, &(0..1)) && !notifier.is_stale(notifier.sequence(), &(0..1)));
    drop(begin(&notifier, 0..0x1000));
    assert_eq!(diary.read(), [Start(0..0x1000), End(0..0x1000)]);
}

#[test]
fn a_listener_that_goes_during_a_range_does_not_hear_its_end() {
    let notifier = notifier();
    let diaries = [Diary::new(), Diary::new()];
    let [gone, stays] = diaries.each_ref().map(|diary| register(&notifier, diary));
    let flight = begin(&notifier, 0..0x1000);
    // The thread has a range in flight: nobody waits for that.
    gone.unregister();
    drop(flight);
    assert_eq!(diaries[0].read(), [Start(0..0x1000)]);
    assert_eq!(diaries[1].read(), [Start(0..0x1000), End(0..0x1000)]);
    assert_eq!(Arc::strong_count(&diaries[0]), 1);
    drop(stays);
}

#[test]
fn what_ended_since_is_stale_and_what_ended_before_is_not() {
    let notifier = notifier();
    drop(begin(&notifier, 0..0x1000));
    let since = notifier.sequence();
    assert!(!notifier.is_stale(since, &(0..0x1000)));
    drop(begin(&notifier, 0xf000..0x11000));
    assert!(notifier.is_stale(since, &(0xf000..0xf001)) && notifier.is_stale(since, &(0x10000..0x10001)));
    assert!(!notifier.is_stale(since, &(0x40000..0x50000)), "another region");
    assert!(!notifier.is_stale(since, &(0..0)), "no byte");
}

#[test]
fn listeners_hear_of_the_end_while_the_range_is_in_flight() {
    let notifier = notifier();
    let weak = Arc::downgrade(&notifier);
    let diary = Diary::that(move |_| {
        assert!(weak.upgrade().unwrap().is_in_flight(0));
        Ok(())
    });
    let _registration = register(&notifier, &diary);
    drop(begin(&notifier, 0..0x1000));
    assert_eq!(diary.read().len(), 2);
}

#[test]
fn a_range_that_a_listener_abandons_is_taken_back_from_those_that_were_told() {
    let notifier = notifier();
    let diaries = [Diary::new(), Diary::that(|_| Err(Abandoned)), Diary::new()];
    let _registrations = diaries.each_ref().map(|diary| register(&notifier, diary));
    let error = notifier.begin(0..0x1000, Why::Remap, &Endless).unwrap_err();
    assert_eq!(error, BeginError::Abandoned);
    assert!(!notifier.is_in_flight(0));
    assert_eq!(diaries[0].read(), [Start(0..0x1000), End(0..0x1000)]);
    assert_eq!(diaries[1].read(), [Start(0..0x1000)]);
    assert_eq!(diaries[2].read(), []);
}

#[test]
fn a_range_ends_when_its_holder_or_a_listener_panics() {
    let notifier = notifier();
    let panics = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&panics);
    let diaries = [
        Diary::new(),
        Diary::that(move |_| {
            assert!(!asked.load(SeqCst), "the listener's own mistake");
            Ok(())
        }),
        Diary::new(),
    ];
    let _registrations = diaries.each_ref().map(|diary| register(&notifier, diary));
    let range = 0..0x1000;
    let whole = [Start(range.clone()), End(range.clone())];

    let holder = catch_unwind(AssertUnwindSafe(|| {
        let _flight = begin(&notifier, 0..0x1000);
        panic!("the holder's own mistake");
    }));
    assert!(holder.is_err() && !notifier.is_in_flight(0));
    assert!(diaries.iter().all(|diary| diary.read() == whole));

    let flight = begin(&notifier, 0..0x1000);
    panics.store(true, SeqCst);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(flight))).is_err());
    assert!(!notifier.is_in_flight(0));
    assert!(diaries.iter().all(|diary| diary.read() == whole), "at the end");

    let started = catch_unwind(AssertUnwindSafe(|| begin(&notifier, 0..0x1000)));
    assert!(started.is_err() && !notifier.is_in_flight(0));
    assert_eq!(
        diaries.each_ref().map(|diary| diary.read().len()),
        [2, 1, 0],
        "at the start"
    );
    drop(notifier.lease(&range));
}

#[test]
fn who_has_no_patience_begins_nothing() {
    let notifier = notifier();
    let diary = Diary::new();
    let _registration = register(&notifier, &diary);
    let over = AtomicBool::new(true);
    let error = notifier.begin(0..0x1000, Why::Discard, &over).unwrap_err();
    assert_eq!(error, BeginError::Abandoned);
    assert_eq!(diary.read(), []);
}

#[test]
fn a_range_may_be_abandoned_while_it_waits_for_a_lease() {
    let notifier = notifier();
    let diary = Diary::new();
    let _registration = register(&notifier, &diary);
    let lease = notifier.lease(&(0xf000..0x11000));
    for times in 1..4 {
        let error = notifier
            .begin(0x8000..0x18000, Why::Discard, &Asked::times(times))
            .unwrap_err();
        assert_eq!(error, BeginError::Abandoned);
        assert!(!notifier.is_in_flight(0x8000) && !notifier.is_in_flight(0x10000));
    }
    drop(begin(&notifier, 0..0xf000));
    drop(lease);
    assert_eq!(diary.read(), [Start(0..0xf000), End(0..0xf000)]);
    drop(begin(&notifier, 0x8000..0x18000));
}

#[test]
fn waiting_for_a_range_may_be_abandoned() {
    let notifier = notifier();
    let flight = begin(&notifier, 0..0x1000);
    assert_eq!(notifier.wait(&(0..0x2000), &Asked::times(2)), Err(Abandoned));
    assert_eq!(notifier.wait(&(0x1000..0x2000), &Asked::times(0)), Ok(()));
    drop(flight);
    assert_eq!(notifier.wait(&(0..0x2000), &Asked::times(0)), Ok(()));
}

#[test]
fn a_registration_that_is_interrupted_leaves_nothing() {
    let notifier = notifier();
    for times in 0..REGIONS.len() as u32 {
        let diary = Diary::new();
        let result = notifier.register(Arc::<Diary>::clone(&diary), &Asked::times(times));
        assert_eq!(result.unwrap_err(), RegisterError::Interrupted);
        assert_eq!(Arc::strong_count(&diary), 1);
        for range in REGIONS {
            drop(begin(&notifier, range));
        }
        assert_eq!(diary.read(), []);
    }
    let diary = Diary::new();
    let patience = Asked::times(REGIONS.len() as u32);
    drop(notifier.register(diary, &patience).unwrap());
}

#[test]
fn a_callback_may_unregister_its_own_listener() {
    let notifier = notifier();
    let own = Arc::new(Mutex::new(None));
    let registration = Arc::clone(&own);
    let diary = Diary::that(move |_| {
        drop(registration.lock().unwrap().take());
        Ok(())
    });
    *own.lock().unwrap() = Some(register(&notifier, &diary));
    drop(begin(&notifier, 0..0x1000));
    drop(begin(&notifier, 0..0x1000));
    assert_eq!(diary.read(), [Start(0..0x1000)]);
    assert_eq!(Arc::strong_count(&diary), 1);
}

#[test]
fn a_callback_may_register_another_listener() {
    let notifier = notifier();
    let late = Diary::new();
    let (weak, listener) = (Arc::downgrade(&notifier), Arc::clone(&late));
    let registrations = Mutex::new(Vec::new());
    let diary = Diary::that(move |told| {
        if matches!(told, Start(_)) {
            let notifier = weak.upgrade().unwrap();
            registrations.lock().unwrap().push(register(&notifier, &listener));
        }
        Ok(())
    });
    let _registration = register(&notifier, &diary);
    drop(begin(&notifier, 0..0x1000));
    assert_eq!(late.read(), []);
    drop(begin(&notifier, 0..0x2000));
    assert_eq!(late.read(), [Start(0..0x2000), End(0..0x2000)]);
}

#[test]
fn unregistering_waits_for_the_callback_that_runs() {
    let notifier = notifier();
    let ((entered, is_entered), (go_on, may_go_on)) = (channel(), channel());
    let may_go_on = Mutex::new(may_go_on);
    let gone = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&gone);
    let diary = Diary::that(move |told| {
        // The end comes as well, if nobody has begun to unregister by then.
        if matches!(told, Start(_)) {
            entered.send(()).unwrap();
            may_go_on.lock().unwrap().recv().unwrap();
        }
        assert!(!seen.load(SeqCst), "gone while it was called");
        Ok(())
    });
    let registration = register(&notifier, &diary);
    thread::scope(|scope| {
        scope.spawn(|| drop(begin(&notifier, 0..0x1000)));
        is_entered.recv().unwrap();
        scope.spawn(|| {
            registration.unregister();
            gone.store(true, SeqCst);
        });
        // The list of listeners is free while it waits.
        drop(register(&notifier, &Diary::new()));
        go_on.send(()).unwrap();
    });
    assert_eq!(diary.read()[0], Start(0..0x1000));
}

#[test]
fn everything_may_be_dropped_while_a_range_is_in_flight() {
    let diary = Diary::new();
    let notifier = notifier();
    let registration = register(&notifier, &diary);
    let flight = begin(&notifier, 0..0x1000);
    drop(notifier);
    drop(flight);
    assert_eq!(diary.read(), [Start(0..0x1000), End(0..0x1000)]);
    assert_eq!(Arc::strong_count(&diary), 1, "the notifier went with its last range");
    drop(registration);
}

/// A listener that owns its registration goes with the notifier.
#[test]
fn a_listener_may_own_its_registration() {
    struct Owner(Mutex<Option<Registration>>);
    impl Listener for Owner {
        fn start(&self, _: &Announced, _: &dyn Patience) -> Result<(), Abandoned> {
            Ok(())
        }
        fn end(&self, _: &Announced) {}
    }
    let notifier = notifier();
    let owner = Arc::new(Owner(Mutex::new(None)));
    let registration = notifier.register(Arc::<Owner>::clone(&owner), &Endless).unwrap();
    *owner.0.lock().unwrap() = Some(registration);
    let weak = Arc::downgrade(&owner);
    drop((notifier, owner));
    assert!(weak.upgrade().is_none());
}

#[test]
fn more_leases_than_have_a_place_wait_for_each_other() {
    let notifier = notifier();
    let done = AtomicU32::new(0);
    thread::scope(|scope| {
        let leases: Vec<_> = (0..32).map(|_| notifier.lease(&(0xf000..0x11000))).collect();
        for _ in 0..40 {
            scope.spawn(|| {
                drop(notifier.lease(&(0..0x20000)));
                done.fetch_add(1, SeqCst);
            });
        }
        // None of them can have one of the first region yet.
        assert_eq!(done.load(SeqCst), 0);
        drop(leases);
    });
    assert_eq!(done.load(SeqCst), 40);
    drop(begin(&notifier, 0..0x20000));
}

/// Who waits for withheld memory is counted; who waits for others that only look at theirs is not.
#[test]
fn a_lease_tells_whether_it_has_waited_for_a_range() {
    let notifier = notifier();
    // Ranges in flight, and threads that wait for one.
    let until = |count: usize| {
        while !format!("{notifier:?}").contains(&format!("in_flight: {count},")) {
            thread::yield_now();
        }
    };
    assert!(!notifier.lease(&(0..0x1000)).has_waited());
    let mut leases: Vec<_> = (0..32).map(|_| notifier.lease(&(0x1000..0x2000))).collect();
    assert!(!leases.pop().unwrap().has_waited());
    leases.push(notifier.lease(&(0..0x1000)));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| notifier.lease(&(0..0x1000)).has_waited());
        until(1);
        drop(leases);
        assert!(!waiting.join().unwrap(), "there was no room, no more");
    });
    let flight = begin(&notifier, 0..0x1000);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| notifier.lease(&(0..0x1000)).has_waited());
        until(2);
        drop(flight);
        assert!(waiting.join().unwrap(), "it was in flight");
    });
}

#[test]
fn memory_that_is_not_ram_is_leased_without_asking() {
    let notifier = notifier();
    let _flight = begin(&notifier, 0..0x20000);
    drop(notifier.lease(&(0x20000..0x40000)));
    drop(notifier.lease(&(0x1000..0x1000)));
    assert_eq!(notifier.wait(&(0x20000..0x40000), &Asked::times(0)), Ok(()));
}

/// Three threads that take the same page again and again, each without a pause: there is hardly a moment without a range over it.
#[test]
fn ranges_without_end_keep_nobody_from_a_page() {
    let notifier = notifier();
    let over = AtomicBool::new(false);
    let page = 0x1000..0x2000;
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    let flight = begin(&notifier, page.clone());
                    // Longer than it takes to begin the next one.
                    (0..50).for_each(|_| thread::yield_now());
                    drop(flight);
                }
            });
        }
        for _ in 0..200 {
            while notifier.is_in_flight(0x1000) {
                notifier.wait(&page, &Endless).unwrap();
            }
            drop(notifier.lease(&page));
        }
        over.store(true, SeqCst);
    });
}

/// By whom it waits for nobody knows: it may be the one that would give way.
#[test]
fn a_thread_with_a_range_in_flight_gives_way_to_nobody_who_may_wait_for_it() {
    let notifier = notifier();
    let outer = begin(&notifier, 0x1000..0x2000);
    let asked = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| notifier.wait(&(0x1000..0x2000), &Noting(&asked)));
        while !asked.load(SeqCst) {
            thread::yield_now();
        }
        // With no patience at all.
        drop(notifier.begin(0..0x3000, Why::Protect, &Asked::times(1)).unwrap());
        drop(outer);
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
}

/// Somebody may need the one that waits to give way to it, by ways that a notifier does not know.
#[test]
fn whoever_gives_way_does_so_for_a_while_only() {
    let notifier = notifier();
    let outer = begin(&notifier, 0x1000..0x2000);
    let asked = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| notifier.wait(&(0x1000..0x2000), &Noting(&asked)));
        while !asked.load(SeqCst) {
            thread::yield_now();
        }
        // On another thread, which this one waits for with the range in flight.
        let other = scope.spawn(|| drop(begin(&notifier, 0x1000..0x2000)));
        other.join().unwrap();
        drop(outer);
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
    // It never came for its page.
    drop(begin(&notifier, 0x1000..0x2000));
}

/// Endless, and says that it was asked.
struct Noting<'a>(&'a AtomicBool);

impl Patience for Noting<'_> {
    fn is_over(&self) -> bool {
        self.0.store(true, SeqCst);
        false
    }
}
