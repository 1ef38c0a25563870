//! Compiled blocks against the interpreter: the same program, executed by either, leaves the same registers and memory after the same
//! number of instructions.

#[path = "../machine/mod.rs"]
mod machine;
#[path = "../oracle/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod oracle;
mod program;
mod room;
mod translations;
mod turns;
mod world;

use emulator::Compile;
use oracle::random::Random;
use power::insn::Endian;
use power::model::Model;
use program::{Generator, Program};
use world::{Setting, State, World};

/// Programs for each model and byte order.
const PROGRAMS: usize = 350;

/// The seed of this run: `PTEG_SEED`, or 1.
fn seed() -> u64 {
    std::env::var("PTEG_SEED").map_or(1, |seed| seed.parse().expect("a seed is a number"))
}

/// How what one processor left differs from what another did.
fn difference(expected: &[State], found: &[State]) -> String {
    let both = expected.iter().zip(found);
    both.map(|(expected, found)| expected.difference(found)).collect()
}

/// The same of a program on new processors, the first of which interprets it.
fn difference_of_new(model: Model, endian: Endian, compile: Compile, program: &Program, setting: Setting) -> String {
    let [expected, found] =
        [Compile::Never, compile].map(|compile| World::new(model, endian, compile).run(program, setting));
    difference(&expected, &found)
}

fn as_interpreted(model: Model, endian: Endian, compile: Compile, programs: usize) {
    let mut random = Random::new(seed());
    let generator = Generator::new(model);
    let [mut interpreting, mut compiling] = [Compile::Never, compile].map(|compile| World::new(model, endian, compile));
    let mut interrupts = 0;
    for number in 0..programs {
        let setting = Setting::new(&mut random);
        let program = generator.program(&mut random, setting);
        let expected = interpreting.run(&program, setting);
        let found = compiling.run(&program, setting);
        interrupts += expected.iter().map(State::interrupts).sum::<u64>();
        if expected != found {
            let fails = |program: &Program| !difference_of_new(model, endian, compile, program, setting).is_empty();
            let (shrunk, why) = if fails(&program) {
                let shrunk = program.shrunk(fails);
                let why = difference_of_new(model, endian, compile, &shrunk, setting);
                (shrunk, why)
            } else {
                let why = format!(
                    "not on new processors, but after other programs:\n{}",
                    difference(&expected, &found)
                );
                (program, why)
            };
            panic!(
                "program {number}, {setting:x?}:\n{}\ninterpreted and compiled: {why}",
                shrunk.text()
            );
        }
    }
    assert!(interrupts > programs as u64, "hardly anything has failed: {interrupts}");
}

#[test]
fn a_big_endian_power8_is_as_interpreted() {
    as_interpreted(Model::Power8, Endian::Big, Compile::AtOnce, PROGRAMS);
}

#[test]
fn a_little_endian_power8_is_as_interpreted() {
    as_interpreted(Model::Power8, Endian::Little, Compile::AtOnce, PROGRAMS);
}

#[test]
fn a_power9_is_as_interpreted() {
    as_interpreted(Model::Power9, Endian::Little, Compile::AtOnce, PROGRAMS);
}

#[test]
fn what_becomes_hot_is_as_interpreted() {
    as_interpreted(Model::Power9, Endian::Big, Compile::Hot(1), PROGRAMS);
}
