//! A guest that works on its page table as hard as it can, on all processors, and knows at every moment what may be seen: the
//! program of `pteg stress`. Its streams of operations are functions of a seed and a processor's number.
//!
//! - **Pages.** Each processor has 256 pages of its own, and alone changes their entries: one at a time, in batches, as Linux
//!   does when it unmaps, forks and patches its text, and wrongly. All processors load from and store to all of them.
//! - **State.** Each page has a word in memory that says how its entry is: gone, read-only, writable, or just being changed. It is
//!   changed before and after each hypercall and never comes back to what it was, so that an access that finds the same word
//!   before and after itself was made in that state, and must have the outcome that goes with it.
//! - **Memory.** Each page has two frames, which it uses by turns, with a wall that nobody may touch behind each. A frame
//!   that is mapped says of which page and in which life; one that is not, that it is closed. Whoever loads that, or stores
//!   there, has used a translation that was gone, whatever the state says by then.
//! - **Code.** The frames of one page in eight have code as well, which says the same as the frame: half of the loads from there are fetches.
//! - **R and C.** A store leaves a mark in the frame, an access one in the page's record; R and C must be in what hypercalls
//!   return.
//!
//! `worker.s` is the stream, `operations.s` what it is made of, `pages.s` what becomes of one page, `touch.s` the accesses,
//! `resize.s` the table of another size, and `report.s` what is said. Processors run in real mode, and translate only the address
//! of an access.
//!
//! What an operation does follows from the seed, the processor and the operation's number alone, so that one can be left out and the others stay as
//! they are: the program [`elf`] makes does a [`Part`] of them.
//!
//! Words of the command line: `seed=`; `ms=` how long, by the guest's time base, or 0, but 4096 operations at least;
//! `operations=` of the first processor, or 0; `base=` 12 or 16, log2 of a page; `segment=` 28 or 40, log2 of a segment; `crowd=` 4 to 8, log2 of the groups that a
//! processor's pages have; `resize=` 1 for tables of two sizes by turns; and `plant=` for a [`Plant`] by its number.

mod part;
mod round;

use std::fmt::Write as _;

pub use part::{Operation, Part};
pub use round::{Length, Round};

use power::insn::Endian;

/// Pages of a processor.
const PAGES: u64 = 256;

/// Most processors: each has a segment, and all segments are in the SLB.
pub const MOST_PROCESSORS: u32 = 16;

/// First byte of the pages' memory.
const FRAMES: u64 = 0x200_0000;

/// A mistake that the guest makes on purpose, to see that it is found: `plant=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// Some pages are not removed.
    Stale = 1,
    /// C is dropped from what hypercalls return.
    LostC = 2,
    /// Entries lead to a neighbour's memory.
    Foreign = 3,
    /// R is dropped from what hypercalls return.
    LostR = 4,
}

/// What the parts have in common: layouts, states, numbers of the manuals.
fn constants() -> String {
    let mut text = String::new();
    let values: &[(&str, i64)] = &[
        ("PAGES", PAGES as i64),
        ("PAGES_LOG2", PAGES.trailing_zeros().into()),
        ("MOST_PROCESSORS", MOST_PROCESSORS.into()),
        ("FRAMES", FRAMES as i64),
        ("LEAST_OPERATIONS", 4096),
        // A processor's block: counters, gathered pages, ring of calls, records.
        ("BLOCKS", 0x60_0000),
        ("BLOCK_SHIFT", 16),
        ("OPERATIONS", 0),
        ("BEGAN", 8),
        ("TICKS", 16),
        ("HASH", 24),
        ("CALL_BEGAN", 32),
        ("CALL_TICKS", 40),
        ("TOUCHES", 48),
        ("JUDGED", 56),
        ("FAULTS", 64),
        ("RESIZES", 72),
        ("RING_NEXT", 80),
        ("GATHERED", 88),
        ("WANTED_SLOT", 96),
        ("STREAM", 104),
        ("CALLS", 128),
        ("CALL_KINDS", 11),
        ("LIST", 0x400),
        ("RING", 0x1000),
        ("RING_CALLS", 16),
        ("RING_BYTES", 0x800),
        ("RECORDS", 0x8000),
        ("RECORD_SHIFT", 7),
        // A call in the ring: number and r4 to r12, status and r4 to r7, operation.
        ("CALL_NUMBER", 0),
        ("CALL_STATUS", 80),
        ("CALL_OPERATION", 120),
        ("CALL_BYTES", 128),
        ("NOT_YET", 0x7777),
        // A page's record.
        ("STATE", 0),
        ("SEEN", 8),
        ("TAG", 16),
        ("ADDRESS", 24),
        ("ID", 32),
        ("NUMBER", 40),
        ("BASE_V", 48),
        ("INDEX", 56),
        ("FIRST", 64),
        ("SECOND", 72),
        ("FRAME", 80),
        ("FLAGS", 88),
        ("LAST", 96),
        // States, the low bits of the word.
        ("GONE", 0),
        ("CHANGING", 1),
        ("READ_ONLY", 2),
        ("READ_WRITE", 3),
        // A frame, and the marks of one to which nobody has stored, or may not.
        ("TAG_AT", 0),
        ("MARK_AT", 8),
        ("CODE_AT", 32),
        ("OPEN", -3),
        ("CLOSED", -2),
        // What is known of C: somebody has stored; or may have.
        ("MUST_C", 1),
        ("MAY_C", 2),
        ("FIRST_VSID", 0x1000),
        ("EFFECTIVE", 1 << 46),
        // The low three bits of the number of a page that has code.
        ("CODE_PAGE", 7),
        ("SECONDARY", 2),
        ("BOLTED", 0x10),
        ("R", 0x100),
        ("C", 0x80),
        ("H_FUNCTION", -2),
        ("H_PARAMETER", -4),
        ("H_PARTIAL", 5),
        ("H_PTEG_FULL", -6),
        ("H_NOT_FOUND", -7),
        ("PLANT_STALE", Plant::Stale as i64),
        ("PLANT_LOST_C", Plant::LostC as i64),
        ("PLANT_FOREIGN", Plant::Foreign as i64),
        ("PLANT_LOST_R", Plant::LostR as i64),
    ];
    for (name, value) in values {
        writeln!(text, ".equ {name},{value}").expect("a string takes all");
    }
    text
}

/// The program as an ELF file, which does `part` of the operations.
pub fn elf(part: &Part, endian: Endian) -> Vec<u8> {
    crate::programs::stress_of(part, endian)
}

/// The program but for what it has in common with others.
pub(crate) fn source(part: &Part) -> String {
    let parts = [
        include_str!("worker.s"),
        include_str!("pages.s"),
        include_str!("touch.s"),
        include_str!("operations.s"),
        include_str!("resize.s"),
        include_str!("report.s"),
    ];
    constants() + &part.constants() + &parts.concat() + &part.data()
}
