//! Which blocks are executed so often that it pays to compile them.
//!
//! Nothing is counted on the way from block to block. A burst ends after some hundred instructions wherever it is then, so the
//! blocks that bursts begin with are a sample of those that are executed. A block that was found so several times is hot. How long a
//! burst is varies from one to the next, so that a loop is not always met in the same place; it is the same in each run of the same
//! guest, which runs by turns rest on.

use crate::block::BlockId;

/// Blocks that are told apart. Two that share a place cool each other.
const PLACES: usize = 8192;

/// When blocks are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compile {
    /// Never.
    Never,
    /// When bursts have begun with them so many times, 1 or more.
    Hot(u8),
    /// Before they are executed the first time.
    AtOnce,
}

impl Compile {
    /// Compiling takes the time of some thousand executions of a block, and a sample stands for some sixty of them.
    pub const USUAL: Self = Self::Hot(16);
}

#[derive(Clone, Copy, Default)]
struct Place {
    block: BlockId,
    samples: u8,
}

/// How often bursts began with each block.
pub(crate) struct Heat {
    places: Box<[Place; PLACES]>,
    when: Compile,
    /// The block that has become hot.
    hot: Option<BlockId>,
    bursts: u32,
}

impl Default for Heat {
    fn default() -> Self {
        Self {
            places: Box::new([Place::default(); PLACES]),
            when: Compile::USUAL,
            hot: None,
            bursts: 0,
        }
    }
}

impl Heat {
    /// Says when blocks are compiled.
    pub(crate) fn set(&mut self, when: Compile) {
        self.when = when;
    }

    /// How many instructions the next burst has.
    #[inline]
    pub(crate) fn next_burst(&mut self) -> i32 {
        self.bursts = self.bursts.wrapping_add(1);
        // An odd multiple goes through all remainders.
        448 + (self.bursts.wrapping_mul(37) % 128) as i32
    }

    /// A burst is about to begin with `block`. Whether the block is to be compiled before: [`Self::is_hot`] says so then.
    #[inline]
    pub(crate) fn note(&mut self, block: BlockId) -> bool {
        let Compile::Hot(enough) = self.when else {
            return false;
        };
        let place = &mut self.places[(block.wrapping_mul(0x9e37_79b1) >> 16) as usize % PLACES];
        if place.block == block {
            place.samples += 1;
            if place.samples >= enough {
                *place = Place::default();
                self.hot = Some(block);
                return true;
            }
        } else if place.samples <= 1 {
            *place = Place { block, samples: 1 };
            if enough <= 1 {
                self.hot = Some(block);
                return true;
            }
        } else {
            place.samples -= 1;
        }
        false
    }

    /// Whether blocks are compiled before anything is known of them.
    pub(crate) fn all_at_once(&self) -> bool {
        self.when == Compile::AtOnce
    }

    /// Whether `block`, which is about to be executed, is to be compiled before.
    #[inline]
    pub(crate) fn is_hot(&mut self, block: BlockId) -> bool {
        self.hot.take() == Some(block) || self.when == Compile::AtOnce
    }
}
