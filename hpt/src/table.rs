//! The table: entries addressed by index, their publication, and the groups that a hash leads to.
//!
//! The rights of the doublewords, and the order in which they are written and read:
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | W1 | writer | dw 0: lock bit set by compare-exchange, Acquire | W7 of the last holder |
//! | W2 | writer that changes an entry | dw 0: V cleared, Relaxed | R1 |
//! | W3 | the same | dw 1: closed (WIMG clear, PP for no access) by fetch-xor, Release; if every walker marks in one step (R5) and R was clear then, no walker has the entry and none will: on to W4 | R3, R5; K1 |
//! | G | the same, unless W3 told that it is not needed | [`Shadow::invalidate`](crate::Shadow): grace period and flush; R and C are read after it | R1: a walk that starts later sees V = 0; R5, by the seat |
//! | G' | the same, where walkers write late bytes | [`Shadow::quiesce`](crate::Shadow): grace period; dw 1: R read, Relaxed; if it is set, [`Shadow::flush`](crate::Shadow) | K2 and K3, by the seat |
//! | W4 | the same | the group's count of changes + 1, Release | R1, and R4 by W5 or W7 |
//! | W5 | writer | fence Release (claim) | R4 |
//! | W6 | writer | dw 1: store Relaxed | R3 |
//! | W7 | writer | dw 0: V set or all zero, lock bit clear, store Release (publish) | R2, W1 |
//! | R1 | walker | the group's count of changes: load Acquire; dw 0: load Relaxed of up to eight entries | W4: who finds the count finds V = 0 or what came later |
//! | R2 | walker | fence Acquire | W7: dw 1 of the entry whose V was seen, or a later one |
//! | R3 | walker | dw 1: load Relaxed; closed means again from R1 | W3, W6 |
//! | R4 | walker | fence Acquire, count: load Relaxed; another value than in R1 means that R3 may be of another entry: again from R1 | W4 |
//! | R5 | walker | dw 1: R set by compare-exchange, Relaxed, against the value of R3, then R4 again; C set likewise, without | W3; G, by the seat |
//! | K1 | the kernel's walker, instead of R1 to R5 | both doublewords copied, in any order; a closed dw 1 permits nothing | W2, W3; W7 |
//! | K2 | the same | dw 1: the byte with R stored, as it was in the copy, if R was clear there | G', by the seat |
//! | K3 | the same | the page is mapped, for stores as well if the entry permits them | G', by the seat |
//!
//! Writers exclude each other by the lock bit; walkers take no lock and write nothing but R and C.

use power::hpte::{HPTES_PER_GROUP, HpteR, HpteV};

use crate::changes::Changes;
use crate::memory::{AllocateTable, TableMemory};
use crate::reverse::ReverseMap;
use crate::sync::{AtomicBool, AtomicU64, Ordering, fence};
use crate::{Marking, Order};

/// Index of an entry (PTEX), known to lie inside its table. Only [`Table::index`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PteIndex(usize);

impl PteIndex {
    /// The index as a register holds it.
    pub const fn to_register(self) -> u64 {
        self.0 as u64
    }

    /// The group that the entry lies in.
    pub const fn group(self) -> u64 {
        self.0 as u64 / HPTES_PER_GROUP
    }

    /// The entries of the naturally aligned block of `COUNT` entries (a power of two, at most a
    /// group) around this one.
    pub(crate) fn block<const COUNT: usize>(self) -> [Self; COUNT] {
        const { assert!(COUNT.is_power_of_two() && COUNT as u64 <= HPTES_PER_GROUP) };
        let first = self.0 & !(COUNT - 1);
        std::array::from_fn(|i| Self(first + i))
    }
}

/// Both doublewords of an entry as a guest sees them: without the hypervisor's bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Hpte {
    /// Doubleword 0: which virtual page.
    pub v: HpteV,
    /// Doubleword 1: which real page, with what rights.
    pub r: HpteR,
}

/// A hashed page table.
pub struct Table {
    memory: TableMemory,
    order: Order,
    group_mask: u64,
    entries: u64,
    marking: Marking,
    retired: AtomicBool,
    changes: Changes,
    reverse: Option<ReverseMap>,
}

impl Table {
    /// An empty table of 2^`order` bytes, walked by [`Self::walk`] alone.
    ///
    /// # Errors
    /// The host has no address space for twice the size, which alignment takes.
    pub fn new(order: Order) -> Result<Self, AllocateTable> {
        Self::with_marking(order, Marking::OneStep)
    }

