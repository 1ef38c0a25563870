//! Models of processors whose kernel walks the table, as KVM's: copies without order, marks late and by the byte, maps after
//! that, for stores as well if the entry permits them. What it has mapped is taken away by real address while the processor runs.

use std::sync::Arc;

use hpt::{Access, Discard, Hpt, Kick, Port, Refused, Shootdown};
use loom::cell::UnsafeCell;
use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;
use power::hcall::Status;
use power::hpte::HpteR;

use crate::explore::explore;
use crate::search::{NoBell, enter, enter_at, late_bytes, page};

/// What the kernel has mapped for the processor.
#[derive(Clone, Copy)]
struct Mapped {
    real: u64,
    stores: bool,
}

/// It is used with the lock held: who takes it away waits for the access that is under way, as the host's `tlbie` does.
type Mapping = Arc<Mutex<Option<Mapped>>>;

struct Unmap(Mapping);

impl Discard for Unmap {
    fn discard(&self, range: std::ops::Range<u64>) -> Result<(), Refused> {
        self.0
            .lock()
            .expect("no panic while held")
            .take_if(|mapped| range.contains(&mapped.real));
        Ok(())
    }
}

/// One processor, a table, and the memory at real page 5.
struct World {
    hpt: Arc<Hpt>,
    shootdown: Arc<Shootdown>,
    mapping: Mapping,
    memory: UnsafeCell<u64>,
    /// The memory is the writer's.
    taken: AtomicBool,
}

impl World {
    /// An empty table. One flush takes up to `most` ranges, or everything.
    fn empty(most: usize) -> Arc<Self> {
        let mapping = Mapping::default();
        let discard = Box::new(Unmap(Arc::clone(&mapping)));
        let shootdown = Shootdown::new(vec![Box::new(NoBell) as Box<dyn Kick>]).with_discard(discard, most);
        let shootdown = Arc::new(shootdown);
        Arc::new(Self {
            hpt: late_bytes(Arc::clone(&shootdown)),
            shootdown,
            mapping,
            memory: UnsafeCell::new(0),
            taken: AtomicBool::new(false),
        })
    }

    /// The same with page 1 at real page 5.
    fn new(most: usize) -> Arc<Self> {
        let world = Self::empty(most);
        enter(&mut world.hpt.port(), 1, 0x5, 0);
        world
    }

    /// The same after another processor has used page 1: a walk finds R set, and need not write it.
    fn used_by_another(most: usize) -> Arc<Self> {
        let world = Self::new(most);
        world.walk(1, Access::Load).expect("it is there");
        world
    }

    fn walk(&self, number: u64, access: Access) -> Option<Mapped> {
        let found = self.hpt.table().walk_late(page(number), access, false).ok()?;
        Some(Mapped {
            real: found.real,
            stores: found.changed,
        })
    }

    #[expect(unsafe_code, reason = "loom's checked cell")]
    fn store(&self) {
        // SAFETY: the point of the model: loom checks that nobody else is at it.
        self.memory.with_mut(|word| unsafe { *word += 1 });
    }

    /// The writer may use the memory from here on.
    fn take(&self) {
        self.taken.store(true, Relaxed);
        self.store();
    }

    /// A visit to the guest that loads from page `number`, by what is mapped or by a walk, and then stores if that goes without
    /// another walk. Returns the real page.
    fn visit(&self, number: u64) -> Option<u64> {
        let seat = self.shootdown.seat(0);
        seat.enter(|_| *self.mapping.lock().expect("no panic while held") = None);
        let is_mapped = self.mapping.lock().expect("no panic while held").is_some();
        if !is_mapped && let Some(found) = self.walk(number, Access::Load) {
            *self.mapping.lock().expect("no panic while held") = Some(found);
        }
        let mapped = self.mapping.lock().expect("no panic while held");
        if mapped.is_some_and(|mapped| mapped.real == 0x5000 && mapped.stores) {
            // A use that comes after the writer's, in order, is as wrong as one at the same time.
            assert!(!self.taken.load(Relaxed), "a translation that is gone");
            self.store();
        }
        let real = mapped.map(|mapped| mapped.real >> 12);
        drop(mapped);
        seat.leave();
        real
    }

    /// Races two visits to page `number` with `change`. Returns where the visits have been, and what the change returned.
    fn race<T: Send + 'static>(
        self: &Arc<Self>,
        number: u64,
        change: impl FnOnce(&Self, &mut Port) -> T + Send + 'static,
    ) -> ([Option<u64>; 2], T) {
        let processor = thread::spawn({
            let world = Arc::clone(self);
            move || [world.visit(number), world.visit(number)]
        });
        let writer = thread::spawn({
            let world = Arc::clone(self);
            move || change(&world, &mut world.hpt.port())
        });
        (processor.join().expect("no panic"), writer.join().expect("no panic"))
    }

    /// Doubleword 1 of slot 0 as the guest reads it.
    fn read(&self) -> HpteR {
        let table = self.hpt.table();
        table.read(table.index(0).expect("slot 0")).r
    }
}

/// By ranges, and by everything since the ranges are too many.
const FLUSHES: [usize; 2] = [1, 0];

