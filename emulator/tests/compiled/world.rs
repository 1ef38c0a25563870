//! A processor that programs run on, alike however it executes them, and all that they leave there.

use emulator::vsu::Vscr;
use emulator::{Compile, Cpu, Exit, Timebase};
use power::insn::{Endian, assemble};
use power::model::Model;
use power::msr::{Msr, lpcr};
use power::page::{PagePair, SegmentSize};

use crate::machine::{Machine, segment};
use crate::oracle::random::Random;
use crate::program::{BASES, INDICES, Program, TABLE};

const RAM: usize = 0x20_0000;
const PAIR: PagePair = PagePair::ALL[0];
/// Real pages of code, which are at the same effective addresses.
pub const CODE: u64 = 0x8000;
const CODE_PAGES: u64 = 4;
const CODE_VSID: u64 = 0x100;
const DATA_VSID: u64 = 0x201;
/// Where data is when it is translated, and when it is not.
const TRANSLATED: u64 = 0x1000_0000;
const REAL: u64 = 0x10_0000;
const PAGE: u64 = 0x1000;
/// Data, page by page: where it is translated to, and PP: 2 anybody stores, 3 nobody does. The others are missing.
const PAGES: [Option<(u64, u64)>; 9] = [
    Some((0x10_3000, 2)),
    Some((0x10_1000, 2)),
    Some((0x10_4000, 3)),
    None,
    Some((0x10_0000, 2)),
    Some((0x10_6000, 2)),
    None,
    None,
    Some((0x10_8000, 3)),
];
/// Page with addresses, which are where programs find them, and how many.
const TABLE_PAGE: u64 = 8;
pub const POINTERS: u64 = 64;
/// Real address of what interrupt handlers write down, of each its SRR0, SRR1, DAR, DSISR and CFAR.
const LOG: u64 = 0x4_0000;
const LOG_BYTES: usize = 0x4000;

/// How often each program is executed: first as it comes, then by ways that are known.
const RUNS: u64 = 3;

const DEC: u16 = 22;
const SPRG3: u16 = 275;
/// XER, LR, CTR, DSISR, DAR, SRR0, SRR1, CFAR, SPRG3, TAR.
const SPECIAL: [u16; 10] = [1, 8, 9, 18, 19, 26, 27, 28, SPRG3, 815];

/// How a processor reaches memory while it executes a program.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The MSR.
    pub msr: u64,
    /// Loads and stores are translated.
    pub is_translated: bool,
    /// Problem state.
    pub is_problem: bool,
    /// The program's address.
    pub origin: u64,
    /// Instructions until the decrementer interrupts.
    pub decrementer: u64,
    /// Instructions of a turn, and in all.
    pub turn: u64,
    pub most: u64,
    /// The program begins anew at its end.
    pub is_endless: bool,
    /// Of the registers and of memory.
    pub seed: u64,
}

impl Setting {
    pub fn new(random: &mut Random) -> Self {
        let is_problem = random.below(3) == 0;
        let is_translated = is_problem || random.below(3) != 0;
        let is_code_translated = is_problem || random.below(2) == 0;
        let mut msr = Msr::ME;
        let mut set = |is_set: bool, bits: u64| msr |= if is_set { bits } else { 0 };
        set(random.below(4) != 0, Msr::SF);
        set(is_problem, Msr::PR | Msr::EE);
        set(is_translated, Msr::DR);
        set(is_code_translated, Msr::IR);
        set(random.below(8) != 0, Msr::FP);
        set(random.below(8) != 0, Msr::VEC);
        set(random.below(8) != 0, Msr::VSX);
        set(random.below(4) == 0, Msr::FE0 | Msr::FE1);
        set(random.below(4) == 0, Msr::EE);
        Self {
            msr,
            is_translated,
            is_problem,
            // Often so that the program runs over the border of two pages.
            origin: CODE + random.pick(&[0, 0xf00, 0xf80, 0xfc0, 0xff0]) + 4 * random.below(4),
            decrementer: random.pick(&[0x7fff_ffff, 0x7fff_ffff, 1, 100, 500, 1000]),
            turn: random.pick(&[1, 50, 300, 1000, 3000]),
            most: 4000,
            is_endless: random.below(2) == 0,
            seed: random.next(),
        }
    }

