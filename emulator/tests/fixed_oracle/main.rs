//! Everything that problem state may execute and that is not floating point or vectors, through the
//! whole of our processor, against QEMU.

#[path = "../vsu_oracle/deviations.rs"]
#[expect(dead_code, reason = "the tests of the vector-scalar unit use the rest")]
mod deviations;
mod long;
#[path = "../machine/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod machine;
mod mixture;
#[path = "../oracle/mod.rs"]
mod oracle;
mod processor;
mod report;
mod runner;
mod sequence;
mod single;
mod undefined;
mod units;

use std::collections::BTreeMap;

use emulator::Compile;
use oracle::Case;
use oracle::random::Random;
use power::insn::{Endian, Opcode};
use power::model::Model;
use power::msr::program;
use processor::{Interrupted, Processor, Translation};
use runner::Runner;
use single::{BIG_ENDIAN_ONLY, Kind};

/// Cases for each instruction.
const CASES: usize = 150;

/// The seed of this run: `PTEG_SEED`, or 1.
fn seed() -> u64 {
    std::env::var("PTEG_SEED").map_or(1, |seed| seed.parse().expect("a seed is a number"))
}

/// Whether an instruction trapped, which would end QEMU's program.
fn is_trap(why: &Interrupted) -> bool {
    why.vector == 0x700 && why.srr1 & program::TRAP != 0
}

/// Interpreted, and compiled before it is executed.
pub const BOTH: [Compile; 2] = [Compile::Never, Compile::AtOnce];

fn every_instruction(model: Model, endian: Endian, translations: &[Translation]) {
    let seed = seed();
    let mut random = Random::new(seed);
    let mut processors: Vec<Processor> = translations
        .iter()
        .flat_map(|&translation| BOTH.map(|compile| Processor::new(model, endian, translation, compile)))
        .collect();
    let mut wrong = BTreeMap::<String, usize>::new();
    let mut cases = Vec::<(Opcode, Case)>::new();
    for &opcode in Opcode::ALL
        .iter()
        .filter(|&&opcode| opcode.is_of(model) && single::kind(opcode) != Kind::Elsewhere)
        .filter(|opcode| endian == Endian::Big || !BIG_ENDIAN_ONLY.contains(opcode))
    {
        for _ in 0..CASES {
            let case = single::case(&mut random, model, opcode);
            match processors[0].run(&case) {
                Ok(_) => cases.push((opcode, case)),
                Err(why) if is_trap(&why) => {}
                Err(why) => {
                    let count = wrong.entry(format!("{} {why:x?}", opcode.name())).or_default();
                    *count += 1;
                }
            }
        }
    }
    assert!(!cases.is_empty(), "{wrong:#?}");
    let mut examples = String::new();
    let bare: Vec<Case> = cases.iter().map(|(_, case)| case.clone()).collect();
    for ((opcode, case), theirs) in cases.iter().zip(oracle::run(model, &bare, endian)) {
        for processor in &mut processors {
            let ours = processor.run(case).expect("it ran before");
            let mut theirs = theirs.clone();
            undefined::forgive(model, *opcode, case, &ours, &mut theirs);
            if ours == theirs {
                continue;
            }
            let count = wrong.entry(opcode.name().to_owned()).or_default();
            *count += 1;
            // A few of each instruction say enough.
            if *count <= 3 {
                examples += &report::listing(case, endian);
                examples += &report::inputs(case);
                examples += &report::differences(&case.before, &ours, &theirs);
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "seed {seed}: instructions that differ from QEMU, and how often: {wrong:#?}\n{examples}"
    );
}

#[test]
fn every_little_endian_instruction_does_what_qemu_does() {
    every_instruction(Model::Power8, Endian::Little, &[Translation::SMALL, Translation::LARGE]);
}

#[test]
fn every_big_endian_instruction_does_what_qemu_does() {
    every_instruction(Model::Power8, Endian::Big, &[Translation::None, Translation::LARGE]);
}

#[test]
fn every_instruction_of_power9_does_what_qemu_does() {
    every_instruction(Model::Power9, Endian::Little, &[Translation::SMALL]);
    every_instruction(Model::Power9, Endian::Big, &[Translation::None]);
}

/// From one seed to another, for other programs.
const OTHERS: u64 = 1 << 20;

/// Runs random programs of all problem-state instructions until this many instructions have been executed.
fn every_program(model: Model, endian: Endian, translation: Translation, seed: u64, instructions: u64) {
    let mut runner = Runner::new(model, endian, translation, seed);
    while runner.executed() < instructions {
        if let Err(difference) = runner.next_programs() {
            panic!("{difference}");
        }
    }
}

#[test]
fn half_a_million_little_endian_instructions_of_programs_do_what_qemu_does() {
    every_program(Model::Power8, Endian::Little, Translation::SMALL, seed(), 400_000);
    every_program(
        Model::Power8,
        Endian::Little,
        Translation::None,
        seed() + OTHERS,
        100_000,
    );
}

#[test]
fn half_a_million_big_endian_instructions_of_programs_do_what_qemu_does() {
    every_program(Model::Power8, Endian::Big, Translation::LARGE, seed(), 400_000);
    every_program(Model::Power8, Endian::Big, Translation::None, seed() + OTHERS, 100_000);
}

#[test]
fn a_quarter_of_a_million_instructions_of_power9s_programs_do_what_qemu_does() {
    every_program(Model::Power9, Endian::Little, Translation::LARGE, seed(), 200_000);
    every_program(Model::Power9, Endian::Big, Translation::None, seed() + OTHERS, 50_000);
}

/// `cargo xtask differential`, which says in the environment how long.
#[test]
#[ignore = "cargo xtask differential runs it"]
fn long_mode() {
    let number = |name: &str| {
        let text = std::env::var(name).unwrap_or_else(|_| panic!("{name} is set by cargo xtask differential"));
        text.parse().unwrap_or_else(|_| panic!("{name} is a number"))
    };
    let instructions = number("PTEG_MILLIONS") * 1_000_000;
    let model = std::env::var("PTEG_CPU").map_or(Model::Power8, |name| name.parse().expect("PTEG_CPU is a processor"));
    long::run(model, seed(), number("PTEG_THREADS"), instructions);
}
