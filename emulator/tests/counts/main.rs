//! What a processor counts of its own work, held against programs of which it is known what they do, and against other
//! counts of the same.

#[path = "../machine/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod machine;

use emulator::{Counts, Cpu, Exit};
use machine::{Machine, segment};
use power::insn::{Endian, assemble};
use power::msr::Msr;
use power::page::{PagePair, SegmentSize};

const RAM: usize = 0x40_0000;
const PROGRAM: u64 = 0x8000;
const PAIR: PagePair = PagePair::ALL[0];
const VSID: u64 = 0x201;
/// Pages of the segment that are mapped.
const PAGES: u64 = 8;
const EA: u64 = 0x1000_0000;
const DATA: u64 = 0x10_0000;

/// A processor that counts blocks.
struct World {
    machine: Machine,
    cpu: Cpu,
}

impl World {
    fn new() -> Self {
        let machine = Machine::new(RAM);
        machine.stop_at_vectors(false);
        let (mut cpu, _) = machine.cpu(0);
        cpu.count_blocks();
        Self { machine, cpu }
    }

    /// Runs a program, with r4 as given, to its end or to the end of an interrupt. How many instructions that took.
    fn run(&mut self, text: &str, r4: u64, msr: u64) -> u64 {
        let program = assemble(&format!("{text}; sc 1"), PROGRAM, Endian::Big).expect("the program is well-formed");
        self.machine.write(PROGRAM, &program.bytes);
        self.start(PROGRAM, r4, msr)
    }

    fn start(&mut self, pc: u64, r4: u64, msr: u64) -> u64 {
        let before = self.cpu.instructions();
        self.cpu.set_gpr(4, r4);
        self.cpu.start(pc, 0, Msr::from_raw(Msr::SF | Msr::ME | msr));
        while self.cpu.run() != Exit::Hypercall {}
        self.cpu.instructions() - before
    }

    /// Maps the pages of [`EA`]'s segment and makes it known. Programs are fetched in real mode, so only their data is translated.
    fn with_segment(mut self) -> Self {
        for page in (0..PAGES).map(|page| page << 12) {
            self.machine
                .map(VSID, SegmentSize::Size256M, PAIR, page, DATA + page, 2);
        }
        self.set_segment();
        self
    }

    fn set_segment(&mut self) {
        let (rs, rb) = segment(EA, VSID, PAIR, 3);
        self.cpu.set_gpr(10, rs);
        self.cpu.set_gpr(11, rb);
        self.run("slbmte 10,11; isync", 0, 0);
    }
}

/// Loads a doubleword of each of the pages.
fn loads() -> String {
    let load = |page: u64| format!("ld 5,{}(4)", (page << 12) + 8);
    (0..PAGES).map(load).collect::<Vec<_>>().join("; ")
}

/// Counts of the same things at different places.
fn assert_that_sums_agree(counts: &Counts) {
    let Counts {
        jumps,
        fetch,
        blocks,
        data,
        ..
    } = counts;
    assert_eq!(jumps.misses, fetch.hits + fetch.misses, "{counts:?}");
    assert_eq!(fetch.hits + fetch.filled, blocks.hits + blocks.misses, "{counts:?}");
    assert_eq!(blocks.misses, blocks.filled, "{counts:?}");
    // Fetches are in real mode here.
    assert_eq!(
        data.filled - data.real,
        counts.page_hits + counts.walks.hits,
        "{counts:?}"
    );
}

/// Instructions that need no operation, and code that changes: a block is decoded anew each time, with a counter for each of them.
#[test]
fn counters_do_not_grow_with_code_that_changes() {
    const CHANGED: u64 = 0x9000;
    let mut world = World::new();
    let mut code = [0x6000_0000; 64];
    code[63] = 0x4e80_0020;
    world.machine.write_code(CHANGED, &code, false);
    let text = "lis 5,0x6000; li 6,32767; li 7,0x4800; add 7,7,7; again: stw 5,0(7); icbi 0,7; isync; mtctr 7; bctrl; \
                addi 6,6,-1; cmpdi 6,0; bne again";
    let executed = world.run(text, 0, 0);
    assert_eq!(executed, 4 + 32767 * (8 + 64) + 1);
    assert!(world.cpu.counts().code.emptied > 0, "{:?}", world.cpu.counts());
    let profile = world.cpu.take_executed().expect("it was asked for");
    assert_eq!(profile.sums.instructions, executed);
}

