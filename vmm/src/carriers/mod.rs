//! The host threads that run the guest's processors. A *carrier* is such a thread; it carries one processor at a
//! time, until that one sleeps, confers, stops, or has used up its time while another one waits.
//!
//! Carriers and the processors that they may carry make a [`Pool`]. With as many threads as processors each pool is
//! one of each: a processor that wakes is run by its own thread, and nobody has to choose. With fewer threads all are one
//! pool, and a [`ticker`] ends the turns. `deck` says who is carried next. A machine whose processors take turns by a seed is one pool with one
//! carrier, and `turns` says who is next and for how many instructions.

mod deck;
mod ticker;
mod turns;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use crate::accel::Processor;
use crate::bell::Bell;
use crate::machine::Machine;
use deck::{Deck, Look};
use turns::Turns;

/// Makes a processor, by its server number, in the thread that carries it first.
type Make<P> = dyn Fn(usize) -> P + Send + Sync;

/// Starts the threads that carry the processors of `machine`, which are all stopped: as many as
/// [`crate::processors::Processors::carriers`] says.
///
/// # Errors
/// A thread could not be started; those that were run until the end of the run is requested.
pub(crate) fn spawn<P: Processor + Send + 'static>(
    machine: &Arc<Machine>,
    make: impl Fn(usize) -> P + Send + Sync + 'static,
) -> io::Result<()> {
    let make: Arc<Make<P>> = Arc::new(make);
    let (processors, carriers) = (machine.processors.iter().count(), machine.processors.carriers());
    if let Some(seed) = machine.turns {
        let pool = Pool::new(Arc::clone(machine), 0..processors, 1, make).with_turns(Turns::of_seed(seed));
        return carry(Arc::new(pool), 0, "carrier 0".to_owned());
    }
    if carriers == processors {
        for server in 0..processors {
            let pool = Pool::new(Arc::clone(machine), server..server + 1, 1, Arc::clone(&make));
            carry(Arc::new(pool), 0, format!("cpu {server}"))?;
        }
        return Ok(());
    }
    let pool = Arc::new(Pool::new(Arc::clone(machine), 0..processors, carriers, make));
    for carrier in 0..carriers {
        carry(Arc::clone(&pool), carrier, format!("carrier {carrier}"))?;
    }
    ticker::spawn(pool)
}

fn carry<P: Processor + Send + 'static>(pool: Arc<Pool<P>>, carrier: usize, name: String) -> io::Result<()> {
    let enlisted = pool.machine.stop.enlist();
    thread::Builder::new().name(name).spawn(move || {
        let _enlisted = enlisted;
        pool.carry(carrier);
    })?;
    Ok(())
}

/// Processors, and the carriers that share them.
pub(crate) struct Pool<P> {
    machine: Arc<Machine>,
    bell: Arc<Bell>,
    deck: Mutex<Deck<P>>,
    make: Arc<Make<P>>,
}

impl<P: Processor> Pool<P> {
    fn new(machine: Arc<Machine>, servers: std::ops::Range<usize>, carriers: usize, make: Arc<Make<P>>) -> Self {
        Self {
            bell: Arc::clone(machine.processors.by_server(servers.start).bell()),
            deck: Mutex::new(Deck::new(servers, carriers)),
            machine,
            make,
        }
    }

    /// The same, whose processors have the turns that `turns` says.
    fn with_turns(mut self, turns: Turns) -> Self {
        self.deck = Mutex::new(self.deck.into_inner().expect(UNPOISONED).with_turns(turns));
        self
    }

    /// The life of a carrier, until the run is over.
    fn carry(&self, carrier: usize) {
        let machine = &*self.machine;
        let mut confers_to = None;
        let mut conferred = None;
        loop {
            machine.pause.wait();
            let epoch = self.bell.epoch();
            if machine.stop.is_requested() {
                break;
            }
            // Bound, so that the deck is free while we wait.
            let look = self
                .lock()
                .look(machine, carrier, confers_to.take(), machine.partition.now());
            match look {
                Look::Carry {
                    mut vcpu,
                    leaves_work,
                    turn,
                } => {
                    if leaves_work {
                        self.bell.ring();
                    }
                    // Nobody else can run here, so what it waits for is done by another thread, if at all.
                    if conferred.take() == Some(vcpu.server()) {
                        thread::yield_now();
                    }
                    let server = vcpu.server();
                    machine.pause.enter(server);
                    if vcpu.arrive(machine, &*self.make) {
                        if let Some(instructions) = turn {
                            vcpu.begin_turn(instructions);
                        }
                        confers_to = vcpu.run(machine, || self.lock().is_slice_over(carrier));
                    }
                    machine.pause.leave(server);
                    conferred = vcpu.has_conferred().then_some(vcpu.server());
                    self.lock().park(carrier, vcpu);
                }
                Look::Nothing { until: Some(until) } if machine.turns.is_some() => {
                    // As if the first processor worked: the time base of a run that is paused stands still.
                    machine.pause.enter(0);
                    machine.partition.skip_to(until);
                    machine.pause.leave(0);
                }
                Look::Nothing { until } => self.bell.wait(epoch, until),
            }
        }
        let parked = self.lock().clear();
        for vcpu in parked {
            vcpu.report(machine);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Deck<P>> {
        self.deck.lock().expect(UNPOISONED)
    }
}

const UNPOISONED: &str = "nothing panics with the deck locked";

#[cfg(test)]
mod tests;
