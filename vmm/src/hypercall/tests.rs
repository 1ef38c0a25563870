//! Hypercalls as a guest makes them, through the dispatcher.

use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use power::hcall::{Status, access, set_mode};
use power::msr::Msr;
use power::msr::lpcr;
use power::spr::Spr;

use super::*;
use crate::accel::Partition as _;
use crate::stop::Ending;
use crate::test_machine::{Modes, Paper, RAM, Registers, machine, machine_with, machine_with_irqchip};

#[test]
fn an_unknown_number_is_h_function() {
    let machine = machine(1);
    for number in [0, 1, 0x45c, 0x32c, u64::MAX] {
        let mut cpu = Registers::default();
        cpu.gprs[3] = number;
        assert_eq!(
            dispatch(
                Caller {
                    machine: &machine,
                    server: 0
                },
                &mut machine.hpt.port(),
                &mut cpu
            ),
            Next::Run
        );
        cpu.assert_answer(Status::Function);
    }
}

/// What waits for nobody: an entry, and no work on its page. It has the same answer as outside.
#[test]
fn an_entry_alone_is_answered_inside_the_seat() {
    let machine = machine(1);
    let caller = Caller {
        machine: &machine,
        server: 0,
    };
    let mut port = machine.hpt.port();
    let inside = |port: &mut Port, cpu: &mut Registers, call: Hcall, flags: u64, at: u64| {
        cpu.gprs[3..8].copy_from_slice(&[call.number(), flags, at, 0x4000_0000_0000_0005, 0x0010_1190]);
        answer_inside(caller, port, cpu)
    };
    let mut cpu = Registers::default();
    assert!(inside(&mut port, &mut cpu, Hcall::Enter, 0, 16));
    cpu.assert_answer(Status::Success);
    assert_eq!(cpu.gprs[4], 16);
    assert!(inside(&mut port, &mut cpu, Hcall::Enter, access::EXACT, 16));
    cpu.assert_answer(Status::PtegFull);
    assert!(inside(&mut port, &mut cpu, Hcall::Enter, 0, u64::MAX));
    cpu.assert_answer(Status::Parameter);
    cpu.msr = Msr::PR;
    assert!(
        !inside(&mut port, &mut cpu, Hcall::Enter, 0, 16),
        "a refusal is not in haste"
    );
    cpu.msr = 0;
    for (call, flags) in [
        (Hcall::Enter, access::ZERO_PAGE),
        (Hcall::Enter, access::ICACHE_SYNCHRONIZE),
        (Hcall::Enter, 1 << 63),
        (Hcall::Remove, 0),
        (Hcall::Read, 0),
        (Hcall::Cede, 0),
    ] {
        assert!(!inside(&mut port, &mut cpu, call, flags, 16), "{call:?} {flags:#x}");
        assert_eq!(cpu.gprs[3], call.number(), "it is still to be answered");
    }
}

#[test]
fn a_call_from_problem_state_is_h_privilege() {
    let modes = Arc::new(Modes::default());
    let paper = Paper::default();
    let machine = machine_with(1, Arc::clone(&modes), Box::new(paper.clone()));
    let kernel = |call, arguments: [u64; 4]| {
        let mut cpu = Registers::default();
        cpu.call(&machine, 0, call, arguments);
        cpu
    };
    let entry = (0x4000_0000_0000_0005, 0x0010_1190);
    kernel(Hcall::Enter, [0, 16, entry.0, entry.1]).assert_answer(Status::Success);
    kernel(Hcall::Cppr, [0xff, 0, 0, 0]).assert_answer(Status::Success);
    let numbers = Hcall::ALL.iter().map(|call| call.number());
    for number in numbers.chain([0x45c]) {
        // Each would do something, were it allowed: to the entry, to memory, to the console, to the modes.
        for arguments in [
            [0, 16, 3, 0],
            [access::ZERO_PAGE, 0, 0, 0],
            [0, 3, 0, 0],
            [3, 3, 0, 0],
            [1 << 45, 0, 0, 0],
        ] {
            let mut cpu = Registers {
                msr: Msr::PR | Msr::EE,
                gprs: [0x5a; 32],
                ..Registers::default()
            };
            cpu.gprs[3] = number;
            cpu.gprs[4..8].copy_from_slice(&arguments);
            let mut after = cpu.gprs;
            after[3] = Status::Privilege.to_register();
            let caller = Caller {
                machine: &machine,
                server: 0,
            };
            assert_eq!(dispatch(caller, &mut machine.hpt.port(), &mut cpu), Next::Run);
            assert_eq!(
                (cpu.gprs, cpu.msr, cpu.sprg0),
                (after, Msr::PR | Msr::EE, 0),
                "{number:#x}"
            );
        }
    }
    let entry_now = kernel(Hcall::Read, [0, 16, 0, 0]);
    assert_eq!((entry_now.gprs[4], entry_now.gprs[5]), entry);
    assert_eq!(kernel(Hcall::Xirr, [0; 4]).gprs[4], 0xff00_0000);
    assert!(modes.wrote.lock().unwrap().is_empty() && modes.lpcr() == 0);
    assert!(paper.0.lock().unwrap().is_empty() && !machine.stop.is_requested());
}

