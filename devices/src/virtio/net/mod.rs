//! A network card (virtio 1.2, 5.1).
//!
//! | file | |
//! |---|---|
//! | `features.rs` | what card and driver agree on |
//! | `card.rs` | one life of the card: which queue is what, and when each goes on |
//! | `receive.rs` | frames to the guest |
//! | `transmit.rs` | frames from the guest |
//! | `control.rs` | commands of the driver |
//! | `filter.rs` | which frames the guest wants |
//!
//! The card keeps one frame for each pair of queues and none besides: while the guest has no buffers, nothing is taken from the host's end, and while that
//! has no room, nothing from the guest. Frames of a queue stay in their order. One is lost only where the host loses it, where the guest does not want it, or
//! where the guest's buffers cannot hold it.

mod card;
mod control;
mod features;
mod filter;
mod receive;
mod transmit;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use super::{Configuration, Device, Queue, Worker};
use crate::net::Port;
use card::Card;
use features::Features;

/// Virtio device ID of a network card.
const ID: u16 = 1;

/// Class of the PCI function: Ethernet controller.
const CLASS: u32 = 0x02_00_00;

/// The largest size of a queue.
const QUEUE_SIZE: u16 = 256;

/// Of the control queue, which has one command at a time.
const CONTROL_QUEUE_SIZE: u16 = 64;

/// The most pairs of queues of a card: each has a frame's memory, and all of it is to be less than 1 MiB.
pub const MOST_PAIRS: usize = 8;

/// The link is up (`VIRTIO_NET_S_LINK_UP`).
const LINK_UP: u16 = 1;

/// An address of a network card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// All cards of a network.
    pub(crate) const BROADCAST: Self = Self([0xff; 6]);

    /// Whether it is of several cards.
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }
}

/// What the host's side of a card is.
pub struct Host {
    /// An end for each pair of queues: 1 to [`MOST_PAIRS`].
    pub ports: Vec<Box<dyn Port>>,
    /// Whether these take and give frames that the host's kernel finishes for the guest.
    pub has_offloads: bool,
    /// The most bytes of a packet without its Ethernet header, if the guest is to know.
    pub mtu: Option<u16>,
    /// Is told, once, why the host's side is gone; by the device's thread.
    pub lost: Box<dyn Fn(io::Error) + Send + Sync>,
}

/// What the card and its worker share.
struct Shared {
    /// As the user has it.
    configured: MacAddress,
    /// As the driver has it.
    mac: Mutex<MacAddress>,
    is_up: AtomicBool,
    ports: Mutex<Vec<Box<dyn Port>>>,
    lost: Box<dyn Fn(io::Error) + Send + Sync>,
    configuration: OnceLock<Configuration>,
}

impl Shared {
    fn ports(&self) -> MutexGuard<'_, Vec<Box<dyn Port>>> {
        self.ports.lock().expect("nothing panics with the ports locked")
    }

    fn mac(&self) -> MacAddress {
        *self.mac.lock().expect("nothing panics with it locked")
    }

    fn set_mac(&self, mac: MacAddress) {
        *self.mac.lock().expect("nothing panics with it locked") = mac;
    }

    /// Does what changes the configuration, and tells the driver.
    fn change<T>(&self, change: impl FnOnce() -> T) -> T {
        match self.configuration.get() {
            Some(configuration) => configuration.change(change),
            None => change(),
        }
    }

    fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }
}

/// A network card.
pub struct Net {
    shared: Arc<Shared>,
    pairs: usize,
    has_offloads: bool,
    mtu: Option<u16>,
}

impl Net {
    /// A card with the address `mac`.
    pub fn new(mac: MacAddress, host: Host) -> Self {
        let Host {
            ports,
            has_offloads,
            mtu,
            lost,
        } = host;
        assert!((1..=MOST_PAIRS).contains(&ports.len()), "the caller counts its ports");
        Self {
            pairs: ports.len(),
            has_offloads,
            mtu,
            shared: Arc::new(Shared {
                configured: mac,
                mac: Mutex::new(mac),
                is_up: AtomicBool::new(true),
                ports: Mutex::new(ports),
                lost,
                configuration: OnceLock::new(),
            }),
        }
    }

    /// The device-specific configuration (`virtio_net_config`, virtio 1.2, 5.1.4).
    fn config(&self) -> [u8; 12] {
        let mut config = [0; 12];
        config[..6].copy_from_slice(&self.shared.mac().0);
        let status = if self.shared.is_up() { LINK_UP } else { 0 };
        config[6..8].copy_from_slice(&status.to_le_bytes());
        config[8..10].copy_from_slice(&(self.pairs as u16).to_le_bytes());
        config[10..12].copy_from_slice(&self.mtu.unwrap_or_default().to_le_bytes());
        config
    }
}

impl Device for Net {
    fn id(&self) -> u16 {
        ID
    }

    fn class(&self) -> u32 {
        CLASS
    }

    fn features(&self) -> u64 {
        Features::offered(self.pairs, self.has_offloads, self.mtu.is_some()).bits()
    }

    fn queue_sizes(&self) -> Vec<u16> {
        let mut sizes = vec![QUEUE_SIZE; 2 * self.pairs];
        sizes.push(CONTROL_QUEUE_SIZE);
        sizes
    }

    fn attach(&self, configuration: Configuration) {
        let is_first = self.shared.configuration.set(configuration).is_ok();
        debug_assert!(is_first, "it is called once");
    }

    fn load_config(&self, offset: u64, into: &mut [u8]) {
        let config = self.config();
        for (at, byte) in (offset..).zip(into) {
            let known = usize::try_from(at).ok().and_then(|at| config.get(at));
            *byte = known.copied().unwrap_or(0);
        }
    }

    fn start(&self, features: u64, queues: Vec<(usize, Queue)>) -> io::Result<Box<dyn Worker>> {
        let features = Features::from_bits(features);
        Ok(Box::new(Card::new(
            Arc::clone(&self.shared),
            features,
            self.pairs,
            queues,
        )?))
    }
}

#[cfg(test)]
mod tests;
