//! Virtual page class keys: what AMR and IAMR deny to accesses to pages of each class (Power ISA v2.07B, Book III-S, 5.7.9.2).
//!
//! AMR has two bits for each of 32 classes, of which one denies stores and the other loads; IAMR has one of two that denies fetches. They hold in
//! either state while MSR\[DR\], or for fetches MSR\[IR\], is 1. AMOR is the hypervisor's, and all ones.
//!
//! The translation caches hold what the registers permitted when a page was put in, so that a hit costs nothing. They *obey*: before a context is used
//! under other registers, what those have come to deny is dropped from it ([`Core::obey`]). A system that closes its users' pages whenever it is
//! entered (as Linux does) denies to the supervisor only what it has let the supervisor touch a moment before.

use hpt::Access;
use power::spr::Spr;

use crate::core::Core;

/// A set of classes: the class `key` is bit `key`, counted from the most significant.
pub(crate) type Classes = u32;

/// The set of one class.
pub(crate) const fn class(key: u8) -> Classes {
    (1 << 31) >> (key & 31)
}

/// The members of a set.
pub(crate) fn members(mut classes: Classes) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let key = classes.leading_zeros() as u8;
        classes &= !class(key);
        (key < 32).then_some(key)
    })
}

/// For which classes something is denied.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Denied {
    /// Loads.
    pub(crate) loads: Classes,
    /// Stores.
    pub(crate) stores: Classes,
    /// Fetches.
    pub(crate) fetches: Classes,
}

/// The odd bits in the manuals' numbering, as 32.
const fn odd_bits(mut bits: u64) -> u32 {
    bits &= 0x5555_5555_5555_5555;
    bits = (bits | bits >> 1) & 0x3333_3333_3333_3333;
    bits = (bits | bits >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits >> 4) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits >> 8) & 0x0000_ffff_0000_ffff;
    (bits | bits >> 16) as u32
}

impl Denied {
    /// What these registers deny.
    pub(crate) const fn by(amr: u64, iamr: u64) -> Self {
        Self {
            loads: odd_bits(amr),
            stores: odd_bits(amr >> 1),
            fetches: odd_bits(iamr),
        }
    }

    /// Whether an access to a page of class `key` is denied.
    pub(crate) const fn denies(self, key: u8, access: Access) -> bool {
        let classes = match access {
            Access::Load => self.loads,
            Access::Store => self.stores,
            Access::Fetch => self.fetches,
        };
        classes & class(key) != 0
    }

    /// The classes whose loads or stores are denied here and were not before.
    pub(crate) const fn data_since(self, before: Self) -> Classes {
        self.loads & !before.loads | self.stores & !before.stores
    }
}

impl Core {
    /// Sets AMR or IAMR.
    pub(crate) fn set_authority(&mut self, register: Spr, value: u64) {
        self.set_plain(register, value);
        self.denied = Denied::by(self.plain(Spr::AMR), self.plain(Spr::IAMR));
        self.obey();
    }

    /// Before the contexts that loads, stores and fetches are translated in are used: they hold no more than the registers permit.
    #[inline(always)]
    pub(crate) fn obey(&mut self) {
        if !self.tlb.obeys(self.data, self.denied) || !self.fetch.obeys(self.denied.fetches) {
            self.drop_denied();
        }
    }

    #[cold]
    #[inline(never)]
    fn drop_denied(&mut self) {
        if self.tlb.disobedient(self.data, self.denied) != 0 {
            // Entries are about to go.
            self.drop_revoked();
        }
        self.tlb.obey(self.data, self.denied);
        self.fetch.obey(self.denied.fetches);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_bits() {
        for key in 0..32u8 {
            let even = 1 << (63 - 2 * u32::from(key));
            let (store, load) = (Denied::by(even, 0), Denied::by(even >> 1, 0));
            let fetch = Denied::by(0, even >> 1);
            assert_eq!(Denied::by(0, even), Denied::default());
            for other in 0..32u8 {
                let same = key == other;
                let denies =
                    |denied: Denied| [Access::Load, Access::Store, Access::Fetch].map(|a| denied.denies(other, a));
                assert_eq!(denies(store), [false, same, false], "{key} {other}");
                assert_eq!(denies(load), [same, false, false], "{key} {other}");
                assert_eq!(denies(fetch), [false, false, same], "{key} {other}");
            }
        }
    }

    #[test]
    fn a_set_has_its_members() {
        assert_eq!(members(class(0) | class(5) | class(31)).collect::<Vec<_>>(), [0, 5, 31]);
        assert_eq!(members(0).count(), 0);
    }

    #[test]
    fn only_what_is_newly_denied_counts() {
        let (few, more) = (Denied::by(0x4000 << 48, 0), Denied::by(0xc400 << 48, 0));
        assert_eq!(more.data_since(few), class(0) | class(2));
        assert_eq!(few.data_since(more), 0);
    }
}