#[test]
fn the_partition_has_a_processors_whole_capacity_for_each_and_cannot_change_it() {
    let machine = machine(3);
    let mut cpu = Registers::default();
    cpu.call(&machine, 0, Hcall::GetPpp, []);
    cpu.assert_answer(Status::Success);
    assert_eq!(cpu.gprs[4..9], [300, 0, 0, 0x0001_0000_0003_0003, 0]);
    for (entitled, weight, status) in [
        (300, 0, Status::Success),
        (299, 0, Status::Constrained),
        (u64::MAX, 0, Status::Constrained),
        (300, 255, Status::Constrained),
        (300, 256, Status::Parameter),
        (300, u64::MAX, Status::Parameter),
    ] {
        cpu.call(&machine, 0, Hcall::SetPpp, [entitled, weight]);
        cpu.assert_answer(status);
    }
    cpu.call(&machine, 0, Hcall::GetPpp, []);
    assert_eq!(cpu.gprs[4], 300);
}

#[test]
fn the_utilization_register_runs_with_the_time_base_and_no_work_of_ours_waits() {
    let machine = machine(1);
    let mut cpu = Registers::default();
    cpu.call(&machine, 0, Hcall::Purr, []);
    cpu.assert_answer(Status::Success);
    assert_eq!(cpu.gprs[4], machine.partition.timebase());
    cpu.call(&machine, 0, Hcall::PollPending, []);
    cpu.assert_answer(Status::Success);
}

#[test]
fn a_guest_of_isa_3_0_says_that_it_translates_by_the_hashed_table() {
    let answer = |process_table, arguments: [u64; 4]| {
        let modes = Arc::new(Modes {
            process_table,
            ..Modes::default()
        });
        let machine = machine_with(1, modes, Box::new(Paper::default()));
        let mut cpu = Registers::default();
        cpu.call(&machine, 0, Hcall::RegisterProcTbl, arguments);
        cpu
    };
    answer(false, [0; 4]).assert_answer(Status::Function);
    for (arguments, status) in [
        // As Linux says it: no table, segments by the SLB.
        ([0, 0, 0, 0], Status::Success),
        ([0x18, 0x10_0000, 0, 4], Status::Success),
        ([0x10, 0, 0, 0], Status::Success),
        ([0x18, 1 << 38, 0, 0], Status::P2),
        ([0x18, 0, 8, 0], Status::P3),
        ([0x18, 0, 0, 25], Status::P4),
        ([0x08, 0, 0, 0], Status::Parameter),
        // Segments in memory, radix trees, its own flushes.
        ([0x1a, 0, 0, 0], Status::Parameter),
        ([0x1c, 0, 0, 0], Status::Parameter),
        ([0x1d, 0, 0, 0], Status::Parameter),
        ([0x01, 0, 0, 0], Status::Parameter),
        ([u64::MAX, 0, 0, 0], Status::Parameter),
    ] {
        answer(true, arguments).assert_answer(status);
    }
}

