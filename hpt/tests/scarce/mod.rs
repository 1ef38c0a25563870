//! An allocator that refuses on demand: a host without memory.
#![expect(unsafe_code, reason = "an allocator that fails on demand")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Allocations that this thread still gets.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The system's allocator, for as long as the thread may have memory.
struct Scarce;

/// Calls `work` with so many allocations left for this thread.
pub(crate) fn with_allocations<T>(left: usize, work: impl FnOnce() -> T) -> T {
    LEFT.with(|allocations| allocations.set(left));
    let result = work();
    LEFT.with(|allocations| allocations.set(usize::MAX));
    result
}

fn granted() -> bool {
    LEFT.with(|left| {
        let granted = left.get() > 0;
        if granted && left.get() != usize::MAX {
            left.set(left.get() - 1);
        }
        granted
    })
}

// SAFETY: every request goes to the system's allocator as it came, or is refused with null, which is allowed.
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !granted() {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` is from `System`, as every allocation here.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !granted() {
            return std::ptr::null_mut();
        }
        // SAFETY: `at` is from `System`, the rest is the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Scarce = Scarce;
