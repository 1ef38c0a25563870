//! Real threads take pages away, in ranges that nest and overlap, while others use them in each way that there is: processors in seats,
//! translators that nobody waits for, leases; and listeners come and go. Each page has an owner who knows whether it is taken and how often it was
//! changed: whoever uses it then, or as it was before, is convicted.
#![cfg(not(loom))]

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use hpt::{
    Abandoned, Announced, Batch, BeginError, Endless, InFlight, Kick, Listener, Notifier, Patience, Shadow, Shootdown,
    Why,
};

/// Of each region.
const PAGES_EACH: u64 = 16;
const PAGES: u64 = 2 * PAGES_EACH;
const PROCESSORS: usize = 2;
/// Ranges that a holder begins in one round.
const RANGES: u64 = if cfg!(miri) { 5 } else { 1000 };
const ROUNDS: u64 = if cfg!(miri) { 1 } else { 4 };

/// The bytes of pages.
fn bytes(pages: &Range<u64>) -> Range<u64> {
    pages.start << 12..pages.end << 12
}

fn byte_range(page: u64) -> Range<u64> {
    bytes(&(page..page + 1))
}

/// Numbers that look random: xorshift.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    /// Some pages, seldom many.
    fn pages(&mut self) -> Range<u64> {
        let start = self.below(PAGES);
        let most = if self.below(4) == 0 { PAGES } else { 3 };
        start..(start + 1 + self.below(most)).min(PAGES)
    }
}

/// Who knows what is true of a page.
#[derive(Default)]
struct Owner {
    /// Ranges over it between `begin` and the end.
    holders: AtomicU32,
    /// How often it was changed.
    changes: AtomicU64,
}

impl Owner {
    /// Somebody uses the page, as it was after so many changes.
    fn convict_if_stale(&self, changes: u64, who: &str) {
        assert_eq!(self.holders.load(SeqCst), 0, "{who} uses a page that is taken");
        assert_eq!(self.changes.load(SeqCst), changes, "{who} uses a page as it was before");
        assert_eq!(self.holders.load(SeqCst), 0, "{who} uses a page while it is taken");
    }
}

struct Doorbell(Arc<AtomicBool>);

impl Kick for Doorbell {
    fn kick(&self) {
        self.0.store(true, SeqCst);
    }
}

struct World {
    notifier: Arc<Notifier>,
    owners: Vec<Owner>,
    shootdown: Shootdown,
    bells: Vec<Arc<AtomicBool>>,
    over: AtomicBool,
    uses: AtomicU64,
}

/// Speaks for the processors.
struct Processors(Arc<World>);

impl Listener for Processors {
    fn start(&self, _: &Announced, _: &dyn Patience) -> Result<(), Abandoned> {
        self.0.shootdown.invalidate(&Batch::everything());
        Ok(())
    }

    fn end(&self, _: &Announced) {}
}

/// A listener that comes and goes, and translates by itself while it is there: what it keeps of each page is how often that was
/// changed by then.
struct Translator {
    kept: Mutex<Vec<Option<u64>>>,
    gone: AtomicBool,
}

impl Translator {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            kept: Mutex::new(vec![None; PAGES as usize]),
            gone: AtomicBool::new(false),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Option<u64>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn translate_and_use(&self, world: &World, dice: &mut Dice) {
        let page = dice.below(PAGES);
        let since = world.notifier.sequence();
        let found = world.owners[page as usize].changes.load(Relaxed);
        let mut kept = self.kept();
        if !world.notifier.is_stale(since, &byte_range(page)) {
            kept[page as usize] = Some(found);
        }
        for (owner, kept) in world.owners.iter().zip(&*kept) {
            if let Some(changes) = kept {
                owner.convict_if_stale(*changes, "a translator");
                world.uses.fetch_add(1, Relaxed);
            }
        }
    }
}

impl Listener for Translator {
    fn start(&self, announced: &Announced, _: &dyn Patience) -> Result<(), Abandoned> {
        let pages = (announced.range.start >> 12) as usize..(announced.range.end >> 12) as usize;
        self.kept()[pages].fill(None);
        assert!(!self.gone.load(SeqCst), "told when it was gone");
        Ok(())
    }

    fn end(&self, _: &Announced) {
        assert!(!self.gone.load(SeqCst), "told when it was gone");
    }
}

/// Abandons some ranges, and counts what it hears of the others.
#[derive(Default)]
struct Moody {
    asked: AtomicU64,
    started: AtomicU64,
    ended: AtomicU64,
}

impl Listener for Moody {
    fn start(&self, _: &Announced, _: &dyn Patience) -> Result<(), Abandoned> {
        if self.asked.fetch_add(1, SeqCst) % 16 == 7 {
            return Err(Abandoned);
        }
        self.started.fetch_add(1, SeqCst);
        Ok(())
    }

    fn end(&self, _: &Announced) {
        self.ended.fetch_add(1, SeqCst);
    }
}

