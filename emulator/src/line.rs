//! What the rest of the machine may do to a running processor: ask for its attention, and hold up
//! its external interrupt line.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | raise | any thread | store external, Release, then attention | the processor's load of external after it saw attention |
//! | look | the processor, between blocks | load attention, Relaxed | : a late look only delays |
//! | answer | the processor | swap attention false, AcqRel, then load external | the raiser's store of attention |

use std::sync::atomic::{AtomicBool, Ordering};

/// The wires into one processor, on cache lines of their own: it looks at them for each block.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Line {
    attention: AtomicBool,
    external: AtomicBool,
}

impl Line {
    /// Makes `Cpu::run` return soon, or at once when it is called next.
    pub fn ring(&self) {
        self.attention.store(true, Ordering::Release);
    }

    /// Sets the level of the external interrupt line.
    pub fn set_external(&self, level: bool) {
        self.external.store(level, Ordering::Release);
        if level {
            self.ring();
        }
    }

    /// The level of the external interrupt line.
    #[inline(always)]
    pub fn external(&self) -> bool {
        self.external.load(Ordering::Acquire)
    }

    /// Whether somebody rang since the last [`Self::answer`].
    #[inline(always)]
    pub(crate) fn attention(&self) -> bool {
        self.attention.load(Ordering::Relaxed)
    }

    /// Where machine code looks whether somebody rang: one byte, which is not 0 then, for as long as the line is there.
    pub(crate) fn attention_at(&self) -> u64 {
        self.attention.as_ptr() as u64
    }

    /// Takes the ring back; whether there was one.
    pub(crate) fn answer(&self) -> bool {
        self.attention.swap(false, Ordering::AcqRel)
    }
}
