//! The host bridge: the functions in their places, configuration accesses and interrupts as RTAS asks for them (LoPAR, RTAS Call
//! Definition, "PCI Configuration Space", "MSI Support"), and the windows through which processors reach BARs.
//!
//! Locks: `port.rs`. A processor's access looks the BAR up in the routes, and lets go of them before it goes to the function.

use std::sync::{Arc, OnceLock};

use power::rtas::RtasStatus;

use super::bar::Decoder;
use super::config::{Access, Config, MsixPlace};
use super::doorbells::Doorbells;
use super::lines::Lines;
use super::messages::{Assigned, Change, Pool, SourceNumber};
use super::msix::window_bytes;
use super::port::{Coming, Mastered, Port, Shared};
use super::registers::msix;
use super::routes::{Routes, Target};
use super::sync::{Mutex, RwLock};
use super::tce::TceTable;
use super::window::Translated;
use super::windows::{Free, Place, Space};
use super::{Bar, Function, Identity, Porter, Socket};
use crate::bus::Registers;
use crate::dma::Dma;
use crate::interrupt::Sources;

/// What a bridge is connected to.
pub struct Fittings {
    /// The machine's interrupt sources.
    pub sources: Arc<dyn Sources>,
    /// Number of the first of four level-triggered ones.
    pub first_line: u32,
    /// Number of the first edge-triggered one for messages.
    pub first_message: u32,
    /// How many there are of them.
    pub messages: u32,
    /// Makes the guest's memory by real address, for each function one.
    pub memory: MakeMemory,
    /// Who rings the functions' doorbells for processors; `None`: their stores are all calls.
    pub porter: Option<Arc<dyn Porter>>,
}

/// Makes memory for a device.
pub type MakeMemory = Box<dyn Fn() -> Arc<dyn Dma> + Send + Sync>;

/// Why a function cannot be plugged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlugError {
    /// All places are taken.
    #[error("a PCI bus has places for {DEVICES} devices")]
    BusFull,
    /// No room for a BAR.
    #[error("no room for a window of {bytes} bytes on the PCI bus")]
    WindowFull {
        /// How large it is.
        bytes: u64,
    },
    /// The function contradicts itself: which BARs it has, or how much it wants to say.
    #[error("a PCI function that is none: {0}")]
    Function(&'static str),
}

/// A function as the device tree describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugged {
    /// Number of the device; the function's number is 0.
    pub device: u8,
    /// Who it is.
    pub identity: Identity,
    /// MSI-X interrupts that it has.
    pub vectors: u16,
    /// Where its BARs are at the start.
    pub places: Vec<Place>,
}

/// Devices on the bus at most.
const DEVICES: usize = 32;

/// A PCI host bridge and its one bus, number 0.
pub struct Bridge {
    shared: Arc<Shared>,
    ports: [OnceLock<Arc<Port>>; DEVICES],
    plugging: Mutex<Plugging>,
    tces: Arc<TceTable>,
    memory: MakeMemory,
}

struct Plugging {
    free: Free,
    plugged: Vec<Plugged>,
}

impl Bridge {
    /// Its unit ID: the address of its node in the device tree, which leads nowhere else. Linux numbers the bus' domain by the low
    /// 16 bits.
    pub const UNIT: u64 = 0x0800_0000_2000_0000;

    /// Logical bus number of its table of translations.
    pub const LIOBN: u32 = 0x8000_0000;

    /// Bus addresses from 0 that it translates for its devices. As the manual wants a window that is always there: below 4 GiB, pages of
    /// 4 KiB (LoPAR, RTAS Call Definition, "DMA Window Manipulation Calls").
    pub const DMA_BYTES: u64 = 1 << 30;

    /// A bridge with nothing behind it.
    pub fn new(fittings: Fittings) -> Self {
        let Fittings {
            sources,
            first_line,
            first_message,
            messages,
            memory,
            porter,
        } = fittings;
        Self {
            shared: Arc::new(Shared {
                lines: Lines::new(Arc::clone(&sources), first_line),
                sources,
                pool: Mutex::new(Pool::new(first_message, messages)),
                routes: RwLock::new(Routes::default()),
                doorbells: porter.map(Doorbells::new),
            }),
            ports: std::array::from_fn(|_| OnceLock::new()),
            plugging: Mutex::new(Plugging {
                free: Free::all(),
                plugged: Vec::new(),
            }),
            tces: Arc::new(TceTable::new(Self::DMA_BYTES)),
            memory,
        }
    }

