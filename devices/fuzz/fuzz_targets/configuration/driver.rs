//! A driver of the virtio device that keeps to the specification (virtio 1.2, 3.1 and 4.1.5).

use devices_fuzz::memory::BASE;

use crate::world::World;

/// Where it puts a queue of four, and what is in it.
const DESCRIPTORS: u64 = BASE;
const AVAILABLE: u64 = BASE + 0x100;
const USED: u64 = BASE + 0x1000;
const DATA: u64 = BASE + 0x200;
const ANSWER: u64 = BASE + 0x1100;
const SIZE: u16 = 4;

/// Offset of the notifications in the BAR.
const NOTIFY: u64 = 0x3000;

/// What is stored at the start, at which offset of the BAR: up to a device that runs with queue `number`.
pub fn start(number: u16) -> Vec<(u64, Vec<u8>)> {
    let word = |offset: u64, value: u16| (offset, value.to_le_bytes().to_vec());
    let long = |offset: u64, value: u32| (offset, value.to_le_bytes().to_vec());
    let address = |offset, at: u64| [long(offset, at as u32), long(offset + 4, (at >> 32) as u32)];
    let mut steps = vec![
        (20, vec![1]),
        (20, vec![3]),
        // Features: none of the device's, and version 1.
        long(8, 0),
        long(12, 0),
        long(8, 1),
        long(12, 1),
        (20, vec![11]),
        word(16, 0),
        word(22, number),
        word(24, SIZE),
        word(26, 1),
    ];
    steps.extend(address(32, DESCRIPTORS));
    steps.extend(address(40, AVAILABLE));
    steps.extend(address(48, USED));
    steps.push(word(28, 1));
    steps.push((20, vec![15]));
    steps
}

/// Makes a chain of so many bytes to read, and to write, available as number `available`, and notifies of both queues.
pub fn offer(world: &World, available: u16, readable: u8, writable: u8) {
    let describe = |index: u64, at: u64, bytes: u8, flags: u8, next: u8| {
        let mut descriptor = [0; 16];
        descriptor[..8].copy_from_slice(&at.to_le_bytes());
        (descriptor[8], descriptor[12], descriptor[14]) = (bytes, flags, next);
        world.memory.set(DESCRIPTORS + 16 * index, &descriptor);
    };
    describe(0, DATA, readable, 1, 1);
    describe(1, ANSWER, writable, 2, 0);
    let slot = u64::from(available % SIZE);
    world.memory.set(AVAILABLE + 4 + 2 * slot, &[0; 2]);
    world
        .memory
        .set(AVAILABLE + 2, &available.wrapping_add(1).to_le_bytes());
    for queue in 0..2_u8 {
        world.store_virtio(NOTIFY + 4 * u64::from(queue), &[queue, 0]);
    }
}

/// Drives a device that was just reset.
///
/// # Panics
/// When it does not do what it must.
pub fn drive(world: &mut World) {
    let status = |world: &World| {
        let mut status = [0xee];
        world.load_virtio(20, &mut status);
        status[0]
    };
    // Memory is decoded, and the function master of the bus.
    world.set_config(0, 4, 2, 6);
    world.memory.open(true);
    assert_eq!(status(world), 0, "it is reset");
    world.memory.set(AVAILABLE, &[0; 16]);
    world.memory.set(USED, &[0; 64]);
    for (offset, bytes) in start(0) {
        world.store_virtio(offset, &bytes);
    }
    assert_eq!(status(world), 15, "it accepts its driver");
    world.memory.set(DATA, b"words");
    offer(world, 0, 5, 8);
    while world.turn() {}
    assert_eq!(status(world), 15, "it runs");
    assert_eq!(
        world.memory.get(USED + 2),
        Some([1, 0]),
        "it has given back what it was given"
    );
    assert_eq!(world.memory.get(USED + 8), Some([5, 0, 0, 0]));
    assert_eq!(world.memory.get(ANSWER), Some(*b"words"));
}
