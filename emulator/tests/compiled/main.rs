//! Compiled blocks against the interpreter: the same program, executed by either, leaves the same registers and memory after the same
//! number of instructions.

#[path = "../machine/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod machine;
#[path = "../oracle/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod oracle;
mod program;
mod world;

use emulator::Compile;
use oracle::random::Random;
use power::insn::Endian;
use power::model::Model;
use program::{Generator, Program};
use world::{Setting, World};

/// Programs for each model and byte order.
const PROGRAMS: usize = 500;

/// The seed of this run: `PTEG_SEED`, or 1.
fn seed() -> u64 {
    std::env::var("PTEG_SEED").map_or(1, |seed| seed.parse().expect("a seed is a number"))
}

/// How the processor that runs `program` differs from the one that interprets it, both new.
fn difference(model: Model, endian: Endian, compile: Compile, program: &Program, setting: Setting) -> String {
    let [expected, found] =
        [Compile::Never, compile].map(|compile| World::new(model, endian, compile).run(program, setting));
    expected.difference(&found)
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
        interrupts += expected.interrupts();
        if expected != found {
            let fails = |program: &Program| !difference(model, endian, compile, program, setting).is_empty();
            let (shrunk, why) = if fails(&program) {
                let shrunk = program.shrunk(fails);
                let why = difference(model, endian, compile, &shrunk, setting);
                (shrunk, why)
            } else {
                let why = format!(
                    "not on new processors, but after other programs:\n{}",
                    expected.difference(&found)
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
