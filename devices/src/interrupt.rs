//! How a device asks for attention. Who delivers the interrupt is not the device's business.

/// An edge-triggered interrupt of a device.
pub trait Interrupt: Send + Sync {
    /// Signals that something has happened. Edges that come before the guest has accepted an
    /// earlier one are one interrupt; an edge that comes later is never lost.
    fn raise(&self);
}

impl<F: Fn() + Send + Sync> Interrupt for F {
    fn raise(&self) {
        self();
    }
}
