//! The numbers of configuration space: PCI Local Bus 3.0, 6.1 to 6.8, and appendix H for capabilities. Offsets in bytes; all registers are
//! little-endian.

/// Bytes of a function's configuration space: the eight-bit register numbers. None of the functions is PCI Express, which has more.
pub(super) const BYTES: usize = 256;

/// Vendor ID.
pub(super) const VENDOR: usize = 0x00;
/// Device ID.
pub(super) const DEVICE: usize = 0x02;
/// Command register.
pub(super) const COMMAND: usize = 0x04;
/// Status register.
pub(super) const STATUS: usize = 0x06;
/// Revision ID, and after it programming interface, sub-class, base class.
pub(super) const REVISION: usize = 0x08;
/// Cache line size: a byte for the guest's use, as nothing here depends on it.
pub(super) const CACHE_LINE: usize = 0x0c;
/// The first of six base address registers.
pub(super) const FIRST_BAR: usize = 0x10;
/// Subsystem vendor ID.
pub(super) const SUBSYSTEM_VENDOR: usize = 0x2c;
/// Subsystem ID.
pub(super) const SUBSYSTEM: usize = 0x2e;
/// Where the first capability is.
pub(super) const CAPABILITIES: usize = 0x34;
/// Interrupt line: a byte for the guest's use.
pub(super) const INTERRUPT_LINE: usize = 0x3c;
/// Interrupt pin.
pub(super) const INTERRUPT_PIN: usize = 0x3d;
/// The first byte that is free for capabilities.
pub(super) const AFTER_HEADER: usize = 0x40;

/// Bits of the command register.
pub(super) mod command {
    /// I/O space is decoded.
    pub(crate) const IO: u16 = 1 << 0;
    /// Memory space is decoded.
    pub(crate) const MEMORY: u16 = 1 << 1;
    /// The function may use the bus by itself.
    pub(crate) const MASTER: u16 = 1 << 2;
    /// Parity errors are answered: there are none.
    pub(crate) const PARITY: u16 = 1 << 6;
    /// System errors are signalled: there are none.
    pub(crate) const SYSTEM_ERROR: u16 = 1 << 8;
    /// INTA stays down.
    pub(crate) const INTERRUPT_DISABLE: u16 = 1 << 10;
}

/// Bits of the status register.
pub(super) mod status {
    /// The function asks for INTA, disabled or not.
    pub(crate) const INTERRUPT: u16 = 1 << 3;
    /// There are capabilities.
    pub(crate) const CAPABILITIES: u16 = 1 << 4;
}

/// Capability IDs.
pub(super) mod capability {
    /// Vendor-specific.
    pub(crate) const VENDOR: u8 = 0x09;
    /// MSI-X.
    pub(crate) const MSIX: u8 = 0x11;
}

/// The MSI-X capability (6.8.2).
pub(super) mod msix {
    /// Bytes of the capability.
    pub(crate) const BYTES: usize = 12;
    /// Message control, in the capability.
    pub(crate) const CONTROL: usize = 2;
    /// Offset of the table and number of its BAR.
    pub(crate) const TABLE: usize = 4;
    /// Offset of the pending bits and number of their BAR.
    pub(crate) const PENDING: usize = 8;
    /// Message control: all vectors are masked.
    pub(crate) const FUNCTION_MASK: u16 = 1 << 14;
    /// Message control: messages instead of INTA.
    pub(crate) const ENABLE: u16 = 1 << 15;
    /// Vectors at most.
    pub(crate) const MOST: u16 = 2048;
    /// Bytes of an entry of the table: address (8), data (4), vector control (4).
    pub(crate) const ENTRY: u64 = 16;
}
