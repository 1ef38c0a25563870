//! What emulated processors say of their own work, all together: the caches that they look things up in, the interrupts that they took,
//! and, if blocks were counted, which ones they executed.

use emulator::{Cache, Counts, Executed, HotBlock, Lookups, Sums};
use power::insn::disassemble;
use serde::Serialize;
use utoipa::ToSchema;

use super::share;

/// Blocks that are told, at most.
const MOST_HOT: usize = 50;

/// The work of emulated processors.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Emulation {
    /// Interrupts taken, by vector.
    pub(crate) interrupts: Vec<Interrupt>,
    /// Decoded blocks.
    pub(crate) blocks: Blocks,
    /// The caches, from the nearest to the table itself.
    pub(crate) caches: Vec<OfCache>,
    /// Loads and stores that did not go straight through.
    pub(crate) slow: Slow,
    /// Translations that were dropped.
    pub(crate) drops: Drops,
}

/// An interrupt.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Interrupt {
    /// Offset of its vector.
    pub(crate) vector: u64,
    pub(crate) name: &'static str,
    pub(crate) count: u64,
}

/// What became of decoded blocks.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Blocks {
    pub(crate) decoded: u64,
    /// Instructions in them.
    pub(crate) instructions: u64,
    /// Blocks that became machine code.
    pub(crate) compiled: u64,
    /// Blocks that were dropped: with all others, or as their code had changed.
    pub(crate) evicted: u64,
    /// Times that all were dropped for want of room.
    pub(crate) emptied: u64,
    /// Times that code had changed, and every way to a block was looked up anew.
    pub(crate) code_changes: u64,
    /// Blocks that were looked up, as no known way led to them.
    pub(crate) looked_up: u64,
}

/// A cache, or what is behind the last.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct OfCache {
    pub(crate) name: &'static str,
    /// `None`: not counted.
    pub(crate) lookups: Option<u64>,
    /// `None`: not counted.
    pub(crate) hits: Option<u64>,
    pub(crate) misses: u64,
    /// Entries put in; `None`: it does not hold what is found elsewhere.
    pub(crate) filled: Option<u64>,
    /// Entries of others that had to go for them.
    pub(crate) evicted: Option<u64>,
}

/// Loads and stores of integers that did not go straight through, and translations for all accesses.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Slow {
    pub(crate) loads: u64,
    pub(crate) stores: u64,
    /// Of both, those at an address that is no multiple of their length.
    pub(crate) unaligned: u64,
    /// Of both, those that ended in an interrupt or for want of memory.
    pub(crate) failed: u64,
    /// Translations in real mode, for them and for all other accesses.
    pub(crate) real: u64,
}

/// Translations that were dropped.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Drops {
    /// SLB entries that went.
    pub(crate) segments: u64,
    /// Places that their trails named.
    pub(crate) trail_places: u64,
    /// Translations that were found there.
    pub(crate) trail_dropped: u64,
    /// Virtual pages that the table took away, summed over the processors that were told.
    pub(crate) pages: u64,
    /// Times that a processor dropped everything of real mode.
    pub(crate) real: u64,
    /// Times that a processor dropped everything.
    pub(crate) all: u64,
    /// Rights to store that went as another processor decoded the page.
    pub(crate) stores_revoked: u64,
}

/// The blocks that were executed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Profile {
    /// Times that a block was entered.
    pub(crate) entered: u64,
    /// Of them, those by a way that was known.
    pub(crate) chained: u64,
    /// Instructions executed in blocks: all.
    pub(crate) instructions: u64,
    /// Of them, loads and stores of an integer of up to 8 bytes, alone.
    pub(crate) loads: u64,
    pub(crate) stores: u64,
    /// The blocks with the most instructions executed.
    pub(crate) hot_blocks: Vec<Hot>,
}

/// A block in which much was executed.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Hot {
    /// Effective address where it was first executed, in hexadecimal: JSON's numbers are too short.
    pub(crate) address: String,
    /// Real address, in hexadecimal.
    pub(crate) real: String,
    /// Executed in problem state.
    pub(crate) is_problem: bool,
    /// Instructions that it has.
    pub(crate) length: u8,
    /// How often it was entered.
    pub(crate) entered: u64,
    /// Instructions executed in it.
    pub(crate) instructions: u64,
    /// Of all that were executed.
    pub(crate) share: f64,
    /// Its first instructions.
    pub(crate) begins_with: Vec<String>,
}

impl Emulation {
    /// What processors have counted, and what they have executed if blocks were counted.
    pub(super) fn new(counts: &Counts, executed: Option<&Sums>) -> Self {
        let taken = counts.interrupts.taken();
        Self {
            interrupts: taken
                .map(|(vector, name, count)| Interrupt { vector, name, count })
                .collect(),
            blocks: Blocks::new(counts),
            caches: caches(counts, executed),
            slow: Slow::new(counts),
            drops: Drops::new(counts),
        }
    }
}

/// Straight loads and stores that needed nothing else: those that were completed, less those of them that went slowly.
fn straight(counts: &Counts, executed: &Sums) -> u64 {
    let data = &counts.data;
    let slow = |slow: u64, failed: u64| slow.saturating_sub(failed);
    let loads = executed.loads.saturating_sub(slow(data.slow_loads, data.failed_loads));
    let stores = executed
        .stores
        .saturating_sub(slow(data.slow_stores, data.failed_stores));
    loads + stores
}

