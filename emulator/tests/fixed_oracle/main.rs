//! Everything that problem state may execute and that is not floating point or vectors, through the
//! whole of our processor, against QEMU.

#[path = "../machine/mod.rs"]
mod machine;
#[path = "../oracle/mod.rs"]
mod oracle;
mod processor;
mod report;
mod sequence;
mod single;
mod undefined;
mod units;

use std::collections::BTreeMap;

use oracle::Case;
use oracle::random::Random;
use power::insn::{Endian, Opcode};
use power::msr::program;
use processor::{Interrupted, Processor, Translation};
use sequence::Sequence;
use single::{Kind, MISSING};

/// Cases for each instruction.
const CASES: usize = 150;

/// Programs of a run, for each byte order.
const SEQUENCES: u64 = 1500;

/// The seed of this run: `PTEG_SEED`, or 1.
fn seed() -> u64 {
    std::env::var("PTEG_SEED").map_or(1, |seed| seed.parse().expect("a seed is a number"))
}

/// Whether an instruction trapped, which would end QEMU's program.
fn is_trap(why: &Interrupted) -> bool {
    why.vector == 0x700 && why.srr1 & program::TRAP != 0
}

fn every_instruction(endian: Endian, translations: &[Translation]) {
    let seed = seed();
    let mut random = Random::new(seed);
    let mut processors: Vec<Processor> = translations
        .iter()
        .map(|&translation| Processor::new(endian, translation))
        .collect();
    let mut wrong = BTreeMap::<String, usize>::new();
    let mut cases = Vec::<(Opcode, Case)>::new();
    for &opcode in Opcode::ALL
        .iter()
        .filter(|&&opcode| single::kind(opcode) != Kind::Elsewhere)
    {
        for _ in 0..CASES {
            let case = single::case(&mut random, opcode);
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
    for ((opcode, case), theirs) in cases.iter().zip(oracle::run(&bare, endian)) {
        for processor in &mut processors {
            let ours = processor.run(case).expect("it ran before");
            let mut theirs = theirs.clone();
            undefined::forgive(*opcode, case, &ours, &mut theirs);
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
    every_instruction(Endian::Little, &[Translation::SMALL, Translation::LARGE]);
}

#[test]
fn every_big_endian_instruction_does_what_qemu_does() {
    every_instruction(Endian::Big, &[Translation::None, Translation::LARGE]);
}

/// What is wrong with our run of a case, if anything.
fn complaint(processor: &mut Processor, case: &Case, theirs: &oracle::State) -> Option<String> {
    let mut theirs = theirs.clone();
    undefined::everywhere(&mut theirs);
    match processor.run(case) {
        Ok(ours) if ours == theirs => None,
        Ok(ours) => Some(report::differences(&case.before, &ours, &theirs)),
        Err(why) => Some(format!("  {why:x?}\n")),
    }
}

fn every_sequence(endian: Endian, translations: &[Translation]) {
    let seed = seed();
    let programs: Vec<Sequence> = (0..SEQUENCES)
        .map(|n| Sequence::new(&mut Random::new(seed << 32 | n)))
        .collect();
    let cases: Vec<Case> = programs.iter().map(Sequence::case).collect();
    let theirs = oracle::run(&cases, endian);
    for &translation in translations {
        let mut processor = Processor::new(endian, translation);
        for (n, theirs) in theirs.iter().enumerate() {
            if complaint(&mut processor, &cases[n], theirs).is_none() {
                continue;
            }
            let mut run = |program: &Sequence| {
                let case = program.case();
                let theirs = oracle::run(std::slice::from_ref(&case), endian);
                complaint(&mut processor, &case, &theirs[0])
            };
            let least = programs[n].shrunk(|program| run(program).is_some());
            let case = least.case();
            panic!(
                "seed {seed}, program {n}, {translation:?}; the least of it that differs from QEMU:\n{}{}{}",
                report::listing(&case, endian),
                report::inputs(&case),
                run(&least).unwrap_or_else(|| "  (only together with the programs before it)\n".to_owned()),
            );
        }
    }
}

#[test]
fn every_little_endian_program_does_what_qemu_does() {
    every_sequence(Endian::Little, &[Translation::SMALL, Translation::None]);
}

#[test]
fn every_big_endian_program_does_what_qemu_does() {
    every_sequence(Endian::Big, &[Translation::LARGE]);
}

#[test]
fn what_is_missing_is_an_illegal_instruction() {
    let mut processor = Processor::new(Endian::Big, Translation::None);
    for &opcode in MISSING {
        let case = Case {
            code: vec![opcode.row().pattern.value],
            before: oracle::State::default(),
        };
        let why = processor.run(&case).err();
        let illegal = why.is_some_and(|why| why.vector == 0x700 && why.srr1 & program::ILLEGAL != 0);
        assert!(illegal, "{}: {why:x?}", opcode.name());
    }
}