/// Over when it has been asked so often.
struct Asked(AtomicU32);

impl Patience for Asked {
    fn is_over(&self) -> bool {
        self.0.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_err()
    }
}

impl World {
    fn new() -> Arc<Self> {
        let half = bytes(&(0..PAGES_EACH));
        let bells: Vec<_> = (0..PROCESSORS).map(|_| Arc::default()).collect();
        let kicks = bells
            .iter()
            .map(|bell| Box::new(Doorbell(Arc::clone(bell))) as Box<dyn Kick>);
        Arc::new(Self {
            notifier: Notifier::new(vec![half.clone(), half.end..2 * half.end]),
            owners: (0..PAGES).map(|_| Owner::default()).collect(),
            shootdown: Shootdown::new(kicks.collect()),
            bells,
            over: AtomicBool::new(false),
            uses: AtomicU64::new(0),
        })
    }

    fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// A processor with translations that last until it is told.
    fn process(&self, cpu: usize, dice: &mut Dice) {
        let seat = self.shootdown.seat(cpu);
        let mut kept = vec![None; PAGES as usize];
        let mut refused: Option<u64> = None;
        while !self.is_over() {
            self.bells[cpu].store(false, SeqCst);
            // Whoever has waited for a page comes back for it.
            let mut next = refused.take();
            // A failed assertion must not leave the others waiting for this visit.
            let visit = catch_unwind(AssertUnwindSafe(|| {
                seat.enter(|_| kept.fill(None));
                for _ in 0..100 {
                    if self.bells[cpu].load(SeqCst) || self.is_over() {
                        break;
                    }
                    let page = next.take().unwrap_or_else(|| dice.below(PAGES));
                    refused = self.use_in_seat(page, &mut kept[page as usize]).err();
                    if refused.is_some() {
                        break;
                    }
                }
            }));
            seat.leave();
            visit.unwrap_or_else(|panic| resume_unwind(panic));
            // It was kicked before it came to that.
            refused = refused.or(next);
            if let Some(page) = refused {
                // Only the end of the round is a reason to give up.
                let waited = self.notifier.wait(&byte_range(page), &self.over);
                assert!(waited.is_ok() || self.is_over());
            }
        }
    }

    /// The page is the error if it is not to be had.
    fn use_in_seat(&self, page: u64, kept: &mut Option<u64>) -> Result<(), u64> {
        let owner = &self.owners[page as usize];
        let changes = match *kept {
            Some(changes) => changes,
            None if self.notifier.is_in_flight(page << 12) => return Err(page),
            None => *kept.insert(owner.changes.load(Relaxed)),
        };
        owner.convict_if_stale(changes, "a processor");
        self.uses.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Short accesses of the program itself.
    fn lease(&self, dice: &mut Dice) {
        while !self.is_over() {
            let pages = dice.pages();
            let lease = self.notifier.lease(&bytes(&pages));
            let owners = &self.owners[pages.start as usize..pages.end as usize];
            let changes: Vec<_> = owners.iter().map(|owner| owner.changes.load(Relaxed)).collect();
            thread::yield_now();
            for (owner, changes) in owners.iter().zip(changes) {
                owner.convict_if_stale(changes, "a lease");
            }
            self.uses.fetch_add(1, Relaxed);
            drop(lease);
        }
    }

    /// A listener that stays for some translations, again and again.
    fn come_and_go(&self, dice: &mut Dice) {
        while !self.is_over() {
            let translator = Translator::new();
            let patience = Asked(AtomicU32::new(dice.below(10) as u32));
            let listener = Arc::<Translator>::clone(&translator);
            // Two regions, and it asks before each.
            let Ok(registration) = self.notifier.register(listener, &patience) else {
                continue;
            };
            for _ in 0..dice.below(50) {
                translator.translate_and_use(self, dice);
            }
            registration.unregister();
            translator.gone.store(true, SeqCst);
        }
    }

    /// Takes pages away, sometimes with others inside or outside; gives some of them to the other thread to end. How many ranges were begun.
    fn take(self: &Arc<Self>, dice: &mut Dice, ender: &Sender<Taken>) -> u64 {
        let mut begun = 0;
        for _ in 0..RANGES {
            let Some(outer) = self.begin(dice) else { continue };
            begun += 1;
            if dice.below(4) == 0 {
                begun += u64::from(self.begin(dice).is_some());
            }
            match dice.below(8) {
                0 => ender.send(outer).expect("it ends when we do"),
                // Unwinding, without a word on stderr.
                1 => drop(catch_unwind(AssertUnwindSafe(|| {
                    let _outer = outer;
                    resume_unwind(Box::new(()));
                }))),
                _ => drop(outer),
            }
        }
        begun
    }

    fn begin(self: &Arc<Self>, dice: &mut Dice) -> Option<Taken> {
        let pages = dice.pages();
        let limited = Asked(AtomicU32::new(dice.below(3) as u32));
        let patience: &dyn Patience = if dice.below(8) == 0 { &limited } else { &Endless };
        match self.notifier.begin(bytes(&pages), Why::Remap, patience) {
            Ok(flight) => Some(Taken::new(self, flight)),
            Err(error) => {
                assert_eq!(error, BeginError::Abandoned);
                None
            }
        }
    }
}

/// Pages that somebody has taken, and changed.
struct Taken {
    world: Arc<World>,
    flight: InFlight,
}

impl Taken {
    fn new(world: &Arc<World>, flight: InFlight) -> Self {
        let world = Arc::clone(world);
        let taken = Self { world, flight };
        taken.each_owner(|owner| {
            owner.holders.fetch_add(1, SeqCst);
        });
        taken.each_owner(|owner| {
            owner.changes.fetch_add(1, Relaxed);
        });
        taken
    }

