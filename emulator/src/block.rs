//! Decoded blocks and the ways to find them.
//!
//! A block starts at a real address and is decoded for one [`Mode`]. It may be left in the middle
//! by a taken branch; each such exit has a *link* that remembers the next block. Links and the jump
//! cache lead from an effective address to a block, for as long as the fetch translation stands that
//! they were found through ([`crate::fetch`]); then the block is found again by real address, and
//! decoded again when its page has been written to. A link to the same page holds until code changes: the translation is
//! the one that led to the block itself.

use rustc_hash::FxHashMap;

use crate::compile::{Compiler, Setting, Source};
use crate::core::Mode;
use crate::fetch::{FetchCache, Stamp};
use crate::interp::compiled;
use crate::ir::{Call, Code, Op};

/// Operations of all decoded blocks together, at most: 36 MiB, and as much again for the copies of those that are compiled. Then everything is decoded
/// anew.
const MOST_OPS: usize = 3 << 19;
/// Blocks, at most.
const MOST_BLOCKS: usize = 1 << 17;

const JUMPS: usize = 1 << 15;

/// How far a mode's number is shifted to tell its slots from those of other modes: the same code may be executed in several, traced and not.
const MODE_SHIFT: u32 = 11;

/// A block: the index of its first operation. To go from one block to the next is to load a way and then an operation, each
/// at an address that the load before gives; a table of blocks between the two would be one load more to wait for.
pub type BlockId = u32;

/// A block that was decoded at a real address.
#[derive(Clone, Copy)]
struct Decoded {
    block: BlockId,
    generation: u32,
}

/// What a link or a jump-cache entry remembers: where the block at an effective address is.
#[derive(Clone, Copy)]
struct Way {
    pc: u64,
    /// Where its machine code is; 0: it had none when the way was found.
    code: u64,
    block: BlockId,
    stamp: Stamp,
}

/// The way from an address that no instruction has.
const NOWHERE: Way = Way {
    pc: 1,
    code: 0,
    block: 0,
    stamp: Stamp::NONE,
};

/// An exit of a block, by the number of its link.
#[derive(Clone, Copy, Debug)]
pub enum Link {
    /// To an instruction of the same page.
    Near(u32),
    /// To another page.
    Far(u32),
}

impl Way {
    #[inline(always)]
    fn leads_from(self, pc: u64, fetch: &FetchCache) -> bool {
        self.pc == pc && fetch.is_current(pc, self.stamp)
    }
}

/// A way that mode-changing instructions may take too.
#[derive(Clone, Copy)]
struct Jump {
    way: Way,
    mode: u8,
}

/// What decoding makes.
#[derive(Default)]
pub struct Draft {
    /// Operations.
    pub ops: Vec<Op>,
    /// Calls that operations name by number, counted from the first of all blocks.
    pub calls: Vec<Call>,
    /// Number of links, counted from the first of all blocks.
    pub links: u32,
}

/// All decoded blocks of one processor.
pub struct Blocks {
    ops: Vec<Op>,
    calls: Vec<Call>,
    links: Vec<Way>,
    by_real: FxHashMap<(u64, u8), Decoded>,
    jumps: Box<[Jump; JUMPS]>,
    compiler: Compiler,
}

/// Addresses of what machine code looks into to go from block to block.
#[derive(Clone, Copy, Default)]
pub struct Tables {
    /// Of the links.
    pub links: u64,
    /// Of the jump cache.
    pub jumps: u64,
}

/// Where things are in [`Tables`], in bytes.
pub mod layout {
    use std::mem::{offset_of, size_of};

    use super::{Jump, Way};

    pub const WAY_BYTES: usize = size_of::<Way>();
    pub const WAY_CODE: usize = offset_of!(Way, code);
    pub const WAY_PC: usize = offset_of!(Way, pc);
    pub const WAY_STAMP: usize = offset_of!(Way, stamp);
    pub const JUMPS: usize = super::JUMPS;
    pub const MODE_SHIFT: u32 = super::MODE_SHIFT;
    pub const JUMP_BYTES: usize = size_of::<Jump>();
    pub const JUMP_WAY: usize = offset_of!(Jump, way);
    pub const JUMP_MODE: usize = offset_of!(Jump, mode);
}