    /// Plugs the function that `make` makes into the next place, with its BARs where they are to be, and nothing on. Returns its device number.
    ///
    /// # Errors
    /// There is no place for it; then it is gone.
    pub fn plug(&self, make: impl FnOnce(Socket) -> Arc<dyn Function>) -> Result<u8, PlugError> {
        let coming = Arc::new(Coming::default());
        let memory = (self.memory)();
        let translated = Translated::new(Arc::clone(&self.tces), Arc::clone(&memory));
        let function = make(Socket {
            slot: Arc::clone(&coming) as Arc<_>,
            translated: Arc::new(Mastered::new(&coming, Arc::new(translated))),
            direct: Arc::new(Mastered::new(&coming, memory)),
        });
        let mut plugging = self
            .plugging
            .lock()
            .expect("nothing panics while functions are plugged");
        let device = plugging.plugged.len();
        let place = self.ports.get(device).ok_or(PlugError::BusFull)?;
        let vectors = function.vectors();
        let mut free = plugging.free;
        let (bars, table) = lay_out(&*function, &mut free)?;
        let msix = table.map(|bar| MsixPlace {
            vectors,
            bar,
            pending: (window_bytes(vectors) / 2) as u32,
        });
        let identity = function.identity();
        let doorbells = function.doorbells();
        let config = Config::new(&identity, &bars, &function.capabilities(), msix)
            .ok_or(PlugError::Function("its capabilities take more than 192 bytes"))?;
        let port = Arc::new(Port::new(
            device as u8,
            Arc::clone(&self.shared),
            function,
            config,
            table,
        ));
        coming.arrive(&port);
        if let Some(all) = &self.shared.doorbells {
            all.add(device as u8, doorbells);
        }
        assert!(place.set(port).is_ok(), "places are taken in their order");
        let places = bars.iter().map(|(decoder, at)| Place {
            bar: decoder.number,
            space: decoder.bar.space,
            at: *at,
            bytes: decoder.bar.bytes,
        });
        let plugged = Plugged {
            device: device as u8,
            identity,
            vectors,
            places: places.collect(),
        };
        plugging.free = free;
        plugging.plugged.push(plugged);
        Ok(device as u8)
    }

    /// All functions, by device number.
    pub fn plugged(&self) -> Vec<Plugged> {
        let plugging = self
            .plugging
            .lock()
            .expect("nothing panics while functions are plugged");
        plugging.plugged.clone()
    }

    /// The table of translations.
    pub fn tces(&self) -> &TceTable {
        &self.tces
    }

    /// The registers of the window that leads to `space`.
    pub fn window(self: &Arc<Self>, space: Space) -> BridgeWindow {
        let bridge = Arc::clone(self);
        BridgeWindow { bridge, space }
    }

    /// The bus is reset: all is as the guest found it at the start.
    pub fn reset(&self) {
        self.ports().for_each(|port| port.reset());
        self.tces.reset();
    }

    fn ports(&self) -> impl Iterator<Item = &Arc<Port>> {
        self.ports.iter().filter_map(OnceLock::get)
    }

    /// `ibm,read-pci-config`: `size` bytes of the register that `address` names. All ones where no function is.
    ///
    /// # Errors
    /// What the call answers.
    pub fn load_config(&self, address: u32, size: u32) -> Result<u32, RtasStatus> {
        let named = Named::parse(address, size)?;
        let Some(port) = self.port(named.function) else {
            return Ok(((1_u64 << (8 * size)) - 1) as u32);
        };
        let access = Access::new(named.register, size).ok_or(RtasStatus::ParameterError)?;
        Ok(u32::from_le_bytes(port.load_config(access)))
    }

    /// `ibm,write-pci-config`: the low `size` bytes of `value`. Ignored where no function is.
    ///
    /// # Errors
    /// What the call answers.
    pub fn store_config(&self, address: u32, size: u32, value: u32) -> Result<(), RtasStatus> {
        let named = Named::parse(address, size)?;
        if let Some(port) = self.port(named.function) {
            let access = Access::new(named.register, size).ok_or(RtasStatus::ParameterError)?;
            port.store_config(access, value.to_le_bytes());
        }
        Ok(())
    }

    /// `ibm,change-msi` of the function that `address` names.
    ///
    /// # Errors
    /// What the call answers; nothing has changed.
    pub fn change_msi(&self, address: u32, change: Change) -> Result<Assigned, RtasStatus> {
        self.whole_function(address)?.change_msi(change)
    }

    /// `ibm,query-interrupt-source-number`: the function's interrupt `number`, counted from 0.
    ///
    /// # Errors
    /// What the call answers.
    pub fn source_number(&self, address: u32, number: u32) -> Result<SourceNumber, RtasStatus> {
        let port = self.whole_function(address)?;
        port.source_number(number).ok_or(RtasStatus::NoInterruptAssigned)
    }

    fn port(&self, function: Option<u8>) -> Option<&Arc<Port>> {
        self.ports.get(usize::from(function?))?.get()
    }

    /// The function that `address` names, whose register must be 0.
    fn whole_function(&self, address: u32) -> Result<&Arc<Port>, RtasStatus> {
        let named = Named::parse(address, 1)?;
        let port = self.port(named.function).filter(|_| named.register == 0);
        port.ok_or(RtasStatus::ParameterError)
    }

