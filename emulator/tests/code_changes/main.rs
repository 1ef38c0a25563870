//! Code that changes while it is in use (Power ISA v2.07B, Book II, 1.8 and 4.3): by the processor
//! that executes it, by another one, and from outside.
//!
//! POWER8's instruction caches follow stores, so `icbi` may name any address and `isync` alone says
//! from when on the new code must be seen.

#[path = "../machine/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod machine;
mod others;

use emulator::{Compile, Cpu, Exit};
use machine::Machine;
use power::insn::{Endian, assemble};
use power::msr::Msr;
use power::page::{PagePair, SegmentSize};

const RAM: usize = 0x40_0000;
const REAL: u64 = Msr::SF | Msr::ME | Msr::FP | Msr::VEC | Msr::VSX;
/// Where the function is that is changed: first of its page.
const FUNCTION: u64 = 0x9000;
/// A page of nothing but data.
const DATA: u64 = 0xa000;
/// `li 3,1; blr`
const ONE: &str = "li 3,1; blr";
/// `li 3,2`
const TWO: u64 = 0x3860_0002;
const BLR: u64 = 0x4e80_0020;

/// Assembles and writes code; `sc 1` ends what does not return.
fn write(machine: &Machine, real: u64, text: &str) {
    let program = assemble(text, real, Endian::Big).expect("the test's code is well-formed");
    machine.write(real, &program.bytes);
}

/// Runs from `pc` to the next `sc 1`.
fn run(cpu: &mut Cpu, pc: u64) {
    let r3 = cpu.gpr(3);
    cpu.start(pc, r3, Msr::from_raw(REAL));
    finish(cpu);
}

fn finish(cpu: &mut Cpu) {
    loop {
        match cpu.run() {
            Exit::Attention => {}
            exit => return assert_eq!(exit, Exit::Hypercall, "{}", cpu.dump()),
        }
    }
}

/// Machines with the function, whose processors interpret, and whose processors compile.
fn machines() -> impl Iterator<Item = Machine> {
    [Compile::Never, Compile::AtOnce].into_iter().map(|compile| {
        let machine = Machine::new(RAM).with_compile(compile);
        machine.stop_at_vectors(false);
        write(&machine, FUNCTION, ONE);
        machine
    })
}

/// Calls the function, changes it by `change`, and calls it again; what it returned then, interpreted and compiled.
fn changed_by(change: &str) -> Vec<u64> {
    machines().map(|machine| changed_in(&machine, change)).collect()
}

fn changed_in(machine: &Machine, change: &str) -> u64 {
    // The ways to the function are known when it changes.
    let text = format!("li 31,5; mtctr 31; 1: bla {FUNCTION}; bdnz 1b; mr 30,3\n{change}\nbla {FUNCTION}\nsc 1");
    write(machine, 0x8000, &text);
    let (mut cpu, _) = machine.cpu(0);
    let vector = u128::from(TWO) << 96 | u128::from(BLR) << 64;
    for (n, value) in [
        (4, TWO),
        (5, FUNCTION),
        (6, TWO << 32 | BLR),
        (7, TWO.swap_bytes() >> 32),
        (8, 0x10),
        (9, FUNCTION - 0x10),
        (10, DATA),
    ] {
        cpu.set_gpr(n, value);
    }
    cpu.core_mut().vsu.vsr[1] = vector;
    cpu.core_mut().vsu.vsr[33] = vector;
    cpu.core_mut().vsu.vsr[2] = u128::from(TWO) << 64;
    run(&mut cpu, 0x8000);
    assert_eq!(cpu.gpr(30), 1, "{change}");
    cpu.gpr(3)
}

#[test]
fn new_code_is_seen_after_icbi_and_isync() {
    assert_eq!(changed_by("stw 4,0(5); dcbst 0,5; sync; icbi 0,5; isync"), [2, 2]);
}

#[test]
fn new_code_is_seen_after_isync_alone() {
    assert_eq!(changed_by("stw 4,0(5); isync"), [2, 2]);
}

