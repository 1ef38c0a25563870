//! A turn ends after as many instructions as it has, and not much later.

#[expect(dead_code, reason = "other tests use the rest")]
mod machine;

use emulator::{Compile, Exit};
use machine::Machine;
use power::insn::{Endian, assemble};
use power::msr::Msr;

const PROGRAM: u64 = 0x8000;

/// Instructions of a block at most.
const BLOCK: u64 = 64;

#[test]
fn a_turn_ends_after_its_instructions_and_the_rest_of_a_block() {
    for compile in [Compile::Never, Compile::AtOnce] {
        let machine = Machine::new(0x1_0000).with_compile(compile);
        let program = assemble("addi 4,4,1; b .-4", PROGRAM, Endian::Big).expect("it is well-formed");
        machine.write(PROGRAM, &program.bytes);
        let (mut cpu, line) = machine.cpu(0);
        cpu.start(PROGRAM, 0, Msr::from_raw(Msr::SF | Msr::ME));
        assert!(!cpu.is_turn_over());
        for length in [1, 2, 100, 16384, 100_000] {
            let before = cpu.instructions();
            cpu.begin_turn(length);
            assert!(!cpu.is_turn_over(), "{length}");
            // Who rings ends no turn.
            line.ring();
            assert_eq!((cpu.run(), cpu.is_turn_over()), (Exit::Attention, false), "{length}");
            assert_eq!((cpu.run(), cpu.is_turn_over()), (Exit::Attention, true), "{length}");
            let executed = cpu.instructions() - before;
            assert!((length..length + BLOCK).contains(&executed), "{executed} of {length}");
            assert_eq!(cpu.run(), Exit::Attention);
            assert_eq!(cpu.instructions(), before + executed, "its turn is over");
        }
    }
}
