//! Who has taken rights to frames, from which frames, and who is told when somebody needs one of them.
//!
//! Several may have taken something from the same frame: a dump that copies it first, somebody who watches it, somebody who
//! has yet to bring its content. Each [`Protection`] knows what it has taken itself, and a frame has the least right that one of them
//! leaves it. A fault goes to the oldest protection in its way; once that has given what it took, to the next one, if there is another.
//!
//! | step | who | access | pairs with |
//! |---|---|---|---|
//! | N1, N2 | who takes | as in `frames.rs`: the range is put in flight and flushed | A1, A2 |
//! | N3 | the same, under the mutex | its own rights; `state` + frames; then the rights of all, Release | A3 |
//! | N4 | the same | the range is over | A2 |
//! | V1 | who gives, under the mutex | its own rights; the rights of all, Release; then `state` - frames, Release; who sleeps is woken | A3 |
//!
//! What is left to a frame is made of what each has taken, under the mutex: so the order in which they come and go does not matter. Memory: 64 KiB
//! per GiB of RAM for each protection while it lasts.

use std::ops::Range;
use std::sync::Arc;

use crate::frames::{FRAME_SHIFT, Fault, FaultHandler, Frames, NARROWED, whole_frames};
use crate::rights::{Right, lacking, most, taken_at, with, words_of};
use crate::sync::{MutexGuard, Ordering, lock};
use crate::{BeginError, Patience, Why};

/// All that wait for rights, and those that they wait for.
#[derive(Default)]
pub(crate) struct Protections {
    /// How often something was taken: whoever waits tells the handler once more.
    pub(crate) epoch: u64,
    /// The oldest first.
    list: Vec<Own>,
    next: u64,
}

/// What one protection has taken.
struct Own {
    id: u64,
    /// As in `rights.rs`, for all of RAM.
    words: Vec<u64>,
    handler: Option<Arc<dyn FaultHandler>>,
}

impl Protections {
    /// The oldest that forbids what `fault` needs, and whom it tells.
    pub(crate) fn in_the_way(&self, fault: &Fault) -> Option<(u64, Option<Arc<dyn FaultHandler>>)> {
        let own = self
            .list
            .iter()
            .find(|own| !own.right(fault.real).allows(fault.access))?;
        Some((own.id, own.handler.clone()))
    }

    fn own(&mut self, id: u64) -> Option<&mut Own> {
        self.list.iter_mut().find(|own| own.id == id)
    }
}

impl Own {
    fn right(&self, real: u64) -> Right {
        let (word, at) = crate::rights::place(real >> FRAME_SHIFT);
        Right::after(self.words.get(word).map_or(0, |&bits| taken_at(bits, at)))
    }
}

/// Words that are changed while the mutex is held: those of 64 MiB, some ten microseconds.
const AT_ONCE: usize = 512;

/// Somebody's part in what may not be done to frames. What it has taken is given back when this is dropped.
#[must_use = "what it has taken is given back when this is dropped"]
pub struct Protection {
    frames: Arc<Frames>,
    id: u64,
}

/// What a handler has in hand of its own [`Protection`]: it can give.
#[derive(Clone, Copy)]
pub struct Giver<'f> {
    frames: &'f Frames,
    id: u64,
}

impl Frames {
    /// A protection that has taken nothing yet; `handler` is told of accesses that it forbids.
    ///
    /// # Errors
    /// `OutOfMemory`: the host has none.
    pub fn protect(self: &Arc<Self>, handler: Option<Arc<dyn FaultHandler>>) -> Result<Protection, BeginError> {
        let no_memory = |_| BeginError::OutOfMemory;
        let mut words = Vec::new();
        words.try_reserve_exact(self.rights.words()).map_err(no_memory)?;
        words.resize(self.rights.words(), 0);
        let mut protections = lock(&self.protections);
        protections.list.try_reserve(1).map_err(no_memory)?;
        let id = protections.next;
        protections.next += 1;
        protections.list.push(Own { id, words, handler });
        Ok(Protection {
            frames: Arc::clone(self),
            id,
        })
    }

