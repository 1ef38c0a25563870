//! An emulated processor whose memory is taken away, protected and tracked by another thread while it runs.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use devices::bus::Registers;
use devices::nvram::Nvram;
use hpt::{Accessor, Endless, Fault, Right, Why};
use power::hpte::HpteV;
use power::insn::{Endian, assemble};
use power::page::{PagePair, SegmentSize, Vpn};

use super::*;
use crate::machine::{Machine, Reactions, Traits};
use crate::offer::Offer;
use crate::processors::Start;
use crate::size::Size;
use crate::stop::Stop;
use crate::vcpu::Vcpu;

const FRAME: Range<u64> = 0x5000..0x6000;

/// Counts in [`FRAME`] for ever.
const COUNT: &str = "li 5,0x5000; li 4,0; addi 4,4,1; std 4,0(5); b .-8";

/// A machine without PCI, whose processors `carriers` threads carry.
fn traits(carriers: usize) -> Traits {
    Traits {
        carriers,
        offer: Offer::default(),
        largest_table: Order::MIN,
        timed: false,
        duplicates: None,
        reactions: Reactions::default(),
        nvram: Nvram::volatile(),
        has_pci: false,
        turns: None,
        random: Arc::default(),
    }
}

/// Runs `program` on a processor, in real mode, while `meanwhile` does something to the machine.
fn run(program: &str, meanwhile: impl FnOnce(&Machine)) {
    let ram = Arc::new(GuestRam::new(Size::from_mib(16)).unwrap());
    let emulated = Emulated::new(Model::Power8, 1, &ram, Order::MIN, None).unwrap();
    let program = assemble(program, 0x4000, Endian::Big).unwrap();
    ram.write(0x4000, &program.bytes).unwrap();
    let traits = traits(1);
    let stop = Arc::<Stop>::default();
    let machine = Machine::new(ram, emulated.parts(), traits, Box::new(std::io::sink()), stop).unwrap();
    let mut processor = emulated.processor(0);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            processor.start(0x4000, 0, Msr::from_raw(Msr::SF | Msr::ME));
            while !over.load(Ordering::Relaxed) {
                if let Exit::Withheld { real, access, pc } = processor.run(|_| false) {
                    let by = Accessor::Processor { server: 0, pc };
                    let _: Result<_, _> = machine.ram.frames().wait_for(&Fault { real, access, by }, &over);
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

/// Linux takes an address in r5 for Open Firmware's.
#[test]
fn a_processor_starts_with_zeros_however_often() {
    let ram = Arc::new(GuestRam::new(Size::from_mib(16)).unwrap());
    let emulated = Emulated::new(Model::Power8, 1, &ram, Order::MIN, None).unwrap();
    let mut processor = emulated.processor(0);
    (0..32).for_each(|number| processor.set_gpr(number, 7));
    processor.start(0x4000, 0x1234, Msr::from_raw(Msr::SF));
    for number in 0..32 {
        assert_eq!(processor.gpr(number), if number == 3 { 0x1234 } else { 0 }, "r{number}");
    }
}

/// It goes on in the guest after each hypercall that is answered inside, and is out as soon as somebody rings; the others are exits.
#[test]
fn a_processor_whose_hypercalls_are_answered_inside_leaves_when_it_is_rung() {
    const UNTIL_RUNG: u64 = 1000;
    let ram = Arc::new(GuestRam::new(Size::from_mib(16)).unwrap());
    let emulated = Emulated::new(Model::Power8, 1, &ram, Order::MIN, None).unwrap();
    let program = assemble("addi 5,5,1; sc 1; b .-8", 0x4000, Endian::Big).unwrap();
    ram.write(0x4000, &program.bytes).unwrap();
    let mut processor = emulated.processor(0);
    processor.start(0x4000, 0, Msr::from_raw(Msr::SF | Msr::ME));
    let seat = || format!("{:?}", emulated.shootdown.seat(0));
    for round in 1..=3 {
        let exit = processor.run(|processor| {
            assert!(seat().contains("inside: true"), "{}", seat());
            if processor.gpr(5) == round * UNTIL_RUNG {
                emulated.lines[0].ring();
            }
            true
        });
        assert!(matches!(exit, Exit::Attention));
        assert_eq!(processor.gpr(5), round * UNTIL_RUNG);
        assert!(seat().contains("inside: false"), "{}", seat());
    }
    assert!(matches!(processor.run(|_| false), Exit::Hypercall));
}

#[test]
fn a_protected_frame_stays_as_it_is_until_the_right_comes_back() {
    run(COUNT, |machine| {
        let protection = machine.ram.frames().protect(None).unwrap();
        for right in [Right::Load, Right::Nothing].repeat(10) {
            await_progress(machine);
            protection.take(FRAME, right, &Endless).unwrap();
            // This program's own look needs the right as well.
            protection.give(FRAME, Right::Load);
            let before = count(machine);
            for _ in 0..10 {
                thread::yield_now();
                assert_eq!(count(machine), before);
            }
            protection.give(FRAME, Right::Store);
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

/// A register of eight bytes that counts its loads.
#[derive(Default)]
struct Counter(AtomicU64);

impl Registers for Counter {
    fn load(&self, offset: u64, into: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        into.copy_from_slice(&count[offset as usize..][..into.len()]);
    }

    fn store(&self, offset: u64, from: &[u8]) {
        assert_eq!((offset, from.len()), (0, 8));
        let count = u64::from_be_bytes(from.try_into().unwrap());
        self.0.store(count, Ordering::Relaxed);
    }
}

/// In real mode, and through the table: its entry is one that H_ENTER takes for a device alone.
#[test]
fn a_processor_reaches_a_device_on_the_bus() {
    const AT: u64 = 1 << 40;
    // H_CEDE at the end.
    const PROGRAM: &str = "std 6,0(5); ld 7,0(5); ld 8,0(5); li 3,0xe0; sc 1";
    let ram = Arc::new(GuestRam::new(Size::from_mib(16)).unwrap());
    let emulated = Emulated::new(Model::Power8, 2, &ram, Order::MIN, None).unwrap();
    let traits = traits(2);
    let machine = Machine::new(ram, emulated.parts(), traits, Box::new(std::io::sink()), Arc::default()).unwrap();
    let counter = Arc::<Counter>::default();
    let entry = |wimg: u64| {
        let pair = PagePair::ALL[0];
        let page = Vpn::new(1, SegmentSize::Size256M, pair.base(), 0);
        let group = page.hash() & (Order::MIN.groups() - 1);
        let v = HpteV::new(page, pair, false).raw();
        machine.hpt.port().enter(0, group * 8, v, AT | wimg << 3 | 2)
    };
    assert!(entry(0b0101).is_err(), "nothing is there yet");
    machine.bus.map(AT..AT + 0x1000, Arc::clone(&counter) as _).unwrap();
    assert!(entry(0b0010).is_err(), "a device is not cached");
    entry(0b0101).unwrap();
    // AT, and EA.
    let bases = ["li 5,1; sldi 5,5,40", "lis 5,0x2000"];
    for (server, (base, translated)) in bases.into_iter().zip([0, Msr::DR]).enumerate() {
        let mut vcpu = Vcpu::new(server);
        // The segment's entry is valid.
        let text = format!("lis 4,0x2800; slbmte 3,4; {base}; li 6,41; {PROGRAM}");
        let program = assemble(&text, 0x4000, Endian::Big).unwrap();
        machine.ram.write(0x4000, &program.bytes).unwrap();
        assert!(machine.processors.by_server(server).start(Start {
            pc: 0x4000,
            r3: 1 << 12,
            msr: Msr::from_raw(Msr::SF | Msr::ME | translated),
        }));
        assert!(vcpu.arrive(&machine, |server| emulated.processor(server)));
        assert_eq!(vcpu.run(&machine, &|| false), None);
        assert_eq!(
            counter.0.load(Ordering::Relaxed),
            43,
            "41 was stored, and two have loaded"
        );
        vcpu.report(&machine);
    }
}
