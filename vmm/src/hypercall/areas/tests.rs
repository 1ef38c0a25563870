//! Registering areas, and what is kept in them.

use power::hcall::Hcall;

use super::*;
use crate::test_machine::{RAM, Registers, machine};

const REGISTER_VPA: u64 = 1 << 45;
const REGISTER_LOG: u64 = 2 << 45;
const REGISTER_SHADOW: u64 = 3 << 45;
const DEREGISTER_VPA: u64 = 5 << 45;
const DEREGISTER_LOG: u64 = 6 << 45;
const DEREGISTER_SHADOW: u64 = 7 << 45;

/// Where the test's areas lie.
const VPA: u64 = 0x1000;
const LOG: u64 = 0x2000;
const SHADOW: u64 = 0x3000;

fn call(machine: &Machine, flags: u64, server: u64, at: u64) -> Registers {
    let mut cpu = Registers::default();
    cpu.call(machine, 0, Hcall::RegisterVpa, [flags, server, at]);
    cpu
}

/// A machine whose processor 0 runs, with sizes written where the test's areas begin.
fn prepared() -> Machine {
    let machine = machine(2);
    machine.processors.by_server(0).areas().arrive(&machine.ram);
    machine.ram.write(VPA + SIZE, &640_u16.to_be_bytes()).unwrap();
    machine.ram.write(LOG + SIZE, &200_u32.to_be_bytes()).unwrap();
    machine.ram.write(SHADOW + SIZE, &1040_u32.to_be_bytes()).unwrap();
    machine
}

fn counter(machine: &Machine) -> u32 {
    u32::from_be_bytes(machine.ram.read(VPA + 0x100).unwrap())
}

#[test]
fn areas_are_registered_after_the_vpa_and_deregistered_before_it() {
    let machine = prepared();
    let steps = [
        (REGISTER_LOG, LOG, Status::Resource),
        (REGISTER_SHADOW, SHADOW, Status::Resource),
        (REGISTER_VPA, VPA, Status::Success),
        (REGISTER_LOG, LOG, Status::Success),
        (REGISTER_SHADOW, SHADOW, Status::Success),
        (DEREGISTER_VPA, 0, Status::Resource),
        (DEREGISTER_LOG, 0, Status::Success),
        (DEREGISTER_VPA, 0, Status::Resource),
        (DEREGISTER_SHADOW, 0, Status::Success),
        (DEREGISTER_VPA, 0, Status::Success),
        (DEREGISTER_VPA, 0, Status::Success),
    ];
    for (flags, at, status) in steps {
        call(&machine, flags, 0, at).assert_answer(status);
    }
}

#[test]
fn each_wrong_area_is_h_parameter() {
    let machine = prepared();
    let size = |at: u64, bytes: u32| {
        machine.ram.write(at + SIZE, &bytes.to_be_bytes()).unwrap();
        at
    };
    let vpa_of = |at: u64, bytes: u16| {
        machine.ram.write(at + SIZE, &bytes.to_be_bytes()).unwrap();
        at
    };
    call(&machine, REGISTER_VPA, 0, VPA).assert_answer(Status::Success);
    let wrong = [
        (0, 0, VPA),
        (4 << 45, 0, VPA),
        (REGISTER_VPA, 2, VPA),
        (REGISTER_VPA, u64::MAX, VPA),
        (REGISTER_VPA, 0, VPA + 64),
        (REGISTER_VPA, 0, RAM),
        (REGISTER_VPA, 0, !127),
        (REGISTER_VPA, 0, vpa_of(0x4000, 639)),
        (REGISTER_VPA, 0, vpa_of(0x5000 - 512, 640)),
        (REGISTER_VPA, 0, vpa_of(RAM - 512, 640)),
        (REGISTER_LOG, 0, size(0x6000, 47)),
        (REGISTER_LOG, 0, size(RAM - 128, 192)),
        (REGISTER_SHADOW, 0, size(0x7000, 7)),
        (REGISTER_SHADOW, 0, size(0x8000 - 128, 256)),
        (REGISTER_SHADOW, 0, size(0x8000, u32::MAX)),
    ];
    for (flags, server, at) in wrong {
        let cpu = call(&machine, flags, server, at);
        assert_eq!(
            cpu.gprs[3],
            Status::Parameter.to_register(),
            "{flags:#x} {server} {at:#x}"
        );
    }
}

#[test]
fn the_dispatch_counter_is_even_while_the_processor_runs() {
    let machine = prepared();
    call(&machine, REGISTER_VPA, 0, VPA).assert_answer(Status::Success);
    assert_eq!(counter(&machine), 2);
    let processor = machine.processors.by_server(0);
    processor.areas().leave(&machine.ram);
    assert_eq!(counter(&machine), 3);
    processor.areas().arrive(&machine.ram);
    assert_eq!(counter(&machine), 4);
    call(&machine, DEREGISTER_VPA, 0, 0);
    processor.areas().leave(&machine.ram);
    assert_eq!(counter(&machine), 4, "no longer ours to write");
}

#[test]
fn the_rest_of_the_vpa_stays_the_guests() {
    let machine = prepared();
    machine.ram.write(VPA + 0x200, &[0xa5; 8]).unwrap();
    machine.ram.write(VPA + 9, &[0x80]).unwrap();
    call(&machine, REGISTER_VPA, 0, VPA).assert_answer(Status::Success);
    assert_eq!(machine.ram.read(VPA + 0x200), Some([0xa5; 8]));
    assert_eq!(machine.ram.read(VPA + 9), Some([0x82]));
    assert_eq!(machine.ram.read(VPA + SIZE), Some(640_u16.to_be_bytes()));
}

#[test]
fn the_log_has_an_entry_for_each_voluntary_wait_and_wraps() {
    let machine = prepared();
    call(&machine, REGISTER_VPA, 0, VPA).assert_answer(Status::Success);
    call(&machine, REGISTER_LOG, 0, LOG).assert_answer(Status::Success);
    let wait = |began, ended| {
        machine
            .processors
            .by_server(0)
            .areas()
            .log(&machine.ram, Wait::Ceded, began, ended);
    };
    let index = || u64::from_be_bytes(machine.ram.read(VPA + 0x218).unwrap());
    wait(1, 2);
    assert_eq!(index(), 0, "not asked for");
    machine.ram.write(VPA + 0xb8, &[1]).unwrap();
    // 200 bytes hold four entries.
    for n in 0..5 {
        wait(100, 110 + n);
    }
    assert_eq!(index(), 5);
    let entry: [u8; 48] = machine.ram.read(LOG).unwrap();
    assert_eq!((entry[0], entry[1]), (7, 2));
    assert_eq!(entry[12..16], 14_u32.to_be_bytes());
    assert_eq!(entry[16..24], 114_u64.to_be_bytes());
    assert_eq!(
        machine.ram.read(LOG + 4 * 48),
        Some([0; 8]),
        "behind the last whole entry"
    );
}