    /// 64-bit mode.
    pub fn is_wide(self) -> bool {
        self.msr & Msr::SF != 0
    }

    fn data(self) -> u64 {
        if self.is_translated { TRANSLATED } else { REAL }
    }
}

/// All that a program may leave.
#[derive(PartialEq, Eq)]
pub struct State {
    gpr: [u64; 32],
    special: [u64; SPECIAL.len()],
    cr: u32,
    msr: u64,
    vsr: [u128; 64],
    fpscr: u64,
    vscr: u32,
    /// The address and the number of instructions so far at the end of each turn.
    turns: Vec<(u64, u64)>,
    memory: Vec<u8>,
    log: Vec<u8>,
}

impl State {
    /// Where the other differs.
    pub fn difference(&self, other: &Self) -> String {
        let mut found = Vec::new();
        let mut note = |name: String, one: u64, two: u64| {
            if one != two {
                found.push(format!("{name}: {one:#x} and {two:#x}"));
            }
        };
        (0..32).for_each(|n| note(format!("r{n}"), self.gpr[n], other.gpr[n]));
        for (n, number) in SPECIAL.iter().enumerate() {
            note(format!("SPR {number}"), self.special[n], other.special[n]);
        }
        note("CR".to_owned(), self.cr.into(), other.cr.into());
        note("MSR".to_owned(), self.msr, other.msr);
        note("FPSCR".to_owned(), self.fpscr, other.fpscr);
        note("VSCR".to_owned(), self.vscr.into(), other.vscr.into());
        for n in 0..64 {
            note(
                format!("vs{n} high"),
                (self.vsr[n] >> 64) as u64,
                (other.vsr[n] >> 64) as u64,
            );
            note(format!("vs{n} low"), self.vsr[n] as u64, other.vsr[n] as u64);
        }
        let turns = self.turns.iter().zip(&other.turns).enumerate();
        if let Some((n, (one, two))) = turns.clone().find(|(_, (one, two))| one != two) {
            found.push(format!("turn {n}: {one:x?} and {two:x?}"));
        } else if self.turns.len() != other.turns.len() {
            found.push(format!("{} and {} turns", self.turns.len(), other.turns.len()));
        }
        for (name, one, two) in [("memory", &self.memory, &other.memory), ("log", &self.log, &other.log)] {
            if let Some(at) = (0..one.len()).find(|&at| one[at] != two[at]) {
                found.push(format!(
                    "{name} at {at:#x}: {:02x?} and {:02x?}",
                    &one[at & !7..][..8],
                    &two[at & !7..][..8]
                ));
            }
        }
        found.join("\n")
    }

    /// Interrupts that handlers wrote down.
    pub fn interrupts(&self) -> u64 {
        (self.special[8] - LOG) / 40
    }
}

/// A machine with a processor.
pub struct World {
    machine: Machine,
    cpu: Cpu,
    endian: Endian,
}

/// Writes down what an interrupt says, and goes on after the instruction that it names.
const HANDLER: &str = "mtsprg 0,1; mtsprg 1,2; mfcfar 2; mfsprg 1,3; std 2,32(1); mfsrr0 2; std 2,0(1); addi 2,2,4; mtsrr0 2; \
     mfsrr1 2; std 2,8(1); mfdar 2; std 2,16(1); mfdsisr 2; std 2,24(1); addi 1,1,40; mtsprg 3,1; mfsprg 2,1; mfsprg 1,0; rfid";