/// Whatever stands in the registers, a call answers and the machine goes on.
#[test]
fn no_argument_whatever_brings_the_machine_down() {
    use proptest::prelude::*;
    let machine = machine(2);
    let edge = prop_oneof![
        any::<u64>(),
        0_u64..64,
        (0_u64..64).prop_map(|bit| 1 << bit),
        (0_u64..RAM / 128).prop_map(|block| block * 128),
        Just(u64::MAX),
        Just(RAM - 1),
        Just(RAM),
    ];
    let calls: Vec<Hcall> = Hcall::ALL
        .iter()
        .copied()
        // Power off is among its tokens.
        .filter(|call| !matches!(call, Hcall::Rtas))
        .collect();
    proptest!(ProptestConfig::with_cases(2000), |(call in proptest::sample::select(calls), args in prop::array::uniform8(edge))| {
        let mut cpu = Registers::default();
        let next = cpu.call(&machine, 0, call, args);
        prop_assert!(next == Next::Run || matches!(call, Hcall::Cede | Hcall::Confer), "{:?}", next);
    });
    assert!(!machine.stop.is_requested());
}

#[test]
fn an_entry_goes_in_is_read_and_comes_out() {
    let machine = machine(1);
    let mut cpu = Registers::default();
    // One page of 64 KiB in a segment of 1 TiB, at 1 MiB.
    let (v, r) = (0x4000_0000_0000_0005, 0x0010_1190);
    cpu.call(&machine, 0, Hcall::Enter, [0, 16, v, r]);
    cpu.assert_answer(Status::Success);
    let at = cpu.gprs[4];
    assert_eq!(at / 8, 2);
    cpu.call(&machine, 0, Hcall::Read, [access::READ_4, at]);
    cpu.assert_answer(Status::Success);
    assert_eq!((cpu.gprs[4], cpu.gprs[5], cpu.gprs[6]), (v, r, 0));
    cpu.call(&machine, 0, Hcall::Remove, [access::AVPN, at, v & !0x7f]);
    cpu.assert_answer(Status::Success);
    assert_eq!((cpu.gprs[4], cpu.gprs[5]), (v, r));
    cpu.call(&machine, 0, Hcall::Remove, [access::AVPN, at, v & !0x7f]);
    cpu.assert_answer(Status::NotFound);
}

#[test]
fn bulk_remove_answers_in_the_places_of_its_requests() {
    let machine = machine(1);
    let mut cpu = Registers::default();
    cpu.call(&machine, 0, Hcall::Enter, [0, 16, 0x4000_0000_0000_0005, 0x0010_1190]);
    let at = cpu.gprs[4];
    cpu.call(
        &machine,
        0,
        Hcall::BulkRemove,
        [1 << 62 | at, 0, 1 << 62 | 8, 0, 3 << 62, 0],
    );
    cpu.assert_answer(Status::Success);
    assert_eq!(cpu.gprs[4], 1 << 63 | 1 << 59 | 1 << 58 | at, "removed, with R and C");
    assert_eq!(cpu.gprs[6], 1 << 63 | 1 << 60 | 8, "not found");
    assert_eq!(cpu.gprs[8], 3 << 62);
}

/// Linux stops when it finds anything else in r4 after a call that was done in part.
#[test]
fn block_remove_answers_from_the_first_result_register_on() {
    let machine = machine(1);
    let mut cpu = Registers::default();
    // A page of 4 KiB at 1 MiB.
    let (v, r) = (0x0123_4000_0000_0001, 0x0010_0192);
    cpu.call(&machine, 0, Hcall::Enter, [0, 16, v, r]);
    let at = cpu.gprs[4];
    let request = 1 << 62;
    let specifiers = [request | at, request | 64, 3 << 62, 5, 6, 7, 8, 9];
    let [t0, t1, t2, t3, t4, t5, t6, t7] = specifiers;
    cpu.call(
        &machine,
        0,
        Hcall::BlockRemove,
        [v & !0x7f, t0, t1, t2, t3, t4, t5, t6, t7],
    );
    cpu.assert_answer(Status::Partial);
    assert_eq!(cpu.gprs[4], 0x86 << 56 | at, "removed, with R and C");
    assert_eq!(cpu.gprs[5], 0x88 << 56 | 64, "not found");
    assert_eq!(cpu.gprs[6..12], specifiers[2..]);
}

