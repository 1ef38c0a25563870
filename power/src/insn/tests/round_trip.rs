//! Encoder, decoder, disassembler and assembler undo each other.

use super::Numbers;
use crate::insn::decode::decode_on_any;
use crate::insn::{Endian, Opcode, assemble, decode, disassemble};
use crate::model::Model;

/// How many words are tried of each instruction.
const TRIES: usize = 200;

#[test]
fn every_instruction_survives_being_written_and_read() {
    let mut numbers = Numbers(0x5eed_0001);
    for &opcode in Opcode::ALL {
        for _ in 0..TRIES {
            let word = numbers.instruction(opcode);
            assert_eq!(decode_on_any(word), Some(opcode), "{word:#010x}");
            let address = u64::from(numbers.next() & !3);
            let text = disassemble(word, address);
            for endian in [Endian::Big, Endian::Little] {
                let bytes = assemble(&text, address, endian)
                    .unwrap_or_else(|error| panic!("{text}: {error}"))
                    .bytes;
                let expected = match endian {
                    Endian::Big => word.to_be_bytes(),
                    Endian::Little => word.to_le_bytes(),
                };
                assert_eq!(bytes, expected, "{word:#010x} is written `{text}`");
            }
        }
    }
}

#[test]
fn reserved_fields_never_change_the_instruction() {
    let mut numbers = Numbers(0x5eed_0002);
    for &opcode in Opcode::ALL {
        let row = opcode.row();
        for _ in 0..TRIES {
            let word = numbers.next() & !row.pattern.mask | row.pattern.value;
            for model in Model::ALL.into_iter().filter(|&model| row.models.include(model)) {
                let found = decode(word, model).expect("a row of the model matches").row();
                // Unless a later model has an instruction there.
                let refines = found.models.first > row.models.first;
                assert!(
                    found.opcode == opcode || refines,
                    "{word:#010x} is {} on {model}",
                    found.name
                );
            }
        }
    }
}

#[test]
fn any_word_disassembles_to_text_that_assembles() {
    let mut numbers = Numbers(0x5eed_0003);
    for _ in 0..100_000 {
        let word = numbers.next();
        let text = disassemble(word, 0);
        match assemble(&text, 0, Endian::Big) {
            Ok(program) => assert_eq!(
                decode_on_any(word),
                decode_on_any(u32::from_be_bytes(program.bytes[..4].try_into().unwrap()))
            ),
            // What the processor calls an invalid form can be shown but not written.
            Err(error) => assert!(error.message.contains("cannot be"), "{text}: {error}"),
        }
    }
}
