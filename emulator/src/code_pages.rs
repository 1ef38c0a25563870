//! Which real pages hold code that some processor has decoded, and which of it has gone stale.
//!
//! POWER8's instruction caches snoop: Linux changes code, executes one `icbi` at any address and
//! `isync`, and expects every processor to see it. So stores are what finds stale code here, and
//! `icbi` only makes it certain.
//!
//! | step | who | what | pairs with |
//! |---|---|---|---|
//! | decode | processor B | sets the page's code bit, reads its generation, posts a *revocation* of the page to all others, rings; then reads the instructions | A's fill; A's attention |
//! | fill | processor A | may cache "stores to this page go straight through" only while the code bit is clear | B's decode |
//! | store | processor A, no such entry | clears the code bit, bumps the page's generation and the epoch; then stores | B's look |
//! | revoke | processor A, between two blocks and before any such entry goes | drops its entry; if it had one it may have stored meanwhile, so it counts as a store | B's look |
//! | look | processor B, at isync, rfid, an interrupt, attention | compares the epoch; a new one makes it forget every way to a block, and finding one again checks the page's generation | |
//!
//! A store through an old entry and the bump are separated by no `icbi` or `isync` of the storer:
//! `icbi` ends a block, `isync` does when the processor has been rung, and revocations are taken
//! between blocks. So what a processor publishes after either is published after the bump.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use crate::line::Line;

/// log2 of the granule in which code is tracked.
pub const SHIFT: u32 = 12;

/// More revocations than this for one processor become one: everything.
const MOST_REVOCATIONS: usize = 4096;

/// What a processor must drop its store-through entries for.
#[derive(Debug, Default)]
pub struct Revocations {
    /// Real page numbers.
    pub pages: Vec<u64>,
    /// All pages: more were posted than are kept one by one.
    pub all: bool,
}

#[derive(Default)]
struct Mailbox {
    waiting: AtomicBool,
    revocations: Mutex<Revocations>,
}

/// State of the code in one partition's RAM.
pub struct CodePages {
    /// Per page: generation in the upper 30 bits, then whether the revocations are posted, then the code bit.
    pages: Box<[AtomicU32]>,
    epoch: AtomicU64,
    processors: Mutex<Vec<(Arc<Line>, Arc<Subscription>)>>,
}

/// One processor's share of the state.
pub struct Subscription {
    mailbox: Mailbox,
}

impl CodePages {
    const CODE: u32 = 1;
    const FLAGS: u32 = Self::CODE | Self::POSTED;
    const POSTED: u32 = 2;
    const GENERATION: u32 = 4;

    /// For RAM of `bytes`.
    pub fn new(bytes: u64) -> Self {
        let pages = bytes.div_ceil(1 << SHIFT) as usize;
        Self {
            pages: std::iter::repeat_with(|| AtomicU32::new(0)).take(pages).collect(),
            epoch: AtomicU64::new(0),
            processors: Mutex::default(),
        }
    }

    /// Takes a processor in: it gets every revocation from now on.
    pub fn subscribe(&self, line: &Arc<Line>) -> Arc<Subscription> {
        let subscription = Arc::new(Subscription {
            mailbox: Mailbox::default(),
        });
        let mut processors = self.processors.lock().unwrap_or_else(PoisonError::into_inner);
        processors.push((Arc::clone(line), Arc::clone(&subscription)));
        subscription
    }

