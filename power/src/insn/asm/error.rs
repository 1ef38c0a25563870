//! What is wrong with a program, and where.

use std::fmt;

/// A place in the source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// An error here.
    pub(super) fn error(self, message: impl Into<String>) -> AssembleError {
        AssembleError {
            line: self.line,
            column: self.column,
            message: message.into(),
        }
    }
}

/// Why a program cannot be assembled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssembleError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1: of the operand, or of the statement.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for AssembleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for AssembleError {}
