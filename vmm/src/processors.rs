//! What each processor is doing, as the others may see and change it: stopped or started, prodded. What runs it is
//! `vcpu`, in the hands of a thread of `carriers`.
//!
//! No wake-up is lost: whoever gives a processor a reason to run makes the reason visible first and then rings the
//! [`Bell`] of the threads that may carry it; they look for reasons after they have taken the bell's epoch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use devices::xics::CpuLine;
use emulator::Counts;
use power::msr::Msr;
use power::rtas::CpuStoppedState;

use crate::accel::Wire;
use crate::bell::Bell;
use crate::hypercall::Areas;

/// Registers of a processor that is to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// Real address of the first instruction.
    pub(crate) pc: u64,
    /// r3.
    pub(crate) r3: u64,
    /// Machine state register.
    pub(crate) msr: Msr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Stopped,
    Starting(Start),
    Running,
}

#[derive(Debug)]
struct Activity {
    state: State,
    /// `H_PROD` came since the last sleep.
    prodded: bool,
}

/// One processor as the others see it.
pub(crate) struct Processor {
    wire: Arc<dyn Wire>,
    bell: Arc<Bell>,
    activity: Mutex<Activity>,
    areas: Mutex<Areas>,
    /// [`UNCOUNTED`] until somebody says how many.
    instructions: AtomicU64,
    /// What it has counted of its work.
    work: Mutex<Option<Counts>>,
}

const UNCOUNTED: u64 = u64::MAX;

impl Processor {
    /// A stopped processor behind `wire`, carried by threads that wait at `bell`.
    pub(crate) fn new(wire: Arc<dyn Wire>, bell: Arc<Bell>) -> Self {
        Self {
            wire,
            bell,
            activity: Mutex::new(Activity {
                state: State::Stopped,
                prodded: false,
            }),
            areas: Mutex::new(Areas::default()),
            instructions: AtomicU64::new(UNCOUNTED),
            work: Mutex::default(),
        }
    }

    /// Starts it, if it is stopped; whether it was.
    pub(crate) fn start(&self, start: Start) -> bool {
        let mut activity = self.lock();
        if activity.state != State::Stopped {
            return false;
        }
        *activity = Activity {
            state: State::Starting(start),
            prodded: false,
        };
        drop(activity);
        self.bell.ring();
        true
    }

    /// Whether it has been started and does not run yet.
    pub(crate) fn is_starting(&self) -> bool {
        matches!(self.lock().state, State::Starting(_))
    }

    /// It runs from here on, if it has been started.
    pub(crate) fn take_start(&self) -> Option<Start> {
        let mut activity = self.lock();
        let State::Starting(start) = activity.state else {
            return None;
        };
        activity.state = State::Running;
        Some(start)
    }

    /// It stops itself.
    pub(crate) fn stop(&self) {
        self.lock().state = State::Stopped;
    }

    /// Stopped or not, as RTAS tells it.
    pub(crate) fn stopped_state(&self) -> CpuStoppedState {
        match self.lock().state {
            State::Stopped => CpuStoppedState::Stopped,
            State::Starting(_) | State::Running => CpuStoppedState::Running,
        }
    }

    /// `H_PROD`: wakes it, or keeps it from sleeping the next time.
    pub(crate) fn prod(&self) {
        self.lock().prodded = true;
        self.bell.ring();
        self.wire.wake();
    }

    /// Whether it has been prodded since its last sleep.
    pub(crate) fn is_prodded(&self) -> bool {
        self.lock().prodded
    }

    /// It wakes: a prod has done its work.
    pub(crate) fn take_prod(&self) {
        self.lock().prodded = false;
    }

    /// Makes it leave the guest.
    pub(crate) fn call_out(&self) {
        self.wire.ring();
    }

    /// The run is over, and whoever carries it shall see that.
    pub(crate) fn dismiss(&self) {
        self.wire.ring();
        self.wire.wake();
        self.bell.ring_out();
    }

    /// It is as at the start: stopped, with no areas.
    fn reset(&self) {
        *self.lock() = Activity {
            state: State::Stopped,
            prodded: false,
        };
        *self.areas() = Areas::default();
    }

