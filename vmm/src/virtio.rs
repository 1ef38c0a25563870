//! The virtio devices of a run: puts them on PCI, and starts and ends their threads.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use devices::pci::Function;
use devices::virtio::rng::Rng;
use devices::virtio::{Device, Fittings, Transport};

use crate::pci::Plug;
use crate::random;
use crate::stop::{Ending, Stop};
use crate::terminal;

/// How long the end waits for devices before it says so: a host's file may take for ever (NFS, FUSE).
const PATIENCE: Duration = Duration::from_secs(5);

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
pub(crate) struct VirtualDevices {
    transports: Vec<Arc<Transport>>,
    threads: Threads,
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
            threads: Threads::default(),
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
            let guard = Guard {
                stop: Arc::clone(stop),
                _lives: self.threads.life(),
            };
            self.threads.push(transport.run(guard)?);
        }
        Ok(())
    }

    /// The run is over: waits until each has done what it has begun. If that takes long, says for whom.
    pub(crate) fn end(self) {
        self.transports.iter().for_each(|transport| transport.end());
        self.threads.join(PATIENCE, |names| {
            terminal::say(&format!(
                "pteg: the run is over, and waits for the host to do what these devices have begun: {names}; SIGKILL ends it at once"
            ));
        });
    }
}

/// The devices' threads. Each has a sender of nothing, which goes with it.
struct Threads {
    handles: Vec<JoinHandle<()>>,
    life: Sender<()>,
    ended: Receiver<()>,
}

impl Default for Threads {
    fn default() -> Self {
        let (life, ended) = mpsc::channel();
        Self {
            handles: Vec::new(),
            life,
            ended,
        }
    }
}

impl Threads {
    /// What a thread has for as long as it lives.
    fn life(&self) -> Sender<()> {
        self.life.clone()
    }

    fn push(&mut self, thread: JoinHandle<()>) {
        self.handles.push(thread);
    }

    /// Waits for all; `late` gets the names of those that still work when the patience is over.
    fn join(self, patience: Duration, late: impl FnOnce(&str)) {
        drop(self.life);
        if self.ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            let work = self.handles.iter().filter(|thread| !thread.is_finished());
            let names: Vec<&str> = work.filter_map(|thread| thread.thread().name()).collect();
            late(&names.join(", "));
        }
        for thread in self.handles {
            // Its guard has told of a panic.
            let _ = thread.join();
        }
    }
}

/// Held by a device's thread.
struct Guard {
    stop: Arc<Stop>,
    _lives: Sender<()>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.stop.request(Ending::Panicked);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_device_that_does_not_end_is_named_and_waited_for() {
        let mut threads = Threads::default();
        let (go, gone) = mpsc::channel::<()>();
        let stuck = threads.life();
        let work = move || {
            let _lives = stuck;
            let _ = gone.recv();
        };
        threads.push(thread::Builder::new().name("disk 3".into()).spawn(work).unwrap());
        let quick = thread::Builder::new().name("net 0".into()).spawn(|| {}).unwrap();
        while !quick.is_finished() {
            thread::yield_now();
        }
        threads.push(quick);
        let mut said = String::new();
        threads.join(Duration::ZERO, |names| {
            names.clone_into(&mut said);
            drop(go);
        });
        assert_eq!(said, "disk 3");
    }

    #[test]
    fn devices_that_end_are_not_spoken_of() {
        let mut threads = Threads::default();
        for _ in 0..3 {
            let life = threads.life();
            threads.push(thread::spawn(move || drop(life)));
        }
        threads.join(Duration::MAX, |_| panic!("all of them end"));
        Threads::default().join(Duration::ZERO, |_| panic!("there is none"));
    }
}
