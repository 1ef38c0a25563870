//! The instructions of POWER8 and POWER9: one table, and the decoder, encoder, assembler and disassembler made from it.

mod asm;
mod decode;
mod disassemble;
mod encode;
mod form;
mod layout;
mod operand;
mod table;
mod word;

pub use asm::{AssembleError, Endian, Program, assemble};
pub use decode::{decode, is_reserved_no_operation};
pub use disassemble::disassemble;
pub use encode::{EncodeError, encode};
pub use form::Pattern;
pub use layout::{Class, Layout};
pub use operand::Operand;
pub use table::{Opcode, Row, Suffix};
pub use word::Word;

#[cfg(test)]
mod tests;
