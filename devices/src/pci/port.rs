//! One function in its place on the bus: its configuration space, its messages and its INTA, under one lock.
//!
//! | order | lock | taken while holding |
//! |---|---|---|
//! | 1 | a port's state | nothing |
//! | 2 | the doorbells | a port's state |
//! | 3 | the routes, the pool of sources, a line | a port's state; the routes are looked into with nothing held, or with the doorbells |
//! | 4 | what [`Sources`] takes | a port's state, and with it at most a line |
//! | 4 | what [`Porter`](super::Porter) takes | a port's state and the doorbells |
//!
//! The function itself is called with none of them held, so it may use its [`Slot`] whenever it likes, and so may its other threads.
//!
//! No signal is lost between a device that signals and a guest that masks: whether the message may go out is looked up in the same critical section
//! in which it goes, or the vector becomes pending; and whoever lets messages out (a mask, the enable bit, mastership of the bus) looks
//! for pending ones in the critical section in which it does so. When the store that masks a vector has returned, no message of it is on its way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use power::rtas::RtasStatus;

use super::bar::Decoder;
use super::config::{Access, Config};
use super::doorbells::Doorbells;
use super::lines::Lines;
use super::messages::{Assigned, Change, MessageKind, Pool, SourceNumber};
use super::msix::{Entry, Msix};
use super::registers::{command, msix};
use super::routes::Routes;
use super::sync::{Mutex, MutexGuard, RwLock};
use super::{Function, Slot};
use crate::dma::{BadAddress, Dma, DmaError, Epoch};
use crate::interrupt::Sources;

/// Bus address that messages are stored to. The source's number is what is stored. It lies in no window, and above all that is translated.
const MESSAGE_PORT: u64 = 0xffff_0000;

/// What all ports share.
pub(super) struct Shared {
    pub(super) sources: Arc<dyn Sources>,
    pub(super) lines: Lines,
    pub(super) pool: Mutex<Pool>,
    pub(super) routes: RwLock<Routes>,
    /// If somebody can ring them.
    pub(super) doorbells: Option<Doorbells>,
}

/// A function in its place.
pub(super) struct Port {
    device: u8,
    shared: Arc<Shared>,
    function: Arc<dyn Function>,
    /// The BAR with the MSI-X table.
    table: Option<usize>,
    /// The guest has made it a master of the bus. Written with the state locked; looked at by its DMA, which another thread's store to
    /// the command register may overtake as on any bus.
    is_master: AtomicBool,
    state: Mutex<State>,
}

struct State {
    config: Config,
    msix: Msix,
    /// What the routes have of it.
    decoded: Vec<(Decoder, u64)>,
    /// The sources of its messages, ascending.
    sources: Vec<u32>,
    /// The function holds its INTA up.
    wants_line: bool,
    /// The line hears of it.
    holds_line: bool,
}

impl State {
    fn has_msix(&self) -> bool {
        self.config.msix_control() & msix::ENABLE != 0
    }

    /// Whether messages go out.
    fn is_open(&self) -> bool {
        self.has_msix()
            && self.config.msix_control() & msix::FUNCTION_MASK == 0
            && self.config.commands(command::MASTER)
    }
}

