//! What a request asks for (virtio 1.2, 5.2.6), as a function of its header and lengths: nothing is read or written here.

use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_OK, VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_FLUSH,
    VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_WRITE_ZEROES,
    VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP,
};

use super::config::Limits;
use crate::disk::{Activity, SECTOR, Space};

/// Bytes of a request's header: type, reserved, sector.
pub(super) const HEADER_BYTES: usize = 16;

/// Bytes of a range to discard or to make zero: sector, sectors, flags.
pub(super) const RANGE_BYTES: usize = 16;

/// Bytes of the device's ID at most (virtio 1.2, 5.2.6).
pub(super) const ID_BYTES: usize = 20;

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    /// It is done.
    Ok = VIRTIO_BLK_S_OK as u8,
    /// It could not be.
    Error = VIRTIO_BLK_S_IOERR as u8,
    /// The device does no such thing.
    Unsupported = VIRTIO_BLK_S_UNSUPP as u8,
}

/// What is done to ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// They are discarded.
    Discard,
    /// They are made zero.
    Zero,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Data from the disk.
    Read {
        /// Offset in the disk.
        at: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// Data to the disk.
    Write {
        /// Offset in the disk.
        at: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// What is done is to be durable.
    Flush,
    /// The device's ID.
    Identity {
        /// How many bytes of it.
        bytes: usize,
    },
    /// Ranges.
    Ranges {
        /// What is done to them.
        change: Change,
        /// How many there are.
        count: u32,
    },
}

/// A device as requests see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Bytes of the disk.
    pub(super) disk_bytes: u64,
    /// Every offset and length is a multiple of it.
    pub(super) block: u32,
    pub(super) is_read_only: bool,
    /// Whether discards were negotiated.
    pub(super) has_discard: bool,
    /// Whether zeros were negotiated.
    pub(super) has_zeroes: bool,
    pub(super) limits: Limits,
}

impl Terms {
    /// What a request with this header asks for, which carries `readable` bytes of data to the device and has room for `writable` from it.
    ///
    /// # Errors
    /// How it ends instead.
    pub(super) fn plan(&self, header: [u8; HEADER_BYTES], readable: u64, writable: u64) -> Result<Plan, Status> {
        let [kind, _, low, high] = words(header);
        let sector = u64::from(high) << 32 | u64::from(low);
        match kind {
            VIRTIO_BLK_T_IN => {
                let at = self.place(sector, writable)?;
                Ok(Plan::Read { at, bytes: writable })
            }
            VIRTIO_BLK_T_OUT if self.is_read_only => Err(Status::Error),
            VIRTIO_BLK_T_OUT => {
                let at = self.place(sector, readable)?;
                Ok(Plan::Write { at, bytes: readable })
            }
            VIRTIO_BLK_T_FLUSH => Ok(Plan::Flush),
            VIRTIO_BLK_T_GET_ID => Ok(Plan::Identity {
                bytes: writable.min(ID_BYTES as u64) as usize,
            }),
            VIRTIO_BLK_T_DISCARD if self.has_discard => self.ranges(Change::Discard, readable),
            VIRTIO_BLK_T_WRITE_ZEROES if self.has_zeroes => self.ranges(Change::Zero, readable),
            _ => Err(Status::Unsupported),
        }
    }

    /// Where a range is, and what becomes of its space.
    ///
    /// # Errors
    /// How the request ends instead.
    pub(super) fn range(&self, range: [u8; RANGE_BYTES], change: Change) -> Result<(u64, u64, Space), Status> {
        let [low, high, sectors, flags] = words(range);
        let may_unmap = flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP != 0;
        if flags & !VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP != 0 || (change == Change::Discard && may_unmap) {
            return Err(Status::Unsupported);
        }
        let most = match change {
            Change::Discard => self.limits.discard_sectors,
            Change::Zero => self.limits.zero_sectors,
        };
        if sectors > most {
            return Err(Status::Error);
        }
        let bytes = u64::from(sectors) * SECTOR;
        let at = self.place(u64::from(high) << 32 | u64::from(low), bytes)?;
        let space = match may_unmap && self.limits.zeroes_may_unmap {
            true => Space::Released,
            false => Space::Kept,
        };
        Ok((at, bytes, space))
    }

    fn ranges(&self, change: Change, readable: u64) -> Result<Plan, Status> {
        let count = readable / RANGE_BYTES as u64;
        if !readable.is_multiple_of(RANGE_BYTES as u64) || count > u64::from(self.limits.ranges) {
            return Err(Status::Error);
        }
        let count = count as u32;
        Ok(Plan::Ranges { change, count })
    }

    /// Offset of a sector with as many bytes behind it, whole blocks inside the disk.
    fn place(&self, sector: u64, bytes: u64) -> Result<u64, Status> {
        let block = u64::from(self.block);
        let at = sector.checked_mul(SECTOR).ok_or(Status::Error)?;
        let end = at.checked_add(bytes).ok_or(Status::Error)?;
        if end > self.disk_bytes || !at.is_multiple_of(block) || !bytes.is_multiple_of(block) {
            return Err(Status::Error);
        }
        Ok(at)
    }
}

impl Change {
    /// What it is to be called when it fails.
    pub(super) fn activity(self) -> Activity {
        match self {
            Self::Discard => Activity::Discarding,
            Self::Zero => Activity::Zeroing,
        }
    }
}

