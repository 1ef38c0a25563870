//! The devices of the machine: console, interrupt controller, clock, NVRAM, events of the power supply, PCI with virtio, disks. None of them knows how a
//! processor is run or how guest memory is kept; what they need from above they ask for by a trait.

#![forbid(unsafe_code)]

pub mod bus;
pub mod disk;
pub mod dma;
pub mod interrupt;
pub mod net;
pub mod nvram;
pub mod pci;
mod poll;
pub mod power_events;
pub mod reset;
pub mod rtc;
#[cfg(test)]
mod started;
pub mod virtio;
pub mod vty;
pub mod xics;