impl Default for Blocks {
    fn default() -> Self {
        let jump = Jump { way: NOWHERE, mode: 0 };
        Self {
            ops: Vec::new(),
            calls: Vec::new(),
            links: Vec::new(),
            by_real: FxHashMap::default(),
            jumps: vec![jump; JUMPS]
                .into_boxed_slice()
                .try_into()
                .unwrap_or_else(|_| unreachable!("as many as were asked for")),
            compiler: Compiler::default(),
        }
    }
}

#[inline(always)]
fn jump_slot(pc: u64, mode: Mode) -> usize {
    ((pc >> 2) ^ (pc >> 14) ^ u64::from(mode.index()) << MODE_SHIFT) as usize % JUMPS
}

impl Blocks {
    /// The operations from a block's first on: its own, the last of which leaves it, and then those of others.
    #[inline(always)]
    pub fn ops(&self, block: BlockId) -> &[Op] {
        self.ops.get(block as usize..).unwrap_or_default()
    }

    /// A call that an operation names.
    #[inline(always)]
    pub fn call(&self, number: i64) -> Option<&Call> {
        self.calls.get(number as usize)
    }

    /// The block at `pc` that a link leads to. A block may be executed at several addresses, so the
    /// link must be one from `pc`.
    #[inline(always)]
    pub fn follow(&self, link: u32, pc: u64, fetch: &FetchCache) -> Option<BlockId> {
        let way = self.links.get(link as usize)?;
        way.leads_from(pc, fetch).then_some(way.block)
    }

    /// The block that a link to the same page leads to. Who executes a block there has come by a way that holds, and by
    /// what translation is all the same.
    #[inline(always)]
    pub fn follow_near(&self, link: u32, fetch: &FetchCache) -> Option<BlockId> {
        let way = self.links.get(link as usize)?;
        (way.stamp == fetch.era()).then_some(way.block)
    }

    /// Makes a link lead to the block at `pc`.
    pub fn set_link(&mut self, link: Link, pc: u64, block: BlockId, fetch: &FetchCache) {
        let (number, stamp) = match link {
            Link::Near(number) => (number, fetch.era()),
            Link::Far(number) => (number, fetch.stamp(pc)),
        };
        let code = self.code_of(block);
        // The block cache may have been emptied since the link was taken.
        if let Some(way) = self.links.get_mut(number as usize) {
            *way = Way { pc, code, block, stamp };
        }
    }

    /// The block at `pc`, if it was found there under its present translation.
    #[inline]
    pub fn jump(&self, pc: u64, mode: Mode, fetch: &FetchCache) -> Option<BlockId> {
        let jump = &self.jumps[jump_slot(pc, mode)];
        (jump.way.leads_from(pc, fetch) && jump.mode == mode.index()).then_some(jump.way.block)
    }

    /// Remembers where the block at `pc`, which has been translated, is.
    pub fn set_jump(&mut self, pc: u64, mode: Mode, block: BlockId, fetch: &FetchCache) {
        let stamp = fetch.stamp(pc);
        let code = self.code_of(block);
        self.jumps[jump_slot(pc, mode)] = Jump {
            way: Way { pc, code, block, stamp },
            mode: mode.index(),
        };
    }

    /// The block at a real address, if it was decoded under this generation of its page.
    pub fn find(&self, real: u64, mode: Mode, generation: u32) -> Option<BlockId> {
        let decoded = self.by_real.get(&(real, mode.index()))?;
        (decoded.generation == generation).then_some(decoded.block)
    }

