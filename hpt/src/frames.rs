//! What may be done to each 4 KiB frame of the guest's RAM, asked by processors before they remember where a page is.
//!
//! A frame may be withheld for two reasons: somebody has announced to the [`Notifier`] that its range goes, or its
//! [`Right`] was taken (`protection.rs`). Which frames were stored to is in `dirty.rs`. Memory: 96 KiB per GiB of RAM, for both.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | A1 | processor, inside its seat | footprint: the page, or real mode, noted; fence SeqCst if it was news (F1) | N2 |
//! | A2 | the same | `is_in_flight`: load Acquire; if so, the access is refused | N1, N4 |
//! | A3 | the same | `state`, and unless it is zero the right: load Acquire; the translation is remembered as far as that allows | N3; V1 |
//! | N1 | who takes a right | the range is put in flight; fence SeqCst | A2 |
//! | N2 | the same, by a listener | flush: processors inside whose footprint says that they may hold the range are driven out | A1 |
//! | N3 | the same | `state` + frames; then the rights, Release | A3 |
//! | N4 | the same | the range is over: store Release | A2 |
//! | V1 | who gives a right | rights: Release; then `state` - frames, Release; after the mutex, who sleeps is woken | A3: what was stored before is seen |
//!
//! Of the fences of A1 and N1 one comes first. If it is the processor's, N2 finds its footprint, and if it is inside drives it out,
//! with all that it has remembered until then. If it is the other one, A2 finds the range in flight, or over: then A3 finds the right.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::dirty::Dirty;
use crate::points::settle;
use crate::protection::{Giver, Protections};
use crate::rights::{Right, Rights};
use crate::sync::{AtomicU64, Condvar, Mutex, Ordering, PoisonError, lock};
use crate::{Abandoned, Access, Notifier, Patience};

/// log2 of a frame's size in bytes.
pub(crate) const FRAME_SHIFT: u32 = 12;
const FRAME: u64 = 1 << FRAME_SHIFT;

/// How often who sleeps asks whether its patience is over.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// What a processor may do at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The access it asked for.
    Granted {
        /// It may remember that it may store there.
        store: bool,
    },
    /// Nothing: it leaves the guest, waits ([`Frames::wait_for`]), and executes the instruction again.
    Refused,
}

/// Why an access had to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// It had not.
    NotAtAll,
    /// A range in flight.
    ForRange,
    /// Its frame's right.
    ForRight,
}

/// An access that a right forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The first byte that is not to be had.
    pub real: u64,
    /// What is wanted of it.
    pub access: Access,
    /// Who wants it.
    pub by: Accessor,
}

/// Who makes an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accessor {
    /// A processor of the guest.
    Processor {
        /// Its server number.
        server: usize,
        /// Effective address of the instruction.
        pc: u64,
    },
    /// This program itself, for a processor or not.
    Program,
}

/// Called for accesses that a [`Protection`](crate::Protection) forbids.
pub trait FaultHandler: Send + Sync {
    /// The thread of a processor, outside its seat, or one of this program waits for a right. Whoever implements this gives what it has taken,
    /// or has another thread do so later: the caller sleeps until the right is there. It may be called by several threads at once, again for
    /// the same access, and a last time when its protection is gone already: `giver` gives nothing then.
    ///
    /// # Errors
    /// The patience was over.
    fn fault(&self, fault: &Fault, giver: Giver<'_>, patience: &dyn Patience) -> Result<(), Abandoned>;
}

/// What may be done to each frame, and which were stored to.
pub struct Frames {
    pub(crate) notifier: Arc<Notifier>,
    bytes: u64,
    /// [`TRACKED`], and above it how many frames may lack a right: never fewer than do.
    pub(crate) state: AtomicU64,
    pub(crate) rights: Rights,
    pub(crate) dirty: Dirty,
    pub(crate) protections: Mutex<Protections>,
    /// A right was given, or another protection is to be told.
    pub(crate) changed: Condvar,
}

/// Stores are noted.
pub(crate) const TRACKED: u64 = 1;
/// One frame that lacks a right.
pub(crate) const NARROWED: u64 = 2;

impl Frames {
    /// RAM of so many bytes from real address 0; everything is allowed and nothing tracked.
    pub fn new(ram_bytes: u64, notifier: Arc<Notifier>) -> Self {
        let frames = ram_bytes.div_ceil(FRAME);
        Self {
            notifier,
            bytes: ram_bytes,
            state: AtomicU64::new(0),
            rights: Rights::new(frames),
            dirty: Dirty::new(frames),
            protections: Mutex::new(Protections::default()),
            changed: Condvar::new(),
        }
    }

