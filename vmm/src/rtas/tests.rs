//! RTAS calls as a guest makes them: a buffer in memory and its address in r4.

use std::sync::Arc;

use devices::interrupt::Sources as _;
use power::hcall::Hcall;
use power::msr::{Msr, lpcr};

use super::*;
use crate::machine::{Machine, OnPanic, OnReboot};
use crate::offer::{Feature, Offer};
use crate::processors::Start;
use crate::sources::{CONSOLE_INTERRUPT, POWER_INTERRUPT};
use crate::stop::{Call, Ending};
use crate::test_machine::{Paper, RAM, Registers, machine, machine_with, machine_with_irqchip};

/// Where the test's buffer lies.
const BUFFER: u64 = 0x10_0000;

/// Makes `call` on processor 0 and returns its `N` outputs.
fn rtas<const N: usize>(machine: &Machine, call: RtasCall, inputs: &[u32]) -> [u32; N] {
    raw(machine, call.token(), inputs)
}

fn raw<const N: usize>(machine: &Machine, token: u32, inputs: &[u32]) -> [u32; N] {
    let head = [token, inputs.len() as u32, N as u32];
    let poison = [0xdead_beef; N];
    let words = head.iter().chain(inputs).chain(&poison);
    let bytes: Vec<u8> = words.flat_map(|word| word.to_be_bytes()).collect();
    machine.ram.write(BUFFER, &bytes).unwrap();
    let mut cpu = Registers::default();
    if cpu.call(machine, 0, Hcall::Rtas, [BUFFER]) == Next::Run {
        cpu.assert_answer(Status::Success);
    }
    let outputs = BUFFER + 12 + 4 * inputs.len() as u64;
    std::array::from_fn(|n| u32::from_be_bytes(machine.ram.read(outputs + 4 * n as u64).unwrap()))
}

const SUCCESS: u32 = 0;
const HARDWARE: u32 = -1_i32 as u32;
const PARAMETER: u32 = -3_i32 as u32;

#[test]
fn a_buffer_outside_memory_or_with_absurd_counts_is_h_parameter() {
    let machine = machine(1);
    let mut cpu = Registers::default();
    for at in [RAM, RAM - 8, u64::MAX, u64::MAX - 11] {
        cpu.call(&machine, 0, Hcall::Rtas, [at]);
        cpu.assert_answer(Status::Parameter);
    }
    for (inputs, outputs) in [(17, 1), (1, 17), (u32::MAX, u32::MAX)] {
        let head: Vec<u8> = [1, inputs, outputs]
            .iter()
            .flat_map(|word: &u32| word.to_be_bytes())
            .collect();
        machine.ram.write(BUFFER, &head).unwrap();
        cpu.call(&machine, 0, Hcall::Rtas, [BUFFER]);
        cpu.assert_answer(Status::Parameter);
    }
    // The head lies inside, the outputs do not.
    let head: Vec<u8> = [7_u32, 0, 8].iter().flat_map(|word| word.to_be_bytes()).collect();
    machine.ram.write(RAM - 12, &head).unwrap();
    cpu.call(&machine, 0, Hcall::Rtas, [RAM - 12]);
    cpu.assert_answer(Status::Parameter);
}

#[test]
fn results_stop_where_the_guest_left_no_room() {
    let machine = machine(1);
    let [] = rtas(&machine, RtasCall::GetTimeOfDay, &[]);
    let [status, year] = rtas(&machine, RtasCall::GetTimeOfDay, &[]);
    assert_eq!(status, SUCCESS);
    assert!(year >= 2026, "{year}");
    let past: [u8; 4] = machine.ram.read(BUFFER + 20).unwrap();
    assert_eq!(past, [0; 4]);
}

#[test]
fn wrong_counts_and_unknown_tokens_are_parameter_errors() {
    let machine = machine(1);
    for call in [
        RtasCall::StartCpu,
        RtasCall::SetXive,
        RtasCall::SetTimeOfDay,
        RtasCall::QueryCpuStoppedState,
    ] {
        assert_eq!(rtas(&machine, call, &[]), [PARAMETER], "{call}");
        assert_eq!(rtas(&machine, call, &[0; 16]), [PARAMETER], "{call}");
    }
    assert_eq!(raw(&machine, 0x4242, &[]), [PARAMETER]);
}

