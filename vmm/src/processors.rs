//! What each processor is doing, as the others may see and change it: stopped or started, asleep in
//! `H_CEDE`, prodded. The thread that runs the processor is `vcpu`'s.
//!
//! No wake-up is lost: whoever gives a processor a reason to wake makes the reason visible first and then
//! takes the processor's lock; a processor looks for reasons with that lock held before it sleeps.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use devices::xics::CpuLine;
use power::msr::Msr;
use power::rtas::CpuStoppedState;

use crate::accel::Wire;
use crate::hypercall::Areas;
use crate::stop::Stop;

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

/// Why a sleeping processor looks around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nap {
    /// It has work.
    Wake,
    /// It may sleep for this long.
    For(Duration),
    /// Only somebody else can wake it.
    Forever,
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
    activity: Mutex<Activity>,
    changed: Condvar,
    areas: Mutex<Areas>,
}

impl Processor {
    /// A stopped processor behind `wire`.
    pub(crate) fn new(wire: Arc<dyn Wire>) -> Self {
        Self {
            wire,
            activity: Mutex::new(Activity {
                state: State::Stopped,
                prodded: false,
            }),
            changed: Condvar::new(),
            areas: Mutex::new(Areas::default()),
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
        self.changed.notify_all();
        true
    }

    /// Waits to be started. `None`: the run is over.
    pub(crate) fn wait_for_start(&self, stop: &Stop) -> Option<Start> {
        let mut activity = self.lock();
        loop {
            if stop.is_requested() {
                return None;
            }
            if let State::Starting(start) = activity.state {
                activity.state = State::Running;
                return Some(start);
            }
            activity = self.changed.wait(activity).expect(UNPOISONED);
        }
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
        self.changed.notify_all();
    }

    /// Makes it look for a reason to wake, and leave the guest.
    pub(crate) fn disturb(&self) {
        self.wire.ring();
        self.nudge();
    }

    /// Puts its external interrupt line up or down.
    fn set_external(&self, level: bool) {
        self.wire.set_external(level);
        if level {
            self.nudge();
        }
    }

    fn nudge(&self) {
        drop(self.lock());
        self.changed.notify_all();
    }

    /// Sleeps until prodded, until the run is over, or until `nap` says that there is work. Returns at
    /// once if it has been prodded since the last time. Whether it slept at all.
    pub(crate) fn sleep(&self, stop: &Stop, mut nap: impl FnMut() -> Nap, falls_asleep: impl FnOnce()) -> bool {
        let mut activity = self.lock();
        let mut falls_asleep = Some(falls_asleep);
        loop {
            if std::mem::take(&mut activity.prodded) || stop.is_requested() {
                break;
            }
            let nap = nap();
            if nap != Nap::Wake
                && let Some(falls_asleep) = falls_asleep.take()
            {
                falls_asleep();
            }
            activity = match nap {
                Nap::Wake => break,
                Nap::For(time) => self.changed.wait_timeout(activity, time).expect(UNPOISONED).0,
                Nap::Forever => self.changed.wait(activity).expect(UNPOISONED),
            };
        }
        falls_asleep.is_none()
    }

    /// The areas that the guest has registered for it.
    pub(crate) fn areas(&self) -> MutexGuard<'_, Areas> {
        self.areas.lock().expect(UNPOISONED)
    }

    fn lock(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().expect(UNPOISONED)
    }
}

const UNPOISONED: &str = "nothing panics with a processor locked";

/// All processors, by server number.
pub(crate) struct Processors(Vec<Processor>);

impl Processors {
    /// Stopped processors behind `wires`.
    pub(crate) fn new(wires: impl IntoIterator<Item = Arc<dyn Wire>>) -> Self {
        Self(wires.into_iter().map(Processor::new).collect())
    }

    /// The processor that a guest's number names.
    pub(crate) fn get(&self, server: u64) -> Option<&Processor> {
        self.0.get(usize::try_from(server).ok()?)
    }

    /// The processor `server`, which is one of them.
    pub(crate) fn by_server(&self, server: usize) -> &Processor {
        &self.0[server]
    }

    /// All of them.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Processor> {
        self.0.iter()
    }
}

impl CpuLine for Processors {
    fn set_external(&self, server: usize, level: bool) {
        self.by_server(server).set_external(level);
    }
}

#[cfg(test)]
mod tests;
