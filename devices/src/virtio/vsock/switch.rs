//! Which packet is whose: the connections of a device, those who want one, and what each has for the guest.
//!
//! All of it is bounded: connections, programs that have not said what they want, the memory that connections may fill, and resets that the guest has
//! not taken yet.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::connection::{Connection, Outgoing};
use super::greeting::{Greeting, Heard};
use super::packet::{Credit, Header, Operation, Ports, STREAM};
use crate::poll::{Change, Poll};

/// The host's context ID (virtio 1.2, 5.10.4).
pub(super) const HOST_CID: u64 = 2;

/// Connections at the same time.
const MOST_CONNECTIONS: usize = 128;

/// Programs that have connected and have not said what they want; of more, the oldest goes.
const MOST_GREETINGS: usize = 16;

/// Resets for connections that are none, until no more packets are taken from the guest.
const MOST_RESETS: usize = 64;

/// Memory that all connections may fill together.
const ROOM: u32 = 896 << 10;

/// What of it each connection gets: much as long as there is, then little.
const MUCH: u32 = 64 << 10;
const LITTLE: u32 = 4 << 10;

/// As much as must be left for one to get [`MUCH`]: so there is always [`LITTLE`] for the last ones.
const PLENTY: u32 = MUCH + LITTLE * MOST_CONNECTIONS as u32;

/// The first port that the guest sees of a program of the host: far from those that have a meaning.
const FIRST_PORT: u32 = 1 << 30;

/// Token of the listening socket.
const LISTENER: u64 = 0;

/// Who asks for a packet that is no connection's.
#[derive(Clone, Copy, Debug)]
struct Stray {
    ports: Ports,
    kind: u16,
}

/// A packet for the guest; its data is where the caller wanted it.
pub(super) type Packet = Header;

/// All connections of a device.
#[derive(Debug)]
pub(super) struct Switch {
    poll: Poll,
    guest_cid: u64,
    listener: UnixListener,
    /// Somebody may wait to be taken.
    is_wanted: bool,
    /// Beginning of the path of the sockets that the guest may connect to.
    path: PathBuf,
    connections: BTreeMap<u64, Connection>,
    tokens: HashMap<Ports, u64>,
    greetings: BTreeMap<u64, Greeting>,
    next_token: u64,
    next_port: u32,
    /// Memory that no connection has.
    room: u32,
    /// Connections that may have a packet, each once.
    ready: VecDeque<u64>,
    strays: VecDeque<Stray>,
}

