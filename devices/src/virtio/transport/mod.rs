//! A virtio device as a function on PCI (virtio 1.2, 4.1, without what is from before 1.0), with its registers: `common` is the state that a driver
//! leads it through, `capabilities` say where it is, `numbers` are the specification's.
//!
//! Registers only set state and ring; what follows is done by the device's own thread (`runner`).
//!
//! # Locks
//! One, over the structures and the interrupt status. The device's configuration is loaded under it and changed under it, so that a driver that
//! finds the same generation twice has read one configuration. Interrupts are signalled under it, so that none of a life that was reset comes
//! after the reset; the bridge calls nobody with a lock of its own held.

mod capabilities;
mod common;
mod numbers;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use capabilities::{BAR, BAR_BYTES, Structure, WINDOW, Window, notification, queue_at};
use common::Stored;
pub(super) use common::{Common, Phase};
use numbers::{FIRST_DEVICE, ISR_CONFIGURATION, ISR_QUEUE, NO_VECTOR, SUBSYSTEM, VENDOR, feature};

use super::kick::Kick;
use super::{Device, Layout, Queue};
use crate::dma::Dma;
use crate::pci::{Bar, Doorbell, Function, Identity, Socket, Space};

/// What a device is to be like.
pub struct Fittings {
    /// Its name in messages, and of its thread: 15 bytes at most.
    pub name: String,
    /// Its driver is to use the bridge's translation (VIRTIO_F_ACCESS_PLATFORM): one that does not is refused.
    pub is_translated: bool,
    /// Told what a user should know: that the device stands still, and why.
    pub report: Box<dyn Fn(&str) + Send + Sync>,
}

/// A device on PCI.
pub struct Transport {
    pub(super) shared: Arc<Shared>,
    window: Mutex<Window>,
}

/// What its registers and its thread share.
pub(super) struct Shared {
    pub(super) device: Arc<dyn Device>,
    pub(super) fittings: Fittings,
    state: Mutex<State>,
    socket: OnceLock<Socket>,
    /// Something for the thread is in the state.
    pub(super) control: Kick,
    /// A driver notifies of a queue.
    pub(super) kicks: Vec<Kick>,
    /// The run ends.
    is_over: AtomicBool,
}

pub(super) struct State {
    pub(super) common: Common,
    isr: u8,
    /// Why it could not go on, as the user was told.
    told: Vec<String>,
}

/// Reasons that a user is told of one device in a run.
const MOST_TOLD: usize = 8;

/// A device's configuration, for whoever changes it.
#[derive(Clone, Default)]
pub struct Configuration(Weak<Shared>);

impl Configuration {
    /// Does `change`, after which the configuration reads otherwise, and tells the driver. No lock that [`Device::load_config`] takes may be
    /// held.
    pub fn change<T>(&self, change: impl FnOnce() -> T) -> T {
        let Some(shared) = self.0.upgrade() else {
            return change();
        };
        let mut state = shared.lock();
        let done = change();
        state.common.note_change();
        shared.signal(&mut state, ISR_CONFIGURATION, Common::config_vector);
        done
    }
}

impl Transport {
    /// `device`, which lives when it is plugged in and [`Self::run`].
    ///
    /// # Errors
    /// The host has no descriptors left.
    pub fn new(device: Arc<dyn Device>, fittings: Fittings) -> io::Result<Self> {
        let sizes = device.queue_sizes();
        let translated = if fittings.is_translated {
            feature::ACCESS_PLATFORM
        } else {
            0
        };
        let offered = device.features() | feature::VERSION_1 | feature::INDIRECT | feature::EVENT_INDEX | translated;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                common: Common::new(offered, &sizes, sizes.len() as u16 + 1),
                isr: 0,
                told: Vec::new(),
            }),
            socket: OnceLock::new(),
            control: Kick::new()?,
            kicks: sizes.iter().map(|_| Kick::new()).collect::<io::Result<_>>()?,
            is_over: AtomicBool::new(false),
            fittings,
            device,
        });
        shared.device.attach(Configuration(Arc::downgrade(&shared)));
        Ok(Self {
            shared,
            window: Mutex::default(),
        })
    }

    /// Its place on the bus: to be called once, before the guest runs.
    pub fn plug(&self, socket: Socket) {
        let is_first = self.shared.socket.set(socket).is_ok();
        debug_assert!(is_first, "a function is in one place");
    }

    /// The run ends: its thread stops the worker and returns.
    pub fn end(&self) {
        // Release: not needed for what the thread reads, but nothing is lost by it.
        self.shared.is_over.store(true, Ordering::Release);
        self.shared.control.ring();
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics with a device's registers locked")
    }

    /// Whether the run ends.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Memory for a life with `features` that begins now.
    pub(super) fn memory(&self, features: u64) -> io::Result<Arc<dyn Dma>> {
        let socket = self
            .socket
            .get()
            .ok_or_else(|| io::Error::other("it is not plugged in"))?;
        let dma = if features & feature::ACCESS_PLATFORM != 0 {
            &socket.translated
        } else {
            &socket.direct
        };
        Ok(dma.for_life().unwrap_or_else(|| Arc::clone(dma)))
    }

    /// Queue `number` of a life with `features` and this memory.
    pub(super) fn queue(
        self: &Arc<Self>,
        features: u64,
        number: usize,
        layout: Layout,
        dma: Arc<dyn Dma>,
    ) -> io::Result<Queue> {
        // Weak, or a queue that somebody forgets would keep all of this.
        let shared = Arc::downgrade(self);
        let bell = move || {
            if let Some(shared) = shared.upgrade() {
                shared.signal(&mut shared.lock(), ISR_QUEUE, |common| common.queue_vector(number));
            }
        };
        Queue::new(layout, features & feature::EVENT_INDEX != 0, dma, Arc::new(bell))
    }

    /// The device cannot go on: its driver is told, and so is the user, of the first few reasons, each once: a driver may break it again and
    /// again, and name another address each time.
    pub(super) fn fail(&self, why: &str) {
        let mut state = self.lock();
        if state.common.phase() == Phase::Resetting {
            // Nobody is left whom it matters to: a bus that is reset refuses the device its memory.
            return;
        }
        if state.common.fail() {
            self.signal(&mut state, ISR_CONFIGURATION, Common::config_vector);
        }
        let told = &mut state.told;
        if told.len() >= MOST_TOLD || told.iter().any(|before| before == why) {
            return;
        }
        told.push(why.to_owned());
        let end = match told.len() {
            MOST_TOLD => "; of its next failures nothing will be said",
            _ => "",
        };
        drop(state);
        let name = &self.fittings.name;
        (self.fittings.report)(&format!(
            "{name}: {why}; it stands still until its driver resets it{end}"
        ));
    }

    /// All is as after power-on.
    pub(super) fn reset(&self, state: &mut State) {
        state.common.reset();
        state.isr = 0;
        if let Some(socket) = self.socket.get() {
            socket.slot.set_line(false);
        }
    }

    fn signal(&self, state: &mut State, isr: u8, vector: impl FnOnce(&Common) -> u16) {
        let Some(Socket { slot, .. }) = self.socket.get() else {
            return;
        };
        if !state.common.is_live() {
            return;
        }
        if slot.has_msix() {
            let vector = vector(&state.common);
            if vector != NO_VECTOR {
                slot.signal(vector);
            }
        } else {
            state.isr |= isr;
            slot.set_line(true);
        }
    }

    fn store_common(&self, offset: u64, from: &[u8]) {
        let mut state = self.lock();
        match state.common.store(offset as usize, from) {
            Stored::Nothing => {}
            Stored::Start | Stored::Reset => self.control.ring(),
            Stored::IsReset => self.reset(&mut state),
        }
    }

    /// Loading it acknowledges the interrupt.
    fn take_isr(&self) -> u8 {
        let mut state = self.lock();
        let isr = std::mem::take(&mut state.isr);
        if let Some(Socket { slot, .. }) = self.socket.get()
            && isr != 0
        {
            slot.set_line(false);
        }
        isr
    }
}

