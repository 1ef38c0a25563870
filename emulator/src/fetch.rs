//! Where instructions are: a small cache of fetch translations, and the generation that makes every
//! remembered way to a block stale at once.

use crate::tlb::Context;

const ENTRIES: usize = 256;
const PAGE_SHIFT: u32 = 12;
const PAGE_MASK: u64 = !0xfff;
const NEVER: u64 = 1;

#[derive(Clone, Copy)]
struct Entry {
    page: u64,
    real: u64,
    /// Of the segment that translated it; pages of other segments share the low bits.
    vsid: u64,
}

const EMPTY: Entry = Entry {
    page: NEVER,
    real: 0,
    vsid: 0,
};

/// Fetch translations of one processor, by effective page of 4 KiB.
pub struct FetchCache {
    entries: Box<[[Entry; ENTRIES]; 3]>,
    context: Context,
    generation: u32,
    wrapped: bool,
}

impl Default for FetchCache {
    fn default() -> Self {
        Self {
            entries: Box::new([[EMPTY; ENTRIES]; 3]),
            context: Context::Real,
            generation: 1,
            wrapped: false,
        }
    }
}

fn slot(ea: u64) -> usize {
    (ea >> PAGE_SHIFT) as usize % ENTRIES
}

impl FetchCache {
    /// The context that fetches are translated in.
    #[inline(always)]
    pub fn context(&self) -> Context {
        self.context
    }

    pub(crate) fn set_context(&mut self, context: Context) {
        self.context = context;
    }

    /// Links and jump-cache entries of another generation must be looked up again.
    #[inline(always)]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Makes every remembered way to a block stale.
    pub fn next_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.wrapped = true;
            self.generation = 1;
        }
    }

    /// Whether generations began anew since the last call: whatever remembers one must be forgotten.
    pub fn take_wrapped(&mut self) -> bool {
        std::mem::take(&mut self.wrapped)
    }

    /// The real address of the instruction at `ea`.
    #[inline]
    pub fn get(&self, ea: u64) -> Option<u64> {
        let entry = &self.entries[self.context as usize][slot(ea)];
        (entry.page == ea & PAGE_MASK).then_some(entry.real | (ea & !PAGE_MASK))
    }

    /// Remembers that the page of `ea`, in the virtual segment `vsid`, is at `real`.
    pub fn insert(&mut self, ea: u64, real: u64, vsid: u64) {
        let entry = Entry {
            page: ea & PAGE_MASK,
            real: real & PAGE_MASK,
            vsid,
        };
        self.entries[self.context as usize][slot(ea)] = entry;
    }

    /// Drops every translated page.
    pub fn flush(&mut self) {
        self.entries[Context::Privileged as usize].fill(EMPTY);
        self.entries[Context::Problem as usize].fill(EMPTY);
        self.next_generation();
    }

    /// Drops every translated page of one half of the address space.
    pub fn flush_half(&mut self, upper: bool) {
        let mut found = false;
        for context in [Context::Privileged, Context::Problem] {
            for entry in &mut self.entries[context as usize] {
                if entry.page != NEVER && (entry.page >> 63 != 0) == upper {
                    *entry = EMPTY;
                    found = true;
                }
            }
        }
        if found {
            self.next_generation();
        }
    }

    /// Drops what may translate the `bytes` at `offset` of the virtual segment `vsid`.
    pub fn drop_virtual(&mut self, vsid: u64, offset: u64, bytes: u64) {
        if bytes >> PAGE_SHIFT >= ENTRIES as u64 {
            return self.flush();
        }
        let mut found = false;
        for page in (offset..offset + bytes).step_by(1 << PAGE_SHIFT) {
            for context in [Context::Privileged, Context::Problem] {
                let entry = &mut self.entries[context as usize][slot(page)];
                // The low 28 bits of an effective and a virtual address agree.
                if entry.page != NEVER && entry.vsid == vsid && (entry.page ^ page) & 0x0fff_f000 == 0 {
                    *entry = EMPTY;
                    found = true;
                }
            }
        }
        if found {
            self.next_generation();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_a_page_that_was_never_fetched_from_leaves_the_generation() {
        let mut cache = FetchCache::default();
        cache.set_context(Context::Privileged);
        cache.insert(0xc000_0000_0000_1000, 0x1000, 7);
        let generation = cache.generation();
        cache.drop_virtual(7, 0x5000, 0x1000);
        cache.drop_virtual(8, 0x1000, 0x1000);
        assert_eq!(cache.generation(), generation);
        cache.drop_virtual(7, 0x1000, 0x1000);
        assert_ne!(cache.generation(), generation);
        assert_eq!(cache.get(0xc000_0000_0000_1000), None);
    }
}
