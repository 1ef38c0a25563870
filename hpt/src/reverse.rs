//! The reverse map: from a page of memory to the entries that map it, for each size that an entry may map.
//!
//! Each page has a *head*, each slot of the table a *link*: the entries of a page are a chain, the youngest first. A bit for each
//! head tells whether its chain has an entry at all, so that 256 KiB of memory which nobody maps cost one look at a word. Entries
//! that map anything but memory are in no chain.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | M0 | writer that fills a slot, past W6 | doubleword 0 without V, Relaxed: which page it is, for who sees of the rest no more than R | U4 |
//! | M1 | the same | head: lock bit set by compare-exchange, Acquire | M3, U2 of the last holder |
//! | M2 | the same | the links, Relaxed; if the chain was empty its bit: set by fetch-or, Acquire | U1: who comes after it has seen what was before it |
//! | M3 | the same | head: the first entry, lock bit clear, store Release | M1, U2 |
//! | M4 | the same | W7 | |
//! | M5 | writer that frees a slot, past its flush, before W7 | M1; the links, Relaxed; if the chain is empty its bit: cleared by fetch-and, Release; bookmarks of the entry are moved on; M3 | M1, U2 |
//! | U1 | unmapper | a word of bits: read by fetch-or of 0, AcqRel | M2; M5: the uses of an entry that is gone are over |
//! | U2 | the same, for each bit that is set | head: M1; some of the chain's entries are looked at (U3, U4); if more are left a bookmark; M3 | M1 |
//! | U3 | the same | doubleword 1: load Relaxed; if R is clear, again by fetch-or of 0, AcqRel | R5; clear R; W6 of a change, which is a swap |
//! | U4 | the same | doubleword 0: load Acquire, for the page's name; if R is clear, a valid entry that is locked may be one of which R is being cleared, with its flush pending | W1; W7 |
//!
//! - **Who is not found has seen the range.** The unmapper comes after its range was put in flight. If it does not find an
//!   entry, that was linked after its look (U1 or U2, by the same word) and published after that; if it finds R clear, R is set
//!   after its look (U3, by the same word: every later store there is a step that continues its release). The walker that uses the entry reads
//!   either with an Acquire fence (R2, R4), so it sees the range in flight.
//! - **An entry is in its chain until its flush is complete**, so whoever uses it is found, and named once more.
//! - **The lock of a head comes after that of an entry**, and is held for a few steps without a wait: an unmapper, which holds it
//!   for [`ReverseMap::RUN`] entries at most, locks no entry.
//! - **A chain may be as long as the table**, as a guest may map one page by every slot. It is looked at in runs. Between two of them a
//!   *bookmark* keeps the place: whoever takes its entry out of the chain moves it on to the next. New entries come in front of it. So each
//!   entry is looked at once, however a guest changes the chain meanwhile.
//!
//! `unmap.rs` says what an unmapper does with what it finds, and when it stops.

use power::page::{PagePair, PageSize};

use crate::lock::Waiting;
use crate::memory::{AllocateTable, Zeroed};
use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering, lock};
use crate::{Hpte, Order, PteIndex};

/// A head's lock; the rest of the word names the first entry.
const LOCK: u32 = 1 << 31;

/// Heads that one word of bits stands for.
const WORD: usize = u64::BITS as usize;

/// The chains of one table.
pub(crate) struct ReverseMap {
    ram_bytes: u64,
    /// Of each slot: the next entry of its chain in the low half, the one before it in the high half.
    links: Zeroed<AtomicU64>,
    /// In the order of [`PageSize::ALL`].
    sizes: [Heads; PageSize::ALL.len()],
    bookmarks: Bookmarks,
}

/// The chains of all pages of one size.
struct Heads {
    first: Zeroed<AtomicU32>,
    /// Bit n % 64 of word n / 64: the chain of page n has entries.
    used: Zeroed<AtomicU64>,
}

/// A page of memory, of the size that its entries map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) size: PageSize,
    /// Its real address by its size.
    pub(crate) number: usize,
}

/// An entry as a link names it: its index + 1; 0 is none.
type Name = u32;

fn name_of(at: PteIndex) -> Name {
    // Below 2^30: see `ReverseMap::LARGEST`.
    at.to_register() as Name + 1
}

const fn pack(next: Name, previous: Name) -> u64 {
    next as u64 | (previous as u64) << 32
}

const fn unpack(link: u64) -> (Name, Name) {
    (link as Name, (link >> 32) as Name)
}

/// A locked head.
struct Head<'m> {
    word: &'m AtomicU32,
    first: Name,
}

impl Drop for Head<'_> {
    fn drop(&mut self) {
        // M3.
        self.word.store(self.first, Ordering::Release);
    }
}

