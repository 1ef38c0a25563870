//! Address translation: SLB, then the page cache, then the table (Power ISA v2.07B, Book III-S, 5.7), and then whether the frame of
//! memory that was found may be used now ([`hpt::Frames`]).

use hpt::{Access, Invalidation, WalkFault};
use power::msr::storage_fault;
use power::page::Vpn;
use power::slb::SlbEntry;

use crate::core::Core;
use crate::fault::Fault;
use crate::slb::Kept;
use crate::tlb::{Context, Mapping, Straight, Through};
use crate::trap::Trap;

/// Effective address bits that real mode looks at: the processor ignores the first four.
const REAL_MODE_MASK: u64 = (1 << 60) - 1;

/// Why an address has no translation; the interrupt depends on who asked.
enum Untranslated {
    Segment,
    /// With the DSISR or SRR1 bits.
    Storage(u64),
}

/// Where an address is.
struct Translated {
    real: u64,
    /// Stores are permitted, and need no other look at the table.
    writable: bool,
    /// Loads are permitted.
    loadable: bool,
    through: Through,
}

impl Core {
    fn mapping(&mut self, ea: u64, access: Access, problem: bool) -> Result<Translated, Untranslated> {
        let Some((entry, segment)) = self.slb.lookup(ea) else {
            self.counts.segment_misses += 1;
            return Err(Untranslated::Segment);
        };
        if access == Access::Fetch && segment.is_no_execute() {
            return Err(Untranslated::Storage(storage_fault::NO_EXECUTE));
        }
        let key = segment.key(problem);
        let page: Vpn = segment.page(ea);
        let offset = ea & segment.base().offset_mask();
        let store = access == Access::Store;
        let mapping = match self.pages.get(page) {
            Some(mapping) if !store || mapping.changed => {
                self.counts.page_hits += 1;
                if self.self_check.is_some() {
                    self.check_mapping(page, mapping);
                }
                mapping
            }
            _ => {
                let found = self.find(page, access, key);
                match found {
                    Ok(_) => self.counts.walks.hits += 1,
                    Err(_) => self.counts.walks.misses += 1,
                }
                found?
            }
        };
        let allowed = if store {
            mapping.protection.allows_store(key)
        } else {
            mapping.protection.allows_load(key)
        };
        if access == Access::Fetch && mapping.no_execute {
            return Err(Untranslated::Storage(storage_fault::NO_EXECUTE));
        }
        let denied = self.denied.denies(mapping.key, access);
        if !allowed || denied {
            let protection = if allowed { 0 } else { storage_fault::PROTECTION };
            let key = if denied { storage_fault::KEY } else { 0 };
            return Err(Untranslated::Storage(protection | key));
        }
        Ok(Translated {
            real: mapping.real | offset,
            writable: mapping.changed
                && mapping.protection.allows_store(key)
                && !self.denied.denies(mapping.key, Access::Store),
            loadable: !self.denied.denies(mapping.key, Access::Load),
            through: Through {
                entry,
                vsid: page.vsid(),
                key: mapping.key,
            },
        })
    }

    /// What the table says of `page` to an access that its class permits, remembered.
    fn find(&mut self, page: Vpn, access: Access, key: bool) -> Result<Mapping, Untranslated> {
        // A store that its class forbids must not set C, which the table would do before it tells the class.
        if access == Access::Store && self.denied.stores != 0 {
            let seen = self.walk(page, Access::Load, key)?;
            if self.denied.denies(seen.key, access) {
                return Err(Untranslated::Storage(storage_fault::KEY));
            }
        }
        self.walk(page, access, key)
    }

    /// What the table says of `page`, remembered.
    fn walk(&mut self, page: Vpn, access: Access, key: bool) -> Result<Mapping, Untranslated> {
        let found = self.table.table().walk_for(page, access, key, &self.footprint);
        let found = found.map_err(|fault| {
            Untranslated::Storage(match fault {
                WalkFault::NotFound => storage_fault::NOT_FOUND,
                WalkFault::Protection => storage_fault::PROTECTION,
                WalkFault::NoExecute => storage_fault::NO_EXECUTE,
            })
        })?;
        let mapping = Mapping {
            real: found.real,
            protection: found.protection,
            no_execute: found.no_execute,
            changed: found.changed,
            key: found.key,
        };
        if self.pages.insert(page, mapping) {
            self.counts.pages_evicted += 1;
        }
        Ok(mapping)
    }

    /// The real address of a load or store at `ea`, which is then remembered for its 4 KiB page if that is memory. If not, it is a device's.
    ///
    /// A store to a page with decoded code makes that code stale first. What the page cache knows is where pages are, which stays so; what may
    /// be done there is asked each time.
    #[cold]
    #[inline(never)]
    pub(crate) fn translate_data(&mut self, ea: u64, access: Access) -> Result<u64, Fault> {
        let real = self.translate_block(ea, access)?;
        if self.is_watched_page(ea) {
            self.check_watchpoint(ea, 1, access)?;
        }
        Ok(real)
    }

