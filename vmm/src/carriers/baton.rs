//! Processors that take turns by a seed. There are as many carriers as processors, and one of them has the *baton*: it alone does anything. So what
//! processors do is one sequence, and `turns` says which.
//!
//! A turn ends outside the guest and its hypercalls, where the processor is parked and any carrier may carry it on; or at a point in the midst of a
//! hypercall or a walk ([`hpt::Turn`]), where it *stands* with the carrier that carries it until that has the baton again.
//!
//! A carrier with the baton never waits for another one without handing it on:
//! - `hpt` does so where a processor waits for another, and holds no mutex at a point but one that is waited for in that way.
//! - The one mutex of this program's that a carrier may hold while another one has the baton is that of a processor's areas, for which it stands *aside*: nobody waits
//!   for it meanwhile.
//! - Before a carrier waits for another kind of thread (for memory that is taken away, for the end of a pause), all who stand come out
//!   of what they are in the midst of ([`hpt::settle`]): that thread may wait for one of them. Whoever waits for that is aside as well.
//!
//! At the end of the run those who stand are rung, finish, one at a time, and see the end. Then all are *free*. If a carrier panics they are free at
//! once, and go on as threads do that take no turns.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::Make;
use super::turns::{Length, Turns};
use crate::accel::Processor;
use crate::bell::Bell;
use crate::machine::Machine;
use crate::vcpu::{Outlook, Vcpu};

/// The processors of a machine, and the baton of their carriers.
pub(super) struct Baton<P> {
    machine: Arc<Machine>,
    bell: Arc<Bell>,
    make: Arc<Make<P>>,
    state: Mutex<State<P>>,
    /// Of each carrier: it has an order, or all are free.
    ordered: Box<[Condvar]>,
    /// Points until the turn ends. Whoever has the baton uses it.
    points: AtomicU64,
}

struct State<P> {
    turns: Turns,
    /// Where each processor is, by server number.
    places: Box<[Place]>,
    /// Those that are parked.
    parked: Box<[Option<Box<Vcpu<P>>>]>,
    /// Server number of the processor whose turn it is, or was last.
    holder: usize,
    /// Carriers that carry none.
    idle: Vec<usize>,
    /// What each carrier is to do that has got the baton, until it does it.
    orders: Box<[Option<Order<P>>]>,
    /// Server numbers of those who could have a turn, in the last look.
    able: Vec<usize>,
    /// There is no baton any more.
    is_free: bool,
}

/// Where a processor is: with which carrier, if it is with one.
#[derive(Clone, Copy)]
enum Place {
    Parked,
    /// It has its turn.
    Works(usize),
    /// It stands in the midst of something that others may wait for.
    Stands(usize),
    /// It is in the midst of nothing that others wait for, and waits until none of them stands.
    Aside(usize),
}

/// What a carrier is to do with the baton.
enum Order<P> {
    /// It begins the turn of a processor that was parked, of so many instructions.
    Carry(Box<Vcpu<P>>, u64),
    /// Its own processor has another turn.
    GoOn,
}

/// Who may have the next turn; whoever has it now is none of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Among {
    /// All who can run.
    All,
    /// Those who stand.
    Standing,
}

