//! The segment lookaside buffer: 32 entries (Power ISA v2.07B, Book III-S, 5.7.6 and 5.9.3.1).

use power::bits::extract;
use power::slb::SlbEntry;

/// Number of entries, as `ibm,slb-size` says.
pub const ENTRIES: usize = 32;

/// The segment lookaside buffer of one processor.
pub struct Slb {
    entries: [Option<SlbEntry>; ENTRIES],
    /// What `entries` match, apart so that a look-up reads little: address bits and their mask.
    /// An invalid entry has a mask of zero and bits that nothing equals.
    tags: [(u64, u64); ENTRIES],
}

impl Default for Slb {
    fn default() -> Self {
        Self {
            entries: [None; ENTRIES],
            tags: [NO_TAG; ENTRIES],
        }
    }
}

const NO_TAG: (u64, u64) = (u64::MAX, 0);

impl Slb {
    /// The entry that translates `ea`.
    #[inline]
    pub fn lookup(&self, ea: u64) -> Option<&SlbEntry> {
        let at = self.tags.iter().position(|(bits, mask)| ea & mask == *bits)?;
        self.entries[at].as_ref()
    }

    fn set(&mut self, at: usize, entry: Option<SlbEntry>) -> Option<SlbEntry> {
        self.tags[at] = entry.map_or(NO_TAG, |entry| (entry.esid(), !((1 << entry.segment().shift()) - 1)));
        std::mem::replace(&mut self.entries[at], entry)
    }

    /// `slbmte RS,RB`. The entry that stood there before is returned.
    pub fn write(&mut self, rs: u64, rb: u64) -> Option<SlbEntry> {
        self.set(extract(rb, 52, 63) as usize % ENTRIES, SlbEntry::from_registers(rs, rb))
    }

    /// `slbie`: drops the entries that translate `ea`.
    pub fn invalidate(&mut self, ea: u64) {
        for at in 0..ENTRIES {
            if self.entries[at].is_some_and(|entry| entry.matches(ea)) {
                self.set(at, None);
            }
        }
    }

    /// `slbia`: drops all entries but 0.
    pub fn invalidate_all(&mut self) {
        for at in 1..ENTRIES {
            self.set(at, None);
        }
    }

    /// `slbmfee` and `slbmfev`: RB and RS of entry `index`; zero when it is invalid.
    pub fn read(&self, index: u64) -> (u64, u64) {
        self.entries[index as usize % ENTRIES].map_or((0, 0), |entry| (entry.rb(), entry.rs()))
    }

    /// `slbfee.`: RS of the entry that translates `ea`.
    pub fn find(&self, ea: u64) -> Option<u64> {
        self.lookup(ea).map(SlbEntry::rs)
    }

    /// The valid entries, for a register dump.
    pub fn valid(&self) -> impl Iterator<Item = (usize, &SlbEntry)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(n, entry)| entry.as_ref().map(|entry| (n, entry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: u64 = 1 << 27;

    #[test]
    fn slbia_keeps_entry_0() {
        let mut slb = Slb::default();
        slb.write(0x1000, 0xc000_0000_0000_0000 | V);
        slb.write(0x2000, 0x1000_0000 | V | 1);
        slb.invalidate_all();
        assert!(slb.lookup(0xc000_0000_0000_0000).is_some());
        assert!(slb.lookup(0x1000_0000).is_none());
    }

    #[test]
    fn slbie_drops_only_the_segment_it_names() {
        let mut slb = Slb::default();
        slb.write(0x1000, V | 1);
        slb.write(0x2000, 0x1000_0000 | V | 2);
        slb.invalidate(0x0fff_ffff);
        assert!(slb.lookup(0).is_none());
        assert!(slb.lookup(0x1fff_ffff).is_some());
    }
}
