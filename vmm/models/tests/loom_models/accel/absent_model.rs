//! Models of memory that the kernel does not find: nobody touches what is withheld, and nobody is left in the kernel. The kernel is played: a
//! processor that needs an absent page waits and hears no ring, one that needs a refused page looks for a ring each time.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use hpt::{Access, Accessor, Endless, Fault, Frames, Notifier, Protection, Right};
use loom::sync::{Condvar, Mutex, MutexGuard};
use loom::thread;

use super::absent::{Absent, Pages};
use crate::explore::explore;
use crate::word::Word;

/// RAM is one page of the host.
const PAGE: u64 = 0x1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Present,
    Absent,
    Refused,
}

struct Kernel {
    is: Is,
    /// Those that wait for the page, and of whom nobody has been told yet.
    waiting: Vec<usize>,
    told: VecDeque<usize>,
    rung: [bool; 2],
    is_over: bool,
}

struct Host {
    kernel: Mutex<Kernel>,
    changed: Condvar,
}

impl Host {
    fn new() -> Arc<Self> {
        let kernel = Kernel {
            is: Is::Present,
            waiting: Vec::new(),
            told: VecDeque::new(),
            rung: [false; 2],
            is_over: false,
        };
        Arc::new(Self {
            kernel: Mutex::new(kernel),
            changed: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Kernel> {
        self.kernel.lock().expect("no panic")
    }

    fn wait<'k>(&self, kernel: MutexGuard<'k, Kernel>) -> MutexGuard<'k, Kernel> {
        self.changed.wait(kernel).expect("no panic")
    }

    fn ring(&self, server: usize) {
        self.lock().rung[server] = true;
        self.changed.notify_all();
    }

    /// The page becomes `is`, and who waits for it looks again; nobody is told of those any more.
    fn set(&self, is: Is, wakes: bool) {
        let mut kernel = self.lock();
        kernel.is = is;
        if wakes {
            kernel.waiting.clear();
            kernel.told.clear();
        }
        drop(kernel);
        self.changed.notify_all();
    }

    /// Processor `server` in the guest, until it has the page; `false`: it left before.
    fn enter(&self, server: usize) -> bool {
        let mut kernel = self.lock();
        loop {
            match kernel.is {
                Is::Present => return true,
                Is::Absent => {
                    kernel.waiting.push(server);
                    kernel.told.push_back(server);
                    self.changed.notify_all();
                    while kernel.waiting.contains(&server) {
                        kernel = self.wait(kernel);
                    }
                }
                Is::Refused if kernel.rung[server] => {
                    kernel.rung[server] = false;
                    return false;
                }
                Is::Refused => kernel = self.wait(kernel),
            }
        }
    }

    /// Who waits for the page; `None` at the end.
    fn next(&self) -> Option<usize> {
        let mut kernel = self.lock();
        loop {
            if let Some(server) = kernel.told.pop_front() {
                return Some(server);
            }
            if kernel.is_over {
                return None;
            }
            kernel = self.wait(kernel);
        }
    }
}

struct Mapping(Arc<Host>);

impl Pages for Mapping {
    fn page(&self) -> u64 {
        PAGE
    }

    fn take_away(&self, _: Range<u64>) -> io::Result<()> {
        self.0.set(Is::Absent, false);
        Ok(())
    }

    fn put_back(&self, _: Range<u64>) -> io::Result<()> {
        self.0.set(Is::Present, true);
        Ok(())
    }

    fn refuse(&self, _: Range<u64>) -> io::Result<()> {
        self.0.set(Is::Refused, true);
        Ok(())
    }

    fn report(&self, _: Range<u64>) -> io::Result<()> {
        self.0.set(Is::Absent, false);
        Ok(())
    }
}

/// A page that is yet to get its content.
struct World {
    host: Arc<Host>,
    frames: Arc<Frames>,
    absent: Absent<Mapping>,
    memory: Word,
}

impl World {
    fn new() -> (Arc<Self>, Protection) {
        let host = Host::new();
        let notifier = Notifier::new(std::iter::once(0..PAGE).collect());
        let frames = Arc::new(Frames::new(PAGE, notifier));
        let protection = frames.protect(None).expect("there is memory");
        protection
            .take(0..PAGE, Right::Nothing, &Endless)
            .expect("nobody gives up");
        let absent = Absent::new(Mapping(Arc::clone(&host)), Arc::clone(&frames), 1);
        absent
            .take_away(std::slice::from_ref(&(0..PAGE)))
            .expect("it is not much");
        let world = Self {
            host,
            frames,
            absent,
            memory: Word::default(),
        };
        (Arc::new(world), protection)
    }

    /// Processor `server` loads from the page.
    fn load(&self, server: usize) -> u64 {
        let fault = Fault {
            real: 0,
            access: Access::Load,
            by: Accessor::Processor { server, pc: 0 },
        };
        while !self.host.enter(server) {
            let Some(held) = self.absent.take_out(server).expect("nothing is refused") else {
                continue;
            };
            while self.absent.lacks(&held).expect("nothing is refused").is_some() {
                self.frames.wait_for(&fault, &Endless).expect("nobody gives up");
            }
        }
        self.memory.get()
    }

    fn hear(&self) {
        while let Some(server) = self.host.next() {
            let done = self
                .absent
                .fault(0, Access::Load, Some(server), |server| self.host.ring(server));
            done.expect("nothing is refused");
        }
    }

    fn end(&self) {
        self.host.lock().is_over = true;
        self.host.changed.notify_all();
    }
}

/// So many processors need the page while it gets its content and `give` gives it.
fn race(processors: usize, give: impl FnOnce(&World, Protection) + Send + 'static) {
    let (world, protection) = World::new();
    let spawn = |work: Box<dyn FnOnce(&World) + Send>| {
        let world = Arc::clone(&world);
        thread::spawn(move || work(&world))
    };
    let hears = spawn(Box::new(World::hear));
    let loads: Vec<_> = (0..processors)
        .map(|server| {
            spawn(Box::new(move |world| {
                assert_eq!(world.load(server), 1, "it comes first")
            }))
        })
        .collect();
    let gives = spawn(Box::new(|world| {
        world.memory.set(1);
        give(world, protection);
    }));
    loads.into_iter().for_each(|load| load.join().expect("no panic"));
    gives.join().expect("no panic");
    world.end();
    hears.join().expect("no panic");
    assert_eq!((world.host.lock().is, world.absent.count()), (Is::Present, 0));
}

/// Who gives says nothing to the kernel: the processors bring the page back.
#[test]
fn who_needs_a_page_has_it_once_its_rights_are_given_and_not_before() {
    explore(2, 100, || {
        race(1, |_, protection| {
            protection.give(0..PAGE, Right::Store);
            // Its frames stay as they are.
            std::mem::forget(protection);
        });
    });
}

#[test]
fn two_processors_that_need_one_page_both_have_it() {
    explore(1, 100, || {
        race(2, |_, protection| {
            protection.give(0..PAGE, Right::Store);
            std::mem::forget(protection);
        });
    });
}

/// As a watch ends.
#[test]
fn the_end_of_it_leaves_nobody_waiting() {
    explore(2, 100, || {
        race(1, |world, protection| {
            drop(protection);
            world
                .absent
                .settle(std::slice::from_ref(&(0..PAGE)))
                .expect("nothing is refused");
        });
    });
}
