//! One life of a card: which queue is what, and when each goes on.

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::control::{self, Command};
use super::filter::Filter;
use super::receive::Receiver;
use super::transmit::{Failed, Rest, Transmitter};
use super::{Features, MacAddress, Shared};
use crate::net::{Buffer, Offloads, Port, new_buffer};
use crate::poll::Poll;
use crate::virtio::{Queue, Worker};

/// Frames that one queue moves before the others have their turn.
const TURN: usize = 128;

/// A pair of queues.
#[derive(Default)]
struct Pair {
    receiver: Option<Receiver>,
    transmitter: Option<Transmitter>,
}

/// What a queue is, by its number (virtio 1.2, 5.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Receive(usize),
    Transmit(usize),
    Control,
}

impl Role {
    /// Of queue `number` of a card whose driver knows of `pairs` pairs.
    fn of(number: usize, pairs: usize) -> Option<Self> {
        let pair = number / 2;
        match number {
            _ if number == 2 * pairs => Some(Self::Control),
            _ if number > 2 * pairs => None,
            _ if number.is_multiple_of(2) => Some(Self::Receive(pair)),
            _ => Some(Self::Transmit(pair)),
        }
    }
}

/// A card at work.
pub(super) struct Card {
    shared: Arc<Shared>,
    features: Features,
    poll: Poll,
    pairs: Vec<Pair>,
    /// How many of them the driver uses for receiving.
    active: usize,
    control: Option<Queue>,
    filter: Filter,
    buffer: Box<Buffer>,
}

impl Card {
    /// A card of `most` pairs whose driver has set up `queues`.
    ///
    /// # Errors
    /// The host has no descriptors left, or refuses what was agreed on.
    pub(super) fn new(
        shared: Arc<Shared>,
        features: Features,
        most: usize,
        queues: Vec<(usize, Queue)>,
    ) -> io::Result<Self> {
        let known = if features.has(Features::MQ) { most } else { 1 };
        let mut card = Self {
            shared,
            features,
            poll: Poll::new()?,
            pairs: (0..most).map(|_| Pair::default()).collect(),
            active: 1,
            control: None,
            filter: Filter::new(),
            buffer: new_buffer(),
        };
        for (number, queue) in queues {
            match Role::of(number, known) {
                Some(Role::Receive(pair)) => {
                    let receiver = Receiver::new(queue, features.has(Features::MRG_RXBUF));
                    card.pairs[pair].receiver = Some(receiver);
                }
                Some(Role::Transmit(pair)) => card.pairs[pair].transmitter = Some(Transmitter::new(queue)),
                Some(Role::Control) if features.has(Features::CTRL_VQ) => card.control = Some(queue),
                Some(Role::Control) | None => {}
            }
        }
        card.connect()?;
        Ok(card)
    }

    /// Has the host's ends be as this driver wants them.
    fn connect(&mut self) -> io::Result<()> {
        let (offloads, active) = (self.features.offloads(), self.active);
        self.set_ports(|number, port| {
            port.set_offloads(offloads)?;
            port.set_active(number < active)
        });
        if !self.shared.is_up() {
            return Ok(());
        }
        let ports = self.shared.ports();
        let mut numbered = ports.iter().zip(0..);
        numbered.try_for_each(|(port, number)| self.poll.add(port.descriptor(), number))
    }

    /// Does `set` to each of the host's ends, as long as they are there; when one refuses, they are gone.
    fn set_ports(&mut self, mut set: impl FnMut(usize, &mut dyn Port) -> io::Result<()>) {
        if !self.shared.is_up() {
            return;
        }
        let mut ports = self.shared.ports();
        let mut numbered = ports.iter_mut().enumerate();
        let done = numbered.try_for_each(|(number, port)| set(number, port.as_mut()));
        drop(ports);
        if let Err(error) = done {
            self.lose(error);
        }
    }

    /// Moves frames in both directions of a pair.
    fn go_on(&mut self, pair: usize) -> io::Result<()> {
        self.receive(pair)?;
        self.transmit(pair)
    }

    fn receive(&mut self, pair: usize) -> io::Result<()> {
        if pair >= self.active || !self.shared.is_up() {
            return Ok(());
        }
        let Some(receiver) = &mut self.pairs[pair].receiver else {
            return Ok(());
        };
        let (filter, own) = (&self.filter, self.shared.mac());
        let wants = |frame: &[u8]| frame.first_chunk().is_some_and(|to| filter.wants(MacAddress(*to), own));
        let mut ports = self.shared.ports();
        let received = receiver.receive(ports[pair].as_mut(), wants, TURN);
        drop(ports);
        self.conclude(received)
    }

