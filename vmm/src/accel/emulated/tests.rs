//! An emulated processor whose memory is taken away, protected and tracked by another thread while it runs.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hpt::{Endless, Right, Why};
use power::insn::{Endian, assemble};

use super::*;
use crate::machine::{Machine, Traits};
use crate::offer::Offer;
use crate::size::Size;
use crate::stop::Stop;

const FRAME: Range<u64> = 0x5000..0x6000;

/// Counts in [`FRAME`] for ever.
const COUNT: &str = "li 5,0x5000; li 4,0; addi 4,4,1; std 4,0(5); b .-8";

/// Runs `program` on a processor, in real mode, while `meanwhile` does something to the machine.
fn run(program: &str, meanwhile: impl FnOnce(&Machine)) {
    let ram = Arc::new(GuestRam::new(Size::from_mib(16)).unwrap());
    let emulated = Emulated::new(1, &ram, Order::MIN, None).unwrap();
    let program = assemble(program, 0x4000, Endian::Big).unwrap();
    ram.write(0x4000, &program.bytes).unwrap();
    let traits = Traits {
        carriers: 1,
        offer: Offer::default(),
        largest_table: Order::MIN,
        timed: false,
        duplicates: None,
    };
    let stop = Arc::<Stop>::default();
    let machine = Machine::new(ram, emulated.parts(), traits, Box::new(std::io::sink()), stop).unwrap();
    let mut processor = emulated.processor(0);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            processor.start(0x4000, 0, Msr::from_raw(Msr::SF | Msr::ME));
            while !over.load(Ordering::Relaxed) {
                if let Exit::Withheld { real, access } = processor.run() {
                    let _: Result<_, _> = machine.ram.frames().wait_for(real, access, &over);
                }
            }
        });
        meanwhile(&machine);
        over.store(true, Ordering::Relaxed);
        emulated.lines[0].ring();
    });
}

fn count(machine: &Machine) -> u64 {
    u64::from_be_bytes(machine.ram.read(FRAME.start).unwrap())
}

/// Returns when the processor has counted on.
fn await_progress(machine: &Machine) {
    let before = count(machine);
    while count(machine) == before {
        thread::yield_now();
    }
}

#[test]
fn a_protected_frame_stays_as_it_is_until_the_right_comes_back() {
    run(COUNT, |machine| {
        for right in [Right::Load, Right::Nothing].repeat(10) {
            await_progress(machine);
            machine.ram.frames().narrow(FRAME, right, &Endless).unwrap();
            // This program's own look needs the right as well.
            machine.ram.frames().widen(FRAME, Right::Load);
            let before = count(machine);
            for _ in 0..10 {
                thread::yield_now();
                assert_eq!(count(machine), before);
            }
            machine.ram.frames().widen(FRAME, Right::Store);
        }
    });
}

#[test]
fn a_stored_frame_is_in_every_log_and_others_in_none() {
    run(COUNT, |machine| {
        let frames = machine.ram.frames();
        let mut unmapper = machine.hpt.unmapper();
        frames.track(true);
        frames.harvest(&mut unmapper, &Endless).unwrap();
        for _ in 0..20 {
            await_progress(machine);
            machine.ram.write(0x8ffc, &[1; 8]).unwrap();
            let log = frames.harvest(&mut unmapper, &Endless).unwrap();
            let ranges: Vec<_> = log.ranges().collect();
            assert_eq!(ranges, [FRAME, 0x8000..0xa000]);
        }
    });
}

#[test]
fn nobody_stores_to_memory_that_is_discarded() {
    run(COUNT, |machine| {
        for _ in 0..20 {
            await_progress(machine);
            let range = machine.ram.notifier().begin(FRAME, Why::Discard, &Endless).unwrap();
            let memory = machine.ram.mapping();
            let look = || -> [u8; 8] {
                use vm_memory::{Bytes as _, GuestAddress};
                memory.read_obj(GuestAddress(FRAME.start)).unwrap()
            };
            let before = look();
            for _ in 0..10 {
                thread::yield_now();
                assert_eq!(look(), before);
            }
            drop(range);
        }
    });
}
