//! Numbers of virtio over PCI (virtio 1.2, 4.1).

use virtio_bindings::{virtio_config, virtio_ring};

/// Vendor ID of all virtio devices.
pub(super) const VENDOR: u16 = 0x1af4;

/// A device ID is this and the virtio device's ID.
pub(super) const FIRST_DEVICE: u16 = 0x1040;

/// Subsystem ID: nobody asks for it but to see that the device is not one from before virtio 1.0.
pub(super) const SUBSYSTEM: u16 = 0x1100;

/// No vector.
pub(super) const NO_VECTOR: u16 = 0xffff;

/// Of the interrupt status: a queue has news.
pub(super) const ISR_QUEUE: u8 = 1;

/// The configuration or the device's status has changed.
pub(super) const ISR_CONFIGURATION: u8 = 2;

/// Kinds of structures.
pub(super) mod kind {
    pub(in super::super) const COMMON: u8 = 1;
    pub(in super::super) const NOTIFY: u8 = 2;
    pub(in super::super) const ISR: u8 = 3;
    pub(in super::super) const DEVICE: u8 = 4;
    pub(in super::super) const WINDOW: u8 = 5;
}

/// Fields of the common configuration structure (virtio 1.2, 4.1.4.3).
pub(super) mod field {
    pub(in super::super) const DEVICE_FEATURE_SELECT: usize = 0;
    pub(in super::super) const DEVICE_FEATURE: usize = 4;
    pub(in super::super) const DRIVER_FEATURE_SELECT: usize = 8;
    pub(in super::super) const DRIVER_FEATURE: usize = 12;
    pub(in super::super) const CONFIG_VECTOR: usize = 16;
    pub(in super::super) const QUEUES: usize = 18;
    pub(in super::super) const STATUS: usize = 20;
    pub(in super::super) const GENERATION: usize = 21;
    pub(in super::super) const QUEUE_SELECT: usize = 22;
    pub(in super::super) const QUEUE_SIZE: usize = 24;
    pub(in super::super) const QUEUE_VECTOR: usize = 26;
    pub(in super::super) const QUEUE_ENABLE: usize = 28;
    pub(in super::super) const QUEUE_NOTIFY: usize = 30;
    pub(in super::super) const QUEUE_DESCRIPTORS: usize = 32;
    pub(in super::super) const QUEUE_DRIVER: usize = 40;
    pub(in super::super) const QUEUE_DEVICE: usize = 48;
    /// Behind the last one of them.
    pub(in super::super) const END: usize = 56;
}

/// Of the device's status (virtio 1.2, 2.1).
pub(super) mod status {
    use super::virtio_config;

    pub(in super::super) const DRIVER_OK: u8 = virtio_config::VIRTIO_CONFIG_S_DRIVER_OK as u8;
    pub(in super::super) const FEATURES_OK: u8 = virtio_config::VIRTIO_CONFIG_S_FEATURES_OK as u8;
    pub(in super::super) const NEEDS_RESET: u8 = virtio_config::VIRTIO_CONFIG_S_NEEDS_RESET as u8;
}

/// Features of any device.
pub(super) mod feature {
    use super::{virtio_config, virtio_ring};

    pub(in super::super) const INDIRECT: u64 = 1 << virtio_ring::VIRTIO_RING_F_INDIRECT_DESC;
    pub(in super::super) const EVENT_INDEX: u64 = 1 << virtio_ring::VIRTIO_RING_F_EVENT_IDX;
    pub(in super::super) const VERSION_1: u64 = 1 << virtio_config::VIRTIO_F_VERSION_1;
    pub(in super::super) const ACCESS_PLATFORM: u64 = 1 << virtio_config::VIRTIO_F_ACCESS_PLATFORM;
}
