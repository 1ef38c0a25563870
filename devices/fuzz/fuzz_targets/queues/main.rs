//! Bytes become a queue's rings and what driver and device do with them: rings anywhere, also on top of each other, descriptors and tables of any kind,
//! whole chains of buffers in any order, indices that jump, chains that are given back in any order and together, a new start at any moment. What the queue
//! answers must be what another reading of the specification finds in the same memory (`reading`), and it writes its used ring and nothing else. After a
//! mistake of the driver's it starts anew, as after a reset.
//!
//! With PTEG_FUZZ_STEPS in the environment each step is printed before it is done.

#![no_main]

mod reading;
mod world;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let mut world = world::World::new(bytes.arbitrary().unwrap_or_default());
    // More would only be slower.
    devices_fuzz::each_step(&mut bytes, 100, |step| world.play(&step));
});
