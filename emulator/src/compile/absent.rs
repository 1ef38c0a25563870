//! No machine code: the interpreter executes everything.

use super::{Left, MachineCode, Source};
use crate::block::Blocks;
use crate::core::Core;

/// Makes no machine code.
#[derive(Default)]
pub struct Compiler;

impl Compiler {
    /// Whatever the host allows.
    pub fn here() -> MachineCode {
        MachineCode::NoCompiler
    }

    /// Nothing is to be forgotten.
    pub fn emptied(self) -> Self {
        self
    }

    /// Nothing is compiled.
    pub fn compile(&mut self, _source: Source<'_>) -> Option<u64> {
        None
    }

    /// There is room.
    pub fn is_full(&self) -> bool {
        false
    }

    /// No block has machine code.
    pub fn execute(&self, _core: &mut Core, _blocks: &Blocks, _code: i64) -> Left {
        unreachable!("nothing was compiled")
    }
}
