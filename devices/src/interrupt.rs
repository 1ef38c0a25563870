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

/// The interrupt sources of a machine by number, for those that have many. A number that is no source, or one of the other kind,
/// does nothing.
pub trait Sources: Send + Sync {
    /// Signals the edge-triggered source `number`, as [`Interrupt::raise`] does.
    fn pulse(&self, number: u32);

    /// Puts the line of the level-triggered source `number` up or down.
    fn set_level(&self, number: u32, up: bool);
}
