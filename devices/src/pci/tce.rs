//! Translation control entries: what a device's bus addresses mean, page by page of 4 KiB, and what it may do there (LoPAR, Logical
//! Partitioning Option, "Translation Control Entry Access").
//!
//! ```text
//!      0                                         51        62 63
//!     |            real page number               |        | W| R|
//! ```
//!
//! The processors' threads store entries, devices' threads load them, each in one step: a device has the old one or the new one. What it
//! has begun with the old one it may finish after the hypercall, so a guest takes a page back when the device is done with it, as it
//! does on any machine.
//!
//! A table takes memory as it is used: 4 KiB for each 2 MiB of bus addresses in which there was ever an entry.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use power::hcall::Status;

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tce(u64);

/// Bytes that an entry translates.
const PAGE: u64 = 4096;

/// Entries that are allocated together.
const CHUNK: usize = 512;

/// Entries at most that one call stores.
const MOST: u64 = 512;

impl Tce {
    const READ: u64 = 1 << 0;
    const WRITE: u64 = 1 << 1;

    /// From the doubleword that a guest gave.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The doubleword.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Whether a device may read the page.
    pub const fn permits_read(self) -> bool {
        self.0 & Self::READ != 0
    }

    /// Whether a device may write the page.
    pub const fn permits_write(self) -> bool {
        self.0 & Self::WRITE != 0
    }

    /// Whether it may do neither: the manual's "Page Fault".
    const fn is_fault(self) -> bool {
        self.0 & (Self::READ | Self::WRITE) == 0
    }

    /// Real address of the page.
    pub const fn page(self) -> u64 {
        self.0 & !(PAGE - 1)
    }
}

/// Entries for the bus addresses from 0 up.
pub struct TceTable {
    chunks: Box<[OnceLock<Box<[AtomicU64]>>]>,
}

impl TceTable {
    /// A table for `bytes` of bus addresses, a multiple of 2 MiB. All entries are zero: no device reaches anything.
    pub fn new(bytes: u64) -> Self {
        let chunks = bytes / (PAGE * CHUNK as u64);
        Self {
            chunks: (0..chunks).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The bus addresses that it translates end here.
    pub fn bytes(&self) -> u64 {
        self.chunks.len() as u64 * CHUNK as u64 * PAGE
    }

    /// The entry of bus address `at`. `None`: the table ends below.
    pub fn find(&self, at: u64) -> Option<Tce> {
        let index = (at / PAGE) as usize;
        let chunk = self.chunks.get(index / CHUNK)?.get();
        Some(Tce(
            chunk.map_or(0, |chunk| chunk[index % CHUNK].load(Ordering::Acquire))
        ))
    }

    /// `H_GET_TCE`.
    ///
    /// # Errors
    /// What the call answers.
    pub fn get(&self, at: u64) -> Result<Tce, Status> {
        self.find(at).ok_or(Status::Parameter)
    }

    /// `H_PUT_TCE`. `is_memory` says whether a page is the guest's memory.
    pub fn put(&self, at: u64, tce: Tce, is_memory: impl Fn(u64) -> bool) -> Status {
        self.stuff(at, tce, 1, is_memory)
    }

    /// `H_STUFF_TCE`: the same entry `count` times.
    pub fn stuff(&self, at: u64, tce: Tce, count: u64, is_memory: impl Fn(u64) -> bool) -> Status {
        if self.find(at).is_none() {
            return Status::Parameter;
        }
        if count > MOST {
            return Status::P4;
        }
        if !self.has(at, count) || !is_right(tce, is_memory) {
            return Status::Parameter;
        }
        for n in 0..count {
            self.set(at + n * PAGE, tce);
        }
        Status::Success
    }

    /// `H_PUT_TCE_INDIRECT`: `count` entries, which `list` gives when the other arguments are right; `None` if they are no memory of the
    /// guest. All of them are looked at before any is stored.
    pub fn put_list(
        &self,
        at: u64,
        count: u64,
        list: impl FnOnce() -> Option<[u8; PAGE as usize]>,
        is_memory: impl Fn(u64) -> bool,
    ) -> Status {
        if count > MOST || !self.has(at, count) {
            return Status::Parameter;
        }
        let Some(list) = list() else {
            return Status::Parameter;
        };
        let (entries, _) = list.as_chunks::<8>();
        let entries = entries
            .iter()
            .take(count as usize)
            .map(|bytes| Tce(u64::from_be_bytes(*bytes)));
        if !entries.clone().all(|tce| is_right(tce, &is_memory)) {
            return Status::Parameter;
        }
        for (n, tce) in (0..).zip(entries) {
            self.set(at + n * PAGE, tce);
        }
        Status::Success
    }

    /// All entries are zero again.
    pub fn reset(&self) {
        for chunk in self.chunks.iter().filter_map(OnceLock::get) {
            chunk.iter().for_each(|tce| tce.store(0, Ordering::Release));
        }
    }

    /// Whether `count` entries from that of `at` on are there.
    fn has(&self, at: u64, count: u64) -> bool {
        (at / PAGE)
            .checked_add(count)
            .is_some_and(|end| end <= self.bytes() / PAGE)
    }

    fn set(&self, at: u64, tce: Tce) {
        let index = (at / PAGE) as usize;
        let chunk = &self.chunks[index / CHUNK];
        // A zero where nothing is changes nothing: a guest begins by clearing all of it.
        if tce.0 == 0 && chunk.get().is_none() {
            return;
        }
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| AtomicU64::new(0)).collect());
        chunk[index % CHUNK].store(tce.0, Ordering::Release);
    }
}