impl Port {
    /// `function` as device number `device`. It decodes nothing yet.
    pub(super) fn new(
        device: u8,
        shared: Arc<Shared>,
        function: Arc<dyn Function>,
        config: Config,
        table: Option<usize>,
    ) -> Self {
        Self {
            device,
            shared,
            table,
            is_master: AtomicBool::new(false),
            state: Mutex::new(State {
                config,
                msix: Msix::new(function.vectors()),
                decoded: Vec::new(),
                sources: Vec::new(),
                wants_line: false,
                holds_line: false,
            }),
            function,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics with a port locked")
    }

    /// Loads from configuration space; the rest of the four bytes is zero.
    pub(super) fn load_config(&self, access: Access) -> [u8; 4] {
        let (mut bytes, part) = {
            let state = self.lock();
            (state.config.load(access), state.config.vendor_part(access))
        };
        if let Some(part) = part {
            self.function
                .load_capability(part.number, part.offset, &mut bytes[part.bytes]);
        }
        bytes
    }

    /// Stores to it.
    pub(super) fn store_config(&self, access: Access, from: [u8; 4]) {
        let part = {
            let mut state = self.lock();
            state.config.store(access, from);
            self.follow(&mut state);
            state.config.vendor_part(access)
        };
        if let Some(part) = part {
            self.function
                .store_capability(part.number, part.offset, &from[part.bytes]);
        }
    }

    /// Loads 1, 2, 4 or 8 bytes, naturally aligned, from the window of a BAR.
    pub(super) fn load(&self, bar: usize, offset: u64, into: &mut [u8]) {
        if self.table == Some(bar) {
            self.lock().msix.load(offset, into);
        } else {
            self.function.load(bar, offset, into);
        }
    }

    /// Stores as many.
    pub(super) fn store(&self, bar: usize, offset: u64, from: &[u8]) {
        if self.table == Some(bar) {
            let mut state = self.lock();
            state.msix.store(offset, from);
            self.send_due(&mut state);
        } else {
            self.function.store(bar, offset, from);
        }
    }

    /// `ibm,change-msi`.
    pub(super) fn change_msi(&self, change: Change) -> Result<Assigned, RtasStatus> {
        let mut state = self.lock();
        let vectors = u32::from(state.msix.vectors());
        let wanted = match change {
            Change::Query => state.sources.len() as u32,
            Change::Default | Change::Set(_, 0) => 0,
            Change::Set(MessageKind::MsiX | MessageKind::Any, count) if vectors > 0 => count.min(vectors),
            Change::Set(..) => return Err(RtasStatus::ParameterError),
        };
        if wanted as usize != state.sources.len() {
            let mut pool = self.shared.pool.lock().expect("nothing panics with the pool locked");
            pool.give(&std::mem::take(&mut state.sources));
            state.sources = pool.take(wanted);
        }
        if change != Change::Query {
            self.program(&mut state);
        }
        Ok(Assigned {
            count: state.sources.len() as u32,
        })
    }

    /// Puts the messages of the function's sources into its table. With messages INTA is off, as the call has it.
    fn program(&self, state: &mut State) {
        let numbers = state.sources.iter().map(|&number| (MESSAGE_PORT, number));
        let messages: Vec<_> = numbers
            .chain(std::iter::repeat((0, 0)))
            .take(state.msix.vectors().into())
            .collect();
        for (vector, (address, data)) in (0..).zip(messages) {
            state.msix.set_message(vector, address, data);
        }
        state.config.disable_interrupt(!state.sources.is_empty());
        self.follow(state);
    }

    /// `ibm,query-interrupt-source-number`. `None`: it has no interrupt of this number.
    pub(super) fn source_number(&self, number: u32) -> Option<SourceNumber> {
        let state = self.lock();
        if state.sources.is_empty() {
            return (number == 0).then(|| SourceNumber::Level(self.shared.lines.source(self.device)));
        }
        state.sources.get(number as usize).copied().map(SourceNumber::Edge)
    }

    /// The bus is reset.
    pub(super) fn reset(&self) {
        {
            let mut state = self.lock();
            let mut pool = self.shared.pool.lock().expect("nothing panics with the pool locked");
            pool.give(&std::mem::take(&mut state.sources));
            drop(pool);
            state.config.reset();
            state.msix.reset();
            state.wants_line = false;
            self.follow(&mut state);
        }
        self.function.reset();
    }

    /// What a change of configuration space brings about.
    fn follow(&self, state: &mut State) {
        let decoded: Vec<_> = state.config.decoded().collect();
        if decoded != state.decoded {
            let mut routes = self
                .shared
                .routes
                .write()
                .expect("nothing panics with the routes locked");
            routes.replace(self.device, &decoded);
            drop(routes);
            state.decoded = decoded;
            if let Some(doorbells) = &self.shared.doorbells {
                doorbells.follow(&self.shared.routes);
            }
        }
        self.is_master
            .store(state.config.commands(command::MASTER), Ordering::Release);
        self.move_line(state);
        self.send_due(state);
    }

    fn move_line(&self, state: &mut State) {
        let wants = state.wants_line && !state.has_msix();
        state.config.show_interrupt(wants);
        let holds = wants && !state.config.commands(command::INTERRUPT_DISABLE);
        if holds != state.holds_line {
            state.holds_line = holds;
            self.shared.lines.set(self.device, holds);
        }
    }

    fn send_due(&self, state: &mut State) {
        if state.is_open() && state.msix.is_pending() {
            for entry in state.msix.take_due() {
                self.send(state, entry);
            }
        }
    }

    /// Lets a message out. One that a guest has made up goes nowhere: a function has its own interrupts, and no others.
    fn send(&self, state: &State, entry: Entry) {
        if entry.address == MESSAGE_PORT && state.sources.binary_search(&entry.data).is_ok() {
            self.shared.sources.pulse(entry.data);
        }
    }
}

impl Slot for Port {
    fn signal(&self, vector: u16) {
        let mut state = self.lock();
        if !state.has_msix() {
            return;
        }
        let open = state.is_open();
        if let Some(entry) = state.msix.signal(vector, open) {
            self.send(&state, entry);
        }
    }

