//! Loads and stores in a row at one base, wherever one of them faults: what is before it is done, it and what follows is not, and the
//! interrupt names it.

#[expect(dead_code, reason = "other tests use the rest")]
mod machine;

use emulator::{Compile, Cpu, Exit};
use machine::{Machine, segment};
use power::insn::{Endian, assemble};
use power::msr::Msr;
use power::page::{PagePair, SegmentSize};

const RAM: usize = 0x40_0000;
const PROGRAM: u64 = 0x8000;
const PAIR: PagePair = PagePair::ALL[0];
const VSID: u64 = 0x201;
const EA: u64 = 0x1000_0000;
/// Where the first pages of the segment are, not in their order; the one after them is missing.
const PAGES: [u64; 2] = [0x10_3000, 0x10_0000];
const END: u64 = EA + 0x2000;
/// Instructions of a row, which are done eight, four and three at once.
const LENGTH: u64 = 15;
const SRR0: u16 = 26;
const DAR: u16 = 19;

struct World {
    machine: Machine,
    cpu: Cpu,
    endian: Endian,
}

impl World {
    /// One that interprets, and one that compiles.
    fn each(endian: Endian) -> impl Iterator<Item = Self> {
        let each = [Compile::Never, Compile::AtOnce].into_iter();
        each.map(move |compile| Self::new(endian, compile))
    }

    fn new(endian: Endian, compile: Compile) -> Self {
        let machine = Machine::new(RAM).with_compile(compile);
        let is_little = endian == Endian::Little;
        // Interrupts change the byte order to that of the table's owner.
        machine.stop_at_vectors(false);
        for (n, real) in (0..).zip(PAGES) {
            machine.map(VSID, SegmentSize::Size256M, PAIR, n << 12, real, 2);
            let bytes: Vec<u8> = (0..0x1000_u64).map(|at| memory_at((n << 12) + at)).collect();
            machine.write(real, &bytes);
        }
        let (cpu, _) = machine.cpu(0);
        let mut world = Self { machine, cpu, endian };
        let (rs, rb) = segment(EA, VSID, PAIR, 3);
        world.cpu.set_gpr(10, rs);
        world.cpu.set_gpr(11, rb);
        world.run("slbmte 10,11; isync", 0);
        assert_eq!(world.cpu.msr().has(Msr::LE), is_little);
        world
    }

    fn run(&mut self, text: &str, msr: u64) {
        let program = assemble(&format!("{text}; sc 1"), PROGRAM, self.endian).expect("the program is well-formed");
        self.machine.write(PROGRAM, &program.bytes);
        let order = if self.endian == Endian::Little { Msr::LE } else { 0 };
        self.cpu
            .start(PROGRAM, 0, Msr::from_raw(Msr::SF | Msr::ME | order | msr));
        while self.cpu.run() != Exit::Hypercall {}
    }

    /// The `bytes` at `offset` from [`EA`] as an integer.
    fn integer(&self, offset: u64, bytes: u64) -> u64 {
        let each = (0..bytes).map(|at| {
            let [byte] = self
                .machine
                .read::<1>(PAGES[((offset + at) >> 12) as usize] + (offset + at) % 0x1000);
            u64::from(byte)
        });
        match self.endian {
            Endian::Big => each.fold(0, |sum, byte| sum << 8 | byte),
            Endian::Little => each.rev().fold(0, |sum, byte| sum << 8 | byte),
        }
    }
}

fn memory_at(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9) >> 13) as u8
}

/// All bases from a whole row before the end of what is mapped to past it, and over the border of two pages; also unaligned.
fn bases() -> impl Iterator<Item = u64> {
    let before = |end: u64| (end - 8 * LENGTH - 8..=end).step_by(4).chain([end - 37]);
    before(EA + 0x1000).chain(before(END))
}

/// How many of the accesses of a row at `base` come before the first that is not all mapped.
fn done(base: u64, bytes: u64) -> u64 {
    (0..LENGTH).take_while(|n| base + n * bytes + bytes <= END).count() as u64
}