impl ReverseMap {
    /// The largest table that has one: it has 2^30 entries.
    const LARGEST: Order = Order::new(34).expect("it is in range");
    /// Entries that are looked at while a head is locked: a hypercall that adds or removes one of the page waits for no
    /// more.
    pub(crate) const RUN: usize = if cfg!(loom) { 1 } else { 32 };

    /// An empty one for a table of `order` with so many `entries`, and memory at 0 to `ram_bytes`.
    pub(crate) fn new(order: Order, entries: u64, ram_bytes: u64) -> Result<Self, AllocateTable> {
        if order > Self::LARGEST {
            let most = Self::LARGEST;
            return Err(AllocateTable::TooLargeForReverseMap { order, most });
        }
        let error = |(bytes, source)| AllocateTable::ReverseMap { order, bytes, source };
        let heads = |size: PageSize| {
            let pages = ram_bytes.div_ceil(size.bytes());
            Ok(Heads {
                first: Zeroed::new(pages).map_err(error)?,
                used: Zeroed::new(pages.div_ceil(WORD as u64)).map_err(error)?,
            })
        };
        let [small, middle, large] = PageSize::ALL;
        Ok(Self {
            ram_bytes,
            links: Zeroed::new(entries).map_err(error)?,
            sizes: [heads(small)?, heads(middle)?, heads(large)?],
            bookmarks: Bookmarks::new(),
        })
    }

    /// Gives the memory of a retired table's map back to the host. Chains end anywhere then; whoever looks through them finds the table
    /// retired.
    pub(crate) fn give_memory_back(&self) {
        self.links.give_back();
        for heads in &self.sizes {
            heads.first.give_back();
            heads.used.give_back();
        }
    }

    /// The memory that it knows: the real addresses 0 to this.
    pub(crate) fn ram_bytes(&self) -> u64 {
        self.ram_bytes
    }

    fn heads(&self, size: PageSize) -> &Heads {
        &self.sizes[match size {
            PageSize::Size4K => 0,
            PageSize::Size64K => 1,
            PageSize::Size16M => 2,
        }]
    }

    /// What an entry maps, if that is memory.
    fn frame_of(&self, entry: Hpte) -> Option<Frame> {
        let pair = PagePair::decode(entry.v.is_large(), entry.r.lp())?;
        let (real, size) = (entry.r.real_address(pair), pair.actual());
        let end = real.checked_add(size.bytes())?;
        (end <= self.ram_bytes).then_some(Frame {
            size,
            number: (real >> size.shift()) as usize,
        })
    }

    /// M1.
    fn lock(&self, frame: Frame) -> Head<'_> {
        let word = self.heads(frame.size).first.at(frame.number);
        let mut waiting = Waiting::default();
        loop {
            let first = word.load(Ordering::Relaxed);
            let is_free = first & LOCK == 0;
            // Acquire: what the last holder did to the links.
            if is_free
                && word
                    .compare_exchange(first, first | LOCK, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                return Head { word, first };
            }
            waiting.pause();
        }
    }

    /// The word and the bit that tell whether the chain of `frame` has entries.
    fn used(&self, frame: Frame) -> (&AtomicU64, u64) {
        let word = self.heads(frame.size).used.at(frame.number / WORD);
        (word, 1 << (frame.number % WORD))
    }

    fn link_of(&self, name: Name) -> &AtomicU64 {
        self.links.at(name as usize - 1)
    }

    fn links(&self, name: Name) -> (Name, Name) {
        unpack(self.link_of(name).load(Ordering::Relaxed))
    }

    fn set_links(&self, name: Name, next: Name, previous: Name) {
        self.link_of(name).store(pack(next, previous), Ordering::Relaxed);
    }

    /// Adds the entry at `at`, which is locked and not yet published, to the chain of what it maps.
    pub(crate) fn link(&self, at: PteIndex, entry: Hpte) {
        let Some(frame) = self.frame_of(entry) else { return };
        let name = name_of(at);
        let mut head = self.lock(frame);
        self.set_links(name, head.first, 0);
        if head.first == 0 {
            let (word, bit) = self.used(frame);
            // Acquire: after an unmapper that found it clear comes what that had done before (M2).
            word.fetch_or(bit, Ordering::Acquire);
        } else {
            let (next, _) = self.links(head.first);
            self.set_links(head.first, next, name);
        }
        head.first = name;
    }

    /// Takes the entry at `at`, which is locked, hidden and flushed, out of the chain of what it mapped.
    pub(crate) fn unlink(&self, at: PteIndex, entry: Hpte) {
        let Some(frame) = self.frame_of(entry) else { return };
        let name = name_of(at);
        let mut head = self.lock(frame);
        let (next, previous) = self.links(name);
        if previous == 0 {
            head.first = next;
        } else {
            let (_, before) = self.links(previous);
            self.set_links(previous, next, before);
        }
        if next != 0 {
            let (after, _) = self.links(next);
            self.set_links(next, after, previous);
        }
        if head.first == 0 {
            let (word, bit) = self.used(frame);
            // Release: who finds it clear comes after the uses of the entry.
            word.fetch_and(!bit, Ordering::Release);
        }
        self.bookmarks.move_on(name, next);
    }

    /// The first of the pages `frames` of `size` whose chain has entries, among those of the first word; or the first page of the
    /// next word.
    pub(crate) fn next_used(&self, size: PageSize, from: usize, end: usize) -> Result<usize, usize> {
        // Release: whoever sets a bit after this look sees what came before it. Acquire: what was done to entries that are gone (U1).
        let word = self.heads(size).used.at(from / WORD).fetch_or(0, Ordering::AcqRel);
        let skipped = (word >> (from % WORD)).trailing_zeros() as usize;
        if skipped < WORD && from + skipped < end {
            Ok(from + skipped)
        } else {
            Err((from / WORD + 1) * WORD)
        }
    }

    /// The chain of `frame`, from its first entry on.
    pub(crate) fn chain(&self, frame: Frame) -> Chain<'_> {
        Chain {
            map: self,
            frame,
            bookmark: None,
        }
    }
}

