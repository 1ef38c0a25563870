//! A source of randomness (virtio 1.2, 5.4): the host's, for a guest that has none of its own yet.

use std::io;
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::Arc;

use virtio_bindings::virtio_ids::VIRTIO_ID_RNG;

use super::{Device, Kick, Queue, Worker};

/// Class of the PCI function: one of no class.
const CLASS: u32 = 0x00_ff_00;

/// Buffers that a driver can have waiting. Linux has one.
const QUEUE_SIZE: u16 = 8;

/// Bytes that one request gets at most, however much room it has: the driver asks again.
const MOST: usize = 4096;

/// Requests that are served before the device looks at everything else.
const TURN: usize = 16;

/// Where randomness comes from: fills what it is given.
pub type Source = Arc<dyn Fn(&mut [u8]) -> io::Result<()> + Send + Sync>;

/// The device.
pub struct Rng {
    source: Source,
}

struct RngWorker {
    source: Source,
    queue: Option<Queue>,
    /// Rung when a turn was over before the queue was empty.
    again: Kick,
}

impl Rng {
    /// One that hands out what `source` gives.
    pub fn new(source: Source) -> Self {
        Self { source }
    }
}

impl Device for Rng {
    fn id(&self) -> u16 {
        VIRTIO_ID_RNG as u16
    }

    fn class(&self) -> u32 {
        CLASS
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE]
    }

    /// It has no configuration.
    fn load_config(&self, _offset: u64, _into: &mut [u8]) {}

    fn start(&self, _features: u64, queues: Vec<(usize, Queue)>) -> io::Result<Box<dyn Worker>> {
        let queue = queues.into_iter().next().map(|(_, queue)| queue);
        Ok(Box::new(RngWorker {
            source: Arc::clone(&self.source),
            queue,
            again: Kick::new()?,
        }))
    }
}

impl Worker for RngWorker {
    fn watched(&self) -> Vec<(RawFd, u32)> {
        vec![(self.again.as_raw_fd(), 0)]
    }

    fn ready(&mut self, _token: u32) -> io::Result<()> {
        self.again.take();
        self.kicked(0)
    }

    fn kicked(&mut self, _queue: usize) -> io::Result<()> {
        let Some(queue) = &mut self.queue else {
            return Ok(());
        };
        let mut bytes = [0; MOST];
        for _ in 0..TURN {
            let Some(chain) = queue.pop()? else { return Ok(()) };
            let count = usize::try_from(chain.writable()).unwrap_or(MOST).min(MOST);
            let random = &mut bytes[..count];
            (self.source)(random)?;
            chain.write(0, random).map_err(io::Error::other)?;
            queue.push(chain, count as u32)?;
            queue.signal()?;
        }
        self.again.ring();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;
    use crate::virtio::testing::{EVENT_INDEX, Machine};

    /// Counts, so that each byte is known.
    fn counting() -> Source {
        let next = AtomicU8::new(0);
        Arc::new(move |bytes| {
            bytes
                .iter_mut()
                .for_each(|byte| *byte = next.fetch_add(1, Ordering::Relaxed));
            Ok(())
        })
    }

    #[test]
    fn each_buffer_gets_bytes_that_no_other_one_has() {
        let machine = Machine::new(Arc::new(Rng::new(counting())));
        let mut drivers = machine.start(EVENT_INDEX, &[8]);
        let driver = &mut drivers[0];
        for sizes in [&[16_usize][..], &[1, 2, 3]] {
            driver.offer(&[], sizes).unwrap();
        }
        machine.kick(0);
        let used = [(); 2].map(|()| machine.wait_for_used(0, driver));
        assert_eq!(used[0].bytes, (0..16).collect::<Vec<u8>>());
        assert_eq!(used[1].bytes, (16..22).collect::<Vec<u8>>());
        assert_eq!(used.map(|used| used.written), [16, 6]);
    }

    #[test]
    fn a_large_buffer_is_not_filled_and_one_to_be_read_gets_nothing() {
        let machine = Machine::new(Arc::new(Rng::new(counting())));
        let mut drivers = machine.start(0, &[8]);
        let driver = &mut drivers[0];
        driver.offer(&[], &[0x1_0000]).unwrap();
        driver.offer(&[&[1; 16]], &[]).unwrap();
        machine.kick(0);
        let large = machine.wait_for_used(0, driver);
        assert_eq!(large.written as usize, MOST);
        assert!(large.bytes[MOST..].iter().all(|byte| *byte == 0));
        assert_eq!(machine.wait_for_used(0, driver).written, 0);
    }

    #[test]
    fn a_driver_that_breaks_it_again_and_again_does_not_fill_the_log() {
        let machine = Machine::new(Arc::new(Rng::new(counting())));
        for round in 0..40 {
            let mut drivers = machine.start(0, &[8]);
            // The same reason twice, then others.
            drivers[0].describe(0, 0x10 * (round / 2), 8, 2, 0);
            drivers[0].publish(0);
            machine.kick(0);
            while machine.status() & 0x40 == 0 {
                std::thread::yield_now();
            }
        }
        let told: Vec<String> = machine.told.try_iter().collect();
        assert_eq!(told.len(), 8, "{told:?}");
        assert!(told.iter().zip(&told[1..]).all(|(one, next)| one != next), "{told:?}");
    }

    #[test]
    fn a_host_without_randomness_is_told() {
        let source = |_: &mut [u8]| Err(io::Error::other("none left"));
        let machine = Machine::new(Arc::new(Rng::new(Arc::new(source))));
        let mut drivers = machine.start(0, &[8]);
        drivers[0].offer(&[], &[8]).unwrap();
        machine.kick(0);
        assert!(machine.told.recv().unwrap().contains("none left"));
        assert!(drivers[0].take_used().is_none(), "what is not random is not given");
    }
}