impl Function for Transport {
    fn identity(&self) -> Identity {
        let device = &self.shared.device;
        Identity {
            vendor: VENDOR,
            device: FIRST_DEVICE + device.id(),
            subsystem_vendor: VENDOR,
            subsystem: SUBSYSTEM,
            revision: 1,
            class: device.class(),
        }
    }

    fn bars(&self) -> Vec<(usize, Bar)> {
        vec![(
            BAR,
            Bar {
                bytes: BAR_BYTES,
                space: Space::Memory64,
            },
        )]
    }

    fn capabilities(&self) -> Vec<Vec<u8>> {
        capabilities::all()
    }

    /// One for each queue, and one for the configuration.
    fn vectors(&self) -> u16 {
        self.shared.kicks.len() as u16 + 1
    }

    fn load(&self, bar: usize, offset: u64, into: &mut [u8]) {
        into.fill(0);
        let shared = &self.shared;
        match Structure::at(offset).filter(|_| bar == BAR) {
            Some((Structure::Common, offset)) => shared.lock().common.load(offset as usize, into),
            Some((Structure::Isr, 0)) => into[0] = shared.take_isr(),
            Some((Structure::Device, offset)) => {
                let _state = shared.lock();
                shared.device.load_config(offset, into);
            }
            Some((Structure::Notify | Structure::Isr, _)) | None => {}
        }
    }

    fn store(&self, bar: usize, offset: u64, from: &[u8]) {
        let shared = &self.shared;
        match Structure::at(offset).filter(|_| bar == BAR) {
            Some((Structure::Common, offset)) => shared.store_common(offset, from),
            Some((Structure::Device, offset)) => shared.device.store_config(offset, from),
            // The queue is named by the address; its number, which is stored, says the same.
            Some((Structure::Notify, offset)) => {
                if let Some(kick) = shared.kicks.get(queue_at(offset)) {
                    kick.ring();
                }
            }
            Some((Structure::Isr, _)) | None => {}
        }
    }

    fn doorbells(&self) -> Vec<Doorbell> {
        let kicks = self.shared.kicks.iter().enumerate();
        kicks
            .map(|(queue, kick)| Doorbell {
                bar: BAR,
                offset: notification(queue),
                event: Arc::clone(kick.event()),
            })
            .collect()
    }

    fn load_capability(&self, number: usize, offset: usize, into: &mut [u8]) {
        if number != WINDOW {
            return;
        }
        let window = self.lock_window();
        window.load(offset, into);
        let target = window.target(offset, into.len());
        drop(window);
        if let Some((at, bytes)) = target {
            self.load(BAR, at, &mut into[..bytes]);
        }
    }

    fn store_capability(&self, number: usize, offset: usize, from: &[u8]) {
        if number != WINDOW {
            return;
        }
        let mut window = self.lock_window();
        window.store(offset, from);
        let target = window.target(offset, from.len());
        drop(window);
        if let Some((at, bytes)) = target {
            self.store(BAR, at, &from[..bytes]);
        }
    }

    fn reset(&self) {
        *self.lock_window() = Window::default();
        self.shared.store_common(numbers::field::STATUS as u64, &[0]);
    }
}

impl Transport {
    fn lock_window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().expect("nothing panics with the window locked")
    }
}