#[test]
fn new_code_is_seen_after_icbi_of_another_address() {
    assert_eq!(changed_by("stw 4,0(5); sync; icbi 0,10; isync"), [2, 2]);
}

#[test]
fn without_isync_the_code_is_the_old_or_the_new() {
    for found in changed_by("stw 4,0(5)") {
        assert!([1, 2].contains(&found));
    }
}

#[test]
fn a_branch_inside_the_page_does_not_lead_to_the_old_code() {
    for machine in machines() {
        // First decoded when its page has changed already, and linked to what stands there from before.
        write(&machine, FUNCTION + 0x100, &format!("b {FUNCTION}"));
        let there = FUNCTION + 0x100;
        let text = format!("bla {FUNCTION}; stw 4,0(5); bla {there}; icbi 0,5; isync; bla {there}; sc 1");
        write(&machine, 0x8000, &text);
        let (mut cpu, _) = machine.cpu(0);
        cpu.set_gpr(4, TWO);
        cpu.set_gpr(5, FUNCTION);
        run(&mut cpu, 0x8000);
        assert_eq!(cpu.gpr(3), 2);
    }
}

#[test]
fn a_long_run_needs_a_small_stack() {
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    let run = thread.spawn(|| {
        for machine in machines() {
            let work = "add 6,6,7; ".repeat(40);
            write(
                &machine,
                0x8000,
                &format!("mtctr 4\n1: {work} b 2f\n2: {work} bdnz 1b\nsc 1"),
            );
            let (mut cpu, _) = machine.cpu(0);
            cpu.set_gpr(4, 10_000);
            cpu.set_gpr(7, 1);
            run(&mut cpu, 0x8000);
            assert_eq!(cpu.gpr(6), 800_000);
        }
    });
    run.expect("a thread can be made").join().expect("the stack suffices");
}

#[test]
fn every_kind_of_store_changes_code() {
    for store in [
        "li 11,2; stb 11,3(5)",
        "li 11,2; sth 11,2(5)",
        "stw 4,0(5)",
        "stwx 4,0,5",
        "stwu 4,0x10(9)",
        "stwux 4,9,8",
        "stwbrx 7,0,5",
        "std 6,0(5)",
        "stdu 6,0x10(9)",
        "stfd 1,0(5)",
        "stfdux 1,9,8",
        "stfiwx 2,0,5",
        "stxvd2x 1,0,5",
        "stxvw4x 33,0,5",
        "stvx 1,0,5",
        "stxsdx 33,0,5",
        "lwarx 11,0,5; stwcx. 4,0,5",
        "ldarx 11,0,5; stdcx. 6,0,5",
        // Crosses into the function's page; and does so with a page that is known and one that is not.
        "addi 11,5,-4; std 4,0(11)",
        "addi 11,5,-4; stw 4,-4(11); std 4,0(11)",
        "addi 11,5,-2; sldi 12,4,16; li 13,0; std 12,0(11); stw 4,0(5)",
        // The page is known for data before it is known for code, and after.
        "stw 4,8(5); lwz 11,0(5); stw 4,0(5)",
        "stw 4,0x800(5); isync; bla 0x9000; stw 4,0(5)",
    ] {
        assert_eq!(changed_by(&format!("{store}; isync")), [2, 2], "{store}");
    }
}

#[test]
fn a_cleared_cache_block_is_no_code_any_more() {
    for machine in machines() {
        write(
            &machine,
            0x8000,
            &format!("bla {FUNCTION}; dcbz 0,5; isync; bla {FUNCTION}; sc 1"),
        );
        let (mut cpu, _) = machine.cpu(0);
        cpu.set_gpr(5, FUNCTION);
        run(&mut cpu, 0x8000);
        assert_eq!(cpu.pc(), 0x704, "illegal instruction");
    }
}

