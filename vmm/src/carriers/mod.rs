//! The host threads that run the guest's processors. A *carrier* is such a thread; it carries one processor at a
//! time, until that one sleeps, confers, stops, or has used up its time while another one waits.
//!
//! Carriers and the processors that they may carry make a [`Pool`]. With as many threads as processors each pool is
//! one of each: a processor that wakes is run by its own thread, and nobody has to choose. With fewer threads all are one
//! pool, and a [`ticker`] ends the turns. `deck` says who is carried next. Processors that take turns by a seed have no pool, but a [`baton`].

mod baton;
mod deck;
mod ticker;
mod turns;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use crate::accel::Processor;
use crate::bell::Bell;
use crate::machine::Machine;
use baton::Baton;
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
        let baton = Arc::new(Baton::new(Arc::clone(machine), Turns::of_seed(seed), make));
        for carrier in 0..processors {
            let baton = Arc::clone(&baton);
            begin(machine, format!("carrier {carrier}"), move || baton.carry(carrier))?;
        }
        return Ok(());
    }
    if carriers == processors {
        for server in 0..processors {
            let pool = Pool::new(Arc::clone(machine), server..server + 1, 1, Arc::clone(&make));
            begin(machine, format!("cpu {server}"), move || pool.carry(0))?;
        }
        return Ok(());
    }
    let pool = Arc::new(Pool::new(Arc::clone(machine), 0..processors, carriers, make));
    for carrier in 0..carriers {
        let pool = Arc::clone(&pool);
        begin(machine, format!("carrier {carrier}"), move || pool.carry(carrier))?;
    }
    ticker::spawn(pool)
}

/// Starts a carrier, whose life is `carry`.
fn begin(machine: &Machine, name: String, carry: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let enlisted = machine.stop.enlist();
    thread::Builder::new().name(name).spawn(move || {
        let _enlisted = enlisted;
        carry();
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
                Look::Carry { mut vcpu, leaves_work } => {
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
                        confers_to = vcpu.run(machine, &|| self.lock().is_slice_over(carrier));
                    }
                    machine.pause.leave(server);
                    conferred = vcpu.has_conferred().then_some(vcpu.server());
                    self.lock().park(carrier, vcpu);
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
