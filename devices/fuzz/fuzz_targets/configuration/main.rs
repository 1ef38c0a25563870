//! Bytes become what a guest does to a bridge with a virtio device and a function that is all registers behind it: configuration space in any order and
//! width, BARs that are moved and turned off, the MSI-X table, `ibm,change-msi`, the virtio structures by BAR and by the window in configuration space,
//! notifications, resets of the device and of the bus at any moment, with the device's own thread a turn at a time in between.
//!
//! After each step what is read-only must read as it was, interrupts must be those that the function was given, and lines must follow
//! the function; a device that is no master of the bus must have left memory alone. In the end a driver that keeps to the specification finds a
//! device that works.
//!
//! With PTEG_FUZZ_STEPS in the environment each step is printed before it is done.

#![no_main]

mod driver;
mod functions;
mod world;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let mut world = world::World::new();
    // More would only be slower.
    devices_fuzz::each_step(&mut bytes, 100, |step| world.play(&step));
    world.end();
});
