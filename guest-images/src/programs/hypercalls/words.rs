//! Numbers, statuses, flags and entries, as the manual has them.

pub(crate) const H_REMOVE: u64 = 0x04;
pub(crate) const H_ENTER: u64 = 0x08;
pub(crate) const H_READ: u64 = 0x0c;
pub(crate) const H_CLEAR_MOD: u64 = 0x10;
pub(crate) const H_CLEAR_REF: u64 = 0x14;
pub(crate) const H_PROTECT: u64 = 0x18;
pub(crate) const H_SET_SPRG0: u64 = 0x24;
pub(crate) const H_PAGE_INIT: u64 = 0x2c;
pub(crate) const H_GET_TERM_CHAR: u64 = 0x54;
pub(crate) const H_PUT_TERM_CHAR: u64 = 0x58;
pub(crate) const H_EOI: u64 = 0x64;
pub(crate) const H_CPPR: u64 = 0x68;
pub(crate) const H_IPI: u64 = 0x6c;
pub(crate) const H_IPOLL: u64 = 0x70;
pub(crate) const H_XIRR: u64 = 0x74;
pub(crate) const H_REGISTER_VPA: u64 = 0xdc;
pub(crate) const H_CEDE: u64 = 0xe0;
pub(crate) const H_CONFER: u64 = 0xe4;
pub(crate) const H_PROD: u64 = 0xe8;
pub(crate) const H_BULK_REMOVE: u64 = 0x124;
pub(crate) const H_GET_CPU_CHARACTERISTICS: u64 = 0x1c8;
pub(crate) const H_RANDOM: u64 = 0x300;
pub(crate) const H_SET_MODE: u64 = 0x31c;
pub(crate) const H_BLOCK_REMOVE: u64 = 0x328;
pub(crate) const H_RESIZE_HPT_PREPARE: u64 = 0x36c;
pub(crate) const H_RESIZE_HPT_COMMIT: u64 = 0x370;

pub(crate) const SUCCESS: u64 = 0;
pub(crate) const CLOSED: u64 = 2;
pub(crate) const PARTIAL: u64 = 5;
pub(crate) const FUNCTION: u64 = (-2_i64).cast_unsigned();
pub(crate) const PARAMETER: u64 = (-4_i64).cast_unsigned();
pub(crate) const PTEG_FULL: u64 = (-6_i64).cast_unsigned();
pub(crate) const NOT_FOUND: u64 = (-7_i64).cast_unsigned();
pub(crate) const RESOURCE: u64 = (-16_i64).cast_unsigned();
pub(crate) const STATE: u64 = (-75_i64).cast_unsigned();
pub(crate) const P2: u64 = (-55_i64).cast_unsigned();
pub(crate) const P3: u64 = (-56_i64).cast_unsigned();
pub(crate) const P4: u64 = (-57_i64).cast_unsigned();
pub(crate) const TOO_BIG: u64 = (-64_i64).cast_unsigned();

/// Flags of the page table's hypercalls.
pub(crate) const EXACT: u64 = 1 << 39;
pub(crate) const READ_4: u64 = 1 << 37;
pub(crate) const AVPN: u64 = 1 << 31;
pub(crate) const ANDCOND: u64 = 1 << 30;
pub(crate) const ZERO_PAGE: u64 = 1 << 15;
pub(crate) const COPY_PAGE: u64 = 1 << 14;

/// Bits of an entry.
pub(crate) const SECONDARY: u64 = 2;
pub(crate) const LARGE: u64 = 4;
pub(crate) const BOLTED: u64 = 0x10;
pub(crate) const HYPERVISOR: u64 = 0x60;
pub(crate) const REFERENCED: u64 = 0x100;
pub(crate) const CHANGED: u64 = 0x80;

/// Memory that nobody else uses.
pub(crate) const PAGE: u64 = 0x80_0000;
pub(crate) const OTHER_PAGE: u64 = 0x90_0000;

/// Doubleword 0 of a valid entry for page `n` of a segment: 8 MiB apart, so that each has an AVPN of its own.
pub(crate) fn v(n: u64) -> u64 {
    (0x1234 << 12) | (n << 7) | 1
}

/// Doubleword 1 for 4 KiB at `real`: coherent, read and written by all.
pub(crate) fn r(real: u64) -> u64 {
    real | 0x10 | 2
}