#[test]
fn an_instruction_may_change_the_next_ones_of_its_own_block() {
    for machine in machines() {
        write(&machine, 0x8000, "stw 4,here-0x8000(5); isync; nop; here: li 3,1; sc 1");
        let (mut cpu, _) = machine.cpu(0);
        cpu.set_gpr(4, TWO);
        cpu.set_gpr(5, 0x8000);
        run(&mut cpu, 0x8000);
        assert_eq!(cpu.gpr(3), 2);
    }
}

#[test]
fn a_block_that_runs_into_the_next_page_sees_that_page_change() {
    for machine in machines() {
        // Falls through into the function; r31 tells the first time from the second.
        write(&machine, FUNCTION - 8, "nop; nop");
        write(
            &machine,
            0x8000,
            "li 31,5; mtctr 31; 1: bla 0x8ff8; bdnz 1b; mr 30,3; stw 4,0(5); isync; bla 0x8ff8; sc 1",
        );
        let (mut cpu, _) = machine.cpu(0);
        cpu.set_gpr(4, TWO);
        cpu.set_gpr(5, FUNCTION);
        run(&mut cpu, 0x8000);
        assert_eq!((cpu.gpr(30), cpu.gpr(3)), (1, 2));
    }
}

#[test]
fn a_page_of_code_and_data_works() {
    for machine in machines() {
        write(
            &machine,
            0x8000,
            "mtctr 4
         loop: lwz 6,counter-0x8000(5)
         addi 6,6,3
         stw 6,counter-0x8000(5)
         isync
         bdnz loop
         sc 1
         counter: .long 0",
        );
        let (mut cpu, _) = machine.cpu(0);
        cpu.set_gpr(4, 10_000);
        cpu.set_gpr(5, 0x8000);
        run(&mut cpu, 0x8000);
        assert_eq!(cpu.gpr(6), 30_000);
        assert_eq!(cpu.instructions(), 1 + 5 * 10_000 + 1);
    }
}

#[test]
fn code_is_followed_by_its_real_address() {
    for machine in machines() {
        let pair = PagePair::ALL[0];
        // The same page as code, and as data under another address.
        for (ea, real) in [
            (0x1000_8000u64, 0x8000),
            (0x1000_9000, FUNCTION),
            (0x2000_0000, FUNCTION),
        ] {
            machine.map(ea >> 28, SegmentSize::Size256M, pair, ea & 0x0fff_ffff, real, 2);
        }
        let (mut cpu, _) = machine.cpu(0);
        write(&machine, 0xb000, "slbmte 3,4; sc 1");
        for (n, ea) in [0x1000_0000u64, 0x2000_0000].into_iter().enumerate() {
            let (rs, rb) = machine::segment(ea, ea >> 28, pair, n as u64);
            cpu.set_gpr(3, rs);
            cpu.set_gpr(4, rb);
            run(&mut cpu, 0xb000);
        }
        write(
            &machine,
            0x8000,
            "bl .+0x1000; mr 30,3; stw 4,0(5); isync; bl .+0x1000-16; sc 1",
        );
        cpu.set_gpr(4, TWO);
        cpu.set_gpr(5, 0x2000_0000);
        cpu.start(0x1000_8000, 0, Msr::from_raw(REAL | Msr::PR));
        finish(&mut cpu);
        assert_eq!((cpu.gpr(30), cpu.gpr(3)), (1, 2), "{}", cpu.dump());
    }
}

#[test]
fn code_that_is_written_from_outside_is_seen_when_the_processor_comes_back() {
    for machine in machines() {
        write(&machine, 0x8000, &format!("bla {FUNCTION}; sc 1; bla {FUNCTION}; sc 1"));
        let (mut cpu, _) = machine.cpu(0);
        run(&mut cpu, 0x8000);
        assert_eq!(cpu.gpr(3), 1);
        write(&machine, FUNCTION, "li 3,2");
        finish(&mut cpu);
        assert_eq!(cpu.gpr(3), 2);
    }
}
