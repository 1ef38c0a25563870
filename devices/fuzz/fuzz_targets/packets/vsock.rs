//! A socket device.

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::PathBuf;

use arbitrary::Arbitrary;
use devices::virtio::vsock::Vsock;
use devices_fuzz::memory::Memory;
use devices_fuzz::ring::{DATA, Used};

use crate::life::{self, Life};

/// The guest's context ID, and the host's.
const GUEST: u32 = 3;
const HOST: u64 = 2;

/// Bytes of a packet's header (virtio 1.2, 5.10.6).
const HEADER: u32 = 44;

/// Numbers of the queues.
const TO_GUEST: usize = 0;
const FROM_GUEST: usize = 1;

/// The port of the host at which somebody listens.
const PORT: u32 = 1;

/// Where packets from the guest are, and room for those to it.
const PACKET: u64 = DATA;
const ROOM: u64 = DATA + 0x4000;
const ROOM_BYTES: u32 = 0x1000;

#[derive(Arbitrary, Debug)]
pub enum Step {
    /// What is done to any device.
    Any(life::Step),
    /// A packet as it should be, mostly.
    Packet {
        from: u8,
        to: u8,
        operation: u8,
        flags: u8,
        bytes: u16,
        credit: [u32; 2],
        strange: u8,
    },
    /// Room for packets.
    Room { first: u8, bytes: u16 },
    /// A program of the host connects to the device and says this.
    Connect { port: u8, is_right: bool },
    /// A program of the host takes what the guest connects to.
    Accept,
    /// It says so much.
    Say { which: u8, bytes: u16 },
    /// It listens.
    Hear { which: u8 },
    /// It goes.
    Leave { which: u8 },
}

pub struct World {
    life: Life,
    programs: Vec<UnixStream>,
}

/// Programs of the host at the same time.
const MOST: usize = 6;

/// The host's sockets, the same for all inputs, as making them takes longer than most inputs.
struct Sockets {
    address: SocketAddr,
    /// The device's own socket.
    own: UnixListener,
    /// Who listens on the host, from the first packet to its port on.
    listener: Option<UnixListener>,
    /// Where.
    path: PathBuf,
}

thread_local! {
    static SOCKETS: RefCell<Sockets> = RefCell::new(Sockets::new());
}

/// The beginning of the names of files that the guest's connections go to.
fn beginning() -> PathBuf {
    std::env::temp_dir().join(format!("pteg-fuzz-{}", std::process::id()))
}

impl Sockets {
    fn new() -> Self {
        // No file: the other one must be a file, as the guest's connections go to files.
        let name = format!("pteg-fuzz-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name).expect("it is short");
        let own = UnixListener::bind_addr(&address).expect("nobody has it");
        own.set_nonblocking(true).expect("a socket can be so");
        let mut path = beginning().into_os_string();
        path.push(format!("_{PORT}"));
        Self {
            address,
            own,
            listener: None,
            path: path.into(),
        }
    }

    /// Nobody waits for an answer. Returns the device's socket.
    fn start(&self) -> UnixListener {
        for listener in self.listener.iter().chain([&self.own]) {
            while listener.accept().is_ok() {}
        }
        self.own.try_clone().expect("the host has descriptors")
    }

    /// Most inputs are done before a file could be made.
    fn listen(&mut self) {
        let path = &self.path;
        self.listener.get_or_insert_with(|| {
            // A process of this number that was killed has left it.
            let _ = std::fs::remove_file(path);
            let listener = UnixListener::bind(path).expect("nobody has it");
            listener.set_nonblocking(true).expect("a socket can be so");
            listener
        });
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        if self.listener.is_some() {
            _ = std::fs::remove_file(&self.path);
        }
    }
}

impl World {
    pub fn new() -> Self {
        let own = SOCKETS.with_borrow(Sockets::start);
        Self {
            life: Life::new(Vsock::new(GUEST, own, beginning())),
            programs: Vec::new(),
        }
    }