/// Stores to pages whose C is clear, while the stores of another class are denied.
#[test]
fn sums_agree_while_a_class_is_denied() {
    let mut world = World::new().with_segment();
    world.cpu.set_spr(29, 2).expect("there is AMR");
    world.run(
        "std 3,0(4); std 3,0x1000(4); ld 5,0x2000(4); std 3,0x2000(4)",
        EA,
        Msr::DR,
    );
    assert_that_sums_agree(world.cpu.counts());
}

#[test]
fn a_loop_is_counted_to_the_instruction() {
    let mut world = World::new();
    let text = "li 5,1000; mtctr 5; again: ld 6,0(4); addi 6,6,1; std 6,0(4); addi 3,3,1; bdnz again; nop";
    let executed = world.run(text, DATA, 0);
    assert_eq!(executed, 2 + 5 * 1000 + 2);
    let profile = world.cpu.take_executed().expect("it was asked for");
    assert_eq!(profile.sums.instructions, executed);
    assert_eq!((profile.sums.loads, profile.sums.stores), (1000, 1000));
    // The first time round belongs to the block before the label, the others to that which begins there and goes on after it.
    let hottest = &profile.hottest(9)[0];
    assert_eq!((hottest.pc, hottest.real), (PROGRAM + 8, PROGRAM + 8));
    assert_eq!((hottest.entered, hottest.instructions), (999, 999 * 5 + 2));
    assert_eq!(hottest.length, 7);
    // ld 6,0(4)
    assert_eq!(hottest.words[0], 0xe8c4_0000);
    let of_blocks: u64 = profile.hottest(9).iter().map(|block| block.instructions).sum();
    assert_eq!(of_blocks, executed);
}

/// From 27 it is 41 times to 3n + 1 and 70 times to n / 2.
#[test]
fn blocks_that_are_left_in_the_middle_count_what_was_executed() {
    let mut world = World::new();
    let text = "li 3,27; again: andi. 0,3,1; beq even; mulli 3,3,3; addi 3,3,1; b next; even: srdi 3,3,1; \
                next: cmpdi 3,1; bne again";
    let executed = world.run(text, 0, 0);
    assert_eq!(executed, 1 + 41 * 7 + 70 * 5 + 1);
    let profile = world.cpu.take_executed().unwrap();
    assert_eq!(profile.sums.instructions, executed);
    assert_eq!((profile.sums.loads, profile.sums.stores), (0, 0));
}

#[test]
fn an_interrupt_ends_a_block_before_the_instruction() {
    let mut world = World::new().with_segment();
    world.cpu.take_executed();
    let before = *world.cpu.counts();
    // The third instruction finds no page; the fourth is that at the vector.
    let executed = world.run("nop; ld 5,8(4); ld 5,0x100(6)", EA, Msr::DR);
    assert_eq!(executed, 2 + 1, "r6 is 0, which no segment translates");
    let sums = world.cpu.take_executed().unwrap().sums;
    assert_eq!((sums.instructions, sums.loads, sums.entered), (3, 1, 2));
    let counts = world.cpu.counts();
    assert_eq!(counts.data.slow_loads - before.data.slow_loads, 2);
    assert_eq!(counts.data.failed_loads - before.data.failed_loads, 1);
    let taken: Vec<_> = counts.interrupts.taken().collect();
    assert_eq!(taken, [(0x380, "data segment", 1)]);
    assert_eq!(counts.segment_misses, 1);
    assert_that_sums_agree(counts);
}