#[test]
fn a_processor_is_started_once_with_the_interrupts_byte_order() {
    let machine = machine(2);
    machine.partition.change_lpcr(lpcr::ILE, lpcr::ILE);
    assert_eq!(rtas(&machine, RtasCall::QueryCpuStoppedState, &[1]), [SUCCESS, 0]);
    assert_eq!(rtas(&machine, RtasCall::StartCpu, &[1, 0x8000, 5]), [SUCCESS]);
    assert_eq!(rtas(&machine, RtasCall::QueryCpuStoppedState, &[1]), [SUCCESS, 2]);
    assert_eq!(rtas(&machine, RtasCall::StartCpu, &[1, 0x8000, 5]), [u32::MAX]);
    assert_eq!(rtas(&machine, RtasCall::StartCpu, &[2, 0x8000, 5]), [PARAMETER]);
    let start = machine.processors.by_server(1).take_start();
    assert_eq!(
        start,
        Some(Start {
            pc: 0x8000,
            r3: 5,
            msr: Msr::from_raw(Msr::SF | Msr::ME | Msr::LE)
        })
    );
}

#[test]
fn the_last_processor_to_stop_itself_ends_the_run() {
    let machine = machine(2);
    let start = Start {
        pc: 0,
        r3: 0,
        msr: Msr::default(),
    };
    for processor in machine.processors.iter() {
        processor.start(start);
        processor.take_start();
        processor.areas().arrive(&machine.ram);
    }
    let mut cpu = Registers::default();
    let head: Vec<u8> = [RtasCall::StopSelf.token(), 0, 1]
        .iter()
        .flat_map(|word| word.to_be_bytes())
        .collect();
    machine.ram.write(BUFFER, &head).unwrap();
    assert_eq!(cpu.call(&machine, 1, Hcall::Rtas, [BUFFER]), Next::Stopped);
    assert!(!machine.stop.is_requested());
    assert_eq!(cpu.call(&machine, 0, Hcall::Rtas, [BUFFER]), Next::Stopped);
    assert!(matches!(machine.stop.take(), Some(Ending::AllStopped)));
}

#[test]
fn a_power_off_ends_the_run_and_a_reboot_does_if_the_user_says_so() {
    let off = machine(1);
    rtas::<1>(&off, RtasCall::PowerOff, &[0, 0]);
    assert!(matches!(off.stop.take(), Some(Ending::PowerOff)));
    let reboot = machine(1);
    rtas::<1>(&reboot, RtasCall::SystemReboot, &[]);
    assert_eq!(reboot.stop.wait(), Call::Reset);
    assert!(!reboot.stop.is_requested());
    let mut no_reboot = machine(1);
    no_reboot.reactions.reboot = OnReboot::End;
    rtas::<1>(&no_reboot, RtasCall::SystemReboot, &[]);
    assert!(matches!(no_reboot.stop.take(), Some(Ending::Reboot)));
}

/// A machine whose guest has said that it is dead.
fn dying(on_panic: OnPanic) -> Machine {
    let mut machine = machine(1);
    machine.reactions.panic = on_panic;
    machine
        .ram
        .write(0x2000, b"Kernel panic\x1b[31m: no init\n\0rest")
        .unwrap();
    assert_eq!(rtas(&machine, RtasCall::OsTerm, &[0x2000]), [SUCCESS]);
    assert!(!machine.stop.is_requested(), "it may write down why");
    machine
}