/// Whether the guest may have `tce` in its table.
fn is_right(tce: Tce, is_memory: impl Fn(u64) -> bool) -> bool {
    tce.is_fault() || is_memory(tce.page())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BYTES: u64 = 4 << 20;
    const ENTRIES: u64 = BYTES / PAGE;
    /// The guest's memory ends here.
    const MEMORY: u64 = 1 << 20;

    fn is_memory(page: u64) -> bool {
        page < MEMORY
    }

    #[test]
    fn a_table_takes_memory_only_where_something_is() {
        let table = TceTable::new(BYTES);
        assert_eq!(table.stuff(0, Tce(0), 512, is_memory), Status::Success);
        assert!(table.chunks.iter().all(|chunk| chunk.get().is_none()));
        assert_eq!(table.put(2 << 20, Tce(0x1003), is_memory), Status::Success);
        assert_eq!(table.chunks.iter().filter(|chunk| chunk.get().is_some()).count(), 1);
        table.reset();
        assert_eq!(table.get(2 << 20), Ok(Tce(0)));
    }

    #[test]
    fn a_list_is_stored_as_a_whole_or_not_at_all() {
        let table = TceTable::new(BYTES);
        let mut list = [0; PAGE as usize];
        list[..8].copy_from_slice(&0x5003_u64.to_be_bytes());
        list[8..16].copy_from_slice(&(MEMORY | 1).to_be_bytes());
        let put = |count, list| table.put_list(0x3000, count, || list, is_memory);
        assert_eq!(put(2, Some(list)), Status::Parameter);
        assert_eq!(table.get(0x3000), Ok(Tce(0)));
        assert_eq!(put(1, None), Status::Parameter);
        assert_eq!(put(513, Some(list)), Status::Parameter);
        assert_eq!(put(1, Some(list)), Status::Success);
        assert_eq!(
            table.get(0x3fff),
            Ok(Tce(0x5003)),
            "any address of the page is its index"
        );
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u64, u64),
        Stuff(u64, u64, u64),
        List(u64, u64, Vec<u64>),
        Get(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let at = prop_oneof![8 => 0..BYTES + 0x3000, 1 => any::<u64>()];
        let tce = prop_oneof![8 => 0..MEMORY + 0x2000, 1 => any::<u64>()];
        let count = prop_oneof![8 => 0_u64..40, 2 => 500_u64..520, 1 => any::<u64>()];
        let list = proptest::collection::vec(tce.clone(), 0..512);
        let step = prop_oneof![
            (at.clone(), tce.clone()).prop_map(|(at, tce)| Step::Put(at, tce)),
            (at.clone(), tce, count.clone()).prop_map(|(at, tce, count)| Step::Stuff(at, tce, count)),
            (at.clone(), count, list).prop_map(|(at, count, list)| Step::List(at, count, list)),
            at.prop_map(Step::Get),
        ];
        proptest::collection::vec(step, 0..40)
    }

    /// The manual's conditions, one after the other, on an array.
    struct Model(Vec<u64>);

    impl Model {
        fn outside(tce: &u64) -> bool {
            tce & 3 != 0 && tce & !0xfff >= MEMORY
        }

        fn fill(&mut self, at: u64, entries: &[u64]) -> Status {
            let index = at / 4096;
            if u128::from(index) + entries.len() as u128 > u128::from(ENTRIES) || entries.iter().any(Self::outside) {
                return Status::Parameter;
            }
            self.0[index as usize..][..entries.len()].copy_from_slice(entries);
            Status::Success
        }

        fn answer(&mut self, step: &Step) -> Result<Option<u64>, Status> {
            let status = match step {
                Step::Get(at) => {
                    return self
                        .0
                        .get((at / 4096) as usize)
                        .map(|&tce| Some(tce))
                        .ok_or(Status::Parameter);
                }
                Step::Put(at, tce) => self.fill(*at, &[*tce]),
                Step::Stuff(at, ..) if at / 4096 >= ENTRIES => Status::Parameter,
                Step::Stuff(_, _, count) if *count > 512 => Status::P4,
                // Also if it is stored nowhere.
                Step::Stuff(_, tce, _) if Self::outside(tce) => Status::Parameter,
                Step::Stuff(at, tce, count) => self.fill(*at, &vec![*tce; *count as usize]),
                Step::List(_, count, _) if *count > 512 => Status::Parameter,
                Step::List(at, count, list) => {
                    let mut list = list.clone();
                    list.resize(*count as usize, 0);
                    self.fill(*at, &list)
                }
            };
            if status == Status::Success {
                Ok(None)
            } else {
                Err(status)
            }
        }
    }

    proptest! {
        #[test]
        fn it_answers_as_the_manual_does(steps in steps()) {
            let table = TceTable::new(BYTES);
            let mut model = Model(vec![0; ENTRIES as usize]);
            for step in steps {
                let status = match &step {
                    Step::Get(at) => {
                        prop_assert_eq!(table.get(*at).map(|tce| Some(tce.raw())), model.answer(&step));
                        continue;
                    }
                    Step::Put(at, tce) => table.put(*at, Tce(*tce), is_memory),
                    Step::Stuff(at, tce, count) => table.stuff(*at, Tce(*tce), *count, is_memory),
                    Step::List(at, count, list) => {
                        let mut page = [0; PAGE as usize];
                        for (bytes, tce) in page.chunks_exact_mut(8).zip(list) {
                            bytes.copy_from_slice(&tce.to_be_bytes());
                        }
                        table.put_list(*at, *count, || Some(page), is_memory)
                    }
                };
                let expected = model.answer(&step).err().unwrap_or(Status::Success);
                prop_assert_eq!(status, expected, "{:?}", step);
            }
            for (n, &tce) in (0..).zip(&model.0) {
                prop_assert_eq!(table.get(n * PAGE), Ok(Tce(tce)));
            }
        }
    }
}
