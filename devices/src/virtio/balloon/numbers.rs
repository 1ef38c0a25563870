//! Numbers of balloons (virtio 1.2, 5.5).

/// Features: statistics; a guest that needs memory takes it back unasked; hints; reports.
pub(super) mod feature {
    pub(in super::super) const STATISTICS: u64 = 1 << 1;
    pub(in super::super) const DEFLATE_ON_OOM: u64 = 1 << 2;
    pub(in super::super) const HINTS: u64 = 1 << 3;
    pub(in super::super) const REPORTS: u64 = 1 << 5;
}

/// Queues. The specification numbers them so whichever of them are there; Linux leaves no gaps, so a driver without [`feature::HINTS`] may
/// mean reports by [`queue::HINTS`].
pub(super) mod queue {
    pub(in super::super) const INFLATE: usize = 0;
    pub(in super::super) const DEFLATE: usize = 1;
    pub(in super::super) const STATISTICS: usize = 2;
    pub(in super::super) const HINTS: usize = 3;
    pub(in super::super) const REPORTS: usize = 4;
    pub(in super::super) const COUNT: usize = 5;
}

/// Offset of the size that the host wants, and of the size that the driver has reached, in the configuration. What follows (hints, poison) is zero: no
/// hints are asked for.
pub(super) const WANTED: usize = 0;
pub(super) const REACHED: u64 = 4;

/// Bytes of a page, whatever the guest's pages are.
pub(super) const PAGE: u64 = 4096;

/// Bytes of a number of a page.
pub(super) const NUMBER_BYTES: usize = 4;

/// Bytes of one statistic: tag and value.
pub(super) const STATISTIC_BYTES: usize = 10;
