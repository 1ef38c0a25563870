//! Bytes become what a driver of a block device does, legal and not: descriptors anywhere, chains in circles, rings that jump, resets in the
//! midst. The device must come back from each call, write only where a descriptor let it, and change no byte of a disk that it was
//! not told to change. After a mistake of the driver's it starts anew, as after a reset.
//!
//! `memory` is guest memory that knows where a device may write, `driver` what is done. With PTEG_FUZZ_STEPS in the environment each step is printed
//! before it is done.

#![no_main]

mod driver;
mod memory;

use arbitrary::{Arbitrary as _, Unstructured};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let mut world = driver::World::new(bytes.arbitrary().unwrap_or_default());
    let say = std::env::var_os("PTEG_FUZZ_STEPS").is_some();
    // More would only be slower.
    for number in 1..200 {
        if bytes.is_empty() {
            break;
        }
        let Ok(step) = driver::Step::arbitrary(&mut bytes) else {
            break;
        };
        if say {
            eprintln!("{number}: {step:x?}");
        }
        world.play(&step);
    }
    world.end();
});
