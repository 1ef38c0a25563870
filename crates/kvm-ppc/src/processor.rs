//! Two things that only instructions of the host can do.

use std::arch::asm;

/// Bytes that one `dcbst` or `icbi` surely covers. Server processors have blocks of 128, and no 64-bit one that Linux
/// runs on has fewer than 64.
const BLOCK_BYTES: usize = 64;

/// The host's time base, which counts at the frequency in the host's device tree (Power ISA v3.0B, Book II, 6.1).
pub fn timebase() -> u64 {
    let ticks: u64;
    // SAFETY: reading the time base has no effect on anything, and is allowed in problem state.
    unsafe { asm!("mfspr {0}, 268", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}

/// Makes instructions that were stored at `start` be seen by whoever fetches them later (Power ISA v3.0B, Book II, 1.8).
///
/// # Safety
///
/// The `bytes` at `start` are mapped.
pub unsafe fn synchronize_instructions(start: *const u8, bytes: usize) {
    let offset = start.addr() % BLOCK_BYTES;
    let first = start.wrapping_sub(offset);
    let blocks = || {
        (0..offset + bytes)
            .step_by(BLOCK_BYTES)
            .map(|at| first.wrapping_add(at))
    };
    for block in blocks() {
        // SAFETY: the block has a mapped byte in it, so all of it is mapped, being smaller than a page; storing it to
        // memory changes nothing that a program can see.
        unsafe { asm!("dcbst 0, {0}", in(reg) block, options(nostack, preserves_flags)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("sync", options(nostack, preserves_flags)) };
    for block in blocks() {
        // SAFETY: as above; the block is taken out of the instruction cache.
        unsafe { asm!("icbi 0, {0}", in(reg) block, options(nostack, preserves_flags)) };
    }
    // SAFETY: barriers.
    unsafe { asm!("sync", "isync", options(nostack, preserves_flags)) };
}
