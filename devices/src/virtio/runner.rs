//! The thread of a device, with `event-manager`: it starts the device's worker when the driver is ready, hands it what comes, and stops it when
//! the driver resets the device or the run ends.
//!
//! A worker that fails is stopped; its driver is told that the device needs a reset. One that panics takes the thread with it, of which whoever gave
//! the thread's `guard` hears.

use std::io;
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use event_manager::{EventManager, EventOps, EventSet, Events, MutEventSubscriber, SubscriberId, SubscriberOps as _};

use super::transport::{Phase, Shared};
use super::{Broken, Layout, Transport, Worker};
use crate::dma::{Dma, DmaError};

/// What a device's thread does, for whoever lends it one.
pub struct Turns {
    shared: Arc<Shared>,
    manager: EventManager<Runner>,
    runner: SubscriberId,
}

impl Transport {
    /// Starts the device's thread; `guard` is dropped when that ends.
    ///
    /// # Errors
    /// The host has no thread or no descriptors left.
    pub fn run(&self, guard: impl Send + 'static) -> io::Result<JoinHandle<()>> {
        let mut turns = self.turns()?;
        thread::Builder::new()
            .name(self.shared.fittings.name.clone())
            .spawn(move || {
                let _guard = guard;
                while !turns.shared.is_over() {
                    turns.take(None);
                }
                turns.end();
            })
    }

    /// What the device's thread does, a turn at a time: in the place of [`Self::run`], for tests that must know when.
    ///
    /// # Errors
    /// The host has no descriptors left.
    pub fn turns(&self) -> io::Result<Turns> {
        let shared = Arc::clone(&self.shared);
        let mut manager = EventManager::new().map_err(|error| io::Error::other(format!("{error:?}")))?;
        let runner = manager.add_subscriber(Runner {
            shared: Arc::clone(&shared),
            life: None,
        });
        Ok(Turns {
            shared,
            manager,
            runner,
        })
    }
}

impl Turns {
    /// Waits for something to do for so many milliseconds, or for ever, and does it. Whether there was something.
    pub fn take(&mut self, patience_ms: Option<u16>) -> bool {
        let patience = patience_ms.map_or(-1, i32::from);
        let events = self.manager.run_with_timeout(patience);
        events.expect("an event descriptor can be waited for") > 0
    }

    /// The run ends: the worker is stopped.
    pub fn end(&mut self) {
        if let Ok(mut runner) = self.manager.remove_subscriber(self.runner) {
            runner.stop();
        }
    }
}

/// One life of the device.
struct Life {
    worker: Box<dyn Worker>,
    watched: Vec<RawFd>,
}

struct Runner {
    shared: Arc<Shared>,
    life: Option<Life>,
}

impl Runner {
    /// What the driver has ordered.
    fn control(&mut self, ops: &mut EventOps<'_>) {
        let mut state = self.shared.lock();
        match state.common.phase() {
            Phase::Starting => {
                let (features, layouts) = state.common.begin();
                // With the registers locked, through which a reset comes as well: so the memory is that of the guest whose driver this was.
                let memory = self.shared.memory(features);
                drop(state);
                let started = memory.and_then(|memory| self.start(ops, features, layouts, &memory));
                self.judge(ops, started);
            }
            Phase::Resetting => {
                drop(state);
                self.leave(ops);
                self.shared.reset(&mut self.shared.lock());
            }
            Phase::Idle | Phase::Begun => {}
        }
    }

    fn start(
        &mut self,
        ops: &mut EventOps<'_>,
        features: u64,
        layouts: Vec<(usize, Layout)>,
        memory: &Arc<dyn Dma>,
    ) -> io::Result<()> {
        let numbers: Vec<usize> = layouts.iter().map(|(number, _)| *number).collect();
        let each = layouts.into_iter();
        let queues = each.map(|(number, layout)| {
            let queue = self.shared.queue(features, number, layout, Arc::clone(memory));
            queue.map(|queue| (number, queue)).map_err(|error| named(number, error))
        });
        let queues = queues.collect::<io::Result<_>>()?;
        let worker = self.shared.device.start(features, queues)?;
        let wanted = worker.watched();
        let life = self.life.insert(Life {
            worker,
            watched: Vec::new(),
        });
        for (fd, token) in wanted {
            ops.add(Events::with_data_raw(fd, token, EventSet::IN))
                .map_err(|error| not_watched(&error))?;
            life.watched.push(fd);
        }
        numbers.into_iter().try_for_each(|number| life.kicked(number))
    }

    /// A worker that has failed is no worker any more. If that is because its guest is gone, there is nobody to tell.
    fn judge(&mut self, ops: &mut EventOps<'_>, done: io::Result<()>) {
        if let Err(error) = done {
            self.leave(ops);
            if !is_over(&error) {
                self.shared.fail(&error.to_string());
            }
        }
    }

    /// The end of a life, in which its descriptors are watched.
    fn leave(&mut self, ops: &mut EventOps<'_>) {
        if let Some(life) = &self.life {
            for fd in &life.watched {
                // It fails for one that is closed, which is not watched then.
                _ = ops.remove(Events::empty_raw(*fd));
            }
        }
        self.stop();
    }

    /// The end of a life.
    fn stop(&mut self) {
        if let Some(mut life) = self.life.take() {
            life.worker.stop();
        }
    }

    /// Queue `number` was notified of.
    fn kicked(&mut self, number: usize) -> io::Result<()> {
        self.shared.kicks[number].take();
        self.life.as_mut().map_or(Ok(()), |life| life.kicked(number))
    }
}

impl Life {
    fn kicked(&mut self, number: usize) -> io::Result<()> {
        self.worker.kicked(number).map_err(|error| named(number, error))
    }
}

impl MutEventSubscriber for Runner {
    fn process(&mut self, events: Events, ops: &mut EventOps<'_>) {
        let (fd, data) = (events.fd(), events.data());
        if fd == self.shared.control.as_raw_fd() {
            self.shared.control.take();
            return self.control(ops);
        }
        let kick = self.shared.kicks.get(data as usize);
        let done = if kick.is_some_and(|kick| kick.as_raw_fd() == fd) {
            self.kicked(data as usize)
        } else {
            self.life.as_mut().map_or(Ok(()), |life| life.worker.ready(data))
        };
        self.judge(ops, done);
    }

    fn init(&mut self, ops: &mut EventOps<'_>) {
        let control = (self.shared.control.as_raw_fd(), 0);
        let kicks = self
            .shared
            .kicks
            .iter()
            .zip(0..)
            .map(|(kick, number)| (kick.as_raw_fd(), number));
        for (fd, data) in kicks.chain([control]) {
            ops.add(Events::with_data_raw(fd, data, EventSet::IN))
                .expect("a new event descriptor can be watched");
        }
    }
}

/// Whether it failed since its guest is gone.
fn is_over(error: &io::Error) -> bool {
    let Some(inner) = error.get_ref() else { return false };
    match inner.downcast_ref::<Named>() {
        Some(named) => is_over(&named.error),
        None => {
            inner.downcast_ref() == Some(&DmaError::Over)
                || inner.downcast_ref() == Some(&Broken::Memory(DmaError::Over))
        }
    }
}

/// What went wrong with a queue.
#[derive(Debug, thiserror::Error)]
#[error("queue {queue}: {error}")]
struct Named {
    queue: usize,
    error: io::Error,
}

fn named(queue: usize, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), Named { queue, error })
}

fn not_watched(error: &event_manager::Error) -> io::Error {
    io::Error::other(format!("watching a descriptor: {error:?}"))
}
