//! A processor that is started again begins without what was asked of it before (LoPAR, RTAS Call Definition, 8.2: as after a system
//! reset).

#[path = "machine/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod machine;

use emulator::{Cpu, Exit};
use machine::{Machine, STOP};
use power::insn::{Endian, assemble};
use power::msr::Msr;

const CODE: u64 = 0x3000;
const END: u64 = CODE + 8;
/// Stores to what was watched, with interrupts enabled.
const TEXT: &str = "std 4,0(3); nop";

/// Puts what is in r4 into every register that a program has, and into an entry of the SLB.
fn fill() -> String {
    let mut text = String::from("mtspr 8,4; mtspr 9,4; mtspr 1,4; mtspr 256,4; mtspr 815,4; mtcrf 255,4;");
    // Entry 3, valid.
    text += "lis 5,0x1800; ori 5,5,3; slbmte 4,5;";
    for n in 0..64 {
        text += &format!("mtvsrd {n},4; xxpermdi {n},{n},{n},0;");
    }
    text += "mtfsf 255,1; mtvscr 0;";
    for n in (0..32).filter(|n| *n != 4) {
        text += &format!("ori {n},4,0;");
    }
    text
}

/// Stores all of them from r3 on; r3 itself, which says where, and r4 as they are.
fn store() -> String {
    let mut text = String::new();
    for n in 0..32 {
        text += &format!("std {n},{}(3);", 8 * n);
    }
    let mut at = 256;
    let mut next = || {
        at += 8;
        at - 8
    };
    for number in [8, 9, 1, 256, 815] {
        text += &format!("mfspr 4,{number}; std 4,{}(3);", next());
    }
    text += &format!("mfcr 4; std 4,{}(3);", next());
    for entry in 0..32 {
        text += &format!("li 5,{entry}; slbmfee 4,5; std 4,{}(3);", next());
        text += &format!("slbmfev 4,5; std 4,{}(3);", next());
    }
    for n in 0..64 {
        text += &format!("mfvsrd 4,{n}; std 4,{}(3);", next());
        text += &format!("xxpermdi {n},{n},{n},2; mfvsrd 4,{n}; std 4,{}(3);", next());
    }
    text += &format!("mffs 0; stfd 0,{}(3);", next());
    text += &format!("mfvscr 0; xxpermdi 32,32,32,2; mfvsrd 4,32; std 4,{}(3);", next());
    text
}

/// Runs `text` to its end, with r3 = `r3`.
fn execute(machine: &Machine, cpu: &mut Cpu, text: &str, r3: u64) {
    let bytes = assemble(text, CODE, Endian::Big).expect("it is right").bytes;
    machine.write(CODE, &bytes);
    machine.write_code(CODE + bytes.len() as u64, &[STOP], false);
    let all = Msr::SF | Msr::ME | Msr::FP | Msr::VEC | Msr::VSX;
    cpu.start(CODE, r3, Msr::from_raw(all));
    assert_eq!(cpu.run(), Exit::Hypercall);
    assert_eq!(cpu.pc(), CODE + bytes.len() as u64 + 4, "nothing has interrupted");
}

#[test]
fn a_program_finds_what_it_finds_on_a_new_processor() {
    const SEEN: u64 = 0x8000;
    let seen = |is_used: bool, is_reset: bool| {
        let machine = Machine::new(0x10_0000);
        machine.stop_at_vectors(false);
        let (mut cpu, _line) = machine.cpu(0);
        if is_used {
            cpu.set_gpr(4, 0x1234_5678_9abd_d401);
            execute(&machine, &mut cpu, &fill(), 0);
        }
        if is_reset {
            cpu.reset();
        }
        execute(&machine, &mut cpu, &store(), SEEN);
        machine.read::<0x800>(SEEN)
    };
    let new = seen(false, false);
    assert_eq!(seen(true, true), new);
    let used = seen(true, false);
    let pairs = used.as_chunks::<8>().0.iter().zip(new.as_chunks::<8>().0);
    let different = pairs.filter(|(used, new)| used != new).count();
    // All general registers but r3, six others of the fixed point, one entry of the SLB, all VSRs, FPSCR and VSCR.
    assert_eq!(different, 31 + 6 + 2 + 2 * 64 + 2);
}

#[test]
fn breakpoints_keys_and_what_waits_are_gone_after_a_reset() {
    let machine = Machine::new(0x10_0000);
    machine.stop_at_vectors(false);
    machine.write(CODE, &assemble(TEXT, CODE, Endian::Big).expect("it is right").bytes);
    machine.write_code(END, &[STOP], false);
    let (mut cpu, _line) = machine.cpu(0);
    let msr = Msr::from_raw(Msr::SF | Msr::ME | Msr::EE);
    let asked = [
        // What interrupts and supervisors leave (SRR0, SPRG0), and TAR.
        (26, 0x4444),
        (272, 0x77),
        (815, 0x88),
        // CIABR after the first instruction; DAWR on the store; AMR, IAMR; MMCR0 with an alert; BESCR; the decrementer.
        (187, CODE | 2),
        (180, 0x5000),
        (188, 0x4a),
        (29, u64::MAX),
        (61, 0x5555),
        (795, 0x80),
        (806, 1 << 63 | 1),
        (22, 0xffff_ffff),
    ];
    for (number, value) in asked {
        cpu.set_spr(number, value).expect("the register is there");
    }
    cpu.reset();
    cpu.start(CODE, 0x5000, msr);
    assert_eq!(cpu.run(), Exit::Hypercall);
    assert_eq!(cpu.pc(), END + 4, "nothing has interrupted");
    for (number, value) in asked
        .into_iter()
        .filter(|(number, _)| !matches!(number, 22 | 180 | 187 | 188))
    {
        assert_eq!(cpu.spr(number), Some(0), "{number} was {value:#x}");
    }
}
