//! Ranges of real addresses that somebody is about to take away: who uses their memory is told before and after, and
//! whoever translates meanwhile finds out.
//!
//! - [`Notifier::begin`] puts a range *in flight* and tells the listeners; the memory may be changed until [`InFlight`] is dropped
//!   (`flight.rs`).
//! - [`Notifier::register`] adds a [`Listener`], which speaks for users that keep translations (`register.rs`, `calls.rs`).
//! - [`Notifier::is_in_flight`] is for processors in their seats, [`Notifier::sequence`] and [`Notifier::is_stale`] for
//!   translators that nobody waits for (`notifier.rs`), [`Notifier::lease`] for short accesses of this program itself (`lease.rs`).
//! - [`Notifier::wait`] is for whoever was refused, and gives it a turn (`turns.rs`).
//!
//! What is done to the memory is left to whoever begins the range, and flushing translations to the listeners.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | N1 | beginner | under the locks of all regions that it overlaps, taken in ascending order: the range put in flight, the listeners copied, `in_flight` + 1, Relaxed | P2, T2, L1, by the locks; G1 |
//! | N2 | the same | fence SeqCst | P1 |
//! | N3 | the same | under each region's lock: waits until no lease overlaps | L2 |
//! | N4 | the same | each listener's `start`: translations flushed, by I1 to I5 of `seat.rs` for processors | P1, T3 |
//! | N5 | holder | the memory, or what may be done to it, is changed | |
//! | N6 | the same | `end` of each listener that N4 told | |
//! | N7 | the same | under each region's lock: the range taken out, `ended` of the region set to `clock` + 1, Release; then `in_flight` - 1, Release | P2, T1, T2 |
//! | P1 | processor in its seat | footprint noted (F1), fence SeqCst, if it has not noted the page before | N2: one of the two sees the other |
//! | P2 | the same | `in_flight`: load Acquire; if it is not 0, the range looked for under the region's lock. Only if it is not in flight the translation is kept | N1; N7: what was changed is seen |
//! | T1 | translator that nobody waits for | `clock`: load Acquire, before it translates | N7: what was changed is seen |
//! | T2 | the same, under a lock that its listener's `start` takes | under the region's lock: in flight, or `ended` above the `clock` of T1, means again from T1 | N1, N7 |
//! | T3 | the same | the translation is kept; the lock is released | N4, which drops it |
//! | L1 | lease | under each region's lock: taken if nothing in flight overlaps; else all is given back and it waits | N1, N7 |
//! | L2 | the same | under each region's lock: given back | N3 |
//! | Q1 | who waits for the end of ranges, for a page or a lease | under the region's lock: a place in the list, and `in_flight` + 1, Relaxed | Q4; its own P2 |
//! | Q2 | the same, for a page | under the lock, when no range is in flight there: it has its turn | Q4 |
//! | Q3 | the same | P2 that finds the page free, or L1: under the lock, the place given back, `in_flight` - 1, Relaxed, and those woken that sleep | Q4 |
//! | Q4 | beginner, before N1 and under the same locks | gives way to places of others over its range: gives the locks back, and sleeps until they are gone, or for a while (`turns.rs`) | Q1, Q3 |
//! | G1 | registration | under the locks of all regions, taken in ascending order: the listener added to each | N1: told of all ranges that are put in flight later, of none before |
//! | G2 | unregistering | the listener taken out of each region; then no call of it begins, and those that run are waited for | N4, N6 |
//!
//! - **A processor that keeps a translation is found.** Of the fences N2 and P1 one comes first. If it is the processor's, N4 finds its
//!   footprint, and waits for its visit if it is inside. If it is the beginner's, P2 finds the range, or that it is over. A page that was noted
//!   before had its fence then, and N4 finds it whatever P2 says; E1 is the fence of processors that keep no account.
//! - **`in_flight` is never less than the lists.** It goes up under the lock that guards a list, and down after. Who sees N1's count and
//!   then takes the lock comes after N1.
//! - **Ranges that overlap do not wait for each other**, but for those that wait for them (Q4). A page is in flight until the last range over it has ended.
//! - **Who waits gets a turn**, as no range over its page begins between Q1 and Q3, but when the beginner's time is over.

mod calls;
mod flight;
mod lease;
mod notifier;
mod region;
mod register;
mod turns;

use std::ops::Range;

pub use flight::{BeginError, InFlight};
pub use lease::Lease;
pub use notifier::{Notifier, Sequence};
pub use register::{Listener, RegisterError, Registration};

/// What happens to the memory of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its content goes, and with it the host's memory.
    Discard,
    /// Less may be done to it than before.
    Protect,
    /// Other memory comes in its place.
    Remap,
}

/// What listeners are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Real addresses, in bytes.
    pub range: Range<u64>,
    /// What happens to them.
    pub why: Why,
}
