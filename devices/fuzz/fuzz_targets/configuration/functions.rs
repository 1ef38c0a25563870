//! What is behind the bridge.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use devices::interrupt::Sources;
use devices::pci::{Bar, Function, Identity, Socket, Space};
use devices::virtio::{Chain, Configuration, Device, Fittings, Queue, Transport, Worker};

/// Longest queues of the echo.
pub const SIZES: [u16; 2] = [8, 4];
/// Bytes of its configuration.
pub const CONFIG: usize = 8;

/// A virtio device that gives back what it is given, in the order in which it was given.
#[derive(Default)]
pub struct Echo {
    config: Mutex<[u8; CONFIG]>,
    configuration: OnceLock<Configuration>,
}

impl Echo {
    /// Its configuration changes by itself.
    pub fn change(&self) {
        let change = || self.config.lock().expect("a fuzzer ends with the first panic")[0] ^= 0xff;
        self.configuration.get().expect("it is attached").change(change);
    }
}

impl Device for Echo {
    fn id(&self) -> u16 {
        0x2a
    }

    fn class(&self) -> u32 {
        0x00_ff_00
    }

    fn features(&self) -> u64 {
        0x15
    }

    fn queue_sizes(&self) -> Vec<u16> {
        SIZES.to_vec()
    }

    fn attach(&self, configuration: Configuration) {
        assert!(self.configuration.set(configuration).is_ok(), "it is called once");
    }

    fn load_config(&self, offset: u64, into: &mut [u8]) {
        let config = self.config.lock().expect("a fuzzer ends with the first panic");
        for (at, byte) in (offset..).zip(into) {
            *byte = config.get(at as usize).copied().unwrap_or(0);
        }
    }

    fn store_config(&self, offset: u64, from: &[u8]) {
        let mut config = self.config.lock().expect("a fuzzer ends with the first panic");
        for (at, byte) in (offset..).zip(from) {
            if let Some(place) = config.get_mut(at as usize) {
                *place = *byte;
            }
        }
    }

    fn start(&self, _features: u64, queues: Vec<(usize, Queue)>) -> io::Result<Box<dyn Worker>> {
        Ok(Box::new(EchoWorker(queues)))
    }
}

struct EchoWorker(Vec<(usize, Queue)>);

impl Worker for EchoWorker {
    fn kicked(&mut self, number: usize) -> io::Result<()> {
        let Some((_, queue)) = self.0.iter_mut().find(|(own, _)| *own == number) else {
            return Ok(());
        };
        // No more than a driver can have waiting: one that goes on for ever would have a turn for ever.
        for _ in 0..queue.size() {
            let Some(chain) = queue.pop()? else { break };
            let written = echo(&chain)?;
            queue.push(chain, written)?;
        }
        queue.signal()
    }
}

fn echo(chain: &Chain) -> io::Result<u32> {
    let count = chain.readable().min(chain.writable()).min(64);
    let mut bytes = vec![0; count as usize];
    chain.read(0, &mut bytes).map_err(io::Error::other)?;
    chain.write(0, &bytes).map_err(io::Error::other)?;
    Ok(count as u32)
}

/// An echo on PCI, in `socket`.
pub fn transport(echo: &Arc<Echo>, socket: Socket) -> Arc<Transport> {
    let fittings = Fittings {
        name: "fuzz".into(),
        is_translated: false,
        report: Box::new(|_| ()),
    };
    let transport = Transport::new(Arc::clone(echo) as _, fittings).expect("the host has descriptors");
    transport.plug(socket);
    Arc::new(transport)
}

/// A function with a window of each kind, which hold what is stored to them.
pub struct Registers {
    pub socket: Socket,
    windows: Mutex<[[u8; Self::BYTES]; 6]>,
    /// As it has put its line.
    pub wants_line: Mutex<bool>,
}

impl Registers {
    const BYTES: usize = 0x1000;

    pub fn new(socket: Socket) -> Arc<Self> {
        Arc::new(Self {
            socket,
            windows: Mutex::new([[0; Self::BYTES]; 6]),
            wants_line: Mutex::new(false),
        })
    }

    pub fn set_line(&self, up: bool) {
        *self.wants_line.lock().expect("a fuzzer ends with the first panic") = up;
        self.socket.slot.set_line(up);
    }
}

impl Function for Registers {
    fn identity(&self) -> Identity {
        Identity {
            vendor: 0x1af4,
            device: 0x10ff,
            subsystem_vendor: 0x1af4,
            subsystem: 0x1234,
            revision: 7,
            class: 0xff_00_01,
        }
    }

    fn bars(&self) -> Vec<(usize, Bar)> {
        let bar = |number, space, bytes| (number, Bar { bytes, space });
        vec![
            bar(0, Space::Io, 64),
            bar(2, Space::Memory32, 0x1000),
            bar(4, Space::Memory64, 0x1000),
        ]
    }

    fn capabilities(&self) -> Vec<Vec<u8>> {
        vec![vec![0x55; 6]]
    }

    fn vectors(&self) -> u16 {
        3
    }

    fn load(&self, bar: usize, offset: u64, into: &mut [u8]) {
        check(offset, into.len());
        let windows = self.windows.lock().expect("a fuzzer ends with the first panic");
        into.copy_from_slice(&windows[bar][offset as usize..][..into.len()]);
    }

    fn store(&self, bar: usize, offset: u64, from: &[u8]) {
        check(offset, from.len());
        let mut windows = self.windows.lock().expect("a fuzzer ends with the first panic");
        windows[bar][offset as usize..][..from.len()].copy_from_slice(from);
    }

    fn reset(&self) {
        self.set_line(false);
    }
}

/// Pieces of an access are naturally aligned.
fn check(offset: u64, bytes: usize) {
    assert!(matches!(bytes, 1 | 2 | 4 | 8) && offset.is_multiple_of(bytes as u64));
}

/// What reached the interrupt sources: edges, and levels with where they are.
#[derive(Default)]
pub struct Ear(pub Mutex<Vec<(u32, Option<bool>)>>);

impl Sources for Ear {
    fn pulse(&self, number: u32) {
        self.0
            .lock()
            .expect("a fuzzer ends with the first panic")
            .push((number, None));
    }

    fn set_level(&self, number: u32, up: bool) {
        self.0
            .lock()
            .expect("a fuzzer ends with the first panic")
            .push((number, Some(up)));
    }
}
