//! The operation that a block begins with while executed blocks are counted ([`crate::profile`]).

use super::{Left, Rest, go_on};
use crate::block::Blocks;
use crate::core::Core;
use crate::ir::Op;

/// The block is entered whose counters begin with number `imm`.
pub(super) fn count(core: &mut Core, blocks: &Blocks, op: &Op, rest: Rest<'_>, last: u64) -> Left {
    let executed = core.instructions();
    core.profile.enter(op.imm as u32, executed);
    go_on(core, blocks, rest, last)
}
