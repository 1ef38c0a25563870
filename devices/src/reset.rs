//! How a device is brought back to the state after power-on.

/// A device that keeps something of what a guest has done to it.
pub trait Reset: Send + Sync {
    /// Makes it as it was after power-on; what it was doing for the guest ends before this returns, and it leaves guest memory
    /// alone afterwards until it is told otherwise. No processor runs meanwhile.
    fn reset(&self);
}
