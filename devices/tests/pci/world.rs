//! A bridge with functions that are register files, and what it does to the machine around it.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use devices::bus::Registers;
use devices::dma::{BadAddress, Dma, DmaError};
use devices::interrupt::Sources;
use devices::pci::{Bar, Bridge, Doorbell, Fittings, Function, Identity, Plugged, Porter, Socket, Space};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

/// Sources of the lines.
pub const FIRST_LINE: u32 = 0x1001;
/// Sources of messages.
pub const FIRST_MESSAGE: u32 = 0x1005;
/// How many there are.
pub const MESSAGES: u32 = 8;

/// What reached the interrupt sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Edge(u32),
    Level(u32, bool),
}

#[derive(Default)]
pub struct Ear(Mutex<Vec<Heard>>);

impl Ear {
    /// What was heard since the last call.
    pub fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Sources for Ear {
    fn pulse(&self, number: u32) {
        self.0.lock().unwrap().push(Heard::Edge(number));
    }

    fn set_level(&self, number: u32, up: bool) {
        self.0.lock().unwrap().push(Heard::Level(number, up));
    }
}

/// 64 KiB of memory.
pub struct Memory(Mutex<Vec<u8>>);

impl Memory {
    fn range(at: u64, bytes: usize) -> Result<std::ops::Range<usize>, BadAddress> {
        let end = at.checked_add(bytes as u64).filter(|&end| end <= 0x1_0000);
        let bytes = bytes as u64;
        let end = end.ok_or(BadAddress { at, bytes })?;
        Ok(at as usize..end as usize)
    }
}

impl Dma for Memory {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), DmaError> {
        into.copy_from_slice(&self.0.lock().unwrap()[Self::range(at, into.len())?]);
        Ok(())
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), DmaError> {
        self.0.lock().unwrap()[Self::range(at, from.len())?].copy_from_slice(from);
        Ok(())
    }
}

/// A kernel that can ring, as KVM does: each place has one doorbell at most.
#[derive(Default)]
pub struct Kernel {
    /// Real addresses, and what is rung there.
    hung: Mutex<BTreeMap<u64, RawFd>>,
    pub refuses: AtomicBool,
    /// Takes none down.
    pub keeps: AtomicBool,
}

impl Kernel {
    pub fn hung(&self) -> BTreeMap<u64, RawFd> {
        self.hung.lock().unwrap().clone()
    }
}

impl Porter for Kernel {
    fn hang(&self, real: u64, event: &EventFd) -> bool {
        if self.refuses.load(Ordering::Relaxed) {
            return false;
        }
        let before = self.hung.lock().unwrap().insert(real, event.as_raw_fd());
        assert_eq!(before, None, "one hangs there: {real:#x}");
        true
    }

    fn take_down(&self, real: u64, event: &EventFd) -> bool {
        let mut all = self.hung.lock().unwrap();
        assert_eq!(
            all.get(&real),
            Some(&event.as_raw_fd()),
            "it does not hang there: {real:#x}"
        );
        let is_willing = !self.keeps.load(Ordering::Relaxed);
        is_willing && all.remove(&real).is_some()
    }
}

/// A function whose windows hold what is stored to them.
pub struct RegisterFile {
    pub socket: Socket,
    pub events: Vec<Arc<EventFd>>,
    shape: Shape,
    windows: Mutex<Vec<Vec<u8>>>,
    /// The accesses that came: BAR, offset, length.
    pub made: Mutex<Vec<(usize, u64, usize)>>,
    pub resets: Mutex<usize>,
    window: Mutex<[u8; 4]>,
}

/// What a function is.
#[derive(Clone, Debug)]
pub struct Shape {
    pub bars: Vec<(usize, Bar)>,
    pub vectors: u16,
    pub capabilities: Vec<Vec<u8>>,
    /// BAR and offset of each.
    pub doorbells: Vec<(usize, u64)>,
}

impl Default for Shape {
    /// A window of each kind, three vectors, and no doorbells.
    fn default() -> Self {
        Self {
            bars: vec![
                bar(0, Space::Io, 64),
                bar(2, Space::Memory32, 0x1000),
                bar(4, Space::Memory64, 0x2000),
            ],
            vectors: 3,
            capabilities: vec![vec![0x55; 6]],
            doorbells: Vec::new(),
        }
    }
}

pub fn bar(number: usize, space: Space, bytes: u64) -> (usize, Bar) {
    (number, Bar { bytes, space })
}

pub const IDENTITY: Identity = Identity {
    vendor: 0x1af4,
    device: 0x10ff,
    subsystem_vendor: 0x1af4,
    subsystem: 0x1234,
    revision: 7,
    class: 0xff_00_01,
};

impl RegisterFile {
    pub fn new(socket: Socket, shape: Shape) -> Self {
        let size = |number| {
            shape
                .bars
                .iter()
                .find(|(n, _)| *n == number)
                .map_or(0, |(_, bar)| bar.bytes.min(0x2000))
        };
        let event = |_| Arc::new(EventFd::new(EFD_NONBLOCK).unwrap());
        Self {
            events: shape.doorbells.iter().map(event).collect(),
            windows: Mutex::new((0..6).map(|number| vec![0; size(number) as usize]).collect()),
            socket,
            shape,
            made: Mutex::default(),
            resets: Mutex::default(),
            window: Mutex::default(),
        }
    }
}

impl Function for RegisterFile {
    fn identity(&self) -> Identity {
        IDENTITY
    }

    fn bars(&self) -> Vec<(usize, Bar)> {
        self.shape.bars.clone()
    }