#[test]
fn a_guest_that_has_died_ends_when_it_has_had_time_for_its_last_words_or_reboots() {
    let died = dying(OnPanic::End);
    assert_eq!(died.stop.wait(), Call::End);
    assert!(matches!(died.stop.take(), Some(Ending::Died(words)) if words == "Kernel panic [31m: no init"));
    // As with panic=-1: no endless round of deaths.
    for last in [RtasCall::SystemReboot, RtasCall::PowerOff] {
        let died = dying(OnPanic::End);
        rtas::<1>(&died, last, &[]);
        assert!(matches!(died.stop.take(), Some(Ending::Died(_))), "{last}");
    }
    let goes_on = dying(OnPanic::GoOn);
    rtas::<1>(&goes_on, RtasCall::SystemReboot, &[]);
    assert_eq!(goes_on.stop.wait(), Call::Reset);
}

#[test]
fn nvram_is_stored_and_fetched_and_a_wrong_place_is_a_parameter_error() {
    let machine = machine(1);
    machine.ram.write(0x3000, b"some words").unwrap();
    assert_eq!(
        rtas(&machine, RtasCall::NvramStore, &[0x1234, 0x3000, 10]),
        [SUCCESS, 10]
    );
    assert_eq!(rtas(&machine, RtasCall::NvramFetch, &[0x1236, 0x4000, 5]), [SUCCESS, 5]);
    assert_eq!(machine.ram.read(0x4000), Some(*b"me wo\0"));
    let end = machine.nvram.bytes() as u32;
    for (index, at, length) in [
        (end, 0x4000, 1),
        (end - 4, 0x4000, 5),
        (u32::MAX, 0x4000, 1),
        (0, RAM as u32, 4),
        (0, RAM as u32 - 2, 4),
        (0, u32::MAX, u32::MAX),
    ] {
        for call in [RtasCall::NvramStore, RtasCall::NvramFetch] {
            let answer = rtas(&machine, call, &[index, at, length]);
            assert_eq!(answer, [PARAMETER, 0], "{call} {index:#x} {at:#x} {length:#x}");
        }
    }
    assert_eq!(rtas(&machine, RtasCall::NvramStore, &[0, 0x3000]), [PARAMETER, 0]);
}

#[test]
fn only_a_store_that_is_done_puts_the_end_of_a_dead_guest_off() {
    use std::time::Duration;
    let machine = machine(1);
    let hour = Duration::from_secs(3600);
    machine.stop.request_later(Ending::Died("it".into()), hour, 2 * hour);
    let due = machine.stop.due();
    assert!(due.is_some());
    let end = machine.nvram.bytes() as u32;
    for (index, at, length) in [(end, 0x4000, 1), (0, RAM as u32, 4), (0, 0x4000, u32::MAX)] {
        assert_eq!(
            rtas(&machine, RtasCall::NvramStore, &[index, at, length]),
            [PARAMETER, 0]
        );
    }
    assert_eq!(rtas(&machine, RtasCall::NvramStore, &[0, 0x3000]), [PARAMETER, 0]);
    assert_eq!(machine.stop.due(), due);
    assert_eq!(rtas(&machine, RtasCall::NvramStore, &[0, 0x3000, 4]), [SUCCESS, 4]);
    assert_ne!(machine.stop.due(), due);
}

/// Vector, additional information, mask, critical, address and length.
fn check(machine: &Machine, mask: u32, at: u32, length: u32) -> u32 {
    let inputs = [0x500, POWER_INTERRUPT, mask, 0, at, length];
    rtas::<1>(machine, RtasCall::CheckException, &inputs)[0]
}