    /// Room for a block, before it is decoded: empties the cache when it is full, or when what goes with it is (counters, machine code). Whether it was
    /// emptied: then no number of a block, link or call means anything any more.
    pub fn make_room(&mut self, rest_is_full: bool) -> bool {
        let full = rest_is_full || self.ops.len() >= MOST_OPS || self.by_real.len() >= MOST_BLOCKS;
        if full {
            self.clear();
        }
        full
    }

    /// Forgets all blocks, and their machine code.
    pub fn clear(&mut self) {
        let compiler = std::mem::take(&mut self.compiler);
        *self = Self::default();
        self.compiler = compiler.emptied();
    }

    /// Where the machine code of a block is; 0: it has none.
    #[inline(always)]
    fn code_of(&self, block: BlockId) -> u64 {
        match self.ops.get(block as usize) {
            Some(op) if op.code == Code::Compiled => op.imm as u64,
            _ => 0,
        }
    }

    /// Whether a block has machine code.
    #[inline(always)]
    pub fn is_compiled(&self, block: BlockId) -> bool {
        self.code_of(block) != 0
    }

    /// Whether a block has been compiled since the link that leads to it was made.
    #[inline]
    pub fn is_link_behind(&self, link: u32) -> bool {
        let behind = |way: &Way| way.code == 0 && self.code_of(way.block) != 0;
        self.links.get(link as usize).is_some_and(behind)
    }

    /// The same of what the jump cache has for `pc`.
    #[inline]
    pub fn is_jump_behind(&self, pc: u64, mode: Mode) -> bool {
        let way = &self.jumps[jump_slot(pc, mode)].way;
        way.code == 0 && self.code_of(way.block) != 0
    }

    /// Makes machine code of a block, if it can be made, and has not been; whether it was.
    pub fn compile(&mut self, block: BlockId, setting: Setting) -> bool {
        if self.is_compiled(block) {
            return false;
        }
        let Some(length) = self.ops(block).iter().position(Op::is_last) else {
            return false;
        };
        // The interpreter goes on in a copy where the machine code gives up: the block's own first operation becomes the way into the code.
        let first = block as usize;
        let copy = self.ops.len();
        let was_left = |link: u32| self.links.get(link as usize).is_some_and(|way| way.pc != NOWHERE.pc);
        let has_exit = |link: u32| setting.all_exits || was_left(link);
        let source = Source {
            ops: &self.ops[first..=first + length],
            first: copy as BlockId,
            setting,
            has_exit: &has_exit,
        };
        let Some(code) = self.compiler.compile(source) else {
            return false;
        };
        self.ops.extend_from_within(first..=first + length);
        let op = &mut self.ops[first];
        (op.run, op.code, op.imm) = (compiled::ENTER, Code::Compiled, code as i64);
        true
    }

    /// The compiler and the code that it has made.
    #[inline(always)]
    pub fn compiler(&self) -> &Compiler {
        &self.compiler
    }

    /// Where machine code finds links and the jump cache, until blocks are added.
    #[inline(always)]
    pub fn tables(&self) -> Tables {
        Tables {
            links: self.links.as_ptr() as u64,
            jumps: self.jumps.as_ptr() as u64,
        }
    }

    /// A draft whose numbers follow those in use.
    pub fn draft(&self) -> Draft {
        Draft {
            ops: Vec::with_capacity(64),
            calls: Vec::new(),
            links: self.links.len() as u32,
        }
    }

    /// Number of the first call of a new draft.
    pub fn next_call(&self) -> usize {
        self.calls.len()
    }

    /// How many there are, by real address and mode.
    pub fn len(&self) -> usize {
        self.by_real.len()
    }

    /// Takes a decoded block in.
    pub fn add(&mut self, draft: &Draft, real: u64, mode: Mode, generation: u32) -> BlockId {
        let block = self.ops.len() as BlockId;
        self.ops.extend_from_slice(&draft.ops);
        self.calls.extend_from_slice(&draft.calls);
        self.links.resize(draft.links as usize, NOWHERE);
        self.by_real.insert((real, mode.index()), Decoded { block, generation });
        block
    }
}
