//! The bridge, and what a guest does to it.

use std::sync::Arc;

use arbitrary::Arbitrary;
use devices::bus::Registers as _;
use devices::pci::{Bridge, BridgeWindow, Change, Fittings, MessageKind, SPACES, Space, Tce};
use devices::virtio::Turns;
use devices_fuzz::memory::{BASE, Memory};

use crate::driver;
use crate::functions::{Ear, Echo, Registers, transport};

/// Sources of the lines, and of messages: so many.
const FIRST_LINE: u32 = 0x1001;
const FIRST_MESSAGE: u32 = 0x1005;
const MESSAGES: u32 = 5;

/// Functions behind the bridge: the first is the virtio device.
const FUNCTIONS: u8 = 2;
const ECHO: u8 = 0;
const REGISTERS: u8 = 1;

/// Bytes of memory.
const BYTES: usize = 0x2000;

#[derive(Arbitrary, Debug)]
pub enum Step {
    /// Configuration space: anywhere, or of a function.
    Load {
        address: u32,
        size: u8,
    },
    Store {
        address: u32,
        size: u8,
        value: u32,
    },
    LoadOf {
        device: u8,
        register: u8,
        size: u8,
    },
    StoreOf {
        device: u8,
        register: u8,
        size: u8,
        value: u32,
    },
    /// The command register, with sensible bits.
    Command {
        device: u8,
        bits: u8,
    },
    /// Message control of MSI-X.
    Msix {
        device: u8,
        control: u8,
    },
    /// `ibm,change-msi`.
    ChangeMsi {
        address: u32,
        kind: u8,
        count: u8,
        is_known: bool,
    },
    /// A window of the bridge.
    Window {
        space: u8,
        offset: u64,
        bytes: [u8; 16],
        count: u8,
        stores: bool,
    },
    /// At or near a BAR, wherever it is now.
    Bar {
        device: u8,
        bar: u8,
        offset: u16,
        bytes: [u8; 16],
        count: u8,
        stores: bool,
    },
    /// The common configuration of the virtio device, at a register.
    Common {
        register: u8,
        value: u32,
    },
    /// An address of a queue that is memory.
    Address {
        register: u8,
        at: u16,
    },
    /// What a driver does at the start, all of it but some steps.
    Start {
        without: u16,
        ring: u8,
    },
    /// A chain, and a notification.
    Offer {
        readable: u8,
        writable: u8,
    },
    /// Any bytes in memory.
    Memory {
        at: u16,
        bytes: [u8; 8],
    },
    /// The device's thread has a turn.
    Turn,
    /// The device's configuration changes.
    Change,
    /// The other function signals, or moves its line.
    Signal {
        vector: u8,
    },
    Line {
        up: bool,
    },
    /// Translations.
    Tce {
        at: u32,
        tce: u64,
        count: u16,
    },
    /// The bus is reset.
    Reset,
}

pub struct World {
    pub bridge: Arc<Bridge>,
    pub memory: Arc<Memory>,
    windows: [BridgeWindow; 3],
    ear: Arc<Ear>,
    echo: Arc<Echo>,
    registers: Arc<Registers>,
    turns: Turns,
    /// Where each line is.
    lines: [bool; 4],
    /// What is read-only of each function's configuration space, as it was.
    fixed: [Vec<u32>; FUNCTIONS as usize],
    available: u16,
}

