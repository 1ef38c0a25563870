//! KVM's own mapping of guest memory, through which translations of it can be taken away.
//!
//! `madvise(MADV_DONTNEED)` makes KVM drop every shadow of the pages, on every vCPU, before it returns. The memory itself is
//! a shared file: it keeps its content, and what is mapped elsewhere stays mapped. `absent` has pages of it that are not there for a while.

mod absent;

use std::io;
use std::ops::Range;

use rustix::mm::{Advice, MapFlags, madvise};
use vm_memory::MmapRegion;

pub use absent::{Faults, PageFault};

/// Guest memory as KVM has it. Nobody else in this process uses this mapping: parts of it may be absent.
#[derive(Debug)]
pub struct KvmMemory {
    region: MmapRegion,
    /// Bytes of a page of the host.
    page: u64,
}

impl KvmMemory {
    /// Takes `region`, a mapping that is for KVM alone, of a file that keeps its size.
    ///
    /// # Panics
    /// When it is no shared mapping of a file: private memory would be lost when it is discarded.
    pub fn new(region: MmapRegion) -> Self {
        let is_shared = region.flags() & MapFlags::SHARED.bits().cast_signed() != 0;
        assert!(
            is_shared && region.file_offset().is_some(),
            "guest memory is a shared mapping of a file"
        );
        Self {
            region,
            page: rustix::param::page_size() as u64,
        }
    }

    /// Where it begins in this process, for the kernel.
    pub fn host_address(&self) -> u64 {
        self.region.as_ptr().expose_provenance() as u64
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.region.size() as u64
    }

    /// Makes KVM drop every translation to the bytes of `range`, counted from the beginning, and to what shares a page of the
    /// host with them. What lies past the end is left out.
    ///
    /// Works while vCPUs are in the guest, and waits for none of them. A vCPU that was about to map what it found in the page
    /// table earlier may map it afterwards.
    ///
    /// # Errors
    /// What `madvise` says.
    pub fn discard(&self, range: Range<u64>) -> io::Result<()> {
        let Some((start, bytes)) = self.place(&self.whole_pages(&range)) else {
            return Ok(());
        };
        // SAFETY: the range has whole pages and lies inside the mapping, which `self` keeps. It is a shared mapping of a file
        // (`new` has looked), so the content stays, and is there again at the next access.
        unsafe { madvise(start.cast(), bytes, Advice::LinuxDontNeed) }.map_err(Into::into)
    }

    /// The pages of the host that have a byte of `range` in them.
    fn whole_pages(&self, range: &Range<u64>) -> Range<u64> {
        // Past the last page there is no memory either.
        let end = range.end.checked_next_multiple_of(self.page).unwrap_or(range.end);
        range.start & !(self.page - 1)..end
    }

    /// Pointer and length of the part of `range` that is memory, if there is any.
    fn place(&self, range: &Range<u64>) -> Option<(*mut u8, usize)> {
        place(&self.region, range)
    }
}

/// Pointer and length of the part of `range` that lies in `region`, if there is any.
fn place(region: &MmapRegion, range: &Range<u64>) -> Option<(*mut u8, usize)> {
    let end = range.end.min(region.size() as u64);
    // Both are at most the mapping's size, which is a `usize`.
    (range.start < end).then(|| {
        (
            region.as_ptr().wrapping_add(range.start as usize),
            (end - range.start) as usize,
        )
    })
}

/// Guest memory as this process has it, for the instructions there.
#[derive(Debug)]
pub struct CodeMemory {
    region: MmapRegion,
}

impl CodeMemory {
    /// Takes `region`, another mapping than KVM's: all of it is there all the time.
    pub fn new(region: MmapRegion) -> Self {
        Self { region }
    }

    /// Makes instructions that were stored in `range`, counted from the beginning, through whatever mapping, be seen by those
    /// who fetch them later. What lies past the end is left out.
    pub fn synchronize_instructions(&self, range: Range<u64>) {
        if let Some((start, bytes)) = place(&self.region, &range) {
            // SAFETY: the bytes lie inside the mapping, which `self` keeps.
            unsafe { crate::synchronize_instructions(start, bytes) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;

    use rustix::fs::{MemfdFlags, memfd_create};
    use vm_memory::{FileOffset, VolatileMemory as _};

    use super::*;

    const PAGES: u64 = 4;

    fn region() -> MmapRegion {
        let page = rustix::param::page_size() as u64;
        let file = File::from(memfd_create("guest", MemfdFlags::CLOEXEC).expect("a memory file"));
        file.set_len(PAGES * page).expect("it has no size yet");
        let file = FileOffset::from_arc(Arc::new(file), 0);
        MmapRegion::from_file(file, (PAGES * page) as usize).expect("there is memory")
    }

    pub(super) fn memory() -> KvmMemory {
        KvmMemory::new(region())
    }

    #[test]
    fn what_is_discarded_keeps_its_content() {
        let memory = memory();
        let last = memory
            .region
            .get_ref::<u64>((memory.size() - 8) as usize)
            .expect("inside");
        last.store(0x0123_4567_89ab_cdef);
        memory.discard(0..memory.size()).expect("it is mapped");
        assert_eq!(last.load(), 0x0123_4567_89ab_cdef);
    }

    #[test]
    fn pages_are_taken_whole_and_nothing_past_the_end() {
        let memory = memory();
        let page = memory.page;
        assert_eq!(memory.whole_pages(&(page - 1..page + 1)), 0..2 * page);
        assert_eq!(memory.whole_pages(&(page..2 * page)), page..2 * page);
        assert_eq!(memory.whole_pages(&(u64::MAX - 1..u64::MAX)).end, u64::MAX);
        let bytes = |range| memory.place(&range).map(|(_, bytes)| bytes as u64);
        assert_eq!(bytes(page..u64::MAX), Some(memory.size() - page));
        assert_eq!(bytes(memory.size()..u64::MAX), None);
        assert_eq!(bytes(page..page), None);
    }

    #[test]
    fn ranges_past_the_end_are_nothing() {
        let (memory, code) = (memory(), CodeMemory::new(region()));
        for range in [memory.size() - 1..u64::MAX, u64::MAX - 1..u64::MAX, 5..5] {
            memory.discard(range.clone()).expect("nothing is refused");
            code.synchronize_instructions(range);
        }
    }

    #[test]
    #[should_panic(expected = "shared mapping of a file")]
    fn private_memory_is_refused() {
        let region = MmapRegion::new(rustix::param::page_size()).expect("there is memory");
        KvmMemory::new(region);
    }
}