#[test]
fn a_remover_finds_every_mark_and_then_owns_the_page() {
    for most in FLUSHES {
        explore(3, 500, move || {
            let world = World::new(most);
            let (visits, old) = world.race(1, |world, port| {
                let old = port.remove(0, 0, 0).expect("it is there").r;
                world.take();
                old
            });
            let used = visits.contains(&Some(0x5));
            assert_eq!(old.is_referenced(), used, "R was lost, or made up");
            assert_eq!(old.is_changed(), used, "C was lost, or made up");
            assert_eq!(old.raw() & !0x180, 0x5012);
            let counts = world.hpt.counts();
            assert_eq!(
                (counts.graces, counts.flushes),
                (1, u64::from(used)),
                "untouched ones are not flushed"
            );
            assert_eq!(counts.untouched, u64::from(!used));
        });
    }
}

#[test]
fn entries_that_share_a_grace_period_are_flushed_if_they_were_used() {
    for most in FLUSHES {
        explore(3, 500, move || {
            let world = World::new(most);
            enter_at(&mut world.hpt.port(), 1, 2, 0x9, 0).expect("slot 1 is free");
            let (visits, answers) = world.race(1, |world, port| {
                let mut specifiers = [hpt::Specifier { high: 3 << 62, low: 0 }; 4];
                specifiers[0].high = 1 << 62;
                specifiers[1].high = 1 << 62 | 1;
                assert_eq!(port.bulk_remove(&mut specifiers), Status::Success);
                world.take();
                specifiers.map(|specifier| specifier.high >> 56)
            });
            let used = visits.contains(&Some(0x5));
            assert_eq!(answers[..2], [if used { 0x8c } else { 0x80 }, 0x80]);
            let counts = world.hpt.counts();
            assert_eq!((counts.graces, counts.untouched), (1, 2 - u64::from(used)));
        });
    }
}

#[test]
fn protection_keeps_c_and_ends_stores() {
    for most in FLUSHES {
        explore(3, 500, move || {
            let world = World::new(most);
            let (_, stored) = world.race(1, |world, port| {
                assert_eq!(port.protect(3, 0, 0), Status::Success);
                world.take();
                world.hpt.counts().flushes == 1
            });
            assert_eq!(world.read().is_changed(), stored, "C was lost, or made up");
            assert_eq!(world.read().raw() & !0x180, 0x5013);
        });
    }
}

/// What comes after the call sets R again, also if it was under way when R was cleared and had found it set.
#[test]
fn clearing_r_in_place_is_seen_by_every_later_use() {
    for (most, world) in [
        (1, World::new as fn(usize) -> _),
        (1, World::used_by_another),
        (0, World::used_by_another),
    ] {
        explore(3, 500, move || {
            let world = world(most);
            let (_, old) = world.race(1, |_, port| port.clear_ref(0, 0).expect("it is there"));
            let now = world.read();
            assert!(old.is_referenced() || now.is_referenced(), "R was lost");
            assert!(now.is_changed(), "C was lost");
            world.visit(1);
            assert!(world.read().is_referenced(), "a use that nobody can see");
        });
    }
}

#[test]
fn clearing_c_loses_no_store() {
    for (most, world) in [
        (1, World::new as fn(usize) -> _),
        (1, World::used_by_another),
        (0, World::used_by_another),
    ] {
        explore(3, 500, move || {
            let world = world(most);
            let (visits, old) = world.race(1, |_, port| port.clear_mod(0, 0).expect("it is there"));
            let used = visits.contains(&Some(0x5));
            assert!(!used || old.is_changed() || world.read().is_changed(), "C was lost");
            world.visit(1);
            assert!(world.read().is_changed(), "a store that nobody can see");
        });
    }
}

/// The slot's next entry is not written to by a walk that has copied the last one, ...
#[test]
fn a_late_mark_does_not_land_in_the_next_entry() {
    explore(3, 500, || {
        let world = World::new(1);
        world.race(1, |world, port| {
            port.remove(0, 0, 0).expect("it is there");
            world.take();
            enter(port, 2, 0x6, 0);
        });
        assert_eq!(world.read().raw(), 0x6012);
    });
}

/// ... nor does one that copies half of each get anything of it.
#[test]
fn a_walker_never_mixes_two_entries_of_one_slot() {
    explore(3, 500, || {
        let world = World::new(1);
        let (visits, ()) = world.race(2, |_, port| {
            port.remove(0, 0, 0).expect("it is there");
            enter(port, 2, 0x6, 0);
        });
        assert!(
            visits.iter().all(|real| matches!(real, None | Some(0x6))),
            "half an entry"
        );
        let used = visits.contains(&Some(0x6));
        assert_eq!(world.read().raw(), if used { 0x6192 } else { 0x6012 });
    });
}

/// The same for a slot that nobody has used before.
#[test]
fn nor_an_entry_and_the_slot_that_it_comes_to() {
    explore(3, 300, || {
        let world = World::empty(1);
        let (visits, ()) = world.race(2, |_, port| enter(port, 2, 0x6, 0));
        assert!(
            visits.iter().all(|real| matches!(real, None | Some(0x6))),
            "half an entry"
        );
    });
}

/// A page goes from one slot to another while its processor is under way.
#[test]
fn a_page_that_moves_is_found_where_it_is() {
    explore(3, 500, || {
        let world = World::new(1);
        let (visits, ()) = world.race(1, |world, port| {
            port.remove(0, 0, 0).expect("it is there");
            world.take();
            enter_at(port, 1, 1, 0x6, 0).expect("slot 1 is free");
        });
        assert!(
            visits != [Some(0x6), Some(0x5)],
            "the old translation after the new one"
        );
    });
}
