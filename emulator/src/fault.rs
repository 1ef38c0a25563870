//! The error of everything that a guest's instruction may do wrong.

/// An instruction did not complete. What interrupt it takes stands in the processor, so that the
/// way through the interpreter carries one bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;
