//! A processor that is started again begins without what was asked of it before (LoPAR, RTAS Call Definition, 8.2: as after a system
//! reset).

#[path = "machine/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod machine;

use emulator::Exit;
use machine::{Machine, STOP};
use power::insn::{Endian, assemble};
use power::msr::Msr;

const CODE: u64 = 0x3000;
const END: u64 = CODE + 8;
/// Stores to what was watched, with interrupts enabled.
const TEXT: &str = "std 4,0(3); nop";

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