    /// Puts its external interrupt line up or down.
    fn set_external(&self, level: bool) {
        self.wire.set_external(level);
        if level {
            self.bell.ring();
        }
    }

    /// It has executed so many instructions, says whoever carries it.
    pub(crate) fn note_instructions(&self, count: u64) {
        self.instructions.store(count, Ordering::Relaxed);
    }

    /// How many instructions it had executed when it last left the guest; `None`: it never ran, or nobody counts.
    pub(crate) fn instructions(&self) -> Option<u64> {
        let count = self.instructions.load(Ordering::Relaxed);
        (count != UNCOUNTED).then_some(count)
    }

    /// It has counted so much of its work, says whoever carries it.
    pub(crate) fn note_work(&self, counts: &Counts) {
        *self.work.lock().expect(UNPOISONED) = Some(*counts);
    }

    /// Where the threads that carry it wait.
    pub(crate) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    /// The areas that the guest has registered for it.
    pub(crate) fn areas(&self) -> MutexGuard<'_, Areas> {
        // Their holder may wait for guest memory, and others have their turns meanwhile.
        loop {
            match self.areas.try_lock() {
                Ok(areas) => return areas,
                Err(TryLockError::WouldBlock) if hpt::stand_aside() => {}
                Err(_) => return self.areas.lock().expect(UNPOISONED),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().expect(UNPOISONED)
    }
}

const UNPOISONED: &str = "nothing panics with a processor locked";

/// All processors, by server number.
pub(crate) struct Processors {
    all: Vec<Processor>,
    carriers: usize,
    /// How often all of them were reset.
    resets: AtomicU64,
}

impl Processors {
    /// Stopped processors behind `wires`, for so many threads to carry. With a thread for each every processor has a
    /// bell of its own; fewer share all processors, and one bell.
    pub(crate) fn new(wires: Vec<Arc<dyn Wire>>, carriers: usize) -> Self {
        let carriers = carriers.min(wires.len());
        let shared = (carriers < wires.len()).then(Arc::<Bell>::default);
        let processor = |wire| Processor::new(wire, shared.clone().unwrap_or_default());
        Self {
            all: wires.into_iter().map(processor).collect(),
            carriers,
            resets: AtomicU64::new(0),
        }
    }

    /// Stops all of them, whatever they do: they are as at the start. The run is paused, so nobody works on any of them; whoever has one
    /// finds out by [`Self::resets`] when he goes on, and whoever sleeps in the kernel is woken.
    pub(crate) fn reset(&self) {
        self.all.iter().for_each(Processor::reset);
        // Release: who sees the number finds them stopped, or started since.
        self.resets.fetch_add(1, Ordering::Release);
        self.all.iter().for_each(|processor| processor.wire.wake());
        self.all.iter().for_each(|processor| processor.wire.forget_interrupts());
    }

    /// How often they were reset: what a processor did before that is void.
    pub(crate) fn resets(&self) -> u64 {
        self.resets.load(Ordering::Acquire)
    }

    /// The processor that a guest's number names.
    pub(crate) fn get(&self, server: u64) -> Option<&Processor> {
        self.all.get(usize::try_from(server).ok()?)
    }

    /// The processor `server`, which is one of them.
    pub(crate) fn by_server(&self, server: usize) -> &Processor {
        &self.all[server]
    }

    /// All of them.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Processor> {
        self.all.iter()
    }

    /// What all of them have counted of their work; `None`: none has.
    pub(crate) fn work(&self) -> Option<Counts> {
        let each = self.all.iter().filter_map(|one| *one.work.lock().expect(UNPOISONED));
        each.reduce(|mut all, one| {
            all += one;
            all
        })
    }

    /// How many threads carry them; no more than there are processors.
    pub(crate) fn carriers(&self) -> usize {
        self.carriers
    }
}

impl CpuLine for Processors {
    fn set_external(&self, server: usize, level: bool) {
        self.by_server(server).set_external(level);
    }
}

#[cfg(test)]
mod tests;
