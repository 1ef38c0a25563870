//! Bytes become what a driver of a block device does, legal and not: descriptors anywhere, chains in circles, rings that jump, resets in the
//! midst. The device must come back from each call, write only where a descriptor let it, and change no byte of a disk that it was
//! not told to change. After a mistake of the driver's it starts anew, as after a reset.
//!
//! `driver` is what is done, `late` a disk that takes its time. With PTEG_FUZZ_STEPS in the environment each step is printed before it is done.

#![no_main]

mod driver;
mod late;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let mut world = driver::World::new(bytes.arbitrary().unwrap_or_default());
    // More would only be slower.
    devices_fuzz::each_step(&mut bytes, 64, |step| world.play(&step));
    world.end();
});
