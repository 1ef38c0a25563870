//! Segments that come and go while what they translated is in use (Power ISA v2.07B, Book III-S, 5.9.3.1): what the
//! processor remembers of a segment is used with that segment alone, and the table is asked again where it must be.

#[path = "../machine/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod machine;

use emulator::{Compile, Cpu, Exit};
use hpt::Invalidation;
use machine::{Machine, segment};
use power::insn::{Endian, assemble};
use power::msr::Msr;
use power::page::{PagePair, SegmentSize, Vpn};

const RAM: usize = 0x40_0000;
/// Where the programs are, effective and real.
const PROGRAMS: u64 = 0x8000;
/// A page in the segment under test.
const EA: u64 = 0x1000_3000;
const OFFSET: u64 = EA & 0x0fff_ffff;
const PAIR: PagePair = PagePair::ALL[0];
/// The segment with the programs, as SLB entry 0.
const BASE: u64 = 0x100;
/// Two processes' segments at the address of the page, with a page each.
const A: u64 = 0x201;
const B: u64 = 0x302;
const PAGE_A: u64 = 0x1_0000;
const PAGE_B: u64 = 0x2_0000;
/// Nobody has used this one yet.
const PAGE_C: u64 = 0x3_0000;

const DATA_STORAGE: u64 = 0x300;
const DATA_SEGMENT: u64 = 0x380;
const INSTRUCTION_STORAGE: u64 = 0x400;
const INSTRUCTION_SEGMENT: u64 = 0x480;

/// A processor that executes programs with translation on.
struct World {
    machine: Machine,
    cpu: Cpu,
    /// Where the next program goes.
    next: u64,
    /// Places of the pages of A and B in the table.
    entries: [u64; 2],
}

impl World {
    /// One that interprets, and one that compiles.
    fn each() -> impl Iterator<Item = Self> {
        [Compile::Never, Compile::AtOnce].into_iter().map(Self::new)
    }

    fn new(compile: Compile) -> Self {
        let machine = Machine::new(RAM).with_compile(compile);
        machine.stop_at_vectors(false);
        for page in 0..4 {
            let at = PROGRAMS + 0x1000 * page;
            machine.map(BASE, SegmentSize::Size256M, PAIR, at, at, 2);
        }
        let entries = [(A, PAGE_A, 1), (B, PAGE_B, 2)].map(|(vsid, real, number)| {
            fill(&machine, real, number);
            machine.map(vsid, SegmentSize::Size256M, PAIR, OFFSET, real, 2)
        });
        let (cpu, _) = machine.cpu(0);
        let mut world = Self {
            machine,
            cpu,
            next: PROGRAMS,
            entries,
        };
        world.set_segment(0, 0, BASE);
        world
    }

    /// Runs a program and says where it ended: at its own end, or in an interrupt's vector.
    fn run(&mut self, text: &str, msr: u64) -> End {
        let program = assemble(&format!("{text}; sc 1"), self.next, Endian::Big).expect("the program is well-formed");
        self.machine.write(self.next, &program.bytes);
        let r3 = self.cpu.gpr(3);
        self.cpu.start(self.next, r3, Msr::from_raw(Msr::SF | Msr::ME | msr));
        self.next += program.bytes.len() as u64;
        while self.cpu.run() != Exit::Hypercall {}
        match self.cpu.pc() {
            pc if pc == self.next => End::Here,
            pc => End::Vector(pc - 4),
        }
    }

    /// `slbmte`, in real mode.
    fn set_segment(&mut self, index: u64, ea: u64, vsid: u64) {
        let (rs, rb) = segment(ea, vsid, PAIR, index);
        self.cpu.set_gpr(10, rs);
        self.cpu.set_gpr(11, rb);
        assert_eq!(self.run("slbmte 10,11; isync", 0), End::Here);
    }

    fn slbie(&mut self, ea: u64) {
        self.cpu.set_gpr(10, ea);
        assert_eq!(self.run("slbie 10; isync", 0), End::Here);
    }