#[test]
fn interrupts_can_be_made_little_endian_only_while_they_are_off() {
    let modes = Arc::new(Modes::default());
    let machine = machine_with(1, Arc::clone(&modes), Box::new(Paper::default()));
    let mut cpu = Registers {
        msr: Msr::EE,
        ..Registers::default()
    };
    cpu.call(&machine, 0, Hcall::SetMode, [1, set_mode::LITTLE_ENDIAN, 0, 0]);
    cpu.assert_answer(Status::BadMode);
    cpu.msr = 0;
    cpu.call(&machine, 0, Hcall::SetMode, [1, set_mode::LITTLE_ENDIAN, 0, 0]);
    cpu.assert_answer(Status::Success);
    assert_eq!(modes.lpcr(), lpcr::ILE);
    cpu.call(
        &machine,
        0,
        Hcall::SetMode,
        [3, set_mode::ADDRESS_TRANSLATION_MODE, 0, 0],
    );
    cpu.assert_answer(Status::Success);
    assert_eq!(modes.lpcr(), lpcr::ILE | lpcr::AIL_3);
    cpu.call(&machine, 0, Hcall::SetMode, [0, set_mode::LITTLE_ENDIAN, 0, 0]);
    assert_eq!(modes.lpcr(), lpcr::AIL_3);
}

#[test]
fn interrupts_stay_where_the_processors_can_take_them() {
    let modes = Arc::new(Modes {
        fixed_interrupts: true,
        ..Modes::default()
    });
    let machine = machine_with(1, Arc::clone(&modes), Box::new(Paper::default()));
    let mut cpu = Registers::default();
    for mode in [2, 3] {
        let call = [mode, set_mode::ADDRESS_TRANSLATION_MODE, 0, 0];
        cpu.call(&machine, 0, Hcall::SetMode, call);
        cpu.assert_answer(Status::UnsupportedFlag(62));
        assert_eq!(modes.lpcr(), 0);
    }
    cpu.call(
        &machine,
        0,
        Hcall::SetMode,
        [0, set_mode::ADDRESS_TRANSLATION_MODE, 0, 0],
    );
    cpu.assert_answer(Status::Success);
}

#[test]
fn breakpoints_are_set_where_processors_have_them_but_not_in_the_hypervisor() {
    let modes = Arc::new(Modes {
        breakpoints: true,
        ..Modes::default()
    });
    let machine = machine_with(1, modes, Box::new(Paper::default()));
    let mut cpu = Registers::default();
    cpu.call(&machine, 0, Hcall::SetMode, [0, set_mode::CIABR, 0x1001, 0]);
    cpu.assert_answer(Status::Success);
    cpu.call(&machine, 0, Hcall::SetMode, [0, set_mode::DAWR0, 0x2000, 0x63]);
    cpu.assert_answer(Status::Success);
    let set = [(Spr::CIABR, 0x1001), (Spr::DAWR0, 0x2000), (Spr::DAWRX0, 0x63)];
    assert_eq!(cpu.breakpoints, set);
    for (arguments, status) in [
        ([0, set_mode::CIABR, 0x1003, 0], Status::P3),
        ([0, set_mode::CIABR, 0x1001, 1], Status::P4),
        ([1, set_mode::CIABR, 0x1003, 1], Status::P4),
        ([1, set_mode::CIABR, 0x1003, 0], Status::UnsupportedFlag(63)),
        ([0, set_mode::DAWR0, 0x2000, 0x64], Status::P4),
        ([1, set_mode::DAWR0, 0x2000, 0x63], Status::UnsupportedFlag(63)),
    ] {
        cpu.call(&machine, 0, Hcall::SetMode, arguments);
        cpu.assert_answer(status);
    }
    assert_eq!(cpu.breakpoints, set);
    // DABR: translated stores to the doubleword.
    cpu.breakpoints.clear();
    cpu.call(&machine, 0, Hcall::SetDabr, [0x2006]);
    cpu.assert_answer(Status::Success);
    assert_eq!(cpu.breakpoints, [(Spr::DAWR0, 0x2000), (Spr::DAWRX0, 0x53)]);
}

