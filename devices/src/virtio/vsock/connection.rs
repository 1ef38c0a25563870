//! One connection between a program of the host, which has the other end of a Unix socket, and one of the guest.
//!
//! Each side says in every packet how much room it has and how much has left that room (virtio 1.2, 5.10.6.3); the other one never sends more. What
//! the guest sends goes straight on to the host's program; what that does not take is kept, up to the room that the guest was told. What the
//! host's program sends stays in the kernel until the guest has room.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::packet::{Credit, NO_RECEIVE, NO_SEND, Operation, Ports};

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The host's program wants it; the guest is to be asked.
    Wanted,
    /// The guest has been asked.
    Asked,
    /// The guest wants it, and is to be told that it has it.
    Granted,
    /// Both have it.
    Open,
    /// The guest has said all and is gone; the host's program has not taken all of it.
    Leaving,
    /// It is broken, and the guest is to be told.
    Broken,
    /// It is over.
    Over,
}

/// A packet to the guest, without what is the same in each of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) operation: Operation,
    pub(super) flags: u32,
    /// Bytes that follow.
    pub(super) length: usize,
}

impl Outgoing {
    const fn plain(operation: Operation) -> Self {
        Self {
            operation,
            flags: 0,
            length: 0,
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    ports: Ports,
    stream: UnixStream,
    stage: Stage,
    /// Room that the guest is told of.
    room: u32,
    /// What the host's program has not taken yet.
    kept: VecDeque<u8>,
    /// Bytes from the guest, and of these those that have left the room; modulo 2^32.
    received: u32,
    forwarded: u32,
    /// What the guest knows of `forwarded`.
    told_forwarded: u32,
    /// The guest wants to know.
    is_credit_wanted: bool,
    /// What the guest has said, and bytes sent to it.
    guest: Credit,
    sent: u32,
    /// The guest was asked for credit, and has given none since.
    has_asked: bool,
    /// Directions that are over: `NO_SEND` and `NO_RECEIVE` of each side.
    guest_over: u32,
    host_over: u32,
    /// What the guest knows of `host_over`.
    told_over: u32,
    /// The stream may have something to be read.
    is_readable: bool,
}

impl Connection {
    fn new(ports: Ports, stream: UnixStream, stage: Stage, room: u32, guest: Credit) -> Self {
        Self {
            ports,
            stream,
            stage,
            room,
            kept: VecDeque::new(),
            received: 0,
            forwarded: 0,
            told_forwarded: 0,
            is_credit_wanted: false,
            guest,
            sent: 0,
            has_asked: false,
            guest_over: 0,
            host_over: 0,
            told_over: 0,
            is_readable: false,
        }
    }

    /// One that the guest has asked for, with what it said in its request.
    pub(super) fn granted(ports: Ports, stream: UnixStream, room: u32, guest: Credit) -> Self {
        Self::new(ports, stream, Stage::Granted, room, guest)
    }

    /// One that a program of the host wants.
    pub(super) fn wanted(ports: Ports, stream: UnixStream, room: u32) -> Self {
        Self::new(ports, stream, Stage::Wanted, room, Credit::default())
    }

    pub(super) const fn stream(&self) -> &UnixStream {
        &self.stream
    }

    pub(super) const fn ports(&self) -> Ports {
        self.ports
    }

    /// Room that was set aside for it.
    pub(super) const fn room(&self) -> u32 {
        self.room
    }

    /// Nothing will come of it any more.
    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// The guest knows no more of it: its ports may be another's.
    pub(super) fn is_leaving(&self) -> bool {
        self.stage == Stage::Leaving
    }

    /// What the guest is told with each packet; it knows that then.
    pub(super) fn tell_credit(&mut self) -> Credit {
        self.told_forwarded = self.forwarded;
        self.is_credit_wanted = false;
        Credit {
            room: self.room,
            forwarded: self.forwarded,
        }
    }

    /// The stream has changed.
    pub(super) fn changed(&mut self, is_readable: bool, is_writable: bool, is_hung_up: bool) {
        self.is_readable |= is_readable;
        if is_hung_up {
            match self.stage {
                // Nobody is left who wants it, and the guest does not know of it.
                Stage::Wanted => self.stage = Stage::Over,
                Stage::Asked => self.stage = Stage::Broken,
                _ => self.host_receives_no_more(),
            }
        } else if is_writable {
            self.forward();
        }
        if self.stage == Stage::Leaving && self.kept.is_empty() {
            self.stage = Stage::Over;
        }
    }

    /// The guest has sent a packet with `data`, which is empty but for [`Operation::Data`].
    pub(super) fn take(&mut self, operation: Operation, flags: u32, credit: Credit, data: &[u8]) {
        self.guest = credit;
        let is_open = matches!(self.stage, Stage::Open | Stage::Granted);
        match operation {
            // A guest that closes does not wait for ever for a slow program, which is to have all the same what was said before.
            Operation::Reset if is_open && self.guest_over & NO_SEND != 0 && !self.kept.is_empty() => {
                self.stage = Stage::Leaving;
            }
            Operation::Reset => self.stage = Stage::Over,
            Operation::Response if self.stage == Stage::Asked => self.open(),
            Operation::Data if is_open => self.keep(data),
            Operation::Shutdown if is_open => {
                self.guest_over |= flags & (NO_SEND | NO_RECEIVE);
                if self.guest_over & NO_RECEIVE != 0 {
                    // It may be over already.
                    let _ = self.stream.shutdown(Shutdown::Read);
                }
                self.forward();
            }
            Operation::CreditUpdate => {}
            Operation::CreditRequest => self.is_credit_wanted = true,
            Operation::Request | Operation::Response | Operation::Data | Operation::Shutdown => self.break_off(),
        }
    }

    /// The next packet for the guest, whose data is put into `data`. `None`: there is none now.
    pub(super) fn next(&mut self, data: &mut [u8]) -> Option<Outgoing> {
        match self.stage {
            Stage::Wanted => {
                self.stage = Stage::Asked;
                return Some(Outgoing::plain(Operation::Request));
            }
            Stage::Granted => {
                self.stage = Stage::Open;
                return Some(Outgoing::plain(Operation::Response));
            }
            Stage::Broken => {
                self.stage = Stage::Over;
                return Some(Outgoing::plain(Operation::Reset));
            }
            Stage::Asked | Stage::Leaving | Stage::Over => return None,
            Stage::Open => {}
        }
        if self.guest_over == NO_SEND | NO_RECEIVE && self.kept.is_empty() {
            self.stage = Stage::Over;
            return Some(Outgoing::plain(Operation::Reset));
        }
        if let Some(packet) = self.read(data) {
            return Some(packet);
        }
        if self.host_over & !self.told_over != 0 {
            self.told_over = self.host_over;
            return Some(Outgoing {
                operation: Operation::Shutdown,
                flags: self.host_over,
                length: 0,
            });
        }
        let may_send = self.room - self.received.wrapping_sub(self.told_forwarded);
        let is_news = self.forwarded != self.told_forwarded && may_send < self.room / 2;
        (self.is_credit_wanted || is_news).then_some(Outgoing::plain(Operation::CreditUpdate))
    }

    /// Takes what the host's program has sent, as far as the guest has room.
    fn read(&mut self, data: &mut [u8]) -> Option<Outgoing> {
        if !self.is_readable || self.host_over & NO_SEND != 0 || self.guest_over & NO_RECEIVE != 0 {
            return None;
        }
        let on_the_way = self.sent.wrapping_sub(self.guest.forwarded);
        let most = data.len().min(self.guest.room.saturating_sub(on_the_way) as usize);
        if most == 0 {
            let asks = !std::mem::replace(&mut self.has_asked, true);
            return asks.then_some(Outgoing::plain(Operation::CreditRequest));
        }
        self.has_asked = false;
        loop {
            match self.stream.read(&mut data[..most]) {
                Ok(0) => self.host_over |= NO_SEND,
                Ok(length) => {
                    // No more than `most`, which came from 32 bits.
                    self.sent = self.sent.wrapping_add(length as u32);
                    return Some(Outgoing {
                        operation: Operation::Data,
                        flags: 0,
                        length,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_readable = false,
                Err(_) => {
                    self.host_over |= NO_SEND;
                    self.host_receives_no_more();
                }
            }
            return None;
        }
    }

    /// The guest has granted what the host's program wants.
    fn open(&mut self) {
        self.stage = Stage::Open;
        // It has asked and was told nothing yet, so there is room for this.
        let answer = format!("OK {}\n", self.ports.host);
        if !matches!(self.stream.write(answer.as_bytes()), Ok(bytes) if bytes == answer.len()) {
            self.break_off();
        }
    }

    /// Takes the guest's bytes.
    fn keep(&mut self, data: &[u8]) {
        let held = self.received.wrapping_sub(self.told_forwarded);
        let fits = u32::try_from(data.len()).is_ok_and(|bytes| bytes <= self.room - held);
        if !fits || self.guest_over & NO_SEND != 0 {
            return self.break_off();
        }
        self.received = self.received.wrapping_add(data.len() as u32);
        // Behind what is kept it waits until the stream can be written.
        let taken = if self.kept.is_empty() { self.write(data) } else { 0 };
        if taken < data.len() {
            self.kept.reserve_exact(self.room as usize - self.kept.len());
            self.kept.extend(&data[taken..]);
        }
    }

    /// Gives the host's program what is kept for it, and then the end, if the guest has said that.
    fn forward(&mut self) {
        while !self.kept.is_empty() {
            let kept = std::mem::take(&mut self.kept);
            let taken = self.write(kept.as_slices().0);
            self.kept = kept;
            if taken == 0 {
                return;
            }
            self.kept.drain(..taken.min(self.kept.len()));
        }
        self.kept = VecDeque::new();
        if self.guest_over & NO_SEND != 0 {
            // It may be over already.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    /// Writes what the stream takes of `data` now, and returns how much of it has left the room: all of it when nobody is there to take it.
    fn write(&mut self, data: &[u8]) -> usize {
        let mut taken = 0;
        while taken < data.len() {
            match self.stream.write(&data[taken..]) {
                Ok(bytes) => taken += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.host_over |= NO_RECEIVE;
                    taken = data.len();
                }
            }
        }
        self.forwarded = self.forwarded.wrapping_add(taken as u32);
        taken
    }

    fn host_receives_no_more(&mut self) {
        self.host_over |= NO_RECEIVE;
        // It goes nowhere.
        self.forward();
    }

    /// The guest has done what it must not, or there is no use in going on.
    fn break_off(&mut self) {
        // Whoever has the other end is told, too.
        let _ = self.stream.shutdown(Shutdown::Both);
        self.kept = VecDeque::new();
        self.stage = Stage::Broken;
    }
}