fn words(bytes: [u8; 16]) -> [u32; 4] {
    std::array::from_fn(|word| {
        let bytes = bytes[4 * word..].first_chunk().expect("four words of four bytes");
        u32::from_le_bytes(*bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: u64 = 1 << 20;

    fn terms() -> Terms {
        Terms {
            disk_bytes: DISK,
            block: 512,
            is_read_only: false,
            has_discard: true,
            has_zeroes: true,
            limits: Limits {
                queues: 1,
                segment_bytes: 1 << 20,
                segments: 254,
                discard_sectors: 1024,
                zero_sectors: 16,
                ranges: 4,
                zeroes_may_unmap: true,
            },
        }
    }

    fn header(kind: u32, sector: u64) -> [u8; 16] {
        let mut header = [0; 16];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[8..].copy_from_slice(&sector.to_le_bytes());
        header
    }

    fn range(sector: u64, sectors: u32, flags: u32) -> [u8; 16] {
        let mut range = [0; 16];
        range[..8].copy_from_slice(&sector.to_le_bytes());
        range[8..12].copy_from_slice(&sectors.to_le_bytes());
        range[12..].copy_from_slice(&flags.to_le_bytes());
        range
    }

    #[test]
    fn data_lies_inside_the_disk_in_whole_sectors() {
        let last = DISK / SECTOR - 1;
        for (sector, bytes, is_right) in [
            (0, 512, true),
            (0, DISK, true),
            (last, 512, true),
            (last + 1, 0, true),
            (5, 0, true),
            (last, 1024, false),
            (last + 1, 512, false),
            (last + 2, 0, false),
            (u64::MAX, 512, false),
            (u64::MAX / 512, 512, false),
            (0, 511, false),
            (0, 513, false),
        ] {
            let read = terms().plan(header(VIRTIO_BLK_T_IN, sector), 0, bytes);
            let write = terms().plan(header(VIRTIO_BLK_T_OUT, sector), bytes, 0);
            if is_right {
                let at = sector * 512;
                assert_eq!(read, Ok(Plan::Read { at, bytes }));
                assert_eq!(write, Ok(Plan::Write { at, bytes }));
            } else {
                assert_eq!(read, Err(Status::Error), "{sector}, {bytes}");
                assert_eq!(write, Err(Status::Error), "{sector}, {bytes}");
            }
        }
    }

    #[test]
    fn a_disk_of_larger_blocks_takes_whole_ones() {
        let terms = Terms { block: 4096, ..terms() };
        let read = |sector, bytes| terms.plan(header(VIRTIO_BLK_T_IN, sector), 0, bytes).is_ok();
        assert!(read(8, 4096));
        assert!(!read(8, 512) && !read(1, 4096));
    }

    #[test]
    fn a_read_only_disk_fails_writes_and_has_no_other_changes() {
        let terms = Terms {
            is_read_only: true,
            has_discard: false,
            has_zeroes: false,
            ..terms()
        };
        assert_eq!(terms.plan(header(VIRTIO_BLK_T_OUT, 0), 512, 0), Err(Status::Error));
        for kind in [VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES] {
            assert_eq!(terms.plan(header(kind, 0), 16, 0), Err(Status::Unsupported));
        }
        assert!(terms.plan(header(VIRTIO_BLK_T_IN, 0), 0, 512).is_ok());
    }

    #[test]
    fn what_nobody_knows_is_unsupported() {
        for kind in [2, 3, 10, 12, 14, 15, 24, u32::MAX] {
            assert_eq!(
                terms().plan(header(kind, 0), 16, 16),
                Err(Status::Unsupported),
                "{kind}"
            );
        }
    }

    #[test]
    fn an_id_has_twenty_bytes_at_most() {
        for (room, bytes) in [(0, 0), (1, 1), (20, 20), (21, 20), (1 << 30, 20)] {
            let plan = terms().plan(header(VIRTIO_BLK_T_GET_ID, 7), 0, room);
            assert_eq!(plan, Ok(Plan::Identity { bytes }));
        }
    }

    #[test]
    fn ranges_come_in_whole_ones_and_not_too_many() {
        for (bytes, count) in [
            (0, Some(0)),
            (16, Some(1)),
            (64, Some(4)),
            (80, None),
            (17, None),
            (15, None),
        ] {
            let plan = terms().plan(header(VIRTIO_BLK_T_DISCARD, 0), bytes, 0);
            let change = Change::Discard;
            assert_eq!(plan.ok(), count.map(|count| Plan::Ranges { change, count }));
        }
    }

    #[test]
    fn a_range_is_inside_the_disk_no_longer_than_allowed_and_has_known_flags_alone() {
        let terms = terms();
        let discard = |sector, sectors, flags| terms.range(range(sector, sectors, flags), Change::Discard);
        let zero = |sector, sectors, flags| terms.range(range(sector, sectors, flags), Change::Zero);
        assert_eq!(discard(8, 1024, 0), Ok((4096, 1024 * 512, Space::Kept)));
        assert_eq!(discard(8, 1025, 0), Err(Status::Error));
        assert_eq!(discard(2047, 2, 0), Err(Status::Error));
        assert_eq!(discard(8, 1, 1), Err(Status::Unsupported), "unmap is not a discard's");
        assert_eq!(discard(8, 1, 2), Err(Status::Unsupported));
        assert_eq!(zero(0, 16, 0), Ok((0, 8192, Space::Kept)));
        assert_eq!(zero(0, 16, 1), Ok((0, 8192, Space::Released)));
        assert_eq!(zero(0, 17, 1), Err(Status::Error));
        assert_eq!(zero(0, 1, 0x8000_0000), Err(Status::Unsupported));
        assert_eq!(zero(u64::MAX, 1, 0), Err(Status::Error));
    }
}