    /// Size of RAM in bytes.
    pub fn ram_bytes(&self) -> u64 {
        self.bytes
    }

    /// What a processor may do at `real`, which it has found for an `access`. It is inside its seat, has noted in its footprint
    /// what it is about to remember, and remembers no more than this says (A2, A3).
    #[inline]
    pub fn admit(&self, real: u64, access: Access) -> Admission {
        if self.notifier.is_in_flight(real) {
            return Admission::Refused;
        }
        let state = self.state.load(Ordering::Acquire);
        if state == 0 {
            return Admission::Granted { store: true };
        }
        self.admit_by(state, real, access)
    }

    #[cold]
    fn admit_by(&self, state: u64, real: u64, access: Access) -> Admission {
        let right = if state >= NARROWED {
            self.rights.get(real)
        } else {
            Right::Store
        };
        if !right.allows(access) {
            return Admission::Refused;
        }
        let store = right == Right::Store && (state & TRACKED == 0 || self.dirty.admits(real, access));
        Admission::Granted { store }
    }

    /// The right to the frame of `real`.
    pub fn right(&self, real: u64) -> Right {
        self.rights.get(real)
    }

    /// Waits until the access may be tried again: the range that is in flight is over, and the right is there. Who has taken that is
    /// told. It may also return for nothing.
    ///
    /// Outside the seat: nobody must wait for who waits here.
    ///
    /// # Errors
    /// The patience was over.
    pub fn wait_for(&self, fault: &Fault, patience: &dyn Patience) -> Result<Waited, Abandoned> {
        let real = fault.real;
        let mut waited = Waited::NotAtAll;
        let mut told = None;
        // Who is to give the memory back may wait for another processor.
        settle();
        loop {
            let frame = whole_frames(&(real..real + 1));
            if self.notifier.is_taken(real) {
                self.notifier.wait(&frame, patience)?;
                waited = Waited::ForRange;
            } else if self.allows(real, fault.access) {
                if fault.by == Accessor::Program {
                    // It asks by a lease, which takes its turn only after a wait of its own.
                    self.notifier.end_turn(&frame);
                }
                return Ok(waited);
            } else {
                // Whoever has taken the right may need a range to give it.
                self.notifier.end_turn(&frame);
                waited = Waited::ForRight;
                self.wait_for_right(fault, &mut told, patience)?;
            }
        }
    }

    /// The first address of `range` whose right forbids `access`: for this program's own accesses, which ask with a
    /// [`Lease`](crate::Lease) of the range, so that nobody narrows a right meanwhile.
    pub fn find_withheld(&self, range: &Range<u64>, access: Access) -> Option<u64> {
        if self.state.load(Ordering::Acquire) < NARROWED {
            return None;
        }
        let mut frames = frames_of(range);
        let frame = frames.find(|&frame| !self.rights.get(frame << FRAME_SHIFT).allows(access))?;
        Some(range.start.max(frame << FRAME_SHIFT))
    }

    fn allows(&self, real: u64, access: Access) -> bool {
        self.state.load(Ordering::Acquire) < NARROWED || self.rights.get(real).allows(access)
    }

    /// Tells who has taken the right, unless that one was `told` since anything was taken last, or sleeps for a while.
    fn wait_for_right(
        &self,
        fault: &Fault,
        told: &mut Option<(u64, u64)>,
        patience: &dyn Patience,
    ) -> Result<(), Abandoned> {
        let protections = lock(&self.protections);
        // With the mutex held: a right that comes now wakes us.
        let Some((id, handler)) = protections.in_the_way(fault) else {
            return Ok(());
        };
        let tell = Some((protections.epoch, id));
        if *told != tell {
            *told = tell;
            if let Some(handler) = handler {
                drop(protections);
                return handler.fault(fault, self.giver(id), patience);
            }
        }
        if patience.is_over() {
            return Err(Abandoned);
        }
        let woken = self.changed.wait_timeout(protections, ASK_AGAIN);
        drop(woken.unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}

/// The frames that have a part of `range`.
pub(crate) fn frames_of(range: &Range<u64>) -> Range<u64> {
    let start = range.start >> FRAME_SHIFT;
    start..range.end.div_ceil(FRAME).max(start)
}

/// `range` and the rest of its first and last frame.
pub(crate) fn whole_frames(range: &Range<u64>) -> Range<u64> {
    let frames = frames_of(range);
    frames.start << FRAME_SHIFT..frames.end << FRAME_SHIFT
}

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.load(Ordering::Relaxed);
        f.debug_struct("Frames")
            .field("tracked", &(state & TRACKED != 0))
            .field("narrowed", &(state / NARROWED))
            .finish_non_exhaustive()
    }
}
