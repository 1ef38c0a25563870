//! Translations that go, or change, between two executions of the same machine code: the next one finds what is true then.

use emulator::{Compile, Cpu, Exit};
use hpt::Invalidation;
use power::insn::{Endian, assemble};
use power::msr::Msr;
use power::page::{PagePair, SegmentSize, Vpn};

use crate::machine::{Machine, segment};

const PROGRAM: u64 = 0x8000;
const PAIR: PagePair = PagePair::ALL[0];
const EA: u64 = 0x1000_0000;
/// Two segments that are at this address by turns, each with a page of its own.
const A: u64 = 0x201;
const B: u64 = 0x302;
const PAGE_A: u64 = 0x1_0000;
const PAGE_B: u64 = 0x2_0000;
/// Anybody stores; nobody does.
const OPEN: u64 = 2;
const READ_ONLY: u64 = 3;
const DATA_STORAGE: u64 = 0x300;
const INSTRUCTION_STORAGE: u64 = 0x400;
/// Loads from the page's first two doublewords, and stores to the next two and to the first.
const ACCESSES: &str = "ld 5,0(4); ld 6,8(4); std 5,16(4); std 6,24(4); addi 7,5,1; std 7,0(4)";
const SRR0: u16 = 26;
const DAR: u16 = 19;

struct World {
    machine: Machine,
    cpu: Cpu,
    /// Place of A's page in the table.
    entry: u64,
}

impl World {
    /// With `program` in memory, to be executed as often as a test wants.
    fn new(compile: Compile, program: &str) -> Self {
        let machine = Machine::new(0x4_0000).with_compile(compile);
        machine.stop_at_vectors(false);
        for (real, number) in [(PAGE_A, 100_u64), (PAGE_B, 200)] {
            machine.write(real, &[[0; 8]; 512].concat());
            machine.write(real, &number.to_be_bytes());
            machine.write(real + 8, &(number + 1).to_be_bytes());
        }
        let entry = machine.map(A, SegmentSize::Size256M, PAIR, 0, PAGE_A, OPEN);
        machine.map(B, SegmentSize::Size256M, PAIR, 0, PAGE_B, OPEN);
        let cpu = machine.cpu(0).0;
        let mut world = Self { machine, cpu, entry };
        world.write(PROGRAM, "slbmte 10,11; isync; sc 1");
        (10..)
            .zip(segment_registers(A))
            .for_each(|(n, value)| world.cpu.set_gpr(n, value));
        world.run(0);
        world.write(PROGRAM, &format!("{program}; sc 1"));
        world
    }

    fn write(&self, real: u64, text: &str) {
        let program = assemble(text, real, Endian::Big).expect("the program is well-formed");
        self.machine.write(real, &program.bytes);
    }

    /// Runs the program; the address at which it stopped.
    fn run(&mut self, msr: u64) -> u64 {
        self.cpu.set_gpr(4, EA);
        self.cpu.start(PROGRAM, 0, Msr::from_raw(Msr::SF | Msr::ME | msr));
        assert_eq!(self.cpu.run(), Exit::Hypercall, "{}", self.cpu.dump());
        self.cpu.pc() - 4
    }

    /// Four doublewords of a page.
    fn page(&self, real: u64) -> [u64; 4] {
        [0, 8, 16, 24].map(|at| u64::from_be_bytes(self.machine.read(real + at)))
    }

    /// Takes A's page out of the table.
    fn remove(&mut self) {
        self.remove_at(self.entry, 0);
    }

    /// Takes the entry of A's page at `offset` out of the table, as H_REMOVE does.
    fn remove_at(&mut self, entry: u64, offset: u64) {
        self.machine.unmap(entry);
        self.cpu.invalidate(&Invalidation::Page {
            page: Vpn::new(A, SegmentSize::Size256M, PAIR.base(), offset),
            actual: PAIR.actual(),
            real: 0,
        });
    }

    fn map(&mut self, real: u64, rights: u64) {
        self.entry = self.machine.map(A, SegmentSize::Size256M, PAIR, 0, real, rights);
    }
}

/// What `slbmte` takes to put a segment at [`EA`].
fn segment_registers(vsid: u64) -> [u64; 2] {
    let (rs, rb) = segment(EA, vsid, PAIR, 3);
    [rs, rb]
}

fn end(program: &str) -> u64 {
    PROGRAM + 4 * program.split("; ").count() as u64
}

#[test]
fn a_page_that_moves_is_accessed_where_it_is() {
    let mut world = World::new(Compile::AtOnce, ACCESSES);
    for round in 0..3 {
        assert_eq!(world.run(Msr::DR), end(ACCESSES));
        assert_eq!(world.page(PAGE_A), [101 + round, 101, 100 + round, 101]);
    }
    world.remove();
    world.map(PAGE_B, OPEN);
    assert_eq!(world.run(Msr::DR), end(ACCESSES));
    assert_eq!(world.page(PAGE_B), [201, 201, 200, 201]);
    assert_eq!(
        world.page(PAGE_A),
        [103, 101, 102, 101],
        "nothing was stored to the old one"
    );
}

