//! A queue of a device and its driver under loom: every order in which they can meet, and every value that the barriers of each let the other see. Run
//! with `RUSTFLAGS="--cfg loom" cargo test -p devices --test queue_loom`.
//!
//! The device's side is the program's own; guest memory is one relaxed atomic for each word that the two share. The driver does what the specification
//! says of it (virtio 1.2, 2.7.10, 2.7.13, 2.7.14), with the barriers that Linux has there.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../hpt/tests/loom_models/explore.rs"]
mod explore;

use std::sync::Arc;

use devices::dma::{BadAddress, Dma, DmaError};
use devices::virtio::{Layout, Queue};
use explore::explore;
use loom::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering, fence};
use loom::thread;

const SIZE: u16 = 2;
const LAYOUT: Layout = Layout {
    size: SIZE,
    descriptors: 0x1000,
    available: 0x2000,
    used: 0x3000,
};

/// Where a device finds what it reads, and writes its answer.
const QUESTION: u64 = 0x4000;
const ANSWER: u64 = 0x5000;

/// No index of this model is near: nothing is wanted.
const FAR: u16 = 0x8000;

/// The words that both sides use. Each chain is its own descriptor of 8 bytes: the first is to be read, the second to be written.
struct World {
    available: AtomicU16,
    used: AtomicU16,
    /// The driver wants a signal when the used index passes this.
    used_event: AtomicU16,
    /// The device wants a notification when the available index passes this.
    available_event: AtomicU16,
    elements: [AtomicU64; 2],
    question: AtomicU64,
    answer: AtomicU64,
    is_signalled: AtomicBool,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            available: AtomicU16::new(1),
            used: AtomicU16::new(0),
            used_event: AtomicU16::new(FAR),
            available_event: AtomicU16::new(0),
            elements: Default::default(),
            question: AtomicU64::new(0),
            answer: AtomicU64::new(0),
            is_signalled: AtomicBool::new(false),
        })
    }

    fn queue(self: &Arc<Self>) -> Queue {
        let (dma, ear) = (Arc::clone(self), Arc::clone(self));
        let bell = move || ear.is_signalled.store(true, Ordering::Relaxed);
        Queue::new(LAYOUT, true, dma, Arc::new(bell)).unwrap()
    }
}

fn descriptor(index: u64) -> [u8; 16] {
    let (at, flags) = if index == 0 { (QUESTION, 0_u8) } else { (ANSWER, 2) };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&at.to_le_bytes());
    bytes[8] = 8;
    bytes[12] = flags;
    bytes
}

impl Dma for World {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), DmaError> {
        let word = |word: &AtomicU16| word.load(Ordering::Relaxed).to_le_bytes();
        match at {
            0x1000 | 0x1010 => into.copy_from_slice(&descriptor((at - 0x1000) / 16)),
            0x2002 => into.copy_from_slice(&word(&self.available)),
            // The ring names the two descriptors in turn, and stays as it is.
            0x2004 | 0x2006 => into.copy_from_slice(&((at - 0x2004) as u16 / 2).to_le_bytes()),
            0x2008 => into.copy_from_slice(&word(&self.used_event)),
            QUESTION => into.copy_from_slice(&self.question.load(Ordering::Relaxed).to_le_bytes()),
            _ => {
                return Err(BadAddress {
                    at,
                    bytes: into.len() as u64,
                }
                .into());
            }
        }
        Ok(())
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), DmaError> {
        let word = |word: &AtomicU16| word.store(u16::from_le_bytes(from.try_into().unwrap()), Ordering::Relaxed);
        let long = |long: &AtomicU64| long.store(u64::from_le_bytes(from.try_into().unwrap()), Ordering::Relaxed);
        match at {
            0x3002 => word(&self.used),
            0x3004 | 0x300c => long(&self.elements[(at as usize - 0x3004) / 8]),
            0x3014 => word(&self.available_event),
            ANSWER => long(&self.answer),
            _ => {
                return Err(BadAddress {
                    at,
                    bytes: from.len() as u64,
                }
                .into());
            }
        }
        Ok(())
    }
}

/// Whether the other side is to be told, whose index went from `old` to `new` (virtio 1.2, 2.7.10).
fn is_passed(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

/// The device finds no chain and goes to sleep while the driver adds one.
#[test]
fn a_chain_is_seen_or_notified_of() {
    explore(4, 10, || {
        let world = World::new();
        let mut queue = world.queue();
        // The question of the first chain, which the device has taken, is asked again by the third: the same descriptor.
        let first = queue.pop().unwrap().unwrap();
        queue.push(first, 0).unwrap();
        world.available.store(2, Ordering::Relaxed);
        let second = queue.pop().unwrap().unwrap();
        queue.push(second, 0).unwrap();
        let driver = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                world.question.store(7, Ordering::Relaxed);
                fence(Ordering::Release);
                world.available.store(3, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                is_passed(world.available_event.load(Ordering::Relaxed), 3, 2)
            })
        };
        let device = thread::spawn(move || {
            let Some(chain) = queue.pop().unwrap() else {
                return false;
            };
            let mut question = [0; 8];
            chain.read(0, &mut question).unwrap();
            assert_eq!(u64::from_le_bytes(question), 7, "it was there before the chain was");
            true
        });
        let (is_notified, is_seen) = (driver.join().unwrap(), device.join().unwrap());
        assert!(is_notified || is_seen, "the chain lies there, and nobody knows");
    });
}

/// The driver finds nothing used and goes to sleep while the device gives a chain back.
#[test]
fn a_used_chain_is_seen_or_signalled() {
    explore(4, 10, || {
        let world = World::new();
        world.available.store(2, Ordering::Relaxed);
        let mut queue = world.queue();
        let first = queue.pop().unwrap().unwrap();
        queue.push(first, 0).unwrap();
        queue.signal().unwrap();
        assert!(!world.is_signalled.load(Ordering::Relaxed), "it did not want that");
        let driver = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                world.used_event.store(1, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                if world.used.load(Ordering::Relaxed) == 1 {
                    return false;
                }
                fence(Ordering::Acquire);
                // Descriptor 1, 8 bytes.
                assert_eq!(
                    world.elements[1].load(Ordering::Relaxed),
                    1 | 8 << 32,
                    "before the index"
                );
                assert_eq!(world.answer.load(Ordering::Relaxed), 9, "before the element");
                true
            })
        };
        let device = thread::spawn(move || {
            let second = queue.pop().unwrap().unwrap();
            second.write(0, &9_u64.to_le_bytes()).unwrap();
            queue.push(second, 8).unwrap();
            queue.signal().unwrap();
        });
        let is_seen = driver.join().unwrap();
        device.join().unwrap();
        assert!(
            is_seen || world.is_signalled.load(Ordering::Relaxed),
            "it sleeps, and nobody wakes it"
        );
    });
}