    fn capabilities(&self) -> Vec<Vec<u8>> {
        self.shape.capabilities.clone()
    }

    fn vectors(&self) -> u16 {
        self.shape.vectors
    }

    fn load(&self, bar: usize, offset: u64, into: &mut [u8]) {
        self.made.lock().unwrap().push((bar, offset, into.len()));
        let windows = self.windows.lock().unwrap();
        into.copy_from_slice(&windows[bar][offset as usize..][..into.len()]);
    }

    fn store(&self, bar: usize, offset: u64, from: &[u8]) {
        self.made.lock().unwrap().push((bar, offset, from.len()));
        let mut windows = self.windows.lock().unwrap();
        windows[bar][offset as usize..][..from.len()].copy_from_slice(from);
    }

    /// Two bytes of the capability are live.
    fn load_capability(&self, number: usize, offset: usize, into: &mut [u8]) {
        assert!(number == 0 && offset + into.len() <= 6);
        let live = self.window.lock().unwrap();
        for (at, byte) in (offset..).zip(into) {
            if at >= 2 {
                *byte = live[at - 2];
            }
        }
    }

    fn store_capability(&self, number: usize, offset: usize, from: &[u8]) {
        assert!(number == 0 && offset + from.len() <= 6);
        let mut live = self.window.lock().unwrap();
        for (at, byte) in (offset..).zip(from) {
            if at >= 2 {
                live[at - 2] = *byte;
            }
        }
    }

    fn doorbells(&self) -> Vec<Doorbell> {
        let all = self.shape.doorbells.iter().zip(&self.events);
        let doorbell = |(&(bar, offset), event): (&(usize, u64), &Arc<EventFd>)| Doorbell {
            bar,
            offset,
            event: Arc::clone(event),
        };
        all.map(doorbell).collect()
    }

    fn reset(&self) {
        *self.resets.lock().unwrap() += 1;
        self.socket.slot.set_line(false);
    }
}

/// The bridge, and all around it.
pub struct World {
    pub bridge: Arc<Bridge>,
    pub functions: Vec<Arc<RegisterFile>>,
    pub ear: Arc<Ear>,
    pub kernel: Arc<Kernel>,
}

impl World {
    /// With a function of each of `shapes`.
    pub fn new(shapes: &[Shape]) -> Self {
        let ear = Arc::new(Ear::default());
        let kernel = Arc::new(Kernel::default());
        let memory: Arc<dyn Dma> = Arc::new(Memory(Mutex::new(vec![0xaa; 0x1_0000])));
        let bridge = Bridge::new(Fittings {
            sources: Arc::clone(&ear) as Arc<_>,
            first_line: FIRST_LINE,
            first_message: FIRST_MESSAGE,
            messages: MESSAGES,
            memory: Box::new(move || Arc::clone(&memory)),
            porter: Some(Arc::clone(&kernel) as Arc<_>),
        });
        let mut world = Self {
            bridge: Arc::new(bridge),
            functions: Vec::new(),
            ear,
            kernel,
        };
        for shape in shapes {
            world.plug(shape.clone()).unwrap();
        }
        world
    }

    /// Plugs another one.
    pub fn plug(&mut self, shape: Shape) -> Result<u8, devices::pci::PlugError> {
        let mut made = None;
        let device = self.bridge.plug(|socket| {
            let function = Arc::new(RegisterFile::new(socket, shape));
            made = Some(Arc::clone(&function));
            function
        })?;
        self.functions.extend(made);
        Ok(device)
    }

    pub fn plugged(&self, device: u8) -> Plugged {
        self.bridge.plugged().swap_remove(device.into())
    }

    /// Loads from configuration space.
    pub fn config(&self, device: u8, register: u32, size: u32) -> u32 {
        self.bridge.load_config(address(device) | register, size).unwrap()
    }

    pub fn set_config(&self, device: u8, register: u32, size: u32, value: u32) {
        self.bridge
            .store_config(address(device) | register, size, value)
            .unwrap();
    }

    /// Loads at a bus address.
    pub fn load<const N: usize>(&self, space: Space, at: u64) -> [u8; N] {
        let mut bytes = [0x77; N];
        let offset = at.wrapping_sub(space.window().bus);
        self.bridge.window(space).load(offset, &mut bytes);
        bytes
    }

    pub fn store(&self, space: Space, at: u64, bytes: &[u8]) {
        let offset = at.wrapping_sub(space.window().bus);
        self.bridge.window(space).store(offset, bytes);
    }

    /// Bus address of the MSI-X table of `device`, as a guest finds it: in the capability, and the BAR that this names.
    pub fn table(&self, device: u8) -> u64 {
        let at = self.capability(device, 0x11).unwrap();
        let bar = self.config(device, at + 4, 4);
        assert_eq!(bar & !7, 0);
        u64::from(self.config(device, 0x10 + 4 * bar, 4) & !0xf)
    }

    /// Where the first capability with this ID is.
    pub fn capability(&self, device: u8, id: u32) -> Option<u32> {
        let mut at = self.config(device, 0x34, 1);
        while at != 0 {
            if self.config(device, at, 1) == id {
                return Some(at);
            }
            at = self.config(device, at + 1, 1);
        }
        None
    }

    /// Sets message control.
    pub fn set_msix(&self, device: u8, control: u32) {
        let at = self.capability(device, 0x11).unwrap();
        self.set_config(device, at + 2, 2, control);
    }
}

/// The address of a function's configuration space.
pub fn address(device: u8) -> u32 {
    u32::from(device) << 11
}