#[test]
fn each_wrong_mode_has_its_answer() {
    let machine = machine(1);
    let answers = [
        ([0, 0, 0, 0], Status::P2),
        ([0, set_mode::CIABR, 0, 0], Status::P2),
        ([0, 5, 0, 0], Status::P2),
        ([0, set_mode::ADDRESS_TRANSLATION_MODE, 1, 0], Status::P3),
        ([0, set_mode::LITTLE_ENDIAN, 0, 1], Status::P4),
        (
            [1, set_mode::ADDRESS_TRANSLATION_MODE, 0, 0],
            Status::UnsupportedFlag(62),
        ),
        (
            [4, set_mode::ADDRESS_TRANSLATION_MODE, 0, 0],
            Status::UnsupportedFlag(61),
        ),
        ([2, set_mode::LITTLE_ENDIAN, 0, 0], Status::UnsupportedFlag(62)),
    ];
    for (arguments, status) in answers {
        let mut cpu = Registers::default();
        cpu.call(&machine, 0, Hcall::SetMode, arguments);
        cpu.assert_answer(status);
    }
    assert_eq!(machine.partition.lpcr(), 0);
}

#[test]
fn a_page_is_zeroed_or_copied_and_its_instructions_dropped() {
    let modes = Arc::new(Modes::default());
    let machine = machine_with(1, Arc::clone(&modes), Box::new(Paper::default()));
    machine.ram.write(0x3000, &[5; 4096]).unwrap();
    let mut cpu = Registers::default();
    cpu.call(&machine, 0, Hcall::PageInit, [access::COPY_PAGE, 0x5000, 0x3000]);
    cpu.assert_answer(Status::Success);
    assert_eq!(machine.ram.read(0x5000), Some([5; 4096]));
    cpu.call(&machine, 0, Hcall::PageInit, [access::ZERO_PAGE, 0x3000, u64::MAX]);
    cpu.assert_answer(Status::Success);
    assert_eq!(machine.ram.read(0x3000), Some([0; 4096]));
    modes.wrote.lock().unwrap().clear();
    cpu.call(&machine, 0, Hcall::PageInit, [access::ICACHE_SYNCHRONIZE, 0x3000, 0]);
    cpu.assert_answer(Status::Success);
    assert_eq!(*modes.wrote.lock().unwrap(), [(0x3000, 4096)]);
    for wrong in [
        [access::ZERO_PAGE, 0x3001, 0],
        [access::ZERO_PAGE, RAM, 0],
        [access::COPY_PAGE, 0, RAM],
    ] {
        cpu.call(&machine, 0, Hcall::PageInit, wrong);
        cpu.assert_answer(Status::Parameter);
    }
}