    fn slbia(&mut self) {
        assert_eq!(self.run("slbia; isync", 0), End::Here);
    }

    /// Loads from the page, stores to it, and calls the code in it: what the three found.
    fn visit(&mut self) -> Result<[u64; 2], End> {
        self.cpu.set_gpr(4, EA);
        let text = "ld 5,8(4); addi 5,5,16; std 5,8(4); mtctr 4; bctrl";
        match self.run(text, Msr::IR | Msr::DR) {
            End::Here => Ok([self.cpu.gpr(5), self.cpu.gpr(3)]),
            end => Err(end),
        }
    }

    /// Loads from the page: where that ended.
    fn load(&mut self) -> End {
        self.cpu.set_gpr(4, EA);
        self.run("ld 5,8(4)", Msr::IR | Msr::DR)
    }

    /// Calls the code in the page: where that ended.
    fn call(&mut self) -> End {
        self.cpu.set_gpr(4, EA);
        self.run("mtctr 4; bctrl", Msr::IR | Msr::DR)
    }

    /// H_REMOVE, as the processor sees it: the entry goes, and so does what is remembered of it.
    fn remove(&mut self, entry: usize, vsid: u64) {
        self.machine.unmap(self.entries[entry]);
        self.cpu.invalidate(&Invalidation::Page {
            page: Vpn::new(vsid, SegmentSize::Size256M, PAIR.base(), OFFSET),
            actual: PAIR.actual(),
            real: 0,
        });
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Here,
    Vector(u64),
}

/// A page with code that returns `number`, and then `number` as a doubleword.
fn fill(machine: &Machine, real: u64, number: u64) {
    machine.write_code(real, &[0x3860_0000 | number as u32, 0x4e80_0020], false);
    machine.write(real + 8, &number.to_be_bytes());
}

#[test]
fn a_segment_that_is_replaced_takes_its_translations_along() {
    for mut world in World::each() {
        world.set_segment(5, EA, A);
        assert_eq!(world.visit(), Ok([17, 1]));
        // The same entry, in use, for another segment.
        world.set_segment(5, EA, B);
        assert_eq!(world.visit(), Ok([18, 2]));
        assert_eq!(world.visit(), Ok([34, 2]));
        world.set_segment(5, EA, A);
        assert_eq!(world.visit(), Ok([33, 1]));
        // The entry goes to another address.
        world.set_segment(5, 0x2000_0000, A);
        assert_eq!(world.load(), End::Vector(DATA_SEGMENT));
        assert_eq!(world.call(), End::Vector(INSTRUCTION_SEGMENT));
    }
}

#[test]
fn an_entry_that_is_written_again_as_it_was_changes_nothing() {
    for mut world in World::each() {
        world.set_segment(5, EA, A);
        assert_eq!(world.visit(), Ok([17, 1]));
        world.set_segment(5, EA, A);
        assert_eq!(world.visit(), Ok([33, 1]));
    }
}

#[test]
fn slbie_takes_one_segment_and_leaves_the_others() {
    for mut world in World::each() {
        world.set_segment(5, EA, A);
        assert_eq!(world.visit(), Ok([17, 1]));
        world.slbie(EA + 0x0fff_0000);
        assert_eq!(world.load(), End::Vector(DATA_SEGMENT));
        assert_eq!(world.call(), End::Vector(INSTRUCTION_SEGMENT));
        world.set_segment(6, EA, A);
        assert_eq!(world.visit(), Ok([33, 1]));
    }
}

#[test]
fn slbia_takes_all_segments_but_that_of_entry_0() {
    for mut world in World::each() {
        world.set_segment(5, EA, A);
        world.set_segment(31, 0x2000_0000, B);
        assert_eq!(world.visit(), Ok([17, 1]));
        world.slbia();
        // The program itself is in the segment of entry 0.
        assert_eq!(world.load(), End::Vector(DATA_SEGMENT));
        world.set_segment(5, EA, B);
        assert_eq!(world.visit(), Ok([18, 2]));
    }
}

#[test]
fn processes_that_take_turns_see_their_own_memory_and_code() {
    for mut world in World::each() {
        for turn in 1..20 {
            for (vsid, number) in [(A, 1), (B, 2)] {
                if turn % 2 == 0 {
                    world.slbie(EA);
                } else {
                    world.slbia();
                }
                world.set_segment(1 + turn % 3, EA, vsid);
                assert_eq!(world.visit(), Ok([number + 16 * turn, number]), "turn {turn}");
            }
        }
    }
}

#[test]
fn an_entry_that_is_removed_while_its_segment_is_absent_is_not_found_again() {
    for (by_slbia, mut world) in [false, true]
        .into_iter()
        .flat_map(|by_slbia| World::each().map(move |world| (by_slbia, world)))
    {
        world.set_segment(5, EA, A);
        assert_eq!(world.visit(), Ok([17, 1]));
        if by_slbia {
            world.slbia();
        } else {
            world.slbie(EA);
        }
        world.remove(0, A);
        world.set_segment(5, EA, A);
        assert_eq!(world.load(), End::Vector(DATA_STORAGE));
        assert_eq!(world.call(), End::Vector(INSTRUCTION_STORAGE));
    }
}

#[test]
fn an_entry_that_is_removed_while_another_segment_has_its_place_is_not_found_again() {
    for mut world in World::each() {
        world.set_segment(5, EA, A);
        assert_eq!(world.visit(), Ok([17, 1]));
        world.set_segment(5, EA, B);
        assert_eq!(world.visit(), Ok([18, 2]));
        world.remove(0, A);
        assert_eq!(world.visit(), Ok([34, 2]));
        world.set_segment(5, EA, A);
        assert_eq!(world.load(), End::Vector(DATA_STORAGE));
        assert_eq!(world.call(), End::Vector(INSTRUCTION_STORAGE));
    }
}

#[test]
fn a_page_that_moved_while_its_segment_was_absent_is_found_where_it_is_now() {
    for mut world in World::each() {
        world.set_segment(5, EA, A);
        assert_eq!(world.visit(), Ok([17, 1]));
        world.slbie(EA);
        world.remove(0, A);
        fill(&world.machine, PAGE_C, 3);
        world.machine.map(A, SegmentSize::Size256M, PAIR, OFFSET, PAGE_C, 2);
        world.set_segment(5, EA, A);
        assert_eq!(world.visit(), Ok([19, 3]));
    }
}

#[test]
fn code_that_changed_while_its_segment_was_absent_is_decoded_again() {
    for mut world in World::each() {
        world.set_segment(5, EA, A);
        assert_eq!(world.visit(), Ok([17, 1]));
        world.slbie(EA);
        fill(&world.machine, PAGE_A, 7);
        world.set_segment(5, EA, A);
        assert_eq!(world.visit(), Ok([23, 7]));
    }
}

#[test]
fn a_removed_page_is_gone_at_every_address_that_its_segment_has() {
    for mut world in World::each() {
        // One virtual segment at two effective addresses, as the architecture allows.
        world.set_segment(5, EA, A);
        world.set_segment(6, EA + 0x1000_0000, A);
        assert_eq!(world.visit(), Ok([17, 1]));
        world.cpu.set_gpr(4, EA + 0x1000_0000);
        assert_eq!(world.run("ld 5,8(4)", Msr::IR | Msr::DR), End::Here);
        assert_eq!(world.cpu.gpr(5), 17);
        world.remove(0, A);
        assert_eq!(world.load(), End::Vector(DATA_STORAGE));
        world.cpu.set_gpr(4, EA + 0x1000_0000);
        assert_eq!(world.run("ld 5,8(4)", Msr::IR | Msr::DR), End::Vector(DATA_STORAGE));
    }
}