    /// The same for an instruction that no watchpoint sees.
    pub(crate) fn translate_block(&mut self, ea: u64, access: Access) -> Result<u64, Fault> {
        let store = access == Access::Store;
        let (real, mut writable, loadable, through) = if self.data == Context::Real {
            self.counts.data.real += 1;
            self.footprint.note_real();
            (ea & REAL_MODE_MASK, true, true, None)
        } else {
            let problem = self.data == Context::Problem;
            match self.mapping(ea, access, problem) {
                Ok(found) => (found.real, found.writable, found.loadable, Some(found.through)),
                Err(Untranslated::Segment) => return self.raise(Trap::DataSegment { dar: ea }),
                Err(Untranslated::Storage(bits)) => {
                    let dsisr = bits | if store { storage_fault::STORE } else { 0 };
                    return self.raise(Trap::DataStorage { dar: ea, dsisr });
                }
            }
        };
        if self.is_outside(real) {
            // Not remembered: whoever goes straight through goes to memory.
            return match self.shared.is_device(real) {
                true => Ok(real),
                false => self.raise(Trap::MachineCheck { dar: ea }),
            };
        }
        writable &= self.admit(real, access)?;
        // A right may be about to go. Not later: the new entry must be there when the next revocation is taken.
        if self.tlb.may_drop_right(self.data, ea) {
            self.drop_revoked();
        }
        if self.shared.code.holds_code(real) {
            if store {
                self.shared.code.mark_written(real);
            } else {
                writable = false;
            }
        }
        let straight = match (loadable, writable) {
            (true, true) => Straight::Both,
            (true, false) => Straight::Loads,
            (false, true) => Straight::Stores,
            (false, false) => return Ok(real),
        };
        // Whoever goes straight through to a page goes to any byte of it: so all of it is RAM.
        if !self.is_watched_page(ea) && self.ram.has_page(real) {
            let evicted = self.tlb.insert(self.data, ea, real, straight, through);
            self.counts.data.filled += 1;
            if evicted {
                self.counts.data.evicted += 1;
            }
        }
        Ok(real)
    }

    /// The real address of the instruction at `ea`.
    pub(crate) fn translate_fetch(&mut self, ea: u64) -> Result<u64, Fault> {
        if let Some(real) = self.fetch.get(ea) {
            self.counts.fetch.hits += 1;
            return Ok(real);
        }
        self.counts.fetch.misses += 1;
        let context = self.fetch.context();
        let (real, through) = if context == Context::Real {
            self.footprint.note_real();
            (ea & REAL_MODE_MASK, None)
        } else {
            match self.mapping(ea, Access::Fetch, context == Context::Problem) {
                Ok(found) => (found.real, Some(found.through)),
                Err(Untranslated::Segment) => return self.raise(Trap::InstructionSegment),
                Err(Untranslated::Storage(bits)) => return self.raise(Trap::InstructionStorage(bits)),
            }
        };
        if self.is_outside(real) {
            return self.raise(Trap::FetchMachineCheck);
        }
        self.admit(real, Access::Fetch)?;
        let evicted = self.fetch.insert(ea, real, through);
        self.counts.fetch.filled += 1;
        self.counts.fetch.evicted += u64::from(evicted);
        Ok(real)
    }

    /// `slbmte`.
    pub(crate) fn slb_write(&mut self, rs: u64, rb: u64) {
        if let Some((at, old)) = self.slb.write(rs, rb) {
            self.forget_segment(at, &old);
        }
    }

    /// `slbie`.
    pub(crate) fn slb_invalidate(&mut self, ea: u64) {
        while let Some((at, old)) = self.slb.invalidate(ea) {
            self.forget_segment(at, &old);
        }
    }

    /// `slbia`, which leaves some entries.
    pub(crate) fn slb_invalidate_all(&mut self, kept: Kept) {
        while let Some((at, old)) = self.slb.invalidate_other(kept) {
            self.forget_segment(at, &old);
        }
    }

    /// What was translated through SLB entry number `at`, which was `old`, is gone; what is known by virtual page stays.
    fn forget_segment(&mut self, at: usize, old: &SlbEntry) {
        self.drop_revoked();
        let trails = [self.tlb.drop_segment(at, old), self.fetch.drop_segment(at, old)];
        self.counts.drops.note_segment(trails);
    }

    /// Drops translations that the table no longer gives.
    pub(crate) fn invalidate(&mut self, what: &Invalidation) {
        let spares_rights =
            matches!(what, Invalidation::Page { page, actual, .. } if !self.tlb.may_drop_rights(*page, actual.bytes()));
        if !spares_rights {
            self.drop_revoked();
        }
        match what {
            Invalidation::Page { page, actual, .. } => {
                self.counts.drops.pages += 1;
                self.tlb.drop_virtual(*page, actual.bytes());
                self.fetch.drop_virtual(*page, actual.bytes());
                self.pages.invalidate(*page, *actual);
            }
            Invalidation::Real { .. } => self.forget_real(),
            Invalidation::All => {
                self.counts.drops.all += 1;
                self.tlb.flush_translated();
                self.fetch.flush();
                self.pages.clear();
                self.forget_real();
                self.footprint.clear();
            }
        }
    }

    /// Drops every translation that was made without the table, whatever its address: there are few, and they are made at no cost.
    fn forget_real(&mut self) {
        if self.footprint.has_real() {
            self.counts.drops.real += 1;
            self.tlb.flush_real();
            self.fetch.flush_real();
            self.footprint.clear_real();
        }
    }
}