/// LoPAR, 12.3.2 and 12.3.2.1: what is unused may become zero, what is active is preserved.
#[test]
fn a_page_that_the_guest_has_no_use_for_may_be_discarded() {
    use crate::upkeep::Which;
    const ACTIVE: u64 = access::CHANGE_USAGE;
    const UNUSED: u64 = ACTIVE | access::USAGE_STATE;
    const LOANED: u64 = UNUSED | access::USAGE_DEGREE;
    const PAGE: u64 = 4096;
    let machine = machine(1);
    let mut cpu = Registers::default();
    let discard = |real: u64| {
        machine.ram.write(real, &[7; PAGE as usize]).unwrap();
        machine
            .upkeep
            .discard(slice::from_ref(&(real..real + PAGE)), Which::Hinted)
            .unwrap();
        machine.ram.read(real) == Some([0; PAGE as usize])
    };
    assert!(!discard(0x5000), "a guest begins with active pages");
    for (flags, is_discarded) in [
        (UNUSED, true),
        (0, true),
        (ACTIVE, false),
        (LOANED, true),
        (access::USAGE_STATE | access::USAGE_DEGREE, true),
        (ACTIVE | access::USAGE_DEGREE, false),
    ] {
        cpu.call(&machine, 0, Hcall::PageInit, [flags, 0x5000, 0]);
        cpu.assert_answer(Status::Success);
        assert_eq!(discard(0x5000), is_discarded, "{flags:#x}");
        assert!(!discard(0x4000) && !discard(0x6000), "its neighbours");
    }
    let reserved = [0b1010_u64, 0b1011, 0b1100, 0b1101].map(|bits| bits << 32);
    for flags in reserved {
        for (call, arguments) in [
            (Hcall::PageInit, [flags, 0x5000, 0, 0]),
            (Hcall::Enter, [flags, 0, 1, 0x5012]),
            (Hcall::Remove, [flags, 0, 0, 0]),
            (Hcall::Protect, [flags, 0, 0, 0]),
            (Hcall::Read, [flags, 0, 0, 0]),
            (Hcall::ClearRef, [flags, 0, 0, 0]),
            (Hcall::ClearMod, [flags, 0, 0, 0]),
        ] {
            cpu.call(&machine, 0, call, arguments);
            cpu.assert_answer(Status::Parameter);
        }
    }
    // The whole page of an entry, whatever its size.
    cpu.call(&machine, 0, Hcall::Enter, [UNUSED, 0, 5, 0x2_1012]);
    cpu.assert_answer(Status::Success);
    let pages = || (0x2_0000..0x3_0000).step_by(PAGE as usize);
    assert!(pages().all(discard) && !discard(0x1_f000) && !discard(0x3_0000));
    cpu.call(&machine, 0, Hcall::Remove, [ACTIVE, 0, 0]);
    cpu.assert_answer(Status::Success);
    assert!(!pages().any(discard));
    // A call that fails changes nothing.
    cpu.call(&machine, 0, Hcall::Remove, [UNUSED, 0, 0]);
    cpu.assert_answer(Status::NotFound);
    assert!(!discard(0x2_0000));
}

/// LoPAR, 12.3.2.1: each call that has flags and names an entry says it of the page of that.
#[test]
fn a_page_that_becomes_active_by_a_call_for_its_entry_is_preserved() {
    use crate::upkeep::Which;
    const ACTIVE: u64 = access::CHANGE_USAGE;
    const UNUSED: u64 = ACTIVE | access::USAGE_STATE;
    const FIRST: u64 = 0x8_0000;
    let machine = machine(1);
    let mut cpu = Registers::default();
    let pages = |n: u64| FIRST + n * 0x1_0000..FIRST + (n + 1) * 0x1_0000;
    let is_preserved = |n: u64| {
        let all = pages(n);
        all.clone()
            .step_by(4096)
            .for_each(|real| machine.ram.write(real, &[7; 4096]).unwrap());
        machine.upkeep.discard(slice::from_ref(&all), Which::Hinted).unwrap();
        let preserved: Vec<bool> = all
            .step_by(4096)
            .map(|real| machine.ram.read(real) == Some([7; 4096]))
            .collect();
        assert!(preserved.iter().all(|&page| page == preserved[0]), "one page of 64 KiB");
        preserved[0]
    };
    // Entries 0, 1 and 3 of the first block, for pages of 64 KiB; entry 2 is not valid.
    for n in [0, 1, 3] {
        let (v, r) = ((n + 1) << 12 | 5, (FIRST + n * 0x1_0000) | 0x1012);
        cpu.call(&machine, 0, Hcall::Enter, [access::EXACT, n, v, r]);
        cpu.assert_answer(Status::Success);
    }
    let mut say = |call, flags, at: u64| {
        cpu.call(&machine, 0, call, [flags, at, 0]);
        cpu.assert_answer(Status::Success);
    };
    for call in [Hcall::Protect, Hcall::Read, Hcall::ClearRef, Hcall::ClearMod] {
        say(call, UNUSED, 1);
        assert!(!is_preserved(1) && is_preserved(0) && is_preserved(3), "{call:?}");
        say(call, 0, 1);
        assert!(!is_preserved(1), "{call:?} says nothing");
        say(call, ACTIVE, 1);
        assert!(is_preserved(1), "{call:?}");
    }
    say(Hcall::Read, UNUSED | access::READ_4, 2);
    assert!(![0, 1, 3].into_iter().any(is_preserved) && is_preserved(2));
    say(Hcall::Read, ACTIVE | access::READ_4, 2);
    assert!((0..4).all(is_preserved));
    // Of no page.
    say(Hcall::Read, UNUSED, 2);
    assert!((0..4).all(is_preserved));
    // A call that fails says nothing.
    cpu.call(&machine, 0, Hcall::Protect, [UNUSED, 2, 0]);
    cpu.assert_answer(Status::NotFound);
    assert!((0..4).all(is_preserved));
}

