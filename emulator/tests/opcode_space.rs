//! Every primary opcode with every extended one: what is no instruction of the processor is an illegal instruction,
//! and nothing else happens.

#[path = "machine/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod machine;

use emulator::Exit;
use machine::{Machine, STOP, VECTORS_END};
use power::insn::{decode, is_reserved_no_operation};
use power::model::Model;
use power::msr::{Msr, program};

/// Where the instruction stands, in real mode.
const CODE: u64 = VECTORS_END;

/// Words with these bits set in the operands' place.
const OPERANDS: [u32; 3] = [0, 0x03ff_f800, 0x0123_4800];

fn words() -> impl Iterator<Item = u32> {
    let opcodes = (0..64u32).flat_map(|primary| (0..2048u32).map(move |low| primary << 26 | low));
    opcodes.flat_map(|word| OPERANDS.map(|operands| word | operands))
}

#[test]
fn a_word_that_is_no_instruction_is_illegal() {
    for model in Model::ALL {
        try_all_that_are_none(model);
    }
}

fn try_all_that_are_none(model: Model) {
    let machine = Machine::of_model(model, 0x10_0000);
    machine.stop_at_vectors(false);
    let (mut cpu, _) = machine.cpu(0);
    let all = Msr::SF | Msr::ME | Msr::FP | Msr::VEC | Msr::VSX;
    let mut tried = 0;
    for word in words().filter(|&word| decode(word, model).is_none()) {
        machine.write_code(CODE, &[word, STOP], false);
        cpu.start(CODE, 0, Msr::from_raw(all));
        assert_eq!(cpu.run(), Exit::Hypercall, "{word:#010x}");
        let (at, srr0, srr1) = (cpu.pc() - 4, cpu.spr(26), cpu.spr(27));
        if is_reserved_no_operation(word) {
            assert_eq!(at, CODE + 4, "{word:#010x}");
        } else {
            assert_eq!((at, srr0), (0x700, Some(CODE)), "{word:#010x}");
            assert_eq!(srr1, Some(all | program::ILLEGAL), "{word:#010x}");
        }
        tried += 1;
    }
    assert!(tried > 65_000, "{tried} words were tried");
}
