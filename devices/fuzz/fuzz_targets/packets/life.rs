//! A device with its queues, from one start to the next.

use std::io;
use std::sync::Arc;

use arbitrary::Arbitrary;
use devices::virtio::{Device, Worker};
use devices_fuzz::memory::Memory;
use devices_fuzz::ring::{self, Ring};

/// What is done to any device.
#[derive(Arbitrary, Debug)]
pub enum Step {
    /// The driver does this to a queue, and notifies of it.
    Ring { queue: u8, step: ring::Step, kicks: bool },
    /// It notifies.
    Kick { queue: u8 },
    /// The device's descriptor can be read.
    Ready,
    /// The device is reset, and started with these features, as far as it has them, and these queues.
    Reset { features: u64, without: u8 },
}

/// A device at work.
pub struct Life {
    device: Box<dyn Device>,
    pub memory: Arc<Memory>,
    pub rings: Vec<Ring>,
    worker: Option<Box<dyn Worker>>,
    features: u64,
    without: u8,
}

impl Life {
    pub fn new(device: impl Device) -> Self {
        let memory = Memory::new(ring::BYTES);
        let mut life = Self {
            rings: Vec::new(),
            device: Box::new(device),
            memory,
            worker: None,
            features: u64::MAX,
            without: 0,
        };
        life.reset();
        life
    }

    /// As after a reset: empty rings, and the driver is ready.
    fn reset(&mut self) {
        if let Some(mut worker) = self.worker.take() {
            worker.stop();
        }
        let count = self.device.queue_sizes().len() as u64;
        self.rings = (0..count).map(|number| Ring::new(&self.memory, number)).collect();
        let numbered = self.rings.iter().enumerate();
        let enabled = numbered.filter(|(number, _)| self.without >> number & 1 == 0);
        // As the transport has it (virtio 1.2, 6): what queues are like is no feature of a kind of device.
        let has_event_index = self.features >> 29 & 1 == 1;
        let queues = enabled
            .map(|(number, ring)| (number, ring.queue(has_event_index)))
            .collect();
        let features = self.device.features() & self.features;
        let worker = self.device.start(features, queues);
        self.worker = Some(worker.expect("the host has descriptors"));
        for number in 0..self.rings.len() {
            self.call(|worker| worker.kicked(number));
        }
    }

    pub fn play(&mut self, step: &Step) {
        match *step {
            Step::Ring { queue, ref step, kicks } => {
                let queue = usize::from(queue) % self.rings.len();
                self.rings[queue].play(step);
                if kicks {
                    self.kick(queue);
                }
            }
            Step::Kick { queue } => self.kick(usize::from(queue) % self.rings.len()),
            Step::Ready => self.ready(),
            Step::Reset { features, without } => {
                // Rarely without a queue.
                (self.features, self.without) = (features, without & without >> 4 & 0x0f);
                self.reset();
            }
        }
    }

    pub fn kick(&mut self, queue: usize) {
        self.call(|worker| worker.kicked(queue));
    }

    pub fn ready(&mut self) {
        self.call(|worker| worker.ready(0));
    }

    /// A driver that has broken something resets the device.
    fn call(&mut self, call: impl FnOnce(&mut dyn Worker) -> io::Result<()>) {
        let worker = self.worker.as_mut().expect("it is there between steps");
        if call(&mut **worker).is_err() {
            self.reset();
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if let Some(mut worker) = self.worker.take() {
            worker.stop();
        }
    }
}