impl World {
    pub fn new() -> Self {
        let ear = Arc::new(Ear::default());
        let memory = Memory::new(BYTES);
        memory.permit(BASE..BASE + BYTES as u64, true);
        let for_devices = Arc::clone(&memory);
        let bridge = Arc::new(Bridge::new(Fittings {
            sources: Arc::clone(&ear) as _,
            first_line: FIRST_LINE,
            first_message: FIRST_MESSAGE,
            messages: MESSAGES,
            memory: Box::new(move || Arc::clone(&for_devices) as _),
            porter: None,
        }));
        let echo = Arc::<Echo>::default();
        let (mut made_transport, mut made_registers) = (None, None);
        let plugged = bridge.plug(|socket| {
            let transport = transport(&echo, socket);
            made_transport = Some(Arc::clone(&transport));
            transport
        });
        assert_eq!(plugged, Ok(ECHO));
        let plugged = bridge.plug(|socket| {
            let registers = Registers::new(socket);
            made_registers = Some(Arc::clone(&registers));
            registers
        });
        assert_eq!(plugged, Ok(REGISTERS));
        let turns = made_transport.expect("it was plugged").turns();
        let mut world = Self {
            windows: SPACES.map(|space| bridge.window(space)),
            bridge,
            memory,
            ear,
            echo,
            registers: made_registers.expect("it was plugged"),
            turns: turns.expect("the host has descriptors"),
            lines: [false; 4],
            fixed: Default::default(),
            available: 0,
        };
        world.fixed = [ECHO, REGISTERS].map(|device| world.fixed(device));
        world
    }

    pub fn play(&mut self, step: &Step) {
        self.take(step);
        self.check();
    }

    /// A driver that keeps to the specification finds a device that works.
    pub fn end(mut self) {
        self.check_fixed();
        self.bridge.reset();
        self.check();
        while self.turn() {}
        self.check();
        driver::drive(&mut self);
        self.turns.end();
    }

    /// The device's thread has a turn, if it has something to do.
    pub fn turn(&mut self) -> bool {
        self.turns.take(Some(0))
    }

    fn take(&mut self, step: &Step) {
        let bridge = Arc::clone(&self.bridge);
        match *step {
            Step::Load { address, size } => _ = bridge.load_config(address, size.into()),
            Step::Store { address, size, value } => _ = bridge.store_config(address, size.into(), value),
            Step::LoadOf { device, register, size } => {
                let (address, size) = aligned(device, register, size);
                assert!(bridge.load_config(address, size).is_ok(), "it is there");
            }
            Step::StoreOf {
                device,
                register,
                size,
                value,
            } => {
                let (address, size) = aligned(device, register, size);
                assert!(bridge.store_config(address, size, value).is_ok(), "it is there");
            }
            Step::Command { device, bits } => {
                // I/O, memory and master; INTA's disable bit.
                let bits = u32::from(bits & 7) | u32::from(bits >> 3 & 1) << 10;
                self.set_config(device % FUNCTIONS, 4, 2, bits);
            }
            Step::Msix { device, control } => {
                let device = device % FUNCTIONS;
                let at = self.capability(device, 0x11);
                self.set_config(device, at + 2, 2, u32::from(control & 3) << 14);
            }
            Step::ChangeMsi {
                address: at,
                kind,
                count,
                is_known,
            } => {
                let at = if is_known { address(at as u8 % FUNCTIONS) } else { at };
                let change = match kind % 5 {
                    0 => Change::Query,
                    1 => Change::Default,
                    2 => Change::Set(MessageKind::Any, count.into()),
                    3 => Change::Set(MessageKind::Msi, count.into()),
                    _ => Change::Set(MessageKind::MsiX, count.into()),
                };
                _ = bridge.change_msi(at, change);
            }
            Step::Window {
                space,
                offset,
                ref bytes,
                count,
                stores,
            } => {
                let space = SPACES[usize::from(space % 3)];
                // The machine's bus gives only what lies in the window.
                let offset = offset % (space.window().bytes - 16);
                self.access(space, space.window().bus + offset, &bytes[..width(count)], stores);
            }
            Step::Bar {
                device,
                bar,
                offset,
                ref bytes,
                count,
                stores,
            } => {
                if let Some((space, at)) = self.bar(device % FUNCTIONS, u32::from(bar % 6)) {
                    self.access(space, at + u64::from(offset), &bytes[..width(count)], stores);
                }
            }
            Step::Common { register, value } => self.store_common(register.into(), value),
            Step::Address { register, at } => {
                // Of the three addresses one, its low half.
                let register = 32 + 8 * u64::from(register % 3);
                let at = BASE as u32 + u32::from(at) % BYTES as u32;
                self.store_virtio(register, &at.to_le_bytes());
            }
            Step::Start { without, ring } => self.start(without, ring),
            Step::Offer { readable, writable } => {
                driver::offer(self, self.available, readable, writable);
                self.available = self.available.wrapping_add(1);
            }
            Step::Memory { at, bytes } => self.memory.set(BASE + u64::from(at) % BYTES as u64, &bytes),
            Step::Turn => _ = self.turn(),
            Step::Change => self.echo.change(),
            Step::Signal { vector } => self.registers.socket.slot.signal(vector.into()),
            Step::Line { up } => self.registers.set_line(up),
            Step::Tce { at, tce, count } => {
                let is_memory = |page| (BASE..BASE + BYTES as u64).contains(&page);
                _ = bridge
                    .tces()
                    .stuff(at.into(), Tce::from_raw(tce), count.into(), is_memory);
            }
            Step::Reset => {
                self.check_fixed();
                bridge.reset();
            }
        }
    }

