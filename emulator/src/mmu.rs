//! Address translation: SLB, then the page cache, then the table (Power ISA v2.07B, Book III-S, 5.7), and then whether the frame of
//! memory that was found may be used now ([`hpt::Frames`]).

use hpt::{Access, Invalidation, WalkFault};
use power::msr::storage_fault;
use power::page::Vpn;

use crate::core::Core;
use crate::fault::Fault;
use crate::tlb::{Context, Mapping};
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
    /// Stores need no other look at the table.
    writable: bool,
    /// Of its segment.
    vsid: u64,
}

impl Core {
    fn mapping(&mut self, ea: u64, access: Access, problem: bool) -> Result<Translated, Untranslated> {
        let Some(segment) = self.slb.lookup(ea) else {
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
                if self.self_check.is_some() {
                    self.check_mapping(page, mapping);
                }
                mapping
            }
            _ => {
                let found = self
                    .table
                    .table()
                    .walk_for(page, access, key, &self.footprint)
                    .map_err(|fault| {
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
                };
                self.pages.insert(page, mapping);
                mapping
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
        if !allowed {
            return Err(Untranslated::Storage(storage_fault::PROTECTION));
        }
        Ok(Translated {
            real: mapping.real | offset,
            writable: mapping.changed && mapping.protection.allows_store(key),
            vsid: page.vsid(),
        })
    }

    /// The real address of a load or store at `ea`, which is then remembered for its 4 KiB page.
    ///
    /// A store to a page with decoded code makes that code stale first. What the page cache knows is where pages are, which stays so; what may
    /// be done there is asked each time.
    #[cold]
    #[inline(never)]
    pub(crate) fn translate_data(&mut self, ea: u64, access: Access) -> Result<u64, Fault> {
        let store = access == Access::Store;
        let (real, mut writable) = if self.data == Context::Real {
            self.footprint.note_real();
            (ea & REAL_MODE_MASK, true)
        } else {
            let problem = self.data == Context::Problem;
            match self.mapping(ea, access, problem) {
                Ok(found) => (found.real, found.writable),
                Err(Untranslated::Segment) => return self.raise(Trap::DataSegment { dar: ea }),
                Err(Untranslated::Storage(bits)) => {
                    let dsisr = bits | if store { storage_fault::STORE } else { 0 };
                    return self.raise(Trap::DataStorage { dar: ea, dsisr });
                }
            }
        };
        if real >= self.ram.bytes() {
            return self.raise(Trap::MachineCheck { dar: ea });
        }
        writable &= self.admit(real, access)?;
        // Another entry is about to go. Not later: the new entry must be there when the next revocation is taken.
        self.drop_revoked();
        if self.shared.code.holds_code(real) {
            if store {
                self.shared.code.mark_written(real);
            } else {
                writable = false;
            }
        }
        self.tlb.insert(self.data, ea, real, writable);
        Ok(real)
    }

    /// The real address of the instruction at `ea`.
    pub(crate) fn translate_fetch(&mut self, ea: u64) -> Result<u64, Fault> {
        if let Some(real) = self.fetch.get(ea) {
            return Ok(real);
        }
        let context = self.fetch.context();
        let (real, vsid) = if context == Context::Real {
            self.footprint.note_real();
            (ea & REAL_MODE_MASK, 0)
        } else {
            match self.mapping(ea, Access::Fetch, context == Context::Problem) {
                Ok(found) => (found.real, found.vsid),
                Err(Untranslated::Segment) => return self.raise(Trap::InstructionSegment),
                Err(Untranslated::Storage(bits)) => return self.raise(Trap::InstructionStorage(bits)),
            }
        };
        if real >= self.ram.bytes() {
            return self.raise(Trap::MachineCheck { dar: ea });
        }
        self.admit(real, Access::Fetch)?;
        self.fetch.insert(ea, real, vsid);
        Ok(real)
    }

    /// `slbmte`.
    pub(crate) fn slb_write(&mut self, rs: u64, rb: u64) {
        if let Some(old) = self.slb.write(rs, rb) {
            self.forget_half(old.esid() >> 63 != 0);
        }
    }

    /// `slbie`.
    pub(crate) fn slb_invalidate(&mut self, ea: u64) {
        self.slb.invalidate(ea);
        self.forget_half(ea >> 63 != 0);
    }

    /// `slbia`.
    pub(crate) fn slb_invalidate_all(&mut self) {
        self.slb.invalidate_all();
        self.drop_revoked();
        self.tlb.flush_translated();
        self.fetch.flush();
    }

    /// What was translated through a segment entry is gone; what is known by virtual page stays.
    fn forget_half(&mut self, upper: bool) {
        self.drop_revoked();
        self.tlb.flush_half(upper);
        self.fetch.flush_half(upper);
    }

    /// Drops translations that the table no longer gives.
    pub(crate) fn invalidate(&mut self, what: &Invalidation) {
        self.drop_revoked();
        match what {
            Invalidation::Page { page, actual, .. } => {
                let first = page.offset() & !actual.offset_mask();
                self.tlb.drop_virtual(first, actual.bytes());
                self.fetch.drop_virtual(*page, actual.bytes());
                self.pages.invalidate(*page, *actual);
            }
            Invalidation::Real { .. } => self.forget_real(),
            Invalidation::All => {
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
            self.tlb.flush_real();
            self.fetch.flush_real();
            self.footprint.clear_real();
        }
    }
}