fn caches(counts: &Counts, executed: Option<&Sums>) -> Vec<OfCache> {
    let data = &counts.data;
    let hits = executed.map(|executed| straight(counts, executed));
    let misses = data.slow_loads + data.slow_stores;
    let straight = OfCache {
        name: "data",
        lookups: hits.map(|hits| hits + misses),
        hits,
        misses,
        filled: Some(data.filled),
        evicted: Some(data.evicted),
    };
    let walks = counts.walks.hits + counts.walks.misses;
    // What the SLB translates is looked up there, but for fetches from segments that hold no code.
    let segments = Lookups {
        hits: counts.page_hits + walks,
        misses: counts.segment_misses,
    };
    let pages = Cache {
        hits: counts.page_hits,
        misses: walks,
        filled: counts.walks.hits,
        evicted: counts.pages_evicted,
    };
    vec![
        straight,
        OfCache::alone("jumps", &counts.jumps),
        OfCache::new("fetch", &counts.fetch),
        OfCache::new("blocks", &counts.blocks),
        OfCache::alone("segments", &segments),
        OfCache::new("pages", &pages),
        OfCache::alone("table", &counts.walks),
    ]
}

impl OfCache {
    fn new(name: &'static str, cache: &Cache) -> Self {
        let &Cache {
            hits,
            misses,
            filled,
            evicted,
        } = cache;
        Self {
            filled: Some(filled),
            evicted: Some(evicted),
            ..Self::alone(name, &Lookups { hits, misses })
        }
    }

    fn alone(name: &'static str, &Lookups { hits, misses }: &Lookups) -> Self {
        Self {
            name,
            lookups: Some(hits + misses),
            hits: Some(hits),
            misses,
            filled: None,
            evicted: None,
        }
    }
}

impl Blocks {
    fn new(counts: &Counts) -> Self {
        Self {
            decoded: counts.blocks.misses,
            instructions: counts.code.instructions,
            compiled: counts.code.compiled,
            evicted: counts.blocks.evicted,
            emptied: counts.code.emptied,
            code_changes: counts.code.changed,
            looked_up: looked_up(counts),
        }
    }
}

/// Blocks that were entered after a look-up.
fn looked_up(counts: &Counts) -> u64 {
    counts.jumps.hits + counts.blocks.hits + counts.blocks.misses
}

impl Slow {
    fn new(counts: &Counts) -> Self {
        let data = &counts.data;
        Self {
            loads: data.slow_loads,
            stores: data.slow_stores,
            unaligned: data.unaligned,
            failed: data.failed_loads + data.failed_stores,
            real: data.real,
        }
    }
}

impl Drops {
    fn new(counts: &Counts) -> Self {
        let drops = &counts.drops;
        Self {
            segments: drops.segments,
            trail_places: drops.trail_places,
            trail_dropped: drops.trail_dropped,
            pages: drops.pages,
            real: drops.real,
            all: drops.all,
            stores_revoked: drops.stores_revoked,
        }
    }
}

impl Profile {
    /// What processors have executed that have counted so much.
    pub(super) fn new(executed: &Executed, counts: &Counts) -> Self {
        let sums = &executed.sums;
        let hottest = executed.hottest(MOST_HOT);
        Self {
            entered: sums.entered,
            chained: sums.entered.saturating_sub(looked_up(counts)),
            instructions: sums.instructions,
            loads: sums.loads,
            stores: sums.stores,
            hot_blocks: hottest.iter().map(|block| Hot::new(block, sums.instructions)).collect(),
        }
    }
}

impl Hot {
    fn new(block: &HotBlock, all: u64) -> Self {
        let words = block.words.iter().zip((block.pc..).step_by(4));
        Self {
            address: format!("{:#x}", block.pc),
            real: format!("{:#x}", block.real),
            is_problem: block.is_problem,
            length: block.length,
            entered: block.entered,
            instructions: block.instructions,
            share: share(block.instructions, all),
            begins_with: words.map(|(&word, at)| disassemble(word, at)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_ups_are_hits_and_misses() {
        let mut counts = Counts::default();
        // Ten loads that were completed and one that was not; two of the ten, and the other, went slowly.
        counts.data.slow_loads = 3;
        counts.data.failed_loads = 1;
        counts.data.slow_stores = 2;
        counts.walks = Lookups { hits: 3, misses: 1 };
        let executed = Sums {
            loads: 10,
            stores: 5,
            ..Sums::default()
        };
        let emulation = Emulation::new(&counts, Some(&executed));
        let data = &emulation.caches[0];
        assert_eq!((data.hits, data.misses, data.lookups), (Some(8 + 3), 5, Some(11 + 5)));
        for cache in &emulation.caches {
            assert_eq!(
                cache.lookups,
                cache.hits.map(|hits| hits + cache.misses),
                "{}",
                cache.name
            );
        }
        let uncounted = Emulation::new(&counts, None);
        assert_eq!((uncounted.caches[0].lookups, uncounted.caches[0].misses), (None, 5));
    }

    #[test]
    fn a_hot_block_begins_with_its_instructions_at_their_addresses() {
        let block = HotBlock {
            pc: 0xc000_0000_0000_1000,
            real: 0x1000,
            is_problem: false,
            length: 7,
            entered: 10,
            instructions: 25,
            words: vec![0x3863_0001, 0x4bff_fffc],
        };
        let hot = Hot::new(&block, 100);
        assert_eq!(
            (hot.address.as_str(), hot.real.as_str()),
            ("0xc000000000001000", "0x1000")
        );
        assert_eq!(hot.share, 0.25);
        // A branch to itself would be at its own address: this one goes to the block's start.
        assert_eq!(hot.begins_with, ["addi r3,r3,1", "b 0xc000000000001000"]);
    }
}