/// One unmapper's way along a chain.
pub(crate) struct Chain<'m> {
    map: &'m ReverseMap,
    frame: Frame,
    bookmark: Option<Bookmark>,
}

/// What came of a run along a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// The chain is at its end.
    Ended,
    /// There are more entries.
    More,
    /// There are more, but too many others keep a place in this map. The next run begins with the first entry again.
    NoBookmark,
}

impl Chain<'_> {
    /// Calls `look` for the next entries, [`ReverseMap::RUN`] at most, while none comes or goes.
    pub(crate) fn run(&mut self, mut look: impl FnMut(u64)) -> Run {
        // U2.
        let head = self.map.lock(self.frame);
        let mut name = match &self.bookmark {
            Some(bookmark) => self.map.bookmarks.read(bookmark),
            None => head.first,
        };
        for _ in 0..ReverseMap::RUN {
            if name == 0 {
                break;
            }
            look(u64::from(name) - 1);
            (name, _) = self.map.links(name);
        }
        if name == 0 {
            return Run::Ended;
        }
        if self.bookmark.is_none() {
            self.bookmark = self.map.bookmarks.add();
        }
        match &self.bookmark {
            Some(bookmark) => {
                self.map.bookmarks.put(bookmark, name);
                Run::More
            }
            None => Run::NoBookmark,
        }
    }
}

impl Drop for Chain<'_> {
    fn drop(&mut self) {
        if let Some(bookmark) = &self.bookmark {
            self.map.bookmarks.remove(bookmark);
        }
    }
}

/// Where unmappers are in chains that they have not looked through. Changed by whoever has the chain's head locked, but for its end.
struct Bookmarks {
    /// How many there are: most of the time none, which is all that a writer looks at.
    count: AtomicU64,
    places: Mutex<[Option<Name>; Bookmarks::MOST]>,
}

/// One of them.
struct Bookmark(usize);

impl Bookmarks {
    /// Unmappers that are in the midst of a long chain of this table at one time.
    const MOST: usize = 16;

    fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            places: Mutex::new([None; Self::MOST]),
        }
    }

    /// A new one; `None` if there are too many.
    fn add(&self) -> Option<Bookmark> {
        let mut places = lock(&self.places);
        let free = places.iter().position(Option::is_none)?;
        places[free] = Some(0);
        // Relaxed: who unlinks an entry of this chain has its head locked after us.
        self.count.fetch_add(1, Ordering::Relaxed);
        Some(Bookmark(free))
    }

    fn read(&self, bookmark: &Bookmark) -> Name {
        lock(&self.places)[bookmark.0].unwrap_or(0)
    }

    fn put(&self, bookmark: &Bookmark, name: Name) {
        lock(&self.places)[bookmark.0] = Some(name);
    }

    /// The entry `gone` leaves its chain: who was about to look at it goes on with `next`.
    fn move_on(&self, gone: Name, next: Name) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        for place in lock(&self.places).iter_mut().filter(|place| **place == Some(gone)) {
            *place = Some(next);
        }
    }

    fn remove(&self, bookmark: &Bookmark) {
        let mut places = lock(&self.places);
        places[bookmark.0] = None;
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
