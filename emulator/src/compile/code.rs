//! Memory for machine code, and the way into it.
#![expect(unsafe_code, reason = "machine code is executed, and calls back with pointers")]

use std::fs::File;

use memmap2::{Mmap, MmapMut, MmapOptions};

use super::{After, Left};
use crate::block::{BlockId, Blocks};
use crate::core::Core;
use crate::interp::compiled;

/// Bytes of machine code of one processor, at most.
pub(super) const MOST_BYTES: usize = 32 << 20;

/// Where functions begin, for the host's sake.
const ALIGNMENT: usize = 16;

/// One memory, mapped twice: where it is written nothing is executed, where it is executed nothing is written.
pub(super) struct Code {
    written: MmapMut,
    executed: Mmap,
    used: usize,
}

impl Code {
    /// `None`: the host does not give memory for it.
    pub(super) fn new() -> Option<Self> {
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let file = File::from(rustix::fs::memfd_create("machine code", flags).ok()?);
        file.set_len(MOST_BYTES as u64).ok()?;
        // SAFETY: the file has no name and its descriptor ends with this function, so nobody else changes it or makes it shorter.
        let written = unsafe { MmapOptions::new().len(MOST_BYTES).map_mut(&file) }.ok()?;
        // SAFETY: as above. What changes it from here on is `add`, in parts that nobody executes yet, or that nobody will.
        let executed = unsafe { MmapOptions::new().len(MOST_BYTES).map_exec(&file) }.ok()?;
        Some(Self {
            written,
            executed,
            used: 0,
        })
    }

    /// Takes a function in; its address. `None`: there is no room.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Option<u64> {
        let at = self.used.next_multiple_of(ALIGNMENT);
        self.written
            .get_mut(at..at.checked_add(bytes.len())?)?
            .copy_from_slice(bytes);
        self.used = at + bytes.len();
        Some(self.executed.as_ptr().expose_provenance() as u64 + at as u64)
    }

    /// How much of it there is.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Forgets what was added behind the first `kept` bytes.
    pub(super) fn truncate(&mut self, kept: usize) {
        self.used = kept;
    }
}

/// The function that calls one of the others: it gets the processor and the other's address.
type Enter = extern "sysv64" fn(&mut Core, u64) -> u64;

/// Executes `function`, and those that it goes on to.
///
/// `enter` and `function` are addresses that [`Code::add`] has given since the code was last truncated, of what [`super::native`] has made.
#[inline(always)]
pub(super) fn execute(enter: u64, core: &mut Core, blocks: &Blocks, function: u64) -> Left {
    core.anchors.blocks = std::ptr::from_ref(blocks).expose_provenance() as u64;
    // SAFETY: `enter` is the address of a function with this signature, which `native` has made and `Code` keeps mapped and unchanged for as long as the
    // blocks are there that name it.
    let enter = unsafe { std::mem::transmute::<*const (), Enter>(std::ptr::with_exposed_provenance(enter as usize)) };
    Left::unpack(enter(core, function))
}

/// What machine code calls for operations that have none of their own: does what operation number `op` and `more` after it do.
/// 0 if the next one follows, else what the machine code returns.
pub(super) extern "sysv64" fn call(core: *mut Core, op: u64, more: u64) -> u64 {
    // SAFETY: machine code passes on the pointer that `execute` was given as a unique reference, and uses the processor itself
    // only before and after this call.
    let core = unsafe { &mut *core };
    let blocks: *const Blocks = std::ptr::with_exposed_provenance(core.anchors.blocks as usize);
    // SAFETY: `execute` has put the address of its blocks there, which it borrows until the machine code returns.
    let blocks = unsafe { &*blocks };
    let first = op as BlockId;
    let mut operations = blocks.ops(first).iter().take(1 + more as usize);
    let done = operations.try_fold(first, |op, operation| match compiled::call(core, blocks, operation) {
        After::Next => Ok(op + 1),
        // An operation that leaves nothing to the next: what it would hand over is in no register of the host.
        After::Interpret => Err(Left::Interpret { op, held: None }),
        After::Fault => Err(Left::Fault { op }),
    });
    done.map_or_else(Left::pack, |_| 0)
}
