//! What the table's hypercalls need to know about the guest's real address space, and do in it.

/// What lies at a real address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RealKind {
    /// Memory.
    Ram,
    /// A device's registers.
    Device,
}

/// The guest's real address space.
pub trait RealMap: Send + Sync {
    /// What all of `bytes` bytes from `real` are; `None` if there is nothing at some of them, or
    /// different things.
    fn kind(&self, real: u64, bytes: u64) -> Option<RealKind>;

    /// Zeroes `bytes` bytes of memory from `real`, for which [`Self::kind`] is [`RealKind::Ram`].
    fn zero(&self, real: u64, bytes: u64);

    /// The guest has stored instructions into these bytes of memory: what processors have decoded
    /// of them goes.
    fn synchronize_instructions(&self, real: u64, bytes: u64);
}