fn assert_that_it_stopped(world: &World, base: u64, bytes: u64) {
    let done = done(base, bytes);
    if done < LENGTH {
        assert_eq!(world.cpu.spr(SRR0), Some(PROGRAM + 4 * done), "{base:#x}");
        let first = base + done * bytes;
        assert_eq!(
            world.cpu.spr(DAR),
            Some(first.max(END.min(first + bytes - 1))),
            "{base:#x}"
        );
    } else {
        assert_eq!(world.cpu.pc(), PROGRAM + 4 * (LENGTH + 1));
    }
}

#[test]
fn loads_in_a_row_stop_at_the_one_that_faults() {
    for endian in [Endian::Big, Endian::Little] {
        for (name, bytes) in [("ld", 8), ("lwz", 4)] {
            for mut world in World::each(endian) {
                let row = |n: u64| format!("{name} {},{}(4)", 5 + n, n * bytes);
                let text = (0..LENGTH).map(row).collect::<Vec<_>>().join("; ");
                for base in bases() {
                    // The second time the pages are known.
                    for _ in 0..2 {
                        (5..5 + LENGTH as usize).for_each(|register| world.cpu.set_gpr(register, 1));
                        world.cpu.set_gpr(4, base);
                        world.run(&text, Msr::DR);
                        let done = done(base, bytes);
                        for n in 0..LENGTH {
                            let expected = if n < done {
                                world.integer(base - EA + n * bytes, bytes)
                            } else {
                                1
                            };
                            assert_eq!(world.cpu.gpr(5 + n as usize), expected, "{name} {n} at {base:#x}");
                        }
                        assert_that_it_stopped(&world, base, bytes);
                    }
                }
            }
        }
    }
}

#[test]
fn stores_in_a_row_stop_at_the_one_that_faults() {
    for endian in [Endian::Big, Endian::Little] {
        for (name, bytes) in [("std", 8), ("stw", 4)] {
            for mut world in World::each(endian) {
                let row = |n: u64| format!("{name} {},{}(4)", 5 + n, n * bytes);
                let text = (0..LENGTH).map(row).collect::<Vec<_>>().join("; ");
                for (round, base) in (1..).zip(bases()) {
                    let value = |n: u64| (round * 0x0101_0203_0405_0607_u64 + n) & (u64::MAX >> (64 - 8 * bytes));
                    (0..LENGTH).for_each(|n| world.cpu.set_gpr(5 + n as usize, value(n)));
                    world.cpu.set_gpr(4, base);
                    world.run(&text, Msr::DR);
                    for n in 0..done(base, bytes) {
                        assert_eq!(
                            world.integer(base - EA + n * bytes, bytes),
                            value(n),
                            "{name} {n} at {base:#x}"
                        );
                    }
                    assert_that_it_stopped(&world, base, bytes);
                }
            }
        }
    }
}

/// What follows such a load is at the new base.
#[test]
fn a_load_into_the_base_moves_what_follows() {
    for mut world in World::each(Endian::Big) {
        world.machine.write(PAGES[0] + 16, &(EA + 0x100).to_be_bytes());
        let text = "ld 5,0(4); ld 6,8(4); ld 4,16(4); ld 7,24(4); ld 8,32(4)";
        world.cpu.set_gpr(4, EA);
        world.run(text, Msr::DR);
        let expected = [
            EA + 0x100,
            world.integer(0, 8),
            world.integer(8, 8),
            world.integer(0x118, 8),
            world.integer(0x120, 8),
        ];
        assert_eq!([4, 5, 6, 7, 8].map(|register| world.cpu.gpr(register)), expected);
    }
}

/// A store in a row may change what a later one stores to, but no register: the order of two to one place holds.
#[test]
fn the_last_of_two_stores_to_one_place_counts() {
    for mut world in World::each(Endian::Big) {
        (5..8).for_each(|register| world.cpu.set_gpr(register, register as u64));
        world.cpu.set_gpr(4, EA);
        world.run("std 5,0(4); std 6,8(4); std 7,0(4); std 5,8(4)", Msr::DR);
        assert_eq!([world.integer(0, 8), world.integer(8, 8)], [7, 5]);
    }
}