    fn set_line(&self, up: bool) {
        let mut state = self.lock();
        state.wants_line = up;
        self.move_line(&mut state);
    }

    fn has_msix(&self) -> bool {
        self.lock().has_msix()
    }
}

/// A port that a function is given before it exists: nothing reaches anybody until it does.
#[derive(Default)]
pub(super) struct Coming(OnceLock<Weak<Port>>);

impl Coming {
    /// It is there now.
    pub(super) fn arrive(&self, port: &Arc<Port>) {
        assert!(self.0.set(Arc::downgrade(port)).is_ok(), "a port arrives once");
    }

    fn port(&self) -> Option<Arc<Port>> {
        self.0.get()?.upgrade()
    }
}

impl Slot for Coming {
    fn signal(&self, vector: u16) {
        if let Some(port) = self.port() {
            port.signal(vector);
        }
    }

    fn set_line(&self, up: bool) {
        if let Some(port) = self.port() {
            port.set_line(up);
        }
    }

    fn has_msix(&self) -> bool {
        self.port().is_some_and(|port| port.has_msix())
    }
}

/// Memory for a function while it is a master of the bus.
pub(super) struct Mastered {
    port: Arc<Coming>,
    below: Arc<dyn Dma>,
}

impl Mastered {
    /// What is `below`, for the function in `port`.
    pub(super) fn new(port: &Arc<Coming>, below: Arc<dyn Dma>) -> Self {
        let port = Arc::clone(port);
        Self { port, below }
    }

    fn check(&self, at: u64, bytes: usize) -> Result<(), BadAddress> {
        let is_master = |port: Arc<Port>| port.is_master.load(Ordering::Acquire);
        if self.port.port().is_some_and(is_master) {
            return Ok(());
        }
        let bytes = bytes as u64;
        Err(BadAddress { at, bytes })
    }
}

impl Dma for Mastered {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), DmaError> {
        self.check(at, into.len())?;
        self.below.read(at, into)
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), DmaError> {
        self.check(at, from.len())?;
        self.below.write(at, from)
    }

    fn for_life(&self) -> Option<Arc<dyn Dma>> {
        let below = self.below.for_life()?;
        Some(Arc::new(Self::new(&self.port, below)))
    }

    fn epoch(&self) -> Epoch {
        self.below.epoch()
    }
}