    /// Whose `bytes` bytes are at bus address `at` of `space`.
    fn find(&self, space: Space, at: u64, bytes: usize) -> Option<(&Arc<Port>, Target)> {
        let target = {
            let routes = self
                .shared
                .routes
                .read()
                .expect("nothing panics with the routes locked");
            routes.find(space, at, bytes as u64)?
        };
        Some((self.port(Some(target.device))?, target))
    }
}

/// Where a function's BARs lie: its own, and one for its MSI-X table, whose number comes second.
type Layout = (Vec<(Decoder, u64)>, Option<usize>);

/// Finds places for the BARs of `function`.
fn lay_out(function: &dyn Function, free: &mut Free) -> Result<Layout, PlugError> {
    let mut bars = function.bars();
    bars.sort_by_key(|(number, _)| *number);
    let mut registers = [false; 6];
    for (number, bar) in &bars {
        let width = if bar.space == Space::Memory64 { 2 } else { 1 };
        let own = registers.get_mut(*number..number + width).ok_or(PlugError::Function(
            "a BAR has a number from 0 to 5, one of 64 bits from 0 to 4",
        ))?;
        if own.contains(&true) {
            return Err(PlugError::Function("two BARs share a register"));
        }
        if !bar.space.takes(bar.bytes) {
            return Err(PlugError::Function("a BAR has a size that is none"));
        }
        own.fill(true);
    }
    let vectors = function.vectors();
    if vectors > msix::MOST {
        return Err(PlugError::Function("more than 2048 vectors"));
    }
    let mut table = None;
    if vectors > 0 {
        let number = registers.iter().position(|taken| !taken);
        let number = number.ok_or(PlugError::Function("no BAR is free for the MSI-X table"))?;
        let bar = Bar {
            bytes: window_bytes(vectors),
            space: Space::Memory32,
        };
        bars.push((number, bar));
        table = Some(number);
    }
    let place = |(number, bar): (usize, Bar)| {
        let at = free.take(bar.space, bar.bytes);
        let at = at.ok_or(PlugError::WindowFull { bytes: bar.bytes })?;
        Ok((Decoder { number, bar }, at))
    };
    let bars = bars.into_iter().map(place).collect::<Result<_, _>>()?;
    Ok((bars, table))
}

/// What a configuration address names (LoPAR, RTAS Call Definition, "Definition Config_addr").
///
/// ```text
///      0      3 4     7 8       15 16     20 21      23 24        31
///     | register| 0    | bus      | device  | function | register   |
/// ```
struct Named {
    /// Number of the device; `None`: there can be nothing.
    function: Option<u8>,
    register: u32,
}

impl Named {
    fn parse(address: u32, size: u32) -> Result<Self, RtasStatus> {
        let register = address >> 28 << 8 | address & 0xff;
        let right = address & 0x0f00_0000 == 0 && matches!(size, 1 | 2 | 4) && register.is_multiple_of(size);
        if !right {
            return Err(RtasStatus::ParameterError);
        }
        let (bus, device, function) = (address >> 16 & 0xff, address >> 11 & 0x1f, address >> 8 & 7);
        Ok(Self {
            function: (bus == 0 && function == 0).then_some(device as u8),
            register,
        })
    }
}

/// A window of the bridge, as a place on the machine's bus.
pub struct BridgeWindow {
    bridge: Arc<Bridge>,
    space: Space,
}

impl BridgeWindow {
    /// Calls `each` with the number of a BAR, an offset there, and a range of the access: in pieces of 1, 2, 4 or 8 bytes, naturally aligned.
    /// Whether there is a BAR that has all of it.
    fn pieces(
        &self,
        offset: u64,
        bytes: usize,
        mut each: impl FnMut(&Port, usize, u64, std::ops::Range<usize>),
    ) -> bool {
        let at = self.space.window().bus_at(offset);
        let Some((port, target)) = self.bridge.find(self.space, at, bytes) else {
            return false;
        };
        let mut done = 0;
        while done < bytes {
            let at = target.offset + done as u64;
            // The least significant bit of the address, and what is left, bound a piece.
            let aligned = 1 << at.trailing_zeros().min(3);
            let piece = aligned.min(1 << (bytes - done).ilog2());
            each(port, target.bar, at, done..done + piece);
            done += piece;
        }
        true
    }
}

impl Registers for BridgeWindow {
    fn load(&self, offset: u64, into: &mut [u8]) {
        let bytes = into.len();
        let is_there = self.pieces(offset, bytes, |port, bar, at, piece| {
            port.load(bar, at, &mut into[piece]);
        });
        if !is_there {
            // A master abort.
            into.fill(0xff);
        }
    }

    fn store(&self, offset: u64, from: &[u8]) {
        self.pieces(offset, from.len(), |port, bar, at, piece| {
            port.store(bar, at, &from[piece]);
        });
    }
}