    /// `change` says what becomes of what protection `id` has taken of the frames of `range`. How many frames it changes that for. The mutex is let go now and
    /// then, as who waits for a right needs it; it is returned as after the last frame.
    fn change(&self, id: u64, range: &Range<u64>, change: impl Fn(u64) -> u64) -> (MutexGuard<'_, Protections>, u64) {
        let mut protections = lock(&self.protections);
        let mut changed = 0;
        for (done, (word, frames)) in words_of(range).enumerate() {
            if done % AT_ONCE == AT_ONCE - 1 {
                drop(protections);
                protections = lock(&self.protections);
            }
            let Some(own) = protections.own(id).and_then(|own| own.words.get_mut(word)) else {
                break;
            };
            let old = *own;
            *own = with(old, &frames, &change);
            if *own != old {
                changed += frames.filter(|&at| taken_at(*own, at) != taken_at(old, at)).count() as u64;
                self.settle(&protections, word);
            }
        }
        (protections, changed)
    }

    /// The frames of a word get what all protections leave them.
    fn settle(&self, protections: &Protections, word: usize) {
        let taken = protections
            .list
            .iter()
            .fold(0, |taken, own| most(taken, own.words[word]));
        let (was, is) = (lacking(self.rights.word(word)), lacking(taken));
        // The count is never too low: whoever finds zero does not look at the rights.
        if is > was {
            self.state.fetch_add((is - was) * NARROWED, Ordering::Relaxed);
        }
        self.rights.set_word(word, taken);
        if was > is {
            // Release: who finds zero here sees what was stored before the right was given.
            self.state.fetch_sub((was - is) * NARROWED, Ordering::Release);
        }
    }
}

impl Protection {
    /// Takes from the frames of `range`, which are made whole, every right beyond `right`; of which it has taken more, that stays. When this returns,
    /// nobody does any more what was taken.
    ///
    /// Not from inside a seat, nor with a lock of an entry held.
    ///
    /// # Errors
    /// The patience was over, the host has no memory, or the range is not RAM: nothing was taken.
    pub fn take(&self, range: Range<u64>, right: Right, patience: &dyn Patience) -> Result<(), BeginError> {
        let range = whole_frames(&range);
        let frames = &self.frames;
        let in_flight = frames.notifier.begin(range.clone(), Why::Protect, patience)?;
        let (mut protections, _) = frames.change(self.id, &range, |taken| taken.max(right.taken()));
        protections.epoch += 1;
        drop(protections);
        drop(in_flight);
        frames.changed.notify_all();
        Ok(())
    }

    /// See [`Giver::give`].
    pub fn give(&self, range: Range<u64>, right: Right) -> u64 {
        self.giver().give(range, right)
    }

    /// The same to be passed on.
    pub fn giver(&self) -> Giver<'_> {
        self.frames.giver(self.id)
    }
}

impl Frames {
    pub(crate) fn giver(&self, id: u64) -> Giver<'_> {
        Giver { frames: self, id }
    }
}

impl Giver<'_> {
    /// Gives the frames of `range`, which are made whole, what they lack to `right` as far as this protection has taken it, and wakes who waits. What the
    /// caller has stored there before is seen by whoever gets in. How many frames it has given something to: none, if the protection is gone.
    pub fn give(self, range: Range<u64>, right: Right) -> u64 {
        let (protections, given) = self
            .frames
            .change(self.id, &whole_frames(&range), |taken| taken.min(right.taken()));
        drop(protections);
        self.frames.changed.notify_all();
        given
    }
}

impl Drop for Protection {
    fn drop(&mut self) {
        let frames = &self.frames;
        let (mut protections, _) = frames.change(self.id, &(0..frames.ram_bytes()), |_| 0);
        let at = protections.list.iter().position(|own| own.id == self.id);
        let gone = at.map(|at| protections.list.remove(at));
        // Who was told by this one may have to tell another.
        protections.epoch += 1;
        drop(protections);
        frames.changed.notify_all();
        // What its handler does when it goes is its own affair.
        drop(gone);
    }
}

impl std::fmt::Debug for Protection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Protection")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Giver<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Giver").field("id", &self.id).finish_non_exhaustive()
    }
}