    /// A driver's steps at the start, but for those whose bits are in `without`.
    fn start(&mut self, without: u16, ring: u8) {
        self.set_config(ECHO, 4, 2, if without >> 15 == 0 { 6 } else { 2 });
        let steps = driver::start(u16::from(ring % 3));
        for (number, (register, bytes)) in steps.iter().enumerate() {
            if without >> number.min(14) & 1 == 0 {
                self.store_virtio(*register, bytes);
            }
        }
        self.available = 0;
    }

    fn store_common(&self, register: u64, value: u32) {
        // Each field in its width, mostly.
        let width = match register % 64 {
            20 | 21 => 1,
            16..32 => 2,
            _ => 4,
        };
        self.store_virtio(register % 64, &value.to_le_bytes()[..width]);
    }

    /// Stores to the BAR of the virtio device, wherever it is.
    pub fn store_virtio(&self, offset: u64, bytes: &[u8]) {
        if let Some((space, at)) = self.bar(ECHO, 0) {
            self.access(space, at + offset, bytes, true);
        }
    }

    /// Loads from it.
    pub fn load_virtio(&self, offset: u64, into: &mut [u8]) {
        if let Some((space, at)) = self.bar(ECHO, 0) {
            self.window(space).load(at + offset - space.window().bus, into);
        }
    }

    /// Where BAR `number` is, if its window leads there and 64 KiB further.
    fn bar(&self, device: u8, number: u32) -> Option<(Space, u64)> {
        let low = self.config(device, 0x10 + 4 * number, 4);
        let (space, high) = match low & 7 {
            1 | 5 => (Space::Io, 0),
            4 if number < 5 => (Space::Memory64, self.config(device, 0x14 + 4 * number, 4)),
            _ => (Space::Memory32, 0),
        };
        let window = space.window();
        let at = u64::from(high) << 32 | u64::from(low & !0xf);
        let is_reached = at >= window.bus && at - window.bus < window.bytes.saturating_sub(0x1_0010);
        (is_reached || space == Space::Io && at < 0xff00).then_some((space, at))
    }

    fn window(&self, space: Space) -> &BridgeWindow {
        let which = SPACES.iter().position(|other| *other == space);
        &self.windows[which.expect("it is one of them")]
    }

    fn access(&self, space: Space, at: u64, bytes: &[u8], stores: bool) {
        let window = space.window();
        let offset = at - window.bus;
        if offset + bytes.len() as u64 > window.bytes {
            return;
        }
        match stores {
            true => self.window(space).store(offset, bytes),
            false => self.window(space).load(offset, &mut vec![0; bytes.len()]),
        }
    }

    pub fn config(&self, device: u8, register: u32, size: u32) -> u32 {
        let loaded = self.bridge.load_config(address(device) | register, size);
        loaded.expect("the register is there")
    }

    pub fn set_config(&self, device: u8, register: u32, size: u32, value: u32) {
        let stored = self.bridge.store_config(address(device) | register, size, value);
        stored.expect("the register is there");
    }

    /// Where the capability with this ID is.
    pub fn capability(&self, device: u8, id: u32) -> u32 {
        let mut at = self.config(device, 0x34, 1);
        while self.config(device, at, 1) != id {
            at = self.config(device, at + 1, 1);
            assert_ne!(at, 0, "the list has it");
        }
        at
    }