impl Switch {
    /// The switch of a guest with the context ID `guest_cid`.
    ///
    /// # Errors
    /// The host has no descriptor left.
    pub(super) fn new(guest_cid: u64, listener: UnixListener, path: PathBuf) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.add(&listener, LISTENER)?;
        Ok(Self {
            poll,
            guest_cid,
            listener,
            is_wanted: false,
            path,
            connections: BTreeMap::new(),
            tokens: HashMap::new(),
            greetings: BTreeMap::new(),
            next_token: LISTENER + 1,
            next_port: FIRST_PORT,
            room: ROOM,
            ready: VecDeque::new(),
            strays: VecDeque::new(),
        })
    }

    /// What the device's thread waits for.
    pub(super) const fn poll(&self) -> &Poll {
        &self.poll
    }

    /// Whether it takes a packet from the guest now; else the guest is to take some first.
    pub(super) fn has_room(&self) -> bool {
        self.strays.len() < MOST_RESETS
    }

    /// The guest has sent a packet with `data`.
    pub(super) fn take(&mut self, header: &Header, data: &[u8]) {
        if header.from_cid != self.guest_cid || header.to_cid != HOST_CID {
            return;
        }
        let ports = Ports {
            host: header.to_port,
            guest: header.from_port,
        };
        let operation = Operation::from_number(header.operation).filter(|_| header.kind == STREAM);
        match (operation, self.tokens.get(&ports)) {
            (Some(operation), Some(&token)) => {
                if let Some(connection) = self.connections.get_mut(&token) {
                    connection.take(operation, header.flags, header.credit, data);
                }
                self.look_at(token);
            }
            (Some(Operation::Request), None) => {
                if self.connect(ports, header.credit).is_err() {
                    self.strays.push_back(Stray { ports, kind: STREAM });
                }
            }
            (Some(Operation::Reset), None) => {}
            // What is no operation says nothing about a connection.
            (Some(_), None) | (None, _) => self.strays.push_back(Stray {
                ports,
                kind: header.kind,
            }),
        }
    }

    /// The next packet for the guest, with its data in `data`. `None`: there is none now.
    pub(super) fn next(&mut self, data: &mut [u8]) -> Option<Packet> {
        if let Some(Stray { ports, kind }) = self.strays.pop_front() {
            let reset = Outgoing {
                operation: Operation::Reset,
                flags: 0,
                length: 0,
            };
            return Some(Packet {
                kind,
                ..self.packet(ports, reset, Credit::default())
            });
        }
        while let Some(token) = self.ready.pop_front() {
            let Some(connection) = self.connections.get_mut(&token) else {
                continue;
            };
            let next = connection.next(data);
            let credit = if next.is_some() {
                connection.tell_credit()
            } else {
                Credit::default()
            };
            let ports = connection.ports();
            if connection.is_over() {
                self.remove(token);
            } else if next.is_some() {
                // The others have their turn first.
                self.ready.push_back(token);
            }
            if let Some(outgoing) = next {
                return Some(self.packet(ports, outgoing, credit));
            }
        }
        None
    }

    /// A descriptor has changed.
    pub(super) fn changed(&mut self, change: Change) {
        let token = change.token;
        if token == LISTENER {
            self.is_wanted = true;
        } else if self.greetings.contains_key(&token) {
            self.hear(token);
        } else if let Some(connection) = self.connections.get_mut(&token) {
            connection.changed(change.is_readable, change.is_writable, change.is_hung_up);
            self.look_at(token);
        }
        if self.is_wanted {
            self.accept();
        }
    }

    fn packet(&self, ports: Ports, outgoing: Outgoing, credit: Credit) -> Packet {
        Packet {
            from_cid: HOST_CID,
            to_cid: self.guest_cid,
            from_port: ports.host,
            to_port: ports.guest,
            length: u32::try_from(outgoing.length).expect("a packet is shorter"),
            kind: STREAM,
            operation: outgoing.operation as u16,
            flags: outgoing.flags,
            credit,
        }
    }

    /// A connection has changed: it may have a packet, or be over.
    fn look_at(&mut self, token: u64) {
        if self.connections.get(&token).is_some_and(Connection::is_over) {
            self.remove(token);
        } else if self.connections.get(&token).is_some_and(Connection::is_leaving) {
            self.forget_ports(token);
        } else if !self.ready.contains(&token) {
            self.ready.push_back(token);
        }
    }

    /// The ports of a connection are free for another one, which may have them already.
    fn forget_ports(&mut self, token: u64) {
        if let Some(connection) = self.connections.get(&token)
            && self.tokens.get(&connection.ports()) == Some(&token)
        {
            self.tokens.remove(&connection.ports());
        }
    }

    fn remove(&mut self, token: u64) {
        self.forget_ports(token);
        if let Some(connection) = self.connections.remove(&token) {
            self.room += connection.room();
            self.ready.retain(|&other| other != token);
        }
    }

    /// The guest asks for a connection with a socket of the host.
    fn connect(&mut self, ports: Ports, credit: Credit) -> io::Result<()> {
        let room = self.allot()?;
        let mut path = self.path.clone().into_os_string();
        path.push(format!("_{}", ports.host));
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(&*path)?)?;
        let connection = Connection::granted(ports, UnixStream::from(socket), room, credit);
        let token = self.new_token();
        self.poll.add(connection.stream(), token)?;
        self.insert(token, connection);
        Ok(())
    }

    /// Takes those who wait.
    fn accept(&mut self) {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    // Without descriptors they wait until somebody has gone.
                    self.is_wanted = error.kind() != io::ErrorKind::WouldBlock;
                    return;
                }
            };
            let token = self.new_token();
            let Ok(greeting) = Greeting::new(stream) else {
                continue;
            };
            if self.poll.add(greeting.stream(), token).is_ok() {
                if self.greetings.len() == MOST_GREETINGS {
                    self.greetings.pop_first();
                }
                self.greetings.insert(token, greeting);
            }
        }
    }

    /// Somebody may have said which port he wants.
    fn hear(&mut self, token: u64) {
        let Some(greeting) = self.greetings.get_mut(&token) else {
            return;
        };
        match greeting.hear() {
            Heard::NotYet => {}
            Heard::Nothing => drop(self.greetings.remove(&token)),
            Heard::Port(guest) => {
                let greeting = self.greetings.remove(&token).expect("it was there");
                // Without room he is hung up on.
                if let Ok(room) = self.allot() {
                    let ports = Ports {
                        host: self.free_port(guest),
                        guest,
                    };
                    let mut connection = Connection::wanted(ports, greeting.into_stream(), room);
                    // What follows has been told already.
                    connection.changed(true, false, false);
                    self.insert(token, connection);
                }
            }
        }
    }

    /// A port of the host that has no connection with the guest's `guest`.
    fn free_port(&mut self, guest: u32) -> u32 {
        loop {
            let host = self.next_port;
            self.next_port = host.checked_add(1).unwrap_or(FIRST_PORT);
            if !self.tokens.contains_key(&Ports { host, guest }) {
                return host;
            }
        }
    }

    /// Memory for one more connection; it is taken when the connection is inserted.
    fn allot(&self) -> io::Result<u32> {
        let room = if self.room >= PLENTY { MUCH } else { LITTLE };
        match self.connections.len() {
            ..MOST_CONNECTIONS => Ok(room),
            _ => Err(io::ErrorKind::QuotaExceeded.into()),
        }
    }

    fn insert(&mut self, token: u64, connection: Connection) {
        self.room -= connection.room();
        self.tokens.insert(connection.ports(), token);
        self.connections.insert(token, connection);
        self.look_at(token);
    }

    const fn new_token(&mut self) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        token
    }
}
