//! The assembler: text in, bytes out.
//!
//! A program is a list of statements, one a line or several with `;` between them; `#` starts a comment and `/* */`
//! encloses one.
//!
//! - **Labels** are `name:`, or a number that may be used again: `1:`, meant by `1b` (the last before) and `1f` (the
//!   next after).
//! - **Instructions** have the basic mnemonics of the table, and the extended ones that people write (`li`, `mr`,
//!   `beq cr1,target`, `sldi`, `mtlr`, …). Registers are `3` or `r3`, `f1`, `v2`, `vs33`, `cr7`; a condition register
//!   bit is `4*cr1+eq`.
//! - **Directives**: `.byte .short .long .quad` (numbers, comma-separated), `.ascii .asciz` (strings), `.align n` (to
//!   2^n bytes), `.balign n`, `.space bytes[,fill]`, `.org address`, `.equ name,value` (also `.set`).
//! - **Expressions** have `+ - * / % << >> & | ^ ~`, parentheses, `.` for the address of the statement, and `@l @h @ha
//!   @higher @highera @highest @highesta` for 16 bits of an address.

mod alias;
mod error;
mod evaluate;
mod expression;
mod instruction;
mod layout;
mod lexer;
mod parser;
mod symbols;

pub use error::AssembleError;

use layout::{Body, Layout};
use std::collections::BTreeMap;

/// The order of the bytes in words and in data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Endian {
    /// The most significant byte first.
    Big,
    /// The least significant byte first.
    Little,
}

impl Endian {
    /// The low `count` bytes of `value`, in this order, at the end of `bytes`.
    fn push(self, bytes: &mut Vec<u8>, value: u64, count: usize) {
        match self {
            Self::Big => bytes.extend_from_slice(&value.to_be_bytes()[8 - count..]),
            Self::Little => bytes.extend_from_slice(&value.to_le_bytes()[..count]),
        }
    }
}

/// What the assembler makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// The address of the first byte.
    pub origin: u64,
    /// Everything from the origin on.
    pub bytes: Vec<u8>,
    /// The named labels' addresses and the values of `.equ`.
    pub symbols: BTreeMap<String, u64>,
}

/// Assembles a program whose first byte will be at `origin`.
pub fn assemble(source: &str, origin: u64, endian: Endian) -> Result<Program, AssembleError> {
    let statements = parser::parse(source)?;
    let Layout { items, symbols } = layout::lay_out(statements, origin)?;
    let mut bytes = Vec::new();
    for item in &items {
        let scope = symbols.scope(item.place);
        match &item.body {
            Body::Instruction { name, args } => {
                let word = instruction::word(name, args, &scope, item.at)?;
                endian.push(&mut bytes, word.into(), 4);
            }
            Body::Data { unit, values } => {
                for value in values {
                    endian.push(&mut bytes, evaluate::data(value, *unit, &scope)?, *unit);
                }
            }
            Body::Text(text) => bytes.extend_from_slice(text),
            Body::Padding(padding) => padding.push(&mut bytes, endian),
        }
    }
    Ok(Program {
        origin,
        bytes,
        symbols: symbols.named()?,
    })
}

#[cfg(test)]
mod tests;
