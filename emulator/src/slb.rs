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
    /// Which entry was found last, by the low bits of the segment's number.
    hints: [u8; HINTS],
}

const HINTS: usize = 64;

/// Which entries `slbia` leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// None.
    None,
    /// Entry 0.
    First,
    /// Those of class 0.
    ClassZero,
}

impl Default for Slb {
    fn default() -> Self {
        Self {
            entries: [None; ENTRIES],
            tags: [NO_TAG; ENTRIES],
            hints: [0; HINTS],
        }
    }
}

const NO_TAG: (u64, u64) = (u64::MAX, 0);

impl Slb {
    /// The entry that translates `ea`, and its number.
    #[inline]
    pub fn lookup(&mut self, ea: u64) -> Option<(usize, &SlbEntry)> {
        // The upper bits tell the kernel's regions apart.
        let hint = ((ea >> 28) ^ (ea >> 56)) as usize % HINTS;
        let mut at = self.hints[hint] as usize % ENTRIES;
        let (bits, mask) = self.tags[at];
        if ea & mask != bits {
            at = self.position(ea)?;
            self.hints[hint] = at as u8;
        }
        Some((at, self.entries[at].as_ref()?))
    }

    fn position(&self, ea: u64) -> Option<usize> {
        self.tags.iter().position(|(bits, mask)| ea & mask == *bits)
    }

    fn set(&mut self, at: usize, entry: Option<SlbEntry>) -> Option<SlbEntry> {
        self.tags[at] = entry.map_or(NO_TAG, |entry| (entry.esid(), !((1 << entry.segment().shift()) - 1)));
        std::mem::replace(&mut self.entries[at], entry)
    }

    /// `slbmte RS,RB`: number of the entry, and the other one that stood there before.
    pub fn write(&mut self, rs: u64, rb: u64) -> Option<(usize, SlbEntry)> {
        let at = extract(rb, 52, 63) as usize % ENTRIES;
        let new = SlbEntry::from_registers(rs, rb);
        let old = self.set(at, new)?;
        (Some(old) != new).then_some((at, old))
    }

    /// `slbie`: drops an entry that translates `ea`. `None`: there is none.
    pub fn invalidate(&mut self, ea: u64) -> Option<(usize, SlbEntry)> {
        let at = self.position(ea)?;
        Some((at, self.set(at, None)?))
    }

    /// `slbia`: drops an entry that is not `kept`. `None`: there is none.
    pub fn invalidate_other(&mut self, kept: Kept) -> Option<(usize, SlbEntry)> {
        let goes = |at: &usize| match kept {
            Kept::None => true,
            Kept::First => *at != 0,
            Kept::ClassZero => self.entries[*at].is_some_and(|entry| entry.class() != 0),
        };
        let at = (0..ENTRIES).filter(goes).find(|&at| self.entries[at].is_some())?;
        Some((at, self.set(at, None)?))
    }

    /// `slbmfee` and `slbmfev`: RB and RS of entry `index`; zero when it is invalid.
    pub fn read(&self, index: u64) -> (u64, u64) {
        self.entries[index as usize % ENTRIES].map_or((0, 0), |entry| (entry.rb(), entry.rs()))
    }

    /// `slbfee.`: RS of the entry that translates `ea`.
    pub fn find(&self, ea: u64) -> Option<u64> {
        self.entries[self.position(ea)?].map(|entry| entry.rs())
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
        while slb.invalidate_other(Kept::First).is_some() {}
        assert!(slb.lookup(0xc000_0000_0000_0000).is_some());
        assert!(slb.lookup(0x1000_0000).is_none());
        while slb.invalidate_other(Kept::None).is_some() {}
        assert!(slb.lookup(0xc000_0000_0000_0000).is_none());
    }

    #[test]
    fn slbia_may_keep_a_class() {
        const C: u64 = 0x80;
        let mut slb = Slb::default();
        slb.write(0x1000 | C, V);
        slb.write(0x2000, 0x1000_0000 | V | 1);
        slb.write(0x3000 | C, 0x2000_0000 | V | 2);
        while slb.invalidate_other(Kept::ClassZero).is_some() {}
        assert_eq!(slb.valid().map(|(at, _)| at).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn slbie_drops_only_the_segment_it_names() {
        let mut slb = Slb::default();
        slb.write(0x1000, V | 1);
        slb.write(0x2000, 0x1000_0000 | V | 2);
        assert_eq!(slb.invalidate(0x0fff_ffff).map(|(at, _)| at), Some(1));
        assert!(slb.lookup(0).is_none());
        assert!(slb.lookup(0x1fff_ffff).is_some());
    }
}
