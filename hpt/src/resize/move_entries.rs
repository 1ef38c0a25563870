//! The bolted entries on their way from one table to another: whether each finds its slot free, and the move.
//!
//! An entry keeps its slot within its group, and its hash: a primary entry goes to the primary group of its page in the
//! new table, a secondary one to the secondary group (LoPAR, H_RESIZE_HPT_COMMIT).
//!
//! While entries are only looked at, each leaves a *claim* in the slot that it will need: its own index, in doubleword 1,
//! which means nothing as long as doubleword 0 has no V, and permits nothing. A claim of an entry that is gone, or has become another, is
//! void. So claims of an earlier look need not be taken back, and looking also makes the host commit the memory that
//! the move will write to.

use power::hpte::{HPTES_PER_GROUP, HpteR, HpteV};
use power::page::{PagePair, Vpn};

use super::preparation::Verdict;
use crate::sync::Ordering;
use crate::table::{Hpte, PteIndex, Table, load, store};

/// Whether every bolted entry of `old` has a slot in `new`; as of now, for entries may change until all are outside.
pub(crate) fn check(old: &Table, new: &Table) -> Verdict {
    let collides = indices(old).any(|at| claim(old, new, at) == Verdict::Collision);
    if collides { Verdict::Collision } else { Verdict::Fits }
}

/// Moves every bolted entry of `old` to `new`. Nobody walks either table, and [`check`] has found that all fit.
pub(crate) fn move_bolted(old: &Table, new: &Table) {
    for at in indices(old).filter(|&at| is_bolted_or_busy(old, at)) {
        let Some(mut entry) = old.lock(at, |v| v.is_valid() && v.is_bolted()) else {
            continue;
        };
        entry.hide();
        // Nothing to flush: all processors drop everything before they enter the guest again.
        let moved = entry.entry();
        entry.free();
        // A slot that is taken after all: the guest has changed its table during the commit. Then this entry is lost.
        if let Some(slot) = destination(at, moved, new).and_then(|to| new.try_claim(to)) {
            slot.fill(moved);
        }
    }
}

/// Every index of `table`, in order.
pub(super) fn indices(table: &Table) -> impl Iterator<Item = PteIndex> {
    (0..).map_while(|ptex| table.index(ptex))
}

/// Whether the entry at `at` is bolted or may become so as soon as its holder is done. Most are neither: one load tells.
fn is_bolted_or_busy(table: &Table, at: PteIndex) -> bool {
    let v = HpteV::from_raw(load(table.v(at)));
    v.is_locked() || is_bolted(v)
}

fn is_bolted(v: HpteV) -> bool {
    v.is_valid() && v.is_bolted()
}

/// Claims the slot of `new` that the entry at `at` of `old` needs, if it is bolted; waits for its holder.
pub(super) fn claim(old: &Table, new: &Table, at: PteIndex) -> Verdict {
    if !is_bolted_or_busy(old, at) {
        return Verdict::Fits;
    }
    let Some(to) = needed(old, new, at) else {
        return Verdict::Fits;
    };
    let claimant = claimant(load(new.r(to))).and_then(|ptex| old.index(ptex));
    let is_taken = claimant.is_some_and(|other| other != at && needed(old, new, other) == Some(to));
    // It may have gone while we looked at the other.
    if is_taken && needed(old, new, at) == Some(to) {
        return Verdict::Collision;
    }
    store(new.r(to), claim_of(at), Ordering::Relaxed);
    Verdict::Fits
}

/// Doubleword 1 of a slot that the entry at `at` needs. Closed, as it may stay there when walkers come that mix it with the
/// doubleword 0 of a later entry; not 0.
fn claim_of(at: PteIndex) -> u64 {
    HpteR::CLOSED.raw() | ((at.to_register() + 1) << 2)
}

/// Who has claimed a slot that has `r` as doubleword 1.
fn claimant(r: u64) -> Option<u64> {
    ((r & !HpteR::CLOSED.raw()) >> 2).checked_sub(1)
}

/// The slot of `new` that the entry at `at` of `old` needs, if it is bolted.
fn needed(old: &Table, new: &Table, at: PteIndex) -> Option<PteIndex> {
    let entry = old.read(at);
    is_bolted(entry.v).then(|| destination(at, entry, new)).flatten()
}

/// Where an entry at `at` of its table belongs in `new`. `None` if it is no legal one, which `H_ENTER` does not let in.
fn destination(at: PteIndex, entry: Hpte, new: &Table) -> Option<PteIndex> {
    let turned = |hash: u64| if entry.v.is_secondary() { !hash } else { hash };
    let pair = PagePair::decode(entry.v.is_large(), entry.r.lp())?;
    let page = Vpn::from_entry(entry.v.segment()?, pair.base(), entry.v.avpn(), turned(at.group()));
    let first = new.group_start(turned(page.hash())) as u64;
    new.index(first + at.to_register() % HPTES_PER_GROUP)
}