    /// Counts every change to decoded code.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    fn page(&self, real: u64) -> Option<&AtomicU32> {
        self.pages.get((real >> SHIFT) as usize)
    }

    /// Whether the page holds decoded code: nobody may store to it unseen.
    #[inline]
    pub fn holds_code(&self, real: u64) -> bool {
        self.page(real)
            .is_some_and(|page| page.load(Ordering::SeqCst) & Self::CODE != 0)
    }

    /// Says that `me` is about to decode code of the page; its generation. `newly` tells whether
    /// the caller must drop its own store-through entries for the page.
    pub fn mark_code(&self, real: u64, me: &Arc<Subscription>) -> (u32, bool) {
        let Some(page) = self.page(real) else { return (0, false) };
        let before = page.load(Ordering::SeqCst);
        if before & Self::FLAGS == Self::FLAGS {
            return (before & !Self::FLAGS, false);
        }
        // Who finds the code bit but not the posts waits for them here: nobody decodes before the others know.
        let processors = self.processors.lock().unwrap_or_else(PoisonError::into_inner);
        let before = page.fetch_or(Self::CODE, Ordering::SeqCst);
        if before & Self::FLAGS == Self::FLAGS {
            return (before & !Self::FLAGS, false);
        }
        for (line, other) in processors.iter().filter(|(_, other)| !Arc::ptr_eq(other, me)) {
            other.post(real >> SHIFT);
            line.ring();
        }
        fence(Ordering::SeqCst);
        // Not if somebody has stored meanwhile: the next to decode posts again.
        let _ = page.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |word| {
            (word & Self::CODE != 0).then_some(word | Self::POSTED)
        });
        (before & !Self::FLAGS, true)
    }

    /// Says that the page was, or may have been, stored to: its code is stale.
    pub fn mark_written(&self, real: u64) {
        if let Some(page) = self.page(real) {
            // Only the storer that finds the code bit set counts: one change, one generation.
            let _ = page.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |word| {
                (word & Self::CODE != 0).then_some((word & !Self::FLAGS).wrapping_add(Self::GENERATION))
            });
            self.epoch.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Rings every processor but the caller's, so that they look at the epoch.
    pub fn ring_others(&self, me: &Arc<Subscription>) {
        let processors = self.processors.lock().unwrap_or_else(PoisonError::into_inner);
        for (line, _) in processors.iter().filter(|(_, other)| !Arc::ptr_eq(other, me)) {
            line.ring();
        }
    }
}

impl Subscription {
    fn post(&self, page: u64) {
        let mut revocations = self.mailbox.revocations.lock().unwrap_or_else(PoisonError::into_inner);
        if revocations.pages.len() < MOST_REVOCATIONS {
            revocations.pages.push(page);
        } else {
            revocations.all = true;
        }
        self.mailbox.waiting.store(true, Ordering::Release);
    }

    /// What was revoked since the last call.
    #[inline]
    pub fn take(&self) -> Option<Revocations> {
        if self.mailbox.waiting.load(Ordering::Acquire) {
            return Some(self.take_waiting());
        }
        None
    }

    #[cold]
    fn take_waiting(&self) -> Revocations {
        let mut revocations = self.mailbox.revocations.lock().unwrap_or_else(PoisonError::into_inner);
        self.mailbox.waiting.store(false, Ordering::Release);
        std::mem::take(&mut *revocations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_makes_decoded_code_stale_once() {
        let pages = CodePages::new(0x4000);
        let me = pages.subscribe(&Arc::default());
        let (generation, newly) = pages.mark_code(0x1234, &me);
        assert!(newly);
        assert!(pages.holds_code(0x1000));
        pages.mark_written(0x1ffc);
        assert!(!pages.holds_code(0x1000));
        assert_ne!(pages.mark_code(0x1000, &me), (generation, true));
        assert_eq!(pages.epoch(), 1);
    }

    #[test]
    fn decoding_revokes_the_store_through_entries_of_the_others() {
        let pages = CodePages::new(0x4000);
        let (line_a, line_b) = (Arc::<Line>::default(), Arc::<Line>::default());
        let (a, b) = (pages.subscribe(&line_a), pages.subscribe(&line_b));
        pages.mark_code(0x2000, &b);
        assert!(line_a.attention());
        assert!(!line_b.attention());
        assert_eq!(a.take().map(|r| r.pages), Some(vec![2]));
        assert!(b.take().is_none());
    }
}
