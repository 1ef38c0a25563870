//! Bytes become what the drivers of a network card and of a socket device do, and what comes from the host meanwhile: frames with any header, commands, packets
//! of connections in any state and with any credit, rings that need not be right, a host's end that is full or gone, a new start at any moment. The device
//! must come back from each call, write only where a descriptor let it, give back each chain once with no more bytes than it has room for, and
//! send nothing that is no frame or no packet.
//!
//! With PTEG_FUZZ_STEPS in the environment each step is printed before it is done.

#![no_main]

mod life;
mod net;
mod vsock;

use arbitrary::Unstructured;
use devices_fuzz::each_step;
use libfuzzer_sys::fuzz_target;

/// Steps of an input. More would only be slower.
const STEPS: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    if bytes.arbitrary().unwrap_or_default() {
        let mut world = net::World::new(bytes.arbitrary().unwrap_or_default());
        each_step(&mut bytes, STEPS, |step| world.play(step));
    } else {
        let mut world = vsock::World::new();
        each_step(&mut bytes, STEPS, |step| world.play(step));
    }
});
