//! Bytes become hypercalls, legal and not, and visits to the guest, of three processors with a seat, a footprint and a
//! cache each. Every answer must be the oracle's (that of `hpt/tests/oracle`, written from the manuals), and what a
//! processor in the guest holds must be what an entry says.
//!
//! `input` makes steps of bytes, `processor` is a processor in the guest, `world` plays the steps and compares.
//! With PTEG_FUZZ_STEPS in the environment each step is printed before it is played.

#![no_main]

mod input;
#[path = "../../../tests/oracle/model.rs"]
mod model;
mod processor;
mod world;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // What takes longer than all else is for some inputs alone: new tables for one in four, a thread that prepares them for one in 64.
    let last = bytes.last().copied().unwrap_or_default();
    let (has_tables, is_prompt) = (last & 3 == 0, last & 63 != 0);
    let mut world = world::World::new(is_prompt);
    let steps = input::steps(bytes, has_tables);
    let say = std::env::var_os("PTEG_FUZZ_STEPS").is_some();
    for (number, step) in (1..).zip(steps) {
        if say {
            eprintln!("{number}: {step:x?}");
        }
        world.play(&step);
    }
    world.check_table(has_tables);
});