#[test]
fn each_cache_counts_what_it_knew_and_what_it_did_not() {
    let mut world = World::new().with_segment();
    let loads = loads();
    // Nothing is known; then everything; then the segment goes and comes back.
    world.run(&loads, EA, Msr::DR);
    let first = *world.cpu.counts();
    world.run(&loads, EA, Msr::DR);
    let second = *world.cpu.counts();
    world.cpu.set_gpr(10, EA);
    world.run("slbie 10; isync", 0, 0);
    world.set_segment();
    world.run(&loads, EA, Msr::DR);
    let third = *world.cpu.counts();
    let of = |counts: Counts| {
        let Counts { data, walks, .. } = counts;
        (data.slow_loads, data.filled, counts.page_hits, walks.hits)
    };
    assert_eq!(of(first), (PAGES, PAGES, 0, PAGES));
    assert_eq!(of(second), of(first));
    assert_eq!(of(third), (2 * PAGES, 2 * PAGES, PAGES, PAGES));
    assert_eq!(third.drops.segments, 1);
    assert_eq!((third.drops.trail_places, third.drops.trail_dropped), (PAGES, PAGES));
    assert_eq!(world.cpu.take_executed().unwrap().sums.loads, 3 * PAGES);
    assert_that_sums_agree(&third);
}

#[test]
fn the_first_store_to_a_page_walks_the_table_again() {
    let mut world = World::new().with_segment();
    world.run("ld 5,8(4)", EA, Msr::DR);
    world.run("std 5,8(4); std 5,16(4)", EA, Msr::DR);
    let counts = world.cpu.counts();
    assert_eq!((counts.data.slow_loads, counts.data.slow_stores), (1, 1));
    assert_eq!((counts.page_hits, counts.walks.hits), (0, 2));
    assert_that_sums_agree(counts);
}

#[test]
fn a_page_that_the_table_does_not_have_is_a_walk_in_vain() {
    let mut world = World::new().with_segment();
    world.run("ld 5,0(4)", EA + (PAGES << 12), Msr::DR);
    let counts = world.cpu.counts();
    assert_eq!((counts.page_hits, counts.walks.hits, counts.walks.misses), (0, 0, 1));
    assert_eq!(
        counts.interrupts.taken().collect::<Vec<_>>(),
        [(0x300, "data storage", 1)]
    );
    assert_that_sums_agree(counts);
}

#[test]
fn an_unaligned_access_goes_slowly_and_needs_no_translation() {
    let mut world = World::new();
    world.run("ld 5,0(4); ld 5,4(4); lwz 5,2(4); std 5,4(4); sth 5,2(4)", DATA, 0);
    let data = world.cpu.counts().data;
    assert_eq!((data.slow_loads, data.slow_stores, data.unaligned), (3, 1, 3));
    assert_eq!((data.real, data.filled), (1, 1));
}

/// More code than the processor keeps, a block of one instruction after the other.
#[test]
fn blocks_that_are_dropped_stay_in_the_sums() {
    const BLOCKS: u64 = 140_000;
    let mut world = World::new();
    let (next, stop) = (0x4800_0004, machine::STOP);
    let mut words = vec![next; BLOCKS as usize];
    words.push(stop);
    world.machine.write_code(PROGRAM, &words, false);
    assert_eq!(world.start(PROGRAM, 0, 0), BLOCKS + 1);
    let counts = *world.cpu.counts();
    assert_eq!(
        (counts.blocks.misses, counts.code.instructions),
        (BLOCKS + 1, BLOCKS + 1)
    );
    assert_eq!((counts.code.emptied, counts.blocks.evicted), (1, 1 << 17));
    let sums = world.cpu.take_executed().unwrap().sums;
    assert_eq!((sums.entered, sums.instructions), (BLOCKS + 1, BLOCKS + 1));
    assert_that_sums_agree(&counts);
}

#[test]
fn code_that_is_written_anew_pushes_the_old_out() {
    let mut world = World::new();
    for _ in 0..3 {
        world.run("nop", 0, 0);
    }
    let counts = world.cpu.counts();
    assert_eq!((counts.blocks.misses, counts.blocks.evicted), (3, 2));
    assert_eq!((counts.code.emptied, counts.code.changed), (0, 2));
    assert_that_sums_agree(counts);
}

#[test]
fn who_does_not_ask_gets_the_same_guest_and_no_profile() {
    let counted = World::new().run("li 3,7; nop", 0, 0);
    let mut world = World::new();
    world.cpu = world.machine.cpu(0).0;
    assert_eq!(world.run("li 3,7; nop", 0, 0), counted);
    assert!(world.cpu.take_executed().is_none());
    assert_eq!(world.cpu.counts().blocks.misses, 1);
}