    fn each_owner(&self, work: impl Fn(&Owner)) {
        let range = &self.flight.announced().range;
        for page in range.start >> 12..range.end >> 12 {
            work(&self.world.owners[page as usize]);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.each_owner(|owner| {
            owner.holders.fetch_sub(1, SeqCst);
        });
    }
}

/// Ends what others have begun.
fn end_all(taken: &Receiver<Taken>) {
    for taken in taken {
        drop(taken);
    }
}

#[test]
fn nobody_uses_a_page_while_it_is_taken_or_as_it_was_before() {
    for round in 0..ROUNDS {
        let world = World::new();
        let dice = |number: u64| Dice::new(round * 100 + number + 1);
        let (moody, translator) = (Arc::new(Moody::default()), Translator::new());
        let listeners: [Arc<dyn Listener>; 3] = [
            Arc::<Moody>::clone(&moody),
            Arc::new(Processors(Arc::clone(&world))),
            Arc::<Translator>::clone(&translator),
        ];
        let registrations = listeners.map(|listener| world.notifier.register(listener, &Endless).unwrap());
        let begun: u64 = thread::scope(|scope| {
            for cpu in 0..PROCESSORS {
                let world = &world;
                scope.spawn(move || world.process(cpu, &mut dice(cpu as u64)));
            }
            for number in 10..12 {
                let (world, translator) = (&world, &translator);
                scope.spawn(move || {
                    let mut dice = dice(number);
                    while !world.is_over() {
                        translator.translate_and_use(world, &mut dice);
                    }
                });
            }
            scope.spawn(|| world.lease(&mut dice(20)));
            scope.spawn(|| world.come_and_go(&mut dice(30)));
            let (sender, receiver) = channel();
            let ender = scope.spawn(move || end_all(&receiver));
            let takers = [40, 41, 42].map(|number| {
                let (world, sender) = (&world, sender.clone());
                scope.spawn(move || world.take(&mut dice(number), &sender))
            });
            drop(sender);
            // Whoever failed must not leave the others running.
            let begun = takers.map(thread::ScopedJoinHandle::join);
            let ended = ender.join();
            world.over.store(true, SeqCst);
            ended.expect("no panic");
            begun.into_iter().map(|begun| begun.expect("no panic")).sum()
        });
        drop(registrations);
        assert!((0..PAGES).all(|page| !world.notifier.is_in_flight(page << 12)));
        assert!(world.owners.iter().all(|owner| owner.holders.load(SeqCst) == 0));
        assert_eq!(moody.started.load(SeqCst), moody.ended.load(SeqCst));
        assert!(moody.started.load(SeqCst) >= begun && begun > RANGES);
        assert!(world.uses.load(SeqCst) > 0);
    }
}

/// Who has ranges, who is told of them and who made the notifier go at once, in whatever order.
#[test]
fn everything_may_go_during_ranges() {
    for round in 0..ROUNDS * 200 {
        let mut dice = Dice::new(round + 1);
        let notifier = Notifier::new(vec![bytes(&(0..PAGES))]);
        let translators = [Translator::new(), Translator::new()];
        let registrations = translators.each_ref().map(|translator| {
            let listener = Arc::<Translator>::clone(translator);
            notifier.register(listener, &Endless).unwrap()
        });
        let held = [dice.pages(), dice.pages()];
        let held = held.map(|pages| notifier.begin(bytes(&pages), Why::Discard, &Endless).unwrap());
        let late = bytes(&dice.pages());
        thread::scope(|scope| {
            for flight in held {
                scope.spawn(move || drop(flight));
            }
            for (registration, translator) in registrations.into_iter().zip(&translators) {
                scope.spawn(move || {
                    registration.unregister();
                    translator.gone.store(true, SeqCst);
                });
            }
            scope.spawn(move || drop(notifier.begin(late, Why::Discard, &Endless).unwrap()));
        });
        assert!(translators.iter().all(|translator| Arc::strong_count(translator) == 1));
    }
}
