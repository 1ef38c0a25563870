//! `H_BLOCK_REMOVE`: invalidates up to eight entries of one block of pages (LoPAR, Logical Partitioning Option,
//! H_BLOCK_REMOVE).
//!
//! Every entry is locked and looked at before the first one is hidden: those that pass share one flush. No lock is waited for;
//! an entry that somebody holds is answered as busy, and guests ask again.
//!
//! A block is eight pages of the segment's *base* size, which is how the guest counts pages that it hashes. Then all of a block
//! have the same AVPN, so that one argument serves eight entries; 16 MiB pages, for which that is not true, are not removed
//! by the block. The pages' usage states are hints of the CMO option, without effect here.

use arrayvec::ArrayVec;
use power::hcall::{Status, block_remove as bits};
use power::page::PagePair;

use crate::gather::Gather;
use crate::lock::{Attempt, Locked};
use crate::port::page_of;
use crate::remove::Condition;
use crate::{Hpte, Port, PteIndex};

/// What all entries of a call have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Anchor {
    /// Actual and base page size, and the segment's size.
    sizes: (PagePair, u64),
    /// The virtual address's part above the block.
    block: u128,
}

impl Anchor {
    /// The block of a legal entry; `None` if its sizes are not removed by the block.
    fn of(at: PteIndex, entry: Hpte) -> Option<Self> {
        let (page, pair) = page_of(at, entry.v, entry.r).filter(|(_, pair)| bits::PAIRS.contains(pair))?;
        let base_pages_log2 = pair.base().shift() - 12;
        Some(Self {
            sizes: (pair, page.segment().encoding()),
            block: page.va_over_4k() >> (base_pages_log2 + bits::BLOCK_PAGES_LOG2),
        })
    }
}

fn respond(specifier: &mut u64, code: u64) {
    *specifier = bits::RESPONSE | code | (*specifier & (bits::AVPN | bits::PTEX));
}

impl Port {
    /// `H_BLOCK_REMOVE`: removes what `specifiers` ask for, up to the end mark; `ava` is the block's AVPN. Each one becomes
    /// its response.
    ///
    /// `Partial` if any entry was not removed; `Parameter` with one that is no request: then nothing
    /// was removed, and the specifiers are as they were.
    pub fn block_remove(&mut self, ava: u64, specifiers: &mut [u64; bits::SPECIFIERS]) -> Status {
        let port = self.begin();
        let asked = specifiers
            .iter()
            .position(|specifier| specifier & bits::TYPE == bits::END)
            .unwrap_or(bits::SPECIFIERS);
        let specifiers = &mut specifiers[..asked];
        if specifiers
            .iter()
            .any(|specifier| specifier & bits::TYPE != bits::REQUEST)
        {
            return Status::Parameter;
        }
        let mut anchor = None;
        let mut validated = ArrayVec::<_, { bits::SPECIFIERS }>::new();
        for (asked, specifier) in specifiers.iter_mut().enumerate() {
            match port.validate(ava, *specifier, &mut anchor) {
                Ok(entry) => validated.push((asked, entry)),
                Err(code) => respond(specifier, code),
            }
        }
        let status = if validated.len() == asked {
            Status::Success
        } else {
            Status::Partial
        };
        let mut removed = |asked: usize, _, old: Hpte| {
            let referenced = if old.r.is_referenced() { bits::REFERENCED } else { 0 };
            let changed = if old.r.is_changed() { bits::CHANGED } else { 0 };
            respond(&mut specifiers[asked], bits::SUCCESS | referenced | changed);
        };
        let mut gather = Gather::new(port);
        for (asked, entry) in validated {
            gather.take(asked, entry, &mut removed);
        }
        gather.flush(&mut removed);
        status
    }

    /// Locks the entry that a request names, and finds it to be of the block of `anchor`, which the first one sets. `Err`
    /// is the code of the response. The checks are in the manual's order.
    fn validate(&self, ava: u64, request: u64, anchor: &mut Option<Anchor>) -> Result<Locked<'_>, u64> {
        let at = self.table().index(request & bits::PTEX).ok_or(bits::PARAMETER)?;
        let entry = match self.table().try_lock(at, |v| v.is_valid() && !v.is_bolted()) {
            Attempt::Locked(entry) => entry,
            Attempt::Unwanted => return Err(bits::NOT_FOUND),
            Attempt::Busy => return Err(bits::BUSY),
        };
        let content = entry.entry();
        let own = Anchor::of(at, content).ok_or(bits::PARAMETER)?;
        if !Condition::new(request & bits::AVPN != 0, false, ava).holds(content.v) {
            return Err(bits::NOT_FOUND);
        }
        if let Some(anchor) = anchor {
            if own.sizes != anchor.sizes {
                return Err(bits::INCONSISTENT);
            }
            if own.block != anchor.block {
                return Err(bits::CROSS_BOUNDARY);
            }
        }
        if request & bits::PAGE_STATE == bits::PAGE_STATE_RESERVED {
            return Err(bits::PARAMETER);
        }
        *anchor = Some(own);
        Ok(entry)
    }
}
