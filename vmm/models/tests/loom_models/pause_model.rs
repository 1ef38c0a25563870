//! Models of the pause. The modelled carriers leave by themselves, sooner or later, as loom has no time in which a ring could be
//! repeated; and a pauser whose patience ends is not modelled.

use std::sync::Arc;
use std::time::Duration;

use loom::sync::Mutex;
use loom::thread;

use crate::explore::explore;
use crate::pause::{NotPaused, Pause};
use crate::word::Word;

/// Never over.
const PATIENCE: Duration = Duration::from_secs(1 << 20);

/// A run of two processors.
struct World {
    pause: Pause,
    /// What carriers do with each.
    processors: [Word; 2],
    /// What devices copy to, each its own.
    memory: [Word; 2],
    /// The time base: the carriers read it, who pauses and resumes changes it.
    time: Word,
    /// That the run is over: stored before it is told.
    over: Word,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            pause: Pause::new(2),
            processors: Default::default(),
            memory: Default::default(),
            time: Word::default(),
            over: Word::default(),
        })
    }

    fn spawn<T: 'static>(self: &Arc<Self>, body: impl FnOnce(&Self) -> T + 'static) -> thread::JoinHandle<T> {
        let world = Arc::clone(self);
        thread::spawn(move || body(&world))
    }

    fn work(&self, server: usize) {
        self.processors[server].add();
        assert_eq!(self.time.get() % 2, 0, "it stands still");
    }

    /// Carries processor `server` for some visits to the guest, and puts it down when somebody wants that between two.
    fn carry(&self, server: usize, visits: usize) {
        self.pause.enter(server);
        for visit in 0..visits {
            if visit > 0 && self.pause.is_wanted() {
                self.pause.leave(server);
                self.pause.enter(server);
            }
            self.work(server);
        }
        self.pause.leave(server);
    }

    /// Copies as a device does; whether it has, or the run is over.
    fn copy(&self, device: usize) -> bool {
        loop {
            if let Some(_copying) = self.pause.copy(0) {
                assert_eq!(self.time.get() % 2, 0, "it stands still");
                self.memory[device].add();
                return true;
            }
            if self.pause.wait() {
                return false;
            }
        }
    }

    fn pause(&self) -> Result<(), NotPaused> {
        self.pause.pause(PATIENCE, |_| (), || self.time.add())
    }

    /// Looks at all of it, as whoever has it paused may.
    fn look(&self) -> u64 {
        assert_eq!(self.time.get() % 2, 1, "it goes on");
        self.processors.iter().chain(&self.memory).map(Word::get).sum()
    }

    fn resume(&self) -> bool {
        self.pause.resume(|| self.time.add()).is_ok()
    }
}

/// A carrier that lays its processor down and takes it up again, and a pauser.
#[test]
fn nobody_works_on_a_processor_while_the_run_is_paused() {
    explore(4, 1000, || {
        let world = World::new();
        let carrier = world.spawn(|world| {
            world.carry(0, 2);
            world.carry(0, 1);
        });
        world.pause().expect("it has patience");
        let seen = world.look();
        thread::yield_now();
        assert_eq!(world.look(), seen, "it stands still");
        assert!(world.resume());
        carrier.join().expect("no panic");
        assert_eq!(world.processors[0].get(), 3);
    });
}

/// A device that copies twice, and a pauser.
#[test]
fn no_device_touches_memory_while_the_run_is_paused() {
    explore(4, 1000, || {
        let world = World::new();
        let device = world.spawn(|world| assert!(world.copy(0) && world.copy(0)));
        world.pause().expect("it has patience");
        let seen = world.look();
        thread::yield_now();
        assert_eq!(world.look(), seen, "it stands still");
        assert!(world.resume());
        device.join().expect("no panic");
        assert_eq!(world.memory[0].get(), 2);
    });
}

/// Two devices in one lane: the pauser waits for both.
#[test]
fn devices_that_share_a_lane_are_both_waited_for() {
    explore(2, 1000, || {
        let world = World::new();
        let devices = [0, 1].map(|device| world.spawn(move |world| assert!(world.copy(device))));
        world.pause().expect("it has patience");
        world.look();
        assert!(world.resume());
        for device in devices {
            device.join().expect("no panic");
        }
        assert_eq!(world.memory.each_ref().map(Word::get), [1, 1]);
    });
}

