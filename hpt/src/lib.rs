//! The guest's hashed page table (HPT): its memory, the hypercalls that change it, the walk that
//! translates with it, and the protocol that drops what processors remember of it.
//!
//! - [`Table`] is the memory: lock-free [`Table::walk`] for whoever translates.
//! - [`Hpt`] is the guest's table, [`Port`] what one of its processors may do to it: a method a hypercall.
//! - [`Marking`] is how those that walk a table set R and C in it: as [`Table::walk`] does, or as KVM's walker.
//! - [`Unmapper`] ends the use of ranges of memory that somebody is about to take away, found by the table's reverse map.
//! - [`Frames`] says what may be done to each 4 KiB of RAM, and which were stored to.
//! - [`Shadow`] is what a change asks of the processors; [`Shootdown`] is the answer of processors
//!   that are threads with a [`Seat`] each, and [`Discard`] a way to take translations from them while they run.
//! - [`Turn`] is how processors that take turns have theirs end in the midst of a call or a walk.
//! - [`Notifier`] knows the ranges of real addresses that somebody is about to take away, and tells each [`Listener`].
//!
//! Knows nothing of KVM, registers or devices: what it needs from above are the traits [`RealMap`],
//! [`Shadow`], [`Kick`], [`Discard`], [`Listener`], [`Patience`] and [`Turn`]. The protocols are in `docs/concurrency.md`.

mod block;
mod bulk;
mod changes;
mod clear;
mod confirm;
mod counters;
mod current;
mod dirty;
mod discard;
mod duplicates;
mod enter;
mod evict;
mod flags;
mod footprint;
mod frames;
mod gate;
mod gather;
mod histogram;
mod late_walk;
mod lock;
mod marks;
mod memory;
mod notify;
mod order;
mod patience;
mod points;
mod port;
mod protect;
mod protection;
mod read;
mod real;
mod remove;
mod resize;
mod reverse;
mod rights;
mod seat;
mod shadow;
mod shootdown;
mod survey;
mod sync;
mod table;
#[cfg(test)]
mod testing;
mod unmap;
mod walk;
mod withdraw;

pub use bulk::Specifier;
pub use confirm::{Confirmation, Held};
pub use counters::{Counts, Peak};
pub use current::{Current, View};
pub use dirty::{DirtyLog, HarvestError};
pub use discard::{Discard, Refused};
pub use duplicates::{Duplicate, DuplicateReport};
pub use footprint::Footprint;
pub use frames::{Accessor, Admission, Fault, FaultHandler, Frames, Waited};
pub use histogram::Histogram;
pub use late_walk::Late;
pub use marks::Marking;
pub use memory::AllocateTable;
pub use notify::{
    Announced, BeginError, InFlight, Lease, Listener, Notifier, RegisterError, Registration, Sequence, Why,
};
pub use order::{Order, ParseOrderError};
pub use patience::{Abandoned, Endless, Patience};
#[cfg(not(loom))]
pub use points::take_turns;
pub use points::{Turn, settle, stand_aside};
pub use port::{Hpt, OwnFlush, Port};
pub use protection::{Giver, Protection};
pub use read::Entries;
pub use real::{RealKind, RealMap};
pub use rights::Right;
pub use seat::Seat;
pub use shadow::{Batch, Full, Grace, Invalidation, NoShadow, Shadow};
pub use shootdown::{Kick, Shootdown};
pub use survey::Survey;
pub use table::{Hpte, PteIndex, Table};
pub use unmap::{Unmapped, Unmapper};
pub use walk::{Access, Translation, WalkFault};