/// The same of the decrementer, which interrupts between two instructions, and no more.
const DECREMENTER: &str = "mtsprg 0,1; mtsprg 1,2; mfcfar 2; mfsprg 1,3; std 2,32(1); mfsrr0 2; std 2,0(1); \
     mfsrr1 2; std 2,8(1); lis 2,0x7fff; mtdec 2; std 2,16(1); std 2,24(1); addi 1,1,40; mtsprg 3,1; mfsprg 2,1; mfsprg 1,0; rfid";
/// Of vectors that are too near to each other.
const COMMON: u64 = 0x1000;

impl World {
    pub fn new(model: Model, endian: Endian, compile: Compile) -> Self {
        let is_little = endian == Endian::Little;
        let machine = Machine::with_clock(model, RAM, Timebase::counted());
        machine.shared.set_lpcr(if is_little { lpcr::ILE } else { 0 });
        let mut world = Self {
            cpu: machine.cpu(0).0,
            machine,
            endian,
        };
        world.cpu.set_compile(compile);
        world.machine.stop_at_vectors(is_little);
        for vector in [
            0x200, 0x300, 0x380, 0x400, 0x480, 0x600, 0x700, 0x800, 0xc00, 0xd00, COMMON,
        ] {
            world.write(vector, HANDLER);
        }
        world.write(0x900, DECREMENTER);
        for vector in [0xf00, 0xf20, 0xf40, 0xf60] {
            world.write(vector, &format!("b {COMMON}"));
        }
        for page in (0..CODE_PAGES).map(|page| CODE + page * PAGE) {
            world.machine.map(CODE_VSID, SegmentSize::Size256M, PAIR, page, page, 3);
        }
        for (page, at) in (0..).zip(PAGES) {
            if let Some((real, rights)) = at {
                world
                    .machine
                    .map(DATA_VSID, SegmentSize::Size256M, PAIR, page * PAGE, real, rights);
            }
        }
        for (index, (ea, vsid)) in [(0, CODE_VSID), (TRANSLATED, DATA_VSID)].into_iter().enumerate() {
            let (rs, rb) = segment(ea, vsid, PAIR, index as u64);
            world.write(CODE, "slbmte 3,4; isync; sc 1");
            world.cpu.set_gpr(4, rb);
            let order = world.order();
            world.cpu.start(CODE, rs, Msr::from_raw(Msr::SF | Msr::ME | order));
            assert_eq!(world.cpu.run(), Exit::Hypercall);
        }
        world
    }

    fn order(&self) -> u64 {
        if self.endian == Endian::Little { Msr::LE } else { 0 }
    }

    fn write(&self, real: u64, text: &str) {
        let program = assemble(text, real, self.endian).unwrap_or_else(|why| panic!("{why}\n{text}"));
        self.machine.write(real, &program.bytes);
    }

    /// An address in the data, more often than not near the border of two pages.
    fn pointer(random: &mut Random, setting: Setting) -> u64 {
        let unaligned = if random.below(4) == 0 { random.below(8) } else { 0 };
        if !setting.is_translated && random.below(16) == 0 {
            return RAM as u64 - 8 * random.below(4) - unaligned;
        }
        let offset = match random.below(3) {
            0 => random.below(TABLE_PAGE - 1) * PAGE + 8 * random.below(PAGE / 8),
            1 => PAGE - 128 + 8 * random.below(17),
            _ => (1 + random.below(TABLE_PAGE - 2)) * PAGE - 64 + 8 * random.below(17),
        };
        setting.data() + offset + unaligned
    }

    /// Runs a program some times, from other registers and memory each time; the states after each.
    pub fn run(&mut self, program: &Program, setting: Setting) -> Vec<State> {
        self.write(setting.origin, &program.text());
        let seeds = setting.seed..setting.seed.saturating_add(RUNS);
        seeds.map(|seed| self.run_once(Setting { seed, ..setting })).collect()
    }