    pub fn play(&mut self, step: Step) {
        match step {
            Step::Any(step) => self.life.play(&step),
            Step::Packet {
                from,
                to,
                operation,
                flags,
                bytes,
                credit,
                strange,
            } => {
                let bytes = bytes % 0x2000;
                // Few ports, so that they meet again; those of the host's programs are from 2^30 on.
                let to = if to & 4 == 0 {
                    u32::from(to & 3)
                } else {
                    1 << 30 | u32::from(to & 3)
                };
                if to == PORT {
                    SOCKETS.with_borrow_mut(Sockets::listen);
                }
                let is = |which| strange == which;
                let mut header = Vec::new();
                header.extend(u64::from(GUEST + u32::from(is(1))).to_le_bytes());
                header.extend((HOST + u64::from(is(2))).to_le_bytes());
                header.extend(u32::from(from & 3).to_le_bytes());
                header.extend(to.to_le_bytes());
                header.extend((u32::from(bytes) + u32::from(is(3))).to_le_bytes());
                header.extend((1 + u16::from(is(4))).to_le_bytes());
                header.extend(u16::from(if is(5) { operation } else { operation % 8 }).to_le_bytes());
                header.extend(u32::from(flags).to_le_bytes());
                header.extend(credit.iter().flat_map(|word| word.to_le_bytes()));
                self.life.memory.set(PACKET, &header);
                let buffers = [(PACKET, HEADER + u32::from(bytes), false)];
                self.life.rings[FROM_GUEST].offer(from, &buffers, None);
                self.life.kick(FROM_GUEST);
            }
            Step::Room { first, bytes } => {
                let bytes = HEADER + u32::from(bytes) % (ROOM_BYTES - HEADER);
                let at = ROOM + u64::from(ROOM_BYTES) * u64::from(first % 8);
                self.life.rings[TO_GUEST].offer(first % 8, &[(at, bytes, true)], None);
                self.life.kick(TO_GUEST);
            }
            Step::Connect { port, is_right } => {
                if let Ok(mut stream) = SOCKETS.with_borrow(|sockets| UnixStream::connect_addr(&sockets.address)) {
                    let line = if is_right { "CONNECT" } else { "" };
                    _ = writeln!(stream, "{line} {}", port & 3);
                    self.add(stream);
                }
            }
            Step::Accept => {
                let accepted = SOCKETS.with_borrow(|sockets| sockets.listener.as_ref().map(UnixListener::accept));
                if let Some(Ok((stream, _))) = accepted {
                    self.add(stream);
                }
            }
            Step::Say { which, bytes } => {
                if let Some(mut stream) = self.program(which) {
                    _ = stream.write(&vec![0x5a; bytes.into()]);
                }
            }
            Step::Hear { which } => {
                if let Some(mut stream) = self.program(which) {
                    _ = stream.read(&mut [0; 0x1000]);
                }
            }
            Step::Leave { which } => {
                if !self.programs.is_empty() {
                    self.programs.remove(usize::from(which) % self.programs.len());
                }
            }
        }
        self.life.ready();
        self.look();
    }

    fn add(&mut self, stream: UnixStream) {
        stream.set_nonblocking(true).expect("a socket can be so");
        if self.programs.len() == MOST {
            self.programs.remove(0);
        }
        self.programs.push(stream);
    }

    fn program(&self, which: u8) -> Option<&UnixStream> {
        self.programs.get(usize::from(which) % self.programs.len().max(1))
    }

    /// What the device gives is a packet to the guest.
    fn look(&mut self) {
        // Of several one may lie where another has been.
        if let [Used { written, at: Some(at) }] = *self.life.rings[TO_GUEST].take_used() {
            check(&self.life.memory, at, written);
        }
        for queue in [FROM_GUEST, 2] {
            let taken = self.life.rings[queue].take_used();
            assert!(taken.iter().all(|used| used.written == 0), "there is nothing to write");
        }
    }
}

/// What is at `at` is a packet of so many bytes.
fn check(memory: &Memory, at: u64, written: u32) {
    let long = |offset| memory.get(at + offset).map(u64::from_le_bytes);
    let word = |offset| memory.get_u32(at + offset);
    assert_eq!(
        (long(0), long(8)),
        (Some(HOST), Some(GUEST.into())),
        "from whom, to whom"
    );
    assert_eq!(written, HEADER + word(24), "a packet and its bytes");
    let operation = memory.get_u16(at + 30);
    assert!((1..=7).contains(&operation), "operation {operation}");
    assert!(operation == 5 || word(24) == 0, "bytes of operation {operation}");
}
