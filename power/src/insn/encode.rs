//! From an opcode and its operands to a word.

use super::layout::Layout;
use super::operand::Operand;
use super::table::{Opcode, Row};
use std::fmt;

/// Why operands do not make an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EncodeError {
    /// Too few or too many operands.
    Count {
        /// The instruction.
        opcode: Opcode,
        /// How many were given.
        given: usize,
    },
    /// An operand cannot have this value.
    Value {
        /// The instruction.
        opcode: Opcode,
        /// Which operand.
        operand: Operand,
        /// The value that it cannot have.
        value: i64,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Count { opcode, given } => {
                let row = opcode.row();
                let (least, most) = (row.required(), row.operands.len());
                write!(f, "`{}` takes {least}", row.name)?;
                if least != most {
                    write!(f, " or {most}")?;
                }
                write!(f, " operands, not {given}")
            }
            Self::Value { opcode, operand, value } => {
                let layout = operand.layout();
                write!(
                    f,
                    "{operand:?} of `{}` cannot be {value}: it is {}",
                    opcode.name(),
                    Values(layout)
                )
            }
        }
    }
}

impl std::error::Error for EncodeError {}

/// Says which values an operand takes.
struct Values(Layout);

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, greatest) = self.0.range();
        write!(f, "{least} to {greatest}")?;
        if self.0.shift > 0 {
            write!(f, ", a multiple of {}", 1 << self.0.shift)?;
        } else if !self.0.accepts(3) && self.0.accepts(2) {
            f.write_str(if self.0.accepts(6) { ", even" } else { ", a single bit" })?;
        }
        Ok(())
    }
}

impl Row {
    /// How many operands must be written.
    pub fn required(&self) -> usize {
        self.operands
            .iter()
            .filter(|operand| operand.layout().omitted.is_none())
            .count()
    }

    /// Pairs the operands with `given` values, of which there is one for each operand, or one for each that may not be
    /// left out.
    pub(super) fn pair<'a, T>(&'a self, given: &'a [T]) -> Option<impl Iterator<Item = (Operand, Option<&'a T>)>> {
        let all = given.len() == self.operands.len();
        if !all && given.len() != self.required() {
            return None;
        }
        let mut given = given.iter();
        Some(self.operands.iter().map(move |&operand| {
            let is_given = all || operand.layout().omitted.is_none();
            (operand, if is_given { given.next() } else { None })
        }))
    }
}

/// The word of an instruction. The operands stand in assembly order ([`Row::operands`]); those that may be left out are
/// all given or all left out. Suffixes are added with [`Suffix::mask`](super::Suffix::mask).
pub fn encode(opcode: Opcode, operands: &[i64]) -> Result<u32, EncodeError> {
    let row = opcode.row();
    let pairs = row.pair(operands).ok_or(EncodeError::Count {
        opcode,
        given: operands.len(),
    })?;
    let mut word = row.pattern.value;
    for (operand, value) in pairs {
        let layout = operand.layout();
        // Without a value, the operand has one to stand for it: `pair` sees to that.
        let value = value.copied().or(layout.omitted).unwrap_or_default();
        if !layout.accepts(value) {
            return Err(EncodeError::Value { opcode, operand, value });
        }
        word |= layout.insert(value);
    }
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_operands_are_given_together_or_not_at_all() {
        assert_eq!(encode(Opcode::Cmpi, &[1, 3, 7]), Ok(0x2c23_0007));
        assert_eq!(encode(Opcode::Cmpi, &[7, 1, 3, 7]), Ok(0x2fa3_0007));
        assert_eq!(encode(Opcode::Mftb, &[3]), encode(Opcode::Mftb, &[3, 268]));
        let error = encode(Opcode::Mtfsf, &[255, 1, 0]).unwrap_err();
        assert_eq!(error.to_string(), "`mtfsf` takes 2 or 4 operands, not 3");
    }

    #[test]
    fn an_error_says_what_would_be_right() {
        let error = |opcode, operands: &[i64]| encode(opcode, operands).unwrap_err().to_string();
        assert_eq!(
            error(Opcode::Ld, &[3, 6, 1]),
            "Ds of `ld` cannot be 6: it is -32768 to 32764, a multiple of 4"
        );
        assert_eq!(
            error(Opcode::Lq, &[3, 0, 1]),
            "RtPair of `lq` cannot be 3: it is 0 to 30, even"
        );
        assert_eq!(
            error(Opcode::Mtocrf, &[3, 1]),
            "FxmOne of `mtocrf` cannot be 3: it is 1 to 128, a single bit"
        );
        assert_eq!(
            error(Opcode::Lbzu, &[3, 1, 0]),
            "RaUpdate of `lbzu` cannot be 0: it is 1 to 31"
        );
    }
}