#[test]
fn a_page_that_is_removed_is_not_accessed() {
    let mut world = World::new(Compile::AtOnce, ACCESSES);
    (0..3).for_each(|_| assert_eq!(world.run(Msr::DR), end(ACCESSES)));
    let before = world.page(PAGE_A);
    world.remove();
    assert_eq!(world.run(Msr::DR), DATA_STORAGE);
    assert_eq!((world.cpu.spr(SRR0), world.cpu.spr(DAR)), (Some(PROGRAM), Some(EA)));
    assert_eq!(world.page(PAGE_A), before);
}

#[test]
fn a_page_that_is_made_read_only_is_loaded_from_and_not_stored_to() {
    let mut world = World::new(Compile::AtOnce, ACCESSES);
    (0..3).for_each(|_| assert_eq!(world.run(Msr::DR), end(ACCESSES)));
    let before = world.page(PAGE_A);
    world.remove();
    world.map(PAGE_A, READ_ONLY);
    for register in 5..7 {
        world.cpu.set_gpr(register, 0);
    }
    assert_eq!(world.run(Msr::DR), DATA_STORAGE);
    // The third instruction is the first that stores.
    assert_eq!(
        (world.cpu.spr(SRR0), world.cpu.spr(DAR)),
        (Some(PROGRAM + 8), Some(EA + 16))
    );
    assert_eq!([world.cpu.gpr(5), world.cpu.gpr(6)], before[..2]);
    assert_eq!(world.page(PAGE_A), before);
}

/// A loop that looks at two segments by turns.
#[test]
fn a_segment_that_is_replaced_by_the_code_itself_takes_its_page_along() {
    let swap = "mr 14,10; mr 10,12; mr 12,14";
    let program = format!("li 9,10; mtctr 9; 1: {ACCESSES}; {swap}; slbie 4; slbmte 10,11; isync; bdnz 1b");
    let mut world = World::new(Compile::AtOnce, &program);
    world.cpu.set_gpr(12, segment_registers(B)[0]);
    world.run(Msr::DR);
    // Ten times round, five in each.
    assert_eq!(world.page(PAGE_A), [105, 101, 104, 101]);
    assert_eq!(world.page(PAGE_B), [205, 201, 204, 201]);
}

/// A loop whose accesses are translated every other time only: else they are to the real page of the same number as the effective one.
#[test]
fn what_is_translated_by_turns_is_accessed_in_either_place() {
    let program = format!("li 9,10; mtctr 9; 1: {ACCESSES}; mfmsr 8; xori 8,8,0x10; xor 4,4,12; mtmsrd 8; bdnz 1b");
    let mut world = World::new(Compile::AtOnce, &program);
    world.cpu.set_gpr(12, EA ^ PAGE_B);
    world.run(Msr::DR);
    assert_eq!(world.page(PAGE_A), [105, 101, 104, 101]);
    assert_eq!(world.page(PAGE_B), [205, 201, 204, 201]);
}

/// Two pages of code, the first of which goes on in the second by the way that it knows.
#[test]
fn a_page_of_code_that_moves_is_executed_where_it_is() {
    const FIRST: (u64, u64) = (0x1000, 0x1_1000);
    const SECOND: u64 = 0x2000;
    const PLACES: [(u64, u64); 2] = [(0x1_2000, 1), (0x1_3000, 2)];
    let mut world = World::new(Compile::AtOnce, "nop");
    let map = |machine: &Machine, offset, real| machine.map(A, SegmentSize::Size256M, PAIR, offset, real, OPEN);
    map(&world.machine, FIRST.0, FIRST.1);
    world.write(FIRST.1, "b .+0x1000");
    for (real, number) in PLACES {
        world.write(real, &format!("li 3,{number}; sc 1"));
    }
    let execute = |world: &mut World| {
        world
            .cpu
            .start(EA + FIRST.0, 0, Msr::from_raw(Msr::SF | Msr::ME | Msr::IR));
        assert_eq!(world.cpu.run(), Exit::Hypercall, "{}", world.cpu.dump());
        (world.cpu.pc() - 4, world.cpu.gpr(3))
    };
    for (real, number) in PLACES {
        let entry = map(&world.machine, SECOND, real);
        for _ in 0..5 {
            assert_eq!(execute(&mut world), (EA + SECOND + 4, number));
        }
        world.remove_at(entry, SECOND);
    }
    assert_eq!(execute(&mut world), (INSTRUCTION_STORAGE, 0));
}