    /// Devices may use memory while their function is master of the bus: the virtio device alone uses it.
    fn follow_master(&self) {
        let is_master = self.config(ECHO, 4, 2) >> 2 & 1 == 1;
        self.memory.open(is_master);
    }

    /// What is read-only of the configuration space of `device`: PCI Local Bus 3.0, 6.1, and the capabilities but for what they are there for.
    fn fixed(&self, device: u8) -> Vec<u32> {
        let words = |range: std::ops::Range<u32>| range.step_by(4).map(|at| self.config(device, at, 4));
        // The status register's bits but that of INTA.
        let status = self.config(device, 6, 2) & !8;
        let msix = self.capability(device, 0x11);
        let table = [msix + 4, msix + 8].map(|at| self.config(device, at, 4));
        let size = self.config(device, msix + 2, 2) & 0x7ff;
        // The upper half of a wide one has an address everywhere.
        let wide = if device == ECHO { 0 } else { 4 };
        let kinds = (0..6).filter(|bar| *bar != wide + 1);
        let kinds = kinds.map(|bar| self.config(device, 0x10 + 4 * bar, 4) & 0xf);
        words(0..4)
            .chain(words(8..0xc))
            .chain(words(0x28..0x3c))
            .chain([status, size, self.config(device, 0x3d, 1)])
            .chain(table)
            .chain(kinds)
            .collect()
    }

    fn check_fixed(&self) {
        for device in [ECHO, REGISTERS] {
            let fixed = &self.fixed[usize::from(device)];
            assert_eq!(
                self.fixed(device),
                *fixed,
                "what is read-only of device {device} has changed"
            );
        }
    }

    /// What must hold, whatever the guest does.
    fn check(&mut self) {
        self.follow_master();
        let mut heard = self.ear.0.lock().expect("a fuzzer ends with the first panic");
        for (source, level) in heard.drain(..) {
            match level {
                None => assert!(
                    (FIRST_MESSAGE..FIRST_MESSAGE + MESSAGES).contains(&source),
                    "message {source:#x}"
                ),
                Some(up) => {
                    let line = &mut self.lines[(source - FIRST_LINE) as usize];
                    assert_ne!(*line, up, "a line moves only when it changes");
                    *line = up;
                }
            }
        }
        drop(heard);
        // A source has one owner.
        let numbers = [ECHO, REGISTERS]
            .into_iter()
            .flat_map(|device| (0..6).map(move |number| (device, number)));
        let owned = numbers.filter_map(|(device, number)| self.bridge.source_number(address(device), number).ok());
        let mut seen = Vec::new();
        for source in owned {
            assert!(!seen.contains(&source), "{source:x?} has two owners");
            seen.push(source);
        }
        for device in [ECHO, REGISTERS] {
            let asks = self.config(device, 6, 2) >> 3 & 1 == 1;
            let is_disabled = self.config(device, 4, 2) >> 10 & 1 == 1;
            assert_eq!(
                self.lines[usize::from(device)],
                asks && !is_disabled,
                "the line of device {device}"
            );
        }
        let wants = *self
            .registers
            .wants_line
            .lock()
            .expect("a fuzzer ends with the first panic");
        let has_msix = self.config(REGISTERS, self.capability(REGISTERS, 0x11) + 2, 2) >> 15 == 1;
        assert_eq!(self.config(REGISTERS, 6, 2) >> 3 & 1 == 1, wants && !has_msix);
    }
}

/// The address of a function's configuration space.
fn address(device: u8) -> u32 {
    u32::from(device) << 11
}

/// An access to a function's configuration space that is one.
fn aligned(device: u8, register: u8, size: u8) -> (u32, u32) {
    let size = 1 << (size % 3);
    (address(device % FUNCTIONS) | u32::from(register) & !(size - 1), size)
}

/// How many bytes an access has.
fn width(count: u8) -> usize {
    match count % 8 {
        0..4 => 4,
        4 => 1,
        5 => 2,
        6 => 8,
        _ => 1 + usize::from(count >> 3) % 16,
    }
}
