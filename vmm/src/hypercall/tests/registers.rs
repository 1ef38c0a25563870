//! The hypercalls that reach devices' registers, for a guest that has mapped nothing.

use std::sync::{Arc, Mutex};

use devices::bus::Registers as DeviceRegisters;
use power::hcall::{Hcall, Status};

use crate::machine::Machine;
use crate::test_machine::{RAM, Registers, machine};

/// Real address of a device.
const AT: u64 = 0x2_0000_0000_0000;

/// Sixteen bytes that hold what is stored to them.
struct Bytes(Mutex<[u8; 16]>);

impl DeviceRegisters for Bytes {
    fn load(&self, offset: u64, into: &mut [u8]) {
        into.copy_from_slice(&self.0.lock().unwrap()[offset as usize..][..into.len()]);
    }

    fn store(&self, offset: u64, from: &[u8]) {
        self.0.lock().unwrap()[offset as usize..][..from.len()].copy_from_slice(from);
    }
}

/// A machine with a device whose bytes are 0, 1, 2 and so on.
fn with_device() -> (Machine, Arc<Bytes>) {
    let machine = machine(1);
    let device = Arc::new(Bytes(Mutex::new(std::array::from_fn(|n| n as u8))));
    machine.bus.map(AT..AT + 16, Arc::clone(&device) as _).unwrap();
    (machine, device)
}

#[test]
fn registers_are_loaded_and_stored_in_each_size() {
    let (machine, device) = with_device();
    let mut cpu = Registers::default();
    for (size, at, value) in [
        (1, 3, 3),
        (2, 6, 0x0607),
        (4, 12, 0x0c0d_0e0f),
        (8, 8, 0x0809_0a0b_0c0d_0e0f),
    ] {
        cpu.call(&machine, 0, Hcall::LogicalCiLoad, [size, AT + at]);
        cpu.assert_answer(Status::Success);
        assert_eq!(cpu.gprs[4], value, "{size} bytes at {at}");
    }
    let mut expected: [u8; 16] = std::array::from_fn(|n| n as u8);
    // The low bytes of the register, and no others of the device.
    for (size, at) in [(1_u64, 1_u64), (2, 2), (4, 4), (8, 8)] {
        cpu.call(
            &machine,
            0,
            Hcall::LogicalCiStore,
            [size, AT + at, 0xa0a1_a2a3_a4a5_a6a7],
        );
        cpu.assert_answer(Status::Success);
        for n in 0..size {
            expected[(at + n) as usize] = 0xa8 - (size - n) as u8;
        }
        assert_eq!(*device.0.lock().unwrap(), expected);
    }
}

#[test]
fn what_is_no_register_no_size_or_not_aligned_is_h_parameter() {
    let (machine, device) = with_device();
    machine.ram.write(0x1000, &[0x5a; 8]).unwrap();
    let mut cpu = Registers::default();
    for [size, at] in [
        [0, AT],
        [3, AT],
        [16, AT],
        [1 << 32 | 1, AT],
        [u64::MAX, AT],
        [2, AT + 1],
        [8, AT + 4],
        [1, AT + 16],
        [1, AT - 1],
        [8, u64::MAX - 7],
        // Memory is mapped with caching.
        [4, 0x1000],
        [4, RAM],
    ] {
        cpu.call(&machine, 0, Hcall::LogicalCiLoad, [size, at, 7]);
        cpu.assert_answer(Status::Parameter);
        cpu.call(&machine, 0, Hcall::LogicalCiStore, [size, at, 7]);
        cpu.assert_answer(Status::Parameter);
    }
    assert_eq!(machine.ram.read(0x1000), Some([0x5a; 8]));
    assert_eq!(*device.0.lock().unwrap(), std::array::from_fn(|n| n as u8));
}