/// One carrier begins while another one ends.
#[test]
fn a_carrier_that_comes_meanwhile_is_paused_as_well() {
    explore(2, 1000, || {
        let world = World::new();
        let carriers = [0, 1].map(|server| world.spawn(move |world| world.carry(server, 1)));
        world.pause().expect("it has patience");
        world.look();
        assert!(world.resume());
        for carrier in carriers {
            carrier.join().expect("no panic");
        }
        assert_eq!(world.processors.each_ref().map(Word::get), [1, 1]);
    });
}

/// One carrier parks the processor under a mutex, another one takes it up.
#[test]
fn a_processor_that_changes_its_carrier_meanwhile_is_paused() {
    explore(3, 1000, || {
        let world = World::new();
        let parked = Arc::new(Mutex::new(false));
        let first = world.spawn({
            let parked = Arc::clone(&parked);
            move |world| {
                world.carry(0, 1);
                *parked.lock().expect("no panic") = true;
            }
        });
        let second = world.spawn(move |world| {
            if *parked.lock().expect("no panic") {
                world.carry(0, 1);
            }
        });
        world.pause().expect("it has patience");
        world.look();
        assert!(world.resume());
        first.join().expect("no panic");
        second.join().expect("no panic");
    });
}

/// Both pause, look while nobody may resume, and resume: who is refused leaves that to the other.
#[test]
fn whoever_needs_it_paused_has_it_until_he_is_done() {
    explore(2, 500, || {
        let world = World::new();
        let carrier = world.spawn(|world| world.carry(0, 1));
        let users = [(); 2].map(|()| {
            world.spawn(|world| {
                world.pause().expect("it has patience");
                // Not if the other one has resumed it by now.
                world.pause.while_paused(|| {
                    let seen = world.look();
                    thread::yield_now();
                    assert_eq!(world.look(), seen, "it stands still");
                });
                world.resume();
            })
        });
        for user in users {
            user.join().expect("no panic");
        }
        carrier.join().expect("no panic");
        assert!(!world.pause.is_paused() && world.time.get() % 2 == 0);
    });
}

/// Memory is made new while a device is about to copy for the guest before: it has copied by then, or does not, and nobody works meanwhile.
#[test]
fn nothing_of_the_guest_before_reaches_the_next_one() {
    const NEW: u64 = 100;
    explore(3, 300, || {
        let world = World::new();
        let carrier = world.spawn(|world| world.carry(0, 1));
        let device = world.spawn(|world| {
            loop {
                if let Some(_copying) = world.pause.copy(0) {
                    if world.pause.resets() == 0 {
                        world.memory[0].add();
                    }
                    return;
                }
                assert!(!world.pause.wait(), "it is not over");
            }
        });
        let (hold, release) = (|| world.time.add(), || world.time.add());
        let done = world.pause.interlude(
            PATIENCE,
            |_| (),
            hold,
            release,
            || {
                world.look();
                world.memory[0].set(NEW);
            },
        );
        assert_eq!(done, Ok(Some(())));
        carrier.join().expect("no panic");
        device.join().expect("no panic");
        assert_eq!(world.memory[0].get(), NEW);
        assert!(!world.pause.is_paused() && world.time.get() == 2);
    });
}

/// Whether it is paused by then or not. Those who find it over work on nothing.
#[test]
fn the_end_of_the_run_lets_everybody_go() {
    explore(3, 300, || {
        let world = World::new();
        let carrier = world.spawn(|world| {
            world.pause.enter(0);
            let is_over = world.pause.wait();
            if is_over {
                assert_eq!(world.over.get(), 1, "it is known why");
            }
            world.pause.leave(0);
        });
        let ender = world.spawn(|world| {
            world.over.set(1);
            world.pause.end();
        });
        if let Err(error) = world.pause() {
            assert_eq!(error, NotPaused::Over);
        }
        carrier.join().expect("no panic");
        ender.join().expect("no panic");
    });
}

/// The same for a device that is about to copy.
#[test]
fn the_end_of_the_run_lets_devices_go() {
    explore(3, 300, || {
        let world = World::new();
        let device = world.spawn(|world| {
            if !world.copy(0) {
                assert_eq!(world.over.get(), 1, "it is known why");
            }
        });
        let ender = world.spawn(|world| {
            world.over.set(1);
            world.pause.end();
        });
        if let Err(error) = world.pause() {
            assert_eq!(error, NotPaused::Over);
        }
        device.join().expect("no panic");
        ender.join().expect("no panic");
    });
}