impl<P: Processor + Send + 'static> Baton<P> {
    /// The processors of `machine`, which are all stopped.
    pub(super) fn new(machine: Arc<Machine>, turns: Turns, make: Arc<Make<P>>) -> Self {
        let processors = machine.processors.iter().count();
        Self {
            bell: Arc::clone(machine.processors.by_server(0).bell()),
            make,
            ordered: (0..processors).map(|_| Condvar::new()).collect(),
            points: AtomicU64::new(0),
            state: Mutex::new(State {
                turns,
                places: vec![Place::Parked; processors].into(),
                parked: (0..processors)
                    .map(|server| Some(Box::new(Vcpu::new(server))))
                    .collect(),
                holder: 0,
                // The first one begins with the baton.
                idle: (1..processors).collect(),
                orders: (0..processors).map(|_| None).collect(),
                able: Vec::new(),
                is_free: false,
            }),
            machine,
        }
    }

    /// The life of a carrier, until the run is over.
    pub(super) fn carry(self: Arc<Self>, carrier: usize) {
        let _freeing = Freeing(&self);
        hpt::take_turns(Arc::clone(&self) as _, || self.carry_in_turns(carrier));
        let left: Vec<_> = self.lock().parked.iter_mut().filter_map(Option::take).collect();
        for vcpu in left {
            vcpu.report(&self.machine);
        }
    }

    fn carry_in_turns(&self, carrier: usize) {
        let mut order = if carrier == 0 {
            self.lock().idle.push(carrier);
            self.next(carrier)
        } else {
            self.wait(self.lock(), carrier)
        };
        while let Some(Order::Carry(mut vcpu, instructions)) = order {
            self.carry_for_a_turn(&mut vcpu, instructions);
            self.lock().park(carrier, vcpu);
            order = self.next(carrier);
        }
    }

    fn carry_for_a_turn(&self, vcpu: &mut Vcpu<P>, instructions: u64) {
        let (machine, server) = (&*self.machine, vcpu.server());
        if vcpu.has_conferred() {
            // What it waits for may be for another kind of thread to do.
            thread::yield_now();
        }
        if !machine.pause.try_enter(server) {
            hpt::settle();
            machine.pause.enter(server);
        }
        if vcpu.arrive(machine, &*self.make) {
            vcpu.begin_turn(instructions);
            // To whom it confers does not matter: the next turn is drawn.
            let _: Option<usize> = vcpu.run(machine, &|| false);
        }
        machine.pause.leave(server);
    }

    /// Draws the next turn, by a carrier that has the baton and carries none; returns when it has something to carry. `None`: the run is over.
    fn next(&self, carrier: usize) -> Option<Order<P>> {
        let machine = &*self.machine;
        loop {
            let epoch = self.bell.epoch();
            let is_over = machine.stop.is_requested();
            let mut state = self.lock();
            if state.is_free {
                return None;
            }
            // While somebody stands, a pause is not reached.
            if machine.pause.is_wanted() && !is_over && state.is_nobody_carried() {
                drop(state);
                machine.pause.wait();
                continue;
            }
            let among = if is_over { Among::Standing } else { Among::All };
            match state.draw(machine, among) {
                Ok((server, length)) => {
                    if is_over {
                        machine.processors.by_server(server).call_out();
                    }
                    return self.pass(state, carrier, server, length);
                }
                Err(_) if is_over => return None,
                Err(Some(until)) => {
                    drop(state);
                    // As if the first processor worked: the time base of a run that is paused stands still.
                    machine.pause.enter(0);
                    machine.partition.skip_to(until);
                    machine.pause.leave(0);
                }
                Err(None) => {
                    drop(state);
                    self.bell.wait(epoch, None);
                }
            }
        }
    }

    /// Gives the baton, which `carrier` has, to whoever carries `server`, or is about to; returns when `carrier` has it again. `None`: all are free.
    fn pass(
        &self,
        mut state: MutexGuard<'_, State<P>>,
        carrier: usize,
        server: usize,
        length: Length,
    ) -> Option<Order<P>> {
        self.points.store(length.points, Ordering::Relaxed);
        let next = state.give(server, length);
        if next != carrier {
            self.ordered[next].notify_one();
        }
        self.wait(state, carrier)
    }

    /// Gives the baton to one of those, and returns when its carrier has it again, whose processor stands meanwhile as `how` says.
    /// `false`: all are free.
    fn give_way(&self, among: Among, how: fn(usize) -> Place) -> bool {
        let mut state = self.lock();
        if state.is_free {
            return false;
        }
        if let Ok((server, length)) = state.draw(&self.machine, among)
            && let Some(carrier) = state.stand(how)
        {
            self.pass(state, carrier, server, length);
        } else {
            drop(state);
            thread::yield_now();
        }
        true
    }

    /// Waits for the baton. `None`: all are free.
    fn wait(&self, mut state: MutexGuard<'_, State<P>>, carrier: usize) -> Option<Order<P>> {
        loop {
            if let Some(order) = state.orders[carrier].take() {
                return Some(order);
            }
            if state.is_free {
                return None;
            }
            state = self.ordered[carrier]
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whoever panics frees all: what he leaves is whole.
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Processor + Send + 'static> hpt::Turn for Baton<P> {
    fn may_end(&self, weight: u64) {
        let left = self.points.load(Ordering::Relaxed).saturating_sub(weight);
        self.points.store(left, Ordering::Relaxed);
        if left > 0 || self.machine.stop.is_requested() {
            return;
        }
        let mut state = self.lock();
        let Some(carrier) = state.stand(Place::Stands) else {
            return;
        };
        let drawn = state.draw(&self.machine, Among::All);
        let (server, length) = drawn.expect("whoever stands can go on");
        self.pass(state, carrier, server, length);
    }

    fn hand_on(&self) -> bool {
        // Who is waited for stands, if it is a processor at all.
        self.give_way(Among::Standing, Place::Stands)
    }

    fn stand_aside(&self) -> bool {
        self.give_way(Among::All, Place::Aside)
    }

    fn settle(&self) {
        loop {
            let mut state = self.lock();
            if state.is_free {
                return;
            }
            let Ok((server, length)) = state.draw(&self.machine, Among::Standing) else {
                return;
            };
            let Some(carrier) = state.stand(Place::Aside) else {
                return;
            };
            self.pass(state, carrier, server, length);
        }
    }
}

impl<P: Processor> State<P> {
    /// Draws whose turn it is next, and how long. `Err` if nobody can have one, with the time from which on somebody can.
    fn draw(&mut self, machine: &Machine, among: Among) -> Result<(usize, Length), Option<Instant>> {
        let now = machine.partition.now();
        self.able.clear();
        let mut first: Option<Instant> = None;
        for (server, place) in self.places.iter().enumerate() {
            let is_able = match place {
                Place::Works(_) => false,
                Place::Stands(_) => true,
                Place::Parked | Place::Aside(_) if among == Among::Standing => false,
                Place::Aside(_) => true,
                Place::Parked => match self.parked[server].as_mut().expect(PARKED).look(machine, now) {
                    Outlook::Runs => true,
                    Outlook::Until(at) => {
                        first = Some(first.map_or(at, |first| first.min(at)));
                        false
                    }
                    Outlook::Waits => false,
                },
            };
            if is_able {
                self.able.push(server);
            }
        }
        self.turns.next(&self.able).ok_or(first)
    }

    /// The processor that has its turn stands as `how` says. Returns its carrier; `None`: all are free.
    fn stand(&mut self, how: fn(usize) -> Place) -> Option<usize> {
        let place = &mut self.places[self.holder];
        match *place {
            Place::Works(carrier) if !self.is_free => {
                *place = how(carrier);
                Some(carrier)
            }
            _ => None,
        }
    }

    /// `server`, which was drawn, has its turn. Returns the carrier, which has an order then.
    fn give(&mut self, server: usize, length: Length) -> usize {
        let (carrier, order) = match self.places[server] {
            Place::Parked => {
                let vcpu = self.parked[server].take().expect(PARKED);
                // The last one is the one that has the baton, if that is idle.
                let carrier = self.idle.pop().expect("there are as many carriers as processors");
                (carrier, Order::Carry(vcpu, length.instructions))
            }
            Place::Stands(carrier) | Place::Aside(carrier) | Place::Works(carrier) => (carrier, Order::GoOn),
        };
        self.places[server] = Place::Works(carrier);
        self.holder = server;
        self.orders[carrier] = Some(order);
        carrier
    }

    /// `carrier` carries this one no more, nor another.
    fn park(&mut self, carrier: usize, vcpu: Box<Vcpu<P>>) {
        let server = vcpu.server();
        self.places[server] = Place::Parked;
        self.parked[server] = Some(vcpu);
        self.idle.push(carrier);
    }

    fn is_nobody_carried(&self) -> bool {
        self.places.iter().all(|place| matches!(place, Place::Parked))
    }
}

const PARKED: &str = "whom nobody carries is parked";

/// Frees all when it is dropped: at the end of the run, or when its carrier panics.
struct Freeing<'b, P: Processor + Send + 'static>(&'b Baton<P>);

impl<P: Processor + Send + 'static> Drop for Freeing<'_, P> {
    fn drop(&mut self) {
        self.0.lock().is_free = true;
        self.0.ordered.iter().for_each(Condvar::notify_all);
    }
}
