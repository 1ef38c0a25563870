//! Every interleaving of a bridge's locks in small cases: a device that signals, a guest that masks or changes what its function may do. Run
//! with `RUSTFLAGS="--cfg loom" cargo test -p devices --test pci_loom`.
//!
//! All racing bodies are spawned, and the runs counted.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

use devices::bus::Registers as _;
use devices::dma::{BadAddress, Dma, DmaError};
use devices::interrupt::Sources;
use devices::pci::{Bar, Bridge, Change, Fittings, Function, Identity, MessageKind, Slot, Space};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

const FIRST_LINE: u32 = 0x1001;
const FIRST_MESSAGE: u32 = 0x1005;

/// The interrupt controller: edges not yet served, and where the line is.
struct Ear {
    edges: AtomicUsize,
    line: AtomicBool,
}

impl Sources for Ear {
    fn pulse(&self, number: u32) {
        assert_eq!(number, FIRST_MESSAGE);
        self.edges.fetch_add(1, Ordering::AcqRel);
    }

    fn set_level(&self, number: u32, up: bool) {
        assert_eq!(number, FIRST_LINE);
        let before = self.line.swap(up, Ordering::AcqRel);
        assert_ne!(before, up);
    }
}

struct NoMemory;

impl Dma for NoMemory {
    fn read(&self, at: u64, _into: &mut [u8]) -> Result<(), DmaError> {
        Err(BadAddress { at, bytes: 0 }.into())
    }

    fn write(&self, at: u64, _from: &[u8]) -> Result<(), DmaError> {
        Err(BadAddress { at, bytes: 0 }.into())
    }
}

/// One vector, and no window of its own.
struct OneVector;

impl Function for OneVector {
    fn identity(&self) -> Identity {
        Identity {
            vendor: 1,
            device: 2,
            subsystem_vendor: 0,
            subsystem: 0,
            revision: 0,
            class: 0,
        }
    }

    fn bars(&self) -> Vec<(usize, Bar)> {
        Vec::new()
    }

    fn capabilities(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn vectors(&self) -> u16 {
        1
    }

    fn load(&self, _bar: usize, _offset: u64, _into: &mut [u8]) {}

    fn store(&self, _bar: usize, _offset: u64, _from: &[u8]) {}

    fn reset(&self) {}
}

struct World {
    bridge: StdArc<Bridge>,
    slot: StdArc<dyn Slot>,
    ear: StdArc<Ear>,
    work: AtomicUsize,
}

impl World {
    /// A function that is a master of the bus, with MSI-X on and its vector not masked.
    fn new() -> Arc<Self> {
        let ear = StdArc::new(Ear {
            edges: AtomicUsize::new(0),
            line: AtomicBool::new(false),
        });
        let bridge = Bridge::new(Fittings {
            sources: StdArc::clone(&ear) as StdArc<_>,
            first_line: FIRST_LINE,
            first_message: FIRST_MESSAGE,
            messages: 1,
            memory: Box::new(|| StdArc::new(NoMemory)),
            porter: None,
        });
        let mut slot = None;
        bridge
            .plug(|socket| {
                slot = Some(socket.slot);
                StdArc::new(OneVector)
            })
            .unwrap();
        bridge.change_msi(0, Change::Set(MessageKind::MsiX, 1)).unwrap();
        let world = Self {
            bridge: StdArc::new(bridge),
            slot: slot.unwrap(),
            ear,
            work: AtomicUsize::new(0),
        };
        world.command(0x406);
        world.mask(0);
        world.control(0x8000);
        Arc::new(world)
    }

    fn command(&self, bits: u32) {
        self.bridge.store_config(4, 2, bits).unwrap();
    }

    fn control(&self, bits: u32) {
        self.bridge.store_config(0x42, 2, bits).unwrap();
    }

    fn mask(&self, control: u32) {
        self.bridge.window(Space::Memory32).store(12, &control.to_le_bytes());
    }

    /// The device has done something, and says so.
    fn signal(&self) {
        self.work.store(1, Ordering::Release);
        self.slot.signal(0);
    }

    /// The guest's handler, if an edge has come.
    fn serve(&self) {
        if self.ear.edges.swap(0, Ordering::AcqRel) > 0 {
            self.work.store(0, Ordering::Release);
        }
    }
}

/// Runs `bodies` against each other in every order, then `end`. Each model makes more than `floor` runs.
fn model<const N: usize>(floor: usize, bodies: [fn(&World); N], end: fn(&World)) {
    let runs = StdArc::new(Count::new(0));
    let counted = StdArc::clone(&runs);
    loom::model(move || {
        counted.fetch_add(1, Relaxed);
        let world = World::new();
        let threads: Vec<_> = bodies
            .into_iter()
            .map(|body| {
                let world = Arc::clone(&world);
                thread::spawn(move || body(&world))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        end(&world);
    });
    let runs = runs.load(Relaxed);
    assert!(runs > floor, "{runs} runs");
}

/// All that was done has been noticed.
fn nothing_is_left(world: &World) {
    world.serve();
    assert_eq!(world.work.load(Ordering::Acquire), 0, "a signal is lost");
}

#[test]
fn a_signal_survives_a_mask_that_comes_and_goes() {
    let masks = |world: &World| {
        world.mask(1);
        world.mask(0);
    };
    model(10, [World::signal, masks], nothing_is_left);
}

#[test]
fn a_signal_survives_the_mask_of_all() {
    let masks = |world: &World| {
        world.control(0xc000);
        world.control(0x8000);
    };
    model(10, [World::signal, masks], nothing_is_left);
}

#[test]
fn a_signal_survives_a_loss_of_mastership() {
    let loses = |world: &World| {
        world.command(2);
        world.command(6);
    };
    model(10, [World::signal, loses], nothing_is_left);
}

#[test]
fn two_signals_and_an_unmasking_leave_nothing() {
    let unmasks = |world: &World| {
        world.mask(1);
        world.serve();
        world.mask(0);
    };
    model(30, [World::signal, World::signal, unmasks], nothing_is_left);
}

#[test]
fn no_message_is_on_its_way_when_the_store_that_masks_has_returned() {
    let masks = |world: &World| {
        world.mask(1);
        let edges = world.ear.edges.load(Ordering::Acquire);
        thread::yield_now();
        assert_eq!(world.ear.edges.load(Ordering::Acquire), edges);
    };
    model(5, [World::signal, masks], |_| ());
}

#[test]
fn the_line_is_where_its_function_put_it_once_msi_x_is_off() {
    let turns_off = |world: &World| world.control(0);
    let asks = |world: &World| world.slot.set_line(true);
    model(5, [turns_off, asks], |world| {
        // The call that hands out messages has disabled it.
        assert!(!world.ear.line.load(Ordering::Acquire));
        world.command(6);
        assert!(world.ear.line.load(Ordering::Acquire));
    });
}

#[test]
fn a_disabled_line_is_down_whoever_comes_first() {
    let disables = |world: &World| {
        world.command(6);
        world.command(0x406);
    };
    let moves = |world: &World| {
        world.slot.set_line(true);
        world.slot.set_line(false);
        world.slot.set_line(true);
    };
    let turns_off = |world: &World| world.control(0);
    model(30, [disables, moves, turns_off], |world| {
        assert!(!world.ear.line.load(Ordering::Acquire));
        world.command(6);
        assert!(world.ear.line.load(Ordering::Acquire));
    });
}
