//! The virtio devices of a run: puts them on PCI, and starts and ends their threads.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use devices::pci::Function;
use devices::virtio::rng::Rng;
use devices::virtio::{Device, Fittings, Transport};

use crate::pci::Plug;
use crate::random;
use crate::stop::{Ending, Stop};
use crate::terminal;

/// A device that is to be on PCI.
pub(crate) struct Virtual {
    /// The device.
    pub(crate) device: Arc<dyn Device>,
    /// What it is to be like there.
    pub(crate) fittings: Fittings,
}

impl Virtual {
    /// `device`, which is called `name` in messages, and translates nothing.
    pub(crate) fn named(name: &str, device: Arc<dyn Device>) -> Self {
        let fittings = Fittings {
            name: name.to_owned(),
            is_translated: false,
            report: Box::new(|line| terminal::say(&format!("pteg: {line}"))),
        };
        Self { device, fittings }
    }

    /// A source of the host's randomness.
    pub(crate) fn rng() -> Self {
        Self::named("rng", Arc::new(Rng::new(Arc::new(random::fill))))
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct VirtualDevices {
    transports: Vec<Arc<Transport>>,
    threads: Vec<JoinHandle<()>>,
}

impl VirtualDevices {
    /// Those of `devices`.
    ///
    /// # Errors
    /// The host has no descriptors left.
    pub(crate) fn new(devices: Vec<Virtual>) -> io::Result<Self> {
        let transport = |Virtual { device, fittings }| Transport::new(device, fittings).map(Arc::new);
        Ok(Self {
            transports: devices.into_iter().map(transport).collect::<io::Result<_>>()?,
            threads: Vec::new(),
        })
    }

    /// How each is plugged in, in their order.
    pub(crate) fn plugs(&self) -> Vec<Plug> {
        let plug = |transport: &Arc<Transport>| {
            let transport = Arc::clone(transport);
            Box::new(move |socket| {
                transport.plug(socket);
                transport as Arc<dyn Function>
            }) as Plug
        };
        self.transports.iter().map(plug).collect()
    }

    /// Starts their threads; one that panics ends the run.
    ///
    /// # Errors
    /// The host has no thread left.
    pub(crate) fn start(&mut self, stop: &Arc<Stop>) -> io::Result<()> {
        for transport in &self.transports {
            self.threads.push(transport.run(Guard(Arc::clone(stop)))?);
        }
        Ok(())
    }

    /// The run is over: waits until each has done what it has begun.
    pub(crate) fn end(&mut self) {
        self.transports.iter().for_each(|transport| transport.end());
        for thread in self.threads.drain(..) {
            // Its guard has told of a panic.
            let _ = thread.join();
        }
    }
}

/// Held by a device's thread.
struct Guard(Arc<Stop>);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.request(Ending::Panicked);
        }
    }
}
