//! RTAS calls as a guest makes them: a buffer in memory and its address in r4.

use std::sync::Arc;

use power::hcall::Hcall;
use power::msr::{Msr, lpcr};

use super::*;
use crate::machine::{CONSOLE_INTERRUPT, Machine};
use crate::offer::{Feature, Offer};
use crate::processors::Start;
use crate::stop::Ending;
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
fn power_off_reboot_and_last_words_end_the_run() {
    let off = machine(1);
    rtas::<1>(&off, RtasCall::PowerOff, &[0, 0]);
    assert!(matches!(off.stop.take(), Some(Ending::PowerOff)));
    let reboot = machine(1);
    rtas::<1>(&reboot, RtasCall::SystemReboot, &[]);
    assert!(matches!(reboot.stop.take(), Some(Ending::Reboot)));
    let died = machine(1);
    died.ram
        .write(0x2000, b"Kernel panic\x1b[31m: no init\n\0rest")
        .unwrap();
    assert_eq!(rtas(&died, RtasCall::OsTerm, &[0x2000]), [SUCCESS]);
    assert!(matches!(died.stop.take(), Some(Ending::Died(words)) if words == "Kernel panic [31m: no init"));
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