    fn run_once(&mut self, setting: Setting) -> State {
        self.prepare(&mut Random::new(setting.seed), setting);
        let begin = self.cpu.instructions();
        let mut turns = Vec::new();
        loop {
            self.cpu.begin_turn(setting.turn);
            let exit = loop {
                match self.cpu.run() {
                    Exit::Attention if !self.cpu.is_turn_over() => {}
                    exit => break exit,
                }
            };
            let executed = self.cpu.instructions() - begin;
            turns.push((self.cpu.pc(), executed));
            match exit {
                Exit::Attention if executed < setting.most => {}
                Exit::Attention | Exit::Hypercall => break,
                exit => panic!("{exit:?}\n{}", self.cpu.dump()),
            }
        }
        self.state(turns)
    }

    /// Sets registers and memory.
    fn prepare(&mut self, random: &mut Random, setting: Setting) {
        let state = random.state();
        for page in 0..TABLE_PAGE {
            let word = |_| {
                let value = if random.below(4) == 0 {
                    Self::pointer(random, setting)
                } else {
                    random.integer()
                };
                if random.below(2) == 0 {
                    value.to_be_bytes()
                } else {
                    value.to_le_bytes()
                }
            };
            let words: Vec<[u8; 8]> = (0..PAGE / 8).map(word).collect();
            self.machine.write(REAL + page * PAGE, words.as_flattened());
        }
        for at in 0..POINTERS {
            let pointer = Self::pointer(random, setting);
            let bytes = if self.endian == Endian::Little {
                pointer.to_le_bytes()
            } else {
                pointer.to_be_bytes()
            };
            self.machine.write(REAL + TABLE_PAGE * PAGE + 8 * at, &bytes);
        }
        self.machine.write(RAM as u64 - 64, &[0x5a; 64]);
        self.machine.write(LOG, &[0; LOG_BYTES]);
        for (n, value) in state.gpr.into_iter().enumerate() {
            let value = match n {
                n if BASES.contains(&n) => Self::pointer(random, setting),
                n if INDICES.contains(&n) => random.below(64),
                TABLE => setting.data() + TABLE_PAGE * PAGE,
                _ => value,
            };
            self.cpu.set_gpr(n, value);
        }
        let special = [
            (1, state.xer),
            (8, setting.origin),
            (9, random.below(5)),
            (18, 0),
            (19, 0),
            (26, 0),
            (27, 0),
            (28, 0),
            (815, setting.origin),
            (SPRG3, LOG),
            // All facilities.
            (153, u64::MAX >> 8),
            (DEC, setting.decrementer),
        ];
        for (number, value) in special {
            self.cpu.set_spr(number, value).expect("the register is there");
        }
        let core = self.cpu.core_mut();
        core.regs.set_cr(state.cr);
        core.vsu.vsr = state.vsr;
        core.vsu.fpscr.set(state.fpscr);
        core.vsu.vscr = Vscr::new(state.vscr);
        let msr = Msr::from_raw(setting.msr | self.order());
        let r3 = self.cpu.gpr(3);
        self.cpu.start(setting.origin, r3, msr);
    }

    fn state(&mut self, turns: Vec<(u64, u64)>) -> State {
        let mut memory = self.machine.read::<{ (TABLE_PAGE * PAGE) as usize }>(REAL).to_vec();
        memory.extend(self.machine.read::<64>(RAM as u64 - 64));
        let log = self.machine.read::<LOG_BYTES>(LOG).to_vec();
        let special = SPECIAL.map(|number| self.cpu.spr(number).expect("the register is there"));
        let gpr = std::array::from_fn(|n| self.cpu.gpr(n));
        let msr = self.cpu.msr().raw();
        let core = self.cpu.core_mut();
        State {
            gpr,
            special,
            cr: core.regs.cr(),
            msr,
            vsr: core.vsu.vsr,
            fpscr: core.vsu.fpscr.raw(),
            vscr: core.vsu.vscr.raw(),
            turns,
            memory,
            log,
        }
    }
}
