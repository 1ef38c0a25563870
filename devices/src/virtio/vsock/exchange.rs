//! Packets out of the guest's queues and into them.

use std::io;
use std::os::fd::RawFd;

use super::packet::{HEADER, Header, Operation};
use super::switch::Switch;
use crate::virtio::{Chain, Queue, Worker};

/// Numbers of the queues (virtio 1.2, 5.10.2). That of events stays untouched: they are for guests that are moved.
const TO_GUEST: usize = 0;
const FROM_GUEST: usize = 1;

/// Bytes of data of the longest packet in either direction, as Linux has it.
const LONGEST: usize = 64 << 10;

/// Packets that are moved in one direction before the runner looks at everything else.
const TURN: usize = 128;

/// One life of a device.
pub(super) struct Exchange {
    switch: Switch,
    to_guest: Option<Queue>,
    from_guest: Option<Queue>,
    /// The guest's, for the next packet.
    room: Option<Chain>,
    data: Vec<u8>,
}

impl Exchange {
    pub(super) fn new(switch: Switch, queues: Vec<(usize, Queue)>) -> Self {
        let mut exchange = Self {
            switch,
            to_guest: None,
            from_guest: None,
            room: None,
            data: vec![0; LONGEST],
        };
        for (number, queue) in queues {
            match number {
                TO_GUEST => exchange.to_guest = Some(queue),
                FROM_GUEST => exchange.from_guest = Some(queue),
                _ => {}
            }
        }
        exchange
    }

    /// Moves packets in both directions, for a turn.
    fn go_on(&mut self) -> io::Result<()> {
        let mut has_more = true;
        for _ in 0..TURN {
            let (took, gave) = (self.take()?, self.give()?);
            has_more = took || gave;
            if !has_more {
                break;
            }
        }
        if has_more {
            self.switch.poll().call_again();
        }
        [&mut self.to_guest, &mut self.from_guest]
            .into_iter()
            .flatten()
            .try_for_each(Queue::signal)
    }

    /// Takes a packet from the guest, if there is one and something can be done with it.
    fn take(&mut self) -> io::Result<bool> {
        let Some(queue) = self.from_guest.as_mut().filter(|_| self.switch.has_room()) else {
            return Ok(false);
        };
        let Some(chain) = queue.pop()? else {
            return Ok(false);
        };
        let Some(behind) = chain.readable().checked_sub(HEADER as u64) else {
            return Err(broken("a packet is shorter than its header"));
        };
        let mut header = [0; HEADER];
        chain.read(0, &mut header).map_err(io::Error::other)?;
        let header = Header::from_bytes(&header);
        let length = match Operation::from_number(header.operation) {
            Some(Operation::Data) => header.length as usize,
            _ => 0,
        };
        if length as u64 > behind || length > LONGEST {
            return Err(broken("a packet is shorter than it says, or longer than 64 KiB"));
        }
        let data = &mut self.data[..length];
        chain.read(HEADER as u64, data).map_err(io::Error::other)?;
        queue.push(chain, 0)?;
        self.switch.take(&header, data);
        Ok(true)
    }

    /// Gives the guest a packet, if there is one and it has room.
    fn give(&mut self) -> io::Result<bool> {
        let Some(queue) = &mut self.to_guest else {
            return Ok(false);
        };
        if self.room.is_none() {
            self.room = queue.pop()?;
        }
        let Some(chain) = &self.room else {
            return Ok(false);
        };
        let behind = usize::try_from(chain.writable())
            .unwrap_or(usize::MAX)
            .saturating_sub(HEADER);
        if behind == 0 {
            return Err(broken("there is no room for a packet"));
        }
        let data = &mut self.data[..behind.min(LONGEST)];
        let Some(header) = self.switch.next(data) else {
            return Ok(false);
        };
        let length = header.length as usize;
        chain.write(0, &header.to_bytes()).map_err(io::Error::other)?;
        chain.write(HEADER as u64, &data[..length]).map_err(io::Error::other)?;
        let chain = self.room.take().expect("it is there");
        queue.push(chain, (HEADER + length) as u32)?;
        Ok(true)
    }
}

/// The driver has done what it must not.
fn broken(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Worker for Exchange {
    fn watched(&self) -> Vec<(RawFd, u32)> {
        vec![(self.switch.poll().descriptor(), 0)]
    }

    fn kicked(&mut self, _queue: usize) -> io::Result<()> {
        self.go_on()
    }

    fn ready(&mut self, _token: u32) -> io::Result<()> {
        for change in self.switch.poll().look()?.changes {
            self.switch.changed(change);
        }
        self.go_on()
    }
}
