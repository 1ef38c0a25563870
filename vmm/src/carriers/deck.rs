//! The processors of a pool that nobody carries at the moment, and whose turn it is.
//!
//! Turns go round: whoever has had one comes last. A processor that confers to another gives it the rest of its own
//! turn, out of order; when that is over the round goes on where it was, so that two processors which confer to each other
//! keep nobody from running. Only a processor that confers to all comes last however it got its turn: all others
//! run before it does again.
//!
//! No processor that can run is left lying while a carrier waits at the bell:
//! - What can run when it is parked is seen by whoever has parked it, who looks next.
//! - What becomes able to run later is announced by a ring, which wakes a carrier to look.
//! - Who finds several takes one, and rings for the rest.
//! - One waiting carrier, the *watch*, waits no longer than until the first decrementer. Who takes a processor and leaves
//!   a deadline behind that nobody watches rings, and whoever is woken becomes the watch.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::accel::Processor;
use crate::machine::Machine;
use crate::vcpu::{Outlook, Vcpu};

/// How long a processor is carried while others wait.
///
/// A switch costs some microseconds and what the host's caches forget. What a long turn costs is waiting: a guest
/// processor that spins until another has taken an interrupt (Linux does so in `smp_call_function` and `stop_machine`)
/// spins for as many turns as there are processors between the two.
pub(super) const SLICE_MS: u64 = 2;

const SLICE: Duration = Duration::from_millis(SLICE_MS);

/// What a carrier does next.
pub(super) enum Look<P> {
    /// It carries this one.
    Carry {
        /// The processor.
        vcpu: Box<Vcpu<P>>,
        /// There is something left to do for another carrier, if one waits.
        leaves_work: bool,
    },
    /// It waits to be rung for.
    Nothing {
        /// Not longer than this.
        until: Option<Instant>,
    },
}

/// The turn of the processor that a carrier carries.
#[derive(Clone, Copy)]
struct Turn {
    /// Place of the processor; `None`: the carrier has parked it.
    place: Option<usize>,
    began: Instant,
    /// Others wait for longer than it may take.
    is_over: bool,
}

/// A carrier that waits for a deadline.
struct Watch {
    carrier: usize,
    until: Instant,
}

/// The processors of a pool.
pub(super) struct Deck<P> {
    /// Server number of the processor in the first place.
    first: usize,
    /// Processors that nobody carries, each in its place.
    parked: Vec<Option<Box<Vcpu<P>>>>,
    /// All places, in the order of their next turns.
    round: VecDeque<usize>,
    /// Of each carrier.
    turns: Vec<Turn>,
    watch: Option<Watch>,
}

impl<P: Processor> Deck<P> {
    /// The processors `servers`, which are all stopped, for so many carriers.
    pub(super) fn new(servers: Range<usize>, carriers: usize) -> Self {
        let turn = Turn {
            place: None,
            began: Instant::now(),
            is_over: false,
        };
        Self {
            first: servers.start,
            round: (0..servers.len()).collect(),
            parked: servers.map(|server| Some(Box::new(Vcpu::new(server)))).collect(),
            turns: vec![turn; carriers],
            watch: None,
        }
    }

    /// What `carrier`, which carries nobody, does next. `wish` is the server number of a processor to which the last
    /// one has conferred the rest of its turn.
    pub(super) fn look(&mut self, machine: &Machine, carrier: usize, wish: Option<usize>, now: Instant) -> Look<P> {
        let wish = wish.and_then(|server| server.checked_sub(self.first));
        let (mut able, mut first_able, mut wished) = (0, None, None);
        let mut deadline: Option<Instant> = None;
        for &place in &self.round {
            let Some(vcpu) = &mut self.parked[place] else { continue };
            match vcpu.look(machine, now) {
                Outlook::Runs => {
                    able += 1;
                    first_able = first_able.or(Some(place));
                    wished = wished.or((wish == Some(place)).then_some(place));
                }
                Outlook::Until(at) => deadline = Some(deadline.map_or(at, |earliest| earliest.min(at))),
                Outlook::Waits => {}
            }
        }
        if self.watch.as_ref().is_some_and(|watch| watch.carrier == carrier) {
            self.watch = None;
        }
        let unwatched = deadline.filter(|&at| self.watch.as_ref().is_none_or(|watch| at < watch.until));
        let turn = &mut self.turns[carrier];
        let place = match (wished, first_able) {
            (Some(place), _) if !turn.is_over => place,
            (_, Some(place)) => {
                last(&mut self.round, place);
                (turn.began, turn.is_over) = (now, false);
                place
            }
            (_, None) => {
                self.watch = unwatched.map_or(self.watch.take(), |until| Some(Watch { carrier, until }));
                return Look::Nothing { until: unwatched };
            }
        };
        turn.place = Some(place);
        Look::Carry {
            vcpu: self.parked[place].take().expect("it was looked at"),
            leaves_work: able > 1 || unwatched.is_some(),
        }
    }

    /// `carrier` carries this one no more.
    pub(super) fn park(&mut self, carrier: usize, vcpu: Box<Vcpu<P>>) {
        self.turns[carrier].place = None;
        let place = vcpu.server() - self.first;
        if vcpu.has_conferred_to_all() {
            last(&mut self.round, place);
        }
        self.parked[place] = Some(vcpu);
    }

    /// Whether the processor that `carrier` carries has to leave it to others.
    pub(super) fn is_slice_over(&self, carrier: usize) -> bool {
        self.turns[carrier].is_over
    }

    /// Ends the turns that have lasted long enough, if a processor waits for a carrier. Returns when to look again.
    pub(super) fn end_turns(&mut self, machine: &Machine, now: Instant) -> Instant {
        let able = |vcpu: &mut Box<Vcpu<P>>| vcpu.look(machine, now) == Outlook::Runs;
        // All are looked at: each notes since when it could run.
        let waiting = self
            .parked
            .iter_mut()
            .flatten()
            .filter_map(|vcpu| able(vcpu).then_some(()))
            .count();
        let mut next = now + SLICE;
        for turn in &mut self.turns {
            let Some(place) = turn.place else { continue };
            let end = turn.began + SLICE;
            if end > now {
                next = next.min(end);
            } else if waiting > 0 {
                turn.is_over = true;
                machine.processors.by_server(self.first + place).call_out();
            }
        }
        next
    }

    /// Takes all that nobody carries, at the end of the run.
    pub(super) fn clear(&mut self) -> Vec<Vcpu<P>> {
        self.parked
            .iter_mut()
            .filter_map(|place| place.take().map(|vcpu| *vcpu))
            .collect()
    }
}

/// `place` has the last turn of all.
fn last(round: &mut VecDeque<usize>, place: usize) {
    round.retain(|&other| other != place);
    round.push_back(place);
}

#[cfg(test)]
mod tests;
