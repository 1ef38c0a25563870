//! Registering areas, and what is kept in them.

use power::hcall::Hcall;
use power::msr::Msr;

use super::*;
use crate::hypercall::Wait;
use crate::machine::Machine;
use crate::processors::Start;
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
fn of_a_processor_that_runs_others_may_change_the_log_alone() {
    let machine = prepared();
    let of_second = |caller, flags, at| {
        let mut cpu = Registers::default();
        cpu.call(&machine, caller, Hcall::RegisterVpa, [flags, 1, at]);
        cpu
    };
    of_second(0, REGISTER_VPA, VPA).assert_answer(Status::Success);
    of_second(0, DEREGISTER_VPA, 0).assert_answer(Status::Success);
    let start = Start {
        pc: 0,
        r3: 0,
        msr: Msr::from_raw(0),
    };
    assert!(machine.processors.by_server(1).start(start));
    of_second(0, REGISTER_VPA, VPA).assert_answer(Status::State);
    of_second(1, REGISTER_VPA, VPA).assert_answer(Status::Success);
    for (flags, at, by_another) in [
        (REGISTER_LOG, LOG, Status::Success),
        (DEREGISTER_LOG, 0, Status::Success),
        (REGISTER_SHADOW, SHADOW, Status::State),
        (DEREGISTER_SHADOW, 0, Status::State),
        (DEREGISTER_VPA, 0, Status::State),
    ] {
        of_second(0, flags, at).assert_answer(by_another);
        of_second(1, flags, at).assert_answer(Status::Success);
    }
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

/// A machine whose processor 0 has a log of four entries (200 bytes) for the kinds of wait in `enabled`.
fn logging(enabled: u8) -> Machine {
    let machine = prepared();
    call(&machine, REGISTER_VPA, 0, VPA).assert_answer(Status::Success);
    call(&machine, REGISTER_LOG, 0, LOG).assert_answer(Status::Success);
    machine.ram.write(VPA + 0xb8, &[enabled]).unwrap();
    machine
}

/// Processor 0 waits from `began` to `ended`, and could have run from `ready` on.
fn wait(machine: &Machine, wait: Wait, began: u64, ready: Option<u64>, ended: u64) {
    let mut areas = machine.processors.by_server(0).areas();
    areas.leave(&machine.ram);
    let mut waited = Waited::since(began, wait);
    if let Some(ready) = ready {
        waited.note_ready(ready);
        waited.note_ready(ready + 1);
    }
    areas.arrive_after(&machine.ram, &waited, ended);
}

/// Entries ever made.
fn entries(machine: &Machine) -> u64 {
    u64::from_be_bytes(machine.ram.read(VPA + 0x218).unwrap())
}

#[test]
fn the_log_has_an_entry_for_each_voluntary_wait_and_wraps() {
    let machine = logging(0);
    wait(&machine, Wait::Ceded, 1, None, 2);
    assert_eq!(entries(&machine), 0, "not asked for");
    machine.ram.write(VPA + 0xb8, &[1]).unwrap();
    for n in 0..5 {
        wait(&machine, Wait::Ceded, 100, None, 110 + n);
    }
    assert_eq!(entries(&machine), 5);
    let entry: [u8; 48] = machine.ram.read(LOG).unwrap();
    assert_eq!((entry[0], entry[1]), (7, 2));
    assert_eq!(entry[12..16], 14_u32.to_be_bytes());
    assert_eq!(entry[16..24], 114_u64.to_be_bytes());
    assert_eq!(
        machine.ram.read(LOG + 4 * 48),
        Some([0; 8]),
        "behind the last whole entry"
    );
    assert_eq!(counter(&machine), 2 + 6 * 2);
}

#[test]
fn each_kind_of_wait_is_logged_if_it_is_asked_for() {
    for (enabled, expected) in [
        (0, [0, 0, 0]),
        (1, [1, 1, 0]),
        (2, [0, 0, 1]),
        (4, [0, 0, 0]),
        (7, [1, 1, 1]),
    ] {
        let found = [Wait::Ceded, Wait::Conferred, Wait::Preempted].map(|kind| {
            let machine = logging(enabled);
            wait(&machine, kind, 1, None, 2);
            entries(&machine)
        });
        assert_eq!(found, expected, "{enabled:#x}");
    }
}

/// Linux adds up the time from ready to dispatched, and calls it stolen.
#[test]
fn the_log_tells_sleep_from_time_without_a_carrier() {
    for (kind, ready, reason, asleep, stolen) in [
        (Wait::Ceded, Some(130), 2, 30_u32, 20_u32),
        (Wait::Ceded, None, 2, 50, 0),
        (Wait::Conferred, None, 3, 50, 0),
        (Wait::Preempted, None, 4, 0, 50),
        (Wait::Preempted, Some(130), 4, 0, 50),
    ] {
        let machine = logging(3);
        wait(&machine, kind, 100, ready, 150);
        let entry: [u8; 48] = machine.ram.read(LOG).unwrap();
        assert_eq!((entry[0], entry[1]), (7, reason));
        let word = |at: usize| u32::from_be_bytes(entry[at..at + 4].try_into().unwrap());
        assert_eq!(
            (word(0x0c), word(0x04), word(0x08)),
            (asleep, stolen, 0),
            "{kind:?} {ready:?}"
        );
        assert_eq!(entry[16..24], 150_u64.to_be_bytes());
    }
}

/// Linux reads the sums as stolen time, whether it keeps a log or not.
#[test]
fn waits_add_up_in_the_vpa_with_and_without_a_log() {
    let sum = |machine: &Machine, at: u64| u64::from_be_bytes(machine.ram.read(VPA + at).unwrap());
    let sums = |machine: &Machine| [0x158, 0x160, 0x168].map(|at| sum(machine, at));
    let machine = prepared();
    wait(&machine, Wait::Ceded, 100, Some(130), 150);
    machine.ram.write(VPA + 0x158, &[0xff; 24]).unwrap();
    call(&machine, REGISTER_VPA, 0, VPA).assert_answer(Status::Success);
    assert_eq!(
        sums(&machine),
        [20, 0, 30],
        "what came before it was registered counts too"
    );
    wait(&machine, Wait::Preempted, 1000, None, 1007);
    assert_eq!(sums(&machine), [27, 0, 30]);
    call(&machine, REGISTER_LOG, 0, LOG).assert_answer(Status::Success);
    wait(&machine, Wait::Conferred, 2000, None, 2400);
    assert_eq!(sums(&machine), [27, 0, 430]);
    assert_eq!(entries(&machine), 0, "no kind is logged");
    call(&machine, DEREGISTER_LOG, 0, 0).assert_answer(Status::Success);
    call(&machine, DEREGISTER_VPA, 0, 0).assert_answer(Status::Success);
    wait(&machine, Wait::Ceded, 3000, Some(3001), 3003);
    assert_eq!(sums(&machine), [27, 0, 430], "no longer ours to write");
}