#[test]
fn a_wish_to_shut_down_interrupts_and_is_told_once_to_who_asks_for_it() {
    const EPOW: u32 = 0x4000_0000;
    let machine = machine(1);
    let xics = machine.xics.as_ref().unwrap();
    assert_eq!(rtas(&machine, RtasCall::SetXive, &[POWER_INTERRUPT, 0, 5]), [SUCCESS]);
    assert_eq!(rtas(&machine, RtasCall::IntOn, &[POWER_INTERRUPT]), [SUCCESS]);
    let _ = xics.set_cppr(0, 0xff);
    assert_eq!(check(&machine, EPOW, 0x3000, 2048), 1);
    assert_eq!(rtas(&machine, RtasCall::GetSensorState, &[9, 0]), [SUCCESS, 0]);
    machine.power_events.request_shutdown();
    assert_eq!(xics.xirr(0) & 0xff_ffff, POWER_INTERRUPT);
    assert_eq!(rtas(&machine, RtasCall::GetSensorState, &[9, 0]), [SUCCESS, 3]);
    // Who polls, who asks for something else, and who has no place for it leaves it there.
    assert_eq!(rtas(&machine, RtasCall::EventScan, &[u32::MAX, 0, 0x3000, 2048]), [1]);
    assert_eq!(check(&machine, !EPOW, 0x3000, 2048), 1);
    assert_eq!(check(&machine, EPOW, RAM as u32 - 8, 2048), 1);
    assert_eq!(check(&machine, EPOW, 0x3000, 2048), SUCCESS);
    assert_eq!(machine.ram.read(0x3000), Some([6, 0x34, 0, 0x40]));
    assert_eq!(check(&machine, EPOW, 0x3000, 2048), 1);
    assert_eq!(rtas(&machine, RtasCall::GetSensorState, &[9, 1]), [PARAMETER]);
    assert_eq!(rtas(&machine, RtasCall::GetSensorState, &[9003, 0]), [PARAMETER]);
}

#[test]
fn a_log_is_cut_off_where_the_guest_s_buffer_ends() {
    let machine = machine(1);
    machine.ram.write(0x3000, &[0xee; 16]).unwrap();
    machine.power_events.request_shutdown();
    let inputs = [0x500, 0, u32::MAX, 1, 0x3000, 5, 0];
    assert_eq!(rtas(&machine, RtasCall::CheckException, &inputs), [SUCCESS]);
    let log: [u8; 8] = machine.ram.read(0x3000).unwrap();
    assert_eq!((log[0], log[3], &log[5..]), (6, 0x40, &[0xee; 3][..]));
    // The manual has an event that was cut off as one that was told (LoPAR, RTAS Call Definition, 3.2, R1-3 and R1-5).
    assert_eq!(rtas(&machine, RtasCall::CheckException, &inputs), [1]);
}

#[test]
fn characters_are_displayed_on_the_console() {
    let paper = Paper::default();
    let machine = machine_with(1, Arc::default(), Box::new(paper.clone()));
    for &character in b"ok\n" {
        assert_eq!(
            rtas(&machine, RtasCall::DisplayCharacter, &[character.into()]),
            [SUCCESS]
        );
    }
    assert_eq!(*paper.0.lock().unwrap(), b"ok\n");
}

#[test]
fn the_clock_keeps_what_it_was_set_to() {
    let machine = machine(1);
    assert_eq!(
        rtas(&machine, RtasCall::SetTimeOfDay, &[2031, 2, 3, 4, 5, 6, 7]),
        [SUCCESS]
    );
    let [status, year, month, day] = rtas(&machine, RtasCall::GetTimeOfDay, &[]);
    assert_eq!((status, year, month, day), (SUCCESS, 2031, 2, 3));
    assert_eq!(
        rtas(&machine, RtasCall::SetTimeOfDay, &[2031, 2, 30, 4, 5, 6, 7]),
        [PARAMETER]
    );
}

#[test]
fn an_interrupt_source_goes_where_it_was_sent() {
    let machine = machine(2);
    assert_eq!(rtas(&machine, RtasCall::SetXive, &[CONSOLE_INTERRUPT, 1, 5]), [SUCCESS]);
    assert_eq!(rtas(&machine, RtasCall::GetXive, &[CONSOLE_INTERRUPT]), [SUCCESS, 1, 5]);
    assert_eq!(rtas(&machine, RtasCall::IntOff, &[CONSOLE_INTERRUPT]), [SUCCESS]);
    assert_eq!(rtas(&machine, RtasCall::IntOn, &[CONSOLE_INTERRUPT]), [SUCCESS]);
    assert_eq!(
        rtas(&machine, RtasCall::SetXive, &[CONSOLE_INTERRUPT, 2, 5]),
        [PARAMETER]
    );
    assert_eq!(rtas(&machine, RtasCall::IntOff, &[77]), [PARAMETER]);
    // It interrupts that processor, and nobody else.
    let xics = machine.xics.as_ref().unwrap();
    for server in [0, 1] {
        assert_eq!(xics.set_cppr(server, 0xff), Status::Success);
    }
    xics.pulse(CONSOLE_INTERRUPT);
    assert_eq!(xics.xirr(0) & 0xff_ffff, 0);
    assert_eq!(xics.xirr(1), 0xff00_0000 | CONSOLE_INTERRUPT);
}