    fn transmit(&mut self, pair: usize) -> io::Result<()> {
        let Some(transmitter) = &mut self.pairs[pair].transmitter else {
            return Ok(());
        };
        let mut ports = self.shared.ports();
        let port: Option<&mut dyn Port> = match self.shared.is_up() {
            true => Some(ports[pair].as_mut()),
            false => None,
        };
        let sent = transmitter.send(port, &mut self.buffer, TURN);
        drop(ports);
        self.conclude(sent)
    }

    /// What follows from what a queue has come to.
    fn conclude(&mut self, result: Result<Rest, Failed>) -> io::Result<()> {
        match result {
            Ok(Rest::Nothing) => Ok(()),
            Ok(Rest::More) => {
                self.poll.call_again();
                Ok(())
            }
            Err(Failed::Driver(error)) => Err(error),
            Err(Failed::Host(error)) => {
                self.lose(error);
                Ok(())
            }
        }
    }

    /// The host's side is gone: the link is down, and what the guest sends is lost from here on.
    fn lose(&mut self, error: io::Error) {
        if self.shared.is_up() {
            self.shared.change(|| self.shared.is_up.store(false, Ordering::Relaxed));
            (self.shared.lost)(error);
            // What waits for the host's end is lost, too.
            self.poll.call_again();
        }
    }

    /// Does what the driver says.
    fn obey_all(&mut self) -> io::Result<()> {
        let Some(mut queue) = self.control.take() else {
            return Ok(());
        };
        let served = control::serve(&mut queue, TURN, |bytes| self.obey(bytes));
        self.control = Some(queue);
        self.conclude(served.map_err(Failed::Driver))
    }

    /// Does one command; `false`: it is none, or the host refuses it.
    fn obey(&mut self, bytes: &[u8]) -> bool {
        match control::parse(bytes, self.features, self.pairs.len(), self.filter.clone()) {
            Some(Command::Filter(filter)) => self.filter = filter,
            Some(Command::Mac(mac)) => self.shared.change(|| self.shared.set_mac(mac)),
            Some(Command::Pairs(wanted)) => return self.use_pairs(wanted),
            None => return false,
        }
        true
    }

    /// Has the host give frames to the first `wanted` pairs alone; `false`: it has refused, and is gone.
    fn use_pairs(&mut self, wanted: usize) -> bool {
        let was_up = self.shared.is_up();
        self.set_ports(|number, port| port.set_active(number < wanted));
        self.active = wanted;
        // Those that become active may have been told of frames before.
        self.poll.call_again();
        self.shared.is_up() == was_up
    }
}

impl Worker for Card {
    fn watched(&self) -> Vec<(RawFd, u32)> {
        vec![(self.poll.descriptor(), 0)]
    }

    fn kicked(&mut self, queue: usize) -> io::Result<()> {
        let known = if self.features.has(Features::MQ) {
            self.pairs.len()
        } else {
            1
        };
        match Role::of(queue, known) {
            Some(Role::Receive(pair)) => self.receive(pair),
            Some(Role::Transmit(pair)) => self.transmit(pair),
            Some(Role::Control) => self.obey_all(),
            None => Ok(()),
        }
    }

    fn ready(&mut self, _token: u32) -> io::Result<()> {
        let told = self.poll.look()?;
        for change in told.changes {
            // The token is the port's number.
            let pair = change.token as usize;
            if change.is_readable
                && let Some(receiver) = &mut self.pairs[pair].receiver
            {
                receiver.set_readable();
            }
            if change.is_writable && self.shared.is_up() {
                let flushed = self.shared.ports()[pair].flush();
                self.conclude(flushed.map(|()| Rest::Nothing).map_err(Failed::Host))?;
            }
            self.go_on(pair)?;
        }
        if told.again {
            for pair in 0..self.pairs.len() {
                self.go_on(pair)?;
            }
            self.obey_all()?;
        }
        Ok(())
    }

    fn stop(&mut self) {
        // A next driver finds it as it was.
        self.shared.set_mac(self.shared.configured);
        self.set_ports(|_, port| port.set_offloads(Offloads::default()));
    }
}