    /// An empty table of 2^`order` bytes, walked by those that set R and C as `marking` says. With [`Marking::LateBytes`]
    /// all of it is written once.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_marking(order: Order, marking: Marking) -> Result<Self, AllocateTable> {
        let table = Self::reserve(order, marking)?;
        (0..table.to_close()).for_each(|at| table.close_unused(PteIndex(at as usize)));
        Ok(table)
    }

    /// A table that nobody may walk before the first [`Self::to_close`] of its slots were passed to [`Self::close_unused`].
    pub(crate) fn reserve(order: Order, marking: Marking) -> Result<Self, AllocateTable> {
        let memory = TableMemory::new(order)?;
        // A modelled table is one group.
        let groups = if cfg!(loom) { 1 } else { order.groups() };
        Ok(Self {
            memory,
            order,
            group_mask: groups - 1,
            entries: groups * HPTES_PER_GROUP,
            marking,
            retired: AtomicBool::new(false),
            changes: Changes::new(),
            reverse: None,
        })
    }

    /// An empty table of another size that is walked as this one is, for [`Self::reserve`]'s conditions. It has a reverse map if this
    /// one has.
    pub(crate) fn reserve_like(&self, order: Order) -> Result<Self, AllocateTable> {
        let table = Self::reserve(order, self.marking)?;
        match &self.reverse {
            Some(map) => table.with_reverse_map(map.ram_bytes()),
            None => Ok(table),
        }
    }

    /// The same, which anybody may walk at once.
    pub(crate) fn empty_like(&self, order: Order) -> Result<Self, AllocateTable> {
        let table = self.reserve_like(order)?;
        (0..table.to_close()).for_each(|at| table.close_unused(PteIndex(at as usize)));
        Ok(table)
    }

    /// The same with a reverse map of the memory at the real addresses 0 to `ram_bytes`, from which entries are found by
    /// what they map ([`Unmapper`](crate::Unmapper)). The table is empty.
    ///
    /// It takes 8 bytes for each slot that was ever used, half as much as the slot itself, and for each GiB of memory that is
    /// mapped 1 MiB + 64 KiB + 256 bytes, and a 32nd of that more. It is kept by `H_ENTER`, by all calls that remove, and by a
    /// resize, which makes one for the new table.
    ///
    /// # Errors
    /// The host has no address space for it; the table's order is more than 34 (16 GiB), as a link of 32 bits cannot name more
    /// entries; or its walkers write late bytes ([`Marking::LateBytes`]).
    pub fn with_reverse_map(self, ram_bytes: u64) -> Result<Self, AllocateTable> {
        if self.marking == Marking::LateBytes {
            return Err(AllocateTable::WalkedByKernel);
        }
        let reverse = Some(ReverseMap::new(self.order, self.entries, ram_bytes)?);
        Ok(Self { reverse, ..self })
    }

    /// The reverse map, if there is one.
    #[inline]
    pub(crate) fn reverse(&self) -> Option<&ReverseMap> {
        self.reverse.as_ref()
    }

    /// Slots of a new table that must be closed: all, where walkers may mix the doubleword 1 of a slot with the doubleword 0 of the
    /// entry that comes there. Zero would permit every access.
    pub(crate) fn to_close(&self) -> u64 {
        match self.marking {
            Marking::OneStep => 0,
            Marking::LateBytes => self.entries,
        }
    }

    /// Closes a slot that was never used.
    pub(crate) fn close_unused(&self, at: PteIndex) {
        store(self.r(at), HpteR::CLOSED.raw(), Ordering::Relaxed);
    }

    /// How its walkers set R and C.
    pub fn marking(&self) -> Marking {
        self.marking
    }

    /// The table's size.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Whether a resize has taken the table away, or is about to: what was not found here may be in the next one.
    ///
    /// Who has found an entry gone because it was moved finds this set. Who finds it set comes after all that processors did
    /// before they were driven out for the move.
    pub fn is_retired(&self) -> bool {
        // What was read of entries before was stored after the flag, with Release (W5 of the mover).
        fence(Ordering::Acquire);
        self.retired.load(Ordering::Acquire)
    }

    /// Entries move to another table from now on.
    pub(crate) fn retire(&self) {
        // Release: with every processor outside.
        self.retired.store(true, Ordering::Release);
    }

    /// Gives the memory of a retired table, which nobody walks any more, back to the host. A writer that still works on it
    /// finds free slots.
    pub(crate) fn give_memory_back(&self) {
        self.memory.give_back();
        if let Some(map) = &self.reverse {
            map.give_memory_back();
        }
    }

    /// Where the table is in this process: a multiple of its size, as SDR1 wants it.
    pub fn host_address(&self) -> u64 {
        self.memory.host_address()
    }

    /// The entry that `ptex` names; `None` past the end.
    pub fn index(&self, ptex: u64) -> Option<PteIndex> {
        (ptex < self.entries).then_some(PteIndex(ptex as usize))
    }

    /// Number of entries.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// First entry of the group that `hash` leads to.
    #[inline]
    pub(crate) fn group_start(&self, hash: u64) -> usize {
        ((hash & self.group_mask) * HPTES_PER_GROUP) as usize
    }

    /// How often entries of `group`, perhaps of others as well, were hidden; and how many pages have their entry not in it but in
    /// their second group.
    #[inline]
    pub(crate) fn changes(&self, group: u64) -> &AtomicU64 {
        self.changes.of(group)
    }

    /// The count of the first group of a page whose entry is at `at` in its second one.
    pub(crate) fn first_group_changes(&self, at: PteIndex) -> &AtomicU64 {
        self.changes(!at.group() & self.group_mask)
    }

    /// Doubleword 0 of entry `at`, which must be inside the table, as it is in memory.
    #[inline]
    pub(crate) fn v_at(&self, at: usize) -> &AtomicU64 {
        self.memory.doubleword(at * 2)
    }

    /// Doubleword 1 of entry `at`, which must be inside the table, as it is in memory.
    #[inline]
    pub(crate) fn r_at(&self, at: usize) -> &AtomicU64 {
        self.memory.doubleword(at * 2 + 1)
    }

    pub(crate) fn v(&self, at: PteIndex) -> &AtomicU64 {
        self.v_at(at.0)
    }

    pub(crate) fn r(&self, at: PteIndex) -> &AtomicU64 {
        self.r_at(at.0)
    }

    /// The entry at `at` as it is between changes: waits for a writer that is at it.
    pub fn read(&self, at: PteIndex) -> Hpte {
        let mut waiting = crate::lock::Waiting::default();
        let changes = self.changes(at.group());
        loop {
            // R1: with the count of a change, what is loaded below is not from before it.
            let count = changes.load(Ordering::Acquire);
            let v = HpteV::from_raw(load(self.v(at)));
            // R2
            fence(Ordering::Acquire);
            let r = HpteR::from_raw(load(self.r(at)));
            // R4: if that was dw 1 of a later entry, the next load gives another count.
            fence(Ordering::Acquire);
            let closed = v.is_valid() && r.is_closed();
            if !v.is_locked() && !closed && changes.load(Ordering::Relaxed) == count {
                return Hpte { v, r }.seen(self.marking);
            }
            waiting.pause();
        }
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

/// A doubleword's value, from its big-endian form in memory; Relaxed.
#[inline]
pub(crate) fn load(doubleword: &AtomicU64) -> u64 {
    u64::from_be(doubleword.load(Ordering::Relaxed))
}

/// Stores a doubleword's value in its big-endian form.
#[inline]
pub(crate) fn store(doubleword: &AtomicU64, value: u64, ordering: Ordering) {
    doubleword.store(value.to_be(), ordering);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ptex_past_the_end_is_no_index() {
        let table = Table::new(Order::MIN).unwrap();
        assert_eq!(
            table.index((1 << 14) - 1).map(PteIndex::to_register),
            Some((1 << 14) - 1)
        );
        assert_eq!(table.index(1 << 14), None);
        assert_eq!(table.index(u64::MAX), None);
    }

    #[test]
    fn entries_are_big_endian_in_memory() {
        let table = Table::new(Order::MIN).unwrap();
        store(table.v_at(0), 0x0102_0304_0506_0708, Ordering::Relaxed);
        let bytes = table.v_at(0).load(Ordering::Relaxed).to_ne_bytes();
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_block_is_aligned_to_its_size() {
        let table = Table::new(Order::MIN).unwrap();
        let four = table.index(14).unwrap().block::<4>();
        assert_eq!(four.map(PteIndex::to_register), [12, 13, 14, 15]);
        assert_eq!(table.index(15).unwrap().group(), 1);
    }
}
