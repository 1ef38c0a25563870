//! A guest that makes code all the time, more than there is room for when it is compiled.

use emulator::{Compile, Exit};
use power::insn::{Endian, assemble};
use power::msr::Msr;

use crate::machine::Machine;

const PROGRAM: u64 = 0x8000;
const FUNCTION: u64 = 0x9000;

/// Each time round another instruction stands first in the function, which is long, and its machine code is much longer.
#[test]
fn code_that_is_made_all_the_time_is_executed() {
    const ROUNDS: u64 = 4000;
    const LENGTH: u64 = 62;
    let machine = Machine::new(0x2_0000).with_compile(Compile::AtOnce);
    machine.stop_at_vectors(false);
    let write = |real, text: &str| {
        let program = assemble(text, real, Endian::Big).expect("the program is well-formed");
        machine.write(real, &program.bytes);
    };
    let middle = "mtcr 9; ".repeat(LENGTH as usize - 2);
    write(FUNCTION, &format!("li 3,0; {middle} blr"));
    write(
        PROGRAM,
        &format!(
            "again: add 6,4,5; stw 6,0(7); icbi 0,7; isync; bla {FUNCTION}; add 8,8,3; addi 5,5,1; cmpd 5,10; blt again; sc 1"
        ),
    );
    let mut cpu = machine.cpu(0).0;
    // li 3,0
    for (n, value) in [(4, 0x3860_0000), (7, FUNCTION), (10, ROUNDS)] {
        cpu.set_gpr(n, value);
    }
    cpu.start(PROGRAM, 0, Msr::from_raw(Msr::SF | Msr::ME));
    assert_eq!(cpu.run(), Exit::Hypercall, "{}", cpu.dump());
    assert_eq!(cpu.gpr(8), ROUNDS * (ROUNDS - 1) / 2);
    assert_eq!(cpu.instructions(), ROUNDS * (9 + LENGTH) + 1);
    let emptied = cpu.counts().code.emptied;
    let least = u64::from(cfg!(target_arch = "x86_64"));
    assert!((least..10).contains(&emptied), "the room was full {emptied} times");
}