/// Discards that began when it was unused are over when the call returns.
#[test]
fn what_is_stored_after_a_page_became_active_stays() {
    use crate::upkeep::Which;
    const ACTIVE: u64 = access::CHANGE_USAGE;
    let machine = machine(1);
    let mut cpu = Registers::default();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                machine
                    .upkeep
                    .discard(slice::from_ref(&(0x5000..0x6000)), Which::Hinted)
                    .unwrap();
                std::thread::yield_now();
            }
        });
        for _ in 0..100 {
            cpu.call(&machine, 0, Hcall::PageInit, [ACTIVE | access::USAGE_STATE, 0x5000, 0]);
            while machine.ram.read(0x5000) != Some([0; 8]) {}
            // Now it is discarded again and again.
            cpu.call(&machine, 0, Hcall::PageInit, [ACTIVE, 0x5000, 0]);
            cpu.assert_answer(Status::Success);
            machine.ram.write(0x5000, &[7; 8]).unwrap();
            for _ in 0..50 {
                assert_eq!(machine.ram.read(0x5000), Some([7; 8]));
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_ceding_processor_sleeps_with_interrupts_on() {
    let machine = machine(1);
    let mut cpu = Registers::default();
    assert_eq!(cpu.call(&machine, 0, Hcall::Cede, []), Next::Sleep(Wait::Ceded));
    cpu.assert_answer(Status::Success);
    assert_eq!(cpu.msr, Msr::EE);
}

#[test]
fn a_prod_is_kept_for_the_processor_that_it_names() {
    let machine = machine(2);
    let mut cpu = Registers::default();
    cpu.call(&machine, 0, Hcall::Prod, [1]);
    cpu.assert_answer(Status::Success);
    assert!(machine.processors.by_server(1).is_prodded());
    assert!(!machine.processors.by_server(0).is_prodded());
    cpu.call(&machine, 0, Hcall::Prod, [2]);
    cpu.assert_answer(Status::Parameter);
}

/// Processor 0 runs and processor 1 does not; its dispatch number is 1.
#[test]
fn time_is_conferred_to_a_processor_that_waits_since_then_or_to_all() {
    let machine = machine(2);
    machine.processors.by_server(0).areas().arrive(&machine.ram);
    let mut cpu = Registers::default();
    for (target, dispatches, status, next) in [
        (1, 1, Status::Success, Next::Confer(Some(1))),
        (1, 2, Status::Success, Next::Run),
        (1, 3, Status::Success, Next::Run),
        (u64::MAX, 0, Status::Success, Next::Confer(None)),
        (u64::from(u32::MAX), 0, Status::Success, Next::Confer(None)),
        (2, 0, Status::Parameter, Next::Run),
        (0, 0, Status::Success, Next::Sleep(Wait::Conferred)),
    ] {
        let after = cpu.call(&machine, 0, Hcall::Confer, [target, dispatches]);
        cpu.assert_answer(status);
        assert_eq!(after, next, "{target:#x} {dispatches}");
    }
    machine.processors.by_server(1).areas().arrive(&machine.ram);
    for dispatches in 0..4 {
        let after = cpu.call(&machine, 0, Hcall::Confer, [1, dispatches]);
        assert_eq!(after, Next::Run, "it runs");
    }
    assert_eq!(cpu.msr, 0, "interrupts stay as they were");
}

#[test]
fn the_console_prints_and_says_when_it_cannot() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let paper = Paper::default();
    let printing = machine_with(1, Arc::default(), Box::new(paper.clone()));
    let mut cpu = Registers::default();
    cpu.call(
        &printing,
        0,
        Hcall::PutTermChar,
        [0, 3, u64::from_be_bytes(*b"abc\0\0\0\0\0"), 0],
    );
    cpu.assert_answer(Status::Success);
    assert_eq!(*paper.0.lock().unwrap(), b"abc");
    printing.console.push_input(b"xyz");
    cpu.call(&printing, 0, Hcall::GetTermChar, [0]);
    assert_eq!((cpu.gprs[4], cpu.gprs[5]), (3, u64::from_be_bytes(*b"xyz\0\0\0\0\0")));

    let full = machine_with(1, Arc::default(), Box::new(Full));
    cpu.call(&full, 0, Hcall::PutTermChar, [0, 3, 0, 0]);
    cpu.assert_answer(Status::Hardware);
    assert!(matches!(full.stop.take(), Some(Ending::Output(error)) if error.kind() == std::io::ErrorKind::StorageFull));
}

#[test]
fn an_interrupt_between_processors_is_accepted_and_ended() {
    let machine = machine(2);
    let mut cpu = Registers::default();
    cpu.call(&machine, 1, Hcall::Cppr, [0xff]);
    cpu.call(&machine, 0, Hcall::Ipi, [1, 4]);
    cpu.assert_answer(Status::Success);
    cpu.call(&machine, 0, Hcall::Ipoll, [1]);
    assert_eq!((cpu.gprs[4], cpu.gprs[5]), (0xff00_0002, 4));
    cpu.call(&machine, 1, Hcall::XirrX, []);
    assert_eq!((cpu.gprs[4], cpu.gprs[5]), (0xff00_0002, 0x1234_5678_9abc));
    cpu.call(&machine, 0, Hcall::Ipi, [1, 0xff]);
    cpu.call(&machine, 1, Hcall::Eoi, [0xff00_0002]);
    cpu.assert_answer(Status::Success);
    cpu.call(&machine, 1, Hcall::Xirr, []);
    assert_eq!(cpu.gprs[4], 0xff00_0000);
}

#[test]
fn the_guest_is_told_what_its_processors_do_ahead() {
    let machine = machine(1);
    let mut cpu = Registers::default();
    cpu.call(&machine, 0, Hcall::GetCpuCharacteristics, []);
    cpu.assert_answer(Status::Success);
    assert_eq!(cpu.gprs[4..6], machine.partition.characteristics());
}

#[test]
fn random_numbers_differ() {
    let machine = machine(1);
    let (mut first, mut second) = (Registers::default(), Registers::default());
    first.call(&machine, 0, Hcall::Random, []);
    second.call(&machine, 0, Hcall::Random, []);
    assert_ne!(first.gprs[4], second.gprs[4]);
}

#[test]
fn where_the_processors_come_with_an_interrupt_controller_the_console_fires_its_pin() {
    let edges = Arc::new(AtomicUsize::new(0));
    let pin = Arc::clone(&edges);
    let machine = machine_with_irqchip(Box::new(move || {
        pin.fetch_add(1, Ordering::Relaxed);
    }));
    machine.console.push_input(b"a");
    assert_eq!(edges.load(Ordering::Relaxed), 1);
}

#[test]
fn where_the_processors_come_with_an_interrupt_controller_nobody_else_answers_for_it() {
    let machine = machine_with_irqchip(Box::new(|| {}));
    let mut cpu = Registers::default();
    for call in [
        Hcall::Ipi,
        Hcall::Ipoll,
        Hcall::Xirr,
        Hcall::XirrX,
        Hcall::Cppr,
        Hcall::Eoi,
    ] {
        cpu.call(&machine, 0, call, [0, 0]);
        cpu.assert_answer(Status::Hardware);
    }
}

mod registers;
mod tces;