/// The kernel leaves to us what it cannot read, and we know nothing of its sources.
#[test]
fn where_the_processors_come_with_an_interrupt_controller_its_calls_fail_here() {
    let machine = machine_with_irqchip(Box::new(|| {}));
    let call = |call, inputs: &[u32]| rtas::<1>(&machine, call, inputs)[0];
    assert_eq!(call(RtasCall::SetXive, &[CONSOLE_INTERRUPT, 0, 5]), HARDWARE);
    for of_source in [RtasCall::GetXive, RtasCall::IntOff, RtasCall::IntOn] {
        assert_eq!(call(of_source, &[CONSOLE_INTERRUPT]), HARDWARE, "{of_source}");
    }
}

#[test]
fn a_system_parameter_is_cut_off_where_its_buffer_ends() {
    let machine = machine(3);
    let get = |parameter, at, length| rtas::<1>(&machine, RtasCall::GetSystemParameter, &[parameter, at, length])[0];
    assert_eq!(get(20, 0x3000, 4000), SUCCESS);
    let length = u16::from_be_bytes(machine.ram.read(0x3000).unwrap());
    let text: [u8; 1024] = machine.ram.read(0x3002).unwrap();
    let text = std::str::from_utf8(&text[..length.into()]).unwrap();
    assert!(
        text.ends_with("DedDonMode=0\0") && text.contains("DesProcs=3,") && text.contains("DesMem=16,"),
        "{text}"
    );

    machine.ram.write(0x4000, &[0xee; 16]).unwrap();
    assert_eq!(get(20, 0x4000, 6), SUCCESS);
    assert_eq!(machine.ram.read(0x4002), Some(*b"Boun\xee\xee"));
    assert_eq!(get(20, 0xffff_ffff, 0), -9999_i32 as u32);
    assert_eq!(get(99, 0x3000, 4000), PARAMETER);
    assert_eq!(
        rtas(&machine, RtasCall::SetSystemParameter, &[20, 0x3000]),
        [-9002_i32 as u32]
    );
}

/// As Linux reads it: length, log2 of the block, number of page sizes, and for each L and its encoding.
#[test]
fn a_block_is_eight_pages_of_all_sizes_in_segments_of_small_ones() {
    let mut machine = machine(1);
    let get = |machine: &Machine| {
        machine.ram.write(0x3000, &[0xee; 16]).unwrap();
        let answer = rtas(machine, RtasCall::GetSystemParameter, &[50, 0x3000, 16]);
        assert_eq!(answer, [SUCCESS]);
        machine.ram.read::<16>(0x3000).unwrap()
    };
    assert_eq!(get(&machine)[..10], [0, 7, 3, 5, 0x00, 0x87, 0xb8, 0x81, 0x88, 0xee]);
    assert_eq!(
        rtas(&machine, RtasCall::SetSystemParameter, &[50, 0x3000]),
        [-9002_i32 as u32]
    );
    machine.offer = Offer::without(&[Feature::BlockRemove]);
    assert_eq!(get(&machine)[..5], [0, 2, 0, 0, 0xee]);
}

#[test]
fn there_are_no_errors_to_report() {
    let machine = machine(1);
    assert_eq!(rtas(&machine, RtasCall::EventScan, &[0, 0, 0, 0]), [1]);
    assert_eq!(rtas(&machine, RtasCall::CheckException, &[0, 0, 0, 0, 0, 0]), [1]);
}

mod hostile;
mod pci;
